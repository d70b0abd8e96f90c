//! Decides whether a host and a cluster are fit: each measurement gets a verdict, with a reason and
//! a fix.
//!
//! Measuring is done by `rcluster_ops::doctor`. A check that failed is a [`Finding`] with
//! [`Verdict::Fail`]; one that could not be made has [`Verdict::CouldNotCheck`] and the reason.
//! Nothing passes that was not measured.

pub mod cluster;
pub mod host;
pub mod production;
#[cfg(test)]
mod tests;

use crate::hint::Hint;
use crate::{
    error::{Error, Kind},
    node::NodeName,
};
use serde::Serialize;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// As wanted.
    Pass,
    /// It works, and should be changed.
    Warn,
    /// Not as wanted.
    #[strum(serialize = "FAIL")]
    Fail,
    /// It does not apply here.
    Skip,
    /// It could not be measured.
    #[strum(serialize = "?")]
    CouldNotCheck,
}

impl Verdict {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// This host and its engine.
    Host,
    /// The nodes that run.
    Cluster,
    /// The checklist before production.
    Production,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $group:ident;)*) => {
        /// Which check it is. The texts are stable: scripts may rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Id { $($(#[$doc])* $name),* }

        impl Id {
            /// Every check there is, in the order in which they are shown.
            pub const ALL: &'static [Id] = &[$(Id::$name),*];

            /// Its stable text.
            pub fn text(self) -> &'static str {
                match self { $(Id::$name => $text),* }
            }

            /// What it is about.
            pub fn group(self) -> Group {
                match self { $(Id::$name => Group::$group),* }
            }
        }
    };
}

ids! {
    /// A Docker Engine answers and is new enough.
    Engine = "engine", Host;
    /// The image is on the engine.
    Image = "image", Host;
    /// A redis-server is installed and new enough.
    RedisServer = "redis-server", Host;
    /// The ports of nodes that are to start are free.
    Ports = "ports", Host;
    /// There is room for the data.
    Disk = "disk", Host;
    /// There is memory for every node's `maxmemory`.
    Memory = "memory", Host;
    /// A node may open as many files as it has clients.
    Nofile = "nofile", Host;
    /// A fork for a snapshot is not refused.
    Overcommit = "overcommit", Host;
    /// Huge pages do not slow a fork down.
    HugePages = "huge-pages", Host;
    /// The accept queue is as long as `tcp-backlog` says.
    Somaxconn = "somaxconn", Host;
    /// Every node answers.
    Answers = "answers", Cluster;
    /// The judge finds nothing wrong with the cluster.
    Health = "health", Cluster;
    /// The nodes' clocks agree with ours.
    Clock = "clock", Cluster;
    /// What clients are told to dial can be dialled from here.
    Endpoints = "endpoints", Cluster;
    /// A password is asked for.
    Password = "production.password", Production;
    /// Not open to every network.
    Bind = "production.bind", Production;
    /// Data on volumes that outlive the nodes.
    Volumes = "production.volumes", Production;
    /// Somebody collects metrics.
    Monitoring = "production.monitoring", Production;
    /// Somebody is woken up.
    Alerting = "production.alerting", Production;
    /// A backup, and not an old one.
    Backup = "production.backup", Production;
    /// The last failover drill.
    Drill = "production.failover-drill", Production;
    /// Failure detection neither nervous nor asleep.
    Timeouts = "production.timeouts", Production;
    /// Writes survive a restart.
    Persistence = "production.persistence", Production;
    /// A full node does what is expected of it.
    Eviction = "production.eviction", Production;
    /// Every master has a replica.
    Replicas = "production.replicas", Production;
    /// No host holds a whole shard.
    Hosts = "production.one-host-per-shard", Production;
    /// What applications dial.
    Strings = "production.connection-strings", Production;
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// What `--fix` may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Write a kernel setting: needs root and a confirmation, and lasts until the next boot.
    Kernel {
        /// Its file.
        file: &'static str,
        /// What to write.
        value: String,
    },
    /// Pull the image.
    Pull {
        /// Which one.
        image: String,
    },
    /// Announce what the spec says again.
    Announce {
        /// The nodes that announce something else.
        nodes: Vec<NodeName>,
    },
}

/// One check, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub id: Id,
    /// What it is about.
    pub group: Group,
    /// The result.
    pub verdict: Verdict,
    /// The nodes with which something is wrong; empty: all nodes, or no particular one.
    pub nodes: Vec<NodeName>,
    /// What was measured.
    pub measured: String,
    /// What is wanted.
    pub wanted: String,
    /// The reason for the result.
    pub why: Option<String>,
    /// What to do: best a command that can be typed.
    pub fix: Option<Hint>,
    /// What `--fix` would do; only in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<String>,
    /// What `--fix` did.
    pub fixed: Option<String>,
    /// Why `--fix` did nothing.
    pub declined: Option<String>,
    /// What `--fix` can do.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// A finding without reason or fix.
    pub fn new(
        id: Id,
        verdict: Verdict,
        measured: impl Into<String>,
        wanted: impl Into<String>,
    ) -> Self {
        Finding {
            id,
            group: id.group(),
            verdict,
            nodes: Vec::new(),
            measured: measured.into(),
            wanted: wanted.into(),
            why: None,
            fix: None,
            would: None,
            fixed: None,
            declined: None,
            remedy: None,
        }
    }

    /// A check that could not be made, and why.
    pub fn unknown(id: Id, wanted: impl Into<String>, why: impl Into<String>) -> Self {
        Finding::new(id, Verdict::CouldNotCheck, "not known", wanted).why(why)
    }

    /// A check that does not apply, and why.
    pub fn skip(id: Id, wanted: impl Into<String>, why: impl Into<String>) -> Self {
        Finding::new(id, Verdict::Skip, "does not apply", wanted).why(why)
    }

    /// Adds the reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Hint>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Adds the nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: Vec<NodeName>) -> Self {
        self.nodes = nodes;
        self
    }

    /// Adds what `--fix` may do.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// The error of an operation that this finding rules out.
    pub fn error(&self) -> Error {
        let kind = match self.id {
            Id::Engine | Id::Image | Id::RedisServer => Kind::Missing,
            _ => Kind::Refused,
        };
        let message = match &self.why {
            Some(why) => format!("{}: {why}", self.measured),
            None => self.measured.clone(),
        };
        let error = Error::new(kind, message);
        match &self.fix {
            Some(fix) => error.hint(fix.clone()),
            None => error,
        }
    }
}

/// How many checks had each result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// As wanted.
    pub pass: usize,
    /// Should be changed.
    pub warn: usize,
    /// Not as wanted.
    pub fail: usize,
    /// Did not apply.
    pub skip: usize,
    /// Could not be measured.
    pub could_not_check: usize,
}

impl Tally {
    /// Counts.
    pub fn of(findings: &[Finding]) -> Self {
        let count = |verdict| {
            findings
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        Tally {
            pass: count(Verdict::Pass),
            warn: count(Verdict::Warn),
            fail: count(Verdict::Fail),
            skip: count(Verdict::Skip),
            could_not_check: count(Verdict::CouldNotCheck),
        }
    }
}

/// `node-1, node-2 and 4 others`: only JSON has the whole list.
pub(super) fn names(nodes: &[NodeName]) -> String {
    let shown: Vec<&str> = nodes.iter().take(3).map(NodeName::as_str).collect();
    match nodes.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
