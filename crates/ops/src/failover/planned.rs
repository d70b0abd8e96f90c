//! `failover --planned`: a replica of one shard (or of each in turn) takes over in peace, while
//! canaries measure what clients notice.

use super::{
    canary::{Canaries, Evicted, Pace, discard, evicted, evicted_since, find},
    carry_out::carry_out,
    ground::Ground,
    hold,
    lead::Took,
    pick::{no_such_node, picked},
    rest,
    scene::Scene,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        ledger::{self, Balance},
        outline::{Heir, Outline, Restored, SCHEMA},
        planned::{self, Turn},
        report::{self, Planned, Verdict},
        room,
        words::{Errand, Lane, Manner, Pick, Seats},
    },
    hint,
    hint::Verb,
    node::NodeName,
    slot::SlotSet,
};
use std::time::{Duration, Instant};
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

/// One failover that was carried out.
struct Done {
    turn: Turn,
    took: Took,
    settled: Instant,
    /// From the command until a moment after all had settled, in the canaries' time.
    window: (u64, u64),
}

/// Fails over; one shard after another.
pub async fn planned(ground: &Ground<'_>, request: &Request) -> Result<Planned> {
    let mut scene = Scene::calm(ground).await?;
    turns(&scene, request)?;
    if request.manner == Manner::Planned {
        scene = Scene::settled(ground, "waiting for a healthy cluster").await?;
    }
    let turns = turns(&scene, request)?;
    let close: Vec<usize> = turns.iter().map(|(_, turn)| turn.shard).collect();
    let pace = Pace {
        write: PACE,
        read: None,
        others: 5,
        wait: 0,
    };
    let mut canaries = Canaries::new(ground.wires());
    for shard in canaries.start(&scene, &close, pace) {
        let why = room::FULL;
        ground.context.warn(format!(
            "shard {shard} is failed over without being written to, and its pause is not measured: {why}"
        ));
    }
    let evicted = evicted(&scene);
    sleep(MARGIN).await;
    let outcome = match hold::hold(ground, &scene).await {
        Ok(()) => one_by_one(ground, request, scene, turns, &canaries).await,
        Err(error) => Err(error),
    };
    let outcome = hold::release(ground, outcome).await;
    if let Some(journal) = ground.context.journal {
        journal.end(&outcome)?;
    }
    let lanes = canaries.finish().await;
    let after = Scene::look(ground).await;
    let done = match (outcome, &after) {
        (Ok(done), _) => done,
        (Err(error), Ok(after)) => {
            // Those that cannot be removed now expire.
            let _ = discard(after, &*ground.live(), &lanes).await;
            return Err(error);
        }
        (Err(error), Err(_)) => return Err(error),
    };
    let balance = balance(ground, &after?, &lanes, &evicted).await?;
    Ok(report(ground, request, &done, &lanes, &balance))
}

/// Each turn is planned from what is when it comes, by the function that planned all of them.
async fn one_by_one(
    ground: &Ground<'_>,
    request: &Request,
    first: Scene,
    turns: Vec<(SlotSet, Turn)>,
    canaries: &Canaries,
) -> Result<Vec<Done>> {
    let mut done = Vec::new();
    let mut scene = first;
    for (slots, _) in turns {
        if !done.is_empty() {
            scene = Scene::settled(ground, "between two failovers").await?;
        }
        let turn = self::turns(&scene, request)?
            .into_iter()
            .find(|(of, _)| *of == slots)
            .map(|(_, turn)| turn)
            .ok_or_else(|| {
                Error::refused(format!("no shard has the slots {slots} any more"))
                    .hint("somebody moves slots: try again when that is over")
            })?;
        ground.context.note(format!(
            "shard {}: {} takes over from {}",
            turn.shard, turn.to, turn.from
        ));
        let plan = planned::plan(std::slice::from_ref(&turn), request.manner);
        let took = carry_out(ground, &scene, &plan).await?;
        let settled = Instant::now();
        verify(&Scene::look(ground).await?, &slots, &turn)?;
        sleep(MARGIN).await;
        for took in took {
            done.push(Done {
                turn: turn.clone(),
                took,
                settled,
                window: (canaries.at_us(took.began), canaries.now_us()),
            });
        }
    }
    Ok(done)
}

/// Whether the slots are led by whom they were to be led by.
fn verify(scene: &Scene, slots: &SlotSet, turn: &Turn) -> Result<()> {
    match scene.seats.iter().find(|seats| seats.slots == *slots) {
        Some(seats) if seats.master == turn.to => Ok(()),
        Some(seats) => Err(Error::failed(format!(
            "shard {} is led by {}, not by {}",
            turn.shard, seats.master, turn.to
        ))
        .hint(hint![Verb::Status, " shows who leads"; "somebody else may have failed it over"])),
        None => Err(
            Error::failed(format!("nobody leads the slots of shard {}", turn.shard))
                .hint(hint![Verb::Status, " shows what each node says"]),
        ),
    }
}

