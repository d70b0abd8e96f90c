//! Nodes that exist in memory only: the [`Runtime`] of tests.
//!
//! It keeps the contract of [`Runtime`] and runs nothing. To have nodes that answer, give it a
//! hook: it is called with every [`Power`], and a `FakeWire` turns those into simulated nodes.

use async_trait::async_trait;
use rcluster_core::snapshot::place::{
    Capabilities, Disk, Exit, Placed, RunState, ShapeHash, THIS_HOST,
};
use rcluster_core::{
    error::{Error, Kind, Result},
    node::{Address, NodeName},
    spec::{
        ClusterName, RuntimeKind,
        launch::{Launch, NodeLaunch},
    },
};
use rcluster_runtime::{Beside, Faults, Found, OnProgress, Partition, Runtime, Signal};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What happens to a node. `disk` (`cluster/node`) names its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Power {
    /// The node starts, with the data of its disk if there is any.
    On {
        /// Its disk.
        disk: String,
        /// Where rcluster dials it.
        dial: SocketAddr,
        /// Where its peers reach it.
        address: Address,
        /// Its redis.conf.
        conf: String,
    },
    /// The node ends; its data stays.
    Off {
        /// Its disk.
        disk: String,
    },
    /// The node is frozen.
    Freeze {
        /// Its disk.
        disk: String,
    },
    /// The node is thawed.
    Thaw {
        /// Its disk.
        disk: String,
    },
    /// The node loses its nodes.conf and keeps its other data.
    Unname {
        /// Its disk.
        disk: String,
    },
    /// The node's data is removed.
    Wipe {
        /// Its disk.
        disk: String,
    },
}

/// Called with every [`Power`].
pub type OnPower = Box<dyn Fn(Power) + Send + Sync>;

/// Which addresses nodes get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// This host's: all nodes on 127.0.0.1, each with a port of its own.
    Host,
    /// An address for each node that never changes.
    Fixed,
    /// An address for each node that is a new one at each creation.
    Moving,
}

/// The simulated runtime. A clone is a handle to the same nodes.
#[derive(Clone)]
pub struct FakeRuntime {
    addresses: Addresses,
    power: Arc<OnPower>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    nodes: BTreeMap<ClusterName, BTreeMap<NodeName, Node>>,
    /// Clusters whose network exists.
    prepared: BTreeSet<ClusterName>,
    /// The data that there is, of nodes that exist and of nodes that were removed.
    disks: BTreeSet<(ClusterName, NodeName)>,
    /// The disks whose nodes.conf is lost.
    nameless: BTreeSet<(ClusterName, NodeName)>,
    /// Why what nodes share cannot be made.
    unprepared: Option<String>,
    doomed: BTreeSet<NodeName>,
    /// Nodes that the next look still finds running; after it they have ended.
    ending: BTreeSet<NodeName>,
    creations: u8,
    changes: usize,
}

#[derive(Clone)]
struct Node {
    number: u16,
    state: RunState,
    listen: IpAddr,
    address: Address,
    shape: String,
    conf: String,
    cut_off: bool,
    exit: Option<Exit>,
}

impl FakeRuntime {
    /// A host without nodes; `power` is called with what happens to them.
    pub fn new(addresses: Addresses, power: OnPower) -> Self {
        FakeRuntime {
            addresses,
            power: Arc::new(power),
            inner: Arc::default(),
        }
    }

    /// A copy of this host, with a hook of its own.
    #[must_use]
    pub fn fork(&self, power: OnPower) -> Self {
        FakeRuntime {
            addresses: self.addresses,
            power: Arc::new(power),
            inner: Arc::new(Mutex::new(self.lock().clone())),
        }
    }

    /// How many calls changed something.
    pub fn changes(&self) -> usize {
        self.lock().changes
    }

    /// What nodes share cannot be made from now on: an image is missing, say.
    pub fn cannot_prepare(&self, why: &str) {
        self.lock().unprepared = Some(why.to_owned());
    }

    /// From now on, the node dies whenever it is started.
    pub fn doom(&self, node: &NodeName) {
        self.lock().doomed.insert(node.clone());
    }

    /// It no longer does.
    pub fn spare(&self, node: &NodeName) {
        self.lock().doomed.remove(node);
    }

    /// A stopped node loses its nodes.conf and keeps its other data.
    pub fn unname(&self, cluster: &ClusterName, node: &NodeName) {
        let disk = disk(cluster, node);
        self.lock().nameless.insert((cluster.clone(), node.clone()));
        (self.power)(Power::Unname { disk });
    }

