//! Looking closer at one node: how fast it answers, and what a person asks when it does not.
//!
//! Nothing here is sent to a node that was not chosen for it; all of it only reads.

use super::{
    WireResult,
    live::{LiveWire, take},
};
use rcluster_core::{
    monitor::told::{Details, SlowCall},
    node::Endpoint,
};
use redis::{FromRedisValue, Pipeline, Value};
use std::time::{Duration, Instant};

/// How many slow calls are shown.
const SLOW_CALLS: usize = 50;

impl LiveWire {
    /// How long a PING takes there and back on a connection that stands: connecting is not part
    /// of what is measured.
    pub async fn ping(&self, at: &Endpoint) -> WireResult<Duration> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("PING");
        if !self.is_connected(at) {
            self.send(at, &pipeline, self.ordinary_deadline()).await?;
        }
        let start = Instant::now();
        let replies = self.send(at, &pipeline, self.ordinary_deadline()).await?;
        let took = start.elapsed();
        take::<Value>(at, "PING", replies.into_iter().next())?;
        Ok(took)
    }

    /// INFO, SLOWLOG GET and CLIENT LIST in one round trip. What the user may not call is empty.
    pub async fn details(&self, at: &Endpoint) -> WireResult<Details> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("INFO");
        pipeline.cmd("SLOWLOG").arg("GET").arg(SLOW_CALLS);
        pipeline.cmd("CLIENT").arg("LIST");
        let replies = self.send(at, &pipeline, self.ordinary_deadline()).await?;
        let mut replies = replies.into_iter();
        let info: String = take(at, "INFO", replies.next())?;
        let slow: Vec<Vec<Value>> = take(at, "SLOWLOG", replies.next()).unwrap_or_default();
        let clients: String = take(at, "CLIENT", replies.next()).unwrap_or_default();
        Ok(Details {
            info: info.lines().map(str::to_owned).collect(),
            slow: slow
                .into_iter()
                .filter_map(|entry| slow_call(&entry))
                .collect(),
            clients: clients.lines().map(str::to_owned).collect(),
        })
    }
}

/// An entry is `id, unix time, microseconds, [command, arguments…], client address, client name`
/// (`slowlogCommand` in slowlog.c). Of the arguments only the first is shown: values are data.
fn slow_call(entry: &[Value]) -> Option<SlowCall> {
    let [_, at, micros, words, rest @ ..] = entry else {
        return None;
    };
    let words: Vec<Vec<u8>> = Vec::from_redis_value_ref(words).ok()?;
    let shown = words
        .iter()
        .take(2)
        .map(|word| String::from_utf8_lossy(word).into_owned());
    Some(SlowCall {
        unix_seconds: i64::from_redis_value_ref(at).ok()?,
        micros: u64::from_redis_value_ref(micros).ok()?,
        command: shown.collect::<Vec<_>>().join(" "),
        arguments: words.len().saturating_sub(1),
        client: rest
            .first()
            .and_then(|client| String::from_redis_value_ref(client).ok())
            .unwrap_or_default(),
    })
}
