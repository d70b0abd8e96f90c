//! Looks at a cluster: every node is asked once, all at the same time.
//!
//! No node delays another: each has its own deadline, and a node that only views name is asked as
//! soon as the first view names it. The result is a [`Snapshot`].

use super::context::Context;
use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    node::{Endpoint, NodeId},
    snapshot::{
        Answer, Member, Seen, Snapshot,
        answer::{FULL, LOOKING, WireError},
        nodes_text::MOST_NODES,
        place::{Placed, RunState},
        places::Places,
        report::Report,
    },
    spec::{RuntimeKind, launch::Launch},
};
use rcluster_runtime::wait::{Look, wait_until};
use rcluster_wire::Wire;
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// How long a node may turn everybody away: clients that leave by themselves have left by then.
const TURNED_AWAY: Duration = Duration::from_secs(3);

/// Waits no longer for what does not pass by itself: a node that has as many clients as it takes.
#[derive(Debug, Default)]
pub struct Patience(Cell<Option<Instant>>);

impl Patience {
    /// An error once that is seen for too long.
    pub fn with(&self, seen: &Snapshot) -> Result<()> {
        let mut refusals = seen
            .members()
            .filter_map(|node| Some((&node.name, node.refusal()?)));
        let full = refusals.find(|(_, refusal)| matches!(refusal, WireError::Full { .. }));
        let Some((node, refusal)) = full else {
            self.0.set(None);
            return Ok(());
        };
        let since = self.0.get().unwrap_or_else(Instant::now);
        self.0.set(Some(since));
        if since.elapsed() < TURNED_AWAY {
            Ok(())
        } else {
            Err(refusal.failure(node))
        }
    }
}

/// How often nodes that did not answer are asked again.
const POLL: Duration = Duration::from_millis(20);

/// The nodes that the runtime lists; none is asked.
pub async fn list(context: &Context<'_>, launch: &Launch) -> Result<Snapshot> {
    let placed = context.runtime.list(&launch.name).await?;
    Ok(unasked(placed, launch))
}

/// These nodes of the runtime; none is asked. One that leaves the cluster and has ended is waited for
/// no more.
pub fn unasked(placed: Vec<Placed>, launch: &Launch) -> Snapshot {
    let has_left = |placed: &Placed| {
        placed.state == RunState::Stopped && launch.leaving.nodes.contains(&placed.node)
    };
    let nodes = placed
        .into_iter()
        .filter(|placed| !has_left(placed))
        .map(|placed| Seen::placed(placed, launch));
    Snapshot {
        name: launch.name.to_string(),
        runtime: launch.runtime,
        nodes: nodes.collect(),
        apart: Vec::new(),
    }
}

/// The nodes that the runtime lists, with their answers.
pub async fn members(context: &Context<'_>, launch: &Launch) -> Result<Snapshot> {
    let listed = list(context, launch).await?;
    Ok(again(context.wire, &listed).await)
}

/// The nodes that the runtime lists and those that their views name, with their answers.
pub async fn everybody(context: &Context<'_>, launch: &Launch) -> Result<Snapshot> {
    let listed = list(context, launch).await?;
    Ok(with_strangers(context.wire, listed).await)
}

/// The same nodes, asked again.
pub async fn again(wire: &dyn Wire, before: &Snapshot) -> Snapshot {
    let mut after = before.clone();
    let answers = join_all(after.nodes.iter().map(|node| observe(wire, node))).await;
    for (node, answer) in after.nodes.iter_mut().zip(answers) {
        node.hear(answer);
    }
    after
}

/// The same nodes, asked again until all that may answer have done so: a node that is busy for a
/// moment is no reason to give up. After the deadline, the result has the last answers.
pub async fn patiently(context: &Context<'_>, before: &Snapshot) -> Snapshot {
    let patience = Patience::default();
    let outcome = wait_until(POLL, context.deadline, async || {
        let seen = again(context.wire, before).await;
        let done = seen.is_complete() || seen.hopeless().is_some() || patience.with(&seen).is_err();
        Ok::<_, Infallible>(if done {
            Look::Ready(seen)
        } else {
            Look::Pending(seen)
        })
    });
    match outcome.await {
        Ok(Ok(seen)) => seen,
        Ok(Err(late)) => late.last,
        Err(never) => match never {},
    }
}

