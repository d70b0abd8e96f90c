//! What the judge says of one thing that is not as it should be.

use crate::{
    hint::{About, Hint},
    node::NodeName,
};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// The state of a cluster in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum State {
    /// Everything is as it should be.
    Ok,
    /// Every slot is served, but something is not as it should be.
    Degraded,
    /// Some slots are not served.
    Down,
}

impl State {
    /// `ok`, `degraded` or `down`.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It serves, but a further fault would hurt.
    Warning,
    /// Something is broken now.
    Error,
}

/// The kind of a finding: a stable word for programs. Findings of one severity are shown in this
/// order.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Id {
    /// Fewer than half of the masters answer, so no replica can be elected.
    MajorityLost,
    /// The spec has a node of this name, the runtime has not.
    NodeMissing,
    /// The runtime says that it is stopped.
    NodeStopped,
    /// The runtime says that it is frozen.
    NodeFrozen,
    /// It runs, but its container is not connected to the cluster's network.
    NodeCutOff,
    /// It takes no more clients.
    NodeFull,
    /// It answers, but with an error.
    NodeRefuses,
    /// It does not accept the password that the others accept.
    PasswordRefused,
    /// It does not answer.
    NodeSilent,
    /// It announces another address than the one at which it is.
    AddressWrong,
    /// It answers clients, but its peers do not reach its bus port.
    BusUnreachable,
    /// It is still reading its data from disk.
    NodeLoading,
    /// It knows no other node, although the others are a cluster: it was reset, or lost its data.
    NodeAlone,
    /// It is a Redis that is not in cluster mode.
    NotInClusterMode,
    /// It refuses every write, because it cannot save.
    WritesRefused,
    /// It refuses writes, because its memory is full and nothing may be evicted.
    MemoryFull,
    /// A node that answers and is not in the spec.
    ForeignNode,
    /// Slots without an owner.
    SlotsUnowned,
    /// Slots that several nodes claim.
    SlotsClaimedTwice,
    /// Masters with slots that have the same configuration epoch.
    EpochCollision,
    /// Keys that lie in a node that does not own their slot.
    KeysAstray,
    /// Slots whose owner does not answer.
    SlotsUnserved,
    /// It reports `cluster_state:fail`.
    StateFail,
    /// A replica without a link to its master.
    LinkDown,
    /// The nodes say different things about a node.
    ViewsDiffer,
    /// A node that some views name, that no node can reach, and that is not in the spec.
    Ghost,
    /// A seed that answers but is of another cluster.
    SeedApart,
    /// A slot that is being moved from one node to another.
    SlotOpen,
    /// The number of masters with slots is not that of the spec.
    ShardsDiffer,
    /// A master without slots.
    MasterWithoutSlots,
    /// A replica of a node that is a replica itself.
    ReplicaOfReplica,
    /// A master with fewer replicas than the spec wants.
    ReplicasMissing,
    /// Masters have different functions.
    FunctionsDiffer,
    /// The loss of one host or zone would cost slots, or the majority.
    LossCosts,
    /// A word in a recording of another version; never found here.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Id {
    /// The word for programs: `node-stopped`.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Whether it may pass by itself, so that it makes sense to wait.
    pub fn may_pass(self) -> bool {
        match self {
            Id::MajorityLost
            | Id::NodeMissing
            | Id::NodeStopped
            | Id::NodeFrozen
            | Id::NodeCutOff
            | Id::NodeFull
            | Id::NodeRefuses
            | Id::PasswordRefused
            | Id::NodeSilent
            | Id::AddressWrong
            | Id::BusUnreachable
            | Id::NodeLoading
            | Id::NodeAlone
            | Id::SlotsUnowned
            | Id::SlotsClaimedTwice
            | Id::EpochCollision
            | Id::SlotsUnserved
            | Id::StateFail
            | Id::LinkDown
            | Id::ViewsDiffer => true,
            Id::NotInClusterMode
            | Id::WritesRefused
            | Id::MemoryFull
            | Id::Ghost
            | Id::SeedApart
            | Id::ForeignNode
            | Id::SlotOpen
            | Id::KeysAstray
            | Id::FunctionsDiffer
            | Id::LossCosts
            | Id::ShardsDiffer
            | Id::MasterWithoutSlots
            | Id::ReplicaOfReplica
            | Id::ReplicasMissing
            | Id::Unknown => false,
        }
    }

    /// Whether it says that a node cannot be reached, by clients or by its peers. That explains
    /// many other findings.
    pub(super) fn is_absence(self) -> bool {
        matches!(
            self,
            Id::NodeMissing
                | Id::NodeStopped
                | Id::NodeFrozen
                | Id::NodeCutOff
                | Id::NodeFull
                | Id::NodeRefuses
                | Id::PasswordRefused
                | Id::NodeSilent
                | Id::AddressWrong
                | Id::BusUnreachable
                | Id::NodeLoading
                | Id::NodeAlone
        )
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub id: Id,
    /// How bad.
    pub severity: Severity,
    /// Which node, if it is about one.
    pub node: Option<NodeName>,
    /// What is wrong. With the node's name in front it is a sentence.
    pub what: String,
    /// How it is known.
    pub why: String,
    /// What to do.
    pub hint: Hint,
    /// The findings that follow from this one, a sentence each.
    pub follows: Vec<String>,
    /// What would explain this one.
    pub(super) because: Because,
    /// The masters that are absent, if this is a lost majority.
    pub(super) masters: Vec<NodeName>,
}

