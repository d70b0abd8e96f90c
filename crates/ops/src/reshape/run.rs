//! `reshard` and `rebalance`: observe, plan, check, apply, verify.

use super::{
    pace::{Bounds, Pace},
    road::{Limits, Road, Whole},
    travel::travel,
    weigh::weigh,
};
use crate::{
    cluster::{apply::Applier, look, verify},
    failover::{ground::Ground, hold, scene::Scene},
    store::moves::{Of, Undertaking},
    store::state::State,
};
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::{Command, Verb},
    next,
    node::{NodeId, NodeName},
    plan::step::Step,
    reshape::{
        huge::{self, Huge},
        moves::Move,
        outline::{self, Contents, Done, Outline, SCHEMA, Share},
        wish::{self, Wish},
    },
    slot::{Slot, SlotSet},
    text::human,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// As it is typed, to know it again: `reshard --to node-2 --slots 100`.
    pub command: String,
    /// What is to move.
    pub wish: Wish,
    /// What it may do to its nodes.
    pub limits: Limits,
    /// How fast it may be.
    pub bounds: Bounds,
    /// Where it is noted how far it has come.
    pub state: &'a State,
}

/// What is observed and what is to be done about it.
struct Intended {
    scene: Scene,
    contents: Contents,
    before: Vec<Share>,
    moves: Vec<Move>,
    huge: Vec<Huge>,
}

/// What it would do.
pub async fn outline(ground: &Ground<'_>, request: &Request<'_>) -> Result<Outline> {
    let scene = Scene::calm(ground).await?;
    let intended = intend(ground, scene, request).await?;
    Ok(told(ground, &intended))
}

/// Moves what was asked for, until it is done or the run is to end.
pub async fn reshape(
    ground: &Ground<'_>,
    request: &Request<'_>,
    halt: Arc<AtomicBool>,
) -> Result<Done> {
    let started = Instant::now();
    // What an earlier run held and was killed before it could put back.
    hold::put_back(ground).await?;
    refuse_after_drill(ground)?;
    let scene = Scene::settled(ground, "waiting for a healthy cluster").await?;
    let intended = intend(ground, scene, request).await?;
    let outline = told(ground, &intended);
    let ids = ids(&intended.scene);
    let of = of(ground, &ids);
    let steps = intended.moves.len();
    let mut complete = true;
    let (mut slots, mut keys) = (0, 0);
    if !intended.moves.is_empty() {
        let undertaking = Undertaking {
            command: request.command.clone(),
            moves: intended.moves.clone(),
        };
        request.state.note_undertaking(of, Some(&undertaking))?;
        let whole = Whole {
            slots: outline.slots,
            keys: outline.keys,
            bytes: outline.bytes,
        };
        let moving: SlotSet = intended
            .moves
            .iter()
            .flat_map(|one| one.slots.ranges().to_vec())
            .collect();
        let pace = Pace::new(ground, &intended.scene, &moving, request.bounds);
        let longest = intended
            .huge
            .iter()
            .map(Huge::takes)
            .max()
            .unwrap_or_default();
        let limits = Limits {
            patience: request.limits.patience.max(longest * 3),
            ..request.limits
        };
        let road = Road::new(ground, limits, whole, pace, halt);
        let raised = raised(ground, &intended).await?;
        let outcome = match hold::hold_for_moves(ground, &intended.scene, raised).await {
            Ok(()) => carry_out(&road, &intended, &outline).await,
            Err(error) => Err(error),
        };
        let outcome = hold::release(ground, outcome).await;
        complete = !road.is_halted();
        slots = road.count.slots.load(Ordering::Relaxed);
        keys = road.count.keys.load(Ordering::Relaxed);
        road.pace.finish(ground).await;
        outcome.map_err(|error| to_go_on(error, request))?;
    }
    if complete {
        request.state.note_undertaking(of, None)?;
    }
    let after = Scene::look(ground).await?;
    let (contents, _) = weigh(ground, &after).await?;
    Ok(Done {
        schema: SCHEMA,
        cluster: outline.cluster,
        complete,
        steps,
        slots,
        keys,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        after: outline::shares(&after.seats, &without_slots(&after), &contents),
    })
}

/// What a killed drill broke is mended first.
fn refuse_after_drill(ground: &Ground<'_>) -> Result<()> {
    let state = ground.context.state;
    let noted = state.map(|state| state.drill(ground.name())).transpose()?;
    match noted.flatten() {
        None => Ok(()),
        Some(_) => Err(
            Error::refused("a drill was interrupted, and what it broke is not mended")
                .hint(hint![Verb::Up, " mends it"]),
        ),
    }
}

/// The node timeout that lets huge keys move without a failover, if the present one does not.
async fn raised(ground: &Ground<'_>, intended: &Intended) -> Result<Option<u64>> {
    let members = intended.scene.members();
    let (Some(any), false) = (members.first(), intended.huge.is_empty()) else {
        return Ok(None);
    };
    let config = look::config(&ground.context, any, &["cluster-node-timeout"]).await?;
    let now = config.values().next().and_then(|value| value.parse().ok());
    Ok(huge::node_timeout(&intended.huge, now.unwrap_or(15_000)))
}

/// An error in the middle leaves slots open, and the same command a way on.
fn to_go_on(error: Error, request: &Request<'_>) -> Error {
    let first = error.hints().clone();
    error.hint(first.or(next![
        "then the same command goes on: ",
        typed(&request.command)
    ]))
}

