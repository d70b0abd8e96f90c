//! The Rust snippet of `rcluster env`, as it is printed: compiled with the tests, and run by one.
#![allow(clippy::print_stdout, missing_docs)]

include!("snippet.rs");
