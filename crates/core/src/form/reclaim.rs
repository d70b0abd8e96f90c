//! Slots that a master forgot, or was told to give to somebody who never took them.
//!
//! A nodes.conf that was cut off behind the master's name, or a SETSLOT NODE on one node only, leaves
//! a slot without anybody who claims it, though everybody else still sends clients to the same master.
//! Its keys are there. So it says again that they are its own.

use super::seat::Seat;
use crate::{plan::step::Step, slot::SlotSet};

/// Of these slots, which nobody claims, those that everybody else takes for a master's, each with the
/// index of that master.
pub(super) fn forgotten(seats: &[Seat<'_>], unclaimed: &SlotSet) -> Vec<(usize, SlotSet)> {
    let masters = (0..seats.len()).filter(|i| !seats[*i].is_replica());
    let theirs = masters.map(|i| (i, common(&believed(seats, i), unclaimed)));
    let believed: Vec<(usize, SlotSet)> = theirs.filter(|(_, slots)| !slots.is_empty()).collect();
    let mut forgotten = Vec::new();
    for (i, slots) in &believed {
        let others = believed.iter().filter(|(other, _)| other != i);
        let undisputed = others.fold(slots.clone(), |left, (_, theirs)| left.minus(theirs));
        if !undisputed.is_empty() {
            forgotten.push((*i, undisputed));
        }
    }
    forgotten
}

/// The slots that others believe a seat to own.
fn believed(seats: &[Seat<'_>], owner: usize) -> SlotSet {
    let id = seats[owner].id();
    let others = seats.iter().filter(|seat| seat.id() != id);
    let lines = others.filter_map(|seat| seat.report.view.line(id));
    lines.flat_map(|line| line.slots.ranges().to_vec()).collect()
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
