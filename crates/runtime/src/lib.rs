//! The only place that starts things: one trait, a few places where nodes may run.
//!
//! # The contract of [`Runtime`]
//!
//! The hard truth first: a runtime says whether a node *runs*, never whether it is *well*. "The
//! container did not start" is the runtime's failure; "the node will not join" is the wire's.
//!
//! - Every verb is idempotent: a second call with the same arguments changes nothing and says so
//!   (`false`). Killed half-way, a second call finishes the work.
//! - Verbs act on one node (or on what all nodes share) so that a plan can name each step, and so
//!   that steps run in parallel; a runtime may be called for many nodes at once.
//! - What was started is found by labels (docker) or by locked pidfiles (process), never by name
//!   alone, and nothing that belongs to another cluster or another user is ever touched.
//! - Stopping lets Redis save (SIGTERM) and only kills after `grace`. Removing keeps the data
//!   unless `volumes` says otherwise.
//! - A node that dies at start is an error that carries its last log lines.
//! - No verb waits for a node to answer on the wire.
//!
//! The same suite of tests (`tests/it/live/runtime_contract.rs`) holds every runtime to this.

pub mod command;
pub mod docker;
pub mod external;
pub mod host;
pub mod log_line;
pub mod ports;
pub mod process;
pub mod wait;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use log_line::{LogLine, LogLines};
use rcluster_core::snapshot::place::{Capabilities, Placed, RunState};
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    spec::{
        ClusterName, RuntimeKind,
        launch::{Launch, NodeLaunch},
    },
};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// A cluster that this runtime knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its name.
    pub name: ClusterName,
    /// Who started it, if not the current user.
    pub foreign_owner: Option<String>,
    /// How many of its nodes exist.
    pub nodes: usize,
    /// How many of them run.
    pub running: usize,
    /// The lowest client port.
    pub first_port: Option<u16>,
}

/// What `prepare` reports while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// An image is being pulled: bytes so far, of how many as far as known.
    Pull {
        /// The image.
        image: String,
        /// Bytes that have arrived.
        done: u64,
        /// Bytes in all, as far as known.
        total: u64,
    },
    /// Something worth a line.
    Note(String),
}

/// Receives [`Progress`].
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

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

/// A program that runs beside a node.
#[derive(Debug)]
pub struct Beside {
    /// Its input; it ends when this is dropped.
    pub say: UnboundedSender<String>,
    /// The lines that it writes.
    pub lines: UnboundedReceiver<String>,
}

/// Where nodes run. See the module's documentation for the contract.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Which one it is; for messages and for what is remembered, never for decisions.
    fn kind(&self) -> RuntimeKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Where a node's files lie on this host; `None`: in a container.
    fn folder(&self, cluster: &ClusterName, node: &NodeName) -> Option<std::path::PathBuf> {
        let _ = (cluster, node);
        None
    }

    /// A hash of everything about a node that cannot change while it exists (image, published
    /// ports, command, …); configuration that Redis can be told is not part of it.
    fn shape(&self, launch: &Launch, node: &NodeLaunch) -> String;

    /// Makes what all nodes share: image, network, folders. Nothing is removed or replaced.
    async fn prepare(&self, launch: &Launch, progress: OnProgress<'_>) -> Result<bool>;

    /// Makes one node exist and run: creates, starts or thaws it. `conf` is its redis.conf; it is
    /// written before the node is created or started, and left alone if the node already runs.
    async fn ensure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<bool>;

    /// Replaces the redis.conf that the node will read at its next start.
    async fn configure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<()>;

    /// Starts a node that exists, as it is. An error (exit 6) if it does not exist.
    async fn start(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool>;

    /// Stops a node: SIGTERM, and SIGKILL after `grace`. A frozen node is thawed first. A node
    /// that does not exist is stopped already.
    async fn stop(&self, cluster: &ClusterName, node: &NodeName, grace: Duration) -> Result<bool>;

    /// Removes a node, stopping it first if it runs; with `volumes` its data too.
    async fn remove(&self, cluster: &ClusterName, node: &NodeName, volumes: bool) -> Result<bool>;

    /// Removes what the nodes shared (and, with `volumes`, data of nodes that are gone already).
    /// Refused while a node still exists.
    async fn retire(&self, cluster: &ClusterName, volumes: bool) -> Result<bool>;

    /// The nodes of a cluster that exist, sorted by name in natural order.
    async fn list(&self, cluster: &ClusterName) -> Result<Vec<Placed>>;

    /// Every cluster this runtime knows of.
    async fn clusters(&self) -> Result<Vec<Found>>;

    /// The last `tail` lines a node wrote.
    async fn logs(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: usize,
    ) -> Result<Vec<String>>;

    /// What a node wrote: its last `tail` lines (`None`: all), each with its time as far as that
    /// is known; with `follow`, then what it goes on to write, restarts included, until it no
    /// longer exists. A runtime that cannot follow ends with what there is.
    async fn log_lines(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: Option<usize>,
        follow: bool,
    ) -> Result<LogLines<'_>> {
        let _ = follow;
        let lines = self.logs(cluster, node, tail.unwrap_or(usize::MAX)).await?;
        let lines = lines.into_iter().map(|line| Ok(LogLine::of_redis(line)));
        Ok(stream::iter(lines).boxed())
    }

    /// Sends a signal; an error (exit 6) if the node does not exist, `false` if it changed nothing.
    async fn signal(&self, cluster: &ClusterName, node: &NodeName, signal: Signal) -> Result<bool>;

    /// Cuts a running node off from all others. Only where [`Capabilities::partition`].
    async fn disconnect(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        Err(cannot_cut(cluster, node))
    }

    /// Connects a node again, under the address that it had. One that was not cut off, or that does
    /// not exist, is fine.
    async fn reconnect(&self, launch: &Launch, node: &NodeName) -> Result<bool> {
        let _ = (launch, node);
        Ok(false)
    }

    /// Runs a program beside the node, in the same network, and hands over its lines as they come;
    /// `secrets` go into its environment. It ends with its input. Only where
    /// [`Capabilities::partition`].
    async fn beside(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        argv: &[String],
        secrets: &[(String, String)],
    ) -> Result<Beside> {
        let _ = (argv, secrets);
        Err(cannot_cut(cluster, node))
    }
}

fn cannot_cut(cluster: &ClusterName, node: &NodeName) -> Error {
    Error::refused(format!(
        "{node} of {cluster} cannot be cut off: its runtime has no network of its own"
    ))
    .hint("`--runtime docker` has one")
}
