//! What lies in the slots: keys by slot, and the keys that are so large that moving them is felt.

use crate::failover::{ground::Ground, scene::Scene};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::words::Seats,
    reshape::{
        huge::{self, Huge},
        outline::Contents,
    },
    slot::Slot,
    snapshot::{Member, answer::WireError},
};

/// Keys whose size is asked for at once.
const SIZED: usize = 1000;

/// Keys of one slot that are listed. A slot with more has small ones mostly, and its huge ones may be
/// missed.
const LISTED: u64 = 100_000;

/// What one master has.
struct Found {
    slots: Vec<Slot>,
    keys: Vec<u64>,
    mean: u64,
    huge: Vec<Huge>,
}

/// Counts the keys of every slot at its master, and looks for huge ones where there may be any.
pub(crate) async fn weigh(ground: &Ground<'_>, scene: &Scene) -> Result<(Contents, Vec<Huge>)> {
    let all = join_all(
        scene
            .seats
            .iter()
            .map(|seats| of_master(ground, scene, seats)),
    )
    .await;
    let mut contents = Contents::default();
    let mut huge = Vec::new();
    for found in all {
        let found = found?;
        for (slot, keys) in found.slots.into_iter().zip(found.keys) {
            contents.keys.add(slot, keys);
            contents.bytes.add(slot, keys.saturating_mul(found.mean));
        }
        for one in &found.huge {
            contents.bytes.add(one.slot, one.bytes);
        }
        huge.extend(found.huge);
    }
    Ok((contents, huge))
}

async fn of_master(ground: &Ground<'_>, scene: &Scene, seats: &Seats) -> Result<Found> {
    let wire = ground.context.wire;
    let member = scene.member(&seats.master)?;
    let failed = |error: WireError| error.failure(&member.name);
    let slots: Vec<Slot> = seats.slots.slots().collect();
    let keys = wire
        .count_keys(&member.dial, &slots)
        .await
        .map_err(failed)?;
    let memory = wire.info(&member.dial, "memory").await.map_err(failed)?;
    let data = memory.number("used_memory_dataset");
    let all = keys.iter().sum::<u64>();
    let mut found = Found {
        huge: Vec::new(),
        mean: data / all.max(1),
        slots,
        keys,
    };
    if huge::is_possible(all, data) {
        found.huge = look_for_huge(ground, &member, &found).await?;
        let of_huge: u64 = found.huge.iter().map(|one| one.bytes).sum();
        found.mean = data.saturating_sub(of_huge) / all.max(1);
    }
    Ok(found)
}

async fn look_for_huge(ground: &Ground<'_>, member: &Member, found: &Found) -> Result<Vec<Huge>> {
    let wire = ground.live();
    let failed = |error: WireError| -> Error { error.failure(&member.name) };
    let mut huge = Vec::new();
    for (slot, count) in found.slots.iter().zip(&found.keys) {
        if *count == 0 {
            continue;
        }
        let asked = [(*slot, (*count).min(LISTED))];
        let keys = wire.keys_in(&member.dial, &asked).await.map_err(failed)?;
        let keys: Vec<Vec<u8>> = keys.into_iter().flatten().collect();
        for keys in keys.chunks(SIZED) {
            let sizes = wire.sizes(&member.dial, keys).await.map_err(failed)?;
            let pairs = keys.iter().zip(sizes);
            huge.extend(pairs.filter_map(|(key, size)| Huge::of(key, *slot, &member.name, size?)));
        }
    }
    Ok(huge)
}
