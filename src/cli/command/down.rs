//! `rcluster down`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        confirm::{confirm, deletes, unsaved},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{cluster::handle::Cluster, down, lifecycle};

const AFTER: &str = "\
Examples:
  rcluster down                     `rcluster up` brings it back with its data
  rcluster down --volumes --yes     the data goes too, without a question";

/// Remove the nodes and their network; data stays unless --volumes
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Down {
    /// Delete the data too (asks first)
    #[arg(long)]
    volumes: bool,
}

impl Execute for Down {
    const FACTS: Facts = Facts::json(Verb::Down);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &SpecFlags::default())?;
        let session = Cluster::find(request, global.purpose()).await?;
        if global.dry_run {
            let progress = Progress::new(screen);
            let plan = down::plan(
                &session.context(&progress),
                &session.launch.name,
                self.volumes,
            )
            .await?;
            return planned(screen, &progress, &plan);
        }
        if self.volumes {
            let what = deletes(&session, "down --volumes").await;
            confirm(global, &session.launch.name, &what).await?;
        } else {
            unsaved(global, &session, "down", &[]).await?;
        }
        let progress = Progress::new(screen);
        let removed = lifecycle::down(&session, &progress, self.volumes).await?;
        result::removed(screen, &session.launch, removed, self.volumes, &progress)?;
        Ok(Verdict::Fine)
    }
}
