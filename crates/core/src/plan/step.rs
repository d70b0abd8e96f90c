//! What plans are made of: stages of steps.

pub use super::goal::Goal;
use crate::{
    failover::{
        duty::Duty,
        words::{Blow, Manner},
    },
    node::{Epoch, NodeId, NodeName},
    slot::SlotSet,
};
use serde::Serialize;

/// What is to be done, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The stages, one after another. Within a stage, steps run in parallel.
    pub stages: Vec<Stage>,
    /// What the user should know besides the steps.
    pub notes: Vec<String>,
}

/// Steps that do not depend on each other (unless they are `in_order`), and the goal that has to be
/// reached before the next stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// What it is for: `start nodes`.
    pub title: String,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The goal that is waited for afterwards.
    #[serde(skip_serializing_if = "Goal::is_none")]
    pub until: Goal,
    /// Whether each step waits for the one before it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_order: bool,
    /// Whether the stage is planned again, by the same function, when its turn comes: who leads a
    /// shard then depends on an election, or on the stage before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
}

/// One thing that is done to one node, or to what all nodes share. Doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// What all nodes share: image, network, folders.
    Prepare,
    /// The node exists and runs.
    Ensure {
        /// Which node.
        node: NodeName,
        /// Its client port.
        port: u16,
        /// What has to happen to it.
        change: Change,
    },
    /// The node's redis.conf for its next start.
    Configure {
        /// Which node.
        node: NodeName,
    },
    /// The node is stopped.
    Stop {
        /// Which node.
        node: NodeName,
    },
    /// The node is removed.
    Remove {
        /// Which node.
        node: NodeName,
        /// Its data too.
        volumes: bool,
    },
    /// What the nodes shared is removed.
    Retire {
        /// Left-over data too.
        volumes: bool,
    },
    /// CONFIG SET on a running node.
    Set {
        /// Which node.
        node: NodeName,
        /// Directives and values.
        settings: Vec<(String, String)>,
    },
    /// CONFIG SET masterauth to the cluster's password, which no plan contains.
    MasterAuth {
        /// Which node.
        node: NodeName,
    },
    /// FLUSHALL.
    Flush {
        /// Which node.
        node: NodeName,
    },
    /// CLUSTER RESET HARD.
    Reset {
        /// Which node.
        node: NodeName,
    },
    /// CLUSTER ADDSLOTSRANGE.
    AddSlots {
        /// Which node.
        node: NodeName,
        /// Which slots.
        slots: SlotSet,
    },
    /// Slots and their keys go from one master to another.
    MoveSlots {
        /// Who owns them.
        from: NodeName,
        /// Who is to own them.
        to: NodeName,
        /// Which slots.
        slots: SlotSet,
    },
    /// CLUSTER DELSLOTSRANGE: the node lets go of slots and keeps their keys.
    DropSlots {
        /// Which node.
        node: NodeName,
        /// Which slots.
        slots: SlotSet,
    },
    /// CLUSTER SETSLOT STABLE.
    CloseSlots {
        /// Which node.
        node: NodeName,
        /// Which slots.
        slots: SlotSet,
    },
    /// CLUSTER SETSLOT IMPORTING: keys of slots that are another node's can be read and sent away.
    OpenSlots {
        /// Which node.
        node: NodeName,
        /// Which slots.
        slots: SlotSet,
        /// Who owns them.
        from: NodeName,
    },
    /// CLUSTER SETSLOT NODE.
    AssignSlots {
        /// Which node is told.
        node: NodeName,
        /// Which slots.
        slots: SlotSet,
        /// Who owns them from now on.
        owner: NodeName,
    },
    /// CLUSTER BUMPEPOCH.
    BumpEpoch {
        /// Which node.
        node: NodeName,
    },
    /// Keys of slots are sent from one node to another.
    MoveKeys {
        /// Who has them.
        from: NodeName,
        /// Who is to have them.
        to: NodeName,
        /// Of which slots.
        slots: SlotSet,
        /// How many, as far as was counted.
        keys: u64,
        /// Whose value is kept of a key that both have.
        keep: Keep,
    },
    /// FUNCTION DUMP and FUNCTION RESTORE.
    CopyFunctions {
        /// Who has them.
        from: NodeName,
        /// Who has none.
        to: NodeName,
    },
    /// CLUSTER SETSLOT NODE, to itself.
    Reclaim {
        /// Which node.
        node: NodeName,
        /// Which slots.
        slots: SlotSet,
    },
    /// CLUSTER SET-CONFIG-EPOCH.
    SetEpoch {
        /// Which node.
        node: NodeName,
        /// Its epoch.
        epoch: Epoch,
    },
    /// CLUSTER MEET.
    Meet {
        /// Which node is told.
        node: NodeName,
        /// The nodes that it meets.
        peers: Vec<NodeName>,
    },
    /// CLUSTER REPLICATE.
    Replicate {
        /// Which node becomes a replica.
        node: NodeName,
        /// The master that it follows.
        master: NodeName,
    },
    /// CLUSTER FAILOVER TAKEOVER.
    TakeOver {
        /// Which replica becomes master.
        node: NodeName,
        /// Of which slots.
        slots: SlotSet,
        /// The replica waits until it reports `ok`, knows these slots to be its master's, and has
        /// heard of this epoch; `None`: it takes over at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        heard: Option<Epoch>,
    },
    /// WAIT for more replicas than there are. It makes the replication offset move without a write.
    MoveOffset {
        /// Which master.
        node: NodeName,
    },
    /// CLUSTER FORGET.
    Forget {
        /// Which node forgets.
        node: NodeName,
        /// The node that is forgotten.
        gone: NodeId,
    },
    /// CLUSTER FAILOVER: a replica is told to take over, and the step waits until it leads.
    #[serde(rename = "failover")]
    FailOver {
        /// The shard's number.
        shard: usize,
        /// The node that leads it now; `None`: that depends on earlier steps.
        from: Option<NodeName>,
        /// The node that is to lead it.
        to: NodeName,
        /// The kind of failover.
        manner: Manner,
    },
    /// Canaries begin to write and read on every shard.
    Canaries {
        /// The shards that are watched closely.
        shards: Vec<usize>,
        /// Writes a second on those.
        writes_per_second: u32,
        /// How many replicas each write waits for.
        wait: u32,
    },
    /// Clients begin to write to one node and to no other, whatever happens to it.
    StayWith {
        /// Which node.
        node: NodeName,
    },
    /// Nodes are hit by a fault, all at once.
    Strike {
        /// How.
        how: Blow,
        /// Which nodes.
        nodes: Vec<NodeName>,
    },
    /// The replica that was promoted after the first fault is hit too.
    StrikeHeir {
        /// How.
        how: Blow,
        /// The replicas one of which was promoted.
        nodes: Vec<NodeName>,
    },
    /// A node is frozen and thawed in turn.
    Stutter {
        /// Which node.
        node: NodeName,
        /// For how long, each time and in all.
        #[serde(flatten)]
        duty: Duty,
    },
    /// Nodes are reconnected, thawed or started, whichever each needs.
    BringBack {
        /// Which nodes.
        nodes: Vec<NodeName>,
    },
    /// The key of every acknowledged write is read.
    LookForData,
}

/// Whose value is kept of a key that lies at both ends: the one that clients were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The value of the node that sends.
    Source,
    /// The value of the node that gets.
    Target,
}

/// What has to happen so that a node exists and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It does not exist.
    Create,
    /// It is stopped.
    Start,
    /// It is frozen.
    Thaw,
    /// It runs, but is not in the cluster's network.
    Connect,
}

/// Names of nodes with `between` between them.
pub fn names(nodes: &[NodeName], between: &str) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(between)
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stages.iter().all(|stage| stage.steps.is_empty())
    }

    /// All steps, stage by stage.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flat_map(|stage| &stage.steps)
    }

    /// How many steps there are.
    pub fn step_count(&self) -> usize {
        self.stages.iter().map(|stage| stage.steps.len()).sum()
    }

    /// Adds a stage, unless it has no steps and no goal.
    pub fn stage(&mut self, title: &str, steps: Vec<Step>, until: Goal) {
        if !steps.is_empty() {
            self.stages.push(Stage {
                title: title.to_owned(),
                steps,
                until,
                ..Stage::default()
            });
        }
    }
}
