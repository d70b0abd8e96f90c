//! Commands on keys, as a client of the cluster sends them.

use super::{LiveWire, live::Replies};
use async_trait::async_trait;
use rcluster_core::{
    data::{Command, Reply},
    node::Endpoint,
    snapshot::answer::{WireError, WireResult},
};
use redis::{Cmd, Pipeline, cmd};
use std::time::Duration;

/// How long the key of a probe lives if nobody removes it, in seconds.
const PROBE_KEPT: u64 = 60;

/// Calls that read and write keys on one node. A redirection (MOVED, ASK) is an answer like any
/// other; it is not followed.
#[async_trait]
pub trait Data: Send + Sync {
    /// Sends commands in one pipeline, on one connection. Each command has its own reply or
    /// refusal; an error of the whole call means that nobody knows which commands were carried out.
    async fn batch(
        &self,
        at: &Endpoint,
        commands: &[Command],
    ) -> WireResult<Vec<WireResult<Reply>>>;

    /// Writes a key, reads it back and deletes it, all on this endpoint.
    async fn probe(&self, at: &Endpoint, key: &[u8], value: &[u8]) -> WireResult<()>;
}

#[async_trait]
impl Data for LiveWire {
    async fn batch(
        &self,
        at: &Endpoint,
        commands: &[Command],
    ) -> WireResult<Vec<WireResult<Reply>>> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        let mut patience = Duration::ZERO;
        for command in commands {
            if let Command::Wait(_, within) = command {
                patience += *within;
            }
            pipeline.add_command(spoken(command));
        }
        let mut replies = self.send_patiently(at, &pipeline, patience).await?;
        let taken = commands.iter().map(|command| reply(command, &mut replies));
        Ok(taken.collect())
    }

    async fn probe(&self, at: &Endpoint, key: &[u8], value: &[u8]) -> WireResult<()> {
        let mut pipeline = Pipeline::with_capacity(3);
        let set = pipeline.cmd("SET").arg(key).arg(value);
        set.arg("EX").arg(PROBE_KEPT);
        pipeline.cmd("GET").arg(key);
        pipeline.cmd("DEL").arg(key);
        let mut replies = self.send(at, &pipeline).await?;
        replies.take::<()>("SET")?;
        let read = Reply::Value(replies.take("GET")?);
        let written = Reply::Value(Some(value.to_vec()));
        if read != written {
            let why = format!("wrote {written}, read {read}");
            return Err(WireError::unreadable(at, "GET", &why));
        }
        replies.take::<i64>("DEL").map(drop)
    }
}

fn spoken(command: &Command) -> Cmd {
    let mut spoken = cmd(command.word());
    match command {
        Command::Set { key, value, expire } => {
            spoken.arg(key).arg(value).arg("PX").arg(millis(*expire));
        }
        Command::Get(key)
        | Command::Incr(key)
        | Command::Del(key)
        | Command::Unlink(key)
        | Command::Pttl(key)
        | Command::Dump(key) => {
            spoken.arg(key);
        }
        Command::Restore {
            key,
            payload,
            expire,
            replace,
        } => {
            // 0 means that it never expires.
            let expire = expire.map_or(0, |after| millis(after).max(1));
            spoken.arg(key).arg(expire).arg(payload);
            if *replace {
                spoken.arg("REPLACE");
            }
        }
        Command::Expire(key, after) if after.subsec_millis() == 0 => {
            spoken.arg(key).arg(after.as_secs());
        }
        Command::Expire(key, after) => {
            spoken.arg(key).arg(millis(*after));
        }
        Command::Mset(pairs) => {
            for (key, value) in pairs {
                spoken.arg(key).arg(value);
            }
        }
        Command::Mget(keys) => {
            spoken.arg(keys);
        }
        Command::Wait(replicas, within) => {
            spoken.arg(*replicas).arg(millis(*within));
        }
        Command::Asking | Command::ReadOnly | Command::ReadWrite => {}
    }
    spoken
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn reply(command: &Command, replies: &mut Replies) -> WireResult<Reply> {
    let word = command.word();
    match command {
        Command::Set { .. }
        | Command::Mset(_)
        | Command::Restore { .. }
        | Command::Asking
        | Command::ReadOnly
        | Command::ReadWrite => replies.take::<()>(word).map(|()| Reply::Done),
        Command::Get(_) | Command::Dump(_) => replies.take(word).map(Reply::Value),
        Command::Mget(_) => replies.take(word).map(Reply::Values),
        Command::Incr(_)
        | Command::Del(_)
        | Command::Unlink(_)
        | Command::Expire(..)
        | Command::Pttl(_)
        | Command::Wait(..) => replies.take(word).map(Reply::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sent_as_redis_reads_them() {
        let packed = |command: &Command| {
            let words = spoken(command);
            let words = words.args_iter().filter_map(|arg| match arg {
                redis::Arg::Simple(bytes) => String::from_utf8(bytes.to_vec()).ok(),
                _ => None,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let key = || b"k".to_vec();
        let set = Command::Set {
            key: key(),
            value: b"v".to_vec(),
            expire: Duration::from_secs(2),
        };
        assert_eq!(packed(&set), "SET k v PX 2000");
        assert_eq!(
            packed(&Command::Expire(key(), Duration::from_secs(9))),
            "EXPIRE k 9"
        );
        assert_eq!(
            packed(&Command::Expire(key(), Duration::from_millis(20))),
            "PEXPIRE k 20"
        );
        assert_eq!(
            packed(&Command::Mset(vec![(key(), b"v".to_vec())])),
            "MSET k v"
        );
        assert_eq!(packed(&Command::Mget(vec![key(), key()])), "MGET k k");
        assert_eq!(
            packed(&Command::Wait(2, Duration::from_secs(1))),
            "WAIT 2 1000"
        );
    }
}
