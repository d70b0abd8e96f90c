//! Whether a cluster is well, and if not, what is wrong, how that is known and what to do.
//!
//! There is one judge. `up`, `status`, `doctor`, `test`, `monitor`, `--wait` and drills all ask
//! [`judge`], so that no two commands disagree about the same cluster. What a [`Finding`] is comes
//! from a [`Snapshot`] and from what is [`Wanted`]; what only follows from another finding is folded
//! under it (`root`).

mod deep;
mod finding;
mod nodes;
mod root;
mod shape;
mod slots;
mod views;

pub use finding::{Finding, Id, Problem, Severity, State, worst};
pub use slots::rivals;
pub use views::OPEN_THE_BUS;

use crate::{
    hint::Hint,
    node::{NodeId, NodeName},
    slot::{SLOTS, SlotSet},
    snapshot::{
        Snapshot,
        names::Names,
        report::Report,
        topology::{self, Disagreement, Shard},
    },
    spec::launch::Launch,
};

/// What the cluster should be, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The cluster as its spec wants it; `None` behind seeds, and while it is only being formed.
    pub launch: Option<&'a Launch>,
}

/// The judgement of a cluster.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The state in one word.
    pub state: State,
    /// The shards, ordered by slot.
    pub shards: Vec<Shard>,
    /// Where views differ.
    pub disagreements: Vec<Disagreement>,
    /// Everything that is not as it should be, root causes only, worst first.
    pub findings: Vec<Finding>,
    /// Slots whose owner answers.
    pub served: SlotSet,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first finding that may pass by itself, which is what a wait waits for.
    pub fn passing(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id.may_pass())
    }
}

/// What the rules of the judge look at.
struct Scene<'a> {
    snapshot: &'a Snapshot,
    names: &'a Names<'a>,
    shards: &'a [Shard],
    wanted: Wanted<'a>,
}

impl<'a> Scene<'a> {
    /// Nodes that answer and know no other node, while others are formed.
    fn alone(&self) -> impl Iterator<Item = &'a NodeName> {
        let formed = self.snapshot.said().any(|(_, report)| {
            let mut slots = report.view.nodes.iter().map(|line| &line.slots);
            !report.view.is_alone() && slots.any(|slots| !slots.is_empty())
        });
        let alone = move |report: &Report| report.view.is_alone() && formed;
        self.snapshot
            .said()
            .filter(move |(_, report)| alone(report))
            .map(|(node, _)| &node.name)
    }

    /// Whether no node that answers knows any other.
    fn scattered(&self) -> bool {
        let said = || self.snapshot.said();
        said().count() > 1 && said().all(|(_, report)| report.view.is_alone())
    }

    /// The node of the spec that the runtime does not have any more and that had this id, by its
    /// port.
    fn missing(&self, id: &NodeId) -> Option<&NodeName> {
        if self.names.answers(id) {
            return None;
        }
        let port = self.names.lines.get(id)?.address?.port;
        let mut there = self.spec()?.nodes.iter().filter(|node| node.port == port);
        let node = there.next()?;
        let only = there.next().is_none() && self.snapshot.node(&node.name).is_none();
        only.then_some(&node.name)
    }

    /// The name of the node with this id, also of one that is missing.
    fn name(&self, id: &NodeId) -> Option<NodeName> {
        self.missing(id).or_else(|| self.names.of_id(id)).cloned()
    }

    /// Whether what is wanted is known.
    fn spec(&self) -> Option<&Launch> {
        self.wanted.launch.filter(|launch| !launch.nodes.is_empty())
    }

    /// A hint to run `redis-cli COMMAND HOST:PORT` on a node that answers; `does` says what it
    /// does.
    fn redis_cli(&self, command: &str, does: &str) -> Hint {
        let mut said = self.snapshot.said();
        let dial = said.find_map(|(node, _)| node.dial.as_ref());
        let at = dial.map_or_else(|| "HOST:PORT".to_owned(), ToString::to_string);
        format!("`redis-cli {command} {at}`{does}").into()
    }

    /// A hint how masters without slots get some.
    fn rebalance(&self) -> Hint {
        self.redis_cli(
            "--cluster-use-empty-masters --cluster rebalance",
            " gives slots to masters without any",
        )
    }
}

/// The nodes that views name and that are gone.
pub fn ghosts(snapshot: &Snapshot, wanted: Wanted<'_>) -> Vec<NodeId> {
    let shards = topology::shards(&snapshot.views());
    let names = Names::of(snapshot);
    views::ghosts(&Scene {
        snapshot,
        names: &names,
        shards: &shards,
        wanted,
    })
}

/// Judges a cluster by the answers of its nodes.
pub fn judge(snapshot: &Snapshot, wanted: Wanted<'_>) -> Verdict {
    let views = snapshot.views();
    let shards = topology::shards(&views);
    let disagreements = topology::disagreements(&views);
    let names = Names::of(snapshot);
    let served: SlotSet = shards
        .iter()
        .filter(|shard| shard.master.as_ref().is_some_and(|id| names.answers(id)))
        .flat_map(|shard| shard.slots.ranges().to_vec())
        .collect();
    let scene = Scene {
        snapshot,
        names: &names,
        shards: &shards,
        wanted,
    };
    let mut findings = nodes::findings(&scene);
    findings.extend(slots::findings(&scene, &served));
    findings.extend(views::findings(&scene, &disagreements));
    findings.extend(shape::findings(&scene));
    findings.extend(deep::findings(&scene));
    let findings = root::fold(findings, scene.scattered());
    let answers = || snapshot.said().map(|(_, report)| report.cluster.ok);
    let all_fail = !views.is_empty() && answers().all(|ok| !ok);
    let state = if served.count() < SLOTS || all_fail {
        State::Down
    } else if findings.is_empty() {
        State::Ok
    } else {
        State::Degraded
    };
    Verdict {
        state,
        shards,
        disagreements,
        findings,
        served,
    }
}

/// Whether nothing is wrong that time or a step of forming may still put right; else the first such
/// thing. A slot that is being moved is no reason to wait.
pub fn converged(snapshot: &Snapshot) -> Result<(), String> {
    match judge(snapshot, Wanted::default()).passing() {
        None => Ok(()),
        Some(finding) => Err(format!("{} ({})", finding.headline(), finding.why)),
    }
}

#[cfg(test)]
mod hint_tests;
#[cfg(test)]
pub(crate) mod tests;
