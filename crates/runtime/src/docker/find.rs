//! Finds containers and clusters by their labels.

use super::{
    Docker,
    fault::bounded,
    labels::{Labels, ONEOFF, cluster_of, filter, filter_all, node_of},
};
use crate::{Found, Placed, RunState};
use bollard::{
    models::{ContainerState, ContainerSummary, ContainerSummaryStateEnum as State, PortSummary},
    query_parameters::{InspectContainerOptions, ListContainersOptions, ListVolumesOptions},
};
use futures_util::{StreamExt, stream};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::Verb,
    node::{Address, NodeName},
    snapshot::place::{Exit, THIS_HOST},
    spec::{
        ClusterName,
        container::{self, label},
    },
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// How many containers are inspected at the same time.
const AT_ONCE: usize = 16;

/// A container that was restarted so often by its restart policy does not stay up.
const LOOP: i64 = 2;

/// For how many seconds after a container's start its restarts are counted.
const YOUNG: u64 = 15;

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) node: NodeName,
    pub(super) phase: Phase,
    summary: ContainerSummary,
}

/// A container's state, with two states that [`RunState`] does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Paused,
    /// It dies and is started again, over and over.
    Restarting,
    Stopped,
    /// Its removal has begun.
    Going,
}

impl Container {
    fn of(summary: ContainerSummary) -> Option<Container> {
        let labels = summary.labels.as_ref()?;
        if labels.get(ONEOFF).is_some_and(|oneoff| oneoff == "True") {
            return None;
        }
        let phase = match summary.state? {
            State::RUNNING => Phase::Running,
            State::PAUSED => Phase::Paused,
            State::RESTARTING => Phase::Restarting,
            State::REMOVING | State::DEAD => Phase::Going,
            _ => Phase::Stopped,
        };
        Some(Container {
            id: summary.id.clone()?,
            node: node_of(Some(labels))?,
            phase,
            summary,
        })
    }

    /// Whether it has been up for seconds only, by the engine's words: `Up 3 seconds`.
    fn has_just_started(&self) -> bool {
        let up = self.summary.status.as_deref().unwrap_or_default();
        let seconds = match up.strip_prefix("Up ") {
            Some(rest) if rest.starts_with("Less than a second") => Some(0),
            Some(rest) => rest
                .split_once(" second")
                .and_then(|(number, _)| number.parse::<u64>().ok()),
            None => None,
        };
        self.phase == Phase::Running && seconds.is_some_and(|seconds| seconds <= YOUNG)
    }

    pub(super) fn labels(&self) -> Option<&Labels> {
        self.summary.labels.as_ref()
    }

    /// Its name in the engine.
    pub(super) fn name(&self) -> String {
        name(&self.summary)
    }

    /// Whether a file of the host is mounted over redis.conf, as compose does it.
    pub(super) fn conf_is_mounted(&self) -> bool {
        self.mounted_at(container::CONF).is_some()
    }

    /// Whether its data is in the volume that has the node's name.
    pub(super) fn has_own_volume(&self, cluster: &ClusterName) -> bool {
        let volume = container::volume_name(cluster, &self.node);
        self.mounted_at(container::DATA)
            .is_some_and(|name| name == volume)
    }

