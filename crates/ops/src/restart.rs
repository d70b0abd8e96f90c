//! `restart`: stops all nodes at once, so that none is failed over, then does what `up` does.

use super::{
    start, stop,
    up::{self, Extent, Outcome},
};
use crate::cluster::context::Context;
use rcluster_core::{
    error::Result, node::NodeName, plan::step::Plan, secret::Secret, spec::launch::Launch,
};

/// The plan of `restart`.
pub async fn dry_run(context: &Context<'_>, launch: &Launch, only: &[NodeName]) -> Result<Plan> {
    let mut plan = stop::plan(context, &launch.name, only).await?;
    plan.notes
        .push("then the same as `up`, which starts what is stopped".to_owned());
    Ok(plan)
}

/// Restarts all nodes, or those that are named, and verifies the cluster.
pub async fn restart(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
    only: &[NodeName],
) -> Result<Outcome> {
    // What `up` would refuse is refused before any node is stopped.
    start::plan(context, launch).await?;
    let stopped = stop::stop(context, &launch.name, only).await?;
    let outcome = up::up(context, launch, before, password, Extent::All).await?;
    Ok(Outcome {
        changes: outcome.changes + stopped,
        ..outcome
    })
}
