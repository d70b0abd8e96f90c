//! `failover --planned`: a replica of one shard (or of each in turn) takes over in peace, while
//! canaries measure what clients notice.

use super::{
    canary::{Canaries, Pace, discard, find},
    ground::Ground,
    lead::lead,
    rest,
    scene::Scene,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        ledger::{self, Balance},
        outline::{Heir, Outline},
        report::{Planned, SCHEMA, Turn, Verdict},
        words::{Errand, Manner, Pick, Seats},
    },
    node::NodeName,
};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// Fine enough for pauses of tens of milliseconds.
const PACE: Duration = Duration::from_millis(4);

/// Before the first failover and after the last, so that a pause has two ends.
const MARGIN: Duration = Duration::from_millis(150);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which shard.
    pub pick: Pick,
    /// Each shard in turn.
    pub all: bool,
    /// Who is to take over.
    pub to: Option<NodeName>,
    /// How.
    pub manner: Manner,
}

/// Fails over; one shard after another.
pub async fn planned(ground: &Ground<'_>, request: &Request) -> Result<Planned> {
    let (context, launch, live) = (&ground.context, ground.launch, ground.live());
    let mut scene = Scene::calm(context, launch).await?;
    let mut turns = turns(&scene, request)?;
    if request.manner == Manner::Planned {
        scene = Scene::settled(context, launch, "waiting for a healthy cluster").await?;
        turns = self::turns(&scene, request)?;
    }
    let close: Vec<usize> = turns.iter().map(|(seats, _)| seats.shard).collect();
    let pace = Pace {
        write: PACE,
        read: None,
        others: 5,
        wait: 0,
    };
    let canaries = Canaries::start(&scene, &close, pace, ground.wires());
    sleep(MARGIN).await;
    let mut done = Vec::new();
    let mut windows = Vec::new();
    for (seats, to) in turns {
        context.note(format!(
            "shard {}: {to} takes over from {}",
            seats.shard, seats.master
        ));
        let took = lead(context, launch, &*live, &to, request.manner).await?;
        if let Some(journal) = context.journal {
            journal.write(
                "failover",
                json!({ "shard": seats.shard, "from": seats.master, "to": to, "manner": request.manner }),
            )?;
        }
        sleep(MARGIN).await;
        windows.push((canaries.at_us(took.began), canaries.now_us()));
        done.push(Turn {
            shard: seats.shard,
            from: seats.master,
            to,
            promoted_ms: millis(took.promoted),
            settled_ms: millis(took.settled),
            worst_pause_ms: 0.0,
        });
    }
    let lanes = canaries.finish().await;
    for (turn, (from, to)) in done.iter_mut().zip(windows) {
        let mut lanes = lanes.iter();
        let lane = lanes.find(|lane| lane.shard == turn.shard && lane.errand == Errand::Write);
        let pause = lane.map_or(0, |lane| ledger::worst_pause_us(lane, from, to));
        turn.worst_pause_ms = ledger::ms(pause);
    }
    let after = Scene::look(context, launch).await?;
    let found = find(&after, &*live, &lanes).await?;
    let mut balance = Balance::default();
    for (lane, found) in lanes.iter().zip(&found) {
        balance.add(lane, None, found);
    }
    discard(&after, &*live, &lanes).await?;
    let worst = done
        .iter()
        .map(|turn| turn.worst_pause_ms)
        .fold(0.0, f64::max);
    let lossless = request.manner != Manner::Planned || balance.lost == 0;
    Ok(Planned {
        schema: SCHEMA,
        cluster: launch.name.to_string(),
        manner: request.manner,
        turns: done,
        worst_pause_ms: worst,
        resolution_ms: millis(PACE),
        acked: balance.acked,
        lost: balance.lost,
        indeterminate: balance.indeterminate,
        errors_by_class: ledger::errors(lanes.iter()),
        verdict: Verdict {
            passed: lossless,
            reasons: if lossless {
                Vec::new()
            } else {
                vec![format!("{} acknowledged writes are gone", balance.lost)]
            },
        },
    })
}

