//! Asks the nodes that run: answers, clocks, and what they tell clients to dial.

use crate::cluster::verify::key_in;
use futures_util::future::{join, join_all};
use rcluster_core::{
    doctor::{
        Finding, cluster as rules,
        cluster::{Dialled, Skew, Told},
    },
    judge::{self, Wanted},
    node::{Endpoint, NodeId, NodeName},
    snapshot::{Seen, Snapshot, answer::WireError, names::Names, report::Report},
};
use rcluster_wire::Wire;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The endpoint at which a node answers, with its answer.
pub(super) fn answers(node: &Seen) -> Option<(&Endpoint, &Report)> {
    Some((node.dial.as_ref()?, node.report()?))
}

/// Nodes that do not answer where clients are told they are may answer where their peers find them.
/// Then the announcement is wrong, not the nodes.
pub(super) async fn or_directly(wire: &dyn Wire, mut snapshot: Snapshot) -> Snapshot {
    let names = Names::of(&snapshot);
    let elsewhere: Vec<Option<Endpoint>> = snapshot
        .nodes
        .iter()
        .map(|node| {
            let line = || names.lines.get(names.id(&node.name)?).copied();
            let address = node.address.or_else(|| line()?.address)?;
            let direct = Endpoint::new(address.ip.to_string(), address.port);
            let other = node.placed.is_none() && node.dial.as_ref() != Some(&direct);
            (node.report().is_none() && other).then_some(direct)
        })
        .collect();
    drop(names);
    let heard = join_all(elsewhere.iter().map(async |direct| match direct {
        Some(direct) => wire.observe(direct).await.ok(),
        None => None,
    }));
    let heard = heard.await;
    for ((node, direct), report) in snapshot.nodes.iter_mut().zip(elsewhere).zip(heard) {
        if let Some(report) = report {
            node.dial = direct;
            node.hear(Some(Ok(report)));
        }
    }
    snapshot
}

/// The memory that the nodes use, in bytes.
pub(super) fn memory(seen: Option<&Snapshot>) -> u64 {
    let reports = seen.into_iter().flat_map(Snapshot::said);
    reports
        .map(|(_, report)| report.info.memory_used_bytes)
        .sum()
}

/// The host that a node names if it has none to tell (`unknown-endpoint` in cluster.c).
const NAMELESS: &str = "?";

/// The endpoints that clients are told.
#[derive(Default)]
pub(super) struct Named {
    /// Node and endpoint, with the nodes that tell it.
    pub(super) told: BTreeMap<(NodeId, Endpoint), BTreeSet<NodeName>>,
    /// Why a node that answers did not tell any.
    pub(super) untold: Option<String>,
}

/// What nodes tell clients, by CLUSTER SLOTS, and by MOVED for a key of every other shard.
pub(super) async fn told(wire: &dyn Wire, seen: &Snapshot) -> Named {
    let answering: Vec<(&NodeName, &Endpoint, &Report)> = seen
        .nodes
        .iter()
        .filter_map(|node| {
            let (dial, report) = answers(node)?;
            Some((&node.name, dial, report))
        })
        .collect();
    let tables = join_all(answering.iter().map(|(_, dial, _)| wire.told(dial)));
    let moved = join_all(answering.iter().map(async |(_, _, report)| {
        let id = &report.view.myself;
        let key = key_in(&report.view.me()?.slots)?;
        let (by, dial, _) = answering
            .iter()
            .rfind(|(_, _, other)| other.view.myself != *id)?;
        let to = wire.sends(dial, key.as_bytes()).await.ok()??;
        Some(((id.clone(), to), (*by).clone()))
    }));
    let (tables, moved) = join(tables, moved).await;
    let mut named = Named::default();
    for (table, (by, ..)) in tables.into_iter().zip(&answering) {
        match table {
            Ok(table) => {
                for told in table {
                    named.told.entry(told).or_default().insert((*by).clone());
                }
            }
            Err(error) => named.untold = Some(error.to_string()),
        }
    }
    for (told, by) in moved.into_iter().flatten() {
        named.told.entry(told).or_default().insert(by);
    }
    named
}

/// Every check of the nodes. `ours`: rcluster started them.
pub(super) async fn all(
    wire: &dyn Wire,
    seen: &Snapshot,
    wanted: Wanted<'_>,
    named: &Named,
) -> Vec<Finding> {
    let silent: Vec<(NodeName, String)> = seen
        .nodes
        .iter()
        .filter_map(|node| Some((node.name.clone(), node.silence()?)))
        .collect();
    let ours = seen.runtime.capabilities().start;
    let (skews, dialled) = join(skews(wire, seen), dial(wire, seen, named, ours)).await;
    let verdict = judge::judge(seen, wanted);
    vec![
        rules::answers(seen.nodes.len(), &silent),
        rules::health(&verdict.findings),
        rules::clock(&skews),
        rules::endpoints(&dialled, named.untold.as_deref(), ours),
    ]
}

/// Dials what clients are told. Our own nodes that do not run are left out.
pub(super) async fn dial(wire: &dyn Wire, seen: &Snapshot, named: &Named, ours: bool) -> Vec<Told> {
    let name = |id: &NodeId| {
        let mut said = seen.said();
        let of = said.find(|(_, report)| report.view.myself == *id);
        of.map(|(node, _)| node.name.clone())
    };
    let dialled = join_all(named.told.iter().map(async |((id, endpoint), by)| {
        let known = name(id);
        if known.is_none() && ours {
            return None;
        }
        let node = known.unwrap_or_else(|| NodeName::new(id.short()));
        let mut told = Told {
            node,
            endpoint: endpoint.clone(),
            dialled: Dialled::Right,
        };
        if endpoint.host == NAMELESS {
            let teller = by.first().cloned().unwrap_or_else(|| told.node.clone());
            let why = format!(
                "{teller} prefers host names and knows none of {}",
                told.node
            );
            told.dialled = Dialled::Nobody(why);
            // If other nodes name the node, the one that does not is wrong.
            let elsewhere =
                |(other, endpoint): &(NodeId, Endpoint)| other == id && endpoint.host != NAMELESS;
            if named.told.keys().any(elsewhere) {
                told.node = teller;
            }
            return Some(told);
        }
        told.dialled = match wire.observe(endpoint).await {
            Ok(report) if report.view.myself == *id => Dialled::Right,
            Ok(report) => {
                let other = &report.view.myself;
                let stranger = || NodeName::new(format!("another node ({})", other.short()));
                Dialled::Other(name(other).unwrap_or_else(stranger))
            }
            // It answers; once it has read its data it can say which node it is.
            Err(WireError::Loading { .. }) => Dialled::Right,
            Err(error) => Dialled::Nobody(error.to_string()),
        };
        Some(told)
    }));
    let mut dialled: Vec<Told> = dialled.await.into_iter().flatten().collect();
    // An endpoint that leads nowhere says more than one that is missing.
    dialled.sort_by_key(|told| (told.endpoint.host == NAMELESS, told.node.clone()));
    dialled
}

async fn skews(wire: &dyn Wire, seen: &Snapshot) -> Vec<Skew> {
    // One after the other, since a queue of our own would look like a slow clock.
    let mut skews = Vec::new();
    for node in &seen.nodes {
        let Some((dial, _)) = answers(node) else {
            continue;
        };
        let before = now();
        if let Ok(there) = wire.time(dial).await {
            let (there, before, after) = (millis(there), millis(before), millis(now()));
            skews.push(Skew {
                node: node.name.clone(),
                millis: there - i64::midpoint(before, after),
                unsure: (after - before + 1) / 2,
            });
        }
    }
    skews
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
