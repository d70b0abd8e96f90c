//! `rcluster up`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        confirm, settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{
    cluster::handle::Cluster,
    lifecycle,
    up::{self, Extent},
};

const AFTER: &str = "\
Examples:
  rcluster up                         three masters, three replicas, from nothing to verified
  rcluster up --port auto -c mine     a second one beside it, on free ports
  rcluster up -n                      what would be done, step by step";

/// Create, resume, repair or do nothing: whatever it takes to be up and verified
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Up {
    #[command(flatten)]
    spec: SpecFlags,
}

impl Execute for Up {
    const FACTS: Facts = Facts::json(Verb::Up);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &self.spec)?;
        let progress = Progress::new(screen);
        let session = Cluster::create(request, global.purpose(), &progress).await?;
        if global.dry_run {
            let context = session.context(&progress);
            let plan = up::dry_run(
                &context,
                &session.launch,
                session.before.as_ref(),
                session.password(),
            )
            .await?;
            return planned(screen, &progress, &plan);
        }
        confirm::leaving(global, &session).await?;
        let outcome = lifecycle::up(&session, &progress, Extent::All).await?;
        result::up(screen, &session.launch, &outcome, &progress, "up")?;
        Ok(Verdict::Fine)
    }
}
