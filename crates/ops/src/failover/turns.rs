//! One node after another is restarted: replicas first, then each master after a planned failover, and
//! the first masters lead again at the end. Where each shard has a replica, every slot has a master all
//! the while.
//!
//! Between any two nodes everything has to be well, or it stops. How far it came is written down after
//! each node, so that the same command goes on from there.

use super::{carry_out::carry_out, give_back, ground::Ground, hold, scene::Scene};
use crate::store::drill::Rolling;
use rcluster_core::{
    error::{Error, Result},
    failover::{
        planned,
        rolling::{self, Order, Turn, first_topology, order},
    },
    hint,
    hint::Verb,
    node::NodeName,
    plan::step::Plan,
};

/// Restarts whoever is not `done` yet. Returns how many steps it took.
pub async fn restart(ground: &Ground<'_>, scene: &Scene, rolling: &mut Rolling) -> Result<usize> {
    note(ground, Some(rolling))?;
    let outcome = match hold::hold_for_restarts(ground, scene).await {
        Ok(()) => one_by_one(ground, scene, rolling).await,
        Err(error) => Err(error),
    };
    let steps = hold::release(ground, outcome).await?;
    note(ground, None)?;
    Ok(steps)
}

async fn one_by_one(ground: &Ground<'_>, scene: &Scene, rolling: &mut Rolling) -> Result<usize> {
    let first = first_topology(&scene.seats, &rolling.masters);
    let mut steps = 0;
    let mut last = None;
    loop {
        let scene = Scene::settled(ground, "between two nodes").await?;
        scene.refuse_open_slots()?;
        if let Some(last) = &last {
            hold::renew(ground, &scene, std::slice::from_ref(last)).await?;
        }
        let Some(turn) = left(&scene, rolling).turns.into_iter().next() else {
            break;
        };
        tell(ground, &scene, &turn)?;
        let plan = turn.plan(port(ground, &turn.node));
        carry_out(ground, &scene, &plan).await?;
        steps += plan.step_count();
        last = Some(turn.node.clone());
        rolling.done.push(turn.node);
        note(ground, Some(rolling))?;
    }
    Ok(steps + give_back::restore(ground, &first).await?)
}

/// Restarts only these nodes, since they start with other settings now. What a killed run began is
/// brought to its end: the masters from before lead again, also where nobody is left to be restarted.
pub async fn restart_only(ground: &Ground<'_>, nodes: &[NodeName]) -> Result<usize> {
    let begun = begun(ground)?;
    if nodes.is_empty() && !begun.as_ref().is_some_and(|begun| begun.by_up) {
        return Ok(0);
    }
    let scene = Scene::settled(ground, "before a node is restarted").await?;
    scene.refuse_open_slots()?;
    let mut rolling = only(&scene, begun.as_ref(), nodes);
    let steps = restart(ground, &scene, &mut rolling).await;
    if let Some(begun) = begun.filter(|begun| !begun.by_up) {
        // `restart --rolling` goes on from there.
        note(ground, Some(&begun))?;
    }
    steps
}

/// What [`restart_only`] would do.
pub async fn plan_only(ground: &Ground<'_>, nodes: &[NodeName]) -> Result<Plan> {
    let begun = begun(ground)?;
    if nodes.is_empty() && !begun.as_ref().is_some_and(|begun| begun.by_up) {
        return Ok(Plan::default());
    }
    let scene = Scene::calm(ground).await?;
    scene.refuse_open_slots()?;
    let mut plan = plan(ground, &scene, &only(&scene, begun.as_ref(), nodes));
    for seats in lonely(&scene).filter(|seats| nodes.contains(&seats.master)) {
        plan.notes.push(alone(seats.shard, &seats.master));
    }
    Ok(plan)
}

/// The plan of what is left to be done, with what should be known of it.
pub fn plan(ground: &Ground<'_>, scene: &Scene, rolling: &Rolling) -> Plan {
    let mut plan = left(scene, rolling).plan(|node| port(ground, node));
    if lonely(scene).next().is_none() {
        plan.notes.push(rolling::NOTE.to_owned());
    }
    plan.notes.push(planned::ANEW.to_owned());
    plan
}

/// All nodes, and nobody was restarted yet.
pub fn from_now(scene: &Scene) -> Rolling {
    let masters = scene.seats.iter().map(|seats| seats.master.clone());
    Rolling {
        masters: masters.collect(),
        done: Vec::new(),
        by_up: false,
    }
}

/// What is left, by who leads now.
pub fn left(scene: &Scene, rolling: &Rolling) -> Order {
    order(&scene.seats, &rolling.done, &rolling.masters, |seats| {
        scene.best_replica(seats)
    })
}

/// The first shard that nobody could serve while its master restarts.
pub fn refuse_lonely(scene: &Scene) -> Result<()> {
    match lonely(scene).next() {
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

fn lonely(scene: &Scene) -> impl Iterator<Item = &rcluster_core::failover::words::Seats> {
    let seats = scene.seats.iter();
    seats.filter(|seats| seats.replicas.is_empty())
}

fn alone(shard: usize, master: &NodeName) -> String {
    format!("shard {shard} has no replica: its slots have no master while {master} restarts")
}

/// Everybody else counts as done. The masters from before are those of the run that was killed.
fn only(scene: &Scene, begun: Option<&Rolling>, nodes: &[NodeName]) -> Rolling {
    let now = from_now(scene);
    let all = scene.members().into_iter().map(|member| member.name);
    Rolling {
        masters: begun.map_or(now.masters, |begun| begun.masters.clone()),
        done: all.filter(|node| !nodes.contains(node)).collect(),
        by_up: true,
    }
}

fn begun(ground: &Ground<'_>) -> Result<Option<Rolling>> {
    match ground.context.state {
        Some(state) => state.rolling(ground.name()),
        None => Ok(None),
    }
}

fn note(ground: &Ground<'_>, rolling: Option<&Rolling>) -> Result<()> {
    match ground.context.state {
        Some(state) => state.note_rolling(ground.name(), rolling),
        None => Ok(()),
    }
}

fn port(ground: &Ground<'_>, node: &NodeName) -> u16 {
    ground.launch.node(node).map_or(0, |node| node.port)
}

/// Says whose turn it is; refuses it where somebody should take over and cannot.
fn tell(ground: &Ground<'_>, scene: &Scene, turn: &Turn) -> Result<()> {
    let (context, node) = (&ground.context, &turn.node);
    match &turn.heir {
        None => context.note(format!("restarting {node}")),
        Some(Some(heir)) => context.note(format!("restarting {node}, once {heir} has taken over")),
        Some(None) if lonely(scene).any(|seats| seats.master == *node) => {
            context.warn(format!("restarting {node}: {}", alone(turn.shard, node)));
        }
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
