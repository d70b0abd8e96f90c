//! The cluster at one moment, by the names of its nodes and shards.

use super::ground::Ground;
use crate::cluster::{look, look::Patience};
use rcluster_core::{
    error::{Error, Result},
    failover::{seats, words::Seats},
    hint,
    hint::Verb,
    judge::{self, Id, Wanted},
    node::{Epoch, NodeId, NodeName},
    snapshot::{Member, Seen, Snapshot, names::Names, report::Report, topology},
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{collections::BTreeMap, time::Duration};

/// How often a cluster that is not yet well is looked at.
const POLL: Duration = Duration::from_millis(10);

/// How long `Scene::calm` waits for a cluster that is not well.
const CALM: Duration = Duration::from_secs(2);

/// The cluster at one moment.
pub struct Scene {
    /// What every node said.
    pub snapshot: Snapshot,
    /// The names of all nodes that are known by an id.
    pub names: BTreeMap<NodeId, NodeName>,
    /// The shards with slots.
    pub seats: Vec<Seats>,
}

impl Scene {
    /// Asks every node that runs.
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

    /// A scene without nodes, for when none could be asked.
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

    /// Looks again for a short while if the cluster is not well: one late answer is no reason to
    /// refuse. Returns the last look, well or not.
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

    /// Waits until the cluster is well; `what` says what for, if it is not in time.
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

    /// Whether the cluster is well; if not, the first thing that is wrong.
    pub fn well(&self) -> Result<(), String> {
        judge::converged(&self.snapshot)
    }

    /// Refuses failovers while a slot is being moved. Only the master knows that: a replica that took
    /// over would not send clients on to the keys that were moved already.
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

    /// A node that can be dialled.
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

    /// The nodes of a shard that can be dialled, its master first.
    pub fn members_of(&self, seats: &Seats) -> Vec<Member> {
        let all = [&seats.master].into_iter().chain(&seats.replicas);
        all.filter_map(|name| self.member(name).ok()).collect()
    }

    /// The highest epoch that any node has seen.
    pub fn epoch(&self) -> Epoch {
        self.snapshot
            .said()
            .map(|(_, report)| report.cluster.current_epoch)
            .max()
            .unwrap_or_default()
    }

    /// How many bytes a replica is behind its master; `None` if one of them does not answer or their
    /// link is down.
    pub fn lag(&self, seats: &Seats, replica: &NodeName) -> Option<u64> {
        let of = &self.report(replica)?.info.replication;
        let master = self.report(&seats.master)?.info.replication.offset;
        of.link_up.then(|| master.saturating_sub(of.offset))
    }

    /// The replicas with the newest data, of those whose link is up. One of them is expected to win an
    /// election.
    pub fn favourites(&self, seats: &Seats) -> Vec<NodeName> {
        let lag = |name: &NodeName| self.lag(seats, name);
        let least = seats.replicas.iter().filter_map(lag).min();
        let replicas = seats.replicas.iter();
        let with = replicas.filter(|name| least.is_some() && lag(name) == least);
        with.cloned().collect()
    }

    /// The first of them.
    pub fn best_replica(&self, seats: &Seats) -> Option<NodeName> {
        self.favourites(seats).into_iter().next()
    }
}
