//! What forms, mends and empties a cluster.

use super::{
    LiveWire,
    live::{CHANGE_DEADLINE, HEAVY_DEADLINE},
};
use async_trait::async_trait;
use rcluster_core::{
    node::{Address, BUS_OFFSET, Endpoint, Epoch, NodeId},
    slot::SlotSet,
    snapshot::{
        answer::{WireError, WireResult},
        refusal::Refusal,
    },
};
use redis::{Pipeline, cmd};

/// Calls on one node each that change it.
#[async_trait]
pub trait Changes: Send + Sync {
    /// CLUSTER ADDSLOTSRANGE. Fails if any of the slots has an owner in the node's view.
    async fn add_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()>;

    /// The node claims these slots for itself (CLUSTER SETSLOT NODE), whoever it believes to own them.
    async fn reclaim_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()>;

    /// CLUSTER SET-CONFIG-EPOCH: only while the node knows no other and has epoch 0.
    async fn set_epoch(&self, at: &Endpoint, epoch: Epoch) -> WireResult<()>;

    /// CLUSTER MEET with each peer, in one pipeline.
    async fn meet(&self, at: &Endpoint, peers: &[Address]) -> WireResult<()>;

    /// CLUSTER REPLICATE: the node has to be empty and to know the master.
    async fn replicate(&self, at: &Endpoint, master: &NodeId) -> WireResult<()>;

    /// CLUSTER FAILOVER TAKEOVER: a replica becomes master of its master's slots, asking nobody.
    /// A node that is master already is not an error.
    async fn take_over(&self, at: &Endpoint) -> WireResult<()>;

    /// FLUSHALL: every key of this node.
    async fn flush(&self, at: &Endpoint) -> WireResult<()>;

    /// CLUSTER RESET HARD: forgets slots, peers, id and epochs. A master with keys refuses.
    async fn reset(&self, at: &Endpoint) -> WireResult<()>;

    /// CLUSTER FORGET. A node that is forgotten already is not an error.
    async fn forget(&self, at: &Endpoint, gone: &NodeId) -> WireResult<()>;

    /// CONFIG SET of several directives at once (all or none).
    async fn config_set(&self, at: &Endpoint, settings: &[(String, String)]) -> WireResult<()>;
}

#[async_trait]
impl Changes for LiveWire {
    async fn add_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("ADDSLOTSRANGE");
        for range in slots.ranges() {
            command.arg(range.from().number()).arg(range.to().number());
        }
        self.call_within(at, command, CHANGE_DEADLINE).await
    }

    async fn reclaim_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        let mut myid = cmd("CLUSTER");
        myid.arg("MYID");
        let id: String = self.call(at, myid).await?;
        let mut pipeline = Pipeline::with_capacity(usize::from(slots.count()));
        for slot in slots.slots() {
            let command = pipeline.cmd("CLUSTER").arg("SETSLOT");
            command.arg(slot.number()).arg("NODE").arg(&id);
        }
        let mut replies = self.send(at, &pipeline).await?;
        let mut all = slots.slots();
        all.try_for_each(|_| replies.take("CLUSTER SETSLOT"))
    }

    async fn set_epoch(&self, at: &Endpoint, epoch: Epoch) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("SET-CONFIG-EPOCH").arg(epoch.0);
        self.call_within(at, command, CHANGE_DEADLINE).await
    }

    async fn meet(&self, at: &Endpoint, peers: &[Address]) -> WireResult<()> {
        let mut pipeline = Pipeline::with_capacity(peers.len());
        for peer in peers {
            let command = pipeline
                .cmd("CLUSTER")
                .arg("MEET")
                .arg(peer.ip.to_string())
                .arg(peer.port);
            // The third argument only where it is needed: 4.0-style proxies refuse it.
            if peer.port.checked_add(BUS_OFFSET) != Some(peer.bus_port) {
                command.arg(peer.bus_port);
            }
        }
        let mut replies = self.send_within(at, &pipeline, CHANGE_DEADLINE).await?;
        peers.iter().try_for_each(|_| replies.take("CLUSTER MEET"))
    }

    async fn replicate(&self, at: &Endpoint, master: &NodeId) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("REPLICATE").arg(master.as_str());
        self.call_within(at, command, CHANGE_DEADLINE).await
    }

    async fn take_over(&self, at: &Endpoint) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("FAILOVER").arg("TAKEOVER");
        match self.call_within(at, command, CHANGE_DEADLINE).await {
            Err(WireError::Reply {
                refusal: Refusal::NotAReplica,
                ..
            }) => Ok(()),
            result => result,
        }
    }

    async fn flush(&self, at: &Endpoint) -> WireResult<()> {
        self.call_within(at, cmd("FLUSHALL"), HEAVY_DEADLINE).await
    }

    async fn reset(&self, at: &Endpoint) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("RESET").arg("HARD");
        self.call_within(at, command, HEAVY_DEADLINE).await
    }

    async fn forget(&self, at: &Endpoint, gone: &NodeId) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("FORGET").arg(gone.as_str());
        match self.call_within(at, command, CHANGE_DEADLINE).await {
            Err(WireError::UnknownNode { .. }) => Ok(()),
            result => result,
        }
    }

    async fn config_set(&self, at: &Endpoint, settings: &[(String, String)]) -> WireResult<()> {
        let mut command = cmd("CONFIG");
        command.arg("SET");
        for (name, value) in settings {
            command.arg(name).arg(value);
        }
        self.call_within(at, command, CHANGE_DEADLINE).await
    }
}
