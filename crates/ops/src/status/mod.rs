//! `status`: asks every node at once, compares the views, gives one verdict.
//!
//! The documents are what `status --json` prints. Fields are added, never renamed.

pub(crate) mod compose;
pub mod healthy;

use crate::cluster::{deep::deepen, handle::Cluster};
use rcluster_core::{
    error::Result,
    hint::About,
    judge::{Problem, State},
    node::{Address, Endpoint, Epoch, NodeId, NodeName, Role},
    slot::SlotRange,
    spec::launch::Launch,
};
use serde::{Deserialize, Deserializer, Serialize};

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// One of a few fixed words. (It is an alias, because serde would take `&'static str` for a borrow
/// of its input.)
pub type Word = &'static str;

/// What `status --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Version of this document.
    pub schema: u32,
    /// The cluster as a whole.
    pub cluster: ClusterStatus,
    /// Its shards, ordered by slot.
    pub shards: Vec<ShardStatus>,
    /// Its nodes: by shard, the master first.
    pub nodes: Vec<NodeStatus>,
    /// What is not as it should be, worst first.
    pub problems: Vec<Problem>,
}

/// The cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Its name, or the seed it was asked through.
    pub name: String,
    /// Where its nodes run.
    pub runtime: String,
    /// The judge's verdict.
    pub state: State,
    /// Slots that have an owner.
    pub slots_assigned: u16,
    /// Slots whose owner answers.
    pub slots_ok: u16,
    /// Nodes that any view knows.
    pub known_nodes: usize,
    /// Masters that answer.
    pub masters: usize,
    /// Replicas that answer.
    pub replicas: usize,
    /// The highest epoch that any node has seen.
    pub epoch: Epoch,
    /// Whether all views say the same.
    pub views_agree: bool,
    /// When the youngest node started; no node was restarted since.
    pub since: Option<jiff::Timestamp>,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Its number, from 1, in the order of the slots.
    pub index: usize,
    /// Its slots.
    pub slots: Vec<SlotRange>,
    /// Its master's name.
    pub master: Option<NodeName>,
    /// Its replicas' names.
    pub replicas: Vec<NodeName>,
    /// Keys on its master.
    pub keys: u64,
}

/// A node. Fields that only the node itself can tell are null if it does not answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its id.
    pub id: Option<NodeId>,
    /// Its name.
    pub name: NodeName,
    /// The endpoint that clients dial.
    pub endpoint: Endpoint,
    /// Master or replica: what the node says of itself, else what others say.
    pub role: Option<Role>,
    /// The number of its shard.
    pub shard: Option<usize>,
    /// Whether it answered.
    pub up: bool,
    /// `ok`, `fail`, `loading`, `silent`, `paused`, `stopped`.
    #[serde(deserialize_with = "word")]
    pub state: Word,
    /// Of a replica: `up`, `down`, `syncing`.
    #[serde(deserialize_with = "some_word")]
    pub link: Option<Word>,
    /// The address that its peers use.
    pub address: Option<Address>,
    /// Keys it holds.
    pub keys: Option<u64>,
    /// `used_memory`.
    pub memory_used_bytes: Option<u64>,
    /// `maxmemory`; 0: no limit.
    pub memory_max_bytes: Option<u64>,
    /// `instantaneous_ops_per_sec`.
    pub ops_per_sec: Option<u64>,
    /// `connected_clients`.
    pub clients: Option<u64>,
    /// Hits over all look-ups since it started; null if there were none.
    pub hit_ratio: Option<f64>,
    /// Its replication offset.
    pub repl_offset: Option<u64>,
    /// Of a replica: how many bytes it is behind its master.
    pub lag_bytes: Option<u64>,
    /// Of a replica: seconds since its master last got its acknowledgement, else since the replica
    /// last heard from its master.
    pub lag_seconds: Option<u64>,
    /// Seconds since it started.
    pub uptime_seconds: Option<u64>,
    /// Its Redis version.
    pub version: Option<String>,
    /// Container id or pid.
    pub runtime_id: Option<String>,
}

/// How many masters and replicas should answer. A master without slots that does not answer was
/// replaced, and is not missed.
pub fn expected(shards: &[ShardStatus]) -> (usize, usize) {
    let serving = shards.iter().filter(|shard| !shard.slots.is_empty());
    serving.fold((0, 0), |(masters, replicas), shard| {
        (masters + 1, replicas + shard.replicas.len())
    })
}

impl Status {
    /// Exit 0 or 4.
    pub fn is_ok(&self) -> bool {
        self.cluster.state == State::Ok
    }

    /// How commands on this cluster are typed.
    pub fn about(&self) -> About {
        let name = self.cluster.name.clone();
        if self.cluster.runtime == Launch::foreign().runtime.to_string() {
            About::Seed(name)
        } else {
            About::Ours(name)
        }
    }
}

/// Every word of [`NodeStatus::state`] and [`NodeStatus::link`].
const WORDS: [Word; 9] = [
    "ok", "fail", "loading", "silent", "paused", "stopped", "up", "down", "syncing",
];

/// Reads a recorded word; one that this version does not know becomes `unknown`.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    Ok(some_word(deserializer)?.unwrap_or("unknown"))
}

fn some_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Word>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| {
        let mut words = WORDS.into_iter();
        words.find(|word| **word == *text).unwrap_or("unknown")
    }))
}

/// The status of a cluster, ours or behind seeds. Exit 2 if the password is wrong.
pub async fn of(cluster: &Cluster) -> Result<Status> {
    let snapshot = cluster.look().await?.let_in()?;
    Ok(compose::compose(&snapshot, cluster.wanted()))
}

/// The same after a closer look: also keys astray, functions that differ, and what the loss of a host
/// would cost.
pub async fn deep(cluster: &Cluster) -> Result<Status> {
    let mut snapshot = cluster.look().await?.let_in()?;
    deepen(&*cluster.wire, &mut snapshot).await;
    Ok(compose::compose(&snapshot, cluster.wanted()))
}
