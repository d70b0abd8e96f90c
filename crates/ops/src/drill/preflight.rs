//! May this be broken? A drill that cannot succeed is refused before anything is touched.

use super::prepare::Request;
use crate::{
    cluster::context::Context,
    failover::{canary::room, pick::picked, scene::Scene},
};
use rcluster_core::snapshot::place::Capabilities;
use rcluster_core::{
    error::{Error, Result},
    failover::{
        predict::predict,
        report::Predicted,
        room,
        words::{Fault, Pick, Seats},
    },
    hint,
    hint::Verb,
    node::NodeName,
    text::count::count,
};
use std::collections::BTreeMap;

/// A replica that is further behind than this is not in sync.
const IN_SYNC: u64 = 1 << 20;

/// What the live configuration says, of the victim and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// `cluster-node-timeout`, the longest of all nodes.
    pub(super) node_timeout_ms: u64,
    /// `min-replicas-to-write` of the victim.
    pub(super) min_replicas: u64,
    /// `cluster-require-full-coverage`: a shard without a master makes every other one refuse, too.
    pub(super) full_coverage: bool,
    /// Whether memory that is full makes keys go.
    pub(super) evicts: bool,
}

/// A drill that may begin.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The victim's shard.
    pub(super) seats: Seats,
    /// Who is hit first, all at once.
    pub(super) victims: Vec<NodeName>,
    /// The shards that they lead.
    pub(super) shards: Vec<usize>,
    /// What the live configuration says.
    pub(super) config: Config,
    /// How long it should take.
    pub(super) predicted: Option<Predicted>,
    /// How far the best replica is behind.
    pub(super) lag: Option<u64>,
}

/// Looks whether the drill can succeed.
pub(super) async fn preflight(
    context: &Context<'_>,
    scene: &Scene,
    request: &Request,
) -> Result<Target> {
    let fault = request.fault;
    refuse_unable(fault, context.runtime.capabilities())?;
    scene.well().map_err(|why| {
        Error::refused(format!("the cluster is not well: {why}")).hint(hint![
            "a drill begins with a healthy cluster: ",
            Verb::Up,
            " repairs it"
        ])
    })?;
    scene.refuse_open_slots()?;
    let seats = picked(scene, &request.pick)?.clone();
    let in_sync = |seats: &Seats| {
        let replicas = seats.replicas.iter();
        let near = replicas.filter(|name| scene.lag(seats, name).is_some_and(|lag| lag <= IN_SYNC));
        near.cloned().collect::<Vec<NodeName>>()
    };
    let full = scene
        .seats
        .iter()
        .find(|seats| room(scene, seats).is_none());
    if let Some(full) = full {
        let why = format!("shard {}: {}", full.shard, room::FULL);
        return Err(Error::refused(why).hint(hint![
            "raise `maxmemory` under `redis:` in the spec and run ", Verb::Up;
            Verb::Failover.with("--planned"), " writes nothing there"
        ]));
    }
    let near = in_sync(&seats);
    if near.is_empty() {
        return Err(no_replica(scene, &seats));
    }
    let masters = scene.seats.len();
    let majority = masters / 2 + 1;
    let victims = match fault {
        Fault::Replica => vec![match &request.pick {
            Pick::Node(name) if seats.replicas.contains(name) => name.clone(),
            _ => near[0].clone(),
        }],
        Fault::Majority => {
            let others = scene
                .seats
                .iter()
                .filter(|other| other.shard != seats.shard);
            let masters = [&seats].into_iter().chain(others);
            masters
                .take(majority)
                .map(|seats| seats.master.clone())
                .collect()
        }
        _ => vec![seats.master.clone()],
    };
    if fault != Fault::Majority && masters - 1 < majority {
        return Err(Error::refused(format!(
            "{} are left without {}, and {majority} have to vote",
            count(masters - 1, "master"),
            seats.master
        ))
        .hint("three masters are the least that survive the loss of one"));
    }
    let config = config(context, scene, &seats).await?;
    let shards = scene
        .seats
        .iter()
        .filter(|seats| victims.contains(&seats.master));
    let mut shards: Vec<usize> = shards.map(|seats| seats.shard).collect();
    if shards.is_empty() {
        shards.push(seats.shard);
    }
    Ok(Target {
        predicted: predict(
            fault,
            config.node_timeout_ms,
            scene.names.len(),
            seats.replicas.len(),
        ),
        lag: seats
            .replicas
            .iter()
            .filter_map(|name| scene.lag(&seats, name))
            .min(),
        victims,
        shards,
        config,
        seats,
    })
}

