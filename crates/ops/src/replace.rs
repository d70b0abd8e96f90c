//! `replace`: a node gives its place to a new one with another id, which is filled from its master.

use crate::{
    cluster::{event::Listener, handle::Cluster},
    failover::{carry_out::carry_out, ground::Ground, scene::Scene},
    lifecycle,
    up::{Extent, Outcome},
};
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    plan::step::{Plan, names},
    resize::{self, Old},
};

/// What is done before `up` makes and forms the new node.
pub async fn plan(session: &Cluster, listener: &dyn Listener, node: &NodeName) -> Result<Plan> {
    let ground = Ground::of(session, listener);
    intend(&ground, node).await.map(|(_, plan)| plan)
}

/// Replaces a node.
pub async fn replace(
    session: &Cluster,
    listener: &dyn Listener,
    node: &NodeName,
) -> Result<Outcome> {
    lifecycle::finish_drill(session, listener).await?;
    let ground = Ground::of(session, listener);
    let (scene, plan) = intend(&ground, node).await?;
    carry_out(&ground, &scene, &plan).await?;
    let made = lifecycle::up(session, listener, Extent::All).await?;
    Ok(made.after(plan.step_count()))
}

async fn intend(ground: &Ground<'_>, node: &NodeName) -> Result<(Scene, Plan)> {
    let launch = ground.launch;
    if launch.node(node).is_none() {
        let known: Vec<NodeName> = launch.nodes.iter().map(|node| node.name.clone()).collect();
        return Err(Error::usage(format!("{} has no node {node}", launch.name))
            .hint(format!("its nodes are {}", names(&known, ", "))));
    }
    let mut scene = Scene::calm(ground).await?;
    scene.refuse_open_slots()?;
    let ids = scene.names.iter().filter(|(_, name)| *name == node);
    let id = scene
        .id(node)
        .or_else(|| ids.map(|(id, _)| id.clone()).next());
    let owns = id.as_ref().is_some_and(|id| {
        let mut said = scene.snapshot.said();
        said.any(|(_, report)| {
            let line = report.view.line(id);
            line.is_some_and(|line| !line.slots.is_empty())
        })
    });
    let old = Old {
        name: node.clone(),
        id,
        owns,
    };
    // A node that does not answer is no reason to give up: it may be the one that is replaced.
    scene
        .snapshot
        .nodes
        .retain(|seen| seen.name != *node || seen.report().is_some());
    let nodes = resize::nodes(&scene.snapshot.seats()?, launch);
    let plan = resize::replace(&nodes, &old)?;
    Ok((scene, plan))
}
