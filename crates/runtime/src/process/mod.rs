//! redis-server processes on this host, one detached process a node.
//!
//! Everything a node has lies in its folder under the state folder; the process is recognised by
//! the lock on its pidfile (see `pidfile`). Nothing is kept running beside the nodes, so after a
//! reboot somebody has to say `rcluster up`.

mod folder;
mod logs;
mod orphan;
mod pidfile;
pub mod server;

use super::{
    Capabilities, Faults, Found, LogLines, OnProgress, Partition, Placed, RunState, Runtime,
    ShapeHash, Signal,
};
use crate::wait::{Look, wait_until};
use async_trait::async_trait;
use folder::{Card, Folder, cannot};
use logs::died;
use nix::{
    sys::signal::{Signal as Unix, kill},
    unistd::{Pid, Uid},
};
use orphan::Orphan;
use pidfile::Holder;
use rcluster_core::snapshot::place::THIS_HOST;
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
use server::Server;
use std::{
    collections::BTreeSet,
    fs,
    future::ready,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a process may take from its start to its pidfile (written once it listens).
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How long a killed process may take to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a process may take to be frozen or thawed.
const FREEZE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a process that was asked to end is left to itself before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How often a start or an end is looked for.
const POLL: Duration = Duration::from_millis(2);

/// For each so many nodes that start at once, each is looked at one POLL less often: a hundred
/// nodes at 2 ms would be 50 000 looks a second, on the processors that they need to start.
const PER_POLL: usize = 8;

/// The process runtime.
pub struct Process {
    clusters: PathBuf,
    /// The redis-server that was found last. Asking one for its version costs as much as starting
    /// one, so a run of rcluster asks once and not once a node.
    server: tokio::sync::Mutex<Option<(String, Server)>>,
}

impl Process {
    /// Keeps its clusters under `clusters`, one folder each.
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

    fn placed(folder: &Folder, card: Card) -> Result<Placed> {
        let holder = pidfile::holder(&folder.pidfile())?;
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
            // Nobody waits for a process that has outlived the rcluster that started it.
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

    async fn launch(
        folder: &Folder,
        server: &Path,
        node: &NodeName,
        poll: Duration,
    ) -> Result<bool> {
        let Some(pid) = pidfile::claim(&folder.pidfile())? else {
            return Ok(false);
        };
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(folder.log())
            .map_err(|error| cannot("opening", &folder.log(), error))?;
        let out = log
            .try_clone()
            .map_err(|error| cannot("opening", &folder.log(), error))?;
        let mut child = Command::new(server)
            .arg(folder.conf())
            .current_dir(folder.path())
            // The locked pidfile: see `pidfile`.
            .stdin(Stdio::from(pid))
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(log))
            // A group of its own: Ctrl-C at the terminal is not for it.
            .process_group(0)
            // What it needs is in its file; what is secret must not show in its environment.
            .env_remove("REDIS_PASSWORD")
            .env_remove("REDISCLI_AUTH")
            .spawn()
            .map_err(|error| {
                Error::missing(format!("starting {}", server.display()))
                    .source(error)
                    .hint("name a redis-server that runs here with `redis_server:` in the spec")
            })?;
        Self::await_pidfile(folder, &mut child, node, poll).await?;
        Ok(true)
    }

    /// Redis writes its pidfile once it listens on both ports (`initServer`, then `createPidFile`).
    async fn await_pidfile(
        folder: &Folder,
        child: &mut Child,
        node: &NodeName,
        poll: Duration,
    ) -> Result<()> {
        let path = folder.pidfile();
        let wanted = child.id().to_string();
        let outcome = wait_until(poll, START_DEADLINE, || {
            if fs::read_to_string(&path).is_ok_and(|text| text.trim() == wanted) {
                return ready(Ok(Look::Ready(None)));
            }
            ready(match child.try_wait() {
                Ok(Some(status)) => Ok(Look::Ready(Some(status))),
                Ok(None) => Ok(Look::Pending(())),
                Err(error) => Err(Error::failed(format!("waiting for {node}")).source(error)),
            })
        })
        .await?;
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(died(folder, node, &format!("{status}"))),
            Err(_) => {
                // A guard: what did not start must not linger half-started.
                let _ = child.kill();
                let _ = child.wait();
                Err(died(
                    folder,
                    node,
                    "it did not listen in time and was ended",
                ))
            }
        }
    }

    /// Redis refuses SIGTERM for as long as it writes its first append-only file, which a replica
    /// does after each full synchronisation: so it is asked until it ends.
    async fn ask_to_end(folder: &Folder, pid: i32, grace: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            send(pid, Unix::SIGTERM)?;
            // A frozen process takes SIGTERM only once it is thawed.
            send(pid, Unix::SIGCONT)?;
            let left = grace.saturating_sub(start.elapsed());
            if Self::await_end(folder, ASK_AGAIN.min(left)).await? {
                return Ok(true);
            }
            if left <= ASK_AGAIN {
                return Ok(false);
            }
        }
    }

    async fn await_end(folder: &Folder, deadline: Duration) -> Result<bool> {
        let path = folder.pidfile();
        let ended = wait_until(POLL, deadline, || {
            ready(pidfile::holder(&path).map(|holder| match holder {
                Holder::Nobody => Look::Ready(()),
                Holder::Process(_) => Look::Pending(()),
            }))
        })
        .await?;
        Ok(ended.is_ok())
    }

    /// A node whose folder is gone, if this is one.
    fn orphan(&self, cluster: &ClusterName, node: &NodeName) -> Option<Orphan> {
        if self.at(cluster, node).exists() {
            return None;
        }
        let mut all = orphan::all(&self.clusters).into_iter();
        all.find(|orphan| orphan.cluster == *cluster && orphan.node == *node)
    }

    /// Ends a node without a folder; there is nothing left that it could save.
    async fn end(&self, orphan: &Orphan) -> Result<()> {
        send(orphan.pid, Unix::SIGKILL)?;
        let ended = wait_until(POLL, KILL_DEADLINE, || {
            ready(Ok::<_, Error>(if orphan.is_alive(&self.clusters) {
                Look::Pending(())
            } else {
                Look::Ready(())
            }))
        })
        .await?;
        ended.map_err(|_| {
            Error::failed(format!(
                "{} (pid {}) does not end, not even by SIGKILL",
                orphan.node, orphan.pid
            ))
        })
    }

    /// The pid of a running node; waits out the instant in which it has not written it yet.
    async fn pid(folder: &Folder) -> Result<Option<i32>> {
        let path = folder.pidfile();
        let found = wait_until(POLL, START_DEADLINE, || {
            ready(pidfile::holder(&path).map(|holder| match holder {
                Holder::Nobody => Look::Ready(None),
                Holder::Process(Some(pid)) => Look::Ready(Some(pid)),
                Holder::Process(None) => Look::Pending(()),
            }))
        })
        .await?;
        found.map_err(|_| {
            Error::failed(format!(
                "{} is locked by a process that does not say its pid",
                path.display()
            ))
            .hint("another program holds the file open; see `fuser` or `lsof`")
        })
    }
}

