//! `rcluster completions`

use crate::{
    cli::{
        Verdict,
        args::{Cli, CompletionArgs},
    },
    output::result,
};
use clap::CommandFactory;
use rcluster_core::error::Result;

pub(in crate::cli) fn run(args: &CompletionArgs) -> Result<Verdict> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rcluster", &mut text);
    result::put(&String::from_utf8_lossy(&text))?;
    Ok(Verdict::Fine)
}
