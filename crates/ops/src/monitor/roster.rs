//! Which nodes are asked: those that the runtime lists, and those that answers name.

use super::ask::Answer;
use crate::cluster::handle::Cluster;
use rcluster_core::{
    node::{Endpoint, NodeId, NodeName},
    snapshot::{
        Seen, Snapshot,
        nodes_text::MOST_NODES,
        place::{Placed, RunState},
        report::Report,
        topology::distinct,
    },
    spec::RuntimeKind,
};
use rcluster_wire::CALL_DEADLINE;
use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

/// How often the runtime is asked while all is well…
const CALM: Duration = Duration::from_secs(15);

/// …and while a node is silent: it may be stopped, frozen, or elsewhere.
const ALERT: Duration = Duration::from_secs(1);

/// A node that is asked.
pub(super) struct Member {
    /// Its address, and what the runtime says of it.
    pub(super) node: Seen,
    /// Whether it answered last time.
    pub(super) answered: bool,
}

/// All nodes that are asked, in an order that does not change.
pub(super) struct Roster {
    /// What the cluster is called.
    pub(super) name: String,
    pub(super) runtime: RuntimeKind,
    cluster: Cluster,
    /// When the runtime was asked last who is there.
    listed: Instant,
    members: Vec<Member>,
}

impl Roster {
    /// The nodes that a first look found.
    pub(super) fn new(cluster: Cluster, snapshot: Snapshot) -> Self {
        let members = snapshot.nodes.into_iter().map(|node| Member {
            answered: node.report().is_some(),
            node,
        });
        Roster {
            name: snapshot.name,
            runtime: snapshot.runtime,
            members: members.collect(),
            cluster,
            listed: Instant::now(),
        }
    }

    /// Everybody.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Asks the runtime again, if it is time. If it does not answer, nothing changes: the nodes may
    /// still be there.
    pub(super) async fn refresh(&mut self) {
        if !self.cluster.is_ours() {
            return;
        }
        let alert = self.members.iter().any(|member| !member.answered);
        let pause = if alert { ALERT } else { CALM };
        if self.listed.elapsed() < pause {
            return;
        }
        self.listed = Instant::now();
        let listing = self.cluster.runtime.list(&self.cluster.launch.name);
        let Ok(Ok(placed)) = tokio::time::timeout(CALL_DEADLINE, listing).await else {
            return;
        };
        self.replace(placed);
    }

    fn replace(&mut self, placed: Vec<Placed>) {
        let names: BTreeSet<NodeName> = placed.iter().map(|placed| placed.node.clone()).collect();
        self.members
            .retain(|member| member.node.placed.is_none() || names.contains(&member.node.name));
        for placed in placed {
            let dial = placed.dial.map(Endpoint::from);
            let known = self
                .members
                .iter_mut()
                .find(|member| member.node.name == placed.node);
            if let Some(member) = known {
                // It was thawed or started, so a PING right away makes sense.
                let thawed = member.node.is_frozen() && placed.state == RunState::Running;
                member.answered |= thawed && member.node.dial == dial;
                member.node.dial = dial;
                member.node.address = placed.address;
                member.node.placed = Some(placed);
            } else {
                self.members.push(Member {
                    node: Seen::placed(placed, &self.cluster.launch),
                    answered: true,
                });
            }
        }
    }

    /// Adds nodes at the end that answers name and that are not here yet; returns how many.
    pub(super) fn learn(&mut self, answers: &[Answer]) -> usize {
        let before = self.members.len();
        for (member, report) in self.members.iter_mut().zip(reports(answers)) {
            if let Some(report) = report {
                member.node.id = Some(report.view.myself.clone());
            }
        }
        let ids = self.members.iter().filter_map(|it| it.node.id.clone());
        let mut known: HashSet<NodeId> = ids.collect();
        let views = reports(answers).flatten().map(|report| &report.view);
        for line in distinct(views).filter(|line| line.address.is_some()) {
            if !known.insert(line.id.clone()) {
                continue;
            }
            let mut here = self.members.iter_mut();
            // A silent node may have got another id; one that answers has said its id.
            if let Some(member) = here.find(|it| it.node.is_at(line)) {
                // The line may also be of the id that it had before it was reset.
                if !(member.answered && member.node.id.is_some()) {
                    member.node.id.get_or_insert_with(|| line.id.clone());
                }
            } else if let Some(node) = Seen::stranger(line).filter(|_| before < MOST_NODES) {
                self.members.push(Member {
                    node,
                    answered: true,
                });
            }
        }
        self.members.len() - before
    }

    /// Notes which nodes answered, and removes those that are silent, that no runtime lists and
    /// that no answering node knows: they were forgotten. While no node answers, all stay, since
    /// any of them may be the first to come back.
    pub(super) fn remember(&mut self, answers: &mut Vec<Answer>) {
        for (member, report) in self.members.iter_mut().zip(reports(answers)) {
            member.answered = report.is_some();
        }
        let views = reports(answers).flatten().map(|report| &report.view);
        let known: HashSet<NodeId> = distinct(views).map(|line| line.id.clone()).collect();
        let stays: Vec<bool> = self
            .members
            .iter()
            .map(|member| {
                let spoken_of = member.node.id.as_ref().is_some_and(|id| known.contains(id));
                member.node.placed.is_some() || member.answered || spoken_of || known.is_empty()
            })
            .collect();
        let mut of_members = stays.iter().copied();
        self.members.retain(|_| of_members.next().unwrap_or(true));
        let mut of_answers = stays.iter().copied();
        answers.retain(|_| of_answers.next().unwrap_or(true));
    }
}

fn reports(answers: &[Answer]) -> impl Iterator<Item = Option<&Report>> {
    answers
        .iter()
        .map(|answer| answer.report.as_ref()?.as_ref().ok())
}
