//! The sample: the document of `monitor --json`, a line of a recording, what the screen draws.
//!
//! It is a superset of `status --json`; a field is added, never renamed.

use crate::status::{ClusterStatus, NodeStatus, ShardStatus};
use rcluster_core::{
    judge::Problem,
    monitor::told::{Event, Probe, Rates, Skew},
    node::NodeName,
    snapshot::nodes_text::Failure,
};
use serde::{Deserialize, Serialize};

/// A cluster at one moment, and what happened since the moment before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Version of this document: that of `status`.
    pub schema: u32,
    /// When.
    pub at: jiff::Timestamp,
    /// How long asking took; a silent node costs its deadline.
    pub took_ms: u64,
    /// The cluster as a whole.
    pub cluster: ClusterStatus,
    /// All nodes together.
    pub totals: Totals,
    /// How uneven the masters are.
    pub skew: Skew,
    /// Its shards, ordered by slot.
    pub shards: Vec<ShardStatus>,
    /// Its nodes: by shard, the master first.
    pub nodes: Vec<NodeSample>,
    /// What is not as it should be, worst first.
    pub problems: Vec<Problem>,
    /// What happened since the sample before.
    pub events: Vec<Event>,
}

/// All nodes together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Nodes that answered.
    pub up: usize,
    /// `used_memory` of all nodes.
    pub memory_used_bytes: u64,
    /// `maxmemory` of all nodes; 0: not all have a limit.
    pub memory_max_bytes: u64,
    /// Keys of all masters.
    pub keys: u64,
    /// Connections, ours among them.
    pub clients: u64,
    /// The greatest lag of a replica.
    pub lag_bytes: Option<u64>,
    /// The longest that a replica has not heard from its master.
    pub lag_seconds: Option<u64>,
    /// Since the sample before; null at first.
    pub rates: Option<Rates>,
    /// The last probes of all nodes; `last_us` is the slowest node's.
    pub probe: Option<Probe>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSample {
    /// As `status` has it; its `hit_ratio` is of the node's lifetime.
    #[serde(flatten)]
    pub status: NodeStatus,
    /// Of a replica: who it follows.
    pub master: Option<NodeName>,
    /// The worst that another node thinks of it: `none`, `pfail`, `fail`.
    pub failing: Failure,
    /// Since the sample before; null at first, across a restart, and for a silent node.
    pub rates: Option<Rates>,
    /// How fast it answered our PINGs; null while it does not.
    pub probe: Option<Probe>,
}

impl Sample {
    /// Exit 0 or 4.
    pub fn is_ok(&self) -> bool {
        self.cluster.state.word() == "ok"
    }
}
