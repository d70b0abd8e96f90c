//! Keys that go to the owner of their slot, and keys that lie at both ends.
//!
//! MIGRATE works in a slot that is open at the node which sends; that node's own view has to name
//! some owner of the slot, and its cluster has to be `ok` (`getNodeByQuery` in cluster.c). Of a key
//! that lies at both ends nothing is removed before both values were compared, and none that differs
//! before it is on disk.

use super::steps::may_pass;
use crate::{cluster::context::Context, store::kept};
use rcluster_core::{
    data::{Command, Reply},
    error::{Error, Result},
    hint,
    hint::Verb,
    plan::step::Keep,
    reshape::{budget::Budget, moves::Manner},
    slot::{Slot, SlotSet},
    snapshot::{
        Member,
        answer::{WireError, WireResult},
        refusal::{Refusal, quoted},
    },
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Keys that are compared at once.
const COMPARED: u64 = 512;

/// How long one MIGRATE may keep its two nodes busy.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the two wait for each other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before it is tried again what was refused for a moment.
const AGAIN: Duration = Duration::from_millis(20);

/// Words of the error for keys with two values.
pub(super) const DIFFERENT: &str = "with different values";

/// Keys that have to go.
pub(super) struct Errand<'a> {
    pub context: &'a Context<'a>,
    pub from: Member,
    pub to: Member,
    /// Whose value is kept of a key that both have.
    pub keep: Keep,
    /// Whether that was agreed to.
    pub may_choose: bool,
    /// Where the others go.
    pub kept: &'a kept::Keep,
}

/// What became of keys.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub moved: u64,
    pub equal: u64,
    pub differing: u64,
}

