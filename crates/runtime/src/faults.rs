//! What a drill does to nodes, where the runtime can do it: a trait of its own, so that a runtime
//! that cannot has no method that pretends to.

use super::Runtime;
use async_trait::async_trait;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    spec::{ClusterName, launch::Launch},
};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// What can be sent to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// SIGKILL: as if the power had gone.
    Kill,
    /// Freeze it.
    Pause,
    /// Thaw it.
    Resume,
}

/// Killing, freezing and thawing nodes. A runtime that has this has all three.
#[async_trait]
pub trait Faults: Send + Sync {
    /// Sends a signal; an error (exit 6) if the node does not exist, `false` if it changed nothing.
    async fn signal(&self, cluster: &ClusterName, node: &NodeName, signal: Signal) -> Result<bool>;

    /// Cutting nodes off, if they have a network of their own to be cut off from.
    fn partition(&self) -> Option<&dyn Partition>;
}

/// Cutting a node off from all others while it runs on, and a client that stays on its side.
#[async_trait]
pub trait Partition: Send + Sync {
    /// Cuts a running node off from all others. `false`: it was cut off already.
    async fn disconnect(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool>;

    /// Connects a node again, under the address that it had. `false`: it was not cut off, or does
    /// not exist.
    async fn reconnect(&self, launch: &Launch, node: &NodeName) -> Result<bool>;

    /// Runs a program beside the node, in the same network, and hands over its lines as they come;
    /// `secrets` go into its environment. It ends with its input.
    async fn beside(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        argv: &[String],
        secrets: &[(String, String)],
    ) -> Result<Beside>;
}

/// A program that runs beside a node.
#[derive(Debug)]
pub struct Beside {
    /// Its input; it ends when this is dropped.
    pub say: UnboundedSender<String>,
    /// The lines that it writes.
    pub lines: UnboundedReceiver<String>,
}

/// The runtime's [`Faults`], or a refusal that says that it has none.
pub fn of(runtime: &dyn Runtime) -> Result<&dyn Faults> {
    runtime.faults().ok_or_else(|| {
        Error::refused("these nodes were not started by rcluster, which can neither break them nor bring them back")
            .hint("leave --seed out to break a cluster that rcluster started")
    })
}

/// The runtime's [`Partition`], or a refusal that says that it has none.
pub fn partition_of(runtime: &dyn Runtime) -> Result<&dyn Partition> {
    of(runtime)?.partition().ok_or_else(|| {
        Error::refused("this runtime cannot cut a node off: its nodes have no network of their own")
            .hint("`--runtime docker` has one")
    })
}
