//! A cluster's network, and the fixed address that each node has in it.
//!
//! Docker takes `--ip` only in a network that was created with a named subnet, and naming one would
//! mean to guess which is free. So a draft network is created without one, its subnet is read, the
//! draft is removed, and the network is created again with that subnet named.
//!
//! `down` removes the network but keeps the nodes' data, in which nodes know each other by address.
//! So each volume has a label with the subnet, and a new network asks for that subnet first: nodes
//! that find each other at the old addresses need no introductions and are back 2 s after their
//! start. (Measured with six nodes; with other addresses, which need a second start of all, it is
//! 11 s.)

use super::{
    Docker,
    address::Subnet,
    fault::{bounded, found, reason, status},
    labels::{DRAFT, SUBNET, filter},
};
use bollard::{
    models::{Ipam, IpamConfig, Network as Summary, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, ListNetworksOptions},
};
use rcluster_core::{
    error::{Error, Result},
    spec::{
        ClusterName,
        container::{self, label},
        launch::Launch,
    },
};
use std::{collections::HashMap, net::Ipv4Addr};

/// How many subnets are tried: others may create a network between our two steps.
const ATTEMPTS: usize = 8;

/// A network that containers can be attached to.
#[derive(Debug, Clone)]
pub(super) struct Network {
    /// Its id: networks can share a name.
    pub(super) id: String,
    /// Its subnet, if nodes have fixed addresses in it.
    fixed: Option<Subnet>,
}

impl Network {
    /// The fixed address of the node with this number; `None`: Docker chooses one.
    pub(super) fn address(&self, number: u16) -> Option<Ipv4Addr> {
        self.fixed?.node(number)
    }

    /// Its subnet, if nodes have fixed addresses in it.
    pub(super) fn subnet(&self) -> Option<Subnet> {
        self.fixed
    }

    pub(super) fn of(summary: &Summary) -> Option<Network> {
        Some(Network {
            id: summary.id.clone()?,
            fixed: fixed(summary),
        })
    }
}

/// The subnet, if the network was divided as `address` does it; only then nodes get fixed
/// addresses.
fn fixed(summary: &Summary) -> Option<Subnet> {
    let config = ipam(summary)?;
    let subnet: Subnet = config.subnet.as_deref()?.parse().ok()?;
    let range = config.ip_range.as_deref()?;
    (range == subnet.upper_half().to_string()).then_some(subnet)
}

fn ipam(summary: &Summary) -> Option<&IpamConfig> {
    let configs = summary.ipam.as_ref()?.config.as_ref()?;
    configs.iter().find(|config| {
        let subnet = config.subnet.as_deref().unwrap_or_default();
        subnet.parse::<Subnet>().is_ok()
    })
}

fn is_draft(summary: &Summary) -> bool {
    let labels = summary.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(DRAFT))
}

impl Docker {
    /// The cluster's network, created if it does not exist, and whether it was created.
    pub(super) async fn ensure_network(&self, launch: &Launch) -> Result<(Network, bool)> {
        // Docker allows two networks of one name, so two of our tasks must not both see none.
        let _alone = self.making_network.lock().await;
        let networks = self.networks(&launch.name).await?;
        for network in &networks {
            self.own(&launch.name, network.labels.as_ref())?;
        }
        if let Some(network) = networks.iter().find(|network| !is_draft(network)) {
            let network = Network::of(network)
                .ok_or_else(|| Error::failed("the engine named a network without an id"))?;
            return Ok((network, false));
        }
        for draft in &networks {
            self.remove_network(draft).await?;
        }
        Ok((self.create_network(launch).await?, true))
    }

    /// Removes all networks of a cluster but one. Docker allows several of one name, and a run of
    /// ours that was killed may have left the engine creating another; no container starts while
    /// there are two.
    pub(super) async fn single_out(&self, cluster: &ClusterName) -> Result<()> {
        let _alone = self.making_network.lock().await;
        let networks = self.networks(cluster).await?;
        let mut unused = Vec::new();
        for network in &networks {
            let id = network.id.as_deref().unwrap_or_default();
            if self.inside(id).await.is_empty() {
                unused.push(network);
            }
        }
        if unused.len() == networks.len() {
            unused.retain(|network| network.id != networks[0].id);
        }
        for network in unused {
            self.own(cluster, network.labels.as_ref())?;
            self.remove_network(network).await?;
        }
        Ok(())
    }

    /// The networks of a cluster in a fixed order, those with fixed addresses first.
    pub(super) async fn networks(&self, cluster: &ClusterName) -> Result<Vec<Summary>> {
        let options = ListNetworksOptions {
            filters: Some(filter(&[(label::CLUSTER, cluster.as_str())])),
        };
        let what = format!("looking for the network of '{cluster}'");
        let mut networks = self
            .call(what, self.api.list_networks(Some(options)))
            .await?;
        networks.sort_by_key(|network| (fixed(network).is_none(), network.id.clone()));
        Ok(networks)
    }

