//! Nodes that exist in memory only: the [`Wire`] of tests.
//!
//! A small simulation of Redis Cluster nodes, true to cluster.c of 7.0 in what forming, resetting
//! and repairing depend on: who refuses which command, how knowledge spreads, who loses slots to
//! whom, when a node reports `ok`. It knows no clock: whatever takes Redis seconds takes rounds of
//! gossip here, one after every call, and the node timeout passes when [`FakeWire::outlast_timeout`]
//! is called. Left out:
//! what clients do with slots that are open, and the wait of a master that got its
//! first slots late.

mod bus;
mod calls;
mod changes;
mod clients;
mod fuse;
mod hurts;
mod looks;
mod node;
mod slots;

use bus::Bus;
pub use fuse::Answer;
use fuse::{Fate, Fuse};
use node::{Node, Refusal, State};
use rcluster_core::snapshot::{
    answer::{WireError, WireResult},
    capability::Capability,
    nodes_text::OpenSlot,
};
use rcluster_core::{
    node::{Address, Endpoint},
    slot::SlotSet,
};
use rcluster_wire::Wire;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The simulated wire. A clone is a handle to the same nodes.
#[derive(Clone, Default)]
pub struct FakeWire {
    password: Option<String>,
    fuse: Option<Arc<Fuse>>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    bus: Bus,
    late: BTreeMap<String, Duration>,
    commands: Vec<String>,
    lacking: Vec<Capability>,
}

impl FakeWire {
    /// A handle to the same nodes that logs in with another password.
    #[must_use]
    pub fn with_password(&self, password: Option<&str>) -> Self {
        FakeWire {
            password: password.map(str::to_owned),
            ..self.clone()
        }
    }

    /// A handle to the same nodes whose user is gone after `commands` commands that change
    /// something: every later call fails. `last` is what happens to the last of them.
    #[must_use]
    pub fn cut_after(&self, commands: usize, last: Answer) -> Self {
        FakeWire {
            fuse: Some(Arc::new(Fuse::of(commands, last))),
            ..self.clone()
        }
    }

    /// Whether the user of this handle is gone.
    pub fn is_cut(&self) -> bool {
        self.fuse.as_ref().is_some_and(|fuse| fuse.is_blown())
    }

    /// A copy of all nodes.
    #[must_use]
    pub fn fork(&self) -> Self {
        FakeWire {
            password: self.password.clone(),
            fuse: None,
            inner: Arc::new(Mutex::new(self.lock().clone())),
        }
    }

    /// Starts a node with the data on its disk; without data it is a new node.
    pub fn boot(&self, disk: &str, dial: Endpoint, address: Address, conf: &str) {
        let Inner { bus, .. } = &mut *self.lock();
        if !bus.nodes.contains_key(disk) {
            let node = Node::blank(bus.fresh_id(), dial.clone(), address);
            bus.nodes.insert(disk.to_owned(), node);
        }
        if let Some(node) = bus.nodes.get_mut(disk) {
            node.boot(dial, address, conf);
        }
    }

    /// Ends a node; its disk stays.
    pub fn halt(&self, disk: &str) {
        self.set(disk, State::Off);
    }

    /// Freezes a node: it takes connections and answers nothing.
    pub fn freeze(&self, disk: &str) {
        self.set(disk, State::Frozen);
    }

    /// From now on, the node answers a look only after `by`.
    pub fn delay(&self, disk: &str, by: Duration) {
        self.lock().late.insert(disk.to_owned(), by);
    }

    /// From now on, no node has this capability.
    pub fn lack(&self, capability: Capability) {
        self.lock().lacking.push(capability);
    }

    /// From now on, CONFIG SET of the node refuses this value.
    pub fn dislike(&self, disk: &str, value: &str) {
        if let Some(node) = self.lock().bus.nodes.get_mut(disk) {
            node.dislikes.insert(value.to_owned());
        }
    }

    /// Thaws it.
    pub fn thaw(&self, disk: &str) {
        self.set(disk, State::On);
    }

    /// Removes a node with its disk.
    pub fn wipe(&self, disk: &str) {
        self.lock().bus.nodes.remove(disk);
    }

    /// A node that is off loses its nodes.conf and keeps its keys: when it starts, it has a new id
    /// and owns the first few of its slots, as Redis does with slots in which it finds keys.
    pub fn unname(&self, disk: &str) {
        let Inner { bus, .. } = &mut *self.lock();
        let id = bus.fresh_id();
        if let Some(node) = bus.nodes.get_mut(disk) {
            node.unname(id);
        }
    }

    /// Every node has been up for so many more seconds.
    pub fn age(&self, seconds: u64) {
        let nodes = &mut self.lock().bus.nodes;
        for node in nodes.values_mut() {
            node.uptime += seconds;
        }
    }

    /// The node timeout passes: nodes agree on failures and hold elections.
    pub fn outlast_timeout(&self) {
        self.lock().bus.outlast_timeout();
    }

    /// Clients write keys to a node.
    pub fn write(&self, disk: &str, keys: u64) {
        if let Some(node) = self.lock().bus.nodes.get_mut(disk) {
            node.keys += keys;
        }
    }

    /// How many keys a node has that clients of the wire wrote, drills' canaries among them.
    pub fn written(&self, disk: &str) -> usize {
        let inner = self.lock();
        inner.bus.nodes.get(disk).map_or(0, |node| node.data.len())
    }

    /// A node loses its slots (DELSLOTS on every node).
    pub fn lose_slots(&self, disk: &str) {
        let nodes = &mut self.lock().bus.nodes;
        let Some(id) = nodes.get(disk).map(|node| node.id.clone()) else {
            return;
        };
        let lines = nodes.values_mut().filter_map(|node| node.view.get_mut(&id));
        lines.for_each(|line| line.slots = SlotSet::default());
    }

