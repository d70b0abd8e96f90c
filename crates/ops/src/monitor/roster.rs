//! Who is asked: what the runtime lists, and whoever the answers speak of.

use super::ask::Answer;
use crate::cluster::survey::{self, Asked, Survey};
use rcluster_core::snapshot::place::{Placed, RunState};
use rcluster_core::{
    node::{Endpoint, NodeId, NodeName},
    snapshot::{nodes_text::ViewLine, report::Report},
    spec::{ClusterName, RuntimeKind},
};
use rcluster_runtime::Runtime;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// The runtime is asked again after this while all is well…
const CALM: Duration = Duration::from_secs(15);

/// …and after this while somebody is silent: it may be stopped, frozen, or elsewhere.
const ALERT: Duration = Duration::from_secs(1);

/// A node to be asked.
pub(super) struct Member {
    /// Where, and what the runtime says of it.
    pub(super) asked: Asked,
    /// Whether it answered last time.
    pub(super) answered: bool,
}

/// Everybody, in an order that stays.
pub(super) struct Roster {
    /// What the cluster is called.
    pub(super) name: String,
    /// Where its nodes run.
    pub(super) runtime: RuntimeKind,
    source: Option<Source>,
    members: Vec<Member>,
}

struct Source {
    runtime: Box<dyn Runtime>,
    cluster: ClusterName,
    listed: Option<Instant>,
}

impl Roster {
    /// Of a cluster of ours: filled by [`Roster::refresh`].
    pub(super) fn of_runtime(runtime: Box<dyn Runtime>, cluster: ClusterName) -> Self {
        Roster {
            name: cluster.to_string(),
            runtime: runtime.kind(),
            source: Some(Source {
                runtime,
                cluster,
                listed: None,
            }),
            members: Vec::new(),
        }
    }

    /// Of any cluster: whom a first look through its seeds has found.
    pub(super) fn of_survey(survey: Survey) -> Self {
        let pairs = survey.asked.into_iter().zip(&survey.answers);
        let members = pairs.map(|(asked, answer)| Member {
            answered: survey::report(answer).is_some(),
            asked,
        });
        Roster {
            name: survey.name,
            runtime: survey.runtime,
            source: None,
            members: members.collect(),
        }
    }

    /// Everybody.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Asks the runtime again, when that is due. A runtime that does not answer changes nothing:
    /// the nodes may well be there.
    pub(super) async fn refresh(&mut self) {
        let alert = self.members.iter().any(|member| !member.answered);
        let Some(source) = &mut self.source else {
            return;
        };
        let pause = if alert { ALERT } else { CALM };
        if source.listed.is_some_and(|listed| listed.elapsed() < pause) {
            return;
        }
        source.listed = Some(Instant::now());
        let listing = source.runtime.list(&source.cluster);
        let Ok(Ok(placed)) = tokio::time::timeout(rcluster_wire::CALL_DEADLINE, listing).await
        else {
            return;
        };
        self.replace(placed);
    }

    fn replace(&mut self, placed: Vec<Placed>) {
        let names: BTreeSet<NodeName> = placed.iter().map(|placed| placed.node.clone()).collect();
        self.members
            .retain(|member| member.asked.placed.is_none() || names.contains(&member.asked.name));
        for placed in placed {
            let dial = placed.dial.map(Endpoint::from);
            let known = self
                .members
                .iter_mut()
                .find(|member| member.asked.name == placed.node);
            if let Some(member) = known {
                // Thawed or started: worth a PING right away.
                let thawed = member.asked.is_frozen() && placed.state == RunState::Running;
                member.answered |= thawed && member.asked.dial == dial;
                member.asked.dial = dial;
                member.asked.placed = Some(placed);
            } else {
                self.members.push(Member {
                    asked: Asked::from(placed),
                    answered: true,
                });
            }
        }
    }

    /// Adds, at the end, whoever the answers speak of and nobody here is; says how many.
    pub(super) fn learn(&mut self, answers: &[Answer]) -> usize {
        let before = self.members.len();
        for (member, report) in self.members.iter_mut().zip(reports(answers)) {
            if let Some(report) = report {
                member.asked.id = Some(report.view.myself.clone());
            }
        }
        let lines = reports(answers)
            .flatten()
            .flat_map(|report| &report.view.nodes);
        for line in lines {
            if let Some(i) = self.members.iter().position(|member| is(member, line)) {
                let asked = &mut self.members[i].asked;
                asked.id.get_or_insert_with(|| line.id.clone());
            } else if let Some(asked) = Asked::stranger(line)
                // The line of an id that this very node had before it was reset.
                && !self.members.iter().any(|member| member.asked.is_at(line))
            {
                self.members.push(Member {
                    asked,
                    answered: true,
                });
            }
        }
        self.members.len() - before
    }

    /// Notes who answered, and takes out nodes of no runtime that are silent and that nobody who
    /// answers knows: they were forgotten. While nobody answers, everybody stays: any of them may
    /// be the first to be back.
    pub(super) fn remember(&mut self, answers: &mut Vec<Answer>) {
        for (member, report) in self.members.iter_mut().zip(reports(answers)) {
            member.answered = report.is_some();
        }
        let known: BTreeSet<NodeId> = reports(answers)
            .flatten()
            .flat_map(|report| &report.view.nodes)
            .map(|line| line.id.clone())
            .collect();
        let stays: Vec<bool> = self
            .members
            .iter()
            .map(|member| {
                let spoken_of = member
                    .asked
                    .id
                    .as_ref()
                    .is_some_and(|id| known.contains(id));
                member.asked.placed.is_some() || member.answered || spoken_of || known.is_empty()
            })
            .collect();
        let mut of_members = stays.iter().copied();
        self.members.retain(|_| of_members.next().unwrap_or(true));
        let mut of_answers = stays.iter().copied();
        answers.retain(|_| of_answers.next().unwrap_or(true));
    }
}

fn reports(answers: &[Answer]) -> impl Iterator<Item = Option<&Report>> {
    answers.iter().map(|answer| survey::report(&answer.report))
}

/// Whether a line of a view is about this node.
fn is(member: &Member, line: &ViewLine) -> bool {
    match &member.asked.id {
        Some(id) if *id == line.id || member.answered => *id == line.id,
        _ => member.asked.is_at(line),
    }
}
