//! Removes every key that the run may have written.

use super::stage::Stage;
use futures_util::future::join_all;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::{
    data::Command,
    node::Endpoint,
    test::{Fault, Measured, precise, script},
};
use rcluster_wire::Wire;
use std::time::Duration;

/// What is left on a shard.
pub(super) struct Left {
    shard: String,
    /// How many keys may still be there, and why.
    keys: usize,
    why: Option<String>,
    /// Why nothing was written there.
    untouched: Option<String>,
}

impl Left {
    pub(super) fn measured(self) -> Measured {
        let seen = match (self.untouched, self.why) {
            (Some(why), _) => Err(Fault::Skipped(format!("nothing was written: {why}"))),
            (None, None) => Ok((0.0, "0 keys left".to_owned())),
            (None, Some(why)) => {
                let text = format!("{} keys may be left: {why}", self.keys);
                Ok((precise(self.keys), text))
            }
        };
        (self.shard, seen)
    }
}

/// Whether no key is left.
pub(super) fn all_gone(left: &[Left]) -> bool {
    left.iter().all(|left| left.why.is_none())
}

/// Removes the keys on all shards at the same time; what is not removed within `bound` counts as
/// left.
pub(super) async fn clean(stage: &Stage, wire: &dyn Wire, bound: Duration) -> Vec<Left> {
    let work = stage.shards.iter().map(async |shard| {
        let (Some(keys), Some(endpoint), None) = (&shard.keys, &shard.endpoint, &shard.blocked)
        else {
            return Left {
                shard: shard.name.clone(),
                keys: 0,
                why: None,
                untouched: shard.blocked.clone().or(Some("it has no slots".to_owned())),
            };
        };
        let keys = script::bytes(keys.written());
        let (keys, why) = match tokio::time::timeout(bound, unlink(wire, endpoint, &keys)).await {
            Ok(Ok(())) => (0, None),
            Ok(Err((left, why))) => (left, Some(why)),
            Err(_) => (
                keys.len(),
                Some(format!("no answer within {} s", bound.as_secs())),
            ),
        };
        Left {
            shard: shard.name.clone(),
            keys,
            why,
            untouched: None,
        }
    });
    join_all(work).await
}

/// Sends an UNLINK for each key, so that keys of several slots fit into one pipeline. Follows MOVED
/// once, because there may have been a failover.
async fn unlink(wire: &dyn Wire, at: &Endpoint, keys: &[Vec<u8>]) -> Result<(), (usize, String)> {
    let commands = keys.iter().cloned().map(Command::Unlink);
    let commands: Vec<Command> = commands.collect();
    let whole = |error: WireError| (keys.len(), error.to_string());
    let replies = wire.batch(at, &commands).await.map_err(whole)?;
    let mut moved: Option<Endpoint> = None;
    let mut failed = Ok(());
    let mut left = 0;
    for error in replies.into_iter().filter_map(Result::err) {
        left += 1;
        match error {
            WireError::Moved { to, .. } => moved = Some(to),
            error => failed = Err(error.to_string()),
        }
    }
    match (failed, moved) {
        (Err(why), _) => Err((left, why)),
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(to)) => {
            let replies = wire.batch(&to, &commands).await.map_err(whole)?;
            let left = replies.iter().filter(|reply| reply.is_err()).count();
            match left {
                0 => Ok(()),
                _ => Err((left, "its slots moved while the test ran".to_owned())),
            }
        }
    }
}