/// CONFIG GET of a node that answered before: it is asked again while it is only too busy.
pub async fn config(
    context: &Context<'_>,
    member: &Member,
    names: &[&str],
) -> Result<BTreeMap<String, String>> {
    let outcome = wait_until(POLL, context.deadline, async || {
        match context.wire.config_get(&member.dial, names).await {
            Ok(live) => Ok(Look::Ready(live)),
            Err(error) if error.is_transient() => Ok(Look::Pending(error)),
            Err(error) => Err(error.failure(&member.name)),
        }
    })
    .await?;
    outcome.map_err(|late| late.last.failure(&member.name))
}

/// Every node that the seeds know; at least one seed has to answer. If the seeds are of different
/// clusters, the first one that answers decides which cluster is meant.
pub async fn seeds(wire: &dyn Wire, seeds: &[Endpoint]) -> Result<Snapshot> {
    let nodes = ask(wire, seeds.iter().map(Seen::seed).collect()).await;
    let Some(first) = (0..seeds.len()).find(|i| nodes[*i].report().is_some()) else {
        let errors: Vec<WireError> = nodes
            .iter()
            .filter_map(|node| node.refusal().cloned())
            .collect();
        return Err(no_seed(seeds, &errors));
    };
    let members = of_cluster(first, &nodes);
    let (members, others): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .zip(members)
        .partition(|(_, is_member)| *is_member);
    // A node that only those seeds know is of their cluster, which is not the one that is meant.
    let apart = others
        .iter()
        .filter(|(node, _)| !node.stranger && node.report().is_some());
    Ok(Snapshot {
        name: seeds[first].to_string(),
        runtime: RuntimeKind::External,
        apart: apart.map(|(node, _)| node.name.clone()).collect(),
        nodes: members.into_iter().map(|(node, _)| called(node)).collect(),
    })
}

/// These nodes and those that their views name, with their answers.
pub async fn with_strangers(wire: &dyn Wire, before: Snapshot) -> Snapshot {
    let nodes = ask(wire, before.nodes).await;
    Snapshot { nodes, ..before }
}

/// Dials the bus ports of nodes that answer, if some other node has no link to them, or if they
/// know no other node although there are some. Only done for nodes that are dialled at the address
/// that their peers use: elsewhere it would say nothing about their bus.
pub async fn buses(wire: &dyn Wire, nodes: &mut [Seen]) {
    let unlinked: HashSet<NodeId> = nodes
        .iter()
        .filter_map(Seen::report)
        .flat_map(|report| &report.view.nodes)
        .filter(|line| !line.connected)
        .map(|line| line.id.clone())
        .collect();
    let several = nodes.len() > 1;
    let dials = join_all(nodes.iter().map(async |node| {
        let report = node.report()?;
        let suspect = unlinked.contains(&report.view.myself)
            || (several && (report.view.is_alone() || report.cluster.messages_received == 0));
        let (dial, address) = (node.dial.as_ref()?, node.address?);
        let direct = dial.host == address.ip.to_string() && dial.port == address.port;
        if !suspect || !direct {
            return None;
        }
        let port = report.view.bus_port.unwrap_or(address.bus_port);
        let bus = SocketAddr::new(address.ip, port);
        wire.dial_bus(bus)
            .await
            .err()
            .map(|error| error.to_string())
    }));
    let failed = dials.await;
    for (node, why) in nodes.iter_mut().zip(failed) {
        node.bus = why;
    }
}

/// A node's answer. A frozen node is not asked, because it is known not to answer.
pub async fn observe(wire: &dyn Wire, node: &Seen) -> Answer {
    match &node.dial {
        Some(dial) if !node.is_frozen() => Some(wire.observe(dial).await),
        _ => None,
    }
}

/// The error if no seed answered as needed.
pub fn no_seed(seeds: &[Endpoint], errors: &[WireError]) -> Error {
    let refused = errors
        .iter()
        .any(|error| matches!(error, WireError::Auth { .. }));
    let kind = if refused { Kind::Usage } else { Kind::Missing };
    let which = if seeds.len() == 1 {
        "the seed cannot be used"
    } else {
        "no seed can be used"
    };
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let message = format!("{which}: {}", texts.join("; "));
    Error::new(kind, message).hint(if errors.iter().any(WireError::is_forbidden) {
        LOOKING
    } else if errors
        .iter()
        .any(|error| matches!(error, WireError::Full { .. }))
    {
        FULL
    } else if refused {
        "give the password of the cluster: --password-file FILE or REDIS_PASSWORD"
    } else {
        "check the address, and that a redis-server in cluster mode listens there"
    })
}

