//! What a runtime says of a node, and what it can do.

use crate::node::{Address, NodeName};
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr};

/// The host of a node that runs on the same machine as rcluster.
pub const THIS_HOST: &str = "localhost";

/// What a runtime can do, as data, so that no decision depends on which runtime it is.
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
    /// Nodes keep their data until it is removed on purpose.
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
    /// Of nodes that somebody else started: nothing.
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

/// An engine that runs nodes. There may be several, and each has clusters of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// The address at which it was reached: `unix:///var/run/docker.sock`.
    pub place: String,
    /// Its own id, which does not depend on how it is reached.
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
    /// Whether it is in the cluster's network. A node that runs but is not connected has been cut
    /// off: neither its peers nor rcluster reach it, and `dial` and `address` are `None`.
    pub connected: bool,
    /// Whether the runtime restarts it again and again. It counts as stopped, but has its ports
    /// whenever it is up.
    pub loops: bool,
    /// Where rcluster dials it: a published loopback port. `None` unless it runs or is paused, and
    /// is connected.
    pub dial: Option<SocketAddr>,
    /// The address that its peers use. `None` unless it runs or is paused, and is connected.
    pub address: Option<Address>,
    /// How it ended, if it is stopped and the runtime knows.
    pub exit: Option<Exit>,
    /// The container's id or the process's pid; empty if there is neither.
    pub runtime_id: String,
    /// The hash of its shape when it was created: of all that only creating it anew can change (see
    /// [`ShapeHash`]).
    pub shape: Option<String>,
}

/// What is on the disk of a node that does not run, which decides what it will be when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disk {
    /// A nodes.conf that makes it a member of a cluster, with or without data.
    Whole,
    /// Data, but no nodes.conf, or an empty one, or one that names no other node: it starts as a
    /// new node.
    Nameless,
    /// Nothing.
    Empty,
}

/// How a node's process ended, as the runtime saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Its exit code; 128+n if signal n ended it.
    pub code: Option<i64>,
    /// Whether the kernel ended it because memory was short.
    pub out_of_memory: bool,
    /// Why it could not be started at all, in the runtime's words.
    pub error: Option<String>,
    /// When it ended, in RFC 3339.
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
    /// The mark of a node that is created now.
    pub current: String,
    /// The marks that earlier versions of rcluster gave to nodes of the same shape.
    pub earlier: Vec<String>,
}

impl ShapeHash {
    /// Whether a node with this mark has this shape.
    pub fn is(&self, mark: &str) -> bool {
        self.current == mark || self.earlier.iter().any(|earlier| earlier == mark)
    }
}

impl From<String> for ShapeHash {
    /// A hash that earlier versions computed in the same way.
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
