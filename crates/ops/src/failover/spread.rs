//! Who follows a new master tells everybody at once.
//!
//! A replica that takes over says so to all (`clusterBroadcastPong`). The old master, and the other
//! replicas of the shard, say whom they follow now only with their next ping to each node, and a node
//! pings one other a second, or whom it has not heard for half the node timeout: 34 nodes agreed
//! after 16 s. A MEET carries the same word and leaves within 100 ms: 34 nodes agreed after 2 s.

use super::{ground::Ground, scene::Scene};
use futures_util::future::join_all;
use rcluster_core::{
    error::Error,
    node::{Address, NodeId, NodeName},
    snapshot::Member,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::Duration;

/// How often a node is asked whether it follows.
const POLL: Duration = Duration::from_millis(2);

/// How long one look may take.
const GLANCE: Duration = Duration::from_millis(500);

/// How long a node may take to follow. After that gossip has to spread the word.
const FOLLOWS: Duration = Duration::from_secs(2);

/// Lets the nodes that were in the shard of `to` before it took over meet all others. Whoever does not
/// answer is left out: that all agree is waited for by whoever asked for the failover.
pub(super) async fn spread(ground: &Ground<'_>, before: &Scene, to: &NodeName) {
    let (Some(seats), Some(id)) = (before.shard_of(to), before.id(to)) else {
        return;
    };
    let members = before.members();
    let followers = members.iter().filter(|member| {
        let name = &member.name;
        name != to && (*name == seats.master || seats.replicas.contains(name))
    });
    join_all(followers.map(|follower| tell(ground, follower, &id, &members))).await;
}

async fn tell(ground: &Ground<'_>, follower: &Member, master: &NodeId, members: &[Member]) {
    let wire = ground.context.wire;
    let follows = wait_until(POLL, FOLLOWS, async || {
        let glance = wire.glance(&follower.dial, GLANCE).await;
        let of = glance
            .ok()
            .and_then(|glance| glance.view.me()?.master.clone());
        Ok::<_, Error>(match of {
            Some(of) if of == *master => Look::Ready(()),
            _ => Look::Pending(()),
        })
    });
    if matches!(follows.await, Ok(Ok(()))) {
        let others = members.iter().filter(|other| other.name != follower.name);
        let others: Vec<Address> = others.map(|other| other.address).collect();
        // Without it the word arrives all the same, but later.
        let _ = wire.meet(&follower.dial, &others).await;
    }
}
