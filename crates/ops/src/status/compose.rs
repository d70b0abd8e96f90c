//! From what each node said to the document.

use super::{ClusterStatus, NodeStatus, SCHEMA, ShardStatus, Status};
use crate::cluster::survey::{self, Answer, Asked};
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::snapshot::place::RunState;
use rcluster_core::{
    hint::About,
    judge as health,
    judge::Assessment,
    node::{Endpoint, NodeId, NodeName, Role},
    slot::SLOTS,
    snapshot::{
        info::{Attached, NodeInfo},
        nodes_text::{Failure, ViewLine},
        report::Report,
    },
    spec::RuntimeKind,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn compose(
    name: &str,
    runtime: RuntimeKind,
    asked: &[Asked],
    answers: &[Answer],
    replicas: Option<usize>,
) -> Status {
    let reports = reports(answers);
    let lines = best_lines(&reports);
    let names = Names {
        asked,
        reports: &reports,
        lines: &lines,
    };
    let name_of = |id: &NodeId| names.of(id);
    let mut assessment = health::assess(&heard_of(asked, answers, &names), replicas);
    let about = About::of(name, runtime);
    for problem in &mut assessment.problems {
        problem.hint = about.line(&problem.hint.clone().into());
    }
    let shards: Vec<ShardStatus> = (1..)
        .zip(&assessment.shards)
        .map(|(index, shard)| ShardStatus {
            index,
            slots: shard.slots.ranges().to_vec(),
            master: shard.master.as_ref().and_then(name_of),
            replicas: shard.replicas.iter().filter_map(name_of).collect(),
            keys: shard.master.as_ref().map_or(0, |id| keys(&reports, id)),
        })
        .collect();
    let mut nodes: Vec<NodeStatus> = asked
        .iter()
        .zip(answers)
        .map(|(node, answer)| {
            node_status(node, answer.as_ref(), &reports, &lines, &shards, &name_of)
        })
        .collect();
    nodes.sort_by_key(|node| {
        (
            node.shard.unwrap_or(usize::MAX),
            node.role != Some(Role::Master),
        )
    });
    Status {
        schema: SCHEMA,
        cluster: cluster(name, runtime, &assessment, &reports, &nodes),
        shards,
        nodes,
        problems: assessment.problems,
    }
}

/// What each said, or why it did not.
pub(super) fn heard<'a>(asked: &'a [Asked], answers: &'a [Answer]) -> Vec<health::Heard<'a>> {
    let reports = reports(answers);
    let names = Names {
        asked,
        reports: &reports,
        lines: &best_lines(&reports),
    };
    heard_of(asked, answers, &names)
}

fn heard_of<'a>(
    asked: &'a [Asked],
    answers: &'a [Answer],
    names: &Names<'_>,
) -> Vec<health::Heard<'a>> {
    let pairs = asked.iter().zip(answers);
    pairs
        .map(|(node, answer)| node.heard(answer, names))
        .collect()
}

fn reports(answers: &[Answer]) -> Vec<Option<&Report>> {
    answers.iter().map(survey::report).collect()
}

/// Of each node the line that says most: its own, else that of a view that can reach it.
fn best_lines<'a>(reports: &[Option<&'a Report>]) -> BTreeMap<&'a NodeId, &'a ViewLine> {
    let mut lines: BTreeMap<&NodeId, (bool, &ViewLine)> = BTreeMap::new();
    for report in reports.iter().flatten() {
        for line in &report.view.nodes {
            let own = line.id == report.view.myself;
            match lines.get(&line.id) {
                Some((known_own, _)) if *known_own || !own => {}
                _ => {
                    lines.insert(&line.id, (own, line));
                }
            }
        }
    }
    lines
        .into_iter()
        .map(|(id, (_, line))| (id, line))
        .collect()
}

fn keys(reports: &[Option<&Report>], id: &NodeId) -> u64 {
    let found = reports
        .iter()
        .flatten()
        .find(|report| report.view.myself == *id);
    found.map_or(0, |report| report.info.keys)
}

