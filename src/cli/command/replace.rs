//! `rcluster replace`

use super::{Execute, Facts, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        confirm::confirm,
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb, node::NodeName};
use rcluster_ops::{
    cluster::handle::{Cluster, no_such_cluster},
    replace,
};

const AFTER: &str = "\
If the node leads a shard, a replica takes over first; a node whose slots nobody else has is refused.
Then all others forget it, it is removed with its data, and made anew under the same name and port,
as a replica with a new id.

Examples:
  rcluster replace node-5          asks for the cluster's name first
  rcluster replace node-5 -n       what would be done, step by step";

/// Put a new node in the place of one that is broken or has lost its data
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Replace {
    /// Which node
    #[arg(value_name = "NODE", value_parser = node_name)]
    node: NodeName,
}

impl Execute for Replace {
    const FACTS: Facts = Facts::json(Verb::Replace);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let mut request = settings::request(global, &SpecFlags::default())?;
        let Some(remembered) = &request.remembered else {
            return Err(no_such_cluster(&request.spec.name));
        };
        // What is new in the spec file is for `up`.
        request.spec = remembered.spec.clone();
        let progress = Progress::new(screen);
        let session = Cluster::create(request, global.purpose(), &progress).await?;
        let mut plan = replace::plan(&session, &progress, &self.node).await?;
        if global.dry_run {
            plan.notes
                .push("then the new node is made and joins as a replica, as `up` does it".into());
            return planned(screen, &progress, &plan);
        }
        let what = format!(
            "`replace` deletes what {} of cluster {} has on disk; the other nodes keep the data",
            self.node, session.launch.name
        );
        confirm(global, &session.launch.name, &what).await?;
        let outcome = replace::replace(&session, &progress, &self.node).await?;
        result::up(screen, &session.launch, &outcome, &progress, "up")?;
        Ok(Verdict::Fine)
    }
}
