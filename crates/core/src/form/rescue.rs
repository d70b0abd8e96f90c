//! Masters whose data is gone, before what is left of them starts.
//!
//! A node without a nodes.conf comes up as a new, empty one at the address of the old. A replica that
//! still takes the node there for its master copies that emptiness within seconds, and the last copy
//! is gone (seen on Docker, 7 of 7 times). So the replica has to lead before anything starts there.

use super::{gone, seat::Seat, strangers};
use crate::{
    error::Result,
    node::{NodeId, NodeName},
    plan::step::{Goal, Plan, Step},
    snapshot::place::Disk,
};
use std::collections::BTreeSet;

/// A node that is about to start without a nodes.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blank {
    /// Its name.
    pub name: NodeName,
    /// Its client port.
    pub port: u16,
    /// What it has: nothing, or data without a name.
    pub disk: Disk,
}

/// Who takes over from what these nodes were. `seats` are all nodes that know who they are; they
/// run and have answered. `answered` are the ids of everybody who did, nodes of other clusters
/// included: those are never taken over from.
///
/// Refused where slots were on such a node and nobody has a copy.
pub fn rescue(seats: &[Seat<'_>], answered: &BTreeSet<NodeId>, blanks: &[Blank]) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut steps = Vec::new();
    for (id, line) in strangers(seats) {
        let was = |blank: &&Blank| line.address.is_none_or(|at| at.port == blank.port);
        if answered.contains(id) || !blanks.iter().any(|blank| was(&blank)) {
            continue;
        }
        let slots = gone::unowned(seats, line);
        if slots.is_empty() {
            continue;
        }
        match gone::heir(seats, id) {
            Some(heir) => steps.push(Step::TakeOver {
                node: heir.name.clone(),
                slots,
                heard: None,
            }),
            // It comes back with its keys, and gets their slots back.
            None if blanks
                .iter()
                .any(|blank| was(&blank) && blank.disk == Disk::Nameless) => {}
            None => return Err(gone::nobody_has(seats, &slots)),
        }
    }
    plan.stage("take over from nodes whose data is gone", steps, Goal::None);
    Ok(plan)
}