    /// The next look still finds the node running; after it, the node has ended.
    pub fn end_soon(&self, node: &NodeName) {
        self.lock().ending.insert(node.clone());
    }

    /// The redis.conf that the node reads at its next start.
    pub fn conf(&self, cluster: &ClusterName, node: &NodeName) -> Option<String> {
        Some(self.lock().nodes.get(cluster)?.get(node)?.conf.clone())
    }

    /// Whether anything of the cluster is left: a node, a network, data.
    pub fn has_traces(&self, cluster: &ClusterName) -> bool {
        let inner = self.lock();
        inner.prepared.contains(cluster)
            || inner
                .nodes
                .get(cluster)
                .is_some_and(|nodes| !nodes.is_empty())
            || inner.disks.iter().any(|(of, _)| of == cluster)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // If another thread's assertion failed while it held the lock, that test fails, not this
        // one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self, creations: u8, launch: &Launch, node: &NodeLaunch) -> Address {
        let number = u8::try_from(node.number).unwrap_or(u8::MAX);
        let ip = match self.addresses {
            Addresses::Host => launch.listen,
            Addresses::Fixed => Ipv4Addr::new(10, 77, 0, number).into(),
            Addresses::Moving => Ipv4Addr::new(10, 77, creations, number).into(),
        };
        Address {
            ip,
            port: node.port,
            bus_port: node.bus_port,
        }
    }

    /// Starts a node that exists and is stopped.
    fn power_on(&self, inner: &mut Inner, cluster: &ClusterName, name: &NodeName) -> Result<()> {
        if inner.doomed.contains(name) {
            return Err(Error::failed(format!("{name} ended while it started"))
                .log(name.as_str(), vec!["# Fatal error, can't start".to_owned()]));
        }
        let node = inner.existing(cluster, name)?;
        node.state = RunState::Running;
        node.exit = None;
        (self.power)(Power::On {
            disk: disk(cluster, name),
            dial: SocketAddr::new(node.listen, node.address.port),
            address: node.address,
            conf: node.conf.clone(),
        });
        inner.disks.insert((cluster.clone(), name.clone()));
        inner.nameless.remove(&(cluster.clone(), name.clone()));
        inner.changes += 1;
        Ok(())
    }

    fn thaw(&self, inner: &mut Inner, cluster: &ClusterName, name: &NodeName) -> Result<()> {
        inner.existing(cluster, name)?.state = RunState::Running;
        inner.changes += 1;
        (self.power)(Power::Thaw {
            disk: disk(cluster, name),
        });
        Ok(())
    }

    /// Connects a node that was cut off.
    fn connect(&self, inner: &mut Inner, cluster: &ClusterName, name: &NodeName) -> bool {
        let existing = inner.existing(cluster, name);
        let changed = existing.is_ok_and(|node| std::mem::take(&mut node.cut_off));
        if changed {
            inner.changes += 1;
            (self.power)(Power::Thaw {
                disk: disk(cluster, name),
            });
        }
        changed
    }

    fn power_off(
        &self,
        inner: &mut Inner,
        cluster: &ClusterName,
        name: &NodeName,
        code: i64,
    ) -> bool {
        let Ok(node) = inner.existing(cluster, name) else {
            return false;
        };
        if node.state == RunState::Stopped {
            return false;
        }
        node.state = RunState::Stopped;
        node.exit = Some(Exit {
            code: Some(code),
            ..Exit::default()
        });
        inner.changes += 1;
        (self.power)(Power::Off {
            disk: disk(cluster, name),
        });
        true
    }

    fn listed(inner: &Inner, cluster: &ClusterName) -> Vec<Placed> {
        let placed = |(name, node): (&NodeName, &Node)| {
            let lives = node.state != RunState::Stopped && !node.cut_off;
            Placed {
                node: name.clone(),
                state: node.state,
                port: node.address.port,
                bus_port: node.address.bus_port,
                host: THIS_HOST.to_owned(),
                connected: !node.cut_off,
                loops: false,
                exit: node.exit.clone(),
                dial: lives.then(|| SocketAddr::new(node.listen, node.address.port)),
                address: lives.then_some(node.address),
                runtime_id: if lives {
                    disk(cluster, name)
                } else {
                    String::new()
                },
                shape: Some(node.shape.clone()),
            }
        };
        inner.sorted(cluster).into_iter().map(placed).collect()
    }

