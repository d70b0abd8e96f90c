//! `rcluster stop`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        confirm::unsaved,
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb, node::NodeName};
use rcluster_ops::{cluster::handle::Cluster, lifecycle, stop};

const AFTER: &str = "\
Examples:
  rcluster stop            all of them
  rcluster stop node-4     only this node; `rcluster start node-4` brings it back";

/// Stop nodes; nothing is removed
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Stop {
    /// Only these nodes
    #[arg(value_name = "NODE", value_parser = node_name)]
    nodes: Vec<NodeName>,
}

impl Execute for Stop {
    const FACTS: Facts = Facts::json(Verb::Stop);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &SpecFlags::default())?;
        let progress = Progress::new(screen);
        let session = Cluster::find(request, global.purpose()).await?;
        if global.dry_run {
            let plan = stop::plan(
                &session.context(&progress),
                &session.launch.name,
                &self.nodes,
            )
            .await?;
            return planned(screen, &progress, &plan);
        }
        unsaved(global, &session, "stop", &self.nodes).await?;
        let stopped = lifecycle::stop(&session, &progress, &self.nodes).await?;
        result::stopped(screen, &session.launch, stopped, &progress)?;
        Ok(Verdict::Fine)
    }
}
