//! A replica takes over because it is told to; and the way back to a topology, one failover after
//! another.

use super::scene::Scene;
use crate::cluster::context::{Context, wire_failure};
use rcluster_core::snapshot::{answer::WireError, refusal::Refusal};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        seats::{Move, moves},
        words::{Manner, Seats},
    },
    node::{Epoch, NodeName, Role},
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use rcluster_wire::Wire;
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

/// How long a takeover took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Until the new master said so.
    pub promoted: Duration,
    /// Until all views agreed and every link was up.
    pub settled: Duration,
    /// When the command was sent.
    pub began: Instant,
}

/// Makes a replica the master of its shard, and waits until everybody agrees.
pub async fn lead(
    context: &Context<'_>,
    launch: &Launch,
    wire: &dyn Wire,
    to: &NodeName,
    manner: Manner,
) -> Result<Took> {
    let mut scene = Scene::look(context, launch).await?;
    let leads = |scene: &Scene| scene.shard_of(to).is_some_and(|seats| seats.master == *to);
    if manner != Manner::Takeover && !leads(&scene) {
        super::rest::rest(context, &scene, wire, to).await?;
    }
    if manner == Manner::Planned {
        scene = in_sync(context, launch, to).await?;
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
            Ok(()) => {}
            // It leads already: an earlier try, or an election, was in time.
            Err(WireError::Reply {
                refusal: Refusal::NotAReplica,
                ..
            }) => {}
            Err(error) => return Err(wire_failure(to, &error)),
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
                Scene::settled(context, launch, &format!("failing over to {to}")).await?;
                return Ok(Took {
                    promoted,
                    settled: began.elapsed(),
                    began,
                });
            }
            Err(late) => last = late.last,
        }
    }
    Err(
        Error::deadline(format!("{to} did not take over in {TRIES} tries; {last}")).hint(
            "its log says why; `rcluster failover --force` goes without the master, `--takeover` without a majority",
        ),
    )
}

/// The epoch under which the shard of a replica is led.
fn own_epoch(scene: &Scene, replica: &NodeName) -> Option<Epoch> {
    let master = &scene.shard_of(replica)?.master;
    let report = scene.report(master)?;
    report.view.me().map(|me| me.epoch)
}

/// Waits until a replica follows closely.
async fn in_sync(context: &Context<'_>, launch: &Launch, to: &NodeName) -> Result<Scene> {
    let outcome = wait_until(POLL * 5, context.deadline, async || {
        let scene = Scene::look(context, launch).await?;
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
        Error::refused(format!("{to} cannot take over: {}", late.last))
            .hint("`rcluster status` shows its link; it has to be in sync before its master may go")
    })
}

/// Brings the wanted topology back: strays follow their master again, then one planned failover
/// per shard. Returns how many moves it took.
pub async fn restore(
    context: &Context<'_>,
    launch: &Launch,
    wire: &dyn Wire,
    wanted: &[Seats],
) -> Result<usize> {
    let mut done = 0;
    for _ in 0..=2 * wanted.len() {
        let scene = Scene::settled(context, launch, "bringing the first topology back").await?;
        let next = moves(&scene.seats, wanted);
        if next.is_empty() {
            return Ok(done);
        }
        for step in next {
            match step {
                Move::Follow { node, master } => {
                    let of = scene
                        .id(&master)
                        .ok_or_else(|| Error::failed(format!("{master} does not answer")))?;
                    let dial = &scene.member(&node)?.dial;
                    context
                        .wire
                        .replicate(dial, &of)
                        .await
                        .map_err(|error| wire_failure(&node, &error))?;
                }
                Move::Lead { to, .. } => {
                    lead(context, launch, wire, &to, Manner::Planned).await?;
                }
            }
            done += 1;
        }
    }
    Err(Error::failed("the first topology does not come back").hint(
        "`rcluster status` shows who leads; `rcluster failover --planned --to NODE` changes it",
    ))
}
