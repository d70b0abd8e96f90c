//! The only place that starts things: one trait, a few places where nodes may run.
//!
//! # The contract of [`Runtime`]
//!
//! A runtime says whether a node *runs*, never whether it is *well*. "The container did not start"
//! is a failure of the runtime; "the node will not join" is one of the wire.
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
pub mod faults;
pub mod host;
pub mod log_line;
pub mod ports;
pub mod process;
pub mod wait;

pub use faults::{Beside, Faults, Partition, Signal};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use log_line::{LogLine, LogLines};
use rcluster_core::snapshot::place::{Capabilities, Disk, Engine, Placed, RunState, ShapeHash};
use rcluster_core::{
    error::Result,
    node::NodeName,
    spec::{
        ClusterName, RuntimeKind,
        launch::{Launch, NodeLaunch},
    },
};
use serde::Serialize;
use std::time::Duration;

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
    /// Something that is told to the user.
    Note(String),
}

/// Receives [`Progress`].
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Where nodes run. The module's documentation has the contract.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Which runtime it is. For messages and for what is remembered, never for decisions.
    fn kind(&self) -> RuntimeKind;

    /// What it can do, as data. `pause` is true where there are [`Faults`], `partition` where those
    /// have a [`Partition`].
    fn capabilities(&self) -> Capabilities;

    /// Kills, freezes and cuts off nodes for drills; `None` where rcluster may not do that to the
    /// nodes.
    fn faults(&self) -> Option<&dyn Faults>;

    /// The folder on this host that has the node's files; `None`: they are in a container.
    fn folder(&self, cluster: &ClusterName, node: &NodeName) -> Option<std::path::PathBuf> {
        let _ = (cluster, node);
        None
    }

    /// The engine that runs the nodes; `None` where there can be only one.
    async fn engine(&self) -> Result<Option<Engine>> {
        Ok(None)
    }

    /// A hash of everything about a node that cannot change while it exists (image, published
    /// ports, command, …). Configuration that a running Redis can be told is not part of it.
    fn shape(&self, launch: &Launch, node: &NodeLaunch) -> ShapeHash;

    /// Makes what all nodes share: image, network, folders. Nothing is removed or replaced.
    async fn prepare(&self, launch: &Launch, progress: OnProgress<'_>) -> Result<bool>;

    /// Makes one node exist, run and be in the cluster's network: creates, starts, thaws or
    /// reconnects it. `conf` is its redis.conf, written before the node is created or started; if
    /// the node runs already, its file is left alone.
    async fn ensure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<bool>;

    /// Replaces the redis.conf that the node will read at its next start.
    async fn configure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<()>;

    /// Starts a node that exists, with the configuration that it has. An error (exit 6) if it does
    /// not exist.
    async fn start(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool>;

    /// Stops a node: SIGTERM, and SIGKILL after `grace`. A frozen node is thawed first. A node that
    /// does not exist counts as stopped.
    async fn stop(&self, cluster: &ClusterName, node: &NodeName, grace: Duration) -> Result<bool>;

    /// Removes a node, stopping it first if it runs; with `volumes` its data too.
    async fn remove(&self, cluster: &ClusterName, node: &NodeName, volumes: bool) -> Result<bool>;

    /// Removes what the nodes shared and, with `volumes`, the data that removed nodes left. Refused
    /// while a node still exists.
    async fn retire(&self, cluster: &ClusterName, volumes: bool) -> Result<bool>;

    /// The nodes of a cluster that exist, sorted by name in natural order.
    async fn list(&self, cluster: &ClusterName) -> Result<Vec<Placed>>;

    /// What is on the disk of a node that does not run. The node need not exist; its data may.
    ///
    /// Where that cannot be seen, the answer is [`Disk::Whole`].
    async fn disk(&self, cluster: &ClusterName, node: &NodeName) -> Result<Disk> {
        let _ = (cluster, node);
        Ok(Disk::Whole)
    }

    /// Every cluster this runtime knows of.
    async fn clusters(&self) -> Result<Vec<Found>>;

    /// Whether a node that runs answers where it runs, however it can be reached from here; `None`:
    /// it runs on this host, in no network of its own.
    async fn answers_there(&self, cluster: &ClusterName, node: &NodeName) -> Result<Option<bool>> {
        let _ = (cluster, node);
        Ok(None)
    }

    /// The last `tail` lines a node wrote.
    async fn logs(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: usize,
    ) -> Result<Vec<String>>;

    /// What a node wrote: its last `tail` lines (`None`: all), each with its time if that is known.
    /// With `follow`, lines go on to come as the node writes them, across restarts, until the node
    /// no longer exists; a runtime that cannot follow ends after the lines that there are.
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
}
