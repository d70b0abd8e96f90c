//! Measures for the checklist before production: settings, clients, the journal, and hosts.

use super::cluster::{Named, answers};
use crate::{
    cluster::handle::Cluster,
    history::{self, Routine},
};
use futures_util::future::{join, join_all};
use rcluster_core::{
    doctor::{
        Finding, production as judge,
        production::{DIRECTIVES, Settings, Spread},
    },
    node::{Endpoint, NodeId, Role},
    snapshot::{Seen, Snapshot},
};
use rcluster_wire::Wire;
use std::collections::BTreeSet;

/// The name that `redis_exporter` gives to its connections.
const EXPORTER: &str = "redis_exporter";

/// Every item of the list. `ours`: the cluster, if rcluster started it.
pub(super) async fn all(
    wire: &dyn Wire,
    seen: &Snapshot,
    named: &Named,
    ours: Option<&Cluster>,
) -> Vec<Finding> {
    let (settings, watched) = join(settings(wire, seen), watched(wire, seen)).await;
    let shards = spread(seen);
    let days = |routine| match ours {
        Some(session) => days(session, routine),
        None => Err("rcluster keeps no journal of a cluster that it did not start".to_owned()),
    };
    let launch = ours.map(|session| &session.launch);
    let published = launch.filter(|launch| launch.can.own_network);
    let endpoints: BTreeSet<Endpoint> = named.told.keys().map(|(_, told)| told.clone()).collect();
    let endpoints: Vec<Endpoint> = endpoints.into_iter().collect();
    vec![
        judge::password(&settings),
        judge::bind(published.map(|launch| launch.listen), &settings),
        judge::volumes(launch.map(|launch| {
            if launch.can.containers {
                "a named volume for every node, all on one engine"
            } else {
                "a folder of its own for every node, all on this host"
            }
        })),
        judge::monitoring(watched, seen.nodes.len()),
        judge::alerting(),
        judge::backup(days(Routine::Backup)),
        judge::drill(days(Routine::Drill)),
        judge::timeouts(&settings),
        judge::persistence(&settings),
        judge::eviction(&settings),
        judge::replicas(&shards),
        judge::hosts(&shards, ours.is_none()),
        judge::strings(&endpoints),
    ]
}

async fn settings(wire: &dyn Wire, seen: &Snapshot) -> Vec<Settings> {
    join_all(seen.nodes.iter().map(async |node| Settings {
        node: node.name.clone(),
        live: match (node.silence(), answers(node)) {
            (_, Some((dial, _))) => {
                let answer = wire.config_get(dial, DIRECTIVES).await;
                answer.map_err(|error| error.to_string())
            }
            (Some(why), _) => Err(why),
            (None, None) => Err("it cannot be dialled".to_owned()),
        },
    }))
    .await
}

async fn watched(wire: &dyn Wire, seen: &Snapshot) -> Result<usize, String> {
    let dials = seen.nodes.iter().filter_map(answers).map(|(dial, _)| dial);
    let names = join_all(dials.map(|dial| wire.client_names(dial))).await;
    let mut watched = 0;
    for answer in names {
        let clients = answer.map_err(|error| error.to_string())?;
        watched += usize::from(clients.contains(EXPORTER));
    }
    Ok(watched)
}

/// The masters with slots, with the hosts of theirs and of their replicas.
fn spread(seen: &Snapshot) -> Vec<Spread> {
    let lines = || {
        seen.said()
            .filter_map(|(node, report)| Some((node, report.view.me()?)))
    };
    let masters = lines().filter(|(_, line)| line.role == Role::Master && !line.slots.is_empty());
    masters
        .map(|(master, line)| {
            let mine = |other: Option<&NodeId>| other == Some(&line.id);
            Spread {
                master: master.name.clone(),
                host: host(master),
                replicas: lines()
                    .filter(|(_, other)| mine(other.master.as_ref()))
                    .map(|(replica, _)| host(replica))
                    .collect(),
            }
        })
        .collect()
}

/// Where a node really runs: `host:` in a spec only names where it is to be.
fn host(node: &Seen) -> String {
    let placed = node.placed.as_ref();
    placed.map_or_else(|| node.host.clone(), |placed| placed.host.clone())
}

/// How many days ago it was last done, by the journal.
fn days(session: &Cluster, routine: Routine) -> Result<Option<u64>, String> {
    let history = history::history(&session.request.state, &session.launch.name, None);
    let history = history.map_err(|error| error.cause())?;
    Ok(history.last(routine).map(|at| {
        let ago = jiff::Timestamp::now().duration_since(at);
        u64::try_from(ago.as_hours() / 24).unwrap_or(0)
    }))
}
