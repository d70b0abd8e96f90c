//! What one node says of itself and of the cluster, as it was heard.

use super::{
    info::{ClusterInfo, NodeInfo},
    nodes_text::View,
};
use crate::{
    node::{Endpoint, NodeId},
    slot::SlotRange,
};

/// Everything one node says, from one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `CLUSTER NODES`.
    pub view: View,
    /// `CLUSTER INFO`.
    pub cluster: ClusterInfo,
    /// `INFO`.
    pub info: NodeInfo,
}

/// Who serves a slot range, as a client is told (`CLUSTER SLOTS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The slots.
    pub range: SlotRange,
    /// What a client dials for writes.
    pub master: Endpoint,
    /// The master's id.
    pub id: NodeId,
}
