//! One simulated node: what it keeps on disk, what it answers, which commands it refuses.
//!
//! The refusals and their words are those of `clusterCommand` in cluster.c of 7.0.

use rcluster_core::{
    node::{Address, Endpoint, Epoch, NodeId, Role},
    slot::{SLOTS, SlotSet},
    snapshot::{
        info::{ClusterInfo, NodeInfo, Replication},
        nodes_text::{Failure, OpenSlot, View, ViewLine},
        report::{Announced, Report},
    },
    spec::directive,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Calls and rounds for which a master reports `fail` after its start (2 s in Redis).
const NOT_WRITABLE: u8 = 8;

/// What CONFIG GET answers where redis.conf is silent (config.c of 7.0).
const DEFAULTS: &[(&str, &str)] = &[
    ("appendfsync", "everysec"),
    ("appendonly", "no"),
    ("cluster-allow-replica-migration", "yes"),
    ("cluster-announce-hostname", ""),
    ("cluster-migration-barrier", "1"),
    ("cluster-node-timeout", "15000"),
    ("cluster-preferred-endpoint-type", "ip"),
    ("cluster-require-full-coverage", "yes"),
    ("hz", "10"),
    ("io-threads", "1"),
    ("masterauth", ""),
    ("maxclients", "10000"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("min-replicas-max-lag", "10"),
    ("min-replicas-to-write", "0"),
    ("notify-keyspace-events", ""),
    ("repl-diskless-sync-delay", "5"),
    ("requirepass", ""),
    ("save", "3600 1 300 100 60 10000"),
    ("tcp-keepalive", "300"),
    ("timeout", "0"),
];

/// Whether a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Off,
    On,
    Frozen,
}

/// What a node knows of another one.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub address: Option<Address>,
    pub hostname: String,
    pub role: Role,
    pub master: Option<NodeId>,
    pub slots: SlotSet,
    pub epoch: Epoch,
    pub failure: Failure,
}

impl Peer {
    /// A node of which only the address is known yet.
    pub(super) fn stranger(address: Address) -> Self {
        Peer {
            address: Some(address),
            hostname: String::new(),
            role: Role::Master,
            master: None,
            slots: SlotSet::default(),
            epoch: Epoch(0),
            failure: Failure::None,
        }
    }

    /// Whether it is one of the masters that vote.
    pub(super) fn votes(&self) -> bool {
        self.role == Role::Master && !self.slots.is_empty()
    }
}

/// A simulated node. The first fields are its nodes.conf and its data; the others last as long as
/// it runs.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent states of a node; any combination is possible"
)]
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub id: NodeId,
    /// Every node that it knows, itself included.
    pub view: BTreeMap<NodeId, Peer>,
    pub current_epoch: Epoch,
    pub keys: u64,
    /// What clients wrote through the wire. These are not counted as keys.
    pub data: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Its libraries of functions.
    pub functions: Vec<u8>,
    /// Slots that are being moved.
    pub open: Vec<OpenSlot>,
    /// Its disk is full.
    pub cannot_save: bool,

    pub state: State,
    pub dial: Endpoint,
    pub address: Address,
    pub config: BTreeMap<String, String>,
    pub uptime: u64,
    pub loading: u8,
    pub not_writable: u8,
    /// On a replica: rounds until its link is up.
    pub syncing: u8,
    pub link_up: bool,
    /// It uses all the memory that it may.
    pub memory_full: bool,
    /// It accepts no more clients.
    pub full: bool,
    /// Values that CONFIG SET refuses.
    pub dislikes: BTreeSet<String>,
    /// Ids that gossip may not bring back.
    pub forgotten: BTreeSet<NodeId>,
}

/// An error reply, without `ERR`.
pub(super) type Refusal = String;

impl Node {
    /// A node with an empty disk.
    pub(super) fn blank(id: NodeId, dial: Endpoint, address: Address) -> Self {
        Node {
            view: BTreeMap::from([(id.clone(), Peer::stranger(address))]),
            id,
            current_epoch: Epoch(0),
            keys: 0,
            data: Arc::default(),
            functions: Vec::new(),
            open: Vec::new(),
            cannot_save: false,
            state: State::Off,
            dial,
            address,
            config: BTreeMap::new(),
            uptime: 0,
            loading: 0,
            not_writable: 0,
            syncing: 0,
            link_up: false,
            memory_full: false,
            full: false,
            dislikes: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        }
    }

    /// Starts the node with what is on its disk.
    pub(super) fn boot(&mut self, dial: Endpoint, address: Address, conf: &str) {
        self.config = config(conf);
        self.state = State::On;
        self.dial = dial;
        self.address = address;
        let hostname = self.setting("cluster-announce-hostname").to_owned();
        let me = self.me_mut();
        (me.address, me.hostname) = (Some(address), hostname);
        self.uptime = 0;
        self.loading = if self.keys > 0 { 2 } else { 0 };
        self.not_writable = NOT_WRITABLE;
        self.link_up = false;
        self.syncing = 0;
        (self.memory_full, self.full) = (false, false);
        self.forgotten.clear();
    }