    /// A slot of a node is on its way to another (SETSLOT MIGRATING).
    pub fn open_slot(&self, disk: &str, slot: u16, to: &str) {
        let nodes = &mut self.lock().bus.nodes;
        let other = nodes.get(to).map(|node| node.id.clone());
        if let (Some(other), Some(node)) = (other, nodes.get_mut(disk))
            && node.me().votes()
            && node.id != other
        {
            node.open.push(OpenSlot {
                slot,
                migrating: true,
                other,
            });
        }
    }

    /// A replica leaves for another shard by itself, as in `clusterHandleSlaveMigration`.
    pub fn migrate_replica(&self, disk: &str, to: &str) {
        let nodes = &mut self.lock().bus.nodes;
        let master = nodes.get(to).map(|node| node.id.clone());
        if let (Some(master), Some(node)) = (master, nodes.get_mut(disk)) {
            node.follow(master);
        }
    }

    /// What CONFIG GET of the node would answer, without asking it.
    pub fn setting(&self, disk: &str, name: &str) -> String {
        let inner = self.lock();
        let node = inner.bus.nodes.get(disk);
        node.map_or_else(String::new, |node| node.setting(name).to_owned())
    }

    /// All commands that changed something or tried to, in order: `127.0.0.1:7000 CLUSTER MEET`.
    pub fn commands(&self) -> Vec<String> {
        self.lock().commands.clone()
    }

    fn set(&self, disk: &str, state: State) {
        if let Some(node) = self.lock().bus.nodes.get_mut(disk) {
            node.state = state;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // If another thread's assertion failed while it held the lock, that test fails, not this
        // one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the node at an endpoint and checks the password; after the call a round of gossip
    /// passes.
    fn call<T>(
        &self,
        at: &Endpoint,
        ask: impl FnOnce(&mut Inner, &str) -> WireResult<T>,
    ) -> WireResult<T> {
        if self.is_cut() {
            return Err(fuse::cut(at));
        }
        self.reached(at, ask)
    }

    fn reached<T>(
        &self,
        at: &Endpoint,
        ask: impl FnOnce(&mut Inner, &str) -> WireResult<T>,
    ) -> WireResult<T> {
        let inner = &mut *self.lock();
        let answer = match self.reach(inner, at) {
            Ok(disk) => ask(inner, &disk),
            Err(error) => Err(error),
        };
        inner.bus.round();
        answer
    }

    /// How long a look at the node at this endpoint takes.
    fn late(&self, at: &Endpoint) -> Duration {
        let inner = self.lock();
        let mut nodes = inner.bus.nodes.iter();
        let disk = nodes.find(|(_, node)| is_at(node, at));
        let late = disk.and_then(|(disk, _)| inner.late.get(disk));
        late.copied().unwrap_or_default()
    }

    fn reach(&self, inner: &mut Inner, at: &Endpoint) -> WireResult<String> {
        let mut nodes = inner.bus.nodes.iter_mut();
        let found = nodes.find(|(_, node)| is_at(node, at));
        let at = at.clone();
        let Some((disk, node)) = found else {
            let why = "Connection refused".to_owned();
            return Err(WireError::Unreachable { at, why });
        };
        if node.state == State::Frozen {
            return Err(WireError::Silent { at, millis: 1000 });
        }
        if node.full {
            return Err(WireError::Full { at });
        }
        let given = self.password.as_deref();
        let reply = match (node.setting("requirepass"), given) {
            ("", None) => None,
            ("", Some(_)) => Some(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
            ),
            (wanted, Some(given)) if wanted == given => None,
            (_, Some(_)) => Some("WRONGPASS invalid username-password pair or user is disabled."),
            (_, None) => Some("NOAUTH Authentication required."),
        };
        if let Some(reply) = reply {
            let reply = reply.to_owned();
            return Err(WireError::Auth { at, reply });
        }
        if node.loading > 0 {
            node.loading -= 1;
            return Err(WireError::Loading { at });
        }
        Ok(disk.clone())
    }

    /// A command that changes a node.
    fn command<T>(
        &self,
        at: &Endpoint,
        command: &str,
        change: impl FnOnce(&mut Bus, &str) -> Result<T, Refusal>,
    ) -> WireResult<T> {
        let fate = self
            .fuse
            .as_ref()
            .map_or(Fate::Answered, |fuse| fuse.burn());
        if fate == Fate::Unsent {
            return Err(fuse::cut(at));
        }
        let answer = self.reached(at, |inner, disk| {
            inner.commands.push(format!("{at} {command}"));
            let refused = |refusal| WireError::refused(at, command, &format!("ERR {refusal}"));
            change(&mut inner.bus, disk).map_err(refused)
        });
        if fate == Fate::Unheard {
            return Err(fuse::cut(at));
        }
        answer
    }

    /// A command that changes this node only.
    fn on_node<T>(
        &self,
        at: &Endpoint,
        command: &str,
        change: impl FnOnce(&mut Node) -> Result<T, Refusal>,
    ) -> WireResult<T> {
        self.command(at, command, |bus, disk| match bus.nodes.get_mut(disk) {
            Some(node) => change(node),
            None => Err("no such node".to_owned()),
        })
    }
}

fn is_at(node: &Node, at: &Endpoint) -> bool {
    let address = Endpoint::new(node.address.ip.to_string(), node.address.port);
    node.state != State::Off && (node.dial == *at || address == *at)
}

impl Wire for FakeWire {
    fn another(&self) -> Box<dyn Wire> {
        Box::new(self.clone())
    }
}
