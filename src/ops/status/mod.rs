//! `status`: every node asked at once, the views compared, one verdict.
//!
//! The document is the contract of `status --json`; a field is added, never renamed.

pub(super) mod compose;
pub mod healthy;
pub mod source;

use super::{init, session::Session, stop::no_such_cluster};
use crate::{
    error::{Error, Kind, Result},
    model::{
        node::{Address, Endpoint, Epoch, NodeId, NodeName, Role},
        nodes_text::ViewLine,
        report::Report,
        secret::Secret,
        slot::SlotRange,
    },
    plan::health::{Heard, Problem, State},
    runtime::{Placed, RunState},
    wire::{LiveWire, Wire},
};
use futures_util::future::join_all;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// One of a few fixed words. (An alias: serde would take `&'static str` for a borrow of its input.)
pub type Word = &'static str;

/// Everything there is to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Version of this document.
    pub schema: u32,
    /// The cluster as a whole.
    pub cluster: ClusterStatus,
    /// Its shards, ordered by slot.
    pub shards: Vec<ShardStatus>,
    /// Its nodes: by shard, the master first.
    pub nodes: Vec<NodeStatus>,
    /// What is not as it should be, worst first.
    pub problems: Vec<Problem>,
}

/// The cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Its name, or the seed it was asked through.
    pub name: String,
    /// Where its nodes run.
    pub runtime: String,
    /// The verdict.
    pub state: State,
    /// Slots that have an owner.
    pub slots_assigned: u16,
    /// Slots whose owner answers.
    pub slots_ok: u16,
    /// Nodes that any view knows.
    pub known_nodes: usize,
    /// Masters that answer.
    pub masters: usize,
    /// Replicas that answer.
    pub replicas: usize,
    /// The highest epoch that any node has seen.
    pub epoch: Epoch,
    /// Whether all views say the same.
    pub views_agree: bool,
    /// When the node that started last did so: nothing was restarted since.
    pub since: Option<jiff::Timestamp>,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Its number, from 1, in the order of the slots.
    pub index: usize,
    /// Its slots.
    pub slots: Vec<SlotRange>,
    /// Its master's name.
    pub master: Option<NodeName>,
    /// Its replicas' names.
    pub replicas: Vec<NodeName>,
    /// Keys on its master.
    pub keys: u64,
}

/// A node. What only a node that answers can say is null for one that does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its id.
    pub id: Option<NodeId>,
    /// Its name.
    pub name: NodeName,
    /// What clients dial.
    pub endpoint: Endpoint,
    /// Master or replica, as it says itself, else as the others say.
    pub role: Option<Role>,
    /// The number of its shard.
    pub shard: Option<usize>,
    /// Whether it answered.
    pub up: bool,
    /// `ok`, `fail`, `loading`, `silent`, `paused`, `stopped`.
    #[serde(deserialize_with = "word")]
    pub state: Word,
    /// Of a replica: `up`, `down`, `syncing`.
    #[serde(deserialize_with = "some_word")]
    pub link: Option<Word>,
    /// What its peers use.
    pub address: Option<Address>,
    /// Keys it holds.
    pub keys: Option<u64>,
    /// `used_memory`.
    pub memory_used_bytes: Option<u64>,
    /// `maxmemory`; 0: no limit.
    pub memory_max_bytes: Option<u64>,
    /// `instantaneous_ops_per_sec`.
    pub ops_per_sec: Option<u64>,
    /// `connected_clients`.
    pub clients: Option<u64>,
    /// Hits of look-ups since it started; null without look-ups.
    pub hit_ratio: Option<f64>,
    /// Its replication offset.
    pub repl_offset: Option<u64>,
    /// Of a replica: how many bytes it is behind its master.
    pub lag_bytes: Option<u64>,
    /// Of a replica: seconds since it last heard from its master.
    pub lag_seconds: Option<u64>,
    /// Seconds since it started.
    pub uptime_seconds: Option<u64>,
    /// Its Redis version.
    pub version: Option<String>,
    /// Container id or pid.
    pub runtime_id: Option<String>,
}

impl Status {
    /// Exit 0 or 4.
    pub fn is_ok(&self) -> bool {
        self.cluster.state == State::Ok
    }
}

/// Every word of [`NodeStatus::state`] and [`NodeStatus::link`].
const WORDS: [Word; 9] = [
    "ok", "fail", "loading", "silent", "paused", "stopped", "up", "down", "syncing",
];

/// A recorded word; one that this version does not know reads `unknown`.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    Ok(some_word(deserializer)?.unwrap_or("unknown"))
}

fn some_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Word>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| {
        let mut words = WORDS.into_iter();
        words.find(|word| **word == *text).unwrap_or("unknown")
    }))
}

/// A node to be asked, with what the runtime knows of it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) name: NodeName,
    pub(super) dial: Option<Endpoint>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) placed: Option<Placed>,
}

/// Who was asked, and what each said.
pub(super) struct Survey {
    pub(super) name: String,
    pub(super) runtime: String,
    pub(super) asked: Vec<Asked>,
    pub(super) answers: Vec<Answer>,
    /// How many replicas each master should have, where that is known.
    pub(super) replicas: Option<usize>,
}

/// The status of a cluster of ours.
pub async fn of_session(session: &Session) -> Result<Status> {
    Ok(Survey::of_session(session).await?.status())
}

