//! The cluster that a command is about: one of ours, or one behind seeds. It is made once per command
//! and passed on; who its nodes are, how each is dialled and what its runtime can do is asked of it.

use super::{
    choose::{self, Chosen},
    context::{Context, Kill},
    event::{Event, Listener},
    look,
};
use crate::store::{
    audit::Journal,
    lock::Lock,
    state::{Pending, Remembered, State},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::About,
    hint::Verb,
    judge::Wanted,
    login::Login,
    node::{Address, BUS_OFFSET, Endpoint},
    secret::Secret,
    snapshot::{
        Snapshot,
        place::{Capabilities, Engine, Placed, RunState},
    },
    spec::{Access, ClusterName, PortChoice, Spec, launch::Launch},
};
use rcluster_runtime::{Runtime, docker::Docker, external::External, ports};
use rcluster_wire::{LiveWire, Wire};
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a command asks for, resolved from flags, environment and spec.
#[derive(Debug, Clone)]
pub struct Request {
    /// The state folder.
    pub state: State,
    /// The spec as it was resolved.
    pub spec: Spec,
    /// Nodes through which a cluster that rcluster did not start is reached; empty: it is ours.
    pub seeds: Vec<Endpoint>,
    /// What is remembered of the cluster of that name.
    pub remembered: Option<Remembered>,
    /// As whom its nodes are spoken to; the password is the one that was given, or remembered.
    pub login: Login,
    /// What was typed, for the journal and the lock.
    pub argv: Vec<String>,
    /// How long any single wait may take.
    pub deadline: Duration,
}

/// A cluster that can be worked on.
pub struct Cluster {
    /// What was asked for.
    pub request: Request,
    /// Where its nodes run.
    pub runtime: Box<dyn Runtime>,
    /// Why there.
    pub reason: String,
    /// The engine on which it is about to be made, where there may be several.
    pub engine: Option<Engine>,
    /// The cluster as it is to be; behind seeds only a name.
    pub launch: Launch,
    /// The cluster as it was last applied to the end.
    pub before: Option<Launch>,
    /// How its nodes are spoken to.
    pub wire: Box<dyn Wire>,
    /// For tests: where the run is to end as if it had been killed.
    pub kill: Option<Kill>,
    /// Through whom a cluster is asked that is not ours: who answered once becomes a seed too, since
    /// the first one may die.
    seeds: Mutex<Vec<Endpoint>>,
    journal: Journal,
    _lock: Option<Lock>,
}

/// Whether a run changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It only looks.
    Look,
    /// It changes: nobody else may at the same time.
    Change,
}

impl Cluster {
    /// The cluster that exists: behind the seeds of the request, else ours. Exit 6 if there is none.
    pub async fn reach(request: Request, purpose: Purpose) -> Result<Self> {
        if request.seeds.is_empty() {
            return Cluster::find(request, purpose).await;
        }
        Cluster::behind_seeds(request)
    }

    /// The cluster behind the seeds of the request. Nobody is asked yet.
    pub fn behind_seeds(request: Request) -> Result<Self> {
        let launch = Launch::foreign();
        let runtime = Box::new(External::default());
        Ok(Cluster::new(
            request,
            runtime,
            "given by --seed".to_owned(),
            launch,
            None,
        ))
    }

    /// For a cluster that is to exist: chooses a runtime and ports where that is left open.
    pub async fn create(
        request: Request,
        purpose: Purpose,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let lock = lock(&request, purpose)?;
        let Chosen { runtime, reason } = choose::create(
            &request.state,
            &request.spec,
            request.remembered.as_ref(),
            listener,
        )
        .await?;
        let kind = runtime.kind();
        refuse_access(&request.spec, &*runtime).await?;
        let existing = runtime.list(&request.spec.name).await?;
        let first = match request.spec.port {
            PortChoice::First(first) => first,
            PortChoice::Auto(_) => match (&request.remembered, existing.first()) {
                (Some(remembered), _) => remembered.first_port,
                (None, Some(node)) => node.port,
                (None, None) => free_ports(&request, runtime.capabilities())?,
            },
        };
        let launch = Launch::new(&request.spec, kind, first);
        if request.remembered.is_none() && existing.is_empty() {
            listener.hear(Event::Note {
                text: format!("cluster {} on the {kind} runtime: {reason}", launch.name),
            });
        }
        if launch.listen.is_unspecified() && request.login.secret.is_none() {
            listener.hear(Event::Warning {
                text: format!("`listen: {}` without a password opens the data to every host that can reach this one", launch.listen),
            });
        }
        let noted = request.remembered.as_ref();
        let engine = match noted.and_then(|noted| noted.engine.clone()) {
            Some(engine) => Some(engine),
            None => runtime.engine().await?,
        };
        let cluster = Cluster::new(request, runtime, reason, launch, lock);
        Ok(Cluster { engine, ..cluster })
    }

