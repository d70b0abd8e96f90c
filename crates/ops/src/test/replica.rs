//! A write that replicas acknowledged is read back from each of them.

use super::{data::VALUE, stage::Shard};
use futures_util::future::join_all;
use rcluster_core::{
    data::{Command, Reply},
    node::Endpoint,
    test::{Counted, Fault, keys::Keys, script},
};
use rcluster_wire::Wire;
use std::time::{Duration, Instant};

/// For each replica of a shard, whether it has what was written to its master.
pub(super) async fn read_back(
    wire: &dyn Wire,
    shard: &Shard,
    blocked: Option<&str>,
    within: Duration,
) -> Vec<Counted> {
    let skip = |why: &str| {
        let part = |(name, _): &(String, _)| (name.clone(), Err(Fault::Blocked(why.to_owned())));
        shard.replicas.iter().map(part).collect()
    };
    let (master, keys) = match (blocked, &shard.endpoint, &shard.keys) {
        (Some(why), _, _) => return skip(why),
        (None, Some(master), Some(keys)) => (master, keys),
        _ => return skip("it has no slots to write to"),
    };
    let here = shard
        .replicas
        .iter()
        .filter(|(_, endpoint)| endpoint.is_some());
    let wanted = here.count();
    if wanted == 0 {
        return skip("does not answer: see connectivity");
    }
    let begun = Instant::now();
    let acknowledged = write(wire, master, keys, wanted, within).await;
    let took = begun.elapsed();
    let (acknowledged, wanted) = match (acknowledged, i64::try_from(wanted)) {
        (Ok(acknowledged), Ok(wanted)) => (acknowledged, wanted),
        (Err(why), _) => return skip_with(shard, &why),
        (_, Err(error)) => return skip_with(shard, &error.to_string()),
    };
    let readings = shard.replicas.iter().map(async |(name, endpoint)| {
        let result = match endpoint {
            None => Err(Fault::Blocked(
                "does not answer: see connectivity".to_owned(),
            )),
            Some(endpoint) => read(wire, endpoint, keys).await,
        };
        let result = match result {
            // WAIT only counts replicas, so those that have the value are the ones that
            // acknowledged it.
            Err(Fault::Wanting(why)) if acknowledged < wanted => Err(Fault::Wanting(format!(
                "{why}; {acknowledged} of {wanted} replicas acknowledged the write within {} ms",
                within.as_millis()
            ))),
            Ok(()) if acknowledged < wanted && shard.replicas.len() == 1 => {
                Err(Fault::Wanting(format!(
                    "has the value, but did not acknowledge it within {} ms",
                    within.as_millis()
                )))
            }
            Ok(()) => Ok(format!("acknowledged after {} ms", took.as_millis())),
            Err(fault) => Err(fault),
        };
        (name.clone(), result)
    });
    join_all(readings).await
}

fn skip_with(shard: &Shard, why: &str) -> Vec<Counted> {
    let part = |(name, _): &(String, _)| (name.clone(), Err(Fault::Error(why.to_owned())));
    shard.replicas.iter().map(part).collect()
}

/// Writes to the master; returns how many replicas acknowledged it.
async fn write(
    wire: &dyn Wire,
    master: &Endpoint,
    keys: &Keys,
    replicas: usize,
    within: Duration,
) -> Result<i64, String> {
    let commands = [
        script::set(&keys.waited, VALUE),
        Command::Wait(replicas, within),
    ];
    let replies = wire.batch(master, &commands).await;
    let mut last = Err("WAIT was not answered".to_owned());
    for reply in replies.map_err(|error| error.to_string())? {
        match reply {
            Err(error) => return Err(error.to_string()),
            Ok(Reply::Number(number)) => last = Ok(number),
            Ok(_) => {}
        }
    }
    last
}

/// Reads from the replica itself.
async fn read(wire: &dyn Wire, at: &Endpoint, keys: &Keys) -> Result<(), Fault> {
    let commands = [
        Command::ReadOnly,
        Command::Get(keys.waited.clone().into_bytes()),
        // The connection is used again, and the next check expects MOVED.
        Command::ReadWrite,
    ];
    let replies = wire.batch(at, &commands).await;
    match replies
        .map_err(|error| Fault::Error(error.to_string()))?
        .get(1)
    {
        Some(Ok(Reply::Value(Some(value)))) if value == VALUE.as_bytes() => Ok(()),
        Some(Ok(reply)) => Err(Fault::Wanting(format!("reads {reply}"))),
        Some(Err(error)) => Err(Fault::Wanting(error.to_string())),
        None => Err(Fault::Error("GET was not answered".to_owned())),
    }
}