    fn wipe(&self, inner: &mut Inner, cluster: &ClusterName, name: &NodeName) -> bool {
        let existed = inner.disks.remove(&(cluster.clone(), name.clone()));
        if existed {
            inner.changes += 1;
            (self.power)(Power::Wipe {
                disk: disk(cluster, name),
            });
        }
        existed
    }
}

impl Inner {
    fn existing(&mut self, cluster: &ClusterName, name: &NodeName) -> Result<&mut Node> {
        let nodes = self.nodes.entry(cluster.clone()).or_default();
        nodes.get_mut(name).ok_or_else(|| {
            Error::new(
                Kind::NoSuchCluster,
                format!("{cluster} has no node {name} here"),
            )
        })
    }

    fn sorted(&self, cluster: &ClusterName) -> Vec<(&NodeName, &Node)> {
        let mut nodes: Vec<_> = self.nodes.get(cluster).into_iter().flatten().collect();
        nodes.sort_by_key(|(_, node)| node.number);
        nodes
    }
}

/// The exit code of a process that SIGKILL ended.
const SIGKILLED: i64 = 137;

/// The name of a node's disk.
pub fn disk(cluster: &ClusterName, node: &NodeName) -> String {
    format!("{cluster}/{node}")
}

#[async_trait]
impl Runtime for FakeRuntime {
    /// It has to be one of the kinds of the product; nothing is decided by it.
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::External
    }

    fn capabilities(&self) -> Capabilities {
        let own_network = self.addresses != Addresses::Host;
        Capabilities {
            start: true,
            pause: true,
            volumes: true,
            own_network,
            partition: own_network,
            ..Capabilities::NONE
        }
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }

    fn shape(&self, launch: &Launch, node: &NodeLaunch) -> ShapeHash {
        let Launch { image, listen, .. } = launch;
        let NodeLaunch { port, bus_port, .. } = node;
        format!("{image} {listen}:{port}@{bus_port}").into()
    }

    async fn prepare(&self, launch: &Launch, _: OnProgress<'_>) -> Result<bool> {
        let mut inner = self.lock();
        let new = inner.prepared.insert(launch.name.clone());
        inner.changes += usize::from(new);
        match &inner.unprepared {
            Some(why) => Err(Error::missing(why.clone())),
            None => Ok(new),
        }
    }

    async fn ensure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<bool> {
        let mut inner = self.lock();
        let cluster = &launch.name;
        match inner
            .existing(cluster, &node.name)
            .map(|existing| existing.state)
        {
            Ok(RunState::Running) => {
                return Ok(self.connect(&mut inner, cluster, &node.name));
            }
            Ok(RunState::Paused) => {
                return self.thaw(&mut inner, cluster, &node.name).map(|()| true);
            }
            Ok(RunState::Stopped) => {
                conf.clone_into(&mut inner.existing(cluster, &node.name)?.conf);
            }
            Err(_) => {
                if !inner.prepared.contains(cluster) {
                    return Err(Error::failed(format!("{cluster} has no network")));
                }
                inner.creations = inner.creations.wrapping_add(1);
                let created = Node {
                    number: node.number,
                    state: RunState::Stopped,
                    listen: launch.listen,
                    address: self.address(inner.creations, launch, node),
                    shape: self.shape(launch, node).current,
                    conf: conf.to_owned(),
                    cut_off: false,
                    exit: None,
                };
                let nodes = inner.nodes.entry(cluster.clone()).or_default();
                nodes.insert(node.name.clone(), created);
            }
        }
        self.power_on(&mut inner, cluster, &node.name)
            .map(|()| true)
    }

    async fn configure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<()> {
        let mut inner = self.lock();
        conf.clone_into(&mut inner.existing(&launch.name, &node.name)?.conf);
        inner.changes += 1;
        Ok(())
    }

    async fn start(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        let mut inner = self.lock();
        match inner.existing(cluster, node)?.state {
            RunState::Running => Ok(false),
            RunState::Paused => self.thaw(&mut inner, cluster, node).map(|()| true),
            RunState::Stopped => self.power_on(&mut inner, cluster, node).map(|()| true),
        }
    }

    async fn stop(&self, cluster: &ClusterName, node: &NodeName, _: Duration) -> Result<bool> {
        Ok(self.power_off(&mut self.lock(), cluster, node, 0))
    }

    async fn remove(&self, cluster: &ClusterName, node: &NodeName, volumes: bool) -> Result<bool> {
        let mut inner = self.lock();
        self.power_off(&mut inner, cluster, node, 0);
        let nodes = inner.nodes.entry(cluster.clone()).or_default();
        let existed = nodes.remove(node).is_some();
        inner.changes += usize::from(existed);
        Ok((volumes && self.wipe(&mut inner, cluster, node)) || existed)
    }

    async fn retire(&self, cluster: &ClusterName, volumes: bool) -> Result<bool> {
        let mut inner = self.lock();
        if let Some((node, _)) = inner.sorted(cluster).first() {
            return Err(Error::refused(format!("{node} of {cluster} still exists")));
        }
        let mut changed = inner.prepared.remove(cluster);
        inner.changes += usize::from(changed);
        if volumes {
            let left: Vec<_> = inner
                .disks
                .iter()
                .filter(|(of, _)| of == cluster)
                .cloned()
                .collect();
            for (_, node) in left {
                changed |= self.wipe(&mut inner, cluster, &node);
            }
        }
        Ok(changed)
    }

    async fn list(&self, cluster: &ClusterName) -> Result<Vec<Placed>> {
        let mut inner = self.lock();
        let ending = std::mem::take(&mut inner.ending);
        let listed = Self::listed(&inner, cluster);
        for node in &ending {
            self.power_off(&mut inner, cluster, node, 0);
        }
        Ok(listed)
    }

    async fn disk(&self, cluster: &ClusterName, node: &NodeName) -> Result<Disk> {
        let inner = self.lock();
        let disk = (cluster.clone(), node.clone());
        Ok(
            match (inner.disks.contains(&disk), inner.nameless.contains(&disk)) {
                (true, true) => Disk::Nameless,
                (true, false) => Disk::Whole,
                (false, _) => Disk::Empty,
            },
        )
    }

    async fn clusters(&self) -> Result<Vec<Found>> {
        let inner = self.lock();
        let found = |(name, nodes): (&ClusterName, &BTreeMap<NodeName, Node>)| Found {
            name: name.clone(),
            foreign_owner: None,
            nodes: nodes.len(),
            running: nodes
                .values()
                .filter(|node| node.state == RunState::Running)
                .count(),
            first_port: nodes.values().map(|node| node.address.port).min(),
        };
        let some = inner.nodes.iter().filter(|(_, nodes)| !nodes.is_empty());
        Ok(some.map(found).collect())
    }

    async fn logs(&self, cluster: &ClusterName, node: &NodeName, _: usize) -> Result<Vec<String>> {
        self.lock().existing(cluster, node)?;
        Ok(vec!["* Ready to accept connections".to_owned()])
    }
}

