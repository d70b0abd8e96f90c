//! `restart --rolling`: every node is restarted in its turn, see [`crate::failover::turns`].

use crate::{
    cluster::{event::Listener, handle::Cluster},
    failover::{ground::Ground, scene::Scene, turns},
    up::Outcome,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        outline::{Heir, Outline, Restored, SCHEMA},
        rolling::Turn,
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
    if let Some(begun) = begun.as_ref().filter(|begun| !begun.by_up) {
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
    turns::refuse_lonely(&scene)?;
    let mut rolling = begun.unwrap_or_else(|| turns::from_now(&scene));
    turns::restart(&ground, &scene, &mut rolling).await?;
    let scene = Scene::settled(&ground, "waiting for the end").await?;
    outcome(session, &scene, rolling.done.len())
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
    turns::refuse_lonely(&scene)?;
    // What `up` began, it ends before this begins.
    let begun = begun.filter(|begun| !begun.by_up);
    let rolling = begun.unwrap_or_else(|| turns::from_now(&scene));
    if !rolling.done.is_empty() {
        notes.push(format!(
            "it was interrupted after {}: this goes on from there",
            count(rolling.done.len(), "node")
        ));
    }
    let order = turns::left(&scene, &rolling);
    let mut plan = turns::plan(&ground, &scene, &rolling);
    notes.append(&mut plan.notes);
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
        formed: true,
    })
}
