//! What `monitor` tells of a cluster: events, rates and latencies.

use crate::node::NodeName;
use serde::{Deserialize, Serialize};

/// Something that changed between two looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What kind of thing.
    pub kind: EventKind,
    /// Good, bad or neither.
    pub level: Level,
    /// Which node, if it is about one.
    pub node: Option<NodeName>,
    /// One line of text, which names the node.
    pub text: String,
}

/// What kind of thing happened.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum EventKind {
    /// The cluster's state (`ok`, `degraded`, `down`) is another one.
    State,
    /// More or fewer slots are served.
    Slots,
    /// The views differ, or agree again.
    Views,
    /// The highest epoch grew.
    Epoch,
    /// A replica became a master.
    Failover,
    /// A master became a replica, or a replica follows another master.
    Role,
    /// Some node cannot reach this node (PFAIL).
    Pfail,
    /// A majority of masters agreed that a node failed (FAIL).
    Fail,
    /// No node thinks any more that this node fails.
    Recovered,
    /// A node does not answer rcluster.
    Silent,
    /// It answers again.
    Back,
    /// A replica's link to its master went down or up.
    Link,
    /// A node was restarted.
    Restart,
    /// A node says `cluster_state:fail`, or `ok` again.
    #[strum(serialize = "cluster")]
    ClusterState,
    /// A node joined the cluster.
    Joined,
    /// No node knows this node any more.
    Left,
}

impl EventKind {
    /// A short word: `failover`, `pfail`.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// Good, bad or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It got better.
    Good,
    /// Worth knowing.
    Info,
    /// It may get worse.
    Warning,
    /// It got worse.
    Error,
}

/// Counters of a node since its start, read at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    /// When it was read; only differences matter.
    pub at_micros: i64,
    /// `run_id`: counters of different runs cannot be compared.
    pub run_id: String,
    /// `total_commands_processed`.
    pub commands: u64,
    /// `keyspace_hits`.
    pub hits: u64,
    /// `keyspace_misses`.
    pub misses: u64,
    /// `total_net_input_bytes`.
    pub net_in_bytes: u64,
    /// `total_net_output_bytes`.
    pub net_out_bytes: u64,
    /// `evicted_keys`.
    pub evicted: u64,
    /// What of these bytes was the monitor's own.
    pub own: Traffic,
}

/// What was said on all our connections to a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that were sent to it.
    pub sent: u64,
    /// Bytes that came from it.
    pub received: u64,
}

/// What a node did between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// The time between the two looks.
    pub seconds: f64,
    /// Commands per second, without those of the monitor itself.
    pub ops_per_sec: f64,
    /// Look-ups that found their key.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Hits of these look-ups; null without look-ups.
    pub hit_ratio: Option<f64>,
    /// Bytes received per second, less what the monitor itself sent.
    pub net_in_bytes_per_sec: f64,
    /// Bytes sent per second, less what the monitor itself was sent.
    pub net_out_bytes_per_sec: f64,
    /// Keys evicted for lack of memory.
    pub evicted: u64,
}

/// How fast a node answered the monitor's last PINGs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The last one, in microseconds.
    pub last_us: u64,
    /// The median, in microseconds.
    pub p50_us: u64,
    /// The 99th percentile, in microseconds.
    pub p99_us: u64,
    /// How many PINGs these are of.
    pub samples: usize,
}

/// How uneven the masters are: the greatest value over the mean; 1.0 is even.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Skew {
    /// Of used memory.
    pub memory: Option<f64>,
    /// Of keys.
    pub keys: Option<f64>,
    /// Of commands per second.
    pub ops: Option<f64>,
}

/// What one node says when a person looks into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// INFO, line by line.
    pub info: Vec<String>,
    /// The slow log, the newest first.
    pub slow: Vec<SlowCall>,
    /// CLIENT LIST, a client a line.
    pub clients: Vec<String>,
}

/// An entry of the slow log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCall {
    /// When.
    pub unix_seconds: i64,
    /// How long it took.
    pub micros: u64,
    /// The command and its first argument.
    pub command: String,
    /// How many arguments it had.
    pub arguments: usize,
    /// The client that called.
    pub client: String,
}