/// Looks for the canaries' writes, and removes them.
async fn balance(
    ground: &Ground<'_>,
    after: &Scene,
    lanes: &[Lane],
    before: &Evicted,
) -> Result<Balance> {
    let wire = ground.live();
    let found = find(after, &*wire, lanes).await?;
    let mut balance = Balance::default();
    let mut evicted = evicted_since(before, &evicted(&Scene::look(ground).await?));
    for (shard, keys) in evicted.iter().filter(|(_, keys)| **keys > 0) {
        ground.context.note(format!(
            "shard {shard} evicted {keys} keys meanwhile: its memory is full, and each connection takes some of it"
        ));
    }
    for (lane, found) in lanes.iter().zip(&found) {
        balance.add(lane, None, found, evicted.entry(lane.shard).or_default());
    }
    discard(after, &*wire, lanes).await?;
    Ok(balance)
}

fn report(
    ground: &Ground<'_>,
    request: &Request,
    done: &[Done],
    lanes: &[Lane],
    balance: &Balance,
) -> Planned {
    let pause = |one: &Done| {
        let mut lanes = lanes.iter();
        let lane = lanes.find(|lane| lane.shard == one.turn.shard && lane.errand == Errand::Write);
        let (from, to) = one.window;
        Some(ledger::ms(ledger::worst_pause_us(lane?, from, to)))
    };
    let turns: Vec<report::Turn> = done
        .iter()
        .map(|one| report::Turn {
            shard: one.turn.shard,
            from: one.turn.from.clone(),
            to: one.turn.to.clone(),
            promoted_ms: millis(one.took.promoted),
            settled_ms: millis(one.settled.saturating_duration_since(one.took.began)),
            worst_pause_ms: pause(one),
        })
        .collect();
    let lossless = request.manner != Manner::Planned || balance.lost == 0;
    let lost = format!("{} acknowledged writes are gone", balance.lost);
    Planned {
        schema: report::SCHEMA,
        cluster: ground.launch.name.to_string(),
        manner: request.manner,
        worst_pause_ms: turns
            .iter()
            .filter_map(|turn| turn.worst_pause_ms)
            .reduce(f64::max),
        turns,
        resolution_ms: millis(PACE),
        acked: balance.acked,
        lost: balance.lost,
        evicted: balance.evicted,
        indeterminate: balance.indeterminate,
        errors_by_class: ledger::errors(lanes.iter()),
        verdict: Verdict {
            passed: lossless,
            reasons: (!lossless).then_some(lost).into_iter().collect(),
        },
    }
}

/// What [`fn@planned`] would do.
pub async fn outline(ground: &Ground<'_>, request: &Request) -> Result<Outline> {
    let scene = Scene::calm(ground).await?;
    let turns: Vec<Turn> = turns(&scene, request)?
        .into_iter()
        .map(|(_, turn)| turn)
        .collect();
    let mut plan = planned::plan(&turns, request.manner);
    plan.notes.push(planned::note(request.manner).to_owned());
    if request.manner != Manner::Takeover {
        for turn in &turns {
            let left = rest::left(ground, &scene, &turn.to).await?;
            if !left.is_zero() {
                plan.notes.push(rest::why(turn.to.as_str(), left));
            }
        }
    }
    if let (Manner::Planned, Err(why)) = (request.manner, scene.well()) {
        let note = format!("it waits first for the cluster to be well: {why}");
        plan.notes.push(note);
    }
    Ok(Outline {
        schema: SCHEMA,
        cluster: ground.launch.name.to_string(),
        runtime: ground.launch.runtime.to_string(),
        kind: "failover",
        drill: None,
        heirs: turns
            .into_iter()
            .map(|turn| Heir {
                shard: turn.shard,
                from: turn.from,
                to: vec![turn.to],
            })
            .collect(),
        plan,
        restored: Restored::default(),
    })
}

/// Which shards by their slots, and who takes over in each.
fn turns(scene: &Scene, request: &Request) -> Result<Vec<(SlotSet, Turn)>> {
    if request.manner == Manner::Planned {
        scene.refuse_open_slots()?;
    }
    let turn = |seats: &Seats, to| {
        let turn = Turn {
            shard: seats.shard,
            from: seats.master.clone(),
            to,
        };
        (seats.slots.clone(), turn)
    };
    if let Some(to) = &request.to {
        let seats = scene.shard_of(to).ok_or_else(|| no_such_node(scene, to))?;
        if seats.master == *to {
            return Err(Error::refused(format!(
                "{to} is the master of shard {} already",
                seats.shard
            ))
            .hint("name one of its replicas, or leave --to out"));
        }
        return Ok(vec![turn(seats, to.clone())]);
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
                    .hint(hint![Verb::Status, " shows the links"; "--takeover promotes a replica whatever it has"])
            })?;
            Ok(turn(seats, to))
        })
        .collect()
}

fn millis(duration: Duration) -> f64 {
    ledger::ms(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