/// A fault that the runtime cannot inject, or not put right, is refused with the reason.
pub(super) fn refuse_unable(fault: Fault, can: Capabilities) -> Result<()> {
    let able = match fault {
        Fault::Freeze | Fault::Slow => can.pause,
        Fault::Partition => can.partition,
        _ => can.start,
    };
    if able {
        return Ok(());
    }
    let (why, hint) = match fault {
        _ if !can.start => (
            "these nodes were not started by rcluster, which could neither break them nor bring them back",
            "`--planned` and `--to NODE` need no more than commands on the wire",
        ),
        Fault::Partition => (
            "this runtime cannot cut a node off: its nodes share the host's network, and nothing \
             that needs no privileges separates them reliably",
            "`--runtime docker` can; `--fault freeze` comes close here",
        ),
        _ => (
            "this runtime cannot freeze a node",
            "`--runtime docker` and `--runtime process` can",
        ),
    };
    Err(Error::refused(format!("--fault {fault}: {why}")).hint(hint))
}

fn no_replica(scene: &Scene, seats: &Seats) -> Error {
    let why = match seats.replicas.first() {
        None => "it has none".to_owned(),
        Some(_) => {
            let states: Vec<String> = seats
                .replicas
                .iter()
                .map(|name| match scene.lag(seats, name) {
                    Some(lag) => format!("{name} is {lag} bytes behind"),
                    None => format!("{name} is not connected to {}", seats.master),
                })
                .collect();
            states.join(", ")
        }
    };
    Error::refused(format!(
        "shard {} has no replica in sync, so nobody could take over: {why}",
        seats.shard
    ))
    .hint(hint![Verb::Status, " shows the links"; "`replicas:` in the spec makes some"])
}

async fn config(context: &Context<'_>, scene: &Scene, seats: &Seats) -> Result<Config> {
    let names = [
        "cluster-node-timeout",
        "cluster-replica-no-failover",
        "cluster-require-full-coverage",
        "min-replicas-to-write",
        "maxmemory",
        "maxmemory-policy",
    ];
    let mut all: BTreeMap<NodeName, BTreeMap<String, String>> = BTreeMap::new();
    for member in &scene.members() {
        let settings = context.wire.config_get(&member.dial, &names).await;
        let settings = settings.map_err(|error| error.failure(&member.name))?;
        all.insert(member.name.clone(), settings);
    }
    let text = |node: &NodeName, name: &str| {
        all.get(node)
            .and_then(|settings| settings.get(name))
            .cloned()
            .unwrap_or_default()
    };
    let number = |node: &NodeName, name: &str| text(node, name).parse().unwrap_or(0_u64);
    let forbidden = |name: &&NodeName| text(name, "cluster-replica-no-failover") == "yes";
    if seats.replicas.iter().filter(forbidden).count() == seats.replicas.len() {
        return Err(Error::refused(format!(
            "no replica of shard {} may take over: cluster-replica-no-failover is `yes`",
            seats.shard
        ))
        .hint(hint![
            "set it to `no` in `redis:` of the spec and run ",
            Verb::Up
        ]));
    }
    Ok(Config {
        node_timeout_ms: all
            .keys()
            .map(|node| number(node, "cluster-node-timeout"))
            .max()
            .unwrap_or(15_000),
        min_replicas: number(&seats.master, "min-replicas-to-write"),
        full_coverage: text(&seats.master, "cluster-require-full-coverage") == "yes",
        evicts: number(&seats.master, "maxmemory") > 0
            && text(&seats.master, "maxmemory-policy").starts_with("allkeys"),
    })
}
