//! A key that lies at both ends of a move.
//!
//! The target got it from an earlier MIGRATE whose answer was lost, or had it before. Where both are
//! alike, it does not matter which is kept. Where they differ, nothing here decides.

use super::{
    road::{Road, Stumble},
    travel::Trip,
};
use rcluster_core::{
    data::{Command, Reply},
    error::Error,
    hint,
    hint::Verb,
    node::Endpoint,
    reshape::moves::Manner,
    slot::Slot,
    snapshot::{Member, refusal::quoted},
};

/// Keys that are compared at once.
const COMPARED: u64 = 512;

/// Sends the keys of a slot again, over those at the target that are alike.
pub(super) async fn settle(road: &Road<'_>, trip: &Trip, slot: Slot) -> Result<(), Stumble> {
    let (from, to) = (&trip.from.member, &trip.to.member);
    let keys = road.wire.keys_in(&from.dial, &[(slot, COMPARED)]).await;
    let keys = keys.map_err(|error| Stumble::of(&error, &from.name))?;
    let keys: Vec<Vec<u8>> = keys.into_iter().flatten().collect();
    let here = dumps(road, from, &keys).await?;
    let there = dumps(road, to, &keys).await?;
    let mut alike = Vec::new();
    for ((key, here), there) in keys.into_iter().zip(here).zip(there) {
        match (here, there) {
            (Some(here), Some(there)) if here != there => return Err(differ(trip, &key)),
            (Some(_), Some(_)) => alike.push(key),
            // Only here, or gone meanwhile: it is sent as every other.
            _ => {}
        }
    }
    let manner = Manner {
        replace: true,
        patience: road.limits.patience,
    };
    if alike.is_empty() {
        return Ok(());
    }
    let sent = road
        .wire
        .migrate(&from.dial, &[alike], to.address, manner)
        .await;
    let sent = sent.and_then(rcluster_wire::all_done);
    sent.map_err(|error| Stumble::of(&error, &from.name))
}

/// What DUMP says of each key, also in a slot that is only being imported.
async fn dumps(
    road: &Road<'_>,
    member: &Member,
    keys: &[Vec<u8>],
) -> Result<Vec<Option<Vec<u8>>>, Stumble> {
    let commands = keys
        .iter()
        .flat_map(|key| [Command::Asking, Command::Dump(key.clone())]);
    let commands: Vec<Command> = commands.collect();
    let at: &Endpoint = &member.dial;
    let replies = road.wire.batch(at, &commands).await;
    let replies = replies.map_err(|error| Stumble::of(&error, &member.name))?;
    let mut dumps = Vec::with_capacity(keys.len());
    for reply in replies.into_iter().skip(1).step_by(2) {
        match reply {
            Ok(Reply::Value(dump)) => dumps.push(dump),
            Ok(_) => dumps.push(None),
            Err(error) => return Err(Stumble::of(&error, &member.name)),
        }
    }
    Ok(dumps)
}

fn differ(trip: &Trip, key: &[u8]) -> Stumble {
    let (from, to) = (&trip.from.member.name, &trip.to.member.name);
    let key = quoted(&String::from_utf8_lossy(key));
    Stumble::Final(
        Error::refused(format!(
            "the key '{key}' lies at {from} and at {to}, with different values"
        ))
        .hint(hint![Verb::Status, " shows the slot that is open"]),
    )
}
