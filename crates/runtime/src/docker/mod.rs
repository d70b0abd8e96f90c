//! Nodes as containers of one Docker Engine, spoken to by its API: no docker CLI is needed, and a
//! remote engine works as a local one does.
//!
//! - `connect`: which engine; `fault`: what it answers, in our words
//! - `labels`: how things are found and whose they are
//! - `network`, `address`: a network of the cluster's own, a fixed address for each node
//! - `container`: what a node's container is; `ensure`: makes it run; `lifecycle`: all other verbs
//! - `partition`: a node cut off from the others, and a client on its side
//! - `disk`: what a volume holds
//! - `inside`: whether a node answers within its container
//! - `about`: the engine itself; `find`: what exists; `logs`, `follow`: what a node wrote and
//!   writes; `conf`: how redis.conf gets in
//! - `image`: is it there, can it be pulled; `inspect_image`: what is in it
//! - `standin`, `rootfs`, `binary`: an image packed from the host's own redis-server

mod about;
mod address;
mod binary;
mod conf;
mod connect;
mod container;
mod disk;
mod ensure;
mod fault;
mod find;
mod follow;
mod image;
mod inside;
mod inspect_image;
mod labels;
mod lifecycle;
mod logs;
mod names;
mod network;
mod partition;
mod rootfs;
mod standin;

pub use about::About;
pub use inspect_image::ImageCheck;
pub use standin::{BuiltImage, StandIn};

use super::{
    Beside, Capabilities, Engine, Faults, Found, LogLines, OnProgress, Partition, Placed, Runtime,
    ShapeHash, Signal,
};
use async_trait::async_trait;
use rcluster_core::{
    error::Result,
    node::NodeName,
    snapshot::place::Disk,
    spec::{
        ClusterName, RuntimeKind,
        container::Shape,
        launch::{Launch, NodeLaunch},
    },
};
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// One Docker Engine.
#[derive(Debug)]
pub struct Docker {
    api: bollard::Docker,
    /// Where it is (`unix:///var/run/docker.sock`), for messages.
    place: String,
    /// The engine's host as seen from here; `None` if it is this host.
    remote: Option<Remote>,
    /// Whether this host can dial containers at their own addresses.
    reaches_containers: bool,
    /// Go's name of the engine's architecture.
    arch: String,
    /// The user whom labels name as the owner.
    owner: String,
    /// The folder of the rendered compose file.
    project_dir: Option<PathBuf>,
    making_network: tokio::sync::Mutex<()>,
}

/// An engine on another host.
#[derive(Debug, Clone, Copy)]
struct Remote {
    /// Its address, if its name resolves.
    ip: Option<IpAddr>,
}

impl Docker {
    fn new(
        api: bollard::Docker,
        place: String,
        remote: Option<Remote>,
        engine: connect::Engine,
    ) -> Self {
        // In a virtual machine, or without root, containers are in a network that this host is not
        // in.
        let walled = engine.desktop || place.contains("/run/user/") || place.contains("/.docker/");
        Docker {
            reaches_containers: remote.is_none() && cfg!(target_os = "linux") && !walled,
            api,
            place,
            remote,
            arch: engine.arch,
            owner: labels::current_owner(),
            project_dir: None,
            making_network: tokio::sync::Mutex::new(()),
        }
    }

    /// Sets the folder of the rendered `docker-compose.yml`, for the labels that compose reads.
    #[must_use]
    pub fn with_project_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.project_dir = Some(dir.into());
        self
    }

    /// Where the engine is (`unix:///var/run/docker.sock`).
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether ports that it publishes on loopback are on this host's loopback.
    pub fn is_local(&self) -> bool {
        self.remote.is_none()
    }

    /// Whether clients on this host can dial containers at their own addresses.
    pub fn reaches_containers(&self) -> bool {
        self.reaches_containers
    }
}

