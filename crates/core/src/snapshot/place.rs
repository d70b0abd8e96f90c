//! What a runtime says of a node that it keeps, and what it can do.

use crate::node::{Address, NodeName};
use serde::Serialize;
use std::net::SocketAddr;

/// What a runtime can do, as data, so that nobody asks which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent yes-or-no questions; any combination is possible"
)]
pub struct Capabilities {
    /// It can start nodes.
    pub start: bool,
    /// It can pause and resume them.
    pub pause: bool,
    /// Their data outlives them until it is removed on purpose.
    pub volumes: bool,
    /// It brings the nodes back by itself after a reboot.
    pub restarts_by_itself: bool,
    /// A node has an address of its own, other than the one that is published.
    pub own_network: bool,
    /// It can cut a node off from the others while the node runs on.
    pub partition: bool,
}

/// One node as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Its name.
    pub node: NodeName,
    /// Whether it runs.
    pub state: RunState,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub bus_port: u16,
    /// Where rcluster itself dials it: a published loopback port. `None` unless it runs or is paused.
    pub dial: Option<SocketAddr>,
    /// What its peers use. `None` unless it runs or is paused.
    pub address: Option<Address>,
    /// Container id or pid; empty while there is neither.
    pub runtime_id: String,
    /// Hash of what can only be changed by creating it anew (see `Runtime::shape`).
    pub shape: Option<String>,
}

/// Whether a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It runs.
    Running,
    /// It is frozen: SIGSTOP, or a paused container.
    Paused,
    /// It exists but does not run.
    Stopped,
}
