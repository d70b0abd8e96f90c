//! Calls that only drills and planned failovers make: tell a replica to take over, look quickly
//! within a deadline of the caller's, and send a client's command exactly once, without the retries
//! of other calls.

use super::{LiveWire, Looks, live::CHANGE_DEADLINE, replies};
use async_trait::async_trait;
use rcluster_core::{
    failover::words::{Class, Glance, Heard, Manner, Outcome, PastElections, Syncs},
    node::Endpoint,
    snapshot::{
        answer::{WireError, WireResult},
        info::{ClusterInfo, Fields},
    },
};
use redis::{ErrorKind, Pipeline, RedisError, ServerErrorKind, Value, cmd};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How many keys are read or removed by one command.
const CHUNK: usize = 500;

/// How long a canary's keys live, in seconds, if nobody removes them.
const KEPT: u64 = 3600;

/// One command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// SET, and WAIT for this many replicas.
    Write {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// How many replicas have to have it.
        wait: u32,
    },
    /// GET.
    Read {
        /// The key.
        key: &'a [u8],
    },
}

/// Calls on one node each.
#[async_trait]
pub trait Drill: Send + Sync {
    /// CLUSTER FAILOVER on a replica. `Ok` means that the failover has begun.
    async fn failover(&self, at: &Endpoint, manner: Manner) -> WireResult<()>;

    /// A quick look, within the caller's deadline.
    async fn glance(&self, at: &Endpoint, within: Duration) -> WireResult<Glance>;

    /// How many full and partial synchronizations the node has served as a master.
    async fn syncs(&self, at: &Endpoint) -> WireResult<Syncs>;

    /// Whether the node stood for election, and since when it has followed its master.
    async fn past_elections(&self, at: &Endpoint) -> WireResult<PastElections>;

