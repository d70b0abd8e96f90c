//! A replica takes over because it is told to.
//!
//! It tells all nodes at once that it is the master (`clusterBroadcastPong`). The old master and the
//! other replicas of the shard say whom they follow now only with their next ping to each node, and a
//! node pings one other a second, or one that it has not heard for half the node timeout. So they are
//! asked to MEET all others, which says the same within 100 ms: 34 nodes agreed after 2 s, not 16.

use super::{ground::Ground, scene::Scene};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::words::Manner,
    hint,
    hint::Verb,
    node::{Address, Epoch, NodeId, NodeName, Role},
    snapshot::{Member, answer::WireError, refusal::Refusal},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::{Duration, Instant};

/// How often the new master, and those who should follow it, are looked at.
const POLL: Duration = Duration::from_millis(2);

/// How long one look may take.
const GLANCE: Duration = Duration::from_millis(500);

/// Redis gives up a manual failover after 5 s (`CLUSTER_MF_TIMEOUT`).
const ONE_TRY: Duration = Duration::from_millis(5_500);

/// How many times the replica is told.
const TRIES: usize = 3;

/// How many bytes a replica may be behind when it is told. It catches up while the master waits.
const NEAR: u64 = 1 << 20;

/// How long a node may take to follow the new master before it is left to say so by itself.
const FOLLOWS: Duration = Duration::from_secs(2);

/// When a replica took over.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// When the command was sent.
    pub began: Instant,
    /// How long it took until the new master said so, in its own view.
    pub promoted: Duration,
}

/// Makes a replica the master of its shard, and waits until it says so. Refuses if another node leads
/// the shard than `from`: then the plan is out of date.
pub async fn lead(
    ground: &Ground<'_>,
    from: Option<&NodeName>,
    to: &NodeName,
    manner: Manner,
) -> Result<Took> {
    let mut scene = Scene::look(ground).await?;
    refuse_drift(&scene, from, to)?;
    // No further connection: a full node would evict keys for what it costs.
    let wire = ground.context.wire;
    let leads = |scene: &Scene| scene.shard_of(to).is_some_and(|seats| seats.master == *to);
    if manner != Manner::Takeover && !leads(&scene) {
        super::rest::rest(ground, &scene, to).await?;
    }
    if manner == Manner::Planned {
        scene = in_sync(ground, to).await?;
    }
    let dial = scene.member(to)?.dial.clone();
    let before = if leads(&scene) {
        None
    } else {
        own_epoch(&scene, to)
    };
    let began = Instant::now();
    let mut last = String::new();
    for _ in 0..TRIES {
        match wire.failover(&dial, manner).await {
            // An earlier try, or an election, has made it master already.
            Ok(())
            | Err(WireError::Reply {
                refusal: Refusal::NotAReplica,
                ..
            }) => {}
            Err(error) => return Err(error.failure(to)),
        }
        let outcome = wait_until(POLL, ONE_TRY, async || {
            Ok::<_, Error>(match wire.glance(&dial, GLANCE).await {
                Ok(glance) => match glance.view.me() {
                    // If its epoch is not newer than its master's, it has counted the votes of an
                    // earlier election again, and the other nodes do not accept it.
                    Some(me) if me.role == Role::Master && Some(me.epoch) <= before => {
                        Look::Pending("it leads under an old epoch".to_owned())
                    }
                    Some(me) if me.role == Role::Master => Look::Ready(()),
                    _ => Look::Pending("it is still a replica".to_owned()),
                },
                Err(error) => Look::Pending(error.to_string()),
            })
        })
        .await?;
        match outcome {
            Ok(()) => {
                let promoted = began.elapsed();
                spread(ground, &scene, to).await;
                return Ok(Took { began, promoted });
            }
            Err(late) => last = late.last,
        }
    }
    Err(
        Error::deadline(format!("{to} did not take over in {TRIES} tries; {last}")).hint(hint!["its log says why"; Verb::Failover.with("--force"), " goes without the master, `--takeover` without a majority"]),
    )
}

fn refuse_drift(scene: &Scene, from: Option<&NodeName>, to: &NodeName) -> Result<()> {
    match (from, scene.shard_of(to)) {
        (Some(from), Some(seats)) if seats.master != *from && seats.master != *to => {
            Err(Error::refused(format!(
                "{to} was to take over from {from}, and follows {} now",
                seats.master
            ))
            .hint(hint![Verb::Status, " shows who follows whom"; "the same command plans it anew"]))
        }
        _ => Ok(()),
    }
}

/// The epoch of the replica's master.
fn own_epoch(scene: &Scene, replica: &NodeName) -> Option<Epoch> {
    let master = &scene.shard_of(replica)?.master;
    let report = scene.report(master)?;
    report.view.me().map(|me| me.epoch)
}

/// Waits until a replica is in sync.
async fn in_sync(ground: &Ground<'_>, to: &NodeName) -> Result<Scene> {
    let outcome = wait_until(POLL * 5, ground.context.deadline, async || {
        let scene = Scene::look(ground).await?;
        let Some(seats) = scene.shard_of(to) else {
            return Ok::<_, Error>(Look::Pending(format!("{to} is in no shard")));
        };
        let lag = match &seats.master {
            master if master == to => Some(0),
            _ => scene.lag(seats, to),
        };
        Ok(match lag {
            Some(lag) if lag <= NEAR => Look::Ready(scene),
            Some(lag) => Look::Pending(format!("{to} is {lag} bytes behind")),
            None => Look::Pending(format!("{to} is not connected to its master")),
        })
    })
    .await?;
    outcome.map_err(|late| {
        Error::refused(format!("{to} cannot take over: {}", late.last)).hint(
            hint![Verb::Status, " shows its link"; "it has to be in sync before its master may go"],
        )
    })
}

/// Lets the nodes that were in the shard of `to` before it took over meet all others. Nodes that do not
/// answer are left out: the caller waits anyway until all nodes agree.
async fn spread(ground: &Ground<'_>, before: &Scene, to: &NodeName) {
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
        // If this fails, the other nodes hear it all the same, but later.
        let _ = wire.meet(&follower.dial, &others).await;
    }
}
