//! Nodes that are gone for good, because another node answers at their address.
//!
//! Redis never recovers from this by itself (measured on 7.0.15). The others lose the node's
//! address (`noaddr`) and no longer ping it, so it is never seen to fail: it keeps its slots, no
//! replica is elected, and nodes that join later do not know it. So the replica with the most data
//! takes over, and then every node forgets the one that is gone.

use super::seat::Seat;
use crate::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeId,
    plan::step::Step,
    slot::{SLOTS, SlotSet},
    snapshot::nodes_text::ViewLine,
};
use std::collections::BTreeMap;

/// A node that is gone for good.
pub(super) struct Gone<'a> {
    pub(super) id: &'a NodeId,
    /// Its slots, except those that a seat owns.
    pub(super) slots: SlotSet,
    /// The seat that takes them over.
    pub(super) heir: Option<usize>,
    /// The seat that is the node itself, which lost its nodes.conf but has its keys.
    pub(super) itself: Option<usize>,
}

/// The strangers that are gone for good.
pub(super) fn gone<'a>(
    seats: &[Seat<'_>],
    strangers: &BTreeMap<&'a NodeId, &'a ViewLine>,
) -> Result<Vec<Gone<'a>>> {
    // The link's state says nothing: one that is dialled in vain counts as connected (7.0).
    let replaced = |line: &ViewLine| match line.address {
        Some(address) => seats.iter().any(|seat| seat.address == address),
        None => !line.connected,
    };
    let mut found = Vec::new();
    for (id, line) in strangers {
        let views = seats.iter().map(|seat| &seat.report.view);
        if !views.filter_map(|view| view.line(id)).all(replaced) {
            continue;
        }
        let slots = unowned(seats, line);
        let heir = index_of_heir(seats, id).filter(|_| !slots.is_empty());
        let itself = seats
            .iter()
            .position(|seat| seat.has_lost_its_name() && seat.slots().minus(&line.slots).is_empty())
            .filter(|_| heir.is_none());
        if heir.is_none() && itself.is_none() && !slots.is_empty() {
            return Err(nobody_has(seats, &slots));
        }
        found.push(Gone {
            id,
            slots,
            heir,
            itself,
        });
    }
    Ok(found)
}

/// The slots of a node that is not there, except those that a seat owns.
pub(super) fn unowned(seats: &[Seat<'_>], line: &ViewLine) -> SlotSet {
    seats
        .iter()
        .fold(line.slots.clone(), |left, seat| left.minus(&seat.slots()))
}

/// The replica of a node that has the most of its data.
pub(super) fn heir<'a, 'b>(seats: &'a [Seat<'b>], id: &NodeId) -> Option<&'a Seat<'b>> {
    seats.get(index_of_heir(seats, id)?)
}

/// Whether a replica that was told to follow another master still has the data of its former one:
/// its stream of writes is that of a master that is there.
fn is_copy_of_another(seats: &[Seat<'_>], replica: &Seat<'_>) -> bool {
    let stream = &replica.report.info.replication.stream;
    let masters = seats.iter().filter(|seat| !seat.is_replica());
    let mut streams = masters.map(|seat| &seat.report.info.replication.stream);
    !stream.is_empty() && streams.any(|of| of == stream)
}

fn index_of_heir(seats: &[Seat<'_>], id: &NodeId) -> Option<usize> {
    seats
        .iter()
        .enumerate()
        .filter(|(_, seat)| seat.me().is_some_and(|me| me.master.as_ref() == Some(id)))
        .filter(|(_, seat)| !is_copy_of_another(seats, seat))
        .max_by_key(|(i, seat)| (seat.report.info.replication.offset, std::cmp::Reverse(*i)))
        .map(|(i, _)| i)
}

/// The error for slots of which no node has a copy. It offers to begin anew only if that deletes
/// nothing.
pub(super) fn nobody_has(seats: &[Seat<'_>], slots: &SlotSet) -> Error {
    let masters = seats.iter().filter(|seat| !seat.is_replica());
    let keys: u64 = masters.map(|seat| seat.report.info.keys).sum();
    let hint = if keys == 0 {
        hint![
            "nothing was formed, and the others hold no key: ",
            Verb::Reset,
            " begins anew"
        ]
    } else {
        hint![format!(
            "nothing was formed. If the data is somewhere (a backup, another disk), put it back first, then "
        ), Verb::Up; Verb::Fix.with("slots-unserved --accept-loss"), format!(
            " deals these slots anew, empty, and keeps the {keys} keys of the others"
        )]
    };
    Error::refused(format!(
        "slots {slots} ({} of {SLOTS}) were on a node whose data is gone, and no replica has a copy",
        slots.count()
    ))
    .hint(hint)
}

/// Plans that a replica becomes the owner of the slots of each node that is gone.
pub(super) fn take_over(seats: &[Seat<'_>], gone: &[Gone<'_>]) -> Vec<Step> {
    let heirs = gone
        .iter()
        .filter_map(|gone| Some((gone.heir?, &gone.slots)));
    heirs
        .map(|(heir, slots)| Step::TakeOver {
            node: seats[heir].name.clone(),
            slots: slots.clone(),
            heard: None,
        })
        .collect()
}

/// Plans that every node forgets those that are gone, even nodes that do not know them yet: they
/// may hear of them at any moment.
pub(super) fn forget(seats: &[Seat<'_>], gone: &[Gone<'_>]) -> Vec<Step> {
    gone.iter()
        .flat_map(|gone| {
            seats.iter().map(|seat| Step::Forget {
                node: seat.name.clone(),
                gone: gone.id.clone(),
            })
        })
        .collect()
}
