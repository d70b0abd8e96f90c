//! `rcluster scale`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        confirm, settings,
    },
    output::{
        progress::Progress,
        result,
        screen::{Screen, tell},
    },
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{
    cluster::handle::{Cluster, no_such_cluster},
    lifecycle,
    store::{spec_file, spec_size},
    up::{self, Extent},
};

const AFTER: &str = "\
Clients go on working meanwhile. Slots move to new masters, or away from those that go, with their
keys; replicas are placed off their master's host. The same as another number in the spec and `up`.
Whatever ends it, the same command (or `up`) goes on.

Examples:
  rcluster scale --shards 4                a master more, with its replicas
  rcluster scale --shards 4 -n             what would be done, step by step
  rcluster scale --shards 3 --yes          back again, without a question
  rcluster scale --replicas 2              a replica more for each master";

/// Change the number of shards and replicas while clients go on working
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Scale {
    /// Masters
    #[arg(long, value_name = "N", required_unless_present = "replicas")]
    shards: Option<u16>,
    /// Replicas of each master
    #[arg(long, value_name = "N")]
    replicas: Option<u16>,
    /// Keep the data of nodes that are removed
    #[arg(long)]
    keep_data: bool,
    /// Write the numbers into the spec file too; nothing else in it changes
    #[arg(long)]
    write: bool,
}

impl Execute for Scale {
    const FACTS: Facts = Facts::json(Verb::Scale);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let file = settings::spec_file(global)?;
        let flags = SpecFlags::default();
        let mut request = settings::request(global, &flags)?;
        let Some(remembered) = &request.remembered else {
            return Err(no_such_cluster(&request.spec.name));
        };
        // Only its size changes; what else is new in the spec file is for `up`.
        let spec = remembered.spec.clone();
        let asked = request.spec.clone();
        request.spec = spec;
        settings::set(&mut request.spec.shards, self.shards);
        settings::set(&mut request.spec.replicas, self.replicas);
        spec_file::check(&request.spec)?;
        let wanted = (request.spec.shards, request.spec.replicas);
        let progress = Progress::new(screen);
        let mut session = Cluster::create(request, global.purpose(), &progress).await?;
        session.launch.leaving.keep_data |= self.keep_data;
        if global.dry_run {
            let context = session.context(&progress);
            let before = session.before.as_ref();
            let plan = up::dry_run(&context, &session.launch, before, session.password()).await?;
            return planned(screen, &progress, &plan);
        }
        confirm::leaving(global, &session).await?;
        if let (Some(path), true) = (&file, self.write) {
            spec_size::write(path, wanted.0, wanted.1)?;
        }
        let outcome = lifecycle::up(&session, &progress, Extent::All).await?;
        result::up(screen, &session.launch, &outcome, &progress, "up")?;
        if let (Some(path), false) = (
            &file,
            self.write || (asked.shards, asked.replicas) == wanted,
        ) {
            let text = format!(
                "{} still asks for shards: {}, replicas: {}: `up` would go back to that. Change it, or add --write",
                path.display(),
                asked.shards,
                asked.replicas
            );
            tell(&format!("warning: {text}"));
        }
        Ok(Verdict::Fine)
    }
}
