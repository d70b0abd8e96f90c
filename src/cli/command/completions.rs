//! `rcluster completions`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, command},
    },
    output::{result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};

const AFTER: &str = "\
Examples:
  rcluster completions bash > /etc/bash_completion.d/rcluster     for bash
  rcluster completions zsh > \"${fpath[1]}/_rcluster\"              for zsh";

/// Print shell completions
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Completions {
    /// Which shell
    shell: clap_complete::Shell,
}

impl Execute for Completions {
    const FACTS: Facts = Facts::text(Verb::Completions);

    async fn run(&self, _: &Global, _: Screen) -> Result<Verdict> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "rcluster", &mut text);
        result::put(&String::from_utf8_lossy(&text))?;
        Ok(Verdict::Fine)
    }
}
