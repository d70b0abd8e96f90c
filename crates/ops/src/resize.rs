//! Another number of shards or replicas, as [`rcluster_core::resize`] plans it: what comes next is
//! done, then the nodes are looked at again, until nothing is left.

use crate::{
    cluster::look,
    failover::{carry_out::carry_out, ground::Ground, hold, scene::Scene},
    reshape::{
        pace::Bounds,
        road::Limits,
        run::{self, of, refuse_another, refuse_too_small, reshape},
        weigh::weigh,
    },
    store::state::State,
};
use rcluster_core::{
    error::{Error, Result},
    form::Seat,
    hint,
    hint::Verb,
    judge,
    node::{NodeId, NodeName},
    plan::step::{Goal, Plan, Step},
    reshape::{moves::Move, outline::Contents, share::Loads, wish::Wish},
    resize::{self, Node, Size},
    slot::SLOTS,
    snapshot::{
        Snapshot,
        place::{Placed, RunState},
    },
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

const POLL: Duration = Duration::from_millis(10);

/// How many rounds a change may take; each ends a kind of work for good.
const ROUNDS: usize = 100;

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// So many steps, and all is as it is to be.
    Over(usize),
    /// So many steps, and there are nodes that have to be formed again.
    Form(usize),
}

/// The command that leads to this size; it is noted with the slots that it moves.
pub fn command(launch: &Launch) -> String {
    let Launch {
        shards, replicas, ..
    } = launch;
    format!("scale --shards {shards} --replicas {replicas}")
}

/// Refuses what cannot work, before anything is touched: another command has slots in hand, or those
/// who stay have no memory for what comes. What cannot be seen yet is checked again before slots move.
pub async fn check(ground: &Ground<'_>) -> Result<()> {
    if let Some(state) = ground.context.state {
        refuse_others(ground, state)?;
    }
    if ground.launch.leaving.nodes.is_empty() {
        return Ok(());
    }
    let name = ground.name();
    if ground.context.runtime.list(name).await?.is_empty() {
        return Err(Error::refused(format!(
            "{name} is to have fewer nodes, and none of its nodes is there: the data of those that leave has to move before"
        ))
        .hint(hint!["put the size back, then ", Verb::Up, ", then ", Verb::Scale]));
    }
    let scene = Scene::look(ground).await?;
    if scene.well().is_err() {
        return Ok(());
    }
    let (contents, _) = weigh(ground, &scene).await?;
    let plan = resize::all(
        &nodes(&scene.snapshot, ground.launch)?,
        Size::of(ground.launch),
        &contents.bytes,
    )?;
    refuse_too_small(&scene, &moves(&plan), &contents)
}

/// Starts nodes that leave and have ended, unless those who run have all slots without them.
pub async fn wake(ground: &Ground<'_>) -> Result<()> {
    let (runtime, launch) = (ground.context.runtime, ground.launch);
    let placed = runtime.list(&launch.name).await?;
    let has_ended = |placed: &&Placed| {
        placed.state == RunState::Stopped && launch.leaving.nodes.contains(&placed.node)
    };
    let ended: Vec<&Placed> = placed.iter().filter(has_ended).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let scene = Scene::look(ground).await?;
    let owned = scene
        .seats
        .iter()
        .filter(|seats| scene.report(&seats.master).is_some());
    let owned: u32 = owned.map(|seats| u32::from(seats.slots.count())).sum();
    if owned == u32::from(SLOTS) {
        return Ok(());
    }
    for placed in ended {
        runtime.start(&launch.name, &placed.node).await?;
    }
    Ok(())
}

/// Everything that is left to do, by what the nodes say; `formed` is what happens to them before.
pub async fn outline(ground: &Ground<'_>, seats: &[Seat<'_>], formed: &Plan) -> Result<Plan> {
    let data = match Scene::look(ground).await {
        Ok(scene) if scene.well().is_ok() => weigh(ground, &scene).await?.0,
        _ => Contents::default(),
    };
    let nodes = resize::nodes(seats, ground.launch);
    let nodes = resize::after(nodes, formed);
    resize::all(&nodes, Size::of(ground.launch), &data.bytes)
}

/// Brings a formed cluster to its size.
pub async fn round(ground: &Ground<'_>) -> Result<Round> {
    let size = Size::of(ground.launch);
    hold::put_back(ground).await?;
    let mut done = go_on(ground).await?;
    for _ in 0..ROUNDS {
        let scene = settled(ground).await?;
        let nodes = nodes(&scene.snapshot, ground.launch)?;
        let Some(first) = resize::next(&nodes, size, &Loads::unknown())? else {
            return Ok(Round::Over(done + remove_ended(ground, &scene).await?));
        };
        let plan = if moves(&first).is_empty() {
            first
        } else {
            let (contents, _) = weigh(ground, &scene).await?;
            resize::next(&nodes, size, &contents.bytes)?.unwrap_or(first)
        };
        done += apply(ground, &scene, &plan).await?;
        let resets = |step: &Step| matches!(step, Step::Reset { .. });
        if plan.steps().any(resets) {
            return Ok(Round::Form(done));
        }
    }
    Err(Error::failed("the cluster does not come to its size")
        .hint(hint![Verb::Status, " shows what each node says"]))
}

