//! `rcluster check`

use super::{Execute, Facts, cluster};
use crate::{
    cli::{Verdict, args::Global},
    output::{repair, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::status;

const AFTER: &str = "\
What `status` finds, and what takes a closer look: keys in nodes that do not own their slot,
functions that masters do not share, what the loss of a host or zone would cost. Each finding comes
with its reason and the command to type next.

Exit codes: 0 nothing found, 4 something, 5 no node answers, 6 no such cluster.

Examples:
  rcluster check
  rcluster check --json | jq '.problems[].id'
  rcluster check --seed 10.0.0.5:6379       a cluster that rcluster did not start";

/// Whether slots, keys, views, epochs and replicas are as they should be (exit 4: they are not)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Check {}

impl Execute for Check {
    const FACTS: Facts = Facts::json(Verb::Check);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let cluster = cluster(global).await?;
        let status = status::deep(&cluster).await?;
        result::show(screen, &repair::check(&status), &status)?;
        Ok(if status.is_ok() {
            Verdict::Fine
        } else {
            Verdict::Wanting
        })
    }
}
