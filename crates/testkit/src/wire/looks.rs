//! The calls that change nothing.

use super::{FakeWire, Inner, node::State};
use async_trait::async_trait;
use rcluster_core::{
    monitor::told::{Details, Traffic},
    node::{Endpoint, NodeId, Role},
    slot::SlotSet,
    snapshot::{
        answer::{WireError, WireResult},
        capability::Capabilities,
        info::Fields,
        report::{Announced, Report},
    },
};
use rcluster_wire::Looks;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long a PING takes.
const PING: Duration = Duration::from_micros(100);

/// Patterns with a `*` at the end, as far as rcluster's tests need them.
fn is_like(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

#[async_trait]
impl Looks for FakeWire {
    async fn observe(&self, at: &Endpoint) -> WireResult<Report> {
        tokio::time::sleep(self.late(at)).await;
        self.call(at, |inner, disk| {
            let Inner { bus, .. } = inner;
            let node = &bus.nodes[disk];
            let handshakes = bus.meets.iter().filter(|(from, _)| from == disk).count();
            Ok(node.report(handshakes, &bus.links(node)))
        })
    }

    async fn capabilities(&self, at: &Endpoint) -> WireResult<Capabilities> {
        self.call(at, |inner, _| Ok(Capabilities::all_but(&inner.lacking)))
    }

    /// Only the fields that rcluster asks for by name.
    async fn info(&self, at: &Endpoint, _: &str) -> WireResult<Fields> {
        self.call(at, |inner, disk| {
            let role = match inner.bus.nodes[disk].me().role {
                Role::Master => "master",
                Role::Replica => "slave",
            };
            Ok(Fields::parse(&format!(
                "role:{role}\r\nconnected_clients:1\r\naof_last_write_status:ok\r\n\
                 rdb_last_bgsave_status:ok\r\n"
            )))
        })
    }

    async fn config_get(
        &self,
        at: &Endpoint,
        names: &[&str],
    ) -> WireResult<BTreeMap<String, String>> {
        self.call(at, |inner, disk| {
            let config = inner.bus.nodes[disk].config.iter();
            let asked = |name: &str| names.iter().any(|pattern| is_like(pattern, name));
            let found = config.filter(|(name, _)| asked(name));
            Ok(found
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect())
        })
    }

    /// Every node that runs listens on its bus port.
    async fn dial_bus(&self, bus: SocketAddr) -> WireResult<()> {
        let inner = self.lock();
        let mut nodes = inner.bus.nodes.values();
        let is_there = nodes.any(|node| {
            let address = node.address;
            node.state != State::Off && (address.ip, address.bus_port) == (bus.ip(), bus.port())
        });
        let why = "connection refused".to_owned();
        let at = Endpoint::from(bus);
        is_there
            .then_some(())
            .ok_or(WireError::Unreachable { at, why })
    }

    async fn announced(&self, at: &Endpoint) -> WireResult<Vec<Announced>> {
        self.call(at, |inner, disk| Ok(inner.bus.nodes[disk].announced()))
    }

    async fn told(&self, at: &Endpoint) -> WireResult<BTreeSet<(NodeId, Endpoint)>> {
        self.call(at, |inner, disk| {
            let node = &inner.bus.nodes[disk];
            let served = |id: &&NodeId| {
                let peer = &node.view[*id];
                let master = peer.master.as_ref().and_then(|id| node.view.get(id));
                peer.votes() || master.is_some_and(super::node::Peer::votes)
            };
            let ids = node.view.keys().filter(served);
            Ok(ids.map(|id| (id.clone(), node.endpoint(id))).collect())
        })
    }

    async fn sends(&self, at: &Endpoint, key: &[u8]) -> WireResult<Option<Endpoint>> {
        match self.call(at, |inner, disk| inner.bus.nodes[disk].serves(at, key)) {
            Ok(()) => Ok(None),
            Err(WireError::Moved { to, .. }) => Ok(Some(to)),
            Err(error) => Err(error),
        }
    }

    /// All keys are in the first of the slots.
    async fn keys_by_slot(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<Vec<u64>> {
        self.call(at, |inner, disk| {
            let mut counts = vec![0; usize::from(slots.count())];
            if let Some(first) = counts.first_mut() {
                *first = inner.bus.nodes[disk].keys;
            }
            Ok(counts)
        })
    }

    async fn time(&self, at: &Endpoint) -> WireResult<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.call(at, |_, _| Ok(now.unwrap_or_default()))
    }

    async fn client_names(&self, at: &Endpoint) -> WireResult<BTreeSet<String>> {
        self.call(at, |_, _| Ok(BTreeSet::new()))
    }

    async fn ping(&self, at: &Endpoint) -> WireResult<Duration> {
        self.call(at, |_, _| Ok(PING))
    }

    fn traffic(&self, _: &Endpoint) -> Traffic {
        Traffic::default()
    }

    async fn details(&self, at: &Endpoint) -> WireResult<Details> {
        self.call(at, |_: &mut Inner, _| Ok(Details::default()))
    }
}
