//! The [`Cluster`] that a command is about: one that rcluster started, or one behind seeds. It is
//! made once for each command and passed on. It knows which nodes there are, how each is dialled,
//! and what the runtime can do.

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
    node::{Address, BUS_OFFSET, Endpoint, NodeName},
    secret::Secret,
    snapshot::{
        Snapshot,
        place::{Capabilities, Engine, Placed, RunState},
    },
    spec::{
        Access, ClusterName, PortChoice, Spec,
        launch::{Launch, Leaving},
    },
};
use rcluster_runtime::{Runtime, docker::Docker, external::External, ports};
use rcluster_wire::{LiveWire, Wire};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a command asks for: flags, environment and spec together.
#[derive(Debug, Clone)]
pub struct Request {
    /// The state folder.
    pub state: State,
    /// The spec as it was resolved.
    pub spec: Spec,
    /// Nodes through which a cluster is reached that rcluster did not start; empty: rcluster
    /// started it.
    pub seeds: Vec<Endpoint>,
    /// What is remembered of the cluster of that name.
    pub remembered: Option<Remembered>,
    /// The login for its nodes, with the password that was given or remembered.
    pub login: Login,
    /// What was typed, for the journal and the lock.
    pub argv: Vec<String>,
    /// How long any single wait may take.
    pub deadline: Duration,
}

/// A cluster that an operation can work on.
pub struct Cluster {
    /// What was asked for.
    pub request: Request,
    /// Where its nodes run.
    pub runtime: Box<dyn Runtime>,
    /// Why that runtime was chosen.
    pub reason: String,
    /// The engine on which it is about to be made, if there may be several.
    pub engine: Option<Engine>,
    /// The cluster as it should be; behind seeds only its name.
    pub launch: Launch,
    /// The launch that was last applied completely.
    pub before: Option<Launch>,
    /// The wire to its nodes.
    pub wire: Box<dyn Wire>,
    /// In tests, ends the run after some step, as if it had been killed.
    pub kill: Option<Kill>,
    /// The nodes that are asked about a cluster that rcluster did not start. A node that has
    /// answered is added, because the first seed may die.
    seeds: Mutex<Vec<Endpoint>>,
    journal: Journal,
    _lock: Option<Lock>,
}

/// Why a command needs the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look at it only.
    Look,
    /// To change it: no other rcluster may do that at the same time.
    Change,
}

impl Cluster {
    /// The cluster that exists: behind the seeds of the request, else one that rcluster started.
    /// Exit 6 if there is none.
    pub async fn reach(request: Request, purpose: Purpose) -> Result<Self> {
        if request.seeds.is_empty() {
            return Cluster::find(request, purpose).await;
        }
        Cluster::behind_seeds(request)
    }

    /// The cluster behind the seeds of the request. No node is asked yet.
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

    /// For a cluster that may not exist yet: chooses the runtime and ports that the request leaves
    /// open.
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

    /// With this runtime and wire, whatever the spec says, so that tests can bring fakes. `port:
    /// auto` is not decided.
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
        // The runtime itself knows more than its kind: an engine may be on another host.
        launch.can = runtime.capabilities();
        launch.leaving = leaving(&request, &launch);
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

    /// What an operation works with.
    pub fn context<'a>(&'a self, listener: &'a dyn Listener) -> Context<'a> {
        Context {
            runtime: &*self.runtime,
            wire: &*self.wire,
            listener,
            // There is no journal for a cluster that rcluster did not start.
            journal: self.is_ours().then_some(&self.journal),
            state: self.is_ours().then_some(&self.request.state),
            remember: None,
            deadline: self.request.deadline,
            kill: self.kill.as_ref(),
        }
    }

    /// The answers of all its nodes and its runtime, strangers included. Exit 6 if it has no nodes.
    pub async fn look(&self) -> Result<Snapshot> {
        self.look_by(&*self.wire).await
    }

    /// The same, over another wire.
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

    /// Asks the seeds which nodes there are; from then on the runtime lists these.
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

    /// Whether this spec was being applied already when an earlier run ended.
    pub fn is_begun(&self) -> bool {
        let remembered = self.request.remembered.as_ref();
        remembered.is_some_and(|remembered| {
            remembered.previous.is_some() && remembered.spec == self.request.spec
        })
    }

    /// What the cluster should be: the spec that was last asked for, if rcluster started it and
    /// remembers it.
    pub fn wanted(&self) -> Wanted<'_> {
        let remembered = self.is_ours() && self.request.remembered.is_some();
        Wanted {
            launch: remembered.then_some(&self.launch),
        }
    }

    /// How commands about this cluster are typed.
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

    /// With another deadline for a node's answer.
    #[must_use]
    pub fn patient(mut self, node_deadline: Duration) -> Self {
        self.wire = Box::new(LiveWire::new(&self.request.login).deadline(node_deadline));
        self
    }

    /// Another wire with the same login that shares no connection with [`Cluster::wire`].
    pub fn live(&self) -> Box<dyn Wire> {
        self.wire.another()
    }

    /// Makes wires that share no connection with each other, for clients.
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

/// The nodes that the cluster had, or was about to have, and is not to have any more.
fn leaving(request: &Request, launch: &Launch) -> Leaving {
    let Some(remembered) = &request.remembered else {
        return Leaving::default();
    };
    // Nodes that are called otherwise now are other nodes, and nobody asked for that.
    let is_same = |known: &Launch| {
        let pairs = known.nodes.iter().zip(&launch.nodes);
        pairs.into_iter().all(|(known, now)| known.name == now.name)
    };
    let known = [remembered.applied(), &remembered.spec]
        .map(|spec| Launch::new(spec, remembered.runtime, remembered.first_port));
    let known = known.into_iter().filter(is_same).flat_map(|of| of.nodes);
    let too_many = known.filter(|node| launch.node(&node.name).is_none());
    let nodes: BTreeMap<u16, NodeName> = too_many.map(|node| (node.number, node.name)).collect();
    Leaving {
        nodes: nodes.into_values().collect(),
        keep_data: remembered.keep_data && remembered.spec == request.spec,
    }
}

/// The error if there is neither a node nor a memory of a cluster of that name.
pub fn no_such_cluster(name: &ClusterName) -> Error {
    Error::new(
        Kind::NoSuchCluster,
        format!("there is no cluster {name} here"),
    )
    .hint(hint![Verb::List, " shows those there are"; Verb::Up, " makes one"])
}

/// The IP address of a seed, because MEET takes IP literals only.
pub async fn resolve(seed: &Endpoint) -> Result<IpAddr> {
    let found = tokio::net::lookup_host((seed.host.as_str(), seed.port)).await;
    let mut found = found.map_err(|error| {
        Error::missing(format!("looking up {}", seed.host))
            .source(error)
            .hint("give an IP address")
    })?;
    let all: Vec<IpAddr> = found.by_ref().map(|address| address.ip()).collect();
    // IPv4 comes first: a node that listens on both announces one address, and its bus is dialled
    // there.
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

/// Refuses an `access` that clients could not dial.
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

/// A block of ports that is free and that no other cluster of this host will need again.
fn free_ports(request: &Request, can: Capabilities) -> Result<u16> {
    let Request { state, spec, .. } = request;
    let mut reserved = BTreeSet::new();
    for name in state.names()? {
        if let Ok(Some(other)) = state.load(&name) {
            reserved.extend(ports::of_launch(&other.launch()));
        }
    }
    let (count, step) = if can.own_network && spec.port_step == 0 {
        // If all containers listen on the same port, Docker chooses the ports on the host.
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
