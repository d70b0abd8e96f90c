//! What has to happen before a node starts that lost its data.
//!
//! A node without a nodes.conf starts as a new, empty one, at the address of the old one. A replica
//! that still takes the node there for its master copies that emptiness within seconds, and the
//! last copy is gone (seen on Docker, 7 of 7 times). So the replica has to take over before
//! anything starts there.

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
    /// What is on its disk: nothing, or data without a nodes.conf.
    pub disk: Disk,
}

/// Plans which replicas take over from what these nodes were. `seats` are all nodes that have a
/// nodes.conf; they run and have answered. `answered` are the ids of all nodes that did, those of
/// other clusters included: no slots are taken from those.
///
/// Refused if such a node had slots of which no node has a copy.
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
            // The node comes back with its keys, and gets their slots back.
            None if blanks
                .iter()
                .any(|blank| was(&blank) && blank.disk == Disk::Nameless) => {}
            None => return Err(gone::nobody_has(seats, &slots)),
        }
    }
    plan.stage("take over from nodes whose data is gone", steps, Goal::None);
    Ok(plan)
}
