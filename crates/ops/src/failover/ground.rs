//! Where failovers take place: a cluster of ours, or one that somebody else started and that is
//! reached through seeds. Commands on the wire are all that a planned failover needs.

use crate::{
    cluster::{context::Context, event::Listener, handle::Cluster},
    store::state::State,
};
use rcluster_core::{
    secret::Secret,
    spec::{ClusterName, launch::Launch},
};
use rcluster_wire::Wire;

/// A cluster, and how to reach it.
pub struct Ground<'a> {
    /// The collaborators.
    pub context: Context<'a>,
    /// The cluster.
    pub launch: &'a Launch,
    /// The password that its nodes are configured with.
    pub password: Option<&'a Secret>,
    /// Where what has to be put back is noted; `None` behind seeds.
    pub state: Option<&'a State>,
}

impl<'a> Ground<'a> {
    /// This cluster, ours or behind seeds.
    pub fn of(session: &'a Cluster, listener: &'a dyn Listener) -> Self {
        Ground {
            context: session.context(listener),
            launch: &session.launch,
            password: session.password(),
            state: session.is_ours().then_some(&session.request.state),
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

    /// Makes further ones.
    pub fn wires(&self) -> impl Fn() -> Box<dyn Wire> + Send + Sync + 'static {
        let wire = self.live();
        move || wire.another()
    }
}
