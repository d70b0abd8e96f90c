//! The nouns of drills and planned failovers: what is asked for, what is broken, what a client
//! hears, and what a node says in one quick look.

use crate::{
    node::{Endpoint, Epoch, NodeName},
    slot::SlotSet,
    snapshot::nodes_text::View,
};
use serde::Serialize;
use std::time::Duration;
use strum::{Display, EnumMessage, EnumString, IntoStaticStr, VariantArray};

/// What a drill breaks on purpose. The comments of the variants are the help of `--fault`.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Display,
    EnumMessage,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Fault {
    /// SIGKILL to a master
    #[default]
    Crash,
    /// SIGTERM to a master
    Stop,
    /// A master is frozen, and thawed once it was replaced
    Freeze,
    /// A master is cut off from the other nodes
    Partition,
    /// A master stutters: frozen and thawed in turn
    Slow,
    /// SIGKILL to a replica
    Replica,
    /// A master, then the replica that took over
    Double,
    /// More than half of the masters
    Majority,
}

impl Fault {
    /// Every fault, in the order of the help.
    pub const ALL: &[Fault] = Fault::VARIANTS;

    /// What the help says of it.
    pub fn help(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
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

/// How a single node is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, IntoStaticStr)]
#[serde(into = "&'static str")]
pub enum Blow {
    /// SIGKILL.
    #[strum(to_string = "SIGKILL")]
    Kill,
    /// SIGTERM: Redis saves its data first.
    #[strum(to_string = "SIGTERM")]
    End,
    /// The process is stopped, but not ended.
    #[strum(to_string = "freeze")]
    Freeze,
    /// The node loses its network.
    #[strum(to_string = "disconnect")]
    CutOff,
    /// The node is frozen and thawed in turn.
    #[strum(to_string = "stutter")]
    Stutter,
}

/// How a replica takes over when it is told to (`CLUSTER FAILOVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Manner {
    /// The master stops writes until the replica has them all: nothing is lost.
    Planned,
    /// The master is not asked; the other masters vote.
    Force,
    /// Nobody is asked, and nobody votes.
    Takeover,
}

impl Manner {
    /// The argument of `CLUSTER FAILOVER`, if it takes one.
    pub fn argument(self) -> Option<&'static str> {
        match self {
            Manner::Planned => None,
            Manner::Force => Some("FORCE"),
            Manner::Takeover => Some("TAKEOVER"),
        }
    }
}

/// A shard with its nodes by name.
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

/// Why an attempt of a client was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr)]
#[serde(into = "&'static str")]
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
    /// As reports name it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// How one attempt of a client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The node acknowledged it.
    Acked,
    /// It was certainly not carried out.
    Refused(Class),
    /// It may have been carried out: no answer came.
    Indeterminate(Class),
}

/// The answer to one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// How the attempt ended.
    pub outcome: Outcome,
    /// The node that a MOVED reply names.
    pub moved: Option<Endpoint>,
}

/// One attempt of a canary. Times are microseconds since the canaries began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// Its number within its lane, from 1. It is also the value that is written.
    pub seq: u64,
    /// When it was sent.
    pub sent_us: u64,
    /// How long the answer took.
    pub took_us: u64,
    /// How it ended.
    pub outcome: Outcome,
}

impl Try {
    /// When the answer came.
    pub fn done_us(&self) -> u64 {
        self.sent_us.saturating_add(self.took_us)
    }

    /// Whether it was acknowledged.
    pub fn acked(&self) -> bool {
        self.outcome == Outcome::Acked
    }
}

/// What a canary does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// It writes, and follows redirections as a cluster client does.
    Write,
    /// It reads, and follows redirections as a cluster client does.
    Read,
    /// It writes to one node only, until that node refuses a write.
    Loyal,
}

/// The log of one canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The number of its shard.
    pub shard: usize,
    /// What it does.
    pub errand: Errand,
    /// Its keys are this and a number.
    pub prefix: String,
    /// How many keys it has. After as many writes it writes the first key again.
    pub keys: u64,
    /// Its attempts in the order in which they were sent.
    pub tries: Vec<Try>,
}

impl Lane {
    /// The key that attempt `seq` writes.
    pub fn key(&self, seq: u64) -> String {
        format!("{}{}", self.prefix, self.number(seq))
    }

    /// The number of that key, from 1 to `keys`.
    pub fn number(&self, seq: u64) -> u64 {
        seq.saturating_sub(1) % self.keys.max(1) + 1
    }
}

/// What a node says in one quick look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Its `CLUSTER NODES`.
    pub view: View,
    /// Whether it says `cluster_state:ok`.
    pub ok: bool,
    /// Its `cluster_current_epoch`.
    pub epoch: Epoch,
}

/// How many synchronizations a master has served since it started (`INFO stats`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Syncs {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial: u64,
}

/// What a replica's counters say about the elections in which it was a candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PastElections {
    /// How many requests for votes it has sent since it started.
    pub requests: u64,
    /// How long its connection to its master has been up or down. It won no election since then.
    pub follows_for: Option<Duration>,
}

/// Which shard is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pick {
    /// Any shard with a replica in sync.
    #[default]
    Any,
    /// The shard with this number, from 1.
    Number(usize),
    /// The shard of this node.
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

/// What is asked of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// What is broken.
    pub fault: Fault,
    /// In which shard.
    pub pick: Pick,
    /// How many replicas each canary's write waits for (WAIT).
    pub wait: u32,
    /// How many writes a second the canary of the victim's shard sends.
    pub rate: u32,
    /// The `min-replicas-to-write` that the victim gets during the drill.
    pub min_replicas: Option<u32>,
    /// After a majority is lost, replicas take over without a vote.
    pub takeover: bool,
    /// The longest outage of writes that passes, in milliseconds.
    pub max_rto_ms: Option<u64>,
    /// The most acknowledged writes that may be lost; `None`: what the fault usually loses.
    pub max_lost: Option<usize>,
    /// Whether the masters of before the drill lead again at its end.
    pub restore: bool,
}
