//! Nodes as redis-server processes of this host, one detached process for each.
//!
//! All files of a node are in its folder below the state folder, and its process is known by the
//! lock on its pidfile (see `pidfile`). Nothing else keeps running, so after a reboot somebody has
//! to type `rcluster up`.

mod folder;
mod logs;
mod pidfile;
mod running;
pub mod server;
mod signal;
mod spawn;

use super::{
    Capabilities, Faults, Found, LogLines, OnProgress, Partition, Placed, RunState, Runtime,
    ShapeHash, Signal,
};
use crate::wait::{Look, wait_until};
use async_trait::async_trait;
use folder::{Card, Folder, cannot};
use nix::{sys::signal::Signal as Unix, unistd::Uid};
use pidfile::Holder;
use rcluster_core::snapshot::place::{Disk, THIS_HOST};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::Verb,
    node::{Address, NodeName},
    spec::{
        ClusterName, RuntimeKind,
        launch::{Launch, NodeLaunch},
    },
};
use running::Seen;
use server::Server;
use signal::{await_frozen, is_frozen, send};
use spawn::START_DEADLINE;
use std::{
    collections::BTreeSet,
    fs,
    future::ready,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long it may take until a killed process is gone.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// How long after SIGTERM it is sent again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long a process may take to end after its pidfile is gone.
const MOMENT: Duration = Duration::from_millis(500);

/// How often a process that has not written its pid yet is looked at.
const STARTING: Duration = Duration::from_millis(20);

/// How often is looked whether a process has started or ended.
const POLL: Duration = Duration::from_millis(2);

/// With each further eight nodes that start at once, the pause between two looks at a node grows by
/// one [`POLL`]: a hundred nodes at 2 ms would be 50 000 looks a second, on the processors that
/// they need to start.
const PER_POLL: usize = 8;

/// The process runtime.
pub struct Process {
    clusters: PathBuf,
    /// The redis-server that was found last. Asking it for its version takes as long as starting
    /// one, so a run of rcluster asks once, not once for each node.
    server: tokio::sync::Mutex<Option<(String, Server)>>,
}

impl Process {
    /// A runtime that keeps each cluster in a folder below `clusters`.
    pub fn new(clusters: PathBuf) -> Self {
        Process {
            clusters,
            server: tokio::sync::Mutex::default(),
        }
    }

    async fn server(&self, program: &str) -> Result<Server> {
        let mut known = self.server.lock().await;
        if let Some((_, server)) = known.as_ref().filter(|(name, _)| name == program) {
            return Ok(server.clone());
        }
        let server = server::find(program).await?;
        *known = Some((program.to_owned(), server.clone()));
        Ok(server)
    }

    fn nodes(&self, cluster: &ClusterName) -> PathBuf {
        self.clusters.join(cluster.as_str()).join("nodes")
    }

    fn at(&self, cluster: &ClusterName, node: &NodeName) -> Folder {
        Folder::of(&self.nodes(cluster), node)
    }

    /// The folder of a node that exists.
    fn existing(&self, cluster: &ClusterName, node: &NodeName) -> Result<(Folder, Card)> {
        let folder = self.at(cluster, node);
        match folder.card()? {
            Some(card) => Ok((folder, card)),
            None => Err(Error::new(
                Kind::NoSuchCluster,
                format!("cluster {cluster} has no node {node} on this host"),
            )
            .hint(hint![Verb::Up, " creates what is missing"])),
        }
    }

    /// The node's process: found by its pidfile, or by looking at all processes if the pidfile is
    /// lost or empty.
    async fn holder(&self, cluster: &ClusterName, node: &NodeName, seen: &Seen) -> Result<Holder> {
        let holder = pidfile::holder(&self.at(cluster, node).pidfile())?;
        if matches!(holder, Holder::Process(Some(_))) {
            return Ok(holder);
        }
        let Some(found) = seen.node(&self.clusters, cluster, node) else {
            return Ok(holder);
        };
        // Redis removes its pidfile an instant before it ends, so such a node is as good as
        // stopped.
        if self.await_end(cluster, node, found.pid, MOMENT).await? {
            return Ok(Holder::Nobody);
        }
        Ok(Holder::Process(Some(found.pid)))
    }

    async fn placed(&self, cluster: &ClusterName, card: Card, seen: &Seen) -> Result<Placed> {
        let holder = self.holder(cluster, &card.node, seen).await?;
        let (state, runtime_id) = match holder {
            Holder::Nobody => (RunState::Stopped, String::new()),
            Holder::Process(None) => (RunState::Running, String::new()),
            Holder::Process(Some(pid)) if is_frozen(pid) => (RunState::Paused, pid.to_string()),
            Holder::Process(Some(pid)) => (RunState::Running, pid.to_string()),
        };
        let alive = state != RunState::Stopped;
        let ip = reachable(card.listen);
        Ok(Placed {
            state,
            port: card.port,
            bus_port: card.bus_port,
            host: THIS_HOST.to_owned(),
            connected: true,
            loops: false,
            // The exit code is unknown: the process's parent, an earlier rcluster, has ended.
            exit: None,
            dial: alive.then_some(SocketAddr::new(ip, card.port)),
            address: alive.then_some(Address {
                ip,
                port: card.port,
                bus_port: card.bus_port,
            }),
            runtime_id,
            shape: Some(shape(card.listen, card.port, card.bus_port)),
            node: card.node,
        })
    }

    /// Sends SIGTERM until the process ends: Redis refuses it while it writes its first append-only
    /// file, which a replica does after each full synchronization.
    async fn ask_to_end(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        pid: i32,
        grace: Duration,
    ) -> Result<bool> {
        let start = Instant::now();
        loop {
            send(pid, Unix::SIGTERM)?;
            // A frozen process gets the SIGTERM only once it is thawed.
            send(pid, Unix::SIGCONT)?;
            let left = grace.saturating_sub(start.elapsed());
            if self
                .await_end(cluster, node, pid, ASK_AGAIN.min(left))
                .await?
            {
                return Ok(true);
            }
            if left <= ASK_AGAIN {
                return Ok(false);
            }
        }
    }

    /// Waits until this process of a node has ended: nobody holds the pidfile, and no process says
    /// that it is the node, because the file may be gone before the process is.
    async fn await_end(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        pid: i32,
        deadline: Duration,
    ) -> Result<bool> {
        let path = self.at(cluster, node).pidfile();
        let is_it = || {
            running::of(&self.clusters, pid)
                .is_some_and(|running| running.cluster == *cluster && running.node == *node)
        };
        let ended = wait_until(POLL, deadline, || {
            ready(pidfile::holder(&path).map(|holder| match holder {
                Holder::Process(Some(other)) if other != pid => Look::Ready(()),
                Holder::Nobody if !is_it() => Look::Ready(()),
                _ => Look::Pending(()),
            }))
        })
        .await?;
        Ok(ended.is_ok())
    }

    /// The pid of a node that runs. A process that has just started and has not written its pid yet
    /// is waited for.
    async fn pid(&self, cluster: &ClusterName, node: &NodeName) -> Result<Option<i32>> {
        let found = wait_until(STARTING, START_DEADLINE, async || {
            let holder = self.holder(cluster, node, &Seen::default()).await?;
            Ok::<_, Error>(match holder {
                Holder::Nobody => Look::Ready(None),
                Holder::Process(Some(pid)) => Look::Ready(Some(pid)),
                Holder::Process(None) => Look::Pending(()),
            })
        })
        .await?;
        found.map_err(|_| {
            let path = self.at(cluster, node).pidfile();
            Error::failed(format!(
                "{} is locked by a process that does not say its pid",
                path.display()
            ))
            .hint("another program holds the file open; see `fuser` or `lsof`")
        })
    }

    /// The nodes of a cluster that have files, and those that have only a process.
    async fn listed(&self, cluster: &ClusterName, seen: &Seen) -> Result<Vec<Placed>> {
        let nodes = self.nodes(cluster);
        let entries = match fs::read_dir(&nodes) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot("reading", &nodes, error)),
        };
        let mut found = Vec::new();
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(|error| cannot("reading", &nodes, error))?;
            let Some(name) = entry.file_name().to_str().map(NodeName::new) else {
                continue;
            };
            if let Some(card) = Folder::of(&nodes, &name).card()? {
                let number = card.number;
                found.push((number, self.placed(cluster, card, seen).await?));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        let mut placed: Vec<Placed> = found.into_iter().map(|(_, placed)| placed).collect();
        let running = seen.all(&self.clusters).iter();
        let mut bare: Vec<Placed> = running
            .filter(|running| running.cluster == *cluster)
            .filter(|running| placed.iter().all(|placed| placed.node != running.node))
            .map(running::Running::placed)
            .collect();
        bare.sort_by_key(|placed| placed.port);
        placed.append(&mut bare);
        Ok(placed)
    }
}

