//! Calls that change nothing.

use super::{LiveWire, replies};
use async_trait::async_trait;
use rcluster_core::{
    monitor::told::{Details, Traffic},
    node::{Endpoint, NodeId},
    slot::{Slot, SlotSet},
    snapshot::{
        answer::{WireError, WireResult},
        capability::{Capabilities, Capability},
        info::{ClusterInfo, Fields, NodeInfo},
        report::{Announced, Report},
    },
};
use redis::{Pipeline, Value, cmd};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// How long a connection to a bus port may take. It is short, because it is asked only to explain
/// an error that has happened already.
const BUS_DEADLINE: Duration = Duration::from_secs(1);

/// How many entries of SLOWLOG are shown.
const SLOW_CALLS: usize = 50;

/// How many slots a node is asked about in one go.
const SLOTS_AT_ONCE: usize = 1000;

/// Calls on one node each that change nothing.
#[async_trait]
pub trait Looks: Send + Sync {
    /// What the node says: CLUSTER NODES, CLUSTER INFO and INFO in one round trip.
    async fn observe(&self, at: &Endpoint) -> WireResult<Report>;

    /// Asks by COMMAND INFO which of [`Capability::ALL`] the server has; once for each connection.
    async fn capabilities(&self, at: &Endpoint) -> WireResult<Capabilities>;

    /// A section of INFO.
    async fn info(&self, at: &Endpoint, section: &str) -> WireResult<Fields>;

    /// CONFIG GET of several directives; those it does not know are left out.
    async fn config_get(
        &self,
        at: &Endpoint,
        names: &[&str],
    ) -> WireResult<BTreeMap<String, String>>;

    /// Whether anybody listens on a bus port. Nothing is said there.
    async fn dial_bus(&self, bus: SocketAddr) -> WireResult<()>;

    /// CLUSTER SLOTS: which master a client would be told for each slot range.
    async fn announced(&self, at: &Endpoint) -> WireResult<Vec<Announced>>;

    /// CLUSTER SLOTS: the endpoints of all nodes, replicas included, as clients are told them.
    /// Where a node names no host (`unknown-endpoint`), that is the host that was dialled.
    async fn told(&self, at: &Endpoint) -> WireResult<BTreeSet<(NodeId, Endpoint)>>;

    /// GET: the endpoint to which the node redirects a client that asks for the key; `None` if it
    /// serves the key itself.
    async fn sends(&self, at: &Endpoint, key: &[u8]) -> WireResult<Option<Endpoint>>;

    /// How many keys a node has in each of these slots, whoever owns them.
    async fn keys_by_slot(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<Vec<u64>>;

    /// TIME: the node's clock, as the time since 1970.
    async fn time(&self, at: &Endpoint) -> WireResult<Duration>;

    /// CLIENT LIST: the names that clients have set for themselves.
    async fn client_names(&self, at: &Endpoint) -> WireResult<BTreeSet<String>>;

    /// How long a PING takes there and back on an open connection.
    async fn ping(&self, at: &Endpoint) -> WireResult<Duration>;

    /// All that was said to the node and heard from it so far.
    fn traffic(&self, at: &Endpoint) -> Traffic;

    /// INFO, SLOWLOG GET and CLIENT LIST in one round trip. What the user may not call is left
    /// empty.
    async fn details(&self, at: &Endpoint) -> WireResult<Details>;
}

#[async_trait]
impl Looks for LiveWire {
    async fn observe(&self, at: &Endpoint) -> WireResult<Report> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("CLUSTER").arg("NODES");
        pipeline.cmd("CLUSTER").arg("INFO");
        pipeline.cmd("INFO");
        // The deadline begins after the wait for a turn: until then the node has not been asked.
        let _turn = self.turn().await;
        let mut replies = self.look(at, &pipeline).await?;
        let view: String = replies.take("CLUSTER NODES")?;
        let cluster: String = replies.take("CLUSTER INFO")?;
        let info: String = replies.take("INFO")?;
        let view = self.read(&view);
        let mut info = NodeInfo::from_fields(&Fields::parse(&info));
        if info.replication.good.is_some() {
            // How many it wants is not in INFO. Who may not ask does not learn it.
            let wanted = self.config_get(at, &["min-replicas-to-write"]).await;
            let wanted = wanted.ok().and_then(|mut all| all.pop_first());
            info.replication.wanted_good = wanted.and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
        }
        Ok(Report {
            view: view.map_err(|why| WireError::unreadable(at, "CLUSTER NODES", &why))?,
            cluster: ClusterInfo::from_fields(&Fields::parse(&cluster)),
            info,
        })
    }

    async fn capabilities(&self, at: &Endpoint) -> WireResult<Capabilities> {
        if let Some(known) = self.known_capabilities(at) {
            return Ok(known);
        }
        let mut command = cmd("COMMAND");
        command
            .arg("INFO")
            .arg(&Capability::ALL.map(Capability::name));
        // An entry is an array, or nil if the command is unknown.
        let entries: Vec<Value> = self.call(at, command).await?;
        let pairs = Capability::ALL.into_iter().zip(entries);
        let known = pairs.filter(|(_, entry)| *entry != Value::Nil);
        let known: Capabilities = known.map(|(capability, _)| capability).collect();
        self.remember_capabilities(at, &known);
        Ok(known)
    }