#[async_trait]
impl Runtime for Docker {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            this_host: self.is_local(),
            ..self.kind().capabilities()
        }
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }

    async fn engine(&self) -> Result<Option<Engine>> {
        let info = fault::bounded(self.api.info()).await;
        let info = info.map_err(|fault| self.fault("asking the engine who it is", &fault))?;
        Ok(info.id.filter(|id| !id.is_empty()).map(|id| Engine {
            place: self.place.clone(),
            id,
        }))
    }

    fn shape(&self, launch: &Launch, node: &NodeLaunch) -> ShapeHash {
        Shape::of(launch, node).hashes()
    }

    async fn prepare(&self, launch: &Launch, progress: OnProgress<'_>) -> Result<bool> {
        let nodes = self.nodes(&launch.name).await?;
        for node in &nodes {
            self.own(&launch.name, node.labels())?;
        }
        let complete = launch
            .nodes
            .iter()
            .all(|wanted| nodes.iter().any(|node| node.node == wanted.name));
        if !complete {
            self.refuse_taken_names(launch).await?;
        }
        // Containers keep their image even when it has lost its name, so a complete cluster needs
        // no pull.
        let pulled = !complete && self.ensure_image(&launch.image, progress).await?;
        let (_, created) = self.ensure_network(launch).await?;
        Ok(pulled || created)
    }

    async fn ensure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<bool> {
        self.ensure_node(launch, node, conf).await
    }

    async fn configure(&self, launch: &Launch, node: &NodeLaunch, conf: &str) -> Result<()> {
        let found = self.node_or_none_such(&launch.name, &node.name).await?;
        self.own(&launch.name, found.labels())?;
        self.put_conf(&found, conf).await
    }

    async fn start(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        self.start_node(cluster, node).await
    }

    async fn stop(&self, cluster: &ClusterName, node: &NodeName, grace: Duration) -> Result<bool> {
        self.stop_node(cluster, node, grace).await
    }

    async fn remove(&self, cluster: &ClusterName, node: &NodeName, volumes: bool) -> Result<bool> {
        self.remove_node(cluster, node, volumes).await
    }

    async fn retire(&self, cluster: &ClusterName, volumes: bool) -> Result<bool> {
        self.retire_cluster(cluster, volumes).await
    }

    async fn list(&self, cluster: &ClusterName) -> Result<Vec<Placed>> {
        self.all_placed(cluster).await
    }

    async fn disk(&self, cluster: &ClusterName, node: &NodeName) -> Result<Disk> {
        self.disk_of(cluster, node).await
    }

    async fn answers_there(&self, cluster: &ClusterName, node: &NodeName) -> Result<Option<bool>> {
        let found = self.node_or_none_such(cluster, node).await?;
        self.answers_inside(&found).await.map(Some)
    }

    async fn clusters(&self) -> Result<Vec<Found>> {
        self.all_clusters().await
    }

    async fn logs(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: usize,
    ) -> Result<Vec<String>> {
        let found = self.node_or_none_such(cluster, node).await?;
        self.tail(&found.id, tail).await
    }

    async fn log_lines(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        tail: Option<usize>,
        follow: bool,
    ) -> Result<LogLines<'_>> {
        let found = self.node_or_none_such(cluster, node).await?;
        Ok(self.read_lines(cluster, found, tail, follow))
    }
}

#[async_trait]
impl Faults for Docker {
    async fn signal(&self, cluster: &ClusterName, node: &NodeName, signal: Signal) -> Result<bool> {
        self.signal_node(cluster, node, signal).await
    }

    fn partition(&self) -> Option<&dyn Partition> {
        Some(self)
    }
}

#[async_trait]
impl Partition for Docker {
    async fn disconnect(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        self.cut_off(cluster, node).await
    }

    async fn reconnect(&self, launch: &Launch, node: &NodeName) -> Result<bool> {
        self.connect_again(launch, node).await
    }

    async fn beside(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        argv: &[String],
        secrets: &[(String, String)],
    ) -> Result<Beside> {
        self.run_beside(cluster, node, argv, secrets).await
    }
}
