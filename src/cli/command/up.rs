//! `rcluster up`

use super::{Execute, Facts};
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
    cluster::handle::{Cluster, Purpose},
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
    const FACTS: Facts = Facts {
        verb: Verb::Up,
        json: true,
    };

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &self.spec)?;
        let progress = Progress::new(screen);
        if global.dry_run {
            let session = Cluster::create(request, Purpose::Look, &progress).await?;
            let context = session.context(&progress);
            let plan = up::dry_run(
                &context,
                &session.launch,
                session.before.as_ref(),
                session.password(),
            )
            .await?;
            progress.finish();
            result::plan(screen, &plan)?;
            return Ok(Verdict::Fine);
        }
        let session = Cluster::create(request, Purpose::Change, &progress).await?;
        let outcome = lifecycle::up(&session, &progress, Extent::All).await?;
        result::up(screen, &session.launch, &outcome, &progress, "up")?;
        Ok(Verdict::Fine)
    }
}
