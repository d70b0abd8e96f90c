//! Whole operations on simulated nodes: what they make, repair and refuse, and that a run that was
//! killed after any step is finished by the next one.

mod config;
mod drill;
mod fix;
mod forming;
mod killed;
mod law;
mod lost;
mod refusals;
mod repairs;
mod reshape;
mod resize;
mod takeover;

use rcluster_core::{
    error::{Error, Kind},
    login::Login,
    node::{Endpoint, Epoch, NodeId, NodeName, Role},
    secret::Secret,
    slot::SlotSet,
    spec::{Access, PortChoice, Spec},
};
use rcluster_ops::{
    cluster::{
        context::Kill,
        event::{Event, Listener},
        handle::{Cluster, Request},
    },
    lifecycle,
    store::state::State,
    up::{Extent, Outcome},
};
use rcluster_runtime::{Runtime, Signal, faults};
use rcluster_testkit::{
    runtime::{Addresses, FakeRuntime, OnPower, Power, disk},
    wire::FakeWire,
};
use rcluster_wire::Looks;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A host with a state folder, nodes that run on it, and a spec. Only the folder is real.
struct World {
    folder: tempfile::TempDir,
    spec: Spec,
    password: Option<Secret>,
    runtime: FakeRuntime,
    wire: FakeWire,
    heard: Heard,
    /// Generous, because it is measured by a real clock; only a failing test reaches it.
    deadline: Duration,
}

/// What was told, line by line.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Listener for Heard {
    fn hear(&self, event: Event) {
        let line = match event {
            Event::Note { text } | Event::Warning { text } => text,
            Event::Done { step } => step.to_string(),
            Event::Planned { plan } => {
                self.0.lock().unwrap().extend(plan.notes);
                return;
            }
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

/// The commands that tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Up,
    Start,
    Init,
    Restart,
    Stop,
    Reset,
    ResetHard,
    Down,
    DownVolumes,
}

/// What has to stay the same of a node; its address may change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    id: NodeId,
    role: Role,
    master: Option<NodeId>,
    slots: SlotSet,
    epoch: Epoch,
    keys: u64,
}

/// The same where masters were failed over and lead again: under another epoch.
fn regardless_of_epochs(nodes: &BTreeMap<NodeName, Seen>) -> BTreeMap<NodeName, Seen> {
    let same = |seen: &Seen| Seen {
        epoch: Epoch(0),
        ..seen.clone()
    };
    let nodes = nodes.iter();
    nodes
        .map(|(name, seen)| (name.clone(), same(seen)))
        .collect()
}

impl World {
    /// A world in which no node runs yet. Nodes will have addresses of their own, as containers
    /// have.
    fn of(spec: Spec) -> Self {
        World::with_addresses(spec, Addresses::Fixed)
    }

    /// Three masters with a replica each.
    fn default() -> Self {
        World::of(Spec::default())
    }

    fn with_addresses(mut spec: Spec, addresses: Addresses) -> Self {
        if addresses != Addresses::Host {
            spec.access = Access::Hostname("127.0.0.1".to_owned());
        }
        let wire = FakeWire::default();
        World {
            folder: tempfile::tempdir().unwrap(),
            spec,
            password: None,
            runtime: FakeRuntime::new(addresses, coupled(&wire)),
            wire,
            heard: Heard::default(),
            deadline: Duration::from_secs(20),
        }
    }

    /// A copy of this world.
    fn fork(&self) -> Self {
        let wire = self.wire.fork();
        let fork = World {
            folder: tempfile::tempdir().unwrap(),
            spec: self.spec.clone(),
            password: self.password.clone(),
            runtime: self.runtime.fork(coupled(&wire)),
            wire,
            heard: Heard::default(),
            deadline: Duration::from_secs(20),
        };
        if let Some(remembered) = self.state().load(&self.spec.name).unwrap() {
            fork.state().save(&remembered).unwrap();
        }
        fork
    }

    /// This world a minute after forming, with 100 keys on each master.
    async fn formed(self) -> Self {
        self.run(Verb::Up).await.unwrap();
        self.fill().await;
        self.wire.age(60);
        self
    }

    /// 100 keys on each master.
    async fn fill(&self) {
        for (name, node) in self.seen().await {
            if node.role == Role::Master {
                self.wire.write(&disk(&self.spec.name, &name), 100);
            }
        }
        self.seen().await;
    }

    fn state(&self) -> State {
        State::at(self.folder.path().join("state"))
    }

    fn session(&self) -> Cluster {
        self.session_on(&self.wire)
    }

    /// A run that speaks to the nodes through this wire.
    fn session_on(&self, wire: &FakeWire) -> Cluster {
        let state = self.state();
        let name = &self.spec.name;
        let request = Request {
            seeds: Vec::new(),
            remembered: state.load(name).unwrap(),
            spec: self.spec.clone(),
            login: Login::with(self.password.clone()),
            argv: vec!["rcluster".to_owned()],
            deadline: self.deadline,
            state,
        };
        let password = self.password.as_ref().map(Secret::reveal);
        let wire = wire.with_password(password);
        Cluster::with(request, Box::new(self.runtime.clone()), Box::new(wire))
    }

    /// Runs a command; returns how many changes it made.
    async fn run(&self, verb: Verb) -> Result<usize, Error> {
        self.run_until(verb, None).await
    }

