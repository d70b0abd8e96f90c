//! The command line of rcluster: arguments ([`cli`]), what is printed ([`output`]), the live screen
//! ([`tui`]). What it does is in the crates below `crates/`; `CONTRIBUTING.md` has the map.

pub mod cli;
pub mod output;
pub mod tui;
