//! `rcluster reset`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        confirm::{confirm, deletes},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{cluster::handle::Cluster, down, lifecycle, reset};

const AFTER: &str = "\
Examples:
  rcluster reset            the same nodes without keys
  rcluster reset --hard     new nodes, made from nothing";

/// Delete every key and form the cluster anew
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Reset {
    /// Remove nodes, network and data, and make them anew
    #[arg(long)]
    hard: bool,
}

impl Execute for Reset {
    const FACTS: Facts = Facts::json(Verb::Reset);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &SpecFlags::default())?;
        let session = Cluster::find(request, global.purpose()).await?;
        if global.dry_run {
            let progress = Progress::new(screen);
            let context = session.context(&progress);
            let plan = if self.hard {
                down::plan(&context, &session.launch.name, true).await?
            } else {
                reset::dry_run(&context, &session.launch).await?
            };
            return planned(screen, &progress, &plan);
        }
        let name = &session.launch.name;
        let what = if self.hard { "reset --hard" } else { "reset" };
        confirm(global, name, &deletes(&session, what).await).await?;
        let progress = Progress::new(screen);
        let outcome = if self.hard {
            lifecycle::reset_hard(&session, &progress).await?
        } else {
            lifecycle::reset(&session, &progress).await?
        };
        result::up(screen, &session.launch, &outcome, &progress, "reset")?;
        Ok(Verdict::Fine)
    }
}