    /// Runs a command that is killed at some point.
    async fn run_until(&self, verb: Verb, kill: Option<Kill>) -> Result<usize, Error> {
        let mut session = self.session();
        session.kill = kill;
        let changes = |outcome: Outcome| outcome.changes;
        let (session, heard) = (&session, &self.heard);
        match verb {
            Verb::Up => lifecycle::up(session, heard, Extent::All)
                .await
                .map(changes),
            Verb::Start => lifecycle::up(session, heard, Extent::Start(Vec::new()))
                .await
                .map(changes),
            Verb::Init => lifecycle::up(session, heard, Extent::Form)
                .await
                .map(changes),
            Verb::Restart => lifecycle::restart(session, heard, &[]).await.map(changes),
            Verb::Stop => lifecycle::stop(session, heard, &[]).await,
            Verb::Reset => lifecycle::reset(session, heard).await.map(changes),
            Verb::ResetHard => lifecycle::reset_hard(session, heard).await.map(changes),
            Verb::Down => lifecycle::down(session, heard, false).await,
            Verb::DownVolumes => lifecycle::down(session, heard, true).await,
        }
    }

    /// Asks every running node about itself.
    async fn seen(&self) -> BTreeMap<NodeName, Seen> {
        let mut seen = BTreeMap::new();
        let password = self.password.as_ref().map(Secret::reveal);
        let wire = self.wire.with_password(password);
        for placed in self.runtime.list(&self.spec.name).await.unwrap() {
            let Some(dial) = placed.dial else { continue };
            let report = wire.observe(&Endpoint::from(dial)).await.unwrap();
            let me = report.view.me().unwrap();
            let node = Seen {
                id: me.id.clone(),
                role: me.role,
                master: me.master.clone(),
                slots: me.slots.clone(),
                epoch: me.epoch,
                keys: report.info.keys,
            };
            seen.insert(placed.node, node);
        }
        seen
    }

    /// Checks that the cluster is as the spec wants it: as many masters and replicas, every slot
    /// owned, every setting right, and nothing left to do.
    async fn assert_settled(&self) {
        let (shards, replicas) = (
            usize::from(self.spec.shards),
            usize::from(self.spec.replicas),
        );
        let seen = self.seen().await;
        let masters: Vec<&Seen> = seen
            .values()
            .filter(|node| node.role == Role::Master)
            .collect();
        assert_eq!(
            (masters.len(), seen.len()),
            (shards, shards * (replicas + 1))
        );
        for master in masters {
            let following = seen
                .values()
                .filter(|node| node.master.as_ref() == Some(&master.id));
            assert_eq!(following.count(), replicas, "{seen:?}");
        }
        assert_eq!(self.run(Verb::Up).await.unwrap(), 0, "{:?}", self.heard());
        let remembered = self.state().load(&self.spec.name).unwrap().unwrap();
        assert_eq!((remembered.pending, remembered.previous), (None, None));
        assert_eq!(remembered.spec, self.spec);
    }

    /// What was told since the last call.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.0.lock().unwrap())
    }

    async fn config(&self, number: u16, name: &str) -> String {
        self.configs(number, &[name]).await.remove(name).unwrap()
    }

    async fn configs(&self, number: u16, names: &[&str]) -> BTreeMap<String, String> {
        let PortChoice::First(first) = self.spec.port else {
            panic!("a port")
        };
        let at = Endpoint::new("127.0.0.1", first + number - 1);
        self.wire.config_get(&at, names).await.unwrap()
    }

    fn disk(&self, number: u16) -> String {
        disk(&self.spec.name, &node(number))
    }

    async fn signal(&self, number: u16, signal: Signal) {
        assert!(
            faults::of(&self.runtime)
                .unwrap()
                .signal(&self.spec.name, &node(number), signal)
                .await
                .unwrap()
        );
    }

    async fn stop(&self, number: u16) {
        assert!(
            self.runtime
                .stop(&self.spec.name, &node(number), Duration::ZERO)
                .await
                .unwrap()
        );
    }

    async fn remove(&self, number: u16, volumes: bool) {
        assert!(
            self.runtime
                .remove(&self.spec.name, &node(number), volumes)
                .await
                .unwrap()
        );
    }
}

/// Makes nodes of the runtime answer on this wire.
fn coupled(wire: &FakeWire) -> OnPower {
    let wire = wire.clone();
    Box::new(move |change| match change {
        Power::On {
            disk,
            dial,
            address,
            conf,
        } => wire.boot(&disk, dial.into(), address, &conf),
        Power::Off { disk } => wire.halt(&disk),
        Power::Freeze { disk } => wire.freeze(&disk),
        Power::Thaw { disk } => wire.thaw(&disk),
        Power::Unname { disk } => wire.unname(&disk),
        Power::Wipe { disk } => wire.wipe(&disk),
    })
}

fn node(number: u16) -> NodeName {
    NodeName::new(format!("node-{number}"))
}

fn spec(shards: u16, replicas: u16) -> Spec {
    Spec {
        shards,
        replicas,
        ..Spec::default()
    }
}

fn refused(outcome: Result<usize, Error>, kind: Kind, word: &str) {
    let error = outcome.expect_err("refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.cause().contains(word), "{error}");
}