    /// For a cluster that exists. Exit 6 if there is none.
    pub async fn find(request: Request, purpose: Purpose) -> Result<Self> {
        let lock = lock(&request, purpose)?;
        let Request {
            state,
            spec,
            remembered,
            ..
        } = &request;
        let Chosen { runtime, reason } =
            choose::find(state, &spec.name, spec.runtime, remembered.as_ref()).await?;
        let launch = match remembered {
            Some(remembered) => remembered.launch(),
            None => {
                let first = runtime
                    .list(&spec.name)
                    .await?
                    .iter()
                    .map(|node| node.port)
                    .min();
                Launch::new(spec, runtime.kind(), first.unwrap_or(1))
            }
        };
        Ok(Cluster::new(request, runtime, reason, launch, lock))
    }

    /// On these edges, whatever the spec says: how tests bring their fakes. `port: auto` is not
    /// decided.
    pub fn with(request: Request, runtime: Box<dyn Runtime>, wire: Box<dyn Wire>) -> Self {
        let first = match (request.spec.port, &request.remembered) {
            (PortChoice::First(first), _) => first,
            (PortChoice::Auto(_), Some(remembered)) => remembered.first_port,
            (PortChoice::Auto(_), None) => 1,
        };
        let launch = Launch::new(&request.spec, runtime.kind(), first);
        Cluster {
            wire,
            ..Cluster::new(request, runtime, "given".to_owned(), launch, None)
        }
    }

    fn new(
        request: Request,
        runtime: Box<dyn Runtime>,
        reason: String,
        mut launch: Launch,
        lock: Option<Lock>,
    ) -> Self {
        // This very runtime knows better than its kind: an engine may be on another host.
        launch.can = runtime.capabilities();
        Cluster {
            wire: Box::new(LiveWire::new(&request.login)),
            kill: None,
            engine: None,
            journal: Journal::new(&request.state, &launch.name, request.argv.clone()),
            seeds: Mutex::new(request.seeds.clone()),
            before: request.remembered.as_ref().map(|remembered| {
                Launch::new(
                    remembered.applied(),
                    remembered.runtime,
                    remembered.first_port,
                )
            }),
            request,
            runtime,
            reason,
            launch,
            _lock: lock,
        }
    }

    /// The collaborators of one operation.
    pub fn context<'a>(&'a self, listener: &'a dyn Listener) -> Context<'a> {
        Context {
            runtime: &*self.runtime,
            wire: &*self.wire,
            listener,
            // The changes of a cluster that is not ours are in nobody's journal.
            journal: self.is_ours().then_some(&self.journal),
            state: self.is_ours().then_some(&self.request.state),
            remember: None,
            deadline: self.request.deadline,
            kill: self.kill.as_ref(),
        }
    }

    /// Everything that its nodes and its runtime say now, strangers included. Exit 6 if it has no
    /// nodes.
    pub async fn look(&self) -> Result<Snapshot> {
        self.look_by(&*self.wire).await
    }

    /// The same, on another wire.
    pub async fn look_by(&self, wire: &dyn Wire) -> Result<Snapshot> {
        if self.is_ours() {
            let placed = self.runtime.list(&self.launch.name).await?;
            if placed.is_empty() {
                return Err(self.no_nodes());
            }
            let listed = look::unasked(placed, &self.launch);
            return Ok(look::with_strangers(wire, listed).await);
        }
        let known = self.seeds().clone();
        let snapshot = look::seeds(wire, &known).await?;
        let mut seeds = self.seeds();
        for (node, _) in snapshot.said() {
            let endpoint = node.endpoint.as_ref().or(node.dial.as_ref());
            if let Some(endpoint) = endpoint.filter(|endpoint| !seeds.contains(endpoint)) {
                seeds.push(endpoint.clone());
            }
        }
        drop(seeds);
        Ok(snapshot)
    }

    /// Behind seeds: asks them who is there, so that the runtime lists these nodes from now on.
    pub async fn list_nodes(&mut self) -> Result<()> {
        let snapshot = self.look().await?;
        let mut nodes = Vec::new();
        for (node, _) in snapshot.said() {
            let Some(dial) = &node.dial else { continue };
            let ip = resolve(dial).await?;
            let address = node.address.unwrap_or(Address {
                ip,
                port: dial.port,
                bus_port: dial.port.saturating_add(BUS_OFFSET),
            });
            nodes.push(Placed {
                node: node.name.clone(),
                state: RunState::Running,
                port: address.port,
                bus_port: address.bus_port,
                host: ip.to_string(),
                connected: true,
                loops: false,
                exit: None,
                dial: Some(SocketAddr::new(ip, dial.port)),
                address: Some(address),
                runtime_id: String::new(),
                shape: None,
            });
        }
        self.runtime = Box::new(External::of(nodes));
        Ok(())
    }

