//! `rcluster start`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb, node::NodeName};
use rcluster_ops::{
    cluster::handle::Cluster,
    lifecycle,
    up::{self, Extent},
};

const AFTER: &str = "\
Examples:
  rcluster start            every node; `rcluster init` forms the cluster
  rcluster start node-3     only this node";

/// Start the nodes without forming the cluster
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Start {
    /// Only these nodes
    #[arg(value_name = "NODE", value_parser = node_name)]
    nodes: Vec<NodeName>,
    #[command(flatten)]
    spec: SpecFlags,
}

impl Execute for Start {
    const FACTS: Facts = Facts::json(Verb::Start);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &self.spec)?;
        let progress = Progress::new(screen);
        let session = Cluster::create(request, global.purpose(), &progress).await?;
        if global.dry_run {
            let plan =
                up::dry_start(&session.context(&progress), &session.launch, &self.nodes).await?;
            return planned(screen, &progress, &plan);
        }
        let outcome = lifecycle::up(&session, &progress, Extent::Start(self.nodes.clone())).await?;
        result::up(screen, &session.launch, &outcome, &progress, "start")?;
        Ok(Verdict::Fine)
    }
}