fn node_status(
    node: &Asked,
    answer: Option<&Result<Report, WireError>>,
    reports: &[Option<&Report>],
    lines: &BTreeMap<&NodeId, &ViewLine>,
    shards: &[ShardStatus],
    name_of: &dyn Fn(&NodeId) -> Option<NodeName>,
) -> NodeStatus {
    let report = answer.and_then(|answer| answer.as_ref().ok());
    let id = match report {
        Some(report) => Some(report.view.myself.clone()),
        None => lines
            .keys()
            .find(|id| name_of(id).as_ref() == Some(&node.name))
            .map(|id| (*id).clone()),
    };
    let line = id.as_ref().and_then(|id| lines.get(id).copied());
    let info = report.map(|report| &report.info);
    let replication = info.map(|info| &info.replication);
    let is_replica = line.is_some_and(|line| line.role == Role::Replica);
    let master = line
        .and_then(|line| line.master.as_ref())
        .and_then(|master| {
            let mut reports = reports.iter().flatten();
            reports.find(|report| report.view.myself == *master)
        })
        .map(|report| &report.info.replication);
    let address = node
        .placed
        .as_ref()
        .and_then(|placed| placed.address)
        .or_else(|| line?.address);
    let acknowledged = || {
        let mut attached = master?.attached.iter();
        let is = |of: &&Attached| address.is_some_and(|at| (at.ip, at.port) == (of.ip, of.port));
        attached.find(is).map(|attached| attached.lag_seconds)
    };
    let fallback = || {
        let port = node.placed.as_ref().map_or(0, |placed| placed.port);
        node.dial
            .clone()
            .unwrap_or_else(|| Endpoint::new("127.0.0.1", port))
    };
    NodeStatus {
        endpoint: line
            .and_then(ViewLine::endpoint)
            .or_else(|| node.endpoint.clone())
            .unwrap_or_else(fallback),
        role: line.map(|line| line.role),
        shard: shards
            .iter()
            .find(|shard| {
                shard.master.as_ref() == Some(&node.name) || shard.replicas.contains(&node.name)
            })
            .map(|shard| shard.index),
        up: report.is_some(),
        state: state_word(node, report, line),
        link: replication
            .filter(|_| is_replica)
            .map(|replication| match replication {
                replication if replication.link_up => "up",
                replication if replication.syncing => "syncing",
                _ => "down",
            }),
        address,
        keys: info.map(|info| info.keys),
        memory_used_bytes: info.map(|info| info.memory_used_bytes),
        memory_max_bytes: info.map(|info| info.memory_max_bytes),
        ops_per_sec: info.map(|info| info.ops_per_sec),
        clients: info.map(|info| info.clients),
        hit_ratio: info.and_then(NodeInfo::hit_ratio),
        repl_offset: replication.map(|replication| replication.offset),
        lag_bytes: match (is_replica, master, replication) {
            (true, Some(master), Some(replication)) => {
                Some(master.offset.saturating_sub(replication.offset))
            }
            _ => None,
        },
        lag_seconds: replication.filter(|_| is_replica).and_then(|replication| {
            // Without its master's word, when it last heard from it: a ping every 10 s at least.
            acknowledged().or(replication.last_io_seconds)
        }),
        uptime_seconds: info.map(|info| info.uptime_seconds),
        version: info.map(|info| info.version.clone()),
        runtime_id: node
            .placed
            .as_ref()
            .map(|placed| placed.runtime_id.clone())
            .filter(|id| !id.is_empty()),
        name: node.name.clone(),
        id,
    }
}