    pub(super) fn me(&self) -> &Peer {
        &self.view[&self.id]
    }

    pub(super) fn me_mut(&mut self) -> &mut Peer {
        let address = self.address;
        self.view
            .entry(self.id.clone())
            .or_insert_with(|| Peer::stranger(address))
    }

    pub(super) fn is_on(&self) -> bool {
        self.state == State::On
    }

    pub(super) fn setting(&self, name: &str) -> &str {
        self.config.get(name).map_or("", String::as_str)
    }

    /// `clusterUpdateState`.
    pub(super) fn is_ok(&self) -> bool {
        let voters = || self.view.values().filter(|peer| peer.votes());
        let reachable = voters()
            .filter(|peer| peer.failure == Failure::None)
            .count();
        let waits = self.me().role == Role::Master && self.not_writable > 0;
        let covered = || {
            let owners = voters().filter(|peer| peer.failure != Failure::Fail);
            owners.map(|peer| peer.slots.count()).sum::<u16>() == SLOTS
        };
        let needs_all = self.setting("cluster-require-full-coverage") == "yes";
        !waits && reachable > voters().count() / 2 && (!needs_all || covered())
    }

    pub(super) fn add_slots(&mut self, slots: &SlotSet) -> Result<(), Refusal> {
        let owned = |free: SlotSet, peer: &Peer| free.minus(&peer.slots);
        let free = self.view.values().fold(slots.clone(), owned);
        if let Some(slot) = slots.minus(&free).first() {
            return Err(format!("Slot {slot} is already busy"));
        }
        let me = self.me_mut();
        me.slots = me.slots.plus(slots);
        Ok(())
    }

    /// It believes these slots to be its own.
    pub(super) fn own(&mut self, slots: &SlotSet) {
        for peer in self.view.values_mut() {
            peer.slots = peer.slots.minus(slots);
        }
        let me = self.me_mut();
        me.slots = me.slots.plus(slots);
    }

    pub(super) fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Refusal> {
        if self.view.len() > 1 {
            return Err("The user can assign a config epoch only when the node does not know any other node.".to_owned());
        }
        if self.me().epoch != Epoch(0) {
            return Err("Node config epoch is already non-zero".to_owned());
        }
        self.me_mut().epoch = epoch;
        self.current_epoch = self.current_epoch.max(epoch);
        Ok(())
    }

    pub(super) fn replicate(&mut self, master: &NodeId) -> Result<(), Refusal> {
        let Some(peer) = self.view.get(master) else {
            return Err(format!("Unknown node {master}"));
        };
        if *master == self.id {
            return Err("Can't replicate myself".to_owned());
        }
        if peer.role == Role::Replica {
            return Err("I can only replicate a master, not a replica.".to_owned());
        }
        if self.me().role == Role::Master && (self.keys > 0 || !self.me().slots.is_empty()) {
            return Err(
                "To set a master the node must be empty and without assigned slots.".to_owned(),
            );
        }
        self.follow(master.clone());
        Ok(())
    }

    /// `clusterSetMaster`.
    pub(super) fn follow(&mut self, master: NodeId) {
        let me = self.me_mut();
        me.role = Role::Replica;
        me.slots = SlotSet::default();
        me.master = Some(master);
        // `clusterSetMaster` closes them.
        self.open.clear();
        self.link_up = false;
        self.syncing = 0;
    }

    pub(super) fn reset(&mut self, id: NodeId) -> Result<(), Refusal> {
        if self.me().role == Role::Master && self.keys > 0 {
            return Err(
                "CLUSTER RESET can't be called with master nodes containing keys".to_owned(),
            );
        }
        self.keys = 0;
        self.data = Arc::default();
        self.view.clear();
        self.open.clear();
        self.id = id;
        self.current_epoch = Epoch(0);
        self.link_up = false;
        self.forgotten.clear();
        let hostname = self.setting("cluster-announce-hostname").to_owned();
        self.me_mut().hostname = hostname;
        Ok(())
    }

    pub(super) fn unname(&mut self, id: NodeId) {
        let slots = self.me().slots.slots().take(10);
        let slots = slots.collect();
        self.view.clear();
        self.id = id;
        self.current_epoch = Epoch(0);
        self.me_mut().slots = slots;
    }

    pub(super) fn forget(&mut self, gone: &NodeId) -> Result<(), Refusal> {
        if *gone == self.id {
            return Err("I tried hard but I can't forget myself...".to_owned());
        }
        if self.me().master.as_ref() == Some(gone) {
            return Err("Can't forget my master!".to_owned());
        }
        // To forget a node that is unknown is no error, as on the real wire.
        self.view.remove(gone);
        self.forgotten.insert(gone.clone());
        Ok(())
    }