/// What [`planned`] would do.
pub async fn outline(ground: &Ground<'_>, request: &Request) -> Result<Outline> {
    let scene = Scene::calm(&ground.context, ground.launch).await?;
    let turns = turns(&scene, request)?;
    let mut notes = Vec::new();
    if request.manner != Manner::Takeover {
        for (_, to) in &turns {
            let left = rest::left(&ground.context, &scene, &*ground.live(), to).await?;
            if !left.is_zero() {
                notes.push(rest::why(to.as_str(), left));
            }
        }
    }
    let heirs = turns.into_iter().map(|(seats, to)| Heir {
        shard: seats.shard,
        from: seats.master,
        to: vec![to],
    });
    let mut outline = Outline::failover(
        ground.launch.name.to_string(),
        ground.launch.runtime.to_string(),
        heirs.collect(),
        request.manner,
    );
    outline.notes.extend(notes);
    if let (Manner::Planned, Err(why)) = (request.manner, scene.well()) {
        outline
            .notes
            .push(format!("it waits first for the cluster to be well: {why}"));
    }
    Ok(outline)
}

/// Which shards, and who takes over in each.
fn turns(scene: &Scene, request: &Request) -> Result<Vec<(Seats, NodeName)>> {
    if let Some(to) = &request.to {
        let seats = scene.shard_of(to).ok_or_else(|| no_such_node(scene, to))?;
        if seats.master == *to {
            return Err(Error::refused(format!(
                "{to} is the master of shard {} already",
                seats.shard
            ))
            .hint("name one of its replicas, or leave --to out"));
        }
        return Ok(vec![(seats.clone(), to.clone())]);
    }
    let shards: Vec<&Seats> = if request.all {
        scene.seats.iter().collect()
    } else {
        vec![picked(scene, &request.pick)?]
    };
    shards
        .into_iter()
        .map(|seats| {
            let by_link = scene.best_replica(seats);
            // Without its master a replica's link is down; FORCE and TAKEOVER are for then.
            let any = || seats.replicas.iter().find(|name| scene.report(name).is_some()).cloned();
            let to = match request.manner {
                Manner::Planned => by_link,
                Manner::Force | Manner::Takeover => by_link.or_else(any),
            };
            let to = to.ok_or_else(|| {
                Error::refused(format!("shard {} has no replica in sync", seats.shard))
                    .hint("`rcluster status` shows the links; --takeover promotes a replica whatever it has")
            })?;
            Ok((seats.clone(), to))
        })
        .collect()
}

/// The shard that was asked for.
pub(super) fn picked<'a>(scene: &'a Scene, pick: &Pick) -> Result<&'a Seats> {
    match pick {
        Pick::Any => {
            let with = scene
                .seats
                .iter()
                .filter(|seats| scene.best_replica(seats).is_some());
            let all: Vec<&Seats> = with.collect();
            // Not by chance: `--dry-run` has to name the shard that is hit. A crash and the way back
            // are two epochs, so that the next drill comes to the next shard.
            let turn = usize::try_from(scene.epoch().0 / 2).unwrap_or(0);
            all.get(turn % all.len().max(1)).copied().ok_or_else(|| {
                Error::refused("no shard has a replica in sync")
                    .hint("`rcluster status` shows the links; `replicas:` in the spec makes some")
            })
        }
        Pick::Number(number) => {
            let mut seats = scene.seats.iter();
            seats.find(|seats| seats.shard == *number).ok_or_else(|| {
                Error::usage(format!("there is no shard {number}"))
                    .hint(format!("they are numbered from 1 to {}", scene.seats.len()))
            })
        }
        Pick::Node(name) => scene
            .shard_of(name)
            .ok_or_else(|| no_such_node(scene, name)),
    }
}

fn no_such_node(scene: &Scene, name: &NodeName) -> Error {
    let known: Vec<&str> = scene
        .snapshot
        .members()
        .map(|node| node.name.as_str())
        .collect();
    Error::usage(format!("no shard has a node {name}"))
        .hint(format!("its nodes are {}", known.join(", ")))
}

fn millis(duration: Duration) -> f64 {
    ledger::ms(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
