//! `reshard` and `rebalance`: observe, plan, check, apply, verify.

use super::{
    road::{Limits, Road},
    travel::travel,
};
use crate::{
    cluster::{apply::Applier, verify},
    failover::{ground::Ground, hold, scene::Scene},
};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    judge::Wanted,
    node::NodeName,
    plan::step::Step,
    reshape::{
        moves::Move,
        outline::{self, Contents, Done, Outline, SCHEMA, Share},
        wish::{self, Wish},
    },
    slot::Slot,
    text::human,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What is observed and what is to be done about it.
struct Intended {
    scene: Scene,
    contents: Contents,
    before: Vec<Share>,
    moves: Vec<Move>,
}

/// What it would do.
pub async fn outline(ground: &Ground<'_>, wish: &Wish) -> Result<Outline> {
    let scene = Scene::calm(ground).await?;
    let intended = intend(ground, scene, wish).await?;
    Ok(told(ground, &intended))
}

/// Moves what was asked for, until it is done or the run is to end.
pub async fn reshape(
    ground: &Ground<'_>,
    wish: &Wish,
    limits: Limits,
    halt: Arc<AtomicBool>,
) -> Result<Done> {
    let started = Instant::now();
    let scene = Scene::settled(ground, "waiting for a healthy cluster").await?;
    let intended = intend(ground, scene, wish).await?;
    let outline = told(ground, &intended);
    let road = Road::new(ground, limits, (outline.slots, outline.keys), halt);
    let outcome = match hold::hold(ground, &intended.scene).await {
        Ok(()) => carry_out(&road, &intended, &outline).await,
        Err(error) => Err(error),
    };
    hold::release(ground, outcome).await?;
    let after = Scene::look(ground).await?;
    let complete = !road.is_halted();
    Ok(Done {
        schema: SCHEMA,
        cluster: outline.cluster,
        complete,
        slots: road.count.slots.load(Ordering::Relaxed),
        keys: road.count.keys.load(Ordering::Relaxed),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        after: outline::shares(
            &after.seats,
            &without_slots(&after),
            &contents(ground, &after).await?,
        ),
    })
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
    verify::verify(&ground.context, &mut applier, Wanted::default())
        .await
        .map(drop)
}

async fn intend(ground: &Ground<'_>, scene: Scene, wish: &Wish) -> Result<Intended> {
    scene.refuse_open_slots()?;
    let contents = contents(ground, &scene).await?;
    let before = outline::shares(&scene.seats, &without_slots(&scene), &contents);
    let moves = wish::moves(wish, &before, &contents)?;
    refuse_too_small(&scene, &moves, &contents)?;
    Ok(Intended {
        scene,
        contents,
        before,
        moves,
    })
}

fn told(ground: &Ground<'_>, intended: &Intended) -> Outline {
    let Intended {
        contents,
        before,
        moves,
        ..
    } = intended;
    let sum = |of: &dyn Fn(&Move) -> u64| moves.iter().map(of).sum();
    Outline {
        schema: SCHEMA,
        cluster: ground.launch.name.to_string(),
        before: before.clone(),
        after: outline::after(before, moves, contents),
        slots: sum(&|one| u64::from(one.slots.count())),
        keys: sum(&|one| contents.keys.sum(&one.slots)),
        bytes: sum(&|one| contents.bytes.sum(&one.slots)),
        plan: outline::plan(moves),
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

/// Counts the keys of every slot at its master.
async fn contents(ground: &Ground<'_>, scene: &Scene) -> Result<Contents> {
    let wire = ground.context.wire;
    let counted = scene.seats.iter().map(async |seats| {
        let member = scene.member(&seats.master)?;
        let failed =
            |error: rcluster_core::snapshot::answer::WireError| error.failure(&member.name);
        let slots: Vec<Slot> = seats.slots.slots().collect();
        let keys = wire
            .count_keys(&member.dial, &slots)
            .await
            .map_err(failed)?;
        let memory = wire.info(&member.dial, "memory").await.map_err(failed)?;
        let all = keys.iter().sum::<u64>().max(1);
        let mean = memory.number("used_memory_dataset") / all;
        Ok::<_, Error>((slots, keys, mean))
    });
    let mut contents = Contents::default();
    for counted in join_all(counted).await {
        let (slots, keys, mean) = counted?;
        for (slot, keys) in slots.into_iter().zip(keys) {
            contents.keys.add(slot, keys);
            contents.bytes.add(slot, keys.saturating_mul(mean));
        }
    }
    Ok(contents)
}

/// Refuses what a target has no memory for: half as much again as what comes.
fn refuse_too_small(scene: &Scene, moves: &[Move], contents: &Contents) -> Result<()> {
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