    async fn create_network(&self, launch: &Launch) -> Result<Network> {
        let name = container::network_name(&launch.name);
        let mut labels = Self::network_labels(launch);
        if let Some(subnet) = self.remembered_subnet(&launch.name).await? {
            let again = request(&name, labels.clone(), Some(subnet));
            match bounded(self.api.create_network(again)).await {
                Ok(made) => {
                    return Ok(Network {
                        id: made.id,
                        fixed: Some(subnet),
                    });
                }
                // Another network has this subnet now: nodes will get new addresses and have to be
                // introduced again.
                Err(fault) if is_taken(&reason(&fault)) => {}
                Err(fault) => return Err(self.no_network(&name, &fault)),
            }
        }
        let mut draft_labels = labels.clone();
        draft_labels.insert(DRAFT.to_owned(), "1".to_owned());
        for _ in 0..ATTEMPTS {
            let draft = request(&name, draft_labels.clone(), None);
            let id = bounded(self.api.create_network(draft))
                .await
                .map_err(|fault| self.no_network(&name, &fault))?
                .id;
            let seen = self
                .call(
                    format!("reading network {name}"),
                    self.api.inspect_network(&id, None::<InspectNetworkOptions>),
                )
                .await;
            self.call(
                format!("removing the draft of network {name}"),
                self.api.remove_network(&id),
            )
            .await?;
            let subnet = seen?
                .ipam
                .and_then(|ipam| ipam.config)
                .unwrap_or_default()
                .into_iter()
                .find_map(|config| config.subnet?.parse::<Subnet>().ok());
            // Too small for all nodes, or no IPv4: Docker chooses the addresses.
            let last = launch.nodes.iter().map(|node| node.number).max();
            let subnet = subnet.filter(|subnet| subnet.node(last.unwrap_or(1)).is_some());
            let wanted = request(&name, std::mem::take(&mut labels), subnet);
            match bounded(self.api.create_network(wanted.clone())).await {
                Ok(made) => {
                    return Ok(Network {
                        id: made.id,
                        fixed: subnet,
                    });
                }
                Err(fault) if is_taken(&reason(&fault)) => {
                    labels = wanted.labels.unwrap_or_default();
                }
                Err(fault) => return Err(self.no_network(&name, &fault)),
            }
        }
        Err(Error::failed(format!(
            "network {name} cannot be created: its subnet was taken {ATTEMPTS} times over"
        ))
        .hint("other networks are being created right now; run the same command again"))
    }

    /// The subnet that the labels of the cluster's volumes name, if all name the same.
    async fn remembered_subnet(&self, cluster: &ClusterName) -> Result<Option<Subnet>> {
        let labels = [(label::CLUSTER, cluster.as_str())];
        let volumes = self.volumes(cluster, &labels).await?;
        let mut subnets = volumes
            .iter()
            .filter_map(|volume| volume.labels.get(SUBNET)?.parse::<Subnet>().ok());
        let first = subnets.next();
        Ok(first.filter(|first| subnets.all(|other| other == *first)))
    }

    fn no_network(&self, name: &str, fault: &bollard::errors::Error) -> Error {
        let error = self.fault(format!("creating network {name}"), fault);
        let reason = reason(fault);
        if reason.contains("fully subnetted") || reason.contains("non-overlapping") {
            return error.hint("all of Docker's subnets are taken: `docker network prune`");
        }
        error
    }

    /// Removes a network, or says which containers are still in it.
    pub(super) async fn remove_network(&self, network: &Summary) -> Result<bool> {
        let name = network.name.clone().unwrap_or_default();
        let Some(id) = &network.id else {
            return Ok(false);
        };
        match bounded(self.api.remove_network(id)).await {
            Ok(()) => Ok(true),
            Err(fault) if status(&fault) == Some(404) => Ok(false),
            Err(fault) if reason(&fault).contains("active endpoints") => {
                let inside = self.inside(id).await;
                Err(Error::refused(format!(
                    "network {name} is still used by {}",
                    inside.join(", ")
                ))
                .hint(format!(
                    "`docker network disconnect -f {name} {}`, then run the same command again",
                    inside.first().map_or("CONTAINER", String::as_str)
                )))
            }
            Err(fault) => Err(self.fault(format!("removing network {name}"), &fault)),
        }
    }

    async fn inside(&self, id: &str) -> Vec<String> {
        let seen = bounded(self.api.inspect_network(id, None::<InspectNetworkOptions>)).await;
        let mut names: Vec<String> = found(seen)
            .ok()
            .flatten()
            .and_then(|network| network.containers)
            .unwrap_or_default()
            .into_values()
            .filter_map(|endpoint| endpoint.name)
            .collect();
        names.sort();
        names
    }
}

fn request(
    name: &str,
    labels: HashMap<String, String>,
    subnet: Option<Subnet>,
) -> NetworkCreateRequest {
    let config = subnet.map(|subnet| IpamConfig {
        subnet: Some(subnet.to_string()),
        ip_range: Some(subnet.upper_half().to_string()),
        gateway: Some(subnet.gateway().to_string()),
        auxiliary_addresses: None,
    });
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        ipam: config.map(|config| Ipam {
            driver: Some("default".to_owned()),
            config: Some(vec![config]),
            options: None,
        }),
        labels: Some(labels),
        ..NetworkCreateRequest::default()
    }
}

/// Whether the error means that another network has the subnet. If that network has exactly the
/// same subnet, the engine shares it and complains of the gateway's address only.
fn is_taken(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    reason.contains("overlap") || reason.contains("failed to allocate gateway")
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    #[test]
    fn a_subnet_that_somebody_has_is_told_in_two_ways() {
        assert!(is_taken(
            "Pool overlaps with other one on this address space"
        ));
        assert!(is_taken(
            "failed to allocate gateway (192.168.96.1): Address already in use"
        ));
        assert!(!is_taken("permission denied"));
    }
}
