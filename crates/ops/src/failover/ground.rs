//! Where failovers take place: a cluster of ours, or one that somebody else started and that is
//! reached through seeds. Commands on the wire are all that a planned failover needs.

use crate::{
    cluster::{context::Context, event::Listener, session::Session, survey::Survey},
    init,
};
use rcluster_core::snapshot::place::{Placed, RunState};
use rcluster_core::{
    error::{Error, Result},
    login::Login,
    node::{Address, BUS_OFFSET, Endpoint},
    secret::Secret,
    spec::{ClusterName, RuntimeKind, launch::Launch},
};
use rcluster_runtime::external::External;
use rcluster_wire::LiveWire;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// A cluster, and how to reach it.
pub struct Ground<'a> {
    /// The collaborators.
    pub context: Context<'a>,
    /// The cluster.
    pub launch: &'a Launch,
    /// The password that its nodes are configured with.
    pub password: Option<&'a Secret>,
    wires: Arc<dyn Fn() -> LiveWire + Send + Sync>,
}

impl<'a> Ground<'a> {
    /// One of ours.
    pub fn ours(session: &'a Session, listener: &'a dyn Listener) -> Self {
        Ground {
            context: session.context(listener),
            launch: &session.launch,
            password: session.password(),
            wires: Arc::new(session.wires()),
        }
    }

    /// The cluster's name.
    pub fn name(&self) -> &'a ClusterName {
        &self.launch.name
    }

    /// A wire that shares no connection with others.
    pub fn live(&self) -> LiveWire {
        (self.wires)()
    }

    /// Makes further ones.
    pub fn wires(&self) -> impl Fn() -> LiveWire + Send + Sync + 'static {
        let wires = Arc::clone(&self.wires);
        move || wires()
    }
}

/// A cluster behind seeds.
pub struct Seeds {
    runtime: External,
    wire: LiveWire,
    launch: Launch,
    wires: Arc<dyn Fn() -> LiveWire + Send + Sync>,
    deadline: Duration,
}

impl Seeds {
    /// Asks the first seed that answers for all the others.
    pub async fn find(seeds: &[Endpoint], login: Login, deadline: Duration) -> Result<Self> {
        let wires = move || LiveWire::new(&login);
        let wire = wires();
        let survey = Survey::of_seeds(&wire, seeds).await?;
        let mut nodes = Vec::new();
        for (asked, answer) in survey.asked.iter().zip(&survey.answers) {
            let (Some(dial), Some(Ok(report))) = (&asked.dial, answer) else {
                continue;
            };
            let ip = init::resolve(dial).await?;
            let own = report.view.me().and_then(|me| me.address);
            let address = own.unwrap_or(Address {
                ip,
                port: dial.port,
                bus_port: dial.port.saturating_add(BUS_OFFSET),
            });
            nodes.push(Placed {
                node: asked.name.clone(),
                state: RunState::Running,
                port: address.port,
                bus_port: address.bus_port,
                dial: Some(SocketAddr::new(ip, dial.port)),
                address: Some(address),
                runtime_id: String::new(),
                shape: None,
            });
        }
        let name: ClusterName = "external".parse().map_err(Error::usage)?;
        Ok(Seeds {
            runtime: External::of(nodes),
            wire,
            launch: Launch::bare(&name, RuntimeKind::External),
            wires: Arc::new(wires),
            deadline,
        })
    }

    /// Where failovers take place.
    pub fn ground<'a>(&'a self, listener: &'a dyn Listener) -> Ground<'a> {
        Ground {
            context: Context {
                runtime: &self.runtime,
                wire: &self.wire,
                listener,
                // It has no state folder here.
                journal: None,
                remember: None,
                deadline: self.deadline,
                kill: None,
            },
            launch: &self.launch,
            password: None,
            wires: Arc::clone(&self.wires),
        }
    }
}
