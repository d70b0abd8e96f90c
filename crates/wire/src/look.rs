//! What a client sees: a node's clock, whom it names, where it sends keys. Changes nothing.

use super::{LiveWire, WireError, WireResult, live::unreadable};
use rcluster_core::node::{Endpoint, NodeId};
use redis::{FromRedisValue, Value, cmd};
use std::{collections::BTreeSet, time::Duration};

impl LiveWire {
    /// TIME: how long after 1970 the node thinks it is.
    pub async fn time(&self, at: &Endpoint) -> WireResult<Duration> {
        let (seconds, micros): (u64, u64) = self.call(at, cmd("TIME")).await?;
        Ok(Duration::from_secs(seconds) + Duration::from_micros(micros))
    }

    /// CLUSTER SLOTS: every node that clients are told of, replicas as well. A node that names no
    /// host for another (`unknown-endpoint`) means the one that was dialled.
    pub async fn told(&self, at: &Endpoint) -> WireResult<BTreeSet<(NodeId, Endpoint)>> {
        let rows: Vec<Vec<Value>> = self
            .call(at, cmd("CLUSTER").arg("SLOTS").to_owned())
            .await?;
        let nodes = rows.into_iter().flat_map(|row| row.into_iter().skip(2));
        nodes
            .map(|node| named(at, node))
            .collect::<Result<_, _>>()
            .map_err(|why| unreadable(at, "CLUSTER SLOTS", why))
    }

    /// GET: where this node sends a client that asks it for the key; `None`: it serves it itself.
    pub async fn sends(&self, at: &Endpoint, key: &str) -> WireResult<Option<Endpoint>> {
        let answer: WireResult<Value> = self.call(at, cmd("GET").arg(key).to_owned()).await;
        match answer {
            Ok(_) => Ok(None),
            Err(WireError::Moved { to, .. }) => Ok(Some(to)),
            Err(error) => Err(error),
        }
    }

    /// CLIENT LIST: the names that clients gave themselves.
    pub async fn client_names(&self, at: &Endpoint) -> WireResult<BTreeSet<String>> {
        let text: String = self.call(at, cmd("CLIENT").arg("LIST").to_owned()).await?;
        let words = text.split_ascii_whitespace();
        let names = words.filter_map(|word| word.strip_prefix("name="));
        Ok(names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect())
    }
}

/// A node of a row: host, port, id, metadata (`addNodeToNodeReply` in cluster.c).
fn named(at: &Endpoint, node: Value) -> Result<(NodeId, Endpoint), String> {
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
