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
    snapshot::{nodes_text::ViewLine, place::Disk},
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
    /// Whether it is held when it starts: then its keys are counted before any replica copies from it.
    pub held: bool,
}

impl Blank {
    /// Whether this line of a view is about the node before it lost its id.
    fn was(&self, line: &ViewLine) -> bool {
        line.address.is_none_or(|at| at.port == self.port)
    }

    /// Whether it may get these slots back: it does not run yet, or it claims some of them and nothing
    /// else.
    fn may_return(&self, seats: &[Seat<'_>], line: &ViewLine) -> bool {
        let seat = seats.iter().find(|seat| seat.name == self.name);
        let fits = seat.is_none_or(|seat| seat.slots().minus(&line.slots).is_empty());
        self.held && self.disk == Disk::Nameless && fits
    }
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
        let were = || blanks.iter().filter(|blank| blank.was(line));
        if answered.contains(id) || were().next().is_none() {
            continue;
        }
        let slots = gone::unowned(seats, line);
        if slots.is_empty() {
            continue;
        }
        match gone::heir(seats, id) {
            // Who of the two has more is seen when it has loaded what it has.
            Some(_) if were().any(|blank| blank.may_return(seats, line)) => {}
            Some(heir) => steps.push(Step::TakeOver {
                node: heir.name.clone(),
                slots,
                heard: None,
            }),
            // The node comes back with its keys, and gets their slots back.
            None if were().any(|blank| blank.disk == Disk::Nameless) => {}
            None if seats.iter().any(|seat| returns(seat, line)) => {}
            None => return Err(gone::nobody_has(seats, &slots)),
        }
    }
    plan.stage("take over from nodes whose data is gone", steps, Goal::None);
    Ok(plan)
}

/// Whether a node that lost its name was this one, by the slots that it claims for its keys.
fn returns(seat: &Seat<'_>, line: &ViewLine) -> bool {
    seat.has_lost_its_name() && seat.slots().minus(&line.slots).is_empty()
}

/// The same once a held node turns out to have data and no name: it gets its slots back if it has more
/// keys than each replica of what it was, and those begin anew; else one of them leads.
pub fn rescue_or_return(seats: &[Seat<'_>], answered: &BTreeSet<NodeId>, blanks: &[Blank]) -> Plan {
    let (mut anew, mut lead) = (Vec::new(), Vec::new());
    let mut plan = Plan::default();
    for (id, line) in strangers(seats) {
        let returned = seats.iter().find(|seat| {
            let mut known = blanks.iter().filter(|blank| blank.name == seat.name);
            returns(seat, line) && known.any(|blank| blank.was(line))
        });
        let (Some(returned), Some(heir)) = (returned, gone::heir(seats, id)) else {
            continue;
        };
        if answered.contains(id) {
            continue;
        }
        let follows = |seat: &&Seat<'_>| {
            let of = seat.me().and_then(|me| me.master.as_ref());
            of == Some(id)
        };
        let replicas: Vec<&Seat<'_>> = seats.iter().filter(follows).collect();
        let keys = |seat: &Seat<'_>| seat.report.info.keys;
        let most = replicas.iter().map(|seat| keys(seat)).max();
        if most < Some(keys(returned)) {
            plan.notes.push(format!(
                "{} lost its nodes.conf, and has more keys than its replica: it gets its slots back",
                returned.name
            ));
            anew.extend(replicas.iter().map(|seat| Step::Reset {
                node: seat.name.clone(),
            }));
        } else {
            // What it claims by its keys is none of anybody's yet.
            let others: Vec<Seat<'_>> = seats
                .iter()
                .filter(|seat| seat.name != returned.name)
                .cloned()
                .collect();
            lead.push(Step::TakeOver {
                node: heir.name.clone(),
                slots: gone::unowned(&others, line),
                heard: None,
            });
        }
    }
    plan.stage("let replicas with less begin anew", anew, Goal::None);
    plan.stage("take over from nodes without a name", lead, Goal::None);
    plan
}
