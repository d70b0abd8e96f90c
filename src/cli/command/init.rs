//! `rcluster init`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{
    cluster::handle::Cluster,
    init, lifecycle,
    up::{self, Extent},
};

const AFTER: &str = "\
Examples:
  rcluster init                                                               the nodes that `rcluster start` started
  rcluster init --seed H1:6379 --seed H2:6379 --seed H3:6379 --replicas 0     exactly these three nodes";

/// Form a cluster of the nodes that run (with --seed: of exactly these nodes)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Init {
    /// Replicas of each master, with --seed
    #[arg(long, value_name = "N", env = "RCLUSTER_REPLICAS")]
    replicas: Option<u16>,
}

impl Execute for Init {
    const FACTS: Facts = Facts::json(Verb::Init);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let flags = SpecFlags {
            replicas: self.replicas,
            ..SpecFlags::default()
        };
        let progress = Progress::new(screen);
        let request = settings::request(global, &flags)?;
        if !global.seed.is_empty() {
            let replicas = self.replicas.unwrap_or(1);
            let cluster = Cluster::behind_seeds(request)?;
            if global.dry_run {
                let plan = init::dry_run(&cluster, replicas, &progress).await?;
                return planned(screen, &progress, &plan);
            }
            let outcome = init::of_seeds(&cluster, replicas, &progress).await?;
            result::formed(screen, &outcome, &progress)?;
            return Ok(Verdict::Fine);
        }
        let cluster = Cluster::create(request, global.purpose(), &progress).await?;
        if global.dry_run {
            let context = cluster.context(&progress);
            let before = cluster.before.as_ref();
            let plan = up::dry_init(&context, &cluster.launch, before, cluster.password()).await?;
            return planned(screen, &progress, &plan);
        }
        let outcome = lifecycle::up(&cluster, &progress, Extent::Form).await?;
        result::up(screen, &cluster.launch, &outcome, &progress, "init")?;
        Ok(Verdict::Fine)
    }
}