/// Values by key.
type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// Sends every key of these slots, until the node that has them has none.
pub(super) async fn send(errand: &Errand<'_>, slots: &SlotSet, tally: &mut Tally) -> Result<()> {
    let mut budget = Budget::new(PAUSE, None);
    for slot in slots.slots() {
        let mut since = Instant::now();
        loop {
            match some(errand, slot, &mut budget, tally).await {
                Ok(0) => break,
                Ok(_) => since = Instant::now(),
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Again(error)) if since.elapsed() > errand.context.deadline => {
                    return Err(error);
                }
                Err(Stop::Again(_)) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
    Ok(())
}

/// Why it did not go on.
enum Stop {
    /// It may in a moment.
    Again(Error),
    /// Trying again does not help.
    Final(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Final(error)
    }
}

fn stop(error: &WireError, member: &Member) -> Stop {
    let failure = error.failure(&member.name);
    if may_pass(error) {
        Stop::Again(failure)
    } else {
        Stop::Final(failure)
    }
}

/// Some keys of a slot; how many there were.
async fn some(
    errand: &Errand<'_>,
    slot: Slot,
    budget: &mut Budget,
    tally: &mut Tally,
) -> Result<usize, Stop> {
    let wire = errand.context.wire;
    let Errand { from, to, .. } = errand;
    let keys = wire.keys_in(&from.dial, &[(slot, COMPARED)]).await;
    let keys: Vec<Vec<u8>> = keys
        .map_err(|error| stop(&error, from))?
        .into_iter()
        .flatten()
        .collect();
    if keys.is_empty() {
        return Ok(0);
    }
    let there = values(errand, to, &keys).await?;
    let both: Vec<Vec<u8>> = there.keys().cloned().collect();
    let here = values(errand, from, &both).await?;
    let only: Vec<Vec<u8>> = keys
        .iter()
        .filter(|key| !there.contains_key(*key))
        .cloned()
        .collect();
    tally.moved += migrate(errand, &only, false, budget).await?;
    let (mut equal, mut differing) = (Vec::new(), Vec::new());
    for key in both {
        // One that is gone from here meanwhile needs nothing.
        match here.get(&key) {
            Some(value) if there.get(&key) == Some(value) => equal.push(key),
            Some(_) => differing.push(key),
            None => {}
        }
    }
    tally.equal += equal.len() as u64;
    drop_loser(errand, &equal, budget).await?;
    if !differing.is_empty() && !errand.may_choose {
        return Err(Stop::Final(differ(errand, &differing)));
    }
    for key in differing {
        let (loser, lost) = match errand.keep {
            Keep::Target => (from, here.get(&key)),
            Keep::Source => (to, there.get(&key)),
        };
        let Some(payload) = lost.cloned() else {
            continue;
        };
        let value = kept::Kept {
            ttl_ms: ttl(errand, loser, &key).await?,
            node: loser.name.clone(),
            payload,
            key,
        };
        errand.kept.write(std::slice::from_ref(&value))?;
        drop_loser(errand, std::slice::from_ref(&value.key), budget).await?;
        tally.differing += 1;
    }
    Ok(keys.len())
}

/// What DUMP says of keys, also where their slot is only being imported. A key that is not there, or
/// that the node sends clients elsewhere for, has no value here.
async fn values(errand: &Errand<'_>, at: &Member, keys: &[Vec<u8>]) -> Result<Values, Stop> {
    if keys.is_empty() {
        return Ok(Values::new());
    }
    let commands: Vec<Command> = keys
        .iter()
        .flat_map(|key| [Command::Asking, Command::Dump(key.clone())])
        .collect();
    let replies = errand.context.wire.batch(&at.dial, &commands).await;
    let replies = replies.map_err(|error| stop(&error, at))?;
    let mut found = Values::new();
    for (key, reply) in keys.iter().zip(replies.into_iter().skip(1).step_by(2)) {
        match reply {
            Ok(Reply::Value(Some(value))) => {
                found.insert(key.clone(), value);
            }
            Ok(_) => {}
            Err(error) if is_ask(&error) => {}
            Err(error) => return Err(stop(&error, at)),
        }
    }
    Ok(found)
}

/// The owner of a slot that is being moved does not have this key any more.
fn is_ask(error: &WireError) -> bool {
    matches!(error, WireError::Reply { reply, .. } if reply.starts_with("ASK "))
}

async fn ttl(errand: &Errand<'_>, at: &Member, key: &[u8]) -> Result<Option<u64>, Stop> {
    let commands = [Command::Asking, Command::Pttl(key.to_vec())];
    let replies = errand.context.wire.batch(&at.dial, &commands).await;
    let replies = replies.map_err(|error| stop(&error, at))?;
    match replies.into_iter().nth(1) {
        Some(Ok(Reply::Number(millis))) => Ok(u64::try_from(millis).ok()),
        Some(Err(error)) => Err(stop(&error, at)),
        _ => Ok(None),
    }
}

/// Removes the value that is not kept: here, or there by sending the other one over it.
async fn drop_loser(
    errand: &Errand<'_>,
    keys: &[Vec<u8>],
    budget: &mut Budget,
) -> Result<(), Stop> {
    if keys.is_empty() {
        return Ok(());
    }
    if errand.keep == Keep::Source {
        migrate(errand, keys, true, budget).await?;
        return Ok(());
    }
    let from = &errand.from;
    let commands: Vec<Command> = keys
        .iter()
        .flat_map(|key| [Command::Asking, Command::Unlink(key.clone())])
        .collect();
    let replies = errand.context.wire.batch(&from.dial, &commands).await;
    let replies = replies.map_err(|error| stop(&error, from))?;
    let replies: WireResult<Vec<Reply>> = replies.into_iter().collect();
    replies.map(drop).map_err(|error| stop(&error, from))
}

/// Sends keys in batches; how many. One that the target got meanwhile stays for the next look.
async fn migrate(
    errand: &Errand<'_>,
    keys: &[Vec<u8>],
    replace: bool,
    budget: &mut Budget,
) -> Result<u64, Stop> {
    let manner = Manner {
        replace,
        patience: PATIENCE,
    };
    let Errand { from, to, .. } = errand;
    let mut rest = keys;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(budget.keys().min(rest.len()));
        let begun = Instant::now();
        let parcel = [batch.to_vec()];
        let wire = errand.context.wire;
        let sent = wire.migrate(&from.dial, &parcel, to.address, manner).await;
        match sent.and_then(rcluster_wire::all_done) {
            Ok(())
            | Err(WireError::Reply {
                refusal: Refusal::KeyExists,
                ..
            }) => {}
            Err(error) => return Err(stop(&error, from)),
        }
        budget.learn(batch.len(), begun.elapsed());
        rest = after;
    }
    Ok(keys.len() as u64)
}

fn differ(errand: &Errand<'_>, keys: &[Vec<u8>]) -> Error {
    let Errand { from, to, .. } = errand;
    let first = keys
        .first()
        .map(|key| quoted(&String::from_utf8_lossy(key)));
    let more = match keys.len() {
        0 | 1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    let served = match errand.keep {
        Keep::Target => &to.name,
        Keep::Source => &from.name,
    };
    Error::refused(format!(
        "the key '{}'{more} lies at {} and at {}, {DIFFERENT}",
        first.unwrap_or_default(),
        from.name,
        to.name
    ))
    .hint(hint![
        Verb::Fix.with("--yes"),
        format!(" keeps what clients were served, the value of {served}, and writes the other one to a file")
    ])
}