async fn carry_out(road: &Road<'_>, intended: &Intended, outline: &Outline) -> Result<()> {
    let ground = road.ground;
    let mut applier = Applier::new(&ground.context, ground.launch, ground.password)
        .having_seen(intended.scene.snapshot.clone());
    applier
        .apply_with(&outline.plan, &async |step: &Step| match step {
            Step::MoveSlots { from, to, slots } => {
                let one = Move {
                    from: from.clone(),
                    to: to.clone(),
                    slots: slots.clone(),
                };
                Some(travel(road, &one).await)
            }
            _ => None,
        })
        .await?;
    if road.is_halted() {
        return Ok(());
    }
    let proof = verify::serves(&ground.context, &mut applier).await;
    proof.map(drop)
}

async fn intend(ground: &Ground<'_>, scene: Scene, request: &Request<'_>) -> Result<Intended> {
    let begun = request.state.undertaking(of(ground, &ids(&scene)))?;
    let wish = match begun {
        Some(begun) if begun.command == request.command => {
            ground
                .context
                .note("going on with what an earlier run has begun");
            Wish::Moves(begun.moves)
        }
        Some(begun) => return Err(refuse_another(&begun)),
        None => request.wish.clone(),
    };
    let (contents, huge) = weigh(ground, &scene).await?;
    let before = outline::shares(&scene.seats, &without_slots(&scene), &contents);
    let moves = wish::moves(&wish, &before, &contents)?;
    refuse_open_slots(&scene, &moves)?;
    refuse_too_small(&scene, &moves, &contents)?;
    let moves_it = |one: &Huge| moves.iter().any(|it| it.slots.contains(one.slot));
    Ok(Intended {
        huge: huge.into_iter().filter(moves_it).collect(),
        scene,
        contents,
        before,
        moves,
    })
}

pub(crate) fn refuse_another(begun: &Undertaking) -> Error {
    Error::refused(format!("`{}` was begun and has not ended", begun.command))
        .hint(hint!["finish it first: ", typed(&begun.command)])
}

/// `reshard --to node-2 --slots 100`, or a `rebalance`, as a command of a hint.
fn typed(command: &str) -> Command {
    let (verb, args) = command.split_once(' ').unwrap_or((command, ""));
    let verb = match verb {
        "rebalance" => Verb::Rebalance,
        _ => Verb::Reshard,
    };
    verb.with(args.to_owned())
}

/// Slots that are open for another reason than these moves are somebody else's.
fn refuse_open_slots(scene: &Scene, moves: &[Move]) -> Result<()> {
    let mine = |slot: u16| {
        let slot = Slot::new(slot);
        slot.is_some_and(|slot| moves.iter().any(|one| one.slots.contains(slot)))
    };
    let said = scene.snapshot.said();
    let open = said.filter_map(|(_, report)| report.view.me());
    if open.flat_map(|me| &me.open).all(|open| mine(open.slot)) {
        return Ok(());
    }
    scene.refuse_open_slots()
}

fn told(ground: &Ground<'_>, intended: &Intended) -> Outline {
    let Intended {
        contents,
        before,
        moves,
        huge,
        ..
    } = intended;
    let sum = |of: &dyn Fn(&Move) -> u64| moves.iter().map(of).sum();
    let mut plan = outline::plan(moves);
    plan.notes.extend(huge.iter().map(|one| {
        format!(
            "the key '{}' in slot {} of {} has {}: it keeps both nodes from serving for about {} s",
            one.key,
            one.slot,
            one.node,
            human::bytes(one.bytes),
            one.takes().as_secs(),
        )
    }));
    Outline {
        schema: SCHEMA,
        cluster: ground.launch.name.to_string(),
        before: before.clone(),
        after: outline::after(before, moves, contents),
        slots: sum(&|one| u64::from(one.slots.count())),
        keys: sum(&|one| contents.keys.sum(&one.slots)),
        bytes: sum(&|one| contents.bytes.sum(&one.slots)),
        plan,
    }
}

fn ids(scene: &Scene) -> Vec<NodeId> {
    scene.snapshot.ids().into_iter().collect()
}

pub(crate) fn of<'a>(ground: &Ground<'a>, ids: &'a [NodeId]) -> Of<'a> {
    match ground.context.state {
        Some(_) => Of::Ours(ground.name()),
        None => Of::Nodes(ids),
    }
}

/// Masters that own nothing.
fn without_slots(scene: &Scene) -> Vec<NodeName> {
    let said = scene.snapshot.said();
    let bare = said.filter(|(_, report)| {
        let me = report.view.me();
        me.is_some_and(|me| me.master.is_none() && me.slots.is_empty())
    });
    bare.map(|(node, _)| node.name.clone()).collect()
}

/// Refuses what a target has no memory for: half as much again as what comes.
pub(crate) fn refuse_too_small(scene: &Scene, moves: &[Move], contents: &Contents) -> Result<()> {
    for (node, report) in scene.snapshot.said() {
        let arrivals = moves.iter().filter(|one| one.to == node.name);
        let comes: u64 = arrivals.map(|one| contents.bytes.sum(&one.slots)).sum();
        let info = &report.info;
        let needs = comes.saturating_add(comes / 2);
        let free = info.memory_max_bytes.saturating_sub(info.memory_used_bytes);
        if comes == 0 || info.memory_max_bytes == 0 || needs <= free {
            continue;
        }
        return Err(Error::refused(format!(
            "{} is to get about {}, for which {} should be free, and has {} left of its maxmemory of {}",
            node.name,
            human::bytes(comes),
            human::bytes(needs),
            human::bytes(free),
            human::bytes(info.memory_max_bytes),
        ))
        .hint(hint!["move fewer slots, or raise `maxmemory`; ", Verb::Status, " shows the memory of each node"]));
    }
    Ok(())
}
