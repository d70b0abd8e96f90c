//! Asking the nodes that run: answers, clocks, and what clients are told to dial.

use crate::cluster::{survey::Survey, verify::key_in};
use futures_util::future::{join, join_all};
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::{
    doctor::{
        Finding, cluster as judge,
        cluster::{Dialled, Skew, Told},
    },
    node::{Address, Endpoint, NodeId, NodeName},
    snapshot::report::Report,
    spec::launch::Launch,
};
use rcluster_wire::Wire;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A node that was asked.
pub(super) struct Seen {
    /// Its name.
    pub(super) node: NodeName,
    /// Where it was dialled.
    pub(super) dial: Option<Endpoint>,
    /// The host it lives on, as far as that is known.
    pub(super) host: String,
    /// What it said, or why not.
    pub(super) answer: Result<Report, String>,
}

impl Seen {
    /// Where it answers.
    pub(super) fn answers(&self) -> Option<(&Endpoint, &Report)> {
        Some((self.dial.as_ref()?, self.answer.as_ref().ok()?))
    }

    /// A node that is not where clients are told it is may be where its peers find it: then it is
    /// not the node that is wrong.
    async fn or_directly(self, wire: &dyn Wire, address: Address) -> Self {
        let direct = Endpoint::new(address.ip.to_string(), address.port);
        if self.answer.is_ok() || self.dial.as_ref() == Some(&direct) {
            return self;
        }
        match wire.observe(&direct).await {
            Ok(report) => Seen {
                dial: Some(direct),
                answer: Ok(report),
                ..self
            },
            Err(_) => self,
        }
    }
}

/// What a survey has found. `launch`: of nodes that rcluster started.
pub(super) async fn seen(wire: &dyn Wire, survey: &Survey, launch: Option<&Launch>) -> Vec<Seen> {
    let heard = (0..).zip(survey.heard()).zip(&survey.asked);
    join_all(heard.map(async |((i, heard), asked)| {
        let address = survey.address(i);
        let host = match launch {
            Some(launch) => launch.node(&asked.name).and_then(|node| node.host.clone()),
            None => address.map(|address| address.ip.to_string()),
        };
        let seen = Seen {
            node: asked.name.clone(),
            dial: asked.dial.clone(),
            host: host.unwrap_or_default(),
            answer: heard.answer.cloned(),
        };
        match address {
            Some(address) if asked.placed.is_none() => seen.or_directly(wire, address).await,
            _ => seen,
        }
    }))
    .await
}

/// What the nodes use, in all.
pub(super) fn memory(seen: &[Seen]) -> u64 {
    let reports = seen.iter().filter_map(|node| node.answer.as_ref().ok());
    reports.map(|report| report.info.memory_used_bytes).sum()
}

/// A host that a node puts where it has no name to tell (`unknown-endpoint` in cluster.c).
const NAMELESS: &str = "?";

/// What clients are told.
#[derive(Default)]
pub(super) struct Named {
    /// Who is meant and what is to be dialled, with the nodes that say so.
    pub(super) told: BTreeMap<(NodeId, Endpoint), BTreeSet<NodeName>>,
    /// Why a node that answers did not tell.
    pub(super) untold: Option<String>,
}

/// What any node tells clients: by CLUSTER SLOTS, and by MOVED for a key of every other shard.
pub(super) async fn told(wire: &dyn Wire, seen: &[Seen]) -> Named {
    let answering: Vec<(&NodeName, &Endpoint, &Report)> = seen
        .iter()
        .filter_map(|node| {
            let (dial, report) = node.answers()?;
            Some((&node.node, dial, report))
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
pub(super) async fn all(wire: &dyn Wire, seen: &[Seen], named: &Named, ours: bool) -> Vec<Finding> {
    let silent: Vec<(NodeName, String)> = seen
        .iter()
        .filter_map(|node| Some((node.node.clone(), node.answer.as_ref().err()?.clone())))
        .collect();
    let (skews, dialled) = join(skews(wire, seen), dial(wire, seen, named, ours)).await;
    vec![
        judge::answers(seen.len(), &silent),
        judge::clock(&skews),
        judge::endpoints(&dialled, named.untold.as_deref(), ours),
    ]
}

/// Dials what clients are told. Of our own nodes that do not run nothing else is to be expected.
pub(super) async fn dial(wire: &dyn Wire, seen: &[Seen], named: &Named, ours: bool) -> Vec<Told> {
    let name = |id: &NodeId| {
        let of = seen.iter().find(|node| {
            let report = node.answer.as_ref();
            report.is_ok_and(|report| report.view.myself == *id)
        });
        of.map(|node| node.node.clone())
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
            // Where others do name it, the one that does not is what is wrong.
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
            // It answers; who it is, it says when it has read its data.
            Err(WireError::Loading { .. }) => Dialled::Right,
            Err(error) => Dialled::Nobody(error.to_string()),
        };
        Some(told)
    }));
    let mut dialled: Vec<Told> = dialled.await.into_iter().flatten().collect();
    // A name that leads nowhere says more than one that is not there.
    dialled.sort_by_key(|told| (told.endpoint.host == NAMELESS, told.node.clone()));
    dialled
}

async fn skews(wire: &dyn Wire, seen: &[Seen]) -> Vec<Skew> {
    // One after the other: a queue of our own making would look like a slow clock.
    let mut skews = Vec::new();
    for node in seen {
        let Some((dial, _)) = node.answers() else {
            continue;
        };
        let before = now();
        if let Ok(there) = wire.time(dial).await {
            let (there, before, after) = (millis(there), millis(before), millis(now()));
            skews.push(Skew {
                node: node.node.clone(),
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
