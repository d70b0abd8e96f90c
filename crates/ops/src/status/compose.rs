//! Makes the document of `status` from the nodes' answers.

use super::{ClusterStatus, NodeStatus, SCHEMA, ShardStatus, Status};
use rcluster_core::{
    hint::About,
    judge::{Verdict, Wanted, judge},
    node::{Endpoint, NodeId, NodeName, Role},
    slot::SLOTS,
    snapshot::{
        Seen, Snapshot,
        info::{Attached, NodeInfo},
        names::Names,
        nodes_text::{Failure, ViewLine},
        place::RunState,
        report::Report,
    },
};
use std::collections::HashMap;

pub(crate) fn compose(snapshot: &Snapshot, wanted: Wanted<'_>) -> Status {
    let names = Names::of(snapshot);
    let verdict = judge(snapshot, wanted);
    let about = About::of(&snapshot.name, snapshot.runtime);
    let name_of = |id: &NodeId| names.of_id(id).cloned();
    let keys = |id: &NodeId| {
        let report = names.node(id).and_then(Seen::report);
        report.map_or(0, |report| report.info.keys)
    };
    let shards: Vec<ShardStatus> = (1..)
        .zip(&verdict.shards)
        .map(|(index, shard)| ShardStatus {
            index,
            slots: shard.slots.ranges().to_vec(),
            master: shard.master.as_ref().and_then(name_of),
            replicas: shard.replicas.iter().filter_map(name_of).collect(),
            keys: shard.master.as_ref().map_or(0, keys),
        })
        .collect();
    let shard_of: HashMap<&NodeName, usize> = shards
        .iter()
        .flat_map(|shard| {
            let nodes = shard.master.iter().chain(&shard.replicas);
            nodes.map(|node| (node, shard.index))
        })
        .collect();
    let mut nodes: Vec<NodeStatus> = snapshot
        .nodes
        .iter()
        .map(|node| node_status(node, &names, shard_of.get(&node.name).copied()))
        .collect();
    nodes.sort_by_key(|node| {
        (
            node.shard.unwrap_or(usize::MAX),
            node.role != Some(Role::Master),
        )
    });
    Status {
        schema: SCHEMA,
        cluster: cluster(snapshot, &names, &verdict, &nodes),
        shards,
        nodes,
        problems: verdict
            .findings
            .into_iter()
            .map(|finding| finding.problem(&about))
            .collect(),
    }
}

fn node_status(node: &Seen, names: &Names<'_>, shard: Option<usize>) -> NodeStatus {
    let report = node.report();
    let id = match report {
        Some(report) => Some(report.view.myself.clone()),
        None => names.id(&node.name).cloned(),
    };
    let line = id.as_ref().and_then(|id| names.lines.get(id).copied());
    let info = report.map(|report| &report.info);
    let replication = info.map(|info| &info.replication);
    let is_replica = line.is_some_and(|line| line.role == Role::Replica);
    let master = line
        .and_then(|line| line.master.as_ref())
        .and_then(|master| names.node(master)?.report())
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
        shard,
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
            // If the master does not say, it is the time since the replica heard from it: a ping
            // comes at least every 10 s.
            acknowledged().or(replication.last_io_seconds)
        }),
        uptime_seconds: info.map(|info| info.uptime_seconds),
        version: info.map(NodeInfo::shown_version),
        runtime_id: node
            .placed
            .as_ref()
            .map(|placed| placed.runtime_id.clone())
            .filter(|id| !id.is_empty()),
        name: node.name.clone(),
        id,
    }
}

fn state_word(node: &Seen, report: Option<&Report>, line: Option<&ViewLine>) -> &'static str {
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

fn cluster(
    snapshot: &Snapshot,
    names: &Names<'_>,
    verdict: &Verdict,
    nodes: &[NodeStatus],
) -> ClusterStatus {
    let heard = || snapshot.said().map(|(_, report)| report);
    let count = |role| {
        nodes
            .iter()
            .filter(|node| node.up && node.role == Some(role))
            .count()
    };
    let owned: u32 = verdict
        .shards
        .iter()
        .map(|shard| u32::from(shard.slots.count()))
        .sum();
    ClusterStatus {
        name: snapshot.name.clone(),
        runtime: snapshot.runtime.to_string(),
        state: verdict.state,
        slots_assigned: u16::try_from(owned).map_or(SLOTS, |owned| owned.min(SLOTS)),
        slots_ok: verdict.served.count(),
        known_nodes: names.lines.len(),
        masters: count(Role::Master),
        replicas: count(Role::Replica),
        epoch: heard()
            .map(|report| report.cluster.current_epoch)
            .max()
            .unwrap_or_default(),
        views_agree: verdict.disagreements.is_empty(),
        since: heard()
            .map(|report| report.info.uptime_seconds)
            .min()
            .and_then(started),
    }
}

/// The time that many seconds ago.
fn started(seconds: u64) -> Option<jiff::Timestamp> {
    let span = jiff::SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    let then = jiff::Timestamp::now().checked_sub(span).ok()?;
    then.round(jiff::Unit::Second).ok()
}
