//! Who is what right now, by name.

use super::ground::Ground;
use crate::cluster::{look, look::Patience};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        seats,
        words::{Door, Seats},
    },
    hint,
    hint::Verb,
    judge::{self, Id, Wanted},
    node::{Epoch, NodeId, NodeName},
    snapshot::{Member, Seen, Snapshot, names::Names, report::Report, topology},
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{collections::BTreeMap, time::Duration};

/// How often a scene that is not yet as wanted is looked at.
const POLL: Duration = Duration::from_millis(10);

/// How long a look may be repeated that shows something amiss.
const CALM: Duration = Duration::from_secs(2);

/// The nodes that run, and what they say.
pub struct Scene {
    /// What was seen.
    pub snapshot: Snapshot,
    /// The names of the nodes that answered, and of others as far as their place tells.
    pub names: BTreeMap<NodeId, NodeName>,
    /// The shards with slots.
    pub seats: Vec<Seats>,
}

impl Scene {
    /// Asks everybody who runs.
    pub async fn look(ground: &Ground<'_>) -> Result<Self> {
        let snapshot = look::members(&ground.context, ground.launch).await?;
        if let Some(error) = snapshot.hopeless() {
            return Err(error);
        }
        let known = Names::of(&snapshot);
        let names: BTreeMap<NodeId, NodeName> = known
            .lines
            .keys()
            .filter_map(|id| Some(((*id).clone(), known.of_id(id)?.clone())))
            .collect();
        let seats = seats::seats(&topology::shards(&snapshot.views()), &names);
        Ok(Scene {
            snapshot,
            names,
            seats,
        })
    }

    /// Nobody could be asked.
    pub fn nobody() -> Self {
        Scene {
            snapshot: Snapshot {
                name: String::new(),
                runtime: Launch::foreign().runtime,
                nodes: Vec::new(),
                apart: Vec::new(),
            },
            names: BTreeMap::new(),
            seats: Vec::new(),
        }
    }

    /// The nodes that can be dialled.
    pub fn members(&self) -> Vec<Member> {
        self.snapshot.members().filter_map(Seen::member).collect()
    }

    /// The same, a little more patiently: an answer that was late once is no reason to refuse.
    pub async fn calm(ground: &Ground<'_>) -> Result<Self> {
        let outcome = wait_until(POLL * 10, CALM, async || {
            let scene = Scene::look(ground).await?;
            Ok::<_, Error>(match scene.well() {
                Ok(()) => Look::Ready(scene),
                Err(_) => Look::Pending(scene),
            })
        })
        .await?;
        Ok(outcome.unwrap_or_else(|late| late.last))
    }

    /// Waits until all who run agree and all is well.
    pub async fn settled(ground: &Ground<'_>, what: &str) -> Result<Self> {
        let patience = Patience::default();
        let outcome = wait_until(POLL, ground.context.deadline, async || {
            let scene = Scene::look(ground).await?;
            patience.with(&scene.snapshot)?;
            Ok::<_, Error>(match scene.well() {
                Ok(()) => Look::Ready(scene),
                Err(why) => Look::Pending(why),
            })
        })
        .await?;
        outcome.map_err(|late| {
            Error::deadline(format!(
                "{what}: not settled after {:.1} s; last seen: {}",
                late.waited.as_secs_f32(),
                late.last
            ))
            .hint(
                hint![Verb::Status, " shows what each node says"; Verb::Up, " repairs what it can"],
            )
        })
    }

    /// Whether all who run agree and all is well; else the first thing that is not.
    pub fn well(&self) -> Result<(), String> {
        judge::converged(&self.snapshot)
    }

    /// Refuses to fail anything over while a slot is on its way from one node to another: only the
    /// master knows that, so that after it nobody is sent on to the keys that were moved already.
    pub fn refuse_open_slots(&self) -> Result<()> {
        let verdict = judge::judge(&self.snapshot, Wanted::default());
        let mut findings = verdict.findings.into_iter();
        match findings.find(|finding| finding.id == Id::SlotOpen) {
            None => Ok(()),
            Some(open) => Err(Error::refused(format!(
                "{} ({}): after a failover the keys that were moved could not be read any more",
                open.headline(),
                open.why
            ))
            .hint(open.hint)),
        }
    }

    /// The shard of a node.
    pub fn shard_of(&self, node: &NodeName) -> Option<&Seats> {
        self.seats
            .iter()
            .find(|seats| seats.master == *node || seats.replicas.contains(node))
    }

    /// A node that runs.
    pub fn member(&self, node: &NodeName) -> Result<Member> {
        self.snapshot.member(node)
    }

    /// What a node said.
    pub fn report(&self, node: &NodeName) -> Option<&Report> {
        self.snapshot.report(node)
    }

    /// The id of a node that answered.
    pub fn id(&self, node: &NodeName) -> Option<NodeId> {
        let report = self.report(node)?;
        Some(report.view.myself.clone())
    }

    /// How to reach the nodes of a shard, its master first.
    pub fn doors(&self, seats: &Seats) -> Vec<Door> {
        [&seats.master]
            .into_iter()
            .chain(&seats.replicas)
            .filter_map(|name| self.member(name).ok())
            .map(|member| Door {
                dial: member.dial,
                address: member.address,
            })
            .collect()
    }

    /// The highest epoch that anybody has seen.
    pub fn epoch(&self) -> Epoch {
        self.snapshot
            .said()
            .map(|(_, report)| report.cluster.current_epoch)
            .max()
            .unwrap_or_default()
    }

    /// How many bytes a replica is behind its master; `None` where one of them is silent or the
    /// link is down.
    pub fn lag(&self, seats: &Seats, replica: &NodeName) -> Option<u64> {
        let of = &self.report(replica)?.info.replication;
        let master = self.report(&seats.master)?.info.replication.offset;
        of.link_up.then(|| master.saturating_sub(of.offset))
    }

    /// The replicas with the newest data of those whose link is up: who is expected to win.
    pub fn favourites(&self, seats: &Seats) -> Vec<NodeName> {
        let lag = |name: &&NodeName| self.lag(seats, name);
        let least = seats.replicas.iter().filter_map(|name| lag(&name)).min();
        let with = seats
            .replicas
            .iter()
            .filter(|name| least.is_some() && lag(name) == least);
        with.cloned().collect()
    }

    /// The replica with the newest data of those whose link is up.
    pub fn best_replica(&self, seats: &Seats) -> Option<NodeName> {
        let candidates = seats.replicas.iter();
        candidates
            .filter_map(|name| Some((self.lag(seats, name)?, name)))
            .min()
            .map(|(_, name)| name.clone())
    }
}
