//! What only drills say to a node: take over, quick looks with deadlines of their own, and single
//! attempts of a client, which are never repeated behind its back.

use super::{
    LiveWire, WireResult,
    live::{take, unreadable},
};
use async_trait::async_trait;
use rcluster_core::{
    failover::words::{Class, Glance, Heard, Manner, Outcome, PastElections, Syncs},
    node::Endpoint,
    snapshot::{
        info::{ClusterInfo, Fields},
        nodes_text,
    },
};
use redis::{ErrorKind, Pipeline, RedisError, ServerErrorKind, Value, cmd};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Keys looked for, or removed, in one command.
const CHUNK: usize = 500;

/// How long keys of a canary live if nobody removes them, in seconds.
const KEPT: u64 = 3600;

/// One command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// SET, and WAIT for this many replicas.
    Write {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a str,
        /// How many replicas have to have it.
        wait: u32,
    },
    /// GET.
    Read {
        /// The key.
        key: &'a str,
    },
}

/// Calls on one node each.
#[async_trait]
pub trait DrillWire: Send + Sync {
    /// CLUSTER FAILOVER: this replica is to take over. `Ok` means that it has begun.
    async fn failover(&self, at: &Endpoint, manner: Manner) -> WireResult<()>;

    /// A quick look, within a deadline of its own.
    async fn glance(&self, at: &Endpoint, within: Duration) -> WireResult<Glance>;

    /// How many synchronizations it has served.
    async fn syncs(&self, at: &Endpoint) -> WireResult<Syncs>;

    /// Whether it stood for election, and since when it has followed its master.
    async fn past_elections(&self, at: &Endpoint) -> WireResult<PastElections>;

    /// The values of keys of one slot, in their order.
    async fn values(&self, at: &Endpoint, keys: &[String]) -> WireResult<Vec<Option<String>>>;

    /// Removes keys of one slot.
    async fn discard(&self, at: &Endpoint, keys: &[String]) -> WireResult<()>;

    /// One command of a client, sent at most once.
    async fn attempt(&self, at: &Endpoint, what: Attempt<'_>, within: Duration) -> Heard;
}

#[async_trait]
impl DrillWire for LiveWire {
    async fn failover(&self, at: &Endpoint, manner: Manner) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("FAILOVER");
        if let Some(word) = manner.argument() {
            command.arg(word);
        }
        self.call(at, command).await
    }

    async fn glance(&self, at: &Endpoint, within: Duration) -> WireResult<Glance> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("CLUSTER").arg("NODES");
        pipeline.cmd("CLUSTER").arg("INFO");
        let mut replies = self.send(at, &pipeline, within).await?.into_iter();
        let view: String = take(at, "CLUSTER NODES", replies.next())?;
        let info: String = take(at, "CLUSTER INFO", replies.next())?;
        let info = ClusterInfo::from_fields(&Fields::parse(&info));
        Ok(Glance {
            view: nodes_text::parse(&view).map_err(|why| unreadable(at, "CLUSTER NODES", why))?,
            ok: info.ok,
            epoch: info.current_epoch,
        })
    }

    async fn syncs(&self, at: &Endpoint) -> WireResult<Syncs> {
        let text: String = self.call(at, cmd("INFO").arg("stats").to_owned()).await?;
        let fields = Fields::parse(&text);
        Ok(Syncs {
            full: fields.number("sync_full"),
            partial: fields.number("sync_partial_ok"),
        })
    }

    async fn past_elections(&self, at: &Endpoint) -> WireResult<PastElections> {
        let info: String = self.call(at, cmd("CLUSTER").arg("INFO").to_owned()).await?;
        let requests = Fields::parse(&info).number("cluster_stats_messages_auth-req_sent");
        let mut list = cmd("CLIENT");
        list.arg("LIST").arg("TYPE").arg("master");
        let clients: String = self.call(at, list).await?;
        let replication = cmd("INFO").arg("replication").to_owned();
        let replication: String = self.call(at, replication).await?;
        Ok(PastElections {
            requests,
            follows_for: link_age(&clients).or_else(|| down_for(&replication)),
        })
    }

    async fn values(&self, at: &Endpoint, keys: &[String]) -> WireResult<Vec<Option<String>>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(CHUNK) {
            let values: Vec<Option<String>> =
                self.call(at, cmd("MGET").arg(keys).to_owned()).await?;
            found.extend(values);
        }
        Ok(found)
    }

    async fn discard(&self, at: &Endpoint, keys: &[String]) -> WireResult<()> {
        for keys in keys.chunks(CHUNK) {
            self.call::<i64>(at, cmd("UNLINK").arg(keys).to_owned())
                .await?;
        }
        Ok(())
    }

    async fn attempt(&self, at: &Endpoint, what: Attempt<'_>, within: Duration) -> Heard {
        let start = Instant::now();
        let cached = self.lock().get(at).cloned();
        let mut connection = match cached {
            Some(connection) => connection,
            // What could not be sent was certainly not done.
            None => match timeout(within, self.connect(at)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return heard(Outcome::Refused(class(&error, Class::Refused))),
                Err(_) => return heard(Outcome::Refused(Class::Timeout)),
            },
        };
        let wanted = match what {
            Attempt::Write { wait, .. } => wait,
            Attempt::Read { .. } => 0,
        };
        let pipeline = pipeline(&what, within);
        let count = pipeline.len();
        let left = within.saturating_sub(start.elapsed());
        let sent = connection.send_packed_commands(&pipeline, 0, count);
        let replies = match timeout(left, sent).await {
            Ok(Ok(replies)) => replies,
            Ok(Err(_)) => {
                self.lock().remove(at);
                return heard(Outcome::Indeterminate(Class::Broken));
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

/// How old the connection to the master is: `CLIENT LIST TYPE master` has one line.
fn link_age(clients: &str) -> Option<Duration> {
    let words = clients.lines().next()?.split(' ');
    let mut ages = words.filter_map(|word| word.strip_prefix("age="));
    ages.next()?.parse().ok().map(Duration::from_secs)
}

/// For how long the link to the master has been down; it followed before, too.
fn down_for(replication: &str) -> Option<Duration> {
    let fields = Fields::parse(replication);
    let seconds = fields.text("master_link_down_since_seconds")?;
    seconds.parse().ok().map(Duration::from_secs)
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
    fn the_age_of_the_link_is_read_from_the_list_of_clients() {
        let line = "id=73 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=23 name= age=113 idle=9 flags=M\n";
        assert_eq!(link_age(line), Some(Duration::from_secs(113)));
        assert_eq!(link_age(""), None);
        let down = "role:slave\r\nmaster_link_down_since_seconds:7\r\n";
        assert_eq!(down_for(down), Some(Duration::from_secs(7)));
        let never = "role:slave\r\nmaster_link_down_since_seconds:-1\r\n";
        assert_eq!(down_for(never), None);
        assert_eq!(down_for("role:master\r\n"), None);
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
