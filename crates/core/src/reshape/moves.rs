//! What moves: slots, from one master to another.

use crate::{
    node::{NodeId, NodeName},
    slot::SlotSet,
};
use serde::{Deserialize, Serialize};

/// Slots that go from one master to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Who owns them.
    pub from: NodeName,
    /// Who is to own them.
    pub to: NodeName,
    /// Which slots.
    pub slots: SlotSet,
}

/// What `CLUSTER SETSLOT` makes of a slot at one node (cluster specification, "Live reconfiguration
/// using MOVED and ASK").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotState {
    /// The node takes keys of the slot from this master.
    Importing(NodeId),
    /// The node gives keys of the slot to this master.
    Migrating(NodeId),
    /// This node owns the slot.
    Owned(NodeId),
    /// The slot is neither imported nor migrated.
    Stable,
}

/// How `MIGRATE` treats a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// What the target has under the same key is overwritten; else that is an error (BUSYKEY).
    pub replace: bool,
    /// How long the two nodes wait for each other before the source gives up.
    pub patience: std::time::Duration,
}
