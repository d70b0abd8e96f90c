//! One run on one cluster: what was asked for, what is remembered, and the edges to reach it by.

use super::{
    choose::{self, Chosen},
    context::{Context, Kill},
    event::{Event, Listener},
};
use crate::store::{
    audit::Journal,
    lock::Lock,
    state::{Remembered, State},
};
use rcluster_core::{
    error::{Error, Result},
    login::Login,
    secret::Secret,
    spec::{Access, PortChoice, RuntimeKind, Spec, launch::Launch},
};
use rcluster_runtime::{Runtime, docker::Docker, ports};
use rcluster_wire::{LiveWire, Wire};
use std::{collections::BTreeSet, time::Duration};

/// What a command asks for, resolved from flags, environment and spec.
#[derive(Debug, Clone)]
pub struct Request {
    /// The state folder.
    pub state: State,
    /// The spec as it was resolved.
    pub spec: Spec,
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
pub struct Session {
    /// What was asked for.
    pub request: Request,
    /// Where its nodes run.
    pub runtime: Box<dyn Runtime>,
    /// Why there.
    pub reason: String,
    /// The cluster as it is to be.
    pub launch: Launch,
    /// The cluster as it was last applied to the end.
    pub before: Option<Launch>,
    /// How its nodes are spoken to.
    pub wire: Box<dyn Wire>,
    /// For tests: where the run is to end as if it had been killed.
    pub kill: Option<Kill>,
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

impl Session {
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
        refuse_access(&request.spec, kind).await?;
        let existing = runtime.list(&request.spec.name).await?;
        let first = match request.spec.port {
            PortChoice::First(first) => first,
            PortChoice::Auto(_) => match (&request.remembered, existing.first()) {
                (Some(remembered), _) => remembered.first_port,
                (None, Some(node)) => node.port,
                (None, None) => free_ports(&request, kind)?,
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
        Ok(Session::new(request, runtime, reason, launch, lock))
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
        Ok(Session::new(request, runtime, reason, launch, lock))
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
        Session {
            wire,
            ..Session::new(request, runtime, "given".to_owned(), launch, None)
        }
    }

    fn new(
        request: Request,
        runtime: Box<dyn Runtime>,
        reason: String,
        launch: Launch,
        lock: Option<Lock>,
    ) -> Self {
        Session {
            wire: Box::new(LiveWire::new(&request.login)),
            kill: None,
            journal: Journal::new(&request.state, &launch.name, request.argv.clone()),
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
            journal: Some(&self.journal),
            remember: None,
            deadline: self.request.deadline,
            kill: self.kill.as_ref(),
        }
    }

    /// The real wire of this cluster, for what only looks and is not simulated in tests.
    pub fn live(&self) -> LiveWire {
        LiveWire::new(&self.request.login)
    }

    /// Makes further wires of the same user, for clients that share no connection.
    pub fn wires(&self) -> impl Fn() -> LiveWire + Send + Sync + 'static {
        let login = self.request.login.clone();
        move || LiveWire::new(&login)
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

fn lock(request: &Request, purpose: Purpose) -> Result<Option<Lock>> {
    match purpose {
        Purpose::Look => Ok(None),
        Purpose::Change => {
            Lock::take(&request.state, &request.spec.name, &request.argv.join(" ")).map(Some)
        }
    }
}

/// What clients are told has to be something that they can dial.
async fn refuse_access(spec: &Spec, kind: RuntimeKind) -> Result<()> {
    match kind {
        RuntimeKind::Docker => choose::refuse_loopback_elsewhere(&Docker::connect().await?, spec),
        RuntimeKind::Process | RuntimeKind::External if spec.access == Access::Network => {
            Err(Error::usage(
                "`access: network` is about a network of containers; processes share this host's",
            )
            .hint("use `access: host`, or `runtime: docker`"))
        }
        RuntimeKind::Process | RuntimeKind::External => Ok(()),
    }
}

/// A block of ports that nobody has, and that no other cluster of ours will want back.
fn free_ports(request: &Request, kind: RuntimeKind) -> Result<u16> {
    let Request { state, spec, .. } = request;
    let mut reserved = BTreeSet::new();
    for name in state.names()? {
        if let Ok(Some(other)) = state.load(&name) {
            reserved.extend(ports::of_launch(&other.launch()));
        }
    }
    let (count, step) = match kind {
        // Docker chooses the ports on the host itself where all containers listen on the same one.
        RuntimeKind::Docker if spec.port_step == 0 => (1, 1),
        _ => (spec.node_count(), spec.port_step.max(1)),
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
