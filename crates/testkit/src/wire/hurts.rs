//! What people, disks and clients can do to nodes behind rcluster's back.

use super::{
    FakeWire,
    node::{Node, Peer},
};
use rcluster_core::{node::Address, slot::SlotSet, snapshot::nodes_text::Failure};
use std::net::Ipv4Addr;

/// A port on which no node ever listens.
const NOWHERE: u16 = 1;

impl FakeWire {
    /// A master takes slots without a new epoch (SETSLOT NODE on this node only).
    pub fn claim_slots(&self, disk: &str, slots: &SlotSet) {
        self.hurt(disk, |node| {
            if node.me().votes() {
                node.own(slots);
            }
        });
    }

    /// A master no longer believes these slots to be its own.
    pub fn forget_slots(&self, disk: &str, slots: &SlotSet) {
        self.hurt(disk, |node| {
            let me = node.me_mut();
            me.slots = me.slots.minus(slots);
        });
    }

    /// So many keys are left of what a stopped node has on disk.
    pub fn cut_data(&self, disk: &str, left: u64) {
        self.hurt(disk, |node| node.keys = left);
    }

    /// The node's disk is full: its last snapshot failed.
    pub fn cannot_save(&self, disk: &str) {
        self.hurt(disk, |node| node.cannot_save = true);
    }

    /// The node's memory is full, and it may evict nothing.
    pub fn fill_memory(&self, disk: &str) {
        self.hurt(disk, |node| {
            let policy = "noeviction".to_owned();
            node.config.insert("maxmemory-policy".to_owned(), policy);
            node.memory_full = true;
        });
    }

    /// The node accepts another password until it is started again.
    pub fn change_password(&self, disk: &str, password: &str) {
        let password = password.to_owned();
        self.hurt(disk, |node| {
            node.config.insert("requirepass".to_owned(), password);
        });
    }

    /// The node has as many clients as it takes, until it is started again.
    pub fn fill_clients(&self, disk: &str) {
        self.hurt(disk, |node| node.full = true);
    }

    /// The node remembers a peer that no longer exists.
    pub fn haunt(&self, disk: &str) {
        let id = self.lock().bus.fresh_id();
        let nowhere = Peer::stranger(Address {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: NOWHERE,
            bus_port: NOWHERE + 1,
        });
        self.hurt(disk, |node| {
            let failure = Failure::Fail;
            node.view.insert(id, Peer { failure, ..nowhere });
        });
    }

    fn hurt(&self, disk: &str, how: impl FnOnce(&mut Node)) {
        if let Some(node) = self.lock().bus.nodes.get_mut(disk) {
            how(node);
        }
    }
}
