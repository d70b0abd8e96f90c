//! `rcluster`: parse, run, report, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    rcluster::cli::main()
}
