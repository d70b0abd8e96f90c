//! The words of a drill: what is broken, what a client hears, what a node shows at a glance.

use crate::{
    node::{Address, Endpoint, Epoch, NodeName},
    slot::SlotSet,
    snapshot::nodes_text::View,
};
use serde::{Serialize, Serializer};
use std::{fmt, time::Duration};
use strum::{IntoStaticStr, VariantArray};

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Fault {
    /// SIGKILL to a master.
    Crash,
    /// SIGTERM to a master: it saves and ends.
    Stop,
    /// A master is frozen, and thawed once it was replaced.
    Freeze,
    /// A master is cut from the other nodes, but not from a client that sits beside it.
    Partition,
    /// A master is frozen and thawed in turn, never for as long as the others would mind.
    Slow,
    /// SIGKILL to a replica.
    Replica,
    /// SIGKILL to a master, then to the replica that took its place.
    Double,
    /// SIGKILL to a majority of the masters at once.
    Majority,
}

impl Fault {
    /// Every fault, in the order of the help.
    pub const ALL: &'static [Fault] = Fault::VARIANTS;

    /// As it is typed.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// How each node is hit.
    pub fn blow(self) -> Blow {
        match self {
            Fault::Crash | Fault::Replica | Fault::Double | Fault::Majority => Blow::Kill,
            Fault::Stop => Blow::End,
            Fault::Freeze => Blow::Freeze,
            Fault::Partition => Blow::CutOff,
            Fault::Slow => Blow::Stutter,
        }
    }

