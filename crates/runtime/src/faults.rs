//! What drills do to nodes. It is a trait of its own, so that a runtime that cannot do it has no
//! method that pretends to.

use super::Runtime;
use async_trait::async_trait;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    spec::{ClusterName, launch::Launch},
};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// What is done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// SIGKILL: the node ends at once, as if the power had gone.
    Kill,
    /// The node is frozen.
    Pause,
    /// The node is thawed.
    Resume,
}

/// Killing, freezing and thawing nodes: a runtime can do all three or none.
#[async_trait]
pub trait Faults: Send + Sync {
    /// Sends a signal; an error (exit 6) if the node does not exist, `false` if it changed nothing.
    async fn signal(&self, cluster: &ClusterName, node: &NodeName, signal: Signal) -> Result<bool>;

    /// Cuts nodes off from each other; `None` if they have no network of their own.
    fn partition(&self) -> Option<&dyn Partition>;
}

/// Cuts a node off from all others while it runs on, and runs a client on its side of the cut.
#[async_trait]
pub trait Partition: Send + Sync {
    /// Cuts a running node off from all others. `false`: it was cut off already.
    async fn disconnect(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool>;

    /// Connects a node again, with the address that it had. `false`: it was not cut off, or does
    /// not exist.
    async fn reconnect(&self, launch: &Launch, node: &NodeName) -> Result<bool>;

    /// Runs a program in the node's network, with `secrets` in its environment. It ends when its
    /// input is closed.
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
    /// Lines for its input. Dropping this closes the input, which ends the program.
    pub say: UnboundedSender<String>,
    /// The lines that it writes.
    pub lines: UnboundedReceiver<String>,
}

/// The runtime's [`Faults`]; if it has none, a refusal that says so.
pub fn of(runtime: &dyn Runtime) -> Result<&dyn Faults> {
    runtime.faults().ok_or_else(|| {
        Error::refused("these nodes were not started by rcluster, which can neither break them nor bring them back")
            .hint("leave --seed out to break a cluster that rcluster started")
    })
}

/// The runtime's [`Partition`]; if it has none, a refusal that says so.
pub fn partition_of(runtime: &dyn Runtime) -> Result<&dyn Partition> {
    of(runtime)?.partition().ok_or_else(|| {
        Error::refused("this runtime cannot cut a node off: its nodes have no network of their own")
            .hint("`--runtime docker` has one")
    })
}
