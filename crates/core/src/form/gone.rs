//! Nodes that are gone for good: another node answers at their address.
//!
//! Redis never gets over this by itself (measured on 7.0.15). A node at whose address somebody
//! else answers loses it (`noaddr`), is pinged no more, and so is never seen to fail: it keeps its
//! slots, nobody is elected in its place, and whoever came later does not know it. So the replica
//! with the most data takes over, and then everybody forgets the node.

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
    /// Slots that nobody who is left owns.
    slots: SlotSet,
    /// Which seat takes them over.
    pub(super) heir: Option<usize>,
}

/// Those of the strangers that are gone for good.
pub(super) fn gone<'a>(
    seats: &[Seat<'_>],
    strangers: &BTreeMap<&'a NodeId, &'a ViewLine>,
) -> Result<Vec<Gone<'a>>> {
    let replaced = |line: &ViewLine| {
        let taken = |address| seats.iter().any(|seat| seat.address == address);
        !line.connected && line.address.is_none_or(taken)
    };
    let mut found = Vec::new();
    for (id, line) in strangers {
        let views = seats.iter().map(|seat| &seat.report.view);
        if !views.filter_map(|view| view.line(id)).all(replaced) {
            continue;
        }
        let slots = seats
            .iter()
            .fold(line.slots.clone(), |left, seat| left.minus(&seat.slots()));
        let heir = seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.me().is_some_and(|me| me.master.as_ref() == Some(id)))
            .max_by_key(|(i, seat)| (seat.report.info.replication.offset, std::cmp::Reverse(*i)))
            .map(|(i, _)| i)
            .filter(|_| !slots.is_empty());
        if heir.is_none() && !slots.is_empty() {
            return Err(Error::refused(format!(
                "slots {slots} ({} of {SLOTS}) were on a node whose data is gone, and no replica has a copy",
                slots.count()
            ))
            .hint(hint![
                "nothing was formed. ", Verb::Reset, " begins anew without any data";
                "`redis-cli --cluster fix` keeps the other slots and deals these anew, empty"
            ]));
        }
        found.push(Gone { id, slots, heir });
    }
    Ok(found)
}

/// Of each that is replaced while it owned slots, a replica becomes the owner.
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

/// Everybody forgets them: those who have not heard of one yet may do so at any moment.
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
