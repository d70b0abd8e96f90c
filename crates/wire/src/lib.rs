//! The only place that speaks Redis: typed calls on one node, replies → typed errors.
//!
//! A call goes to one endpoint and says nothing about any other node; views are never merged here.
//! Each call has a deadline of its own. Nothing here knows how nodes are started.

mod closer;
pub mod data;
pub mod failover;
pub mod live;
mod look;

use async_trait::async_trait;
use rcluster_core::snapshot::answer::{WireError, WireResult};
use rcluster_core::{
    node::{Address, Endpoint, Epoch, NodeId},
    slot::SlotSet,
    snapshot::report::{Announced, Report},
};
use std::collections::BTreeMap;

pub use data::DataWire;
pub use live::LiveWire;

/// Typed calls on one node each.
#[async_trait]
pub trait Wire: Send + Sync {
    /// What the node says: CLUSTER NODES, CLUSTER INFO and INFO in one round trip.
    async fn observe(&self, at: &Endpoint) -> WireResult<Report>;

    /// CLUSTER ADDSLOTSRANGE. Fails if any of the slots has an owner in the node's view.
    async fn add_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()>;

    /// CLUSTER SET-CONFIG-EPOCH: only while the node knows no other and has epoch 0.
    async fn set_epoch(&self, at: &Endpoint, epoch: Epoch) -> WireResult<()>;

    /// CLUSTER MEET with each peer, in one pipeline.
    async fn meet(&self, at: &Endpoint, peers: &[Address]) -> WireResult<()>;

    /// CLUSTER REPLICATE: the node has to be empty and to know the master.
    async fn replicate(&self, at: &Endpoint, master: &NodeId) -> WireResult<()>;

    /// CLUSTER FAILOVER TAKEOVER: a replica becomes master of its master's slots, asking nobody.
    /// A node that is master already is not an error.
    async fn take_over(&self, at: &Endpoint) -> WireResult<()>;

    /// FLUSHALL: every key of this node.
    async fn flush(&self, at: &Endpoint) -> WireResult<()>;

    /// CLUSTER RESET HARD: forgets slots, peers, id and epochs. A master with keys refuses.
    async fn reset(&self, at: &Endpoint) -> WireResult<()>;

    /// CLUSTER FORGET. A node that is forgotten already is not an error.
    async fn forget(&self, at: &Endpoint, gone: &NodeId) -> WireResult<()>;

    /// CONFIG GET of several directives; those it does not know are left out.
    async fn config_get(
        &self,
        at: &Endpoint,
        names: &[&str],
    ) -> WireResult<BTreeMap<String, String>>;

    /// CONFIG SET of several directives at once (all or none).
    async fn config_set(&self, at: &Endpoint, settings: &[(String, String)]) -> WireResult<()>;

    /// CLUSTER SLOTS: what a client would be told by this node.
    async fn announced(&self, at: &Endpoint) -> WireResult<Vec<Announced>>;

    /// Writes a key, reads it back, deletes it: on this very endpoint, following no redirection.
    async fn probe(&self, at: &Endpoint, key: &str, value: &str) -> WireResult<()>;
}
