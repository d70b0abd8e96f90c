//! The few commands that the fake answers when it is sent bytes.

use super::FakeWire;
use async_trait::async_trait;
use rcluster_core::{
    call::{danger::Told, reply::Reply},
    node::Endpoint,
    snapshot::answer::WireResult,
};
use rcluster_wire::Calls;
use std::time::Duration;

/// What the fake says of the commands that it knows (COMMAND INFO of 7.0).
const KNOWN: &[(&str, &str)] = &[
    ("ping", "fast @fast @connection"),
    ("dbsize", "readonly fast @keyspace @read @fast"),
    ("flushall", "write @keyspace @write @slow @dangerous"),
    (
        "config|rewrite",
        "admin noscript loading stale @admin @slow @dangerous",
    ),
];

#[async_trait]
impl Calls for FakeWire {
    async fn say(&self, at: &Endpoint, words: &[Vec<u8>], _: Duration) -> WireResult<Reply> {
        let words: Vec<String> = words
            .iter()
            .map(|word| String::from_utf8_lossy(word).to_ascii_uppercase())
            .collect();
        let line = words.join(" ");
        self.on_node(at, &line, |node| {
            Ok(match line.as_str() {
                "PING" => Reply::Status("PONG".to_owned()),
                "DBSIZE" => Reply::Integer(i64::try_from(node.keys).unwrap_or(i64::MAX)),
                "FLUSHALL" => {
                    node.keys = 0;
                    Reply::Status("OK".to_owned())
                }
                "CONFIG REWRITE" => Reply::Status("OK".to_owned()),
                _ => Reply::Error(format!("ERR unknown command '{}'", words[0])),
            })
        })
    }

    async fn explain(&self, at: &Endpoint, names: &[String]) -> WireResult<Option<Told>> {
        self.call(at, |_, _| {
            let told = names.iter().find_map(|name| {
                let (_, told) = KNOWN.iter().find(|(known, _)| known == name)?;
                Some(Told(told.split(' ').map(str::to_owned).collect()))
            });
            Ok(told)
        })
    }
}
