//! `failover --planned`: a replica of one shard (or of each in turn) takes over although nothing is
//! broken, while canaries measure what clients notice.

use super::{
    canary::{Canaries, Evicted, Pace, discard, find},
    carry_out::carry_out,
    ground::Ground,
    hold,
    pick::{no_such_node, picked},
    rest,
    scene::Scene,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        felt::{errors, millis, ms, worst_pause_us},
        outline::{self, Heir, Outline, Restored},
        planned::{self, Handover},
        report::{self, Balance, Planned, Turn, Verdict},
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

/// The time between two writes: fine enough for pauses of tens of milliseconds.
const PACE: Duration = Duration::from_millis(4);

/// How long canaries write before the first failover and after each, so that a pause has two ends.
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

/// A failover that was carried out. Its pause is not known before the canaries' last answers.
struct Done {
    turn: Turn,
    /// From the command until a moment after all had settled, in the canaries' time.
    window: (u64, u64),
}

/// Fails over one shard after another.
pub async fn planned(ground: &Ground<'_>, request: &Request) -> Result<Planned> {
    let mut scene = Scene::calm(ground).await?;
    handovers(&scene, request)?;
    if request.manner == Manner::Planned {
        scene = Scene::settled(ground, "waiting for a healthy cluster").await?;
    }
    let first = handovers(&scene, request)?;
    let close: Vec<usize> = first.iter().map(|(_, one)| one.shard).collect();
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
    let evicted = Evicted::of(&scene);
    sleep(MARGIN).await;
    let outcome = match hold::hold(ground, &scene).await {
        Ok(()) => one_by_one(ground, request, scene, first, &canaries).await,
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
            // Keys that cannot be removed now expire.
            let _ = discard(after, &*ground.live(), &lanes).await;
            return Err(error);
        }
        (Err(error), Err(_)) => return Err(error),
    };
    let balance = balance(ground, &after?, &lanes, &evicted).await?;
    Ok(report(ground, request, done, &lanes, balance))
}

/// Carries out the handovers. Each is planned anew when its turn comes, by the function that planned
/// all of them.
async fn one_by_one(
    ground: &Ground<'_>,
    request: &Request,
    mut scene: Scene,
    first: Vec<(SlotSet, Handover)>,
    canaries: &Canaries,
) -> Result<Vec<Done>> {
    let mut done = Vec::new();
    for (slots, _) in first {
        if !done.is_empty() {
            scene = Scene::settled(ground, "between two failovers").await?;
        }
        let mut now = handovers(&scene, request)?.into_iter();
        let (_, handover) = now.find(|(of, _)| *of == slots).ok_or_else(|| {
            Error::refused(format!("no shard has the slots {slots} any more"))
                .hint("somebody moves slots: try again when that is over")
        })?;
        ground.context.note(format!(
            "shard {}: {} takes over from {}",
            handover.shard, handover.to, handover.from
        ));
        let plan = planned::plan(std::slice::from_ref(&handover), request.manner);
        let took = carry_out(ground, &scene, &plan).await?;
        let settled = Instant::now();
        verify(&Scene::look(ground).await?, &slots, &handover)?;
        sleep(MARGIN).await;
        for took in took {
            done.push(Done {
                turn: Turn {
                    handover: handover.clone(),
                    promoted_ms: millis(took.promoted),
                    settled_ms: millis(settled.saturating_duration_since(took.began)),
                    worst_pause_ms: None,
                },
                window: (canaries.at_us(took.began), canaries.now_us()),
            });
        }
    }
    Ok(done)
}

/// Fails if somebody else leads the slots than the one who took over.
fn verify(scene: &Scene, slots: &SlotSet, wanted: &Handover) -> Result<()> {
    match scene.seats.iter().find(|seats| seats.slots == *slots) {
        Some(seats) if seats.master == wanted.to => Ok(()),
        Some(seats) => Err(Error::failed(format!(
            "shard {} is led by {}, not by {}",
            wanted.shard, seats.master, wanted.to
        ))
        .hint(hint![Verb::Status, " shows who leads"; "somebody else may have failed it over"])),
        None => Err(
            Error::failed(format!("nobody leads the slots of shard {}", wanted.shard))
                .hint(hint![Verb::Status, " shows what each node says"]),
        ),
    }
}