    /// The name of the volume that is mounted at `path` or above it; empty for a bind mount.
    fn mounted_at(&self, path: &str) -> Option<&str> {
        let mounts = self.summary.mounts.as_ref()?;
        let mount = mounts.iter().find(|mount| {
            let target = mount.destination.as_deref().unwrap_or_default();
            path.strip_prefix(target.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })?;
        Some(mount.name.as_deref().unwrap_or_default())
    }

    /// Whether it is in the network of that name. A stopped container stays in its networks.
    pub(super) fn is_in(&self, network: &str) -> bool {
        let settings = self.summary.network_settings.as_ref();
        let networks = settings.and_then(|settings| settings.networks.as_ref());
        networks.is_some_and(|networks| networks.contains_key(network))
    }

    /// Whether it is in the cluster's network, or will be once it starts: until then, Docker may
    /// know the network by its id only.
    pub(super) fn is_connected(&self) -> bool {
        let settings = self.summary.network_settings.as_ref();
        let networks = settings.and_then(|settings| settings.networks.as_ref());
        let any = networks.is_some_and(|networks| !networks.is_empty());
        match cluster_of(self.labels()) {
            Some(cluster) if self.phase != Phase::Stopped => {
                self.is_in(&container::network_name(&cluster))
            }
            _ => any,
        }
    }

    fn port(&self, key: &str) -> Option<u16> {
        self.labels()?.get(key)?.parse().ok()
    }

    fn ports(&self) -> &[PortSummary] {
        self.summary.ports.as_deref().unwrap_or_default()
    }

    /// Its address in the cluster's network, or in another one if it is not in that.
    fn ip(&self) -> Option<IpAddr> {
        let networks = self.summary.network_settings.as_ref()?.networks.as_ref()?;
        let cluster = cluster_of(self.labels())?;
        let own = container::network_name(&cluster);
        let addresses: BTreeMap<bool, &str> = networks
            .iter()
            .filter_map(|(name, network)| Some((*name != own, network.ip_address.as_deref()?)))
            .filter(|(_, ip)| !ip.is_empty())
            .collect();
        addresses.values().next()?.parse().ok()
    }
}

fn name(summary: &ContainerSummary) -> String {
    let names = summary.names.as_deref().unwrap_or_default();
    let first = names.first().map(String::as_str).unwrap_or_default();
    first.trim_start_matches('/').to_owned()
}

/// How a container ended. For what has not happened, Docker has a time in the year 1.
fn exit_of(state: ContainerState) -> Option<Exit> {
    let at = state
        .finished_at
        .filter(|at| !at.is_empty() && !at.starts_with("0001-"));
    let error = state.error.filter(|error| !error.is_empty());
    (at.is_some() || error.is_some()).then_some(Exit {
        code: state.exit_code,
        out_of_memory: state.oom_killed.unwrap_or_default(),
        error,
        at,
    })
}

/// A sort key that puts `node-2` before `node-10`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let text = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (text, tail) = tail.split_at(text);
        key.push((number.parse().unwrap_or(0), text.to_owned()));
        rest = tail;
    }
    key
}

impl Docker {
    /// The nodes of a cluster that have a container, in natural order.
    pub(super) async fn nodes(&self, cluster: &ClusterName) -> Result<Vec<Container>> {
        let labels = [(label::CLUSTER, cluster.as_str())];
        self.containers(&labels, &format!("listing the nodes of '{cluster}'"))
            .await
    }

    /// One node, if it exists.
    pub(super) async fn node(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
    ) -> Result<Option<Container>> {
        let labels = [
            (label::CLUSTER, cluster.as_str()),
            (label::NODE, node.as_str()),
        ];
        let all = self
            .containers(&labels, &format!("looking for {node} of '{cluster}'"))
            .await?;
        Ok(all.into_iter().next())
    }

    /// One node, or an error (exit 6) if it does not exist.
    pub(super) async fn node_or_none_such(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
    ) -> Result<Container> {
        self.node(cluster, node).await?.ok_or_else(|| {
            Error::new(
                Kind::NoSuchCluster,
                format!("there is no container for {node} of cluster '{cluster}'"),
            )
            .hint(hint![Verb::Up.of(cluster), " creates it"])
        })
    }

