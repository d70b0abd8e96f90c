//! rcluster runs a stock Redis 7 Cluster. (The map follows.)
pub mod cli;
pub mod error;
pub mod model;
pub mod ops;
pub mod output;
pub mod plan;
pub mod render;
pub mod runtime;
pub mod store;
pub mod tui;
pub mod wait;
pub mod wire;
