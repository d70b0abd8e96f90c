//! The one test binary: what rcluster does, seen from outside.

mod live;
mod rendered;