    async fn containers(&self, labels: &[(&str, &str)], what: &str) -> Result<Vec<Container>> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filter(labels)),
            ..ListContainersOptions::default()
        };
        let summaries = self
            .call(what, self.api.list_containers(Some(options)))
            .await?;
        let mut all: Vec<Container> = summaries.into_iter().filter_map(Container::of).collect();
        // If two containers claim to be one node (somebody copied our labels), the one with the
        // right name comes first.
        all.sort_by_cached_key(|found| {
            let right = cluster_of(found.labels())
                .map(|cluster| container::container_name(&cluster, &found.node));
            (
                natural(found.node.as_str()),
                right.is_none_or(|right| right != found.name()),
                found.id.clone(),
            )
        });
        all.dedup_by(|later, first| later.node == first.node);
        let young = all.iter_mut().filter(|found| found.has_just_started());
        stream::iter(young)
            .for_each_concurrent(AT_ONCE, async |found| {
                if self.loops(&found.id).await {
                    found.phase = Phase::Restarting;
                }
            })
            .await;
        Ok(all)
    }

    /// Whether the restart policy has restarted a container again and again since somebody last
    /// started it. Even if it runs right now, it will not stay up.
    async fn loops(&self, id: &str) -> bool {
        let options = None::<InspectContainerOptions>;
        let seen = bounded(self.api.inspect_container(id, options)).await;
        seen.is_ok_and(|seen| seen.restart_count.unwrap_or_default() >= LOOP)
    }

    /// The nodes of a cluster, in the form that [`crate::Runtime::list`] returns.
    pub(super) async fn all_placed(&self, cluster: &ClusterName) -> Result<Vec<Placed>> {
        let nodes = self.nodes(cluster).await?;
        let mut all: Vec<Placed> = nodes.iter().map(|found| self.placed(found)).collect();
        let stopped = all
            .iter_mut()
            .filter(|placed| placed.state == RunState::Stopped);
        stream::iter(stopped)
            .for_each_concurrent(AT_ONCE, async |placed| {
                placed.exit = self.exit(&placed.runtime_id).await;
            })
            .await;
        Ok(all)
    }

    /// How a container ended; `None` if it never ran, or is gone.
    async fn exit(&self, id: &str) -> Option<Exit> {
        let options = None::<InspectContainerOptions>;
        let seen = bounded(self.api.inspect_container(id, options))
            .await
            .ok()?;
        exit_of(seen.state?)
    }

    /// A node in the form that [`crate::Runtime::list`] returns, without how it ended.
    pub(super) fn placed(&self, found: &Container) -> Placed {
        let state = match found.phase {
            Phase::Running => RunState::Running,
            Phase::Paused => RunState::Paused,
            Phase::Restarting | Phase::Stopped | Phase::Going => RunState::Stopped,
        };
        let inner = found.ports().iter().map(|port| port.private_port).min();
        let port = found.port(label::PORT).or(inner).unwrap_or_default();
        let bus_port = found
            .port(label::BUS_PORT)
            .unwrap_or_else(|| port.saturating_add(rcluster_core::node::BUS_OFFSET));
        let connected = found.is_connected();
        let alive = state != RunState::Stopped && connected;
        let address = found
            .ip()
            .filter(|_| alive)
            .map(|ip| Address { ip, port, bus_port });
        let dial = alive
            .then(|| self.dial(found.ports(), port))
            .flatten()
            .or_else(|| {
                let address = address.filter(|_| self.reaches_containers)?;
                Some(SocketAddr::new(address.ip, address.port))
            });
        Placed {
            node: found.node.clone(),
            state,
            port,
            bus_port,
            host: self.machine(),
            connected,
            loops: found.phase == Phase::Restarting,
            dial,
            address,
            exit: None,
            runtime_id: found.id.clone(),
            shape: found
                .labels()
                .and_then(|labels| labels.get(label::SPEC_HASH))
                .cloned(),
        }
    }

    /// The name of the machine that the engine runs on.
    fn machine(&self) -> String {
        let Some(remote) = self.remote else {
            return THIS_HOST.to_owned();
        };
        let (_, address) = self.place.split_once("://").unwrap_or(("", &self.place));
        let name = address.rsplit_once(':').map_or(address, |(name, _)| name);
        match remote.ip {
            Some(ip) if name.is_empty() => ip.to_string(),
            _ => name.to_owned(),
        }
    }

    /// The address at which a published port is reached from here.
    fn dial(&self, ports: &[PortSummary], port: u16) -> Option<SocketAddr> {
        let published = ports
            .iter()
            .filter(|published| published.private_port == port)
            .filter_map(|published| {
                let ip: IpAddr = match published.ip.as_deref() {
                    None | Some("") => Ipv4Addr::UNSPECIFIED.into(),
                    Some(ip) => ip.parse().ok()?,
                };
                Some(SocketAddr::new(ip, published.public_port?))
            })
            .min_by_key(|published| !published.is_ipv4())?;
        let ip = match (published.ip(), self.remote) {
            (ip, None) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            (ip, Some(_)) if ip.is_loopback() => return None,
            (ip, Some(remote)) if ip.is_unspecified() => remote.ip?,
            (ip, _) => ip,
        };
        Some(SocketAddr::new(ip, published.port()))
    }

    /// Every cluster with a container or a volume on this engine.
    pub(super) async fn all_clusters(&self) -> Result<Vec<Found>> {
        let containers = ListContainersOptions {
            all: true,
            filters: Some(filter_all()),
            ..ListContainersOptions::default()
        };
        let volumes = ListVolumesOptions {
            filters: Some(filter_all()),
        };
        let (containers, volumes) = futures_util::future::join(
            bounded(self.api.list_containers(Some(containers))),
            bounded(self.api.list_volumes(Some(volumes))),
        )
        .await;
        let wrong = |fault| self.fault("listing clusters", &fault);
        let mut clusters: BTreeMap<ClusterName, Found> = BTreeMap::new();
        let mut note = |labels: Option<&Labels>, container: Option<&Container>| {
            let Some(name) = cluster_of(labels) else {
                return;
            };
            let found = clusters.entry(name.clone()).or_insert_with(|| Found {
                name,
                foreign_owner: None,
                nodes: 0,
                running: 0,
                first_port: None,
            });
            found.foreign_owner = found
                .foreign_owner
                .take()
                .or_else(|| self.foreign_owner(labels));
            if let Some(container) = container {
                found.nodes += 1;
                found.running += usize::from(container.phase == Phase::Running);
                let port = container.port(label::PORT);
                found.first_port = found.first_port.into_iter().chain(port).min();
            }
        };
        for container in containers
            .map_err(wrong)?
            .into_iter()
            .filter_map(Container::of)
        {
            note(container.labels(), Some(&container));
        }
        for volume in volumes.map_err(wrong)?.volumes.unwrap_or_default() {
            note(Some(&volume.labels), None);
        }
        Ok(clusters.into_values().collect())
    }

    /// The container that publishes this port of the host, if there is one.
    pub async fn culprit(&self, port: u16) -> Option<String> {
        let running = bounded(
            self.api
                .list_containers(Some(ListContainersOptions::default())),
        );
        running.await.ok()?.into_iter().find_map(|container| {
            let mut ports = container.ports.iter().flatten();
            ports
                .any(|published| published.public_port == Some(port))
                .then(|| name(&container))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ran_did_not_end() {
        let state = |at: &str, error: &str| ContainerState {
            exit_code: Some(137),
            oom_killed: Some(true),
            finished_at: Some(at.to_owned()),
            error: Some(error.to_owned()),
            ..ContainerState::default()
        };
        assert_eq!(exit_of(state("0001-01-01T00:00:00Z", "")), None);
        let failed = exit_of(state("0001-01-01T00:00:00Z", "no such file")).expect("an end");
        assert_eq!(
            (failed.error.as_deref(), failed.at),
            (Some("no such file"), None)
        );
        let ended = exit_of(state("2026-11-25T10:00:00Z", "")).expect("an end");
        assert_eq!((ended.code, ended.out_of_memory), (Some(137), true));
    }

    #[test]
    fn ten_comes_after_two() {
        let mut names = vec!["node-10", "node-2", "redis-7000", "node-1", "3a", "a"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(
            names,
            ["a", "node-1", "node-2", "node-10", "redis-7000", "3a"]
        );
    }
}
