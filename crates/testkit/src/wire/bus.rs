//! The simulated cluster bus: which node hears what from which.
//!
//! A round delivers one ping of every node over every link; handshakes take a round of their own.
//! Time does not pass by itself: the node timeout, with its failure reports and elections, is an
//! event that a test calls for ([`Bus::outlast_timeout`]).

use super::node::{Node, Peer, State};
use rcluster_core::{
    form::held,
    node::{Address, Epoch, NodeId, Role},
    slot::{Slot, SlotSet},
    snapshot::nodes_text::Failure,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Rounds until a replica's link is up with the default `repl-diskless-sync-delay` (5 s in Redis).
const SLOW_SYNC: u8 = 20;

/// How many other nodes a ping tells of (3 in Redis, or a tenth of all).
const GOSSIP: usize = 3;

/// All nodes, by the names of their disks.
#[derive(Clone, Default)]
pub(super) struct Bus {
    pub nodes: BTreeMap<String, Node>,
    /// CLUSTER MEETs that were not answered yet: the disk of the node that was told, and the
    /// address.
    pub meets: Vec<(String, Address)>,
    ids: u32,
    rounds: usize,
}

/// Which node is at which address.
struct Places(BTreeMap<Address, (NodeId, String)>);

impl Places {
    /// Whether `from` finds the node with this id at the address that it has for it.
    fn linked(&self, from: &Node, to: &NodeId) -> bool {
        let address = from.view.get(to).and_then(|peer| peer.address);
        let there = address.and_then(|address| self.0.get(&address));
        there.is_some_and(|(id, _)| id == to)
    }
}

struct Ping {
    disk: String,
    id: NodeId,
    me: Peer,
    current_epoch: Epoch,
    /// Some of the nodes that the sender knows, as it sees them, and whether it is connected to
    /// them.
    gossip: Vec<(NodeId, Peer, bool)>,
}

impl Bus {
    /// An id that no node has. The order of ids says nothing about the order of creation.
    pub(super) fn fresh_id(&mut self) -> NodeId {
        self.ids += 1;
        let text = format!(
            "{:08x}{:032x}",
            self.ids.wrapping_mul(2_654_435_761),
            self.ids
        );
        match text.parse() {
            Ok(id) => id,
            Err(why) => unreachable!("{why}"),
        }
    }

    fn awake(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes
            .iter()
            .filter(|(_, node)| node.state == State::On)
    }

    fn places(&self) -> Places {
        let place =
            |(disk, node): (&String, &Node)| (node.address, (node.id.clone(), disk.clone()));
        Places(self.awake().map(place).collect())
    }

    /// The nodes that a node is connected to.
    pub(super) fn links(&self, from: &Node) -> BTreeSet<NodeId> {
        let places = self.places();
        let ids = from.view.keys();
        ids.filter(|id| places.linked(from, id)).cloned().collect()
    }

    /// One round: handshakes, pings, replication, clocks.
    pub(super) fn round(&mut self) {
        let places = self.places();
        self.rounds += 1;
        for (disk, address) in std::mem::take(&mut self.meets) {
            self.shake_hands(&places, &disk, address);
        }
        self.lose_addresses(&places);
        let pings: Vec<Ping> = self
            .awake()
            .map(|(disk, node)| self.ping(&places, disk, node))
            .collect();
        let disks: Vec<String> = pings.iter().map(|ping| ping.disk.clone()).collect();
        for ping in &pings {
            for to in disks.iter().filter(|to| **to != ping.disk) {
                self.deliver(&places, ping, to);
            }
        }
        self.replication(&places);
        let running = self
            .nodes
            .values_mut()
            .filter(|node| node.state == State::On);
        running.for_each(|node| node.not_writable = node.not_writable.saturating_sub(1));
    }

    fn ping(&self, places: &Places, disk: &str, node: &Node) -> Ping {
        let first = (self.rounds * GOSSIP) % node.view.len().max(1);
        let some = node.view.iter().cycle().skip(first).take(GOSSIP);
        let others = some.filter(|(id, _)| **id != node.id);
        Ping {
            disk: disk.to_owned(),
            id: node.id.clone(),
            me: node.me().clone(),
            current_epoch: node.current_epoch,
            gossip: others
                .filter(|(_, peer)| peer.address.is_some())
                .map(|(id, peer)| (id.clone(), peer.clone(), places.linked(node, id)))
                .collect(),
        }
    }

    /// Both nodes learn of each other and of their addresses; an address that was known wrong is
    /// corrected.
    fn shake_hands(&mut self, places: &Places, disk: &str, address: Address) {
        let Some((_, other)) = places.0.get(&address) else {
            return;
        };
        if other != disk && self.nodes.get(disk).is_some_and(|me| me.state == State::On) {
            self.introduce(disk, other);
            self.introduce(other, disk);
        }
    }

    fn introduce(&mut self, to: &str, whom: &str) {
        let (id, address) = (self.nodes[whom].id.clone(), self.nodes[whom].address);
        if let Some(node) = self.nodes.get_mut(to) {
            node.forgotten.remove(&id);
            let peer = node
                .view
                .entry(id)
                .or_insert_with(|| Peer::stranger(address));
            peer.address = Some(address);
        }
    }

    /// Delivers a ping (or pong). A receiver does not believe a sender that it does not know.
    fn deliver(&mut self, places: &Places, ping: &Ping, to: &str) {
        let (Some(sender), Some(receiver)) = (self.nodes.get(&ping.disk), self.nodes.get(to))
        else {
            return;
        };
        if !places.linked(sender, &receiver.id) && !places.linked(receiver, &ping.id) {
            return;
        }
        let mut outdated = None;
        if let Some(node) = self.nodes.get_mut(to) {
            let Some(peer) = node.view.get_mut(&ping.id) else {
                return;
            };
            peer.address = ping.me.address;
            peer.hostname.clone_from(&ping.me.hostname);
            peer.role = ping.me.role;
            peer.master.clone_from(&ping.me.master);
            peer.failure = Failure::None;
            node.current_epoch = node.current_epoch.max(ping.current_epoch);
            if ping.me.role == Role::Replica {
                peer.slots = SlotSet::default();
            } else {
                peer.epoch = peer.epoch.max(ping.me.epoch);
                outdated = claim(node, &ping.id, &ping.me.slots);
                settle_collision(node, ping);
            }
        }
        if let (Some((owner, epoch, slots)), Some(sender)) =
            (outdated, self.nodes.get_mut(&ping.disk))
        {
            update(sender, &owner, epoch, &slots);
        }
        self.gossip(places, ping, to);
    }

    /// `clusterProcessGossipSection`: a node that the receiver does not know is added as the sender
    /// sees it; a new address of a node is believed only if the receiver thinks that it fails.
    fn gossip(&mut self, places: &Places, ping: &Ping, to: &str) {
        let Some(node) = self.nodes.get_mut(to) else {
            return;
        };
        for (id, seen, connected) in &ping.gossip {
            if let Some(peer) = node.view.get(id) {
                let failing = peer.failure != Failure::None;
                if failing
                    && *connected
                    && !places.linked(node, id)
                    && let Some(peer) = node.view.get_mut(id)
                {
                    peer.address = seen.address;
                }
            } else if !node.forgotten.contains(id) {
                let heard = Peer {
                    master: None,
                    slots: SlotSet::default(),
                    epoch: Epoch(0),
                    ..seen.clone()
                };
                node.view.insert(id.clone(), heard);
            }
        }
    }

    /// A node that finds another one at a peer's address no longer knows where that peer is.
    fn lose_addresses(&mut self, places: &Places) {
        for node in self
            .nodes
            .values_mut()
            .filter(|node| node.state == State::On)
        {
            let others = node.view.iter_mut().filter(|(id, _)| **id != node.id);
            for (id, peer) in others {
                let there = peer.address.and_then(|address| places.0.get(&address));
                if there.is_some_and(|(other, _)| other != id) {
                    peer.address = None;
                }
            }
        }
    }

    fn replication(&mut self, places: &Places) {
        let replicas = self.awake().filter_map(|(disk, node)| {
            let master = node.me().master.as_ref()?;
            let source = self
                .awake()
                .map(|(_, node)| node)
                .find(|other| other.id == *master);
            let source = source.filter(|_| places.linked(node, master));
            // A node that is held lets its replicas wait; they keep what they have.
            let source = source
                .filter(|source| node.link_up || !held::is_held(source.setting(held::SYNC_DELAY)));
            let fast = source.map(|source| source.setting("repl-diskless-sync-delay") == "0");
            let kept = source.map(|source| (source.keys, Arc::clone(&source.data)));
            Some((disk.clone(), kept, fast))
        });
        let replicas: Vec<_> = replicas.collect();
        for (disk, kept, fast) in replicas {
            let Some(node) = self.nodes.get_mut(&disk) else {
                continue;
            };
            let Some((keys, data)) = kept else {
                (node.link_up, node.syncing) = (false, 0);
                continue;
            };
            node.syncing = match (node.link_up, node.syncing, fast) {
                (true, ..) | (_, 1, _) => 0,
                (_, 0, Some(true)) => 1,
                (_, 0, _) => SLOW_SYNC,
                (_, left, _) => left - 1,
            };
            if node.syncing == 0 {
                (node.link_up, node.keys, node.data) = (true, keys, data);
            }
        }
    }

    /// The node timeout passes: nodes that cannot be reached are marked as failing, and failed over
    /// if they have a replica and a majority of masters agrees.
    pub(super) fn outlast_timeout(&mut self) {
        for _ in 0..3 {
            self.round();
        }
        let places = self.places();
        let mut judged: Vec<(String, NodeId, Failure)> = Vec::new();
        for (disk, node) in self.awake() {
            let others = node.view.keys().filter(|id| **id != node.id);
            judged
                .extend(others.map(|id| (disk.clone(), id.clone(), self.judge(&places, node, id))));
        }
        for (disk, id, failure) in judged {
            let node = self.nodes.get_mut(&disk);
            if let Some(peer) = node.and_then(|node| node.view.get_mut(&id)) {
                peer.failure = failure;
            }
        }
        let candidates: Vec<String> = self.awake().map(|(disk, _)| disk.clone()).collect();
        for disk in candidates {
            if self.may_be_elected(&places, &disk) {
                if let Some(node) = self.nodes.get_mut(&disk) {
                    take_over(node);
                }
                self.round();
            }
        }
        self.round();
    }

    /// How many masters with slots this node reaches that fulfil `what`, itself included.
    fn voters(&self, places: &Places, node: &Node, what: impl Fn(&Node) -> bool) -> usize {
        let reached = |other: &Node| other.id == node.id || places.linked(node, &other.id);
        let voters = self
            .awake()
            .filter(|(_, other)| other.me().votes() && reached(other));
        voters.filter(|(_, other)| what(other)).count()
    }

    fn judge(&self, places: &Places, node: &Node, id: &NodeId) -> Failure {
        let peer = &node.view[id];
        if places.linked(node, id) {
            return Failure::None;
        }
        if peer.address.is_none() {
            // A node without an address is not pinged, so nobody notices that it fails.
            return peer.failure;
        }
        let size = node.view.values().filter(|peer| peer.votes()).count();
        let reports = self.voters(places, node, |voter| {
            let known = voter.view.get(id).filter(|peer| peer.address.is_some());
            known.is_some() && !places.linked(voter, id)
        });
        if reports > size / 2 {
            Failure::Fail
        } else {
            Failure::Pfail
        }
    }

    fn may_be_elected(&self, places: &Places, disk: &str) -> bool {
        let node = &self.nodes[disk];
        let master = node
            .me()
            .master
            .as_ref()
            .and_then(|master| node.view.get(master));
        let size = node.view.values().filter(|peer| peer.votes()).count();
        master.is_some_and(|master| master.failure == Failure::Fail && master.votes())
            && self.voters(places, node, |_| true) > size / 2
    }
}

/// A replica becomes master, by an election or by CLUSTER FAILOVER TAKEOVER.
pub(super) fn take_over(node: &mut Node) {
    node.current_epoch.0 += 1;
    let epoch = node.current_epoch;
    let master = node.me().master.clone();
    let lost = master.and_then(|master| node.view.get_mut(&master));
    let slots = lost.map(|lost| std::mem::take(&mut lost.slots));
    let me = node.me_mut();
    me.role = Role::Master;
    me.master = None;
    me.epoch = epoch;
    me.slots = slots.unwrap_or_default();
    node.link_up = false;
}

/// `clusterUpdateSlotsConfigWith`: a master claims slots. Slots whose owner has a greater epoch
/// stay with it; that owner is returned, so that the sender can be told of it.
fn claim(node: &mut Node, sender: &NodeId, claims: &SlotSet) -> Option<(NodeId, Epoch, SlotSet)> {
    let known = &node.view[sender];
    if known.slots == *claims {
        return None;
    }
    let epoch = known.epoch;
    let mut fresh = claims.minus(&known.slots);
    let mine = node.me().master.clone().unwrap_or_else(|| node.id.clone());
    let mut outdated = None;
    let mut lost = false;
    let mut taken = SlotSet::default();
    for (id, peer) in node.view.iter_mut().filter(|(id, _)| *id != sender) {
        let rest = peer.slots.minus(&fresh);
        if rest == peer.slots {
            continue;
        }
        if peer.epoch < epoch {
            lost |= *id == mine && rest.is_empty();
            if *id == node.id {
                taken = taken.plus(&peer.slots.minus(&rest));
            }
            peer.slots = rest;
        } else {
            outdated = Some((id.clone(), peer.epoch, peer.slots.clone()));
            fresh = fresh.minus(&peer.slots);
        }
    }
    if let Some(peer) = node.view.get_mut(sender) {
        peer.slots = peer.slots.plus(&fresh);
    }
    // Whoever loses slots deletes their keys.
    if !taken.is_empty() {
        let data = Arc::make_mut(&mut node.data);
        data.retain(|key, _| !taken.contains(Slot::of_key(key)));
    }
    if lost && *sender != node.id {
        node.follow(sender.clone());
    }
    outdated
}

/// An UPDATE message: the receiver learns of slots that an owner with a greater epoch has.
fn update(node: &mut Node, owner: &NodeId, epoch: Epoch, slots: &SlotSet) {
    let Some(peer) = node.view.get_mut(owner).filter(|_| *owner != node.id) else {
        return;
    };
    peer.epoch = peer.epoch.max(epoch);
    peer.role = Role::Master;
    peer.master = None;
    claim(node, owner, slots);
}

/// `clusterHandleConfigEpochCollision`: if two masters have the same epoch, the one with the lower
/// id takes a new one.
fn settle_collision(node: &mut Node, ping: &Ping) {
    let me = node.me();
    if me.role == Role::Master && me.epoch == ping.me.epoch && node.id < ping.id {
        node.current_epoch.0 += 1;
        node.me_mut().epoch = node.current_epoch;
    }
}
