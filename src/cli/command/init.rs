//! `rcluster init`

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
    cluster::session::{Purpose, Session},
    init::{self, Nodes},
    lifecycle,
    up::{self, Extent},
};

const AFTER: &str = "\
Examples:
  rcluster init                                                               the nodes that `rcluster start` started
  rcluster init --seed H1:6379 --seed H2:6379 --seed H3:6379 --replicas 0     these three";

/// Form the cluster of nodes that run (with --seed: of exactly these nodes)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Init {
    /// Replicas of each master, with --seed
    #[arg(long, value_name = "N", env = "RCLUSTER_REPLICAS")]
    replicas: Option<u16>,
}

impl Execute for Init {
    const FACTS: Facts = Facts {
        verb: Verb::Init,
        json: true,
    };

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let flags = SpecFlags {
            replicas: self.replicas,
            ..SpecFlags::default()
        };
        let progress = Progress::new(screen);
        if global.seed.is_empty() {
            let request = settings::request(global, &flags)?;
            if global.dry_run {
                let session = Session::create(request, Purpose::Look, &progress).await?;
                let context = session.context(&progress);
                let before = session.before.as_ref();
                let plan =
                    up::dry_init(&context, &session.launch, before, session.password()).await?;
                progress.finish();
                result::plan(screen, &plan)?;
                return Ok(Verdict::Fine);
            }
            let session = Session::create(request, Purpose::Change, &progress).await?;
            let outcome = lifecycle::up(&session, &progress, Extent::Form).await?;
            result::up(screen, &session.launch, &outcome, &progress, "init")?;
            return Ok(Verdict::Fine);
        }
        let (seeds, user) = settings::seeds(global)?;
        let nodes = Nodes {
            seeds,
            replicas: self.replicas.unwrap_or(1),
            user,
            password: settings::seed_password(global)?,
            deadline: settings::deadline(global),
        };
        if global.dry_run {
            let plan = init::dry_run(nodes, &progress).await?;
            progress.finish();
            result::plan(screen, &plan)?;
            return Ok(Verdict::Fine);
        }
        let outcome = init::of_seeds(nodes, &progress).await?;
        result::formed(screen, &outcome, &progress)?;
        Ok(Verdict::Fine)
    }
}
