//! What a runtime says of a node that it keeps, and what it can do.

use crate::node::{Address, NodeName};
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr};

/// The name of the machine that rcluster itself runs on, as a node's place gives it.
pub const THIS_HOST: &str = "localhost";

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
    /// Nodes run on the machine that rcluster runs on: its ports, memory and disk are theirs.
    pub this_host: bool,
    /// A node is a container of an image: its files are inside, and a compose file can describe it.
    pub containers: bool,
    /// A node has an address of its own, other than the one that is published.
    pub own_network: bool,
    /// It can cut a node off from the others while the node runs on.
    pub partition: bool,
}

impl Capabilities {
    /// Nodes that somebody else started can do nothing of this.
    pub const NONE: Capabilities = Capabilities {
        start: false,
        pause: false,
        volumes: false,
        restarts_by_itself: false,
        this_host: false,
        containers: false,
        own_network: false,
        partition: false,
    };
}

/// An engine that keeps nodes. There may be several, and each has clusters of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Where it was reached: `unix:///var/run/docker.sock`.
    pub place: String,
    /// What it calls itself, wherever it is reached.
    pub id: String,
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
    /// The machine it runs on: [`THIS_HOST`], or the name or address of another one.
    pub host: String,
    /// Whether it is in the cluster's network. A node that runs and is not has been cut off:
    /// neither its peers nor rcluster reach it, and it has no `dial` and no `address`.
    pub connected: bool,
    /// Whether it does not stay up: the runtime starts it again and again. It counts as stopped, and
    /// has its ports whenever it is up.
    pub loops: bool,
    /// Where rcluster itself dials it: a published loopback port. `None` unless it runs or is
    /// paused, and is connected.
    pub dial: Option<SocketAddr>,
    /// What its peers use. `None` unless it runs or is paused, and is connected.
    pub address: Option<Address>,
    /// How it ended, if it is stopped and the runtime knows.
    pub exit: Option<Exit>,
    /// Container id or pid; empty while there is neither.
    pub runtime_id: String,
    /// Hash of what can only be changed by creating it anew (see [`ShapeHash`]), as it was when
    /// the node was created.
    pub shape: Option<String>,
}

/// What the disk of a node that does not run holds, and so what it will be when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disk {
    /// A nodes.conf that makes it a member of a cluster, and whatever data it has.
    Whole,
    /// Data, but no nodes.conf, or one that is empty or names nobody else: it is a new node.
    Nameless,
    /// Nothing.
    Empty,
}

/// How a node's process ended, as the runtime saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Its exit code; 128 and more: a signal's number, plus 128.
    pub code: Option<i64>,
    /// The kernel ended it because it was out of memory.
    pub out_of_memory: bool,
    /// Why it could not be started at all, in the runtime's words.
    pub error: Option<String>,
    /// When it ended, as RFC 3339 has it.
    pub at: Option<String>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.out_of_memory, &self.error, self.code) {
            (true, ..) => f.write_str("the kernel ended it: out of memory"),
            (_, Some(error), _) => write!(f, "it could not be started: {error}"),
            (_, _, Some(code @ 129..)) => write!(f, "it was ended by signal {}", code - 128),
            (_, _, Some(code)) => write!(f, "it ended with exit code {code}"),
            (_, _, None) => f.write_str("it ended"),
        }?;
        match &self.at {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

/// A hash of everything about a node that cannot change while it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeHash {
    /// What a node that is created now is marked with.
    pub current: String,
    /// What earlier versions of rcluster marked a node of the same shape with.
    pub earlier: Vec<String>,
}

impl ShapeHash {
    /// Whether a node with this mark has this shape.
    pub fn is(&self, mark: &str) -> bool {
        self.current == mark || self.earlier.iter().any(|earlier| earlier == mark)
    }
}

impl From<String> for ShapeHash {
    /// A hash that was never written in another way.
    fn from(current: String) -> Self {
        ShapeHash {
            current,
            earlier: Vec::new(),
        }
    }
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