fn state_word(node: &Asked, report: Option<&Report>, line: Option<&ViewLine>) -> &'static str {
    match (report, &node.placed) {
        (Some(report), _) if report.info.loading => "loading",
        (Some(report), _) if report.cluster.ok => "ok",
        (Some(_), _) => "fail",
        (None, Some(placed)) if placed.state == RunState::Paused => "paused",
        (None, Some(placed)) if placed.state == RunState::Stopped => "stopped",
        (None, _) if line.is_some_and(|line| line.failure == Failure::Fail) => "fail",
        (None, _) => "silent",
    }
}

impl Asked {
    /// As the health check wants it.
    fn heard<'a>(&'a self, answer: &'a Answer, names: &Names<'_>) -> health::Heard<'a> {
        let answer = match answer {
            Some(Ok(report)) => Ok(report),
            Some(Err(error)) => Err(error.to_string()),
            None if self.is_frozen() => Err("it is frozen".to_owned()),
            None => Err("it is stopped".to_owned()),
        };
        health::Heard {
            name: &self.name,
            id: if answer.is_err() {
                names.id_of(&self.name)
            } else {
                None
            },
            answer,
        }
    }
}

/// From ids to the names that people know; a node that is silent is known by its port.
struct Names<'a> {
    asked: &'a [Asked],
    reports: &'a [Option<&'a Report>],
    lines: &'a BTreeMap<&'a NodeId, &'a ViewLine>,
}

impl Names<'_> {
    /// The id of a node that did not answer, as the others know it.
    fn id_of(&self, node: &NodeName) -> Option<NodeId> {
        let named = |id: &&&NodeId| self.of(id).as_ref() == Some(node);
        self.lines.keys().find(named).map(|id| (*id).clone())
    }

    fn of(&self, id: &NodeId) -> Option<NodeName> {
        let pairs = || self.asked.iter().zip(self.reports);
        let says = |report: Option<&Report>| report.is_some_and(|report| report.view.myself == *id);
        if let Some((node, _)) = pairs().find(|(_, report)| says(**report)) {
            return Some(node.name.clone());
        }
        let line = self.lines.get(id)?;
        let port = line.address?.port;
        let endpoint = line.endpoint();
        pairs()
            .filter(|(_, report)| report.is_none())
            .find(|(node, _)| match &node.placed {
                Some(placed) => placed.port == port,
                // One that only the views know was named by what they say; a seed by what was dialled.
                None => node.endpoint == endpoint || node.dial == endpoint,
            })
            .map(|(node, _)| node.name.clone())
    }
}

fn cluster(
    name: &str,
    runtime: RuntimeKind,
    assessment: &Assessment,
    reports: &[Option<&Report>],
    nodes: &[NodeStatus],
) -> ClusterStatus {
    let heard = || reports.iter().flatten();
    let count = |role| {
        nodes
            .iter()
            .filter(|node| node.up && node.role == Some(role))
            .count()
    };
    let known: BTreeSet<&NodeId> = heard()
        .flat_map(|report| &report.view.nodes)
        .map(|line| &line.id)
        .collect();
    let owned: u32 = assessment
        .shards
        .iter()
        .map(|shard| u32::from(shard.slots.count()))
        .sum();
    ClusterStatus {
        name: name.to_owned(),
        runtime: runtime.to_string(),
        state: assessment.state,
        slots_assigned: u16::try_from(owned).map_or(SLOTS, |owned| owned.min(SLOTS)),
        slots_ok: assessment.served.count(),
        known_nodes: known.len(),
        masters: count(Role::Master),
        replicas: count(Role::Replica),
        epoch: heard()
            .map(|report| report.cluster.current_epoch)
            .max()
            .unwrap_or_default(),
        views_agree: assessment.disagreements.is_empty(),
        since: heard()
            .map(|report| report.info.uptime_seconds)
            .min()
            .and_then(started),
    }
}

/// When that many seconds ago was.
fn started(seconds: u64) -> Option<jiff::Timestamp> {
    let span = jiff::SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    let then = jiff::Timestamp::now().checked_sub(span).ok()?;
    then.round(jiff::Unit::Second).ok()
}