/// The status of any cluster, through seeds of which one has to answer.
pub async fn of_seeds(
    seeds: &[Endpoint],
    user: Option<String>,
    password: Option<Secret>,
) -> Result<Status> {
    through(seeds, &LiveWire::new(user, password)).await
}

/// The same, over a wire that is there already.
async fn through(seeds: &[Endpoint], wire: &LiveWire) -> Result<Status> {
    Ok(Survey::of_seeds(wire, seeds).await?.status())
}

impl Survey {
    /// Asks every node of a cluster of ours.
    pub(super) async fn of_session(session: &Session) -> Result<Self> {
        let launch = &session.launch;
        let placed = session.runtime.list(&launch.name).await?;
        if placed.is_empty() {
            return match session.request.remembered {
                Some(_) => Err(Error::new(
                    Kind::NoSuchCluster,
                    format!("cluster {} has no nodes; its data is kept", launch.name),
                )
                .hint("`rcluster up` brings it back, `rcluster down --volumes` removes the data")),
                None => Err(no_such_cluster(&launch.name)),
            };
        }
        let asked = placed.into_iter().map(|placed| Asked {
            name: placed.node.clone(),
            dial: placed.dial.map(Endpoint::from),
            endpoint: None,
            placed: Some(placed),
        });
        let replicas = session
            .request
            .remembered
            .as_ref()
            .map(|_| usize::from(launch.replicas));
        let runtime = launch.runtime.to_string();
        let name = launch.name.to_string();
        Survey::ask(&*session.wire, name, runtime, asked.collect(), replicas).await
    }

    /// Asks every node that the first seed which answers knows.
    pub(super) async fn of_seeds(wire: &dyn Wire, seeds: &[Endpoint]) -> Result<Self> {
        let heard = join_all(seeds.iter().map(|seed| wire.observe(seed))).await;
        let mut first = None;
        for (seed, answer) in seeds.iter().zip(&heard) {
            if answer.is_ok() {
                first = first.or(Some(seed.clone()));
            }
        }
        let Some(first) = first else {
            return Err(init::no_seed(
                seeds,
                &heard
                    .into_iter()
                    .filter_map(Result::err)
                    .collect::<Vec<_>>(),
            ));
        };
        let asked = vec![Asked {
            name: NodeName::new(first.to_string()),
            dial: Some(first.clone()),
            endpoint: None,
            placed: None,
        }];
        Survey::ask(wire, first.to_string(), "external".to_owned(), asked, None).await
    }

    async fn ask(
        wire: &dyn Wire,
        name: String,
        runtime: String,
        mut asked: Vec<Asked>,
        replicas: Option<usize>,
    ) -> Result<Self> {
        let mut answers = answers(wire, &asked).await;
        if let Some(error) = answers.iter().flatten().find_map(|answer| match answer {
            Err(error @ crate::wire::WireError::Auth { .. }) => Some(error),
            _ => None,
        }) {
            let node = NodeName::new(name);
            return Err(super::context::wire_failure(&node, error));
        }
        // Nodes that only the views know: added by hand, or the others behind a seed.
        let strangers = strangers(&asked, &answers);
        answers.extend(self::answers(wire, &strangers).await);
        asked.extend(strangers);
        Ok(Survey {
            name,
            runtime,
            asked,
            answers,
            replicas,
        })
    }

    /// What they say together.
    pub(super) fn status(&self) -> Status {
        compose::compose(
            self.name.clone(),
            self.runtime.clone(),
            &self.asked,
            &self.answers,
            self.replicas,
        )
    }

    /// As the health check wants it.
    pub(super) fn heard(&self) -> Vec<Heard<'_>> {
        compose::heard(&self.asked, &self.answers)
    }
}

pub(super) type Answer = Option<Result<Report, crate::wire::WireError>>;

async fn answers(wire: &dyn Wire, asked: &[Asked]) -> Vec<Answer> {
    join_all(
        asked
            .iter()
            .map(async |node| match (&node.dial, node.is_frozen()) {
                // A frozen node is known not to answer: nobody has to wait for that.
                (Some(dial), false) => Some(wire.observe(dial).await),
                _ => None,
            }),
    )
    .await
}

impl Asked {
    pub(super) fn is_frozen(&self) -> bool {
        matches!(&self.placed, Some(placed) if placed.state == RunState::Paused)
    }
}

fn strangers(asked: &[Asked], answers: &[Answer]) -> Vec<Asked> {
    let known: Vec<&NodeId> = answers
        .iter()
        .flatten()
        .flatten()
        .map(|report| &report.view.myself)
        .collect();
    let mut found: BTreeMap<&NodeId, &ViewLine> = BTreeMap::new();
    for line in answers
        .iter()
        .flatten()
        .flatten()
        .flat_map(|report| &report.view.nodes)
    {
        let ours = asked.iter().any(|node| match &node.placed {
            Some(placed) => line.address.is_some_and(|address| {
                placed.address == Some(address)
                    || (placed.address.is_none() && placed.port == address.port)
            }),
            None => false,
        });
        if !ours && !known.contains(&&line.id) && line.address.is_some() {
            found.entry(&line.id).or_insert(line);
        }
    }
    found
        .into_values()
        .filter_map(|line| {
            let endpoint = line.endpoint()?;
            Some(Asked {
                name: NodeName::new(endpoint.to_string()),
                dial: Some(endpoint.clone()),
                endpoint: Some(endpoint),
                placed: None,
            })
        })
        .collect()
}
