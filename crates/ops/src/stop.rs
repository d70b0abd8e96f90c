//! `stop`: stops all nodes, or those that are named. Nothing is removed.

use crate::cluster::{apply::Applier, context::Context, handle::no_such_cluster};
use rcluster_core::snapshot::place::RunState;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    plan::{step::Plan, teardown},
    spec::{ClusterName, launch::Launch},
};

/// The stops that are needed.
pub async fn plan(context: &Context<'_>, name: &ClusterName, only: &[NodeName]) -> Result<Plan> {
    let placed = context.runtime.list(name).await?;
    if placed.is_empty() {
        return Err(no_such_cluster(name));
    }
    for wanted in only {
        if !placed.iter().any(|node| node.node == *wanted) {
            let known: Vec<&str> = placed.iter().map(|node| node.node.as_str()).collect();
            return Err(Error::usage(format!("{name} has no node {wanted}"))
                .hint(format!("its nodes are {}", known.join(", "))));
        }
    }
    let running: Vec<NodeName> = placed
        .into_iter()
        .filter(|node| node.state != RunState::Stopped)
        .map(|node| node.node)
        .filter(|node| only.is_empty() || only.contains(node))
        .collect();
    Ok(teardown::stop(&running))
}

/// Stops them; returns how many nodes were running.
pub async fn stop(context: &Context<'_>, name: &ClusterName, only: &[NodeName]) -> Result<usize> {
    let plan = plan(context, name, only).await?;
    let launch = Launch::bare(name, context.runtime.kind());
    let mut applier = Applier::new(context, &launch, None);
    applier.apply(&plan).await?;
    Ok(applier.done())
}