#[async_trait]
impl Faults for FakeRuntime {
    async fn signal(&self, cluster: &ClusterName, node: &NodeName, signal: Signal) -> Result<bool> {
        let mut inner = self.lock();
        let existing = inner.existing(cluster, node)?;
        match (signal, existing.state) {
            (Signal::Kill, _) => Ok(self.power_off(&mut inner, cluster, node, SIGKILLED)),
            (Signal::Pause, RunState::Running) => {
                existing.state = RunState::Paused;
                inner.changes += 1;
                (self.power)(Power::Freeze {
                    disk: disk(cluster, node),
                });
                Ok(true)
            }
            (Signal::Resume, RunState::Paused) => {
                self.thaw(&mut inner, cluster, node).map(|()| true)
            }
            (Signal::Pause | Signal::Resume, _) => Ok(false),
        }
    }

    fn partition(&self) -> Option<&dyn Partition> {
        let own_network = self.addresses != Addresses::Host;
        own_network.then_some(self)
    }
}

/// A node that is cut off answers nobody, as one that is frozen does.
#[async_trait]
impl Partition for FakeRuntime {
    async fn disconnect(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        let mut inner = self.lock();
        let existing = inner.existing(cluster, node)?;
        let changed = !std::mem::replace(&mut existing.cut_off, true);
        if changed {
            inner.changes += 1;
            (self.power)(Power::Freeze {
                disk: disk(cluster, node),
            });
        }
        Ok(changed)
    }

    async fn reconnect(&self, launch: &Launch, node: &NodeName) -> Result<bool> {
        Ok(self.connect(&mut self.lock(), &launch.name, node))
    }

    async fn beside(
        &self,
        _: &ClusterName,
        node: &NodeName,
        _: &[String],
        _: &[(String, String)],
    ) -> Result<Beside> {
        Err(Error::failed(format!(
            "no program runs beside {node}, which exists in memory only"
        )))
    }
}
