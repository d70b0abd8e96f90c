//! What is going to move and what has moved, as documents.

use super::{moves::Move, share::Loads};
use crate::{
    failover::words::Seats,
    node::NodeName,
    plan::step::{Goal, Plan, Stage, Step},
    slot::SlotSet,
};
use serde::Serialize;

/// The version of these documents.
pub const SCHEMA: u32 = 1;

/// What lies in the slots of a cluster, as far as it was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Keys by slot.
    pub keys: Loads,
    /// Bytes by slot, from the mean of the node that has it.
    pub bytes: Loads,
}

/// What one master has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Who.
    pub master: NodeName,
    /// Its slots.
    pub slots: SlotSet,
    /// How many those are.
    pub slot_count: u16,
    /// The keys in them.
    pub keys: u64,
    /// About how many bytes those are.
    pub bytes: u64,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name.
    pub cluster: String,
    /// What each master has now.
    pub before: Vec<Share>,
    /// What each will have.
    pub after: Vec<Share>,
    /// How many slots move.
    pub slots: u64,
    /// How many keys move.
    pub keys: u64,
    /// About how many bytes move.
    pub bytes: u64,
    /// The steps.
    pub plan: Plan,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The cluster's name.
    pub cluster: String,
    /// Whether all of it was done; else it was interrupted, and the same command goes on.
    pub complete: bool,
    /// How many moves that were.
    #[serde(skip)]
    pub steps: usize,
    /// How many slots moved.
    pub slots: u64,
    /// How many keys moved.
    pub keys: u64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// What each master has now.
    pub after: Vec<Share>,
}

/// What each master has, by its slots; `extra` are masters without any.
pub fn shares(seats: &[Seats], extra: &[NodeName], contents: &Contents) -> Vec<Share> {
    let share = |master: &NodeName, slots: SlotSet| Share {
        master: master.clone(),
        slot_count: slots.count(),
        keys: contents.keys.sum(&slots),
        bytes: contents.bytes.sum(&slots),
        slots,
    };
    let owners = seats
        .iter()
        .map(|seats| share(&seats.master, seats.slots.clone()));
    let others = extra.iter().map(|name| share(name, SlotSet::default()));
    owners.chain(others).collect()
}

/// The same after these moves.
pub fn after(before: &[Share], moves: &[Move], contents: &Contents) -> Vec<Share> {
    let share = |share: &Share| {
        let mut slots = share.slots.clone();
        for one in moves {
            if one.from == share.master {
                slots = slots.minus(&one.slots);
            }
            if one.to == share.master {
                slots = slots.plus(&one.slots);
            }
        }
        Share {
            master: share.master.clone(),
            slot_count: slots.count(),
            keys: contents.keys.sum(&slots),
            bytes: contents.bytes.sum(&slots),
            slots,
        }
    };
    before.iter().map(share).collect()
}

/// The steps of these moves: all at once, since each waits for its turn at its two nodes.
pub fn plan(moves: &[Move]) -> Plan {
    let steps: Vec<Step> = moves
        .iter()
        .map(|one| Step::MoveSlots {
            from: one.from.clone(),
            to: one.to.clone(),
            slots: one.slots.clone(),
        })
        .collect();
    let mut plan = Plan::default();
    if !steps.is_empty() {
        plan.stages.push(Stage {
            title: "move slots".to_owned(),
            steps,
            until: Goal::Converged,
            ..Stage::default()
        });
    }
    plan
}
