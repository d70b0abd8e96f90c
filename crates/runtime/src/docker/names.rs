//! Refuses a cluster whose names something else on the engine has, before anything is made.

use super::{
    Docker,
    labels::{Labels, cluster_of},
};
use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions};
use futures_util::future::join;
use rcluster_core::{
    error::{Error, Result},
    spec::{ClusterName, container, launch::Launch},
};
use std::collections::HashMap;

/// The hint that fits every case.
const OTHERWISE: &str = "name the cluster otherwise: `name:` in rcluster.yaml, or `-c NAME`";

impl Docker {
    /// Refuses a cluster if something else has the name of its network or of one of its containers.
    pub(super) async fn refuse_taken_names(&self, launch: &Launch) -> Result<()> {
        let cluster = &launch.name;
        let network = container::network_name(cluster);
        let networks = ListNetworksOptions {
            filters: Some(filter_by("name", &network)),
        };
        let containers = ListContainersOptions {
            all: true,
            filters: Some(filter_by("name", &format!("{cluster}-"))),
            ..ListContainersOptions::default()
        };
        let what = format!("looking for what has the names of cluster '{cluster}'");
        let (networks, containers) = join(
            self.call(what.as_str(), self.api.list_networks(Some(networks))),
            self.call(what.as_str(), self.api.list_containers(Some(containers))),
        )
        .await;
        for found in networks? {
            // The engine's filter also finds names that only contain this one.
            if found.name.as_deref() == Some(&network) && !is_of(cluster, found.labels.as_ref()) {
                return Err(Error::refused(format!(
                    "there is a network {network} already, and it is not rcluster's"
                ))
                .hint(format!(
                    "`docker network rm {network}` if nobody needs it, or {OTHERWISE}"
                )));
            }
        }
        for found in containers? {
            let labels = found.labels.as_ref();
            let names = found.names.iter().flatten();
            let names: Vec<&str> = names.map(|name| name.trim_start_matches('/')).collect();
            let wanted = launch.nodes.iter();
            let taken = wanted
                .map(|node| container::container_name(cluster, &node.name))
                .find(|wanted| names.contains(&wanted.as_str()));
            if let Some(name) = taken.filter(|_| !is_of(cluster, labels)) {
                return Err(taken_by(&name, cluster_of(labels).as_ref()));
            }
        }
        Ok(())
    }
}

/// The error for a container that has the name that a node needs. If `of` is set, it is a node of
/// that cluster, and the hint does not say to remove it.
pub(super) fn taken_by(name: &str, of: Option<&ClusterName>) -> Error {
    match of {
        Some(other) => Error::refused(format!(
            "there is a container {name} already: a node of cluster '{other}'"
        ))
        .hint(OTHERWISE),
        None => Error::refused(format!(
            "there is a container {name} already, and it is not rcluster's"
        ))
        .hint(format!(
            "`docker rm -f {name}` if nobody needs it, or {OTHERWISE}"
        )),
    }
}

fn is_of(cluster: &ClusterName, labels: Option<&Labels>) -> bool {
    cluster_of(labels).as_ref() == Some(cluster)
}

fn filter_by(what: &str, name: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([(what.to_owned(), vec![name.to_owned()])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_remove_a_node_of_another_cluster() {
        let other: ClusterName = "a-node-1".parse().expect("a name");
        let error = taken_by("a-node-1-node-1", Some(&other));
        assert!(error.cause().contains("of cluster 'a-node-1'"), "{error}");
        assert!(!error.hint_text().is_some_and(|hint| hint.contains("rm")));
        assert_eq!(error.kind().exit_code(), 3);
        let plain = taken_by("web", None).hint_text();
        assert!(plain.is_some_and(|hint| hint.contains("`docker rm -f web`")));
    }
}
