//! `restart --rolling`: replicas first, then each master after a planned failover, and the first
//! topology at the end. Every slot has a master all the while.
//!
//! Between any two nodes everything has to be well, or it stops. How far it came is written down
//! after each node, so that the same command goes on from there.

use super::{
    apply::Applier,
    context::Context,
    drill::{self, Scene},
    event::Listener,
    lifecycle,
    session::Session,
    up::{Extent, Outcome},
};
use crate::{
    error::{Error, Result},
    model::{
        count::count,
        drill::{Manner, Seats},
        node::{Endpoint, NodeName},
    },
    plan::step::{Change, Goal, Plan, Step},
    store::drill::Rolling,
};
use serde_json::json;

/// Restarts every node, one after another.
pub async fn rolling(session: &Session, listener: &dyn Listener) -> Result<Outcome> {
    let context = session.context(listener);
    let (state, name) = (&session.request.state, &session.launch.name);
    let begun = state.rolling(name)?;
    if let Some(begun) = &begun {
        context.note(format!(
            "a rolling restart was interrupted after {}: going on",
            count(begun.done.len(), "node")
        ));
        // The node that it was at may be down.
        lifecycle::up(session, listener, Extent::All).await?;
    }
    let scene = Scene::look(&context, &session.launch).await?;
    scene.well().map_err(|why| {
        Error::refused(format!("the cluster is not well: {why}"))
            .hint("a rolling restart begins with a healthy cluster: `rcluster up` repairs it")
    })?;
    for seats in &scene.seats {
        if seats.replicas.is_empty() {
            return Err(Error::refused(format!(
                "shard {} has no replica that could serve while {} restarts",
                seats.shard, seats.master
            ))
            .hint("`rcluster restart` restarts all at once, with an outage"));
        }
    }
    let mut rolling = begun.unwrap_or_else(|| Rolling {
        masters: scene
            .seats
            .iter()
            .map(|seats| seats.master.clone())
            .collect(),
        done: Vec::new(),
    });
    state.note_rolling(name, Some(&rolling))?;
    let first = first_topology(&scene.seats, &rolling.masters);
    loop {
        let scene = Scene::settled(&context, &session.launch, "between two nodes").await?;
        let Some(node) = next(&scene.seats, &rolling.done) else {
            break;
        };
        one(session, &context, &scene, &node).await?;
        rolling.done.push(node);
        state.note_rolling(name, Some(&rolling))?;
    }
    drill::restore(&context, &session.launch, &session.live(), &first).await?;
    state.note_rolling(name, None)?;
    let scene = Scene::settled(&context, &session.launch, "waiting for the end").await?;
    outcome(session, &scene, rolling.done.len())
}

/// Replicas first, then masters, each in the order of the shards.
fn next(seats: &[Seats], done: &[NodeName]) -> Option<NodeName> {
    let replicas = seats.iter().flat_map(|seats| &seats.replicas);
    let masters = seats.iter().map(|seats| &seats.master);
    replicas
        .chain(masters)
        .find(|node| !done.contains(node))
        .cloned()
}

/// The shards with the masters that they had at first.
fn first_topology(now: &[Seats], masters: &[NodeName]) -> Vec<Seats> {
    now.iter()
        .map(|seats| {
            let mut nodes: Vec<NodeName> = seats.replicas.clone();
            nodes.push(seats.master.clone());
            let master = nodes.iter().find(|node| masters.contains(node));
            let master = master.unwrap_or(&seats.master).clone();
            nodes.retain(|node| *node != master);
            nodes.sort();
            Seats {
                shard: seats.shard,
                slots: seats.slots.clone(),
                master,
                replicas: nodes,
            }
        })
        .collect()
}

/// One node: if it leads, somebody else takes over first.
async fn one(
    session: &Session,
    context: &Context<'_>,
    scene: &Scene,
    node: &NodeName,
) -> Result<()> {
    let launch = &session.launch;
    let seats = scene.shard_of(node);
    if let Some(seats) = seats.filter(|seats| seats.master == *node) {
        let heir = scene.best_replica(seats).ok_or_else(|| {
            Error::failed(format!("no replica of {node} is in sync"))
                .hint("`rcluster status` shows the links; the same command goes on from here")
        })?;
        context.note(format!("{heir} takes over from {node}"));
        drill::lead(context, launch, &session.live(), &heir, Manner::Planned).await?;
    }
    context.note(format!("restarting {node}"));
    session
        .journal()
        .write("rolling", json!({ "node": node }))?;
    let port = launch.node(node).map_or(0, |node| node.port);
    let mut plan = Plan::default();
    let stop = Step::Stop { node: node.clone() };
    plan.stage(&format!("stop {node}"), vec![stop], Goal::None);
    let ensure = Step::Ensure {
        node: node.clone(),
        port,
        change: Change::Start,
    };
    plan.stage(&format!("start {node}"), vec![ensure], Goal::Answering);
    let applier = Applier::new(context, launch, session.password(), Vec::new());
    applier.apply(&plan).await?;
    Scene::settled(context, launch, &format!("waiting for {node} to be back"))
        .await
        .map(drop)
}

fn outcome(session: &Session, scene: &Scene, changes: usize) -> Result<Outcome> {
    let dial = |node: &NodeName| Ok(scene.member(node)?.dial.clone());
    let masters = scene.seats.iter().map(|seats| dial(&seats.master));
    let endpoints: Vec<Endpoint> = scene
        .seen
        .members
        .iter()
        .map(|member| member.dial.clone())
        .collect();
    session
        .journal()
        .write("done", json!({ "cluster": session.launch.name }))?;
    Ok(Outcome {
        changes,
        masters: masters.collect::<Result<_>>()?,
        endpoints,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::slot::SlotRange;

    fn shard(shard: usize, from: u16, master: &str, replica: &str) -> Seats {
        Seats {
            shard,
            slots: SlotRange::new(from, from + 10).into_iter().collect(),
            master: NodeName::new(master),
            replicas: vec![NodeName::new(replica)],
        }
    }

    #[test]
    fn replicas_go_first_and_nobody_twice() {
        let seats = [shard(1, 0, "a", "d"), shard(2, 20, "b", "e")];
        let mut done = Vec::new();
        let mut order = Vec::new();
        while let Some(node) = next(&seats, &done) {
            order.push(node.to_string());
            done.push(node);
        }
        assert_eq!(order, ["d", "e", "a", "b"]);
    }

    #[test]
    fn the_first_masters_are_wanted_back() {
        let now = [shard(1, 0, "d", "a"), shard(2, 20, "b", "e")];
        let masters = [NodeName::new("a"), NodeName::new("b")];
        let first = first_topology(&now, &masters);
        assert_eq!(first[0].master, masters[0]);
        assert_eq!(first[0].replicas, [NodeName::new("d")]);
        assert_eq!(first[1], now[1]);
    }
}
