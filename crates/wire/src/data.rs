//! Commands on keys, as a client of the cluster sends them: a trait of its own, so that what forms
//! and mends clusters need not know it.

use super::{LiveWire, WireResult, live};
use async_trait::async_trait;
use rcluster_core::{
    data::{Command, Reply},
    node::Endpoint,
    snapshot::info::Fields,
};
use redis::{Cmd, Pipeline, Value, cmd};
use std::time::Duration;

/// Data of one node, following no redirection.
#[async_trait]
pub trait DataWire: Send + Sync {
    /// Sends commands in one pipeline, on one connection. Each has its own reply or refusal; an
    /// error of the whole means that nobody knows which were carried out.
    async fn batch(
        &self,
        at: &Endpoint,
        commands: &[Command],
    ) -> WireResult<Vec<WireResult<Reply>>>;

    /// A section of INFO.
    async fn info(&self, at: &Endpoint, section: &str) -> WireResult<Fields>;
}

#[async_trait]
impl DataWire for LiveWire {
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
        let replies = self.pipeline(at, &pipeline, patience).await?;
        let pairs = commands.iter().zip(replies);
        Ok(pairs
            .map(|(command, value)| reply(at, command, value))
            .collect())
    }

    async fn info(&self, at: &Endpoint, section: &str) -> WireResult<Fields> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("INFO").arg(section);
        let replies = self.pipeline(at, &pipeline, Duration::ZERO).await?;
        let text: String = live::take(at, "INFO", replies.into_iter().next())?;
        Ok(Fields::parse(&text))
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
        | Command::Pttl(key) => {
            spoken.arg(key);
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
        Command::ReadOnly | Command::ReadWrite => {}
    }
    spoken
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn reply(at: &Endpoint, command: &Command, value: Value) -> WireResult<Reply> {
    let (word, value) = (command.word(), Some(value));
    match command {
        Command::Set { .. } | Command::Mset(_) | Command::ReadOnly | Command::ReadWrite => {
            live::take::<()>(at, word, value).map(|()| Reply::Done)
        }
        Command::Get(_) => live::take(at, word, value).map(Reply::Text),
        Command::Mget(_) => live::take(at, word, value).map(Reply::Texts),
        Command::Incr(_)
        | Command::Del(_)
        | Command::Unlink(_)
        | Command::Expire(..)
        | Command::Pttl(_)
        | Command::Wait(..) => live::take(at, word, value).map(Reply::Number),
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
        let key = || "k".to_owned();
        let set = Command::Set {
            key: key(),
            value: "v".to_owned(),
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
            packed(&Command::Mset(vec![(key(), "v".to_owned())])),
            "MSET k v"
        );
        assert_eq!(packed(&Command::Mget(vec![key(), key()])), "MGET k k");
        assert_eq!(
            packed(&Command::Wait(2, Duration::from_secs(1))),
            "WAIT 2 1000"
        );
    }
}