    /// The values of keys that are all in one slot, in the order of `keys`.
    async fn values(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<Vec<Option<Vec<u8>>>>;

    /// Removes keys that are all in one slot.
    async fn discard(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<()>;

    /// One command of a client, sent at most once.
    async fn attempt(&self, at: &Endpoint, what: Attempt<'_>, within: Duration) -> Heard;
}

#[async_trait]
impl Drill for LiveWire {
    async fn failover(&self, at: &Endpoint, manner: Manner) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("FAILOVER");
        if let Some(word) = manner.argument() {
            command.arg(word);
        }
        self.call_within(at, command, CHANGE_DEADLINE).await
    }

    async fn glance(&self, at: &Endpoint, within: Duration) -> WireResult<Glance> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("CLUSTER").arg("NODES");
        pipeline.cmd("CLUSTER").arg("INFO");
        let mut replies = self.send_within(at, &pipeline, within).await?;
        let view: String = replies.take("CLUSTER NODES")?;
        let info: String = replies.take("CLUSTER INFO")?;
        let info = ClusterInfo::from_fields(&Fields::parse(&info));
        let view = self.read(&view);
        Ok(Glance {
            view: view.map_err(|why| WireError::unreadable(at, "CLUSTER NODES", &why))?,
            ok: info.ok,
            epoch: info.current_epoch,
        })
    }

    async fn syncs(&self, at: &Endpoint) -> WireResult<Syncs> {
        let fields = self.info(at, "stats").await?;
        Ok(Syncs {
            full: fields.number("sync_full"),
            partial: fields.number("sync_partial_ok"),
        })
    }

    async fn past_elections(&self, at: &Endpoint) -> WireResult<PastElections> {
        let mut info = cmd("CLUSTER");
        info.arg("INFO");
        let info: String = self.call(at, info).await?;
        let requests = Fields::parse(&info).number("cluster_stats_messages_auth-req_sent");
        let mut list = cmd("CLIENT");
        list.arg("LIST").arg("TYPE").arg("master");
        let clients: String = self.call(at, list).await?;
        let replication = self.info(at, "replication").await?;
        Ok(PastElections {
            requests,
            follows_for: replies::link_age(&clients).or_else(|| replies::down_for(&replication)),
        })
    }

    async fn values(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<Vec<Option<Vec<u8>>>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(CHUNK) {
            let mut command = cmd("MGET");
            command.arg(keys);
            let values: Vec<Option<Vec<u8>>> = self.call(at, command).await?;
            found.extend(values);
        }
        Ok(found)
    }

    async fn discard(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<()> {
        for keys in keys.chunks(CHUNK) {
            let mut command = cmd("UNLINK");
            command.arg(keys);
            self.call::<i64>(at, command).await?;
        }
        Ok(())
    }

    async fn attempt(&self, at: &Endpoint, what: Attempt<'_>, within: Duration) -> Heard {
        let start = Instant::now();
        let cached = self.lock().get(at).cloned();
        let mut connection = match cached {
            Some(connection) => connection,
            // A command that could not be sent was certainly not carried out.
            None => match timeout(within, self.connect(at)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(WireError::Loading { .. })) => {
                    return heard(Outcome::Refused(Class::Loading));
                }
                Ok(Err(_)) => return heard(Outcome::Refused(Class::Refused)),
                Err(_) => return heard(Outcome::Refused(Class::Timeout)),
            },
        };
        let wanted = match what {
            Attempt::Write { wait, .. } => wait,
            Attempt::Read { .. } => 0,
        };
        let pipeline = pipeline(&what, within);
        let left = within.saturating_sub(start.elapsed());
        let replies = match timeout(left, connection.send(&pipeline)).await {
            Ok(Ok(replies)) => replies,
            Ok(Err(_)) => {
                self.lock().remove(at);
                return heard(match connection.turned_away() {
                    Some(_) => Outcome::Refused(Class::Refused),
                    None => Outcome::Indeterminate(Class::Broken),
                });
            }
            Err(_) => {
                self.lock().remove(at);
                return heard(Outcome::Indeterminate(Class::Timeout));
            }
        };
        self.lock().insert(at.clone(), connection);
        answer(replies, wanted)
    }
}

fn pipeline(what: &Attempt<'_>, within: Duration) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(2);
    match what {
        Attempt::Write { key, value, wait } => {
            pipeline.cmd("SET").arg(key).arg(value).arg("EX").arg(KEPT);
            if *wait > 0 {
                let half = u64::try_from(within.as_millis() / 2).unwrap_or(100);
                pipeline.cmd("WAIT").arg(wait).arg(half.max(1));
            }
        }
        Attempt::Read { key } => {
            pipeline.cmd("GET").arg(key);
        }
    }
    pipeline
}

fn answer(replies: Vec<Value>, wait: u32) -> Heard {
    let mut replies = replies.into_iter();
    let first = replies.next().unwrap_or(Value::Nil).extract_error();
    if let Err(error) = first {
        let moved = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => error
                .redirect_node()
                .and_then(|(to, _)| to.parse::<Endpoint>().ok()),
            _ => None,
        };
        return Heard {
            outcome: Outcome::Refused(class(&error, Class::Other)),
            moved,
        };
    }
    if wait == 0 {
        return heard(Outcome::Acked);
    }
    match replies.next() {
        Some(Value::Int(replicas)) if replicas >= i64::from(wait) => heard(Outcome::Acked),
        _ => heard(Outcome::Indeterminate(Class::Wait)),
    }
}

fn heard(outcome: Outcome) -> Heard {
    Heard {
        outcome,
        moved: None,
    }
}

fn class(error: &RedisError, other: Class) -> Class {
    match error.code().unwrap_or_default() {
        "MOVED" => Class::Moved,
        "ASK" => Class::Ask,
        "CLUSTERDOWN" => Class::ClusterDown,
        "TRYAGAIN" => Class::TryAgain,
        "READONLY" => Class::ReadOnly,
        "LOADING" | "MASTERDOWN" => Class::Loading,
        "NOREPLICAS" => Class::NoReplicas,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_counts_once_enough_replicas_have_it() {
        let replies = |replicas| vec![Value::Okay, Value::Int(replicas)];
        assert_eq!(answer(replies(1), 1).outcome, Outcome::Acked);
        assert_eq!(
            answer(replies(0), 1).outcome,
            Outcome::Indeterminate(Class::Wait)
        );
        assert_eq!(answer(vec![Value::Nil], 0).outcome, Outcome::Acked);
    }

    #[test]
    fn error_replies_are_certain_refusals_by_class() {
        let error = |text: &str| {
            let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
            answer(vec![value], 0)
        };
        let moved = error("MOVED 42 127.0.0.1:7003");
        assert_eq!(moved.outcome, Outcome::Refused(Class::Moved));
        assert_eq!(moved.moved, Some(Endpoint::new("127.0.0.1", 7003)));
        let class = |text| error(text).outcome;
        assert_eq!(
            class("CLUSTERDOWN Hash slot not served"),
            Outcome::Refused(Class::ClusterDown)
        );
        assert_eq!(
            class("NOREPLICAS Not enough good replicas to write."),
            Outcome::Refused(Class::NoReplicas)
        );
    }
}
