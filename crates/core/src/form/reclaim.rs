//! Slots that a master forgot, or was told to give to somebody who never took them.
//!
//! A nodes.conf that was cut off behind the master's name, or a SETSLOT NODE on one node only, leaves
//! a slot without anybody who claims it, though everybody else still sends clients to the same master.
//! Its keys are there. So it says again that they are its own.

use super::seat::Seat;
use crate::{node::NodeId, plan::step::Step, slot::SlotSet, snapshot::nodes_text::ViewLine};

/// Of these slots, which nobody claims, those that everybody else takes for a master's, each with the
/// index of that master.
pub(super) fn forgotten(seats: &[Seat<'_>], unclaimed: &SlotSet) -> Vec<(usize, SlotSet)> {
    let masters = (0..seats.len()).filter(|i| !seats[*i].is_replica());
    let owned = masters.map(|i| {
        let id = seats[i].id();
        let its = said_by_others(seats, id, |line| line.id == *id);
        let of_somebody_else = said_by_others(seats, id, |line| line.id != *id);
        (i, common(&its.minus(&of_somebody_else), unclaimed))
    });
    owned.filter(|(_, slots)| !slots.is_empty()).collect()
}

/// The slots of some nodes by the views of everybody but one.
fn said_by_others(seats: &[Seat<'_>], but: &NodeId, whose: impl Fn(&ViewLine) -> bool) -> SlotSet {
    let others = seats.iter().filter(|seat| seat.id() != but);
    let lines = others.flat_map(|seat| &seat.report.view.nodes);
    let lines = lines.filter(|line| whose(line));
    lines
        .flat_map(|line| line.slots.ranges().to_vec())
        .collect()
}

fn common(a: &SlotSet, b: &SlotSet) -> SlotSet {
    a.minus(&a.minus(b))
}

/// They claim them again.
pub(super) fn steps(seats: &[Seat<'_>], forgotten: &[(usize, SlotSet)]) -> Vec<Step> {
    let step = |(i, slots): &(usize, SlotSet)| Step::Reclaim {
        node: seats[*i].name.clone(),
        slots: slots.clone(),
    };
    forgotten.iter().map(step).collect()
}
