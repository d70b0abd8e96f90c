//! Who owns a slot: told to the masters, proved at every node.

use super::{
    road::{Road, Stumble},
    travel::Trip,
};
use futures_util::future::join_all;
use rcluster_core::{
    error::Error,
    hint,
    hint::Verb,
    reshape::moves::SlotState,
    slot::{Slot, SlotSet},
    snapshot::Member,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::Duration;

/// How many masters are told; more hear it from the target soon enough, which tells everybody.
const TOLD: usize = 64;

/// How often every node is asked whether it knows the new owner.
const POLL: Duration = Duration::from_millis(2);

/// How long a node may take to say what it knows.
const GLANCE: Duration = Duration::from_secs(1);

/// Says the same of all these slots to one node.
pub(super) async fn tell(
    road: &Road<'_>,
    member: &Member,
    slots: &[Slot],
    state: &SlotState,
) -> Result<(), Stumble> {
    if slots.is_empty() {
        return Ok(());
    }
    let told = road.wire.set_slots(&member.dial, slots, state).await;
    let told = told.and_then(rcluster_wire::all_done);
    told.map_err(|error| Stumble::of(&error, &member.name))
}

/// The target owns these slots, of which the source has no key left. The target is told first: from
/// then on it has the newer claim, and a run that is killed here leaves a cluster that agrees by itself.
pub(super) async fn hand_over(road: &Road<'_>, trip: &Trip, slots: &[Slot]) -> Result<(), Stumble> {
    if slots.is_empty() {
        return Ok(());
    }
    let owned = SlotState::Owned(trip.to.id.clone());
    let to = &trip.to.member;
    let claimed = road.wire.claim_slots(&to.dial, slots, &trip.to.id).await;
    let claimed = claimed.and_then(rcluster_wire::all_done);
    claimed.map_err(|error| Stumble::of(&error, &to.name))?;
    tell(road, &trip.from.member, slots, &owned).await?;
    let others = trip.masters.iter().take(TOLD);
    // One of them that does not answer hears it later: the proof below waits for it.
    join_all(others.map(|member| road.wire.set_slots(&member.dial, slots, &owned))).await;
    prove(road, trip, slots).await
}

/// Every node that answers says that the target owns them.
async fn prove(road: &Road<'_>, trip: &Trip, slots: &[Slot]) -> Result<(), Stumble> {
    let slots: SlotSet = slots.iter().copied().collect();
    let wire = road.ground.context.wire;
    let outcome = wait_until(POLL, road.ground.context.deadline, async || {
        let looks = trip.nodes.iter().map(async |member| {
            let glance = wire.glance(&member.dial, GLANCE).await.ok()?;
            let line = glance.view.line(&trip.to.id);
            let knows = line.is_some_and(|line| slots.minus(&line.slots).is_empty());
            (!knows).then(|| member.name.clone())
        });
        let behind = join_all(looks).await.into_iter().flatten().next();
        Ok::<_, Stumble>(behind.map_or(Look::Ready(()), Look::Pending))
    })
    .await?;
    outcome.map_err(|late| {
        let (node, owner) = (late.last, &trip.to.member.name);
        Stumble::Again(
            Error::deadline(format!("{node} does not know that {owner} owns {slots}"))
                .hint(hint![Verb::Status, " shows what each node says"]),
        )
    })
}