/// Asks these nodes, and nodes that a view names as soon as it does.
async fn ask(wire: &dyn Wire, mut nodes: Vec<Seen>) -> Vec<Seen> {
    let mut open: HashSet<usize> = (0..nodes.len()).collect();
    let mut places = Places::of(&nodes);
    let (mut answered, mut named) = (HashSet::new(), HashSet::new());
    let look = |i: usize, node: Seen| async move { (i, observe(wire, &node).await) };
    let mut waiting: FuturesUnordered<_> = (0..)
        .zip(&nodes)
        .map(|(i, node)| look(i, node.clone()))
        .collect();
    while let Some((i, answer)) = waiting.next().await {
        open.remove(&i);
        nodes[i].hear(answer);
        if let Some(report) = nodes[i].report() {
            let id = &report.view.myself;
            answered.insert(id.clone());
            named.insert(id.clone());
            let found = strangers(&places, &mut named, report);
            if nodes.len() + found.len() > MOST_NODES {
                nodes[i].answer = nodes[i].dial.as_ref().map(|at| Err(too_many(at)));
                continue;
            }
            for stranger in found {
                open.insert(nodes.len());
                waiting.push(look(nodes.len(), stranger.clone()));
                places.add(&stranger);
                nodes.push(stranger);
            }
        }
        // If all nodes that are still waited for have answered at another address, a view only had
        // an old one.
        let is_elsewhere = |id: &NodeId| answered.contains(id);
        let mut left = open.iter().map(|i| &nodes[*i].id);
        if left.all(|id| id.as_ref().is_some_and(is_elsewhere)) {
            break;
        }
    }
    let mut nodes = once(nodes, &answered);
    buses(wire, &mut nodes).await;
    nodes
}

/// The error for a view with more nodes than a cluster can have: the node lies, and its view is not
/// used.
fn too_many(at: &Endpoint) -> WireError {
    let why = format!("with it, more than {MOST_NODES} nodes would have to be asked");
    WireError::unreadable(at, "CLUSTER NODES", &why)
}

/// Nodes that this view names and no view named before, in the order of their endpoints, except at
/// places that were asked already. They are added to `named`.
fn strangers(places: &Places, named: &mut HashSet<NodeId>, report: &Report) -> Vec<Seen> {
    let lines = report.view.nodes.iter();
    let mut found: Vec<Seen> = lines
        .filter(|line| line.address.is_some() && named.insert(line.id.clone()))
        .filter(|line| !places.has(line))
        .filter_map(|line| Seen::stranger(line))
        .collect();
    found.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    found
}

/// Keeps one of each node that was asked at several places (because a seed has another name for it,
/// or a view an old address): the first in order that answered.
fn once(nodes: Vec<Seen>, answered: &HashSet<NodeId>) -> Vec<Seen> {
    let mut there = HashSet::new();
    nodes
        .into_iter()
        .filter(|node| match &node.id {
            Some(id) if node.report().is_some() => there.insert(id.clone()),
            Some(id) => !answered.contains(id),
            None => true,
        })
        .collect()
}

/// Which of these nodes belong to the cluster of the node `first`: those that it knows, those that
/// they know, and so on. A silent seed belongs to it if one of them names its place.
fn of_cluster(first: usize, nodes: &[Seen]) -> Vec<bool> {
    let named: HashMap<&NodeId, usize> = (0..)
        .zip(nodes)
        .filter_map(|(i, node)| Some((node.id.as_ref()?, i)))
        .collect();
    let nameless: Vec<usize> = (0..nodes.len())
        .filter(|i| nodes[*i].id.is_none())
        .collect();
    let mut members: Vec<bool> = nodes.iter().map(|_| false).collect();
    let mut unread = vec![first];
    // A line that many views share is followed once.
    let mut read = HashSet::new();
    while let Some(i) = unread.pop() {
        if std::mem::replace(&mut members[i], true) {
            continue;
        }
        for line in nodes[i]
            .report()
            .map_or(&[][..], |report| &report.view.nodes)
            .iter()
            .filter(|line| read.insert(Arc::as_ptr(line)))
        {
            unread.extend(named.get(&line.id).filter(|i| !members[**i]));
            unread.extend(nameless.iter().filter(|i| nodes[**i].is_at(line)));
        }
    }
    members
}

/// A node under the name that its peers have for it, instead of the seed's.
fn called(node: Seen) -> Seen {
    let endpoint = node
        .report()
        .and_then(|report| report.view.me()?.endpoint());
    match endpoint {
        Some(endpoint) => Seen {
            name: rcluster_core::node::NodeName::new(endpoint.to_string()),
            endpoint: Some(endpoint),
            ..node
        },
        None => node,
    }
}

