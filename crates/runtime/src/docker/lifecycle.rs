//! Stops, freezes and removes containers and what they share.

use super::{
    Docker,
    fault::{bounded, found, reason, status, within},
    find::{Container, Phase},
    labels::filter,
};
use crate::Signal;
use bollard::{
    models::Volume,
    query_parameters::{
        InspectContainerOptions, KillContainerOptions, ListVolumesOptions, RemoveContainerOptions,
        RemoveVolumeOptions, StopContainerOptions,
    },
};
use futures_util::future::try_join_all;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
    spec::{ClusterName, container::label},
};
use std::time::{Duration, Instant};

/// How long Redis may take to save before a container is removed whose data stays.
const GRACE: Duration = Duration::from_secs(10);

/// How much longer than the grace the engine may take to stop a container.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a removal that somebody else began may take.
const REMOVAL: Duration = Duration::from_secs(20);

impl Docker {
    /// See [`crate::Runtime::stop`].
    pub(super) async fn stop_node(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        grace: Duration,
    ) -> Result<bool> {
        let Some(found) = self.node(cluster, node).await? else {
            return Ok(false);
        };
        self.own(cluster, found.labels())?;
        self.stop_found(&found, grace).await
    }

    async fn stop_found(&self, found: &Container, grace: Duration) -> Result<bool> {
        match found.phase {
            Phase::Stopped | Phase::Going => return Ok(false),
            Phase::Paused => {
                self.unpause(found).await?;
            }
            Phase::Running | Phase::Restarting => {}
        }
        let seconds = grace.as_millis().div_ceil(1000);
        let options = StopContainerOptions {
            t: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
            ..StopContainerOptions::default()
        };
        let stop = self.api.stop_container(&found.id, Some(options));
        match within(grace.saturating_add(MARGIN), stop).await {
            Ok(()) => Ok(true),
            Err(fault) if status(&fault) == Some(404) => Ok(false),
            Err(fault) => Err(self.fault(format!("stopping {}", found.node), &fault)),
        }
    }

    /// See [`crate::Runtime::remove`].
    pub(super) async fn remove_node(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        volumes: bool,
    ) -> Result<bool> {
        let container = self.node(cluster, node).await?;
        if let Some(found) = &container {
            self.own(cluster, found.labels())?;
            // A node whose data is removed with it need not save.
            if !(volumes && found.has_own_volume(cluster)) {
                self.stop_found(found, GRACE).await?;
            }
            self.remove_container(found).await?;
        }
        let mut changed = container.is_some();
        if volumes {
            let labels = [
                (label::CLUSTER, cluster.as_str()),
                (label::NODE, node.as_str()),
            ];
            changed |= self.remove_volumes(cluster, &labels).await?;
        }
        Ok(changed)
    }

    async fn remove_container(&self, found: &Container) -> Result<()> {
        let options = RemoveContainerOptions {
            force: true,
            // This is about anonymous volumes only; named ones stay.
            v: true,
            ..RemoveContainerOptions::default()
        };
        match bounded(self.api.remove_container(&found.id, Some(options))).await {
            Ok(()) => Ok(()),
            Err(fault) if status(&fault) == Some(404) => Ok(()),
            Err(fault) if reason(&fault).contains("already in progress") => self.gone(found).await,
            Err(fault) => Err(self.fault(format!("removing {}", found.node), &fault)),
        }
    }

    /// Waits for a removal that somebody else began.
    async fn gone(&self, container: &Container) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < REMOVAL {
            let seen = self
                .api
                .inspect_container(&container.id, None::<InspectContainerOptions>);
            if let Ok(None) = found(bounded(seen).await) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Error::deadline(format!(
            "container {} is still being removed after {} s",
            container.name(),
            REMOVAL.as_secs()
        ))
        .hint(format!("`docker rm -f {}`", container.name())))
    }

    /// See [`crate::Runtime::retire`].
    pub(super) async fn retire_cluster(
        &self,
        cluster: &ClusterName,
        volumes: bool,
    ) -> Result<bool> {
        let nodes = self.nodes(cluster).await?;
        if !nodes.is_empty() {
            let names: Vec<String> = nodes.iter().map(Container::name).collect();
            return Err(Error::refused(format!(
                "cluster '{cluster}' still has containers: {}",
                names.join(", ")
            ))
            .hint(hint![Verb::Down.of(cluster), " removes them first"]));
        }
        let networks = self.networks(cluster).await?;
        for network in &networks {
            self.own(cluster, network.labels.as_ref())?;
        }
        let removed = try_join_all(networks.iter().map(|network| self.remove_network(network)));
        let mut changed = removed.await?.contains(&true);
        if volumes {
            let labels = [(label::CLUSTER, cluster.as_str())];
            changed |= self.remove_volumes(cluster, &labels).await?;
        }
        Ok(changed)
    }

    /// The volumes of a cluster that have these labels.
    pub(super) async fn volumes(
        &self,
        cluster: &ClusterName,
        labels: &[(&str, &str)],
    ) -> Result<Vec<Volume>> {
        let options = ListVolumesOptions {
            filters: Some(filter(labels)),
        };
        let what = format!("looking for the volumes of '{cluster}'");
        let found = self
            .call(what, self.api.list_volumes(Some(options)))
            .await?;
        Ok(found.volumes.unwrap_or_default())
    }

    async fn remove_volumes(&self, cluster: &ClusterName, labels: &[(&str, &str)]) -> Result<bool> {
        let volumes = self.volumes(cluster, labels).await?;
        for volume in &volumes {
            self.own(cluster, Some(&volume.labels))?;
        }
        try_join_all(volumes.iter().map(|volume| self.remove_volume(volume))).await?;
        Ok(!volumes.is_empty())
    }

    async fn remove_volume(&self, volume: &Volume) -> Result<()> {
        let name = &volume.name;
        let removed = self.api.remove_volume(name, None::<RemoveVolumeOptions>);
        match bounded(removed).await {
            Ok(()) => Ok(()),
            Err(fault) if status(&fault) == Some(404) => Ok(()),
            Err(fault) if status(&fault) == Some(409) => Err(Error::refused(format!(
                "volume {name} is still used: {}",
                reason(&fault)
            ))
            .hint(format!(
                "`docker ps -a --filter volume={name}` shows by what"
            ))),
            Err(fault) => Err(self.fault(format!("removing volume {name}"), &fault)),
        }
    }

    /// See [`crate::Faults::signal`].
    pub(super) async fn signal_node(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        signal: Signal,
    ) -> Result<bool> {
        let found = self.node_or_none_such(cluster, node).await?;
        self.own(cluster, found.labels())?;
        let running = found.phase == Phase::Running;
        let paused = found.phase == Phase::Paused;
        let (word, sent) = match signal {
            Signal::Kill if running || paused || found.phase == Phase::Restarting => {
                let options = KillContainerOptions {
                    signal: "SIGKILL".to_owned(),
                };
                let kill = self.api.kill_container(&found.id, Some(options));
                ("killing", bounded(kill).await)
            }
            Signal::Pause if running => (
                "pausing",
                bounded(self.api.pause_container(&found.id)).await,
            ),
            Signal::Resume if paused => return self.unpause(&found).await,
            _ => return Ok(false),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(fault) if reason(&fault).contains("is not running") => Ok(false),
            Err(fault) if reason(&fault).contains("already paused") => Ok(false),
            Err(fault) => Err(self.fault(format!("{word} {node}"), &fault)),
        }
    }
}
