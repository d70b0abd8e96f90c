//! What `--dry-run` prints of a drill, a planned failover and a rolling restart.

use super::{
    predict::Predicted,
    words::{Fault, Seats},
};
use crate::{node::NodeName, plan::step::Plan};
use serde::{Deserialize, Serialize};

/// The version of the document.
pub const SCHEMA: u32 = 1;

/// Redis directives with their values, by node.
pub type Settings = Vec<(NodeName, Vec<(String, String)>)>;

/// What is about to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The version of this document.
    pub schema: u32,
    /// The cluster's name.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// `drill`, `failover` or `rolling restart`.
    pub kind: &'static str,
    /// What a drill breaks.
    #[serde(flatten)]
    pub drill: Option<Hit>,
    /// Who is expected to lead instead.
    pub heirs: Vec<Heir>,
    /// The steps, as they will be carried out.
    #[serde(flatten)]
    pub plan: Plan,
    /// What will be as before at the end.
    pub restored: Restored,
}

/// What a drill breaks, and what the preflight found out about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// What is broken.
    pub fault: Fault,
    /// The number of the victim's shard.
    pub shard: usize,
    /// The nodes that are hit first, all at once.
    pub victims: Vec<NodeName>,
    /// The longest `cluster-node-timeout` of all nodes.
    pub node_timeout_ms: u64,
    /// How long the shard should be without a master; null where Redis does not fail over by itself.
    pub predicted: Option<Predicted>,
    /// The victim's shard.
    #[serde(skip)]
    pub seats: Seats,
    /// The numbers of the shards that the victims lead, or of the replica's shard.
    #[serde(skip)]
    pub shards: Vec<usize>,
    /// The `min-replicas-to-write` of the shard's master during the drill.
    #[serde(skip)]
    pub min_replicas: u64,
    /// `cluster-require-full-coverage`: while one shard has no master, all others refuse too.
    #[serde(skip)]
    pub full_coverage: bool,
    /// Whether the master evicts keys when its memory is full.
    #[serde(skip)]
    pub evicts: bool,
    /// How many bytes the best replica is behind.
    #[serde(skip)]
    pub lag: Option<u64>,
}

/// Who is expected to lead a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heir {
    /// The shard's number.
    pub shard: usize,
    /// Who leads it now.
    pub from: NodeName,
    /// The replica with the newest data. Chance decides between several with equal data.
    pub to: Vec<NodeName>,
}

/// What is put right at the end. A drill and a planned failover note it on disk before they change
/// anything, so that `up` can do it if they are killed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Nodes that are killed, frozen or cut off, and are brought back.
    pub nodes: Vec<NodeName>,
    /// Masters that lead again.
    pub masters: Vec<NodeName>,
    /// Directives that get their old values again.
    #[serde(default)]
    pub settings: Settings,
}

impl Restored {
    /// Whether no node is broken or replaced, and only directives are put back.
    pub fn only_settings(&self) -> bool {
        self.nodes.is_empty() && self.masters.is_empty()
    }
}