/// Whether every node answers and has its data in memory; else which one does not.
pub(super) fn answering(seen: &Snapshot) -> std::result::Result<(), String> {
    for node in seen.members() {
        match node.report() {
            Some(report) if report.info.loading => {
                return Err(format!("{} is loading its data", node.name));
            }
            Some(_) => {}
            None => {
                let why = node.silence().unwrap_or_default();
                return Err(format!("{}: {why}", node.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_core::node::{Address, NodeName};
    use rcluster_testkit::wire::FakeWire;
    use rcluster_wire::Changes;
    use std::time::Duration;

    const LATE: Duration = Duration::from_millis(500);
    const DEADLINE: Duration = Duration::from_secs(1);

    fn at(port: u16) -> Endpoint {
        Endpoint::new("127.0.0.1", port)
    }

    /// Makes nodes that know each other, each dialled at its address; the first one also as
    /// `localhost`.
    async fn cluster(wire: &FakeWire, ports: &[u16]) {
        let address = |port: u16| Address {
            ip: [127, 0, 0, 1].into(),
            port,
            bus_port: port + 10_000,
        };
        for port in ports {
            let host = if *port == ports[0] {
                "localhost"
            } else {
                "127.0.0.1"
            };
            let dial = Endpoint::new(host, *port);
            wire.boot(
                &port.to_string(),
                dial,
                address(*port),
                "cluster-enabled yes",
            );
        }
        let all: Vec<Address> = ports.iter().map(|port| address(*port)).collect();
        for _ in 0..4 {
            for port in ports {
                wire.meet(&at(*port), &all).await.expect("met");
            }
        }
    }

    /// The names of the nodes, with `!` for the silent ones, and how long it took.
    async fn ask(wire: &FakeWire, seeds: &[Endpoint]) -> (Vec<String>, Duration) {
        let start = Instant::now();
        let snapshot = super::seeds(wire, seeds).await.expect("a seed answers");
        let took = start.elapsed();
        let mut names: Vec<String> = snapshot
            .nodes
            .iter()
            .map(|node| {
                let silent = if node.report().is_some() { "" } else { "!" };
                format!(
                    "{}{silent}",
                    node.endpoint
                        .as_ref()
                        .or(node.dial.as_ref())
                        .map_or(0, |it| it.port)
                )
            })
            .collect();
        names.sort();
        (names, took)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_anybody_else() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2, 3, 4]).await;
        let all = ["1", "2", "3", "4"].map(str::to_owned).to_vec();
        assert_eq!(ask(&wire, &[at(2)]).await, (all.clone(), Duration::ZERO));
        wire.delay("2", LATE);
        assert_eq!(ask(&wire, &[at(3)]).await, (all.clone(), LATE));
        assert_eq!(
            ask(&wire, &[at(2)]).await,
            (all.clone(), LATE),
            "asked once"
        );
        wire.delay("4", LATE);
        assert_eq!(ask(&wire, &[at(2), at(3)]).await, (all, LATE));
    }

    #[tokio::test(start_paused = true)]
    async fn frozen_nodes_cost_one_deadline_together() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2, 3, 4]).await;
        for frozen in ["2", "4"] {
            wire.delay(frozen, DEADLINE);
            wire.freeze(frozen);
        }
        let found = ["1", "2!", "3", "4!"].map(str::to_owned).to_vec();
        assert_eq!(ask(&wire, &[at(2), at(3)]).await, (found, DEADLINE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_there_once_whatever_a_seed_calls_it() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2, 3]).await;
        let localhost = Endpoint::new("localhost", 1);
        let all = ["1", "2", "3"].map(str::to_owned).to_vec();
        let (found, _) = ask(&wire, &[at(2), localhost.clone()]).await;
        assert_eq!(found, all);
        // Its peers know its address, at which it answers as late; both are waited for at the same
        // time.
        wire.delay("1", LATE);
        let (found, took) = ask(&wire, &[at(2), localhost]).await;
        assert_eq!((found, took), (all, LATE));
    }

    #[tokio::test(start_paused = true)]
    async fn seeds_that_lead_elsewhere_are_left_out() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2]).await;
        cluster(&wire, &[11, 12]).await;
        let dead = at(9);
        let (found, _) = ask(&wire, &[dead.clone(), at(2), at(12)]).await;
        assert_eq!(found, ["1", "2"]);
        let (found, _) = ask(&wire, &[at(12), dead, at(2)]).await;
        assert_eq!(found, ["11", "12"]);
        // This is reported, but not for seeds of the same cluster.
        let snapshot = super::seeds(&wire, &[at(2), at(12), at(1)]).await;
        let apart = snapshot.expect("a seed answers").apart;
        assert_eq!(apart, [NodeName::new("127.0.0.1:12")]);
    }
}
