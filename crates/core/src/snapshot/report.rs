//! What one node says of itself and of the cluster.

use super::{
    info::{ClusterInfo, NodeInfo},
    nodes_text::View,
};
use crate::{
    node::{Endpoint, NodeId},
    slot::SlotRange,
};

/// The answers of one node, from one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `CLUSTER NODES`.
    pub view: View,
    /// `CLUSTER INFO`.
    pub cluster: ClusterInfo,
    /// `INFO`.
    pub info: NodeInfo,
}

/// Which node serves a slot range, as clients are told (`CLUSTER SLOTS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The slots.
    pub range: SlotRange,
    /// The endpoint for writes.
    pub master: Endpoint,
    /// The master's id.
    pub id: NodeId,
}
