//! What a drill, a planned failover or a rolling restart is about to do: who is hit, who is expected
//! to win, the plan, how long it should take, and what is as before at the end. `--dry-run` prints it.

use crate::{
    failover::{report::Predicted, words::Fault},
    node::NodeName,
    plan::step::Plan,
};
use serde::Serialize;

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// Directives by node.
pub type Settings = Vec<(NodeName, Vec<(String, String)>)>;

/// What is going to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// `drill`, `failover` or `rolling restart`.
    pub kind: &'static str,
    /// What is about to be broken, in a drill.
    #[serde(flatten)]
    pub drill: Option<Hit>,
    /// Who is expected to lead instead.
    pub heirs: Vec<Heir>,
    /// The steps, as they are carried out.
    #[serde(flatten)]
    pub plan: Plan,
    /// What is as before at the end.
    pub restored: Restored,
}

/// Who is hit by a drill, and what should come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// What is broken.
    pub fault: Fault,
    /// The victim's shard.
    pub shard: usize,
    /// The nodes that are hit first.
    pub victims: Vec<NodeName>,
    /// `cluster-node-timeout`, as the nodes have it.
    pub node_timeout_ms: u64,
    /// How long the shard should be without a master; null where Redis does not fail over by itself.
    pub predicted: Option<Predicted>,
}

/// Who is expected to lead a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heir {
    /// The shard's number.
    pub shard: usize,
    /// Who leads it now.
    pub from: NodeName,
    /// The replica with the newest data; several have equal data, and chance decides between them.
    pub to: Vec<NodeName>,
}

/// What is as before at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Nodes that are brought back.
    pub nodes: Vec<NodeName>,
    /// Masters that lead again.
    pub masters: Vec<NodeName>,
    /// Directives that are put back.
    pub settings: Settings,
}
