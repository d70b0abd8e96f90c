//! Describes a node's container to the engine's API, and creates it.

use super::{
    Docker,
    fault::{bounded, found, reason, status},
    labels::cluster_of,
    names::taken_by,
    network::Network,
};
use bollard::{
    models::{
        ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, Mount,
        MountType, NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy,
        RestartPolicyNameEnum, VolumeCreateRequest,
    },
    query_parameters::{CreateContainerOptions, InspectContainerOptions},
};
use rcluster_core::{
    error::{Error, Result},
    spec::{
        ClusterName,
        container::{self, DATA, HEALTH_INTERVAL_SECONDS, Shape, label},
        launch::{Launch, NodeLaunch},
    },
};
use std::collections::HashMap;

const NANOSECONDS: i64 = 1_000_000_000;

/// The outcome of creating a container.
#[derive(Debug)]
pub(super) enum Created {
    /// It was created, with this id.
    Yes(String),
    /// Another task or process of ours has created it.
    AlreadyThere,
}

impl Docker {
    /// Creates a node's volume and its container, which does not run yet.
    pub(super) async fn create(&self, launch: &Launch, node: &NodeLaunch) -> Result<Created> {
        let (network, _) = self.ensure_network(launch).await?;
        self.ensure_volume(launch, node, &network).await?;
        let name = container::container_name(&launch.name, &node.name);
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        let body = self.body(launch, node, &network);
        let made = bounded(self.api.create_container(Some(options), body)).await;
        match made {
            Ok(made) => Ok(Created::Yes(made.id)),
            Err(fault) if status(&fault) == Some(409) => {
                self.name_taken(&launch.name, &name).await?;
                Ok(Created::AlreadyThere)
            }
            Err(fault) if reason(&fault).contains("No such image") => {
                Err(super::image::absent(&launch.image))
            }
            Err(fault) => Err(self.fault(format!("creating container {name}"), &fault)),
        }
    }

    fn body(&self, launch: &Launch, node: &NodeLaunch, network: &Network) -> ContainerCreateBody {
        let shape = Shape::of(launch, node);
        let exposed = format!("{}/tcp", shape.publish.container_port);
        let binding = PortBinding {
            host_ip: Some(shape.publish.listen.to_string()),
            // Empty: Docker chooses the port.
            host_port: Some(
                shape
                    .publish
                    .host_port
                    .map(|port| port.to_string())
                    .unwrap_or_default(),
            ),
        };
        let nofile = i64::try_from(shape.nofile).unwrap_or(i64::MAX);
        ContainerCreateBody {
            hostname: Some(node.name.to_string()),
            image: Some(shape.image),
            cmd: Some(shape.command),
            labels: Some(self.container_labels(launch, node)),
            exposed_ports: Some(vec![exposed.clone()]),
            healthcheck: Some(health(shape.health)),
            host_config: Some(HostConfig {
                network_mode: Some(network.id.clone()),
                port_bindings: Some(HashMap::from([(exposed, Some(vec![binding]))])),
                mounts: Some(vec![Mount {
                    target: Some(DATA.to_owned()),
                    source: Some(shape.volume),
                    typ: Some(MountType::VOLUME),
                    ..Mount::default()
                }]),
                restart_policy: Some(RestartPolicy {
                    name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                    maximum_retry_count: None,
                }),
                ulimits: Some(vec![ResourcesUlimits {
                    name: Some("nofile".to_owned()),
                    soft: Some(nofile),
                    hard: Some(nofile),
                }]),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(
                    network.id.clone(),
                    endpoint(node, network),
                )])),
            }),
            ..ContainerCreateBody::default()
        }
    }

    /// Makes sure that the node's volume exists. If the name is taken, Docker answers with the
    /// existing volume, so its labels are checked.
    async fn ensure_volume(
        &self,
        launch: &Launch,
        node: &NodeLaunch,
        network: &Network,
    ) -> Result<()> {
        let name = container::volume_name(&launch.name, &node.name);
        let request = VolumeCreateRequest {
            name: Some(name.clone()),
            labels: Some(self.volume_labels(launch, node, network.subnet())),
            ..VolumeCreateRequest::default()
        };
        let volume = self
            .call(
                format!("creating volume {name}"),
                self.api.create_volume(request),
            )
            .await?;
        if volume.labels.get(label::CLUSTER).map(String::as_str) != Some(launch.name.as_str()) {
            return Err(Error::refused(format!(
                "volume {name} exists and is not of cluster '{}'",
                launch.name
            ))
            .hint(format!(
                "look at it with `docker volume inspect {name}`; remove it, or name the cluster otherwise"
            )));
        }
        self.own(&launch.name, Some(&volume.labels))
    }

    /// Fine if the container that has the name is the cluster's own; else an error.
    async fn name_taken(&self, cluster: &ClusterName, name: &str) -> Result<()> {
        let seen = bounded(
            self.api
                .inspect_container(name, None::<InspectContainerOptions>),
        );
        let seen = found(seen.await)
            .map_err(|fault| self.fault(format!("looking at container {name}"), &fault))?;
        // It is gone again: the next attempt finds the name free.
        let Some(seen) = seen else {
            return Ok(());
        };
        let labels = seen.config.and_then(|config| config.labels);
        let of = cluster_of(labels.as_ref());
        if of.as_ref() == Some(cluster) {
            return self.own(cluster, labels.as_ref());
        }
        Err(taken_by(name, of.as_ref()))
    }
}

pub(super) fn endpoint(node: &NodeLaunch, network: &Network) -> EndpointSettings {
    EndpointSettings {
        aliases: Some(vec![node.name.to_string()]),
        ipam_config: network.address(node.number).map(|ip| EndpointIpamConfig {
            ipv4_address: Some(ip.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    }
}

fn health(test: Vec<String>) -> HealthConfig {
    let interval = i64::try_from(HEALTH_INTERVAL_SECONDS).unwrap_or(10);
    HealthConfig {
        test: Some(test),
        interval: Some(interval * NANOSECONDS),
        timeout: Some(5 * NANOSECONDS),
        retries: Some(3),
        ..HealthConfig::default()
    }
}
