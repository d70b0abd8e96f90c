//! `rcluster restart`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        confirm::unsaved,
        settings,
    },
    output::{failover as drill, progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb, node::NodeName};
use rcluster_ops::{
    cluster::handle::{Cluster, Purpose},
    lifecycle, restart, rolling,
};

const AFTER: &str = "\
Examples:
  rcluster restart                  all at once, so that nobody is failed over
  rcluster restart --rolling        one after another, always writable
  rcluster restart --rolling -n     shows the order";

/// Stop, start and verify; with --rolling one node after another, always writable
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Restart {
    /// Only these nodes
    #[arg(value_name = "NODE", conflicts_with = "rolling", value_parser = node_name)]
    nodes: Vec<NodeName>,
    /// Replicas first, then each master after a planned failover, and the first masters lead again at the
    /// end; stops at the first sign of trouble, and goes on from there when it is run again. -n shows the order
    #[arg(long)]
    rolling: bool,
}

impl Execute for Restart {
    const FACTS: Facts = Facts::json(Verb::Restart);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &SpecFlags::default())?;
        let progress = Progress::new(screen);
        if global.dry_run && self.rolling {
            let session = Cluster::find(request, Purpose::Look).await?;
            let outline = rolling::dry_run(&session, &progress).await?;
            progress.finish();
            return drill::outline(screen, &outline).map(|()| Verdict::Fine);
        }
        let session = Cluster::create(request, global.purpose(), &progress).await?;
        if global.dry_run {
            let plan =
                restart::dry_run(&session.context(&progress), &session.launch, &self.nodes).await?;
            return planned(screen, &progress, &plan);
        }
        let outcome = if self.rolling {
            lifecycle::rolling(&session, &progress).await?
        } else {
            unsaved(global, &session, "restart", &self.nodes).await?;
            lifecycle::restart(&session, &progress, &self.nodes).await?
        };
        result::up(screen, &session.launch, &outcome, &progress, "restart")?;
        Ok(Verdict::Fine)
    }
}
