//! What the suite works on: the nodes as they answered, the shards with the endpoints that clients
//! are told, and the keys for each.

use crate::status::{NodeStatus, ShardStatus, Status, compose};
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    judge::{self, Verdict, Wanted},
    node::{Endpoint, NodeId, NodeName, Role},
    slot::{Slot, SlotSet},
    snapshot::{self, Snapshot, nodes_text::OpenSlot},
    spec::RuntimeKind,
    test::{
        keys::Keys,
        observed::{Answer, Seen, Slots},
    },
};
use rcluster_wire::Wire;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What was learnt by asking the nodes.
pub(super) struct Stage {
    pub(super) cluster: String,
    pub(super) runtime: RuntimeKind,
    /// Every node, in the order of the shards.
    pub(super) seen: Vec<Seen>,
    pub(super) nodes: Vec<Node>,
    pub(super) shards: Vec<Shard>,
    /// The shards, as the checks need them.
    pub(super) slots: Vec<Slots>,
    pub(super) owned: u16,
    pub(super) served: u16,
    /// Which nodes the views differ about, and how.
    pub(super) differences: Vec<(String, String)>,
    /// How many replicas each master should have, if known.
    pub(super) replicas: Option<usize>,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
}

/// A node that answers.
pub(super) struct Node {
    pub(super) name: String,
    /// Where rcluster dials it.
    pub(super) dial: Endpoint,
    /// The endpoint that clients dial.
    pub(super) endpoint: Endpoint,
    pub(super) id: Option<NodeId>,
}

/// A shard that has slots.
pub(super) struct Shard {
    /// `shard 1`
    pub(super) name: String,
    pub(super) master: Option<NodeId>,
    /// The endpoint that clients are told for writes.
    pub(super) endpoint: Option<Endpoint>,
    /// The keys for this shard, in slots that are not being moved.
    pub(super) keys: Option<Keys>,
    /// Why there is no point in writing.
    pub(super) blocked: Option<String>,
    /// Its replicas: the name, and the endpoint of those that answer.
    pub(super) replicas: Vec<(String, Option<Endpoint>)>,
}

impl Stage {
    pub(super) async fn set(
        snapshot: &Snapshot,
        wanted: Wanted<'_>,
        wire: &dyn Wire,
        run: &str,
        begun: Instant,
    ) -> Result<Self> {
        let status = compose::compose(snapshot, wanted);
        let verdict = judge::judge(snapshot, wanted);
        let nodes: Vec<Node> = status
            .nodes
            .iter()
            .filter(|node| node.up)
            .filter_map(|node| {
                Some(Node {
                    name: node.name.to_string(),
                    dial: snapshot.node(&node.name)?.dial.clone()?,
                    endpoint: node.endpoint.clone(),
                    id: node.id.clone(),
                })
            })
            .collect();
        let Some(first) = nodes.first() else {
            return Err(nobody(snapshot));
        };
        let announced: BTreeMap<NodeId, Endpoint> = match wire.announced(&first.dial).await {
            Ok(rows) => rows.into_iter().map(|row| (row.id, row.master)).collect(),
            // Then the nodes' own statements are used.
            Err(_) => BTreeMap::new(),
        };
        let open: SlotSet = snapshot
            .said()
            .filter_map(|(_, report)| report.view.me())
            .flat_map(|line| &line.open)
            .filter_map(|open| Slot::new(open.slot))
            .collect();
        let served: Vec<&ShardStatus> = status
            .shards
            .iter()
            .filter(|shard| !shard.slots.is_empty())
            .collect();
        Ok(Stage {
            cluster: snapshot.name.clone(),
            runtime: snapshot.runtime,
            seen: status
                .nodes
                .iter()
                .map(|node| seen(node, &status, snapshot))
                .collect(),
            shards: served
                .iter()
                .map(|shard| self::shard(shard, &status, &announced, &open, run))
                .collect(),
            slots: served.iter().map(|shard| slots(shard, &status)).collect(),
            owned: status.cluster.slots_assigned,
            served: status.cluster.slots_ok,
            differences: verdict
                .disagreements
                .iter()
                .map(|disagreement| {
                    let opinions = disagreement.opinions.iter().map(|(opinion, of)| {
                        let of: Vec<&str> = of.iter().map(NodeName::as_str).collect();
                        format!("{}: {opinion}", of.join(", "))
                    });
                    let opinions: Vec<String> = opinions.collect();
                    (name_of(&disagreement.about, &status), opinions.join("; "))
                })
                .collect(),
            replicas: wanted.launch.map(|launch| usize::from(launch.replicas)),
            verdict,
            nodes,
            took: begun.elapsed(),
        })
    }
}