    /// Whether the old master can go on taking writes that nobody will keep.
    pub fn leaves_an_old_master(self) -> bool {
        matches!(self, Fault::Freeze | Fault::Partition)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How a node is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
pub enum Blow {
    /// It is killed.
    #[strum(to_string = "SIGKILL")]
    Kill,
    /// It is asked to end: it saves before.
    #[strum(to_string = "SIGTERM")]
    End,
    /// It is frozen.
    #[strum(to_string = "freeze")]
    Freeze,
    /// It is cut off from the other nodes.
    #[strum(to_string = "disconnect")]
    CutOff,
    /// It is frozen and thawed in turn.
    #[strum(to_string = "stutter")]
    Stutter,
}

impl Serialize for Blow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How a replica takes over when it is told to (`CLUSTER FAILOVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Manner {
    /// The master agrees and waits for the replica: nothing is lost.
    Planned,
    /// Without the master, by a vote of the majority.
    Force,
    /// Without anybody's vote.
    Takeover,
}

impl Manner {
    /// The command's last word, if it has one.
    pub fn argument(self) -> Option<&'static str> {
        match self {
            Manner::Planned => None,
            Manner::Force => Some("FORCE"),
            Manner::Takeover => Some("TAKEOVER"),
        }
    }
}

/// A shard by the names of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seats {
    /// Its number, from 1, in the order of the slots.
    pub shard: usize,
    /// Its slots.
    pub slots: SlotSet,
    /// Its master.
    pub master: NodeName,
    /// Its replicas, sorted.
    pub replicas: Vec<NodeName>,
}

/// Where a node is dialled, and the names under which others speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Where rcluster dials it.
    pub dial: Endpoint,
    /// What its peers use.
    pub address: Address,
}

impl Door {
    /// Whether MOVED to `to` means this node.
    pub fn is(&self, to: &Endpoint) -> bool {
        self.dial == *to
            || (self.address.port == to.port
                && (self.address.ip.to_string() == to.host || self.dial.port == to.port))
    }
}

/// Why an attempt of a client was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Class {
    /// MOVED.
    Moved,
    /// ASK.
    Ask,
    /// CLUSTERDOWN.
    ClusterDown,
    /// TRYAGAIN.
    TryAgain,
    /// READONLY.
    ReadOnly,
    /// LOADING or MASTERDOWN.
    Loading,
    /// NOREPLICAS: `min-replicas-to-write` is not met.
    NoReplicas,
    /// No answer in time.
    #[strum(serialize = "timeout")]
    Timeout,
    /// Nobody listens: the command was never sent.
    #[strum(serialize = "refused")]
    Refused,
    /// The connection broke after the command was sent.
    #[strum(serialize = "broken")]
    Broken,
    /// Written, but fewer replicas than WAIT asked for had it in time.
    #[strum(serialize = "wait")]
    Wait,
    /// Any other error reply.
    #[strum(serialize = "other")]
    Other,
}

impl Class {
    /// As it stands in the report.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The node said that it did it.
    Acked,
    /// It was certainly not done.
    Refused(Class),
    /// Nobody knows: it may have been done.
    Indeterminate(Class),
}

/// What one attempt heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What became of it.
    pub outcome: Outcome,
    /// Where MOVED pointed.
    pub moved: Option<Endpoint>,
}

/// One attempt of a canary. Times are microseconds since the canaries began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// Its number within its lane; the key ends in it and the value is it.
    pub seq: u64,
    /// When it was sent.
    pub sent_us: u64,
    /// How long it took.
    pub took_us: u64,
    /// What became of it.
    pub outcome: Outcome,
}

impl Try {
    /// When its answer came.
    pub fn done_us(&self) -> u64 {
        self.sent_us.saturating_add(self.took_us)
    }

    /// Whether it was acknowledged.
    pub fn acked(&self) -> bool {
        self.outcome == Outcome::Acked
    }
}

/// What a canary does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// Writes, following redirections as a cluster client does.
    Write,
    /// Reads, following redirections as a cluster client does.
    Read,
    /// Writes to one node and to no other, until that node sends it away.
    Loyal,
}

/// All attempts of one canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The shard's number.
    pub shard: usize,
    /// What it does.
    pub errand: Errand,
    /// What its keys begin with; the sequence number follows.
    pub prefix: String,
    /// How many keys it has; after so many writes it writes the first one again.
    pub keys: u64,
    /// In the order in which they were sent.
    pub tries: Vec<Try>,
}

impl Lane {
    /// The key of an attempt.
    pub fn key(&self, seq: u64) -> String {
        format!("{}{}", self.prefix, self.number(seq))
    }

    /// Which of its keys that is.
    pub fn number(&self, seq: u64) -> u64 {
        seq.saturating_sub(1) % self.keys.max(1) + 1
    }
}

/// What a node shows in one quick look: `CLUSTER NODES` and the state from `CLUSTER INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Its view.
    pub view: View,
    /// `cluster_state:ok`.
    pub ok: bool,
    /// `cluster_current_epoch`.
    pub epoch: Epoch,
}

/// Synchronizations that a master has served since it started (`INFO stats`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Syncs {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial: u64,
}

/// What a replica's counters say of the elections that it stood for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PastElections {
    /// Requests for votes that it has sent since it started.
    pub requests: u64,
    /// How long its connection to its master has been up, or down; it won no election meanwhile.
    pub follows_for: Option<Duration>,
}

/// Which shard is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Any that can stand it.
    Any,
    /// By its number, from 1.
    Number(usize),
    /// By one of its nodes.
    Node(NodeName),
}

impl std::str::FromStr for Pick {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse()) {
            ("", _) => Err("name a shard by its number or one of its nodes, or `any`".to_owned()),
            ("any", _) => Ok(Pick::Any),
            (_, Ok(0)) => Err("shards are numbered from 1".to_owned()),
            (_, Ok(number)) => Ok(Pick::Number(number)),
            _ => Ok(Pick::Node(NodeName::new(text))),
        }
    }
}

/// What was asked of a drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The longest write outage, in milliseconds.
    pub max_rto_ms: Option<u64>,
    /// The most acknowledged writes that may be lost; `None`: what the fault allows.
    pub max_lost: Option<usize>,
    /// Whether the first topology is to be back.
    pub restore: bool,
}