    fn seeds(&self) -> MutexGuard<'_, Vec<Endpoint>> {
        self.seeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_nodes(&self) -> Error {
        let name = &self.launch.name;
        let remembered = self.request.remembered.as_ref();
        match remembered.map(|remembered| remembered.pending) {
            Some(Some(Pending::Removal)) => Error::new(
                Kind::NoSuchCluster,
                format!("cluster {name} has no nodes; the removal of its data was begun"),
            )
            .hint(hint![Verb::Down.with("--volumes"), " finishes it"]),
            Some(_) => Error::new(
                Kind::NoSuchCluster,
                format!("cluster {name} has no nodes; its data is kept"),
            )
            .hint(hint![
                Verb::Up,
                " brings it back, ",
                Verb::Down.with("--volumes"),
                " removes the data"
            ]),
            None => no_such_cluster(name),
        }
    }

    /// Whether rcluster started it.
    pub fn is_ours(&self) -> bool {
        self.request.seeds.is_empty()
    }

    /// What it is held to: the spec that was last asked for, where it is ours and remembered.
    pub fn wanted(&self) -> Wanted<'_> {
        let remembered = self.is_ours() && self.request.remembered.is_some();
        Wanted {
            launch: remembered.then_some(&self.launch),
        }
    }

    /// How commands on it are typed, when this is what was seen of it.
    pub fn about(&self, snapshot: &Snapshot) -> About {
        About::of(&snapshot.name, snapshot.runtime)
    }

    /// The ACL user; `None`: the default user.
    pub fn user(&self) -> Option<&str> {
        self.request.login.user.as_deref()
    }

    /// The file with the password, if it is remembered.
    pub fn password_file(&self) -> Option<PathBuf> {
        let path = self.request.state.password_path(&self.launch.name);
        (self.is_ours() && path.is_file()).then_some(path)
    }

    /// With so long for a node to answer.
    #[must_use]
    pub fn patient(mut self, node_deadline: Duration) -> Self {
        self.wire = Box::new(LiveWire::new(&self.request.login).deadline(node_deadline));
        self
    }

    /// A wire of the same user that shares no connection with [`Cluster::wire`].
    pub fn live(&self) -> Box<dyn Wire> {
        self.wire.another()
    }

    /// Makes further ones, for clients that share no connection with each other either.
    pub fn wires(&self) -> impl Fn() -> Box<dyn Wire> + Send + Sync + 'static {
        let wire = self.live();
        move || wire.another()
    }

    /// The password, if there is one.
    pub fn password(&self) -> Option<&Secret> {
        self.request.login.secret.as_ref()
    }

    /// The journal of this run.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

/// There is neither a node nor a memory of a cluster of that name.
pub fn no_such_cluster(name: &ClusterName) -> Error {
    Error::new(
        Kind::NoSuchCluster,
        format!("there is no cluster {name} here"),
    )
    .hint(hint![Verb::List, " shows those there are"; Verb::Up, " makes one"])
}

/// The address of a seed: MEET takes IP literals only.
pub async fn resolve(seed: &Endpoint) -> Result<IpAddr> {
    let found = tokio::net::lookup_host((seed.host.as_str(), seed.port)).await;
    let mut found = found.map_err(|error| {
        Error::missing(format!("looking up {}", seed.host))
            .source(error)
            .hint("give an IP address")
    })?;
    let all: Vec<IpAddr> = found.by_ref().map(|address| address.ip()).collect();
    // The bus of a node that listens on both is dialled by what was announced: prefer IPv4.
    let first = all.iter().find(|ip| ip.is_ipv4()).or(all.first());
    first
        .copied()
        .ok_or_else(|| Error::missing(format!("{} has no address", seed.host)))
}

fn lock(request: &Request, purpose: Purpose) -> Result<Option<Lock>> {
    match purpose {
        Purpose::Look => Ok(None),
        Purpose::Change => {
            Lock::take(&request.state, &request.spec.name, &request.argv.join(" ")).map(Some)
        }
    }
}

/// What clients are told has to be something that they can dial.
async fn refuse_access(spec: &Spec, runtime: &dyn Runtime) -> Result<()> {
    let can = runtime.capabilities();
    if !can.own_network && spec.access == Access::Network {
        return Err(Error::usage(
            "`access: network` is about a network of containers; processes share this host's",
        )
        .hint("use `access: host`, or `runtime: docker`"));
    }
    if can.containers && !can.this_host {
        return choose::refuse_loopback_elsewhere(&Docker::connect().await?, spec);
    }
    Ok(())
}

/// A block of ports that nobody has, and that no other cluster of ours will want back.
fn free_ports(request: &Request, can: Capabilities) -> Result<u16> {
    let Request { state, spec, .. } = request;
    let mut reserved = BTreeSet::new();
    for name in state.names()? {
        if let Ok(Some(other)) = state.load(&name) {
            reserved.extend(ports::of_launch(&other.launch()));
        }
    }
    let (count, step) = if can.own_network && spec.port_step == 0 {
        // Docker chooses the ports on the host itself where all containers listen on the same one.
        (1, 1)
    } else {
        (spec.node_count(), spec.port_step.max(1))
    };
    ports::free_block(
        spec.listen,
        count,
        step,
        rcluster_core::node::BUS_OFFSET,
        &reserved,
    )
    .ok_or_else(|| {
        Error::refused(format!("there are no {count} free ports in a row"))
            .hint("set `port:` in the spec, or stop what holds them")
    })
}