    pub(super) fn config_set(&mut self, settings: &[(String, String)]) -> Result<(), Refusal> {
        for (name, _) in settings {
            let why = match self.config.get(name) {
                None => {
                    return Err(format!(
                        "Unknown option or number of arguments for CONFIG SET - '{name}'"
                    ));
                }
                Some(_) if directive::needs_restart(name) => "can't set immutable config",
                Some(_) => continue,
            };
            return Err(format!(
                "CONFIG SET failed (possibly related to argument '{name}') - {why}"
            ));
        }
        if let Some((name, value)) = settings
            .iter()
            .find(|(_, value)| self.dislikes.contains(value))
        {
            return Err(format!(
                "CONFIG SET failed (possibly related to argument '{name}') - {value} cannot be"
            ));
        }
        for (name, value) in settings {
            self.config.insert(name.clone(), canonical(value));
        }
        let hostname = self.setting("cluster-announce-hostname").to_owned();
        self.me_mut().hostname = hostname;
        Ok(())
    }

    /// CLUSTER NODES, CLUSTER INFO and INFO; `linked` says whom it is connected to.
    pub(super) fn report(&self, handshakes: usize, linked: &BTreeSet<NodeId>) -> Report {
        let line = |(id, peer): (&NodeId, &Peer)| {
            // A node that is alone does not know its own address yet: nobody has told it.
            let known = *id != self.id || self.view.len() > 1;
            ViewLine {
                id: id.clone(),
                address: peer.address.filter(|_| known),
                hostname: Some(peer.hostname.clone()).filter(|name| !name.is_empty()),
                role: peer.role,
                master: peer.master.clone(),
                failure: peer.failure,
                epoch: peer.epoch,
                connected: *id == self.id || linked.contains(id),
                slots: peer.slots.clone(),
                open: if *id == self.id {
                    self.open.clone()
                } else {
                    Vec::new()
                },
            }
        };
        let memory_max_bytes = self.setting("maxmemory").parse().unwrap_or(0);
        let count = |fine: fn(&Peer) -> bool| {
            let owners = self.view.values().filter(|peer| fine(peer));
            owners.map(|peer| peer.slots.count()).sum()
        };
        Report {
            view: View {
                myself: self.id.clone(),
                bus_port: Some(self.address.bus_port),
                nodes: self.view.iter().map(line).map(Arc::new).collect(),
                handshakes,
            },
            cluster: ClusterInfo {
                ok: self.is_ok(),
                slots_assigned: count(|_| true),
                slots_ok: count(|peer| peer.failure == Failure::None),
                known_nodes: self.view.len() as u64,
                size: self.view.values().filter(|peer| peer.votes()).count() as u64,
                current_epoch: self.current_epoch,
                messages_received: linked.len() as u64,
            },
            info: NodeInfo {
                server: "redis".to_owned(),
                version: "7.0.15".to_owned(),
                cluster_mode: true,
                uptime_seconds: self.uptime,
                memory_used_bytes: if self.memory_full {
                    memory_max_bytes
                } else {
                    0
                },
                memory_max_bytes,
                memory_policy: self.setting("maxmemory-policy").to_owned(),
                rdb_save_failed: self.cannot_save,
                keys: self.keys,
                replication: Replication {
                    role: self.me().role,
                    link_up: self.link_up,
                    syncing: self.syncing > 0,
                    ..Replication::default()
                },
                ..NodeInfo::default()
            },
        }
    }

    /// CLUSTER SLOTS.
    pub(super) fn announced(&self) -> Vec<Announced> {
        let owners = self.view.iter().filter(|(_, peer)| peer.votes());
        let rows = owners.flat_map(|(id, peer)| {
            let master = self.endpoint(id);
            let row = move |range: &_| Announced {
                range: *range,
                master: master.clone(),
                id: id.clone(),
            };
            peer.slots.ranges().iter().map(row)
        });
        let mut rows: Vec<Announced> = rows.collect();
        rows.sort_by_key(|row| row.range);
        rows
    }

    /// The endpoint of node `id` that this node tells clients to dial.
    pub(super) fn endpoint(&self, id: &NodeId) -> Endpoint {
        let peer = &self.view[id];
        let address = peer.address.unwrap_or(self.address);
        let by_name = self.setting("cluster-preferred-endpoint-type") == "hostname";
        if by_name && !peer.hostname.is_empty() {
            Endpoint::new(peer.hostname.clone(), address.port)
        } else {
            Endpoint::new(address.ip.to_string(), address.port)
        }
    }
}

/// What CONFIG GET answers after a start with this redis.conf.
fn config(conf: &str) -> BTreeMap<String, String> {
    let mut config: BTreeMap<String, String> = DEFAULTS
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut saves: Vec<String> = Vec::new();
    let lines = conf
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    for (name, value) in lines.filter_map(|line| line.split_once(' ')) {
        let value = canonical(&unquoted(value.trim()));
        if name == "save" {
            saves.push(value.clone());
        }
        config.insert(name.to_owned(), value);
    }
    if !saves.is_empty() {
        config.insert("save".to_owned(), saves.join(" ").trim().to_owned());
    }
    config
}

fn unquoted(text: &str) -> String {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.map_or(text.to_owned(), |inner| {
        inner.replace("\\\"", "\"").replace("\\\\", "\\")
    })
}

/// A value as CONFIG GET spells it: memory in bytes.
fn canonical(value: &str) -> String {
    directive::bytes(value).map_or(value.to_owned(), |bytes| bytes.to_string())
}
