//! `rcluster completions`

use crate::{
    cli::{
        Verdict,
        args::{Cli, CompletionArgs},
    },
    error::Result,
    output::result,
};
use clap::CommandFactory;

pub(in crate::cli) fn run(args: &CompletionArgs) -> Result<Verdict> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rcluster", &mut text);
    result::put(&String::from_utf8_lossy(&text))?;
    Ok(Verdict::Fine)
}
