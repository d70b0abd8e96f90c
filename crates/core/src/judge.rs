//! Whether a cluster is well, and if not, who says so and what to do.

use crate::{
    node::{NodeId, NodeName, Role},
    slot::{SLOTS, SlotSet},
    snapshot::{
        nodes_text::View,
        report::Report,
        topology::{self, Disagreement, Shard},
    },
    text::count::count,
};
use serde::{Deserialize, Serialize};

/// A node that was asked, with its answer.
#[derive(Debug, Clone)]
pub struct Heard<'a> {
    /// Its name.
    pub name: &'a NodeName,
    /// Its id, where it is known although the node is silent.
    pub id: Option<NodeId>,
    /// What it said, or why it did not.
    pub answer: Result<&'a Report, String>,
}

/// The verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
        match self {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Down => "down",
        }
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It serves, but a further fault would hurt.
    Warning,
    /// Something is broken now.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Which node, if it is about one.
    pub node: Option<NodeName>,
    /// What is wrong.
    pub what: String,
    /// How it is known.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// What is wrong, and with which node, in one line.
    pub fn headline(&self) -> String {
        match &self.node {
            // A sentence that names its subject does not need the name in front of it.
            Some(node) if !self.what.contains(node.as_str()) => format!("{node} {}", self.what),
            _ => self.what.clone(),
        }
    }
}

/// The worst of these, and how many more there are, in one line.
pub fn worst(problems: &[Problem]) -> Option<String> {
    let (first, others) = problems.split_first()?;
    Some(match others.len() {
        0 => first.headline(),
        more => format!("{}, and {more} more", first.headline()),
    })
}

/// What all answers together say.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The verdict.
    pub state: State,
    /// The shards, ordered by slot.
    pub shards: Vec<Shard>,
    /// Where views differ.
    pub disagreements: Vec<Disagreement>,
    /// Everything that is not as it should be, worst first.
    pub problems: Vec<Problem>,
    /// Slots that have an owner who answers.
    pub served: SlotSet,
}

