//! A replica takes over because it is told to.

use super::{ground::Ground, scene::Scene, spread::spread};
use rcluster_core::{
    error::{Error, Result},
    failover::words::Manner,
    hint,
    hint::Verb,
    node::{Epoch, NodeName, Role},
    snapshot::{answer::WireError, refusal::Refusal},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::{Duration, Instant};

/// How often the new master is looked at.
const POLL: Duration = Duration::from_millis(2);

/// How long one look may take.
const GLANCE: Duration = Duration::from_millis(500);

/// Redis gives up a manual failover after 5 s (`CLUSTER_MF_TIMEOUT`).
const ONE_TRY: Duration = Duration::from_millis(5_500);

/// How often it is asked again.
const TRIES: usize = 3;

/// A replica may be this far behind when it is asked: it catches up while the master waits.
const NEAR: u64 = 1 << 20;

/// When a replica took over.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// When the command was sent.
    pub began: Instant,
    /// How long it took until the new master said so, in its own view.
    pub promoted: Duration,
}

/// Makes a replica the master of its shard, and waits until it says so. Where it is to take over from
/// somebody else than who leads its shard now, the plan was made from something that is no more.
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
            // If it leads already, an earlier try, or an election, was in time.
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
                    // Under an older epoch than its master's it counted the votes of an earlier
                    // election, and nobody believes it.
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

/// The epoch under which the shard of a replica is led.
fn own_epoch(scene: &Scene, replica: &NodeName) -> Option<Epoch> {
    let master = &scene.shard_of(replica)?.master;
    let report = scene.report(master)?;
    report.view.me().map(|me| me.epoch)
}

/// Waits until a replica follows closely.
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