/// The shape of a node. It is computed from `node.json` at each look and stored nowhere, so it
/// needs no version.
fn shape(listen: IpAddr, port: u16, bus_port: u16) -> String {
    format!("{listen}:{port}:{bus_port}")
}

/// The address at which this host reaches a server that listens on `listen`.
pub(super) fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

#[async_trait]
impl Runtime for Process {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Process
    }

    fn capabilities(&self) -> Capabilities {
        self.kind().capabilities()
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }

    fn folder(&self, cluster: &ClusterName, node: &NodeName) -> Option<PathBuf> {
        Some(self.at(cluster, node).path().to_owned())
    }

    fn shape(&self, launch: &Launch, node: &NodeLaunch) -> ShapeHash {
        shape(launch.listen, node.port, node.bus_port).into()
    }

    async fn prepare(&self, launch: &Launch, _progress: OnProgress<'_>) -> Result<bool> {
        self.server(&launch.redis_server).await?;
        let nodes = self.nodes(&launch.name);
        let existed = nodes.is_dir();
        folder::create_private(&nodes)?;
        Ok(!existed)
    }

    async fn ensure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<bool> {
        let folder = self.at(&launch.name, &node.name);
        if let Some(card) = folder.card()? {
            match self
                .placed(&launch.name, card, &Seen::default())
                .await?
                .state
            {
                RunState::Running => return Ok(false),
                RunState::Paused => {
                    return self.signal(&launch.name, &node.name, Signal::Resume).await;
                }
                RunState::Stopped => {}
            }
        }
        let server = self.server(&launch.redis_server).await?;
        folder.create()?;
        folder.write_conf(conf)?;
        folder.write_card(&Card::new(
            &launch.name,
            node,
            launch.listen,
            server.path.clone(),
        ))?;
        let others = u32::try_from(launch.nodes.len() / PER_POLL).unwrap_or(u32::MAX);
        let poll = POLL.saturating_mul(others.saturating_add(1));
        spawn::launch(&folder, &server.path, &node.name, poll).await
    }

    async fn configure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<()> {
        self.existing(&launch.name, &node.name)?.0.write_conf(conf)
    }

    async fn start(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        let (folder, card) = self.existing(cluster, node)?;
        let server = card.server.clone();
        match self.placed(cluster, card, &Seen::default()).await?.state {
            RunState::Running => Ok(false),
            RunState::Paused => self.signal(cluster, node, Signal::Resume).await,
            RunState::Stopped => spawn::launch(&folder, &server, node, POLL).await,
        }
    }

    async fn stop(&self, cluster: &ClusterName, node: &NodeName, grace: Duration) -> Result<bool> {
        let Some(pid) = self.pid(cluster, node).await? else {
            return Ok(false);
        };
        // Without its folder, the node has nothing left to save to.
        let saves = self.at(cluster, node).has_data();
        if saves && self.ask_to_end(cluster, node, pid, grace).await? {
            return Ok(true);
        }
        send(pid, Unix::SIGKILL)?;
        if !self.await_end(cluster, node, pid, KILL_DEADLINE).await? {
            return Err(Error::failed(format!(
                "{node} (pid {pid}) does not end, not even by SIGKILL"
            ))
            .hint("a disk that hangs keeps processes alive; look at `dmesg`"));
        }
        Ok(true)
    }

    async fn remove(&self, cluster: &ClusterName, node: &NodeName, volumes: bool) -> Result<bool> {
        let folder = self.at(cluster, node);
        let existed = folder.card()?.is_some();
        let ran = self.stop(cluster, node, Duration::from_secs(10)).await?;
        if !folder.path().is_dir() {
            return Ok(ran);
        }
        folder.remove(volumes)?;
        Ok(existed || ran || volumes)
    }

    async fn retire(&self, cluster: &ClusterName, volumes: bool) -> Result<bool> {
        if let Some(node) = self.list(cluster).await?.first() {
            return Err(
                Error::refused(format!("{} of {cluster} still exists", node.node))
                    .hint(hint![Verb::Down.of(cluster), " removes the nodes first"]),
            );
        }
        let nodes = self.nodes(cluster);
        if !volumes || !nodes.is_dir() {
            return Ok(false);
        }
        fs::remove_dir_all(&nodes).map_err(|error| cannot("removing", &nodes, error))?;
        Ok(true)
    }

    async fn list(&self, cluster: &ClusterName) -> Result<Vec<Placed>> {
        self.listed(cluster, &Seen::default()).await
    }

    async fn disk(&self, cluster: &ClusterName, node: &NodeName) -> Result<Disk> {
        Ok(self.at(cluster, node).disk())
    }

    async fn clusters(&self) -> Result<Vec<Found>> {
        let seen = Seen::default();
        let running = seen.all(&self.clusters).iter();
        let mut names: BTreeSet<ClusterName> =
            running.map(|running| running.cluster.clone()).collect();
        match fs::read_dir(&self.clusters) {
            Ok(entries) => names.extend(
                entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().to_str()?.parse::<ClusterName>().ok()),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot("reading", &self.clusters, error)),
        }
        let me = Uid::current().as_raw();
        let mut found = Vec::new();
        for name in names {
            // A cluster that cannot be read (it may be another user's) must not hide the others.
            let nodes = self.listed(&name, &seen).await;
            if nodes.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            let nodes = nodes.unwrap_or_default();
            let owner =
                Folder::owner(&self.clusters.join(name.as_str())).filter(|owner| *owner != me);
            found.push(Found {
                foreign_owner: owner.map(|owner| format!("uid {owner}")),
                nodes: nodes.len(),
                running: nodes
                    .iter()
                    .filter(|node| node.state == RunState::Running)
                    .count(),
                first_port: nodes.iter().map(|node| node.port).min(),
                name,
            });
        }
        Ok(found)
    }

    async fn logs(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: usize,
    ) -> Result<Vec<String>> {
        self.existing(cluster, node)?.0.last_lines(tail)
    }

    async fn log_lines(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: Option<usize>,
        follow: bool,
    ) -> Result<LogLines<'_>> {
        let (folder, _) = self.existing(cluster, node)?;
        logs::lines(folder, tail, follow)
    }
}

#[async_trait]
impl Faults for Process {
    async fn signal(&self, cluster: &ClusterName, node: &NodeName, signal: Signal) -> Result<bool> {
        self.existing(cluster, node)?;
        let Some(pid) = self.pid(cluster, node).await? else {
            return Ok(false);
        };
        match (signal, is_frozen(pid)) {
            (Signal::Pause, true) | (Signal::Resume, false) => Ok(false),
            (Signal::Pause, false) => {
                send(pid, Unix::SIGSTOP)?;
                await_frozen(pid, true).await.map(|()| true)
            }
            (Signal::Resume, true) => {
                send(pid, Unix::SIGCONT)?;
                await_frozen(pid, false).await.map(|()| true)
            }
            (Signal::Kill, _) => {
                send(pid, Unix::SIGKILL)?;
                let ended = self.await_end(cluster, node, pid, KILL_DEADLINE);
                ended.await.map(|_| true)
            }
        }
    }

    /// The nodes share the host's network.
    fn partition(&self) -> Option<&dyn Partition> {
        None
    }
}