/// Looks for the canaries' writes, and removes them.
async fn balance(
    ground: &Ground<'_>,
    after: &Scene,
    lanes: &[Lane],
    evicted: &Evicted,
) -> Result<Balance> {
    let wire = ground.live();
    let found = find(after, &*wire, lanes).await.into_iter();
    let found = found.collect::<Result<Vec<_>>>()?;
    let mut balance = Balance::default();
    let mut evicted = evicted.until(&Scene::look(ground).await?);
    for (shard, keys) in evicted.iter().filter(|(_, keys)| **keys > 0) {
        ground.context.note(format!(
            "shard {shard} evicted {keys} keys meanwhile: its memory is full, and each connection takes some of it"
        ));
    }
    for (lane, found) in lanes.iter().zip(&found) {
        balance.add(lane, &[], found, evicted.entry(lane.shard).or_default());
    }
    discard(after, &*wire, lanes).await?;
    Ok(balance)
}

fn report(
    ground: &Ground<'_>,
    request: &Request,
    done: Vec<Done>,
    lanes: &[Lane],
    balance: Balance,
) -> Planned {
    let pause = |turn: &Turn, (from, to)| {
        let (shard, mut lanes) = (turn.handover.shard, lanes.iter());
        let lane = lanes.find(|lane| lane.shard == shard && lane.errand == Errand::Write);
        Some(ms(worst_pause_us(lane?, from, to)))
    };
    let turns = done.into_iter().map(|Done { turn, window }| Turn {
        worst_pause_ms: pause(&turn, window),
        ..turn
    });
    let turns: Vec<Turn> = turns.collect();
    let pauses = turns.iter().filter_map(|turn| turn.worst_pause_ms);
    let lossless = request.manner != Manner::Planned || balance.lost == 0;
    let lost = format!("{} acknowledged writes are gone", balance.lost);
    Planned {
        schema: report::SCHEMA,
        cluster: ground.name().to_string(),
        manner: request.manner,
        worst_pause_ms: pauses.reduce(f64::max),
        turns,
        resolution_ms: millis(PACE),
        balance,
        errors_by_class: errors(lanes.iter()),
        verdict: Verdict {
            passed: lossless,
            reasons: (!lossless).then_some(lost).into_iter().collect(),
        },
    }
}

/// What [`fn@planned`] would do.
pub async fn outline(ground: &Ground<'_>, request: &Request) -> Result<Outline> {
    let scene = Scene::calm(ground).await?;
    let handovers = handovers(&scene, request)?.into_iter();
    let handovers: Vec<Handover> = handovers.map(|(_, one)| one).collect();
    let mut plan = planned::plan(&handovers, request.manner);
    plan.notes.push(planned::note(request.manner).to_owned());
    if request.manner != Manner::Takeover {
        for Handover { to, .. } in &handovers {
            let left = rest::left(ground, &scene, to).await?;
            if !left.is_zero() {
                plan.notes.push(rest::why(to.as_str(), left));
            }
        }
    }
    if let (Manner::Planned, Err(why)) = (request.manner, scene.well()) {
        let note = format!("it waits first for the cluster to be well: {why}");
        plan.notes.push(note);
    }
    let heir = |Handover { shard, from, to }| Heir {
        shard,
        from,
        to: vec![to],
    };
    Ok(Outline {
        schema: outline::SCHEMA,
        cluster: ground.name().to_string(),
        runtime: ground.launch.runtime.to_string(),
        kind: "failover",
        drill: None,
        heirs: handovers.into_iter().map(heir).collect(),
        plan,
        restored: Restored::default(),
    })
}

/// Who takes over in which shard; the shard is named by its slots too, as its number may change.
fn handovers(scene: &Scene, request: &Request) -> Result<Vec<(SlotSet, Handover)>> {
    if request.manner == Manner::Planned {
        scene.refuse_open_slots()?;
    }
    let handover = |seats: &Seats, to| {
        let (shard, from) = (seats.shard, seats.master.clone());
        (seats.slots.clone(), Handover { shard, from, to })
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
        return Ok(vec![handover(seats, to.clone())]);
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
            // FORCE and TAKEOVER are for when the master is gone, and with it the replica's link.
            let any = || seats.replicas.iter().find(|name| scene.report(name).is_some()).cloned();
            let to = match request.manner {
                Manner::Planned => by_link,
                Manner::Force | Manner::Takeover => by_link.or_else(any),
            };
            let to = to.ok_or_else(|| {
                Error::refused(format!("shard {} has no replica in sync", seats.shard))
                    .hint(hint![Verb::Status, " shows the links"; "--takeover promotes a replica whatever it has"])
            })?;
            Ok(handover(seats, to))
        })
        .collect()
}
