//! Replies that are nested arrays, read field by field.

use rcluster_core::{
    monitor::told::SlowCall,
    node::{Endpoint, NodeId},
    slot::SlotRange,
    snapshot::{info::Fields, report::Announced},
};
use redis::{FromRedisValue, Value};
use std::time::Duration;

/// Reads a row of CLUSTER SLOTS: `from, to, master, replicas…`.
pub(super) fn announced(at: &Endpoint, row: Vec<Value>) -> Result<Announced, String> {
    let mut row = row.into_iter();
    let mut number = |what| {
        let value = row.next().ok_or(format!("no {what}"))?;
        u16::from_redis_value(value).map_err(|error| error.to_string())
    };
    let (from, to) = (number("first slot")?, number("last slot")?);
    let (id, master) = named(at, row.next().ok_or("no master")?)?;
    Ok(Announced {
        range: SlotRange::new(from, to).ok_or("not a slot range")?,
        master,
        id,
    })
}

/// Reads a node of such a row: `host, port, id, metadata`. An empty or null host is the host that
/// was dialled (`addNodeToNodeReply` in cluster.c).
pub(super) fn named(at: &Endpoint, node: Value) -> Result<(NodeId, Endpoint), String> {
    let node: Vec<Value> = Vec::from_redis_value(node).map_err(|error| error.to_string())?;
    let [host, port, id, ..] = &node[..] else {
        return Err("a node with fewer than three fields".to_owned());
    };
    let text = |value: &Value| {
        Option::<String>::from_redis_value_ref(value).map_err(|error| error.to_string())
    };
    let host = text(host)?.filter(|host| !host.is_empty());
    let port = u16::from_redis_value_ref(port).map_err(|error| error.to_string())?;
    let id = text(id)?.unwrap_or_default().parse()?;
    Ok((
        id,
        Endpoint::new(host.unwrap_or_else(|| at.host.clone()), port),
    ))
}

/// Reads an entry of SLOWLOG GET: `id, unix time, microseconds, [command, arguments…], client
/// address, client name` (`slowlogCommand` in slowlog.c). Only the first argument is kept, because
/// the others may be data.
pub(super) fn slow_call(entry: &[Value]) -> Option<SlowCall> {
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

/// How old the connection to the master is, from the single line of `CLIENT LIST TYPE master`.
pub(super) fn link_age(clients: &str) -> Option<Duration> {
    let words = clients.lines().next()?.split(' ');
    let mut ages = words.filter_map(|word| word.strip_prefix("age="));
    ages.next()?.parse().ok().map(Duration::from_secs)
}

/// How long the link to the master has been down; `None` while it is up, and if it never was.
pub(super) fn down_for(replication: &Fields) -> Option<Duration> {
    let seconds = replication.text("master_link_down_since_seconds")?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_the_link_is_read_from_the_list_of_clients() {
        let line = "id=73 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=23 name= age=113 idle=9 flags=M\n";
        assert_eq!(link_age(line), Some(Duration::from_secs(113)));
        assert_eq!(link_age(""), None);
        let down = |text| down_for(&Fields::parse(text));
        let text = "role:slave\r\nmaster_link_down_since_seconds:7\r\n";
        assert_eq!(down(text), Some(Duration::from_secs(7)));
        let never = "role:slave\r\nmaster_link_down_since_seconds:-1\r\n";
        assert_eq!(down(never), None);
        assert_eq!(down("role:master\r\n"), None);
    }
}
