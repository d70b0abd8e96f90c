//! `restart --rolling`: replicas first, then each master after a planned failover, and the first
//! topology at the end. Every slot has a master all the while.
//!
//! Between any two nodes everything has to be well, or it stops. How far it came is written down
//! after each node, so that the same command goes on from there.

use crate::store::drill::Rolling;
use crate::{
    cluster::{apply::Applier, context::Context, event::Listener, session::Session},
    failover as drill,
    failover::Scene,
    lifecycle,
    up::{Extent, Outcome},
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        outline::Outline,
        rolling::{self, Turn, first_topology, order},
        words::Manner,
    },
    node::{Endpoint, NodeName},
    plan::step::{Change, Goal, Plan, Step},
    text::count::count,
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
    }
    if begun.is_some() || state.drill(name)?.is_some() {
        // The node that it (or a drill) was at may be down.
        lifecycle::up(session, listener, Extent::All).await?;
    }
    let scene = Scene::calm(&context, &session.launch).await?;
    scene.well().map_err(|why| {
        Error::refused(format!("the cluster is not well: {why}"))
            .hint("a rolling restart begins with a healthy cluster: `rcluster up` repairs it")
    })?;
    refuse_lonely(&scene)?;
    let mut rolling = begun.unwrap_or_else(|| from_now(&scene));
    state.note_rolling(name, Some(&rolling))?;
    let first = first_topology(&scene.seats, &rolling.masters);
    loop {
        let scene = Scene::settled(&context, &session.launch, "between two nodes").await?;
        let Some(turn) = left(&scene, &rolling).turns.into_iter().next() else {
            break;
        };
        one(session, &context, &turn).await?;
        rolling.done.push(turn.node);
        state.note_rolling(name, Some(&rolling))?;
    }
    drill::restore(&context, &session.launch, &*session.live(), &first).await?;
    state.note_rolling(name, None)?;
    let scene = Scene::settled(&context, &session.launch, "waiting for the end").await?;
    outcome(session, &scene, rolling.done.len())
}

/// What [`rolling()`] would do.
pub async fn dry_run(session: &Session, listener: &dyn Listener) -> Result<Outline> {
    let context = session.context(listener);
    let (state, launch) = (&session.request.state, &session.launch);
    let begun = state.rolling(&launch.name)?;
    let mended = begun.is_some() || state.drill(&launch.name)?.is_some();
    let scene = Scene::calm(&context, launch).await?;
    let well = scene.well();
    if let (Err(why), false) = (&well, mended) {
        return Err(Error::refused(format!("the cluster is not well: {why}"))
            .hint("a rolling restart begins with a healthy cluster: `rcluster up` repairs it"));
    }
    refuse_lonely(&scene)?;
    let rolling = begun.unwrap_or_else(|| from_now(&scene));
    let mut outline = rolling::outline(
        launch.name.to_string(),
        launch.runtime.to_string(),
        &left(&scene, &rolling),
        &rolling.masters,
        rolling.done.len(),
    );
    if let Err(why) = well {
        outline.notes.insert(
            0,
            format!("the cluster is not well ({why}): first it is repaired as by `rcluster up`"),
        );
    }
    Ok(outline)
}

fn from_now(scene: &Scene) -> Rolling {
    let masters = scene.seats.iter().map(|seats| seats.master.clone());
    Rolling {
        masters: masters.collect(),
        done: Vec::new(),
    }
}

fn left(scene: &Scene, rolling: &Rolling) -> rolling::Order {
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
        .hint("`rcluster restart` restarts all at once, with an outage")),
    }
}

/// One node: if it leads, somebody else takes over first.
async fn one(session: &Session, context: &Context<'_>, turn: &Turn) -> Result<()> {
    let (launch, node) = (&session.launch, &turn.node);
    if let Some(heir) = &turn.heir {
        let heir = heir.as_ref().ok_or_else(|| {
            Error::failed(format!("no replica of {node} is in sync"))
                .hint("`rcluster status` shows the links; the same command goes on from here")
        })?;
        context.note(format!("{heir} takes over from {node}"));
        drill::lead(context, launch, &*session.live(), heir, Manner::Planned).await?;
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
    let mut applier = Applier::new(context, launch, session.password());
    applier.apply(&plan).await?;
    Scene::settled(context, launch, &format!("waiting for {node} to be back"))
        .await
        .map(drop)
}

fn outcome(session: &Session, scene: &Scene, changes: usize) -> Result<Outcome> {
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
