//! A drill that cannot succeed is refused before anything is touched.

use crate::failover::{canary::room, ground::Ground, pick::picked, scene::Scene};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        outline::Hit,
        predict::predict,
        room,
        words::{Fault, Pick, Request, Seats},
    },
    hint,
    hint::Verb,
    node::NodeName,
    snapshot::place::Capabilities,
    text::count::count,
};
use std::collections::BTreeMap;

/// A replica that is this many bytes behind, or fewer, is in sync.
const IN_SYNC: u64 = 1 << 20;

/// Decides who is hit; refuses a drill that cannot succeed.
pub(super) async fn preflight(
    ground: &Ground<'_>,
    scene: &Scene,
    request: &Request,
) -> Result<Hit> {
    let fault = request.fault;
    refuse_unable(fault, ground.context.runtime.capabilities())?;
    scene.well().map_err(|why| {
        Error::refused(format!("the cluster is not well: {why}")).hint(hint![
            "a drill begins with a healthy cluster: ",
            Verb::Up,
            " repairs it"
        ])
    })?;
    scene.refuse_open_slots()?;
    let seats = picked(scene, &request.pick)?.clone();
    let mut shards = scene.seats.iter();
    if let Some(full) = shards.find(|seats| room(scene, seats).is_none()) {
        let why = format!("shard {}: {}", full.shard, room::FULL);
        return Err(Error::refused(why).hint(hint![
            "raise `maxmemory` under `redis:` in the spec and run ", Verb::Up;
            Verb::Failover.with("--planned"), " writes nothing there"
        ]));
    }
    let victims = victims(scene, &seats, request)?;
    let led = scene.seats.iter();
    let led = led.filter(|seats| victims.contains(&seats.master));
    let mut shards: Vec<usize> = led.map(|seats| seats.shard).collect();
    if shards.is_empty() {
        shards.push(seats.shard);
    }
    let config = Config::ask(ground, scene).await?;
    config.refuse_forbidden(&seats)?;
    let node_timeout_ms = config.node_timeout_ms();
    let (master, replicas) = (&seats.master, &seats.replicas);
    Ok(Hit {
        fault,
        shard: seats.shard,
        predicted: predict(fault, node_timeout_ms, scene.names.len(), replicas.len()),
        node_timeout_ms,
        lag: replicas
            .iter()
            .filter_map(|name| scene.lag(&seats, name))
            .min(),
        min_replicas: config.number(master, "min-replicas-to-write"),
        full_coverage: config.text(master, "cluster-require-full-coverage") == "yes",
        evicts: config.number(master, "maxmemory") > 0
            && config
                .text(master, "maxmemory-policy")
                .starts_with("allkeys"),
        victims,
        shards,
        seats,
    })
}

/// Who is hit. Somebody has to be able to take over, and enough masters have to be left to vote.
fn victims(scene: &Scene, seats: &Seats, request: &Request) -> Result<Vec<NodeName>> {
    let mut near = seats
        .replicas
        .iter()
        .filter(|name| scene.lag(seats, name).is_some_and(|lag| lag <= IN_SYNC));
    let Some(near) = near.next() else {
        return Err(no_replica(scene, seats));
    };
    let masters = scene.seats.len();
    let majority = masters / 2 + 1;
    if request.fault == Fault::Majority {
        let others = scene
            .seats
            .iter()
            .filter(|other| other.shard != seats.shard);
        let all = [seats].into_iter().chain(others);
        return Ok(all
            .take(majority)
            .map(|seats| seats.master.clone())
            .collect());
    }
    if masters - 1 < majority {
        return Err(Error::refused(format!(
            "{} are left without {}, and {majority} have to vote",
            count(masters - 1, "master"),
            seats.master
        ))
        .hint("three masters are the least that survive the loss of one"));
    }
    Ok(vec![match (request.fault, &request.pick) {
        (Fault::Replica, Pick::Node(name)) if seats.replicas.contains(name) => name.clone(),
        (Fault::Replica, _) => near.clone(),
        _ => seats.master.clone(),
    }])
}

/// Refuses a fault that the runtime cannot inject, or from which it cannot bring a node back.
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
    let state = |name| match scene.lag(seats, name) {
        Some(lag) => format!("{name} is {lag} bytes behind"),
        None => format!("{name} is not connected to {}", seats.master),
    };
    let states: Vec<String> = seats.replicas.iter().map(state).collect();
    let why = match &states[..] {
        [] => "it has none".to_owned(),
        some => some.join(", "),
    };
    Error::refused(format!(
        "shard {} has no replica in sync, so nobody could take over: {why}",
        seats.shard
    ))
    .hint(hint![Verb::Status, " shows the links"; "`replicas:` in the spec makes some"])
}

/// What the live configuration of every node says.
struct Config(BTreeMap<NodeName, BTreeMap<String, String>>);

impl Config {
    async fn ask(ground: &Ground<'_>, scene: &Scene) -> Result<Self> {
        let names = [
            "cluster-node-timeout",
            "cluster-replica-no-failover",
            "cluster-require-full-coverage",
            "min-replicas-to-write",
            "maxmemory",
            "maxmemory-policy",
        ];
        let mut all = BTreeMap::new();
        for member in scene.members() {
            let settings = ground.context.wire.config_get(&member.dial, &names).await;
            let settings = settings.map_err(|error| error.failure(&member.name))?;
            all.insert(member.name, settings);
        }
        Ok(Config(all))
    }

    fn text(&self, node: &NodeName, name: &str) -> &str {
        let settings = self.0.get(node);
        settings
            .and_then(|settings| settings.get(name))
            .map_or("", String::as_str)
    }

    fn number(&self, node: &NodeName, name: &str) -> u64 {
        self.text(node, name).parse().unwrap_or(0)
    }

    fn node_timeout_ms(&self) -> u64 {
        let nodes = self.0.keys();
        let all = nodes.map(|node| self.number(node, "cluster-node-timeout"));
        all.max().unwrap_or(15_000)
    }

    fn refuse_forbidden(&self, seats: &Seats) -> Result<()> {
        let forbidden = |name| self.text(name, "cluster-replica-no-failover") == "yes";
        if !seats.replicas.iter().all(forbidden) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "no replica of shard {} may take over: cluster-replica-no-failover is `yes`",
            seats.shard
        ))
        .hint(hint![
            "set it to `no` in `redis:` of the spec and run ",
            Verb::Up
        ]))
    }
}