/// Judges; `replicas` is how many each master should have, when that is known.
pub fn assess(heard: &[Heard<'_>], replicas: Option<usize>) -> Assessment {
    let views: Vec<(&NodeName, &View)> = heard
        .iter()
        .filter_map(|node| Some((node.name, &node.answer.as_ref().ok()?.view)))
        .collect();
    let shards = topology::shards(&views);
    let disagreements = topology::disagreements(&views);
    let names = Names(heard);
    let served: SlotSet = shards
        .iter()
        .filter(|shard| shard.master.as_ref().is_some_and(|id| names.answers(id)))
        .flat_map(|shard| shard.slots.ranges().to_vec())
        .collect();
    let mut problems: Vec<Problem> = heard.iter().flat_map(node_problems).collect();
    problems.extend(slot_problems(&shards, &served, &names));
    problems.extend(disagreements.iter().map(|disagreement| {
        let opinions = disagreement.opinions.iter().map(|(opinion, of)| {
            let of = of
                .iter()
                .map(NodeName::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            format!("{of}: {opinion}")
        });
        Problem {
            severity: Severity::Error,
            node: names.of(&disagreement.about).cloned(),
            what: format!(
                "the nodes do not agree about {}",
                names.text(&disagreement.about)
            ),
            why: opinions.collect::<Vec<_>>().join("; "),
            hint: "gossip settles this within seconds; if not, look at the links of the node"
                .to_owned(),
        }
    }));
    if let Some(wanted) = replicas {
        problems.extend(replica_problems(&shards, wanted, &names));
    }
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let says_down = heard
        .iter()
        .any(|node| matches!(&node.answer, Ok(report) if !report.cluster.ok));
    let state = if served.count() < SLOTS || (says_down && !views.is_empty() && all_down(heard)) {
        State::Down
    } else if problems.is_empty() {
        State::Ok
    } else {
        State::Degraded
    };
    Assessment {
        state,
        shards,
        disagreements,
        problems,
        served,
    }
}

/// Promise 1 without the writes: everybody answers and reports ok, all views agree, every slot is
/// served, every replica link is up. Else the first thing that is not so. A slot that somebody is
/// moving is no reason to wait.
pub fn converged(heard: &[Heard<'_>]) -> Result<(), String> {
    let assessment = assess(heard, None);
    let broken = |problem: &&Problem| problem.severity == Severity::Error;
    match assessment.problems.iter().find(broken) {
        None => Ok(()),
        Some(Problem {
            node: Some(node),
            what,
            why,
            ..
        }) => Err(format!("{node}: {what} ({why})")),
        Some(Problem { what, why, .. }) => Err(format!("{what} ({why})")),
    }
}

fn all_down(heard: &[Heard<'_>]) -> bool {
    heard
        .iter()
        .filter_map(|node| node.answer.as_ref().ok())
        .all(|report| !report.cluster.ok)
}

fn node_problems(node: &Heard<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |severity, what: &str, why: String, hint: &str| {
        problems.push(Problem {
            severity,
            node: Some(node.name.clone()),
            what: what.to_owned(),
            why,
            hint: hint.to_owned(),
        });
    };
    let report = match &node.answer {
        Ok(report) => report,
        Err(why) => {
            problem(
                Severity::Error,
                "does not answer",
                why.clone(),
                "`rcluster up` starts what is stopped and thaws what is frozen",
            );
            return problems;
        }
    };
    if report.info.loading {
        problem(
            Severity::Error,
            "is loading its data",
            "INFO says loading:1".to_owned(),
            "wait: `rcluster status` again",
        );
    }
    if !report.cluster.ok {
        problem(
            Severity::Error,
            "reports cluster_state:fail",
            format!(
                "it counts {} of {SLOTS} slots as ok, and {} with slots",
                report.cluster.slots_ok,
                count(
                    usize::try_from(report.cluster.size).unwrap_or(usize::MAX),
                    "master"
                )
            ),
            "it sees too few masters, or a slot without owner; `rcluster up` brings stopped nodes back",
        );
    }
    let replication = &report.info.replication;
    if replication.role == Role::Replica && !replication.link_up {
        problem(
            Severity::Error,
            "is not connected to its master",
            if replication.syncing {
                "a full synchronization is running".to_owned()
            } else {
                "master_link_status:down".to_owned()
            },
            "it retries by itself; if its master runs, its log says why it refuses",
        );
    }
    if let Some(me) = report.view.me() {
        for open in &me.open {
            problem(
                Severity::Warning,
                "has an open slot",
                format!(
                    "slot {} is {} {}",
                    open.slot,
                    if open.migrating {
                        "migrating to"
                    } else {
                        "importing from"
                    },
                    open.other.short()
                ),
                "a resharding was interrupted: `redis-cli --cluster fix` closes it",
            );
        }
    }
    problems
}

fn slot_problems(shards: &[Shard], served: &SlotSet, names: &Names<'_, '_>) -> Vec<Problem> {
    let owned: u16 = shards.iter().map(|shard| shard.slots.count()).sum();
    let mut problems = Vec::new();
    if owned < SLOTS && names.anybody() {
        problems.push(Problem {
            severity: Severity::Error,
            node: None,
            what: format!("{} slots have no owner", SLOTS - owned),
            why: format!("the masters own {owned} of {SLOTS}"),
            hint: "`rcluster init` forms new nodes; of an old cluster `redis-cli --cluster fix` assigns lost slots".to_owned(),
        });
    }
    for shard in shards {
        let lost = shard
            .slots
            .ranges()
            .iter()
            .any(|range| !served.contains(range.from()));
        if let (true, Some(master)) = (lost, &shard.master) {
            problems.push(Problem {
                severity: Severity::Error,
                node: names.of(master).cloned(),
                what: format!(
                    "slots {} of {} are not served",
                    shard.slots,
                    names.text(master)
                ),
                why: format!("their master {} does not answer", names.text(master)),
                hint:
                    "`rcluster up` brings it back; else a replica takes over after the node timeout"
                        .to_owned(),
            });
        }
    }
    problems
}

fn replica_problems(shards: &[Shard], wanted: usize, names: &Names<'_, '_>) -> Vec<Problem> {
    shards
        .iter()
        .filter(|shard| !shard.slots.is_empty() && shard.replicas.len() < wanted)
        .filter_map(|shard| {
            let master = shard.master.as_ref()?;
            Some(Problem {
                severity: Severity::Warning,
                node: names.of(master).cloned(),
                what: format!(
                    "{} has {} of {wanted} replicas",
                    names.text(master),
                    shard.replicas.len()
                ),
                why: "no other node replicates it in any view".to_owned(),
                hint: "`rcluster up` attaches empty nodes to masters that need them".to_owned(),
            })
        })
        .collect()
}

/// From ids to the names that people know.
struct Names<'a, 'b>(&'a [Heard<'b>]);

impl Names<'_, '_> {
    fn of(&self, id: &NodeId) -> Option<&NodeName> {
        let named = |node: &&Heard<'_>| match &node.answer {
            Ok(report) => report.view.myself == *id,
            Err(_) => node.id.as_ref() == Some(id),
        };
        self.0.iter().find(named).map(|node| node.name)
    }

    fn answers(&self, id: &NodeId) -> bool {
        let says =
            |node: &Heard<'_>| matches!(&node.answer, Ok(report) if report.view.myself == *id);
        self.0.iter().any(says)
    }

    fn anybody(&self) -> bool {
        self.0.iter().any(|node| node.answer.is_ok())
    }

    fn text(&self, id: &NodeId) -> String {
        self.of(id)
            .map_or_else(|| id.short().to_owned(), NodeName::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        node::Epoch,
        snapshot::{
            info::{ClusterInfo, NodeInfo, Replication},
            nodes_text,
        },
    };

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn report(me: &str, link_up: bool, ok: bool) -> Report {
        let flags = |id: &str, role: &str| {
            if id == me {
                format!("myself,{role}")
            } else {
                role.to_owned()
            }
        };
        let text = format!(
            "{A} 127.0.0.1:7000@17000 {} - 0 0 1 connected 0-16383\n{B} 127.0.0.1:7001@17001 {} {A} 0 0 1 connected",
            flags(A, "master"),
            flags(B, "slave"),
        );
        Report {
            view: nodes_text::parse(&text).expect("a view"),
            cluster: ClusterInfo {
                ok,
                slots_assigned: SLOTS,
                slots_ok: SLOTS,
                known_nodes: 2,
                size: 1,
                current_epoch: Epoch(1),
                messages_received: 1,
            },
            info: NodeInfo {
                replication: Replication {
                    role: if me == A { Role::Master } else { Role::Replica },
                    link_up,
                    ..Replication::default()
                },
                ..NodeInfo::default()
            },
        }
    }

    fn verdict(a: Result<&Report, String>, b: Result<&Report, String>) -> Assessment {
        let names = [NodeName::new("n1"), NodeName::new("n2")];
        let heard = [
            Heard {
                name: &names[0],
                id: None,
                answer: a,
            },
            Heard {
                name: &names[1],
                id: None,
                answer: b,
            },
        ];
        assess(&heard, Some(1))
    }

    #[test]
    fn a_healthy_pair_has_no_problems() {
        let (a, b) = (report(A, false, true), report(B, true, true));
        let assessment = verdict(Ok(&a), Ok(&b));
        assert_eq!((assessment.state, assessment.problems), (State::Ok, vec![]));
    }

    #[test]
    fn a_broken_link_or_a_dead_replica_degrades() {
        let (a, b) = (report(A, false, true), report(B, false, true));
        let assessment = verdict(Ok(&a), Ok(&b));
        assert_eq!(assessment.state, State::Degraded);
        assert_eq!(
            assessment.problems[0].what,
            "is not connected to its master"
        );
        let assessment = verdict(Ok(&a), Err("refused".into()));
        assert_eq!(assessment.state, State::Degraded);
        assert_eq!(assessment.problems[0].what, "does not answer");
    }

    #[test]
    fn a_dead_master_takes_its_slots_down() {
        let b = report(B, false, true);
        let assessment = verdict(Err("refused".into()), Ok(&b));
        assert_eq!(assessment.state, State::Down);
        let whats: Vec<&str> = assessment
            .problems
            .iter()
            .map(|problem| problem.what.as_str())
            .collect();
        assert!(
            whats
                .iter()
                .any(|what| what.starts_with("slots 0-16383 of ")),
            "{whats:?}"
        );
    }

    #[test]
    fn nobody_answering_is_down() {
        let assessment = verdict(Err("x".into()), Err("x".into()));
        assert_eq!(assessment.state, State::Down);
        assert_eq!(assessment.problems.len(), 2);
        let first = worst(&assessment.problems[..1]).expect("one");
        assert_eq!(
            worst(&assessment.problems),
            Some(format!("{first}, and 1 more"))
        );
    }
}