/// Who becomes a master with slots, of these nodes.
pub fn new_masters(seats: &[Seat<'_>], launch: &Launch) -> Vec<NodeName> {
    resize::new_masters(&resize::nodes(seats, launch), Size::of(launch))
}

/// The seats that are formed: nodes that leave and were forgotten already must not be introduced again.
pub fn to_form<'a>(mut seats: Vec<Seat<'a>>, launch: &Launch) -> Vec<Seat<'a>> {
    let leaves = |seat: &Seat<'_>| launch.leaving.nodes.contains(&seat.name);
    let ids = seats.iter().filter(|seat| leaves(seat));
    let ids: Vec<NodeId> = ids.map(|seat| seat.report.view.myself.clone()).collect();
    let is_old = |seat: &&Seat<'_>| !leaves(seat) && !seat.report.view.is_alone();
    let forgotten = seats
        .iter()
        .filter(is_old)
        .any(|seat| ids.iter().any(|id| seat.report.view.line(id).is_none()));
    if forgotten {
        seats.retain(|seat| !leaves(seat));
    }
    seats
}

async fn apply(ground: &Ground<'_>, scene: &Scene, plan: &Plan) -> Result<usize> {
    let moving = moves(plan);
    let mut before = plan.clone();
    let moves_slots = |step: &Step| matches!(step, Step::MoveSlots { .. });
    before
        .stages
        .retain(|stage| !stage.steps.iter().any(moves_slots));
    let mut done = before.step_count();
    let removes = |step: &Step| matches!(step, Step::Remove { .. });
    if before.steps().any(removes) {
        Box::pin(carry_out(ground, scene, &before)).await?;
    } else if !before.is_empty() {
        let outcome = match hold::hold(ground, scene).await {
            Ok(()) => Box::pin(carry_out(ground, scene, &before)).await.map(drop),
            Err(error) => Err(error),
        };
        hold::release(ground, outcome).await?;
    }
    if !moving.is_empty() {
        done += move_slots(ground, Wish::Moves(moving)).await?;
    }
    Ok(done)
}

/// Goes on with slots that an earlier run of the same command had in hand.
async fn go_on(ground: &Ground<'_>) -> Result<usize> {
    let Some(state) = ground.context.state else {
        return Ok(0);
    };
    refuse_others(ground, state)?;
    match state.undertaking(of(ground, &[]))? {
        Some(begun) => move_slots(ground, Wish::Moves(begun.moves)).await,
        None => Ok(0),
    }
}

fn refuse_others(ground: &Ground<'_>, state: &State) -> Result<()> {
    match state.undertaking(of(ground, &[]))? {
        Some(begun) if begun.command != command(ground.launch) => Err(refuse_another(&begun)),
        _ => Ok(()),
    }
}

async fn move_slots(ground: &Ground<'_>, wish: Wish) -> Result<usize> {
    let Some(state) = ground.context.state else {
        return Err(Error::failed("slots are moved where it can be noted"));
    };
    let request = run::Request {
        command: command(ground.launch),
        wish,
        limits: Limits::default(),
        bounds: Bounds::default(),
        state,
    };
    let halt = Arc::new(AtomicBool::new(false));
    let done = Box::pin(reshape(ground, &request, halt)).await?;
    Ok(done.steps)
}

/// Waits until all who matter agree. Nodes that leave and own nothing may be forgotten already.
async fn settled(ground: &Ground<'_>) -> Result<Scene> {
    let patience = look::Patience::default();
    let outcome = wait_until(POLL, ground.context.deadline, async || {
        let scene = Scene::look(ground).await?;
        patience.with(&scene.snapshot)?;
        let leaving = &ground.launch.leaving.nodes;
        let still = scene
            .seats
            .iter()
            .any(|seats| leaving.contains(&seats.master));
        let matter = if still {
            scene.snapshot.clone()
        } else {
            without(&scene.snapshot, leaving)
        };
        Ok::<_, Error>(match judge::converged(&matter) {
            Ok(()) => Look::Ready(scene),
            Err(why) => Look::Pending(why),
        })
    })
    .await?;
    outcome.map_err(|late| {
        Error::deadline(format!(
            "waiting for every node to agree: not after {:.1} s; last seen: {}",
            late.waited.as_secs_f32(),
            late.last
        ))
        .hint(hint![Verb::Status, " shows what each node says"; "the same command goes on"])
    })
}

/// What would be seen if these nodes were gone and forgotten.
fn without(seen: &Snapshot, leaving: &[NodeName]) -> Snapshot {
    let mut left = seen.clone();
    left.nodes.retain(|node| !leaving.contains(&node.name));
    let ids = left.ids();
    for node in &mut left.nodes {
        if let Some(mut report) = node.report().cloned() {
            report.view.nodes.retain(|line| ids.contains(&line.id));
            node.hear(Some(Ok(report)));
        }
    }
    left
}

/// Removes nodes that leave and have ended before: they were not asked, so others must have all slots.
async fn remove_ended(ground: &Ground<'_>, scene: &Scene) -> Result<usize> {
    let launch = ground.launch;
    let placed = ground.context.runtime.list(&launch.name).await?;
    let gone = placed.into_iter().map(|placed| placed.node);
    let gone: Vec<NodeName> = gone
        .filter(|name| launch.leaving.nodes.contains(name))
        .collect();
    let mut plan = Plan::default();
    let remove = gone.into_iter().map(|node| Step::Remove {
        node,
        volumes: !launch.leaving.keep_data,
    });
    plan.stage("remove the nodes that leave", remove.collect(), Goal::None);
    carry_out(ground, scene, &plan).await?;
    Ok(plan.step_count())
}

fn nodes(snapshot: &Snapshot, launch: &Launch) -> Result<Vec<Node>> {
    Ok(resize::nodes(&snapshot.seats()?, launch))
}

fn moves(plan: &Plan) -> Vec<Move> {
    let moves = plan.steps().filter_map(|step| match step {
        Step::MoveSlots { from, to, slots } => Some(Move {
            from: from.clone(),
            to: to.clone(),
            slots: slots.clone(),
        }),
        _ => None,
    });
    moves.collect()
}