/// The error (exit 5) if no node answered.
fn nobody(snapshot: &Snapshot) -> Error {
    let cluster = &snapshot.name;
    let why = snapshot
        .nodes
        .iter()
        .find_map(|node| Some(format!("{}: {}", node.name, node.silence()?)));
    let why = why.unwrap_or_else(|| "it has no nodes".to_owned());
    Error::missing(format!("no node of {cluster} answers ({why})"))
        .hint(hint![Verb::Status, " shows why"; Verb::Up, " brings the nodes back"])
}

fn name_of(id: &NodeId, status: &Status) -> String {
    let found = status
        .nodes
        .iter()
        .find(|node| node.id.as_ref() == Some(id));
    found.map_or_else(|| id.short().to_owned(), |node| node.name.to_string())
}

fn seen(node: &NodeStatus, status: &Status, heard: &Snapshot) -> Seen {
    let said = heard.node(&node.name);
    let answer = match said.and_then(snapshot::Seen::report) {
        Some(report) => Ok(Answer {
            ok: report.cluster.ok,
            loading: report.info.loading,
            slots_ok: report.cluster.slots_ok,
            open: report.view.me().map_or_else(Vec::new, |line| {
                line.open
                    .iter()
                    .map(|open| open_slot(open, status))
                    .collect()
            }),
            link: node.link,
            lag_bytes: node.lag_bytes,
        }),
        // A node without a name is called by its endpoint, which is in the reason as well.
        None => {
            let why = said.and_then(snapshot::Seen::silence).unwrap_or_default();
            let short = why.strip_prefix(node.name.as_str()).unwrap_or(&why);
            Err(short.trim_start().to_owned())
        }
    };
    Seen {
        name: node.name.to_string(),
        shard: node.shard,
        replica: node.role == Some(Role::Replica),
        answer,
    }
}

fn open_slot(open: &OpenSlot, status: &Status) -> String {
    let direction = if open.migrating {
        "migrating to"
    } else {
        "importing from"
    };
    let other = name_of(&open.other, status);
    format!("slot {} is {direction} {other}", open.slot)
}

fn slots(shard: &ShardStatus, status: &Status) -> Slots {
    let set: SlotSet = shard.slots.iter().copied().collect();
    Slots {
        index: shard.index,
        text: match set.ranges().len() {
            0..=3 => format!("slots {set}"),
            _ => format!("{} slots", set.count()),
        },
        master: shard
            .master
            .as_ref()
            .map_or_else(|| "nobody".to_owned(), NodeName::to_string),
        up: node(shard.master.as_ref(), status).is_some_and(|node| node.up),
        replicas: shard.replicas.len(),
    }
}

fn node<'a>(name: Option<&NodeName>, status: &'a Status) -> Option<&'a NodeStatus> {
    let name = name?;
    status.nodes.iter().find(|node| node.name == *name)
}

fn shard(
    shard: &ShardStatus,
    status: &Status,
    announced: &BTreeMap<NodeId, Endpoint>,
    open: &SlotSet,
    run: &str,
) -> Shard {
    let master = node(shard.master.as_ref(), status);
    let slots: SlotSet = shard.slots.iter().copied().collect();
    let keys = Keys::choose(run, &slots.minus(open));
    let blocked = match master {
        _ if keys.is_none() => Some("every slot of it is being moved".to_owned()),
        Some(master) if master.up => None,
        Some(master) => Some(format!("its master {} does not answer", master.name)),
        None => Some("it has no master that is known".to_owned()),
    };
    let id = master.and_then(|master| master.id.clone());
    Shard {
        name: format!("shard {}", shard.index),
        endpoint: id
            .as_ref()
            .and_then(|id| announced.get(id))
            .or(master.map(|master| &master.endpoint))
            .cloned(),
        master: id,
        keys,
        blocked,
        replicas: shard
            .replicas
            .iter()
            .map(|name| {
                let endpoint = node(Some(name), status)
                    .filter(|node| node.up)
                    .map(|node| node.endpoint.clone());
                (name.to_string(), endpoint)
            })
            .collect(),
    }
}
