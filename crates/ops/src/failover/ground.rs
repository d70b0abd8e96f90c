//! What failovers need to know about a cluster: one of ours, or one that is reached through seeds.

use crate::cluster::{context::Context, event::Listener, handle::Cluster};
use rcluster_core::{
    secret::Secret,
    spec::{ClusterName, launch::Launch},
};
use rcluster_wire::Wire;

/// A cluster, and how it is reached.
pub struct Ground<'a> {
    /// The wire, the runtime and the listener.
    pub context: Context<'a>,
    /// The cluster.
    pub launch: &'a Launch,
    /// The password that its nodes are configured with.
    pub password: Option<&'a Secret>,
}

impl<'a> Ground<'a> {
    /// The ground of a cluster, ours or behind seeds.
    pub fn of(session: &'a Cluster, listener: &'a dyn Listener) -> Self {
        let context = session.context(listener);
        Ground::new(&context, &session.launch, session.password())
    }

    /// The cluster that an operation works on.
    pub fn new(context: &Context<'a>, launch: &'a Launch, password: Option<&'a Secret>) -> Self {
        Ground {
            context: *context,
            launch,
            password,
        }
    }

    /// The cluster's name.
    pub fn name(&self) -> &'a ClusterName {
        &self.launch.name
    }

    /// A wire that shares no connection with others.
    pub fn live(&self) -> Box<dyn Wire> {
        self.context.wire.another()
    }

    /// Makes such wires.
    pub fn wires(&self) -> impl Fn() -> Box<dyn Wire> + Send + Sync + 'static {
        let wire = self.live();
        move || wire.another()
    }
}