/// What would explain a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Because {
    /// Nothing else: it is a root cause.
    #[default]
    Nothing,
    /// It is explained if this node is absent.
    Absent(NodeName),
    /// It is explained if this node knows no other node.
    Alone(NodeName),
    /// It is explained if some node is absent that no shard counts as its replica.
    AnyAbsent,
    /// It is explained if some master is absent, or some slot has no owner.
    AnySlots,
    /// That slots have no owner.
    Unowned,
}

impl Finding {
    /// A finding about a node.
    pub(super) fn about(
        node: &NodeName,
        (id, severity): (Id, Severity),
        what: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<Hint>,
    ) -> Self {
        Finding {
            node: Some(node.clone()),
            ..Finding::new((id, severity), what, why, hint)
        }
    }

    /// A finding about the cluster.
    pub(super) fn new(
        (id, severity): (Id, Severity),
        what: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<Hint>,
    ) -> Self {
        Finding {
            id,
            severity,
            node: None,
            what: what.into(),
            why: why.into(),
            hint: hint.into(),
            follows: Vec::new(),
            because: Because::Nothing,
            masters: Vec::new(),
        }
    }

    pub(super) fn because(mut self, because: Because) -> Self {
        self.because = because;
        self
    }

    /// The finding in one line, with its node.
    pub fn headline(&self) -> String {
        headline(self.node.as_ref(), &self.what)
    }

    /// The finding as it stands in documents; its commands are for these nodes.
    pub fn problem(self, about: &About) -> Problem {
        Problem {
            hint: about.line(&self.hint),
            id: self.id,
            severity: self.severity,
            node: self.node,
            what: self.what,
            why: self.why,
            follows: self.follows,
        }
    }
}

/// A finding as it stands in `problems` of `status --json` and `monitor --json`; a field is added,
/// never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind.
    #[serde(default)]
    pub id: Id,
    /// How bad.
    pub severity: Severity,
    /// Which node, if it is about one.
    pub node: Option<NodeName>,
    /// What is wrong.
    pub what: String,
    /// How it is known.
    pub why: String,
    /// What to do, in commands that can be typed.
    pub hint: String,
    /// What follows from it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
}

impl Problem {
    /// The finding in one line, with its node.
    pub fn headline(&self) -> String {
        headline(self.node.as_ref(), &self.what)
    }
}

fn headline(node: Option<&NodeName>, what: &str) -> String {
    match node {
        Some(node) => format!("{node} {what}"),
        None => what.to_owned(),
    }
}

/// The worst of these in one line, and how many more there are.
pub fn worst(problems: &[Problem]) -> Option<String> {
    let (first, others) = problems.split_first()?;
    Some(match others.len() {
        0 => first.headline(),
        more => format!("{}, and {more} more", first.headline()),
    })
}
