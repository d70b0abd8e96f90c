//! One test binary: the house rules, the command line, scenarios on fakes, and live clusters.

// Helpers of tests may panic too; clippy.toml allows that only in functions marked `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod architecture;
mod cli;
mod live;
mod rendered;
mod rig;
mod runtime_kinds;
mod scenario;
mod well;
