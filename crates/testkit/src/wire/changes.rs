//! The commands that form, mend and empty a cluster.

use super::{FakeWire, bus};
use async_trait::async_trait;
use rcluster_core::{
    node::{Address, Endpoint, Epoch, NodeId, Role},
    slot::SlotSet,
    snapshot::answer::WireResult,
};
use rcluster_wire::Changes;
use std::sync::Arc;

#[async_trait]
impl Changes for FakeWire {
    async fn add_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        self.on_node(at, "CLUSTER ADDSLOTSRANGE", |node| node.add_slots(slots))
    }

    async fn reclaim_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        self.on_node(at, "CLUSTER SETSLOT", |node| {
            node.own(slots);
            Ok(())
        })
    }

    async fn set_epoch(&self, at: &Endpoint, epoch: Epoch) -> WireResult<()> {
        self.on_node(at, "CLUSTER SET-CONFIG-EPOCH", |node| node.set_epoch(epoch))
    }

    async fn meet(&self, at: &Endpoint, peers: &[Address]) -> WireResult<()> {
        self.command(at, "CLUSTER MEET", |bus, disk| {
            bus.meets
                .extend(peers.iter().map(|peer| (disk.to_owned(), *peer)));
            Ok(())
        })
    }

    async fn replicate(&self, at: &Endpoint, master: &NodeId) -> WireResult<()> {
        self.on_node(at, "CLUSTER REPLICATE", |node| node.replicate(master))
    }

    async fn take_over(&self, at: &Endpoint) -> WireResult<()> {
        self.on_node(at, "CLUSTER FAILOVER", |node| {
            if node.me().role == Role::Replica {
                bus::take_over(node);
            }
            Ok(())
        })
    }

    async fn flush(&self, at: &Endpoint) -> WireResult<()> {
        self.on_node(at, "FLUSHALL", |node| {
            if node.me().role == Role::Replica {
                return Err("READONLY You can't write against a read only replica.".to_owned());
            }
            node.keys = 0;
            node.data = Arc::default();
            Ok(())
        })
    }

    async fn reset(&self, at: &Endpoint) -> WireResult<()> {
        self.command(at, "CLUSTER RESET", |bus, disk| {
            let id = bus.fresh_id();
            bus.nodes
                .get_mut(disk)
                .map_or(Ok(()), |node| node.reset(id))
        })
    }

    async fn forget(&self, at: &Endpoint, gone: &NodeId) -> WireResult<()> {
        self.on_node(at, "CLUSTER FORGET", |node| node.forget(gone))
    }

    async fn config_set(&self, at: &Endpoint, settings: &[(String, String)]) -> WireResult<()> {
        self.on_node(at, "CONFIG SET", |node| node.config_set(settings))
    }
}