    async fn info(&self, at: &Endpoint, section: &str) -> WireResult<Fields> {
        let mut command = cmd("INFO");
        command.arg(section);
        let text: String = self.call(at, command).await?;
        Ok(Fields::parse(&text))
    }

    async fn config_get(
        &self,
        at: &Endpoint,
        names: &[&str],
    ) -> WireResult<BTreeMap<String, String>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut command = cmd("CONFIG");
        command.arg("GET").arg(names);
        self.call(at, command).await
    }

    async fn dial_bus(&self, bus: SocketAddr) -> WireResult<()> {
        let at = Endpoint::from(bus);
        match tokio::time::timeout(BUS_DEADLINE, TcpStream::connect(bus)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(WireError::Unreachable {
                at,
                why: error.kind().to_string(),
            }),
            Err(_) => Err(WireError::Silent {
                at,
                millis: BUS_DEADLINE.as_millis(),
            }),
        }
    }

    async fn announced(&self, at: &Endpoint) -> WireResult<Vec<Announced>> {
        let rows = self.slots(at).await?;
        rows.into_iter()
            .map(|row| replies::announced(at, row))
            .collect::<Result<_, _>>()
            .map_err(|why| WireError::unreadable(at, "CLUSTER SLOTS", &why))
    }

    async fn told(&self, at: &Endpoint) -> WireResult<BTreeSet<(NodeId, Endpoint)>> {
        let rows = self.slots(at).await?;
        let nodes = rows.into_iter().flat_map(|row| row.into_iter().skip(2));
        nodes
            .map(|node| replies::named(at, node))
            .collect::<Result<_, _>>()
            .map_err(|why| WireError::unreadable(at, "CLUSTER SLOTS", &why))
    }

    async fn sends(&self, at: &Endpoint, key: &[u8]) -> WireResult<Option<Endpoint>> {
        let mut command = cmd("GET");
        command.arg(key);
        match self.call::<Value>(at, command).await {
            Ok(_) => Ok(None),
            Err(WireError::Moved { to, .. }) => Ok(Some(to)),
            Err(error) => Err(error),
        }
    }

    async fn keys_by_slot(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<Vec<u64>> {
        let mut counts = Vec::with_capacity(usize::from(slots.count()));
        let slots: Vec<u16> = slots.slots().map(Slot::number).collect();
        for some in slots.chunks(SLOTS_AT_ONCE) {
            let mut pipeline = Pipeline::with_capacity(some.len());
            for slot in some {
                pipeline.cmd("CLUSTER").arg("COUNTKEYSINSLOT").arg(*slot);
            }
            let mut replies = self.send(at, &pipeline).await?;
            for _ in some {
                counts.push(replies.take("CLUSTER COUNTKEYSINSLOT")?);
            }
        }
        Ok(counts)
    }

    async fn time(&self, at: &Endpoint) -> WireResult<Duration> {
        let (seconds, micros): (u64, u64) = self.call(at, cmd("TIME")).await?;
        Ok(Duration::from_secs(seconds) + Duration::from_micros(micros))
    }

    async fn client_names(&self, at: &Endpoint) -> WireResult<BTreeSet<String>> {
        let mut command = cmd("CLIENT");
        command.arg("LIST");
        let text: String = self.call(at, command).await?;
        let words = text.split_ascii_whitespace();
        let names = words.filter_map(|word| word.strip_prefix("name="));
        let given = names.filter(|name| !name.is_empty());
        Ok(given.map(str::to_owned).collect())
    }

    async fn ping(&self, at: &Endpoint) -> WireResult<Duration> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("PING");
        if !self.is_connected(at) {
            self.send(at, &pipeline).await?;
        }
        let start = Instant::now();
        let mut replies = self.send(at, &pipeline).await?;
        let took = start.elapsed();
        replies.take::<Value>("PING")?;
        Ok(took)
    }

    fn traffic(&self, at: &Endpoint) -> Traffic {
        self.said(at)
    }

    async fn details(&self, at: &Endpoint) -> WireResult<Details> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("INFO");
        pipeline.cmd("SLOWLOG").arg("GET").arg(SLOW_CALLS);
        pipeline.cmd("CLIENT").arg("LIST");
        let mut replies = self.send(at, &pipeline).await?;
        let info: String = replies.take("INFO")?;
        let slow: Vec<Vec<Value>> = replies.take("SLOWLOG").unwrap_or_default();
        let clients: String = replies.take("CLIENT").unwrap_or_default();
        Ok(Details {
            info: info.lines().map(str::to_owned).collect(),
            slow: slow
                .iter()
                .filter_map(|entry| replies::slow_call(entry))
                .collect(),
            clients: clients.lines().map(str::to_owned).collect(),
        })
    }
}

impl LiveWire {
    async fn slots(&self, at: &Endpoint) -> WireResult<Vec<Vec<Value>>> {
        let mut command = cmd("CLUSTER");
        command.arg("SLOTS");
        self.call(at, command).await
    }
}
