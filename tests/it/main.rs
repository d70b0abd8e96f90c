//! The one test binary: what rcluster does, seen from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod live;
mod rendered;
