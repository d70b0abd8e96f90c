//! `restart --rolling`: replicas first, then each master after a planned failover, and the first
//! topology at the end. Every slot has a master all the while.
//!
//! Between any two nodes everything has to be well, or it stops. How far it came is written down
//! after each node, so that the same command goes on from there.

use crate::{
    cluster::{context::Context, event::Listener, handle::Cluster},
    failover::{carry_out::carry_out, give_back, ground::Ground, hold, scene::Scene},
    store::{drill::Rolling, state::State},
    up::Outcome,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        outline::{Heir, Outline, Restored, SCHEMA},
        planned,
        rolling::{self, Order, Turn, first_topology, order},
    },
    hint,
    hint::Verb,
    node::{Endpoint, NodeName},
    text::count::count,
};
use serde_json::json;

/// Whether a rolling restart was interrupted and goes on now, or a drill was: a node may be down.
pub fn is_interrupted(session: &Cluster, listener: &dyn Listener) -> Result<bool> {
    let (state, name) = (&session.request.state, &session.launch.name);
    let begun = state.rolling(name)?;
    if let Some(begun) = &begun {
        session.context(listener).note(format!(
            "a rolling restart was interrupted after {}: going on",
            count(begun.done.len(), "node")
        ));
    }
    Ok(begun.is_some() || state.drill(name)?.is_some())
}

/// Restarts every node, one after another. What [`is_interrupted`] has to be up again.
pub async fn rolling(session: &Cluster, listener: &dyn Listener) -> Result<Outcome> {
    let ground = Ground::of(session, listener);
    let (state, name) = (&session.request.state, &session.launch.name);
    let begun = state.rolling(name)?;
    let scene = Scene::calm(&ground).await?;
    scene.well().map_err(|why| not_well(&why))?;
    scene.refuse_open_slots()?;
    refuse_lonely(&scene)?;
    let mut rolling = begun.unwrap_or_else(|| from_now(&scene));
    state.note_rolling(name, Some(&rolling))?;
    let done = match hold::hold(&ground, &scene).await {
        Ok(()) => one_by_one(&ground, state, &scene, &mut rolling).await,
        Err(error) => Err(error),
    };
    hold::release(&ground, done).await?;
    state.note_rolling(name, None)?;
    let scene = Scene::settled(&ground, "waiting for the end").await?;
    outcome(session, &scene, rolling.done.len())
}

/// One node after another, and the first masters lead again at the end.
async fn one_by_one(
    ground: &Ground<'_>,
    state: &State,
    scene: &Scene,
    rolling: &mut Rolling,
) -> Result<()> {
    let first = first_topology(&scene.seats, &rolling.masters);
    loop {
        let scene = Scene::settled(ground, "between two nodes").await?;
        scene.refuse_open_slots()?;
        if let Some(last) = rolling.done.last() {
            hold::renew(ground, &scene, std::slice::from_ref(last)).await?;
        }
        let Some(turn) = left(&scene, rolling).turns.into_iter().next() else {
            break;
        };
        tell(&ground.context, &turn)?;
        let plan = turn.plan(port(ground, &turn.node));
        carry_out(ground, &scene, &plan).await?;
        rolling.done.push(turn.node);
        state.note_rolling(ground.name(), Some(rolling))?;
    }
    give_back::restore(ground, &first).await.map(drop)
}

/// What [`rolling()`] would do.
pub async fn dry_run(session: &Cluster, listener: &dyn Listener) -> Result<Outline> {
    let ground = Ground::of(session, listener);
    let (state, launch) = (&session.request.state, &session.launch);
    let begun = state.rolling(&launch.name)?;
    let mended = begun.is_some() || state.drill(&launch.name)?.is_some();
    let scene = Scene::calm(&ground).await?;
    let mut notes = Vec::new();
    if let Err(why) = scene.well() {
        if !mended {
            return Err(not_well(&why));
        }
        notes.push(format!(
            "the cluster is not well ({why}): first it is repaired as by `rcluster up`"
        ));
    }
    scene.refuse_open_slots()?;
    refuse_lonely(&scene)?;
    let rolling = begun.unwrap_or_else(|| from_now(&scene));
    if !rolling.done.is_empty() {
        notes.push(format!(
            "it was interrupted after {}: this goes on from there",
            count(rolling.done.len(), "node")
        ));
    }
    notes.extend([rolling::NOTE, planned::ANEW].map(str::to_owned));
    let order = left(&scene, &rolling);
    let mut plan = order.plan(|node| port(&ground, node));
    plan.notes = notes;
    Ok(Outline {
        schema: SCHEMA,
        cluster: launch.name.to_string(),
        runtime: launch.runtime.to_string(),
        kind: "rolling restart",
        drill: None,
        heirs: order.turns.into_iter().filter_map(heir).collect(),
        plan,
        restored: Restored {
            masters: rolling.masters,
            ..Restored::default()
        },
    })
}

fn heir(turn: Turn) -> Option<Heir> {
    Some(Heir {
        shard: turn.shard,
        to: vec![turn.heir??],
        from: turn.node,
    })
}

fn not_well(why: &str) -> Error {
    Error::refused(format!("the cluster is not well: {why}")).hint(hint![
        "a rolling restart begins with a healthy cluster: ",
        Verb::Up,
        " repairs it"
    ])
}

fn port(ground: &Ground<'_>, node: &NodeName) -> u16 {
    ground.launch.node(node).map_or(0, |node| node.port)
}

fn from_now(scene: &Scene) -> Rolling {
    let masters = scene.seats.iter().map(|seats| seats.master.clone());
    Rolling {
        masters: masters.collect(),
        done: Vec::new(),
    }
}

fn left(scene: &Scene, rolling: &Rolling) -> Order {
    order(&scene.seats, &rolling.done, &rolling.masters, |seats| {
        scene.best_replica(seats)
    })
}

fn refuse_lonely(scene: &Scene) -> Result<()> {
    let lonely = scene.seats.iter().find(|seats| seats.replicas.is_empty());
    match lonely {
        None => Ok(()),
        Some(seats) => Err(Error::refused(format!(
            "shard {} has no replica that could serve while {} restarts",
            seats.shard, seats.master
        ))
        .hint(hint![
            Verb::Restart,
            " restarts all at once, with an outage"
        ])),
    }
}

/// Says whose turn it is; refuses it where nobody could take over.
fn tell(context: &Context<'_>, turn: &Turn) -> Result<()> {
    let node = &turn.node;
    match &turn.heir {
        None => context.note(format!("restarting {node}")),
        Some(Some(heir)) => context.note(format!("restarting {node}, once {heir} has taken over")),
        Some(None) => {
            return Err(
                Error::failed(format!("no replica of {node} is in sync")).hint(
                    hint![Verb::Status, " shows the links"; "the same command goes on from here"],
                ),
            );
        }
    }
    Ok(())
}

fn outcome(session: &Cluster, scene: &Scene, changes: usize) -> Result<Outcome> {
    let dial = |node: &NodeName| Ok(scene.member(node)?.dial.clone());
    let masters = scene.seats.iter().map(|seats| dial(&seats.master));
    let members = scene.members().into_iter();
    let endpoints: Vec<Endpoint> = members.map(|member| member.dial).collect();
    session
        .journal()
        .write("done", json!({ "cluster": session.launch.name }))?;
    Ok(Outcome {
        changes,
        masters: masters.collect::<Result<_>>()?,
        endpoints,
    })
}
