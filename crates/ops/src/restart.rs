//! `restart`: stop, then up; all at once, so that nobody is failed over.

use super::{
    start, stop,
    up::{self, Extent, Outcome},
};
use crate::cluster::context::Context;
use rcluster_core::{
    error::Result, node::NodeName, plan::step::Plan, secret::Secret, spec::launch::Launch,
};

/// What `restart` would do.
pub async fn dry_run(context: &Context<'_>, launch: &Launch, only: &[NodeName]) -> Result<Plan> {
    let mut plan = stop::plan(context, &launch.name, only).await?;
    plan.notes
        .push("then the same as `up`, which starts what is stopped".to_owned());
    Ok(plan)
}

/// Restarts every node, or those that are named, and proves that the cluster is well again.
pub async fn restart(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
    only: &[NodeName],
) -> Result<Outcome> {
    // What `up` would refuse is refused before anything is stopped.
    start::plan(context, launch).await?;
    let stopped = stop::stop(context, &launch.name, only).await?;
    let outcome = up::up(context, launch, before, password, Extent::All).await?;
    Ok(Outcome {
        changes: outcome.changes + stopped,
        ..outcome
    })
}
