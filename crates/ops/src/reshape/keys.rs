//! The keys of open slots, sent in batches that keep both nodes busy for a short time only.

use super::{
    conflict,
    road::{Road, Stumble},
    travel::Trip,
};
use rcluster_core::{
    reshape::{budget::Budget, moves::Manner},
    slot::Slot,
    snapshot::{answer::WireError, refusal::Refusal},
};
use rcluster_wire::Parcel;
use std::{collections::VecDeque, time::Instant};

/// Keys that are listed at once.
const LISTED: u64 = 8192;

/// Keys of one slot, in the order in which they are sent.
type Listed = VecDeque<(Slot, Vec<Vec<u8>>)>;

/// Sends every key of these slots to the target. Which slots have none left; those of which none was
/// sent yet are left out when the run is to end.
pub(super) async fn send_all(
    road: &Road<'_>,
    trip: &Trip,
    slots: &[Slot],
    budget: &mut Budget,
) -> Result<Vec<Slot>, Stumble> {
    let mut emptied = Vec::new();
    let mut left: Vec<Slot> = slots.to_vec();
    // Of one slot a part may be at the target already: it goes on to its end.
    let mut begun: Option<Slot> = None;
    while !left.is_empty() {
        let counts = counted(road, trip, &left).await?;
        let is_empty = |slot: &Slot| {
            counts
                .iter()
                .any(|(other, count)| other == slot && *count == 0)
        };
        emptied.extend(left.iter().copied().filter(is_empty));
        left.retain(|slot| !is_empty(slot));
        if road.is_halted() {
            left.retain(|slot| begun == Some(*slot));
        }
        if left.is_empty() {
            break;
        }
        let mut listed = list(road, trip, &left, &counts).await?;
        while !listed.is_empty() {
            if road.is_halted() {
                listed.retain(|(slot, _)| begun == Some(*slot));
            }
            let gently = road.pace.ready().await;
            let most = budget.keys() / if gently { 2 } else { 1 };
            let parcels = cut(&mut listed, most.max(1));
            begun = parcels.last().map(|(slot, _)| *slot).or(begun);
            send(road, trip, parcels, budget).await?;
        }
    }
    Ok(emptied)
}

async fn counted(
    road: &Road<'_>,
    trip: &Trip,
    slots: &[Slot],
) -> Result<Vec<(Slot, u64)>, Stumble> {
    let from = &trip.from.member;
    let counts = road.wire.count_keys(&from.dial, slots).await;
    let counts = counts.map_err(|error| Stumble::of(&error, &from.name))?;
    Ok(slots.iter().copied().zip(counts).collect())
}

/// Some keys of the first of these slots.
async fn list(
    road: &Road<'_>,
    trip: &Trip,
    slots: &[Slot],
    counts: &[(Slot, u64)],
) -> Result<Listed, Stumble> {
    let mut room = LISTED;
    let asked: Vec<(Slot, u64)> = counts
        .iter()
        .filter(|(slot, _)| slots.contains(slot))
        .map(|(slot, count)| (*slot, *count))
        .take_while(|(_, count)| {
            let fits = room > 0;
            room = room.saturating_sub(*count);
            fits
        })
        .map(|(slot, count)| (slot, count.min(LISTED)))
        .collect();
    let from = &trip.from.member;
    let keys = road.wire.keys_in(&from.dial, &asked).await;
    let keys = keys.map_err(|error| Stumble::of(&error, &from.name))?;
    let slots = asked.into_iter().map(|(slot, _)| slot);
    Ok(slots
        .zip(keys)
        .filter(|(_, keys)| !keys.is_empty())
        .collect())
}

/// Takes up to so many keys off, a parcel for each slot.
fn cut(listed: &mut Listed, most: usize) -> Vec<(Slot, Parcel)> {
    let mut parcels = Vec::new();
    let mut room = most;
    while room > 0
        && let Some((slot, keys)) = listed.front_mut()
    {
        let rest = keys.split_off(room.min(keys.len()));
        let parcel = std::mem::replace(keys, rest);
        room -= parcel.len();
        parcels.push((*slot, parcel));
        if keys.is_empty() {
            listed.pop_front();
        }
    }
    parcels
}

/// Sends these parcels at once, when it is this pair's turn.
async fn send(
    road: &Road<'_>,
    trip: &Trip,
    parcels: Vec<(Slot, Parcel)>,
    budget: &mut Budget,
) -> Result<(), Stumble> {
    if parcels.is_empty() {
        return Ok(());
    }
    let (slots, parcels): (Vec<Slot>, Vec<Parcel>) = parcels.into_iter().unzip();
    let keys: usize = parcels.iter().map(Vec::len).sum();
    let manner = Manner {
        replace: false,
        patience: road.limits.patience,
    };
    let (from, to) = (&trip.from.member, &trip.to.member);
    let answers = {
        let _turn = road.turn(&trip.from).await;
        let begun = Instant::now();
        let answers = road
            .wire
            .migrate(&from.dial, &parcels, to.address, manner)
            .await;
        budget.learn(keys, begun.elapsed());
        answers.map_err(|error| Stumble::of(&error, &from.name))?
    };
    for (slot, answer) in slots.into_iter().zip(answers) {
        match answer {
            Ok(()) => {}
            Err(WireError::Reply {
                refusal: Refusal::KeyExists,
                ..
            }) => conflict::settle(road, trip, slot).await?,
            Err(error) => return Err(Stumble::of(&error, &from.name)),
        }
    }
    let bytes = road.whole.bytes_of(keys as u64);
    road.pace.sent(keys as u64, bytes);
    road.moved(0, keys);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_where_the_budget_does() {
        let slot = |number| Slot::new(number).expect("a slot");
        let keys = |count: usize| vec![b"k".to_vec(); count];
        let mut listed: Listed = [(slot(1), keys(3)), (slot(2), keys(5))].into();
        let sizes = |parcels: Vec<(Slot, Parcel)>| {
            let size = |(slot, parcel): &(Slot, Parcel)| (slot.number(), parcel.len());
            parcels.iter().map(size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(cut(&mut listed, 4)), [(1, 3), (2, 1)]);
        assert_eq!(sizes(cut(&mut listed, 2)), [(2, 2)]);
        assert_eq!(sizes(cut(&mut listed, 100)), [(2, 2)]);
        assert!(cut(&mut listed, 100).is_empty());
    }
}
