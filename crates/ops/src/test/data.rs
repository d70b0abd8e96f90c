//! What a client does: it writes, reads, uses several keys at once, and follows MOVED.

use super::{
    stage::{Shard, Stage},
    suite::Target,
};
use futures_util::future::join_all;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::{
    data::{Command, Reply},
    node::Endpoint,
    test::{
        Counted, Fault,
        script::{self, Line, SOON},
    },
};
use rcluster_runtime::wait::{Look, wait_until};
use rcluster_wire::Wire;
use std::time::Duration;

/// How long a key may still exist after its expiry ([`SOON`]).
const EXPIRED: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(5);

/// The value of every key.
pub(super) const VALUE: &str = "rcluster test";

/// SET, GET, INCR, EXPIRE and DEL; the key with the expiry has to be gone in the end.
pub(super) async fn read_write(wire: &dyn Wire, target: &Target<'_>) -> Result<String, Fault> {
    let at = target.endpoint;
    follow(wire, at, &script::read_write(target.keys, VALUE)).await?;
    let read = [Command::Get(target.keys.expiring.clone().into_bytes())];
    let gone = wait_until(POLL, SOON + EXPIRED, async || {
        let replies = wire
            .batch(at, &read)
            .await
            .map_err(|error| wanting(&error))?;
        match replies.into_iter().next() {
            Some(Ok(Reply::Value(None))) => Ok(Look::Ready(())),
            Some(Err(error)) => Err(wanting(&error)),
            _ => Ok(Look::Pending(())),
        }
    })
    .await?;
    match gone {
        Ok(()) => Ok(format!("through {at}")),
        Err(late) => Err(Fault::Wanting(format!(
            "a key that was to expire after {} ms is still there after {} ms",
            SOON.as_millis(),
            late.waited.as_millis()
        ))),
    }
}

/// MSET and MGET of keys in one slot, and the refusal for keys in two.
pub(super) async fn hash_tags(wire: &dyn Wire, target: &Target<'_>) -> Result<String, Fault> {
    let lines = script::hash_tags(target.keys, VALUE);
    follow(wire, target.endpoint, &lines).await?;
    Ok(match target.keys.elsewhere {
        Some(_) => "MSET and MGET of one slot; two slots are refused".to_owned(),
        None => "MSET and MGET of one slot".to_owned(),
    })
}

/// Writes the keys that are read later.
pub(super) async fn preload(wire: &dyn Wire, target: &Target<'_>) -> Result<String, Fault> {
    follow(wire, target.endpoint, &script::preload(target.keys, VALUE)).await?;
    Ok(String::new())
}

async fn follow(wire: &dyn Wire, at: &Endpoint, lines: &[Line]) -> Result<(), Fault> {
    let commands: Vec<Command> = lines.iter().map(|(command, _)| command.clone()).collect();
    let replies = wire
        .batch(at, &commands)
        .await
        .map_err(|error| wanting(&error))?;
    script::judge(lines, &replies).map_err(Fault::Wanting)
}

fn wanting(error: &WireError) -> Fault {
    Fault::Wanting(error.to_string())
}

/// Asks every node for a key of every shard that it does not serve. (A replica redirects a client
/// too, unless it said READONLY.)
pub(super) async fn moved(stage: &Stage, wire: &dyn Wire) -> Vec<Counted> {
    let work = stage.nodes.iter().map(async |node| {
        let foreign: Vec<&Shard> = stage
            .shards
            .iter()
            .filter(|shard| shard.keys.is_some() && shard.endpoint.is_some())
            .filter(|shard| shard.master.is_none() || shard.master != node.id)
            .collect();
        let commands: Vec<Command> = foreign
            .iter()
            .filter_map(|shard| {
                Some(Command::Get(
                    shard.keys.as_ref()?.value.clone().into_bytes(),
                ))
            })
            .collect();
        if commands.is_empty() {
            return None;
        }
        let result = match wire.batch(&node.endpoint, &commands).await {
            Err(error) => Err(wanting(&error)),
            Ok(replies) => foreign
                .iter()
                .zip(replies)
                .try_for_each(|(shard, reply)| right(shard, reply)),
        };
        let result = result.map(|()| match foreign.len() {
            1 => "one other shard".to_owned(),
            others => format!("{others} other shards"),
        });
        Some((node.name.clone(), result))
    });
    join_all(work).await.into_iter().flatten().collect()
}

fn right(shard: &Shard, reply: Result<Reply, WireError>) -> Result<(), Fault> {
    let (Some(keys), Some(endpoint)) = (&shard.keys, &shard.endpoint) else {
        return Ok(());
    };
    let wanted = keys.slot();
    match reply {
        Err(WireError::Moved { slot, to, .. }) if slot != wanted.number() => Err(Fault::Wanting(
            format!("names {to} for slot {slot}; slot {wanted} was asked for"),
        )),
        Err(WireError::Moved { to, .. }) if to != *endpoint => Err(Fault::Wanting(format!(
            "sends slot {wanted} to {to}; {endpoint} serves it"
        ))),
        Err(WireError::Moved { .. }) => Ok(()),
        Err(error) => Err(wanting(&error)),
        Ok(reply) => Err(Fault::Wanting(format!(
            "answers {reply} for slot {wanted}, which {endpoint} serves"
        ))),
    }
}
