//! Waits until clients are told of every replica.
//!
//! A node leaves a replica out of CLUSTER SLOTS until it has heard of an offset above 0 from it
//! (`isReplicaAvailable` in cluster.c). A new replica's offset is 0 until its master writes, and it
//! announces it only with its next ping to each node: after 4 s with six nodes, 20 s with a
//! hundred. So the offset is moved without a write, and the replica meets the nodes that do not
//! list it, because a MEET carries the offset at once.

use super::context::Context;
use futures_util::future::join_all;
use rcluster_core::{
    data::Command,
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{Address, NodeId, NodeName},
    snapshot::{Member, Snapshot, topology},
    text::count::count,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(5);

/// When another MEET is sent: the first one leaves with the next `clusterCron`.
const AGAIN: Duration = Duration::from_millis(300);

/// The replicas that some node does not list, and the nodes that do not.
type Unlisted = BTreeMap<NodeId, Vec<NodeName>>;

/// Waits until every node that answered lists every replica of a master with slots.
pub(super) async fn listed(context: &Context<'_>, seen: &Snapshot) -> Result<()> {
    let members: BTreeMap<&NodeId, Member> = seen
        .said()
        .filter_map(|(node, report)| Some((&report.view.myself, node.member()?)))
        .collect();
    let shards = topology::shards(&seen.views());
    // A node that is gone and still remembered is reported by the judge.
    let masters: BTreeMap<&NodeId, &NodeId> = shards
        .iter()
        .filter(|shard| !shard.slots.is_empty())
        .filter_map(|shard| Some((shard.master.as_ref()?, &shard.replicas)))
        .flat_map(|(master, replicas)| replicas.iter().map(move |replica| (replica, master)))
        .filter(|(replica, _)| members.contains_key(replica))
        .collect();
    let replicas: BTreeSet<&NodeId> = masters.keys().copied().collect();
    let told = Cell::new(None::<Instant>);
    let outcome = wait_until(POLL, context.deadline, async || {
        let unlisted = unlisted(context, &members, &replicas).await;
        if unlisted.is_empty() {
            return Ok::<_, Error>(Look::Ready(()));
        }
        if told.get().is_none_or(|last| last.elapsed() > AGAIN) {
            told.set(Some(Instant::now()));
            let late: BTreeSet<&NodeId> = unlisted
                .keys()
                .filter_map(|id| masters.get(id).copied())
                .collect();
            let late = late.into_iter().filter_map(|id| members.get(id));
            join_all(late.map(|master| move_offset(context, master))).await;
            join_all(
                unlisted
                    .iter()
                    .map(|(id, by)| tell(context, &members, id, by)),
            )
            .await;
        }
        Ok(Look::Pending(unlisted))
    })
    .await?;
    outcome.map_err(|late| {
        let replica = late.last.iter().next();
        let example = replica.map_or(String::new(), |(id, by)| {
            let replica = members.get(id);
            let name = replica.map_or(id.short(), |member| member.name.as_str());
            let by = by.first().map_or("", |name| name.as_str());
            format!("; {by} does not name {name} to clients")
        });
        Error::deadline(format!(
            "CLUSTER SLOTS lacks {} after {:.1} s{example}",
            count(late.last.len(), "replica"),
            late.waited.as_secs_f32()
        ))
        .hint(hint![Verb::Status, " shows the link of each replica"])
    })
}

/// Asks every node at once. Nodes that do not answer are reported by the judge.
async fn unlisted(
    context: &Context<'_>,
    members: &BTreeMap<&NodeId, Member>,
    replicas: &BTreeSet<&NodeId>,
) -> Unlisted {
    let asked = members.values().map(async |member| {
        let told = context.wire.told(&member.dial).await.ok()?;
        Some((&member.name, told))
    });
    let mut unlisted = Unlisted::new();
    for (name, told) in join_all(asked).await.into_iter().flatten() {
        let told: BTreeSet<&NodeId> = told.iter().map(|(id, _)| id).collect();
        for id in replicas.difference(&told) {
            unlisted
                .entry((*id).clone())
                .or_default()
                .push(name.clone());
        }
    }
    unlisted
}

/// Makes the replica meet the nodes that do not list it.
async fn tell(
    context: &Context<'_>,
    members: &BTreeMap<&NodeId, Member>,
    replica: &NodeId,
    by: &[NodeName],
) {
    let Some(member) = members.get(replica) else {
        return;
    };
    let peers = members.values().filter(|peer| by.contains(&peer.name));
    let peers: Vec<Address> = peers
        .filter(|peer| peer.name != member.name)
        .map(|peer| peer.address)
        .collect();
    // If this fails it is tried again, and in the end gossip tells them.
    let _ = context.wire.meet(&member.dial, &peers).await;
}

/// Sends WAIT for more replicas than there are. The master then asks all replicas for their offset
/// (REPLCONF GETACK); that request is part of the stream, so the offset moves, and no key is
/// touched. If the user may not call WAIT, it only takes longer.
pub(super) async fn move_offset(context: &Context<'_>, master: &Member) {
    let wait = Command::Wait(usize::from(u16::MAX), Duration::from_millis(1));
    let _ = context.wire.batch(&master.dial, &[wait]).await;
}
