//! `down`: removes the nodes and their network, and with `volumes` the data too. Labels are enough
//! to find them.

use crate::cluster::{apply::Applier, context::Context};
use rcluster_core::{
    error::Result,
    node::NodeName,
    plan::{step::Plan, teardown},
    spec::{ClusterName, launch::Launch},
};

/// The removals that are needed.
pub async fn plan(context: &Context<'_>, name: &ClusterName, volumes: bool) -> Result<Plan> {
    let placed = context.runtime.list(name).await?;
    let nodes: Vec<NodeName> = placed.into_iter().map(|node| node.node).collect();
    Ok(teardown::down(&nodes, volumes))
}

/// Removes them; returns how many nodes there were.
pub async fn down(context: &Context<'_>, name: &ClusterName, volumes: bool) -> Result<usize> {
    let plan = plan(context, name, volumes).await?;
    let launch = Launch::bare(name, context.runtime.kind());
    let mut applier = Applier::new(context, &launch, None);
    applier.apply(&plan).await?;
    // The last step is about what the nodes shared.
    Ok(applier.done().saturating_sub(1))
}
