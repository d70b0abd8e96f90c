//! `rcluster history`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{look, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
};
use rcluster_ops::history;

const AFTER: &str = "\
Examples:
  rcluster history --last 5              the last five runs
  rcluster history --json | jq .runs     for a program";

/// Who changed the cluster, when, how, and what came of it
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct History {
    /// Only the last so many runs
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

impl Execute for History {
    const FACTS: Facts = Facts::json(Verb::History);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        if !global.seed.is_empty() {
            return Err(Error::refused(
                "of a cluster that rcluster did not start there is no journal",
            )
            .hint(hint!["leave --seed out"; Verb::List, " shows the clusters that have one"]));
        }
        let request = settings::request(global, &SpecFlags::default())?;
        let history = history::history(&request.state, &request.spec.name, self.last)?;
        result::show(screen, &look::history(&history), &history)?;
        Ok(Verdict::Fine)
    }
}
