//! Nodes that somebody else started: they can be looked at and formed, not started or stopped.

use super::{Capabilities, Faults, Found, OnProgress, Placed, Runtime, ShapeHash};
use async_trait::async_trait;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    spec::{
        ClusterName, RuntimeKind,
        launch::{Launch, NodeLaunch},
    },
};
use std::time::Duration;

/// The runtime of nodes that are named by address.
#[derive(Debug, Default)]
pub struct External {
    nodes: Vec<Placed>,
}

impl External {
    /// A runtime that lists these nodes.
    pub fn of(nodes: Vec<Placed>) -> Self {
        External { nodes }
    }
}

fn not_ours<T>(verb: &str, node: &NodeName) -> Result<T> {
    Err(Error::refused(format!(
        "{node} was not started by rcluster, which will not {verb} it"
    ))
    .hint("leave --seed out to change a cluster that rcluster started"))
}

#[async_trait]
impl Runtime for External {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::External
    }

    fn capabilities(&self) -> Capabilities {
        self.kind().capabilities()
    }

    fn faults(&self) -> Option<&dyn Faults> {
        None
    }

    fn shape(&self, _launch: &Launch, _node: &NodeLaunch) -> ShapeHash {
        String::new().into()
    }

    async fn prepare(&self, _launch: &Launch, _progress: OnProgress<'_>) -> Result<bool> {
        Ok(false)
    }

    async fn ensure(&self, _launch: &Launch, node: &NodeLaunch, _conf: &str) -> Result<bool> {
        not_ours("start", &node.name)
    }

    async fn configure(&self, _launch: &Launch, node: &NodeLaunch, _conf: &str) -> Result<()> {
        not_ours("configure", &node.name)
    }

    async fn start(&self, _cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        not_ours("start", node)
    }

    async fn stop(
        &self,
        _cluster: &ClusterName,
        node: &NodeName,
        _grace: Duration,
    ) -> Result<bool> {
        not_ours("stop", node)
    }

    async fn remove(
        &self,
        _cluster: &ClusterName,
        node: &NodeName,
        _volumes: bool,
    ) -> Result<bool> {
        not_ours("remove", node)
    }

    async fn retire(&self, _cluster: &ClusterName, _volumes: bool) -> Result<bool> {
        Ok(false)
    }

    async fn list(&self, _cluster: &ClusterName) -> Result<Vec<Placed>> {
        Ok(self.nodes.clone())
    }

    async fn clusters(&self) -> Result<Vec<Found>> {
        Ok(Vec::new())
    }

    async fn logs(
        &self,
        _cluster: &ClusterName,
        node: &NodeName,
        _tail: usize,
    ) -> Result<Vec<String>> {
        not_ours("read the log of", node)
    }
}