/// Made anew at each look from what `node.json` says, so it needs no version.
fn shape(listen: IpAddr, port: u16, bus_port: u16) -> String {
    format!("{listen}:{port}:{bus_port}")
}

/// Where this host reaches a server that listens there.
pub(super) fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

/// Whether the process is stopped by a signal (`T` in the third field of /proc/PID/stat; the
/// second is the name in parentheses and may hold anything). Elsewhere than on Linux: not known.
pub(super) fn is_frozen(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// The kernel delivers a signal at its leisure: who looks next shall see what it did.
async fn await_frozen(pid: i32, wanted: bool) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let seen = wait_until(POLL, FREEZE_DEADLINE, || {
        ready(Ok::<_, Error>(if is_frozen(pid) == wanted {
            Look::Ready(())
        } else {
            Look::Pending(())
        }))
    });
    seen.await?.map_err(|_| {
        let what = if wanted { "stop" } else { "go on" };
        Error::failed(format!("process {pid} does not {what} when signalled"))
            .hint("a disk that hangs keeps processes from it; look at `dmesg`")
    })
}

fn send(pid: i32, signal: Unix) -> Result<()> {
    match kill(Pid::from_raw(pid), signal) {
        // It ended between the look and the signal: what was wanted of it is moot.
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(error) => Err(Error::failed(format!("signalling process {pid}")).source(error)),
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
            match Self::placed(&folder, card)?.state {
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
        Self::launch(&folder, &server.path, &node.name, poll).await
    }

    async fn configure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<()> {
        self.existing(&launch.name, &node.name)?.0.write_conf(conf)
    }

    async fn start(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        let (folder, card) = self.existing(cluster, node)?;
        let server = card.server.clone();
        match Self::placed(&folder, card)?.state {
            RunState::Running => Ok(false),
            RunState::Paused => self.signal(cluster, node, Signal::Resume).await,
            RunState::Stopped => Self::launch(&folder, &server, node, POLL).await,
        }
    }

    async fn stop(&self, cluster: &ClusterName, node: &NodeName, grace: Duration) -> Result<bool> {
        if let Some(orphan) = self.orphan(cluster, node) {
            return self.end(&orphan).await.map(|()| true);
        }
        let folder = self.at(cluster, node);
        let Some(pid) = Self::pid(&folder).await? else {
            return Ok(false);
        };
        if !Self::ask_to_end(&folder, pid, grace).await? {
            send(pid, Unix::SIGKILL)?;
            if !Self::await_end(&folder, KILL_DEADLINE).await? {
                return Err(Error::failed(format!(
                    "{node} (pid {pid}) does not end, not even by SIGKILL"
                ))
                .hint("a disk that hangs keeps processes alive; look at `dmesg`"));
            }
        }
        Ok(true)
    }

    async fn remove(&self, cluster: &ClusterName, node: &NodeName, volumes: bool) -> Result<bool> {
        if let Some(orphan) = self.orphan(cluster, node) {
            return self.end(&orphan).await.map(|()| true);
        }
        let folder = self.at(cluster, node);
        if !folder.path().is_dir() {
            return Ok(false);
        }
        let existed = folder.card()?.is_some();
        self.stop(cluster, node, Duration::from_secs(10)).await?;
        folder.remove(volumes)?;
        Ok(existed || volumes)
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
        let nodes = self.nodes(cluster);
        let entries = match fs::read_dir(&nodes) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(orphan::placed(&self.clusters, cluster));
            }
            Err(error) => return Err(cannot("reading", &nodes, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| cannot("reading", &nodes, error))?;
            let Some(name) = entry.file_name().to_str().map(NodeName::new) else {
                continue;
            };
            let folder = Folder::of(&nodes, &name);
            if let Some(card) = folder.card()? {
                let number = card.number;
                found.push((number, Self::placed(&folder, card)?));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found.into_iter().map(|(_, placed)| placed).collect())
    }

    async fn clusters(&self) -> Result<Vec<Found>> {
        let mut names: BTreeSet<ClusterName> = orphan::all(&self.clusters)
            .into_iter()
            .map(|orphan| orphan.cluster)
            .collect();
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
            let nodes = self.list(&name).await?;
            if nodes.is_empty() {
                continue;
            }
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
        let (folder, _) = self.existing(cluster, node)?;
        let Some(pid) = Self::pid(&folder).await? else {
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
                Self::await_end(&folder, KILL_DEADLINE).await.map(|_| true)
            }
        }
    }

    /// The nodes share the host's network.
    fn partition(&self) -> Option<&dyn Partition> {
        None
    }
}
