//! A few slots of a trip: opened at both ends, emptied, handed over.
//!
//! While a slot is open, the source serves the keys that it still has, and sends clients with ASK to
//! the target for all others; so no new key comes to the source, and what is counted there only
//! becomes less.

use super::{
    keys, ownership,
    road::{Road, Stumble},
    travel::Trip,
};
use rcluster_core::{
    reshape::{budget::Budget, moves::SlotState},
    slot::Slot,
};

/// Moves these slots, each with as many keys as were counted. If the run is to end meanwhile, those
/// that no key has left yet are closed again.
pub(super) async fn pass(
    road: &Road<'_>,
    trip: &Trip,
    slots: &[(Slot, u64)],
    budget: &mut Budget,
) -> Result<(), Stumble> {
    if slots.is_empty() || road.is_halted() {
        return Ok(());
    }
    let slots: Vec<Slot> = slots.iter().map(|(slot, _)| *slot).collect();
    open(road, trip, &slots).await?;
    let emptied = keys::send_all(road, trip, &slots, budget).await?;
    let untouched: Vec<Slot> = slots
        .iter()
        .copied()
        .filter(|slot| !emptied.contains(slot))
        .collect();
    ownership::hand_over(road, trip, &emptied).await?;
    road.moved(emptied.len(), 0);
    close(road, trip, &untouched).await
}

/// The target first: a source that sends clients to a target that does not expect them would have
/// them sent back.
async fn open(road: &Road<'_>, trip: &Trip, slots: &[Slot]) -> Result<(), Stumble> {
    let importing = SlotState::Importing(trip.from.id.clone());
    ownership::tell(road, &trip.to.member, slots, &importing).await?;
    let migrating = SlotState::Migrating(trip.to.id.clone());
    ownership::tell(road, &trip.from.member, slots, &migrating).await
}

/// Slots of which nothing has moved are as they were.
async fn close(road: &Road<'_>, trip: &Trip, slots: &[Slot]) -> Result<(), Stumble> {
    if slots.is_empty() {
        return Ok(());
    }
    ownership::tell(road, &trip.from.member, slots, &SlotState::Stable).await?;
    ownership::tell(road, &trip.to.member, slots, &SlotState::Stable).await
}
