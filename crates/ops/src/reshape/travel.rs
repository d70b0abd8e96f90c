//! One move: from whoever owns the slots to whoever leads the target's shard.
//!
//! Both may change under way, by a failover: then it is looked at again, and goes on from what is.

use super::{
    ownership,
    road::{End, Road, Stumble},
    window,
};
use crate::failover::scene::Scene;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{NodeName, Role},
    reshape::{
        budget::Budget,
        moves::{Move, SlotState},
    },
    slot::{Slot, SlotSet},
    snapshot::Member,
};
use std::time::Instant;

/// Slots without keys that are handed over at once.
const EMPTY: usize = 1024;

/// Slots with keys that are open at once: few, so that a run that is killed leaves few open.
const OPEN: usize = 256;

/// Keys that are in open slots at once, as far as one slot has not more: commands on several keys of an
/// open slot get TRYAGAIN, so a slot should not be open for long.
const KEYS: u64 = 4096;

/// Slots that go from one node to another, and who else has to be told.
pub(super) struct Trip {
    /// Who owns them.
    pub from: End,
    /// Who is to own them.
    pub to: End,
    /// The other masters.
    pub masters: Vec<Member>,
    /// Everybody else who has to know the new owner in the end.
    pub nodes: Vec<Member>,
    /// The slots that are still to go.
    pub slots: SlotSet,
}

/// Moves slots until all of them are where they are to be, or the run is to end.
pub(super) async fn travel(road: &Road<'_>, one: &Move) -> Result<()> {
    let mut since = Instant::now();
    let mut left = usize::from(one.slots.count());
    loop {
        let scene = Scene::settled(road.ground, "waiting for every node to agree").await?;
        let trips = trips(&scene, one)?;
        close_what_arrived(road, &scene, one).await?;
        let now: usize = trips
            .iter()
            .map(|trip| usize::from(trip.slots.count()))
            .sum();
        if now < left {
            (left, since) = (now, Instant::now());
        }
        if now == 0 || road.is_halted() {
            return Ok(());
        }
        let mut outcome = Ok(());
        for trip in &trips {
            outcome = ride(road, trip).await;
            if outcome.is_err() {
                break;
            }
        }
        match outcome {
            Ok(()) => {}
            Err(Stumble::Final(error)) => return Err(error),
            Err(Stumble::Again(error)) if since.elapsed() > road.ground.context.deadline => {
                return Err(error);
            }
            Err(Stumble::Again(error)) => {
                road.ground
                    .context
                    .note(format!("looking again: {}", error.cause()));
            }
        }
    }
}

/// What is left of a move, by who owns it now.
fn trips(scene: &Scene, one: &Move) -> Result<Vec<Trip>> {
    let target = leader(scene, &one.to)?;
    let to = end(scene, &target)?;
    let mut trips = Vec::new();
    for seats in &scene.seats {
        let others = seats.slots.minus(&one.slots);
        let slots = seats.slots.minus(&others);
        if seats.master == target || slots.is_empty() {
            continue;
        }
        let masters = scene.seats.iter().map(|seats| &seats.master);
        let masters = masters.filter(|name| **name != target && **name != seats.master);
        let masters: Result<Vec<Member>> = masters.map(|name| scene.member(name)).collect();
        trips.push(Trip {
            from: end(scene, &seats.master)?,
            to: to.clone(),
            masters: masters?,
            nodes: scene.members(),
            slots,
        });
    }
    Ok(trips)
}

/// Slots that are where they are to be may still be open somewhere: a run was killed after it had told
/// the target and before it told the others.
async fn close_what_arrived(road: &Road<'_>, scene: &Scene, one: &Move) -> Result<()> {
    let target = leader(scene, &one.to)?;
    let owned = scene.report(&target).and_then(|report| report.view.me());
    let owned = owned.map(|me| me.slots.clone()).unwrap_or_default();
    for (node, report) in scene.snapshot.said() {
        let open = report.view.me().map_or(&[][..], |me| &me.open);
        let slots = open.iter().filter_map(|open| Slot::new(open.slot));
        let slots: Vec<Slot> = slots
            .filter(|slot| one.slots.contains(*slot) && owned.contains(*slot))
            .collect();
        let Some(member) = node.member().filter(|_| !slots.is_empty()) else {
            continue;
        };
        let told = ownership::tell(road, &member, &slots, &SlotState::Stable).await;
        told.map_err(Stumble::into_error)?;
    }
    Ok(())
}

/// Who leads the shard of this node now.
fn leader(scene: &Scene, node: &NodeName) -> Result<NodeName> {
    if let Some(seats) = scene.shard_of(node) {
        return Ok(seats.master.clone());
    }
    let me = scene.report(node).and_then(|report| report.view.me());
    match me.map(|me| me.role) {
        Some(Role::Master) => Ok(node.clone()),
        _ => Err(Error::failed(format!(
            "{node} is no master, and of no shard that has slots"
        ))
        .hint(hint![Verb::Status, " shows who leads which shard"])),
    }
}

fn end(scene: &Scene, node: &NodeName) -> Result<End> {
    let id = scene.id(node).ok_or_else(|| {
        Error::failed(format!("{node} does not answer"))
            .hint(hint![Verb::Status, " shows what each node says"])
    })?;
    Ok(End {
        member: scene.member(node)?,
        id,
    })
}

/// Goes with the slots of a trip, the empty ones first.
async fn ride(road: &Road<'_>, trip: &Trip) -> std::result::Result<(), Stumble> {
    let slots: Vec<Slot> = trip.slots.slots().collect();
    let from = &trip.from.member;
    let counts = road
        .ground
        .context
        .wire
        .count_keys(&from.dial, &slots)
        .await;
    let counts = counts.map_err(|error| Stumble::of(&error, &from.name))?;
    let (empty, full): (Vec<_>, Vec<_>) = slots
        .into_iter()
        .zip(counts)
        .partition(|(_, count)| *count == 0);
    let mut budget = Budget::new(road.limits.pause, None);
    for slots in empty.chunks(EMPTY) {
        window::pass(road, trip, slots, &mut budget).await?;
    }
    let mut rest = &full[..];
    while !rest.is_empty() {
        let (slots, after) = rest.split_at(fitting(rest));
        window::pass(road, trip, slots, &mut budget).await?;
        rest = after;
    }
    Ok(())
}

/// How many of these slots are opened at once; at least one.
fn fitting(slots: &[(Slot, u64)]) -> usize {
    let mut keys = 0;
    let fits = slots.iter().take(OPEN).take_while(|(_, count)| {
        keys += count;
        keys <= KEYS
    });
    fits.count().max(1)
}
