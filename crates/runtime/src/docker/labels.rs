//! The labels on everything that rcluster makes: how things are found, whose they are, and what
//! docker compose wants to see.

use super::{Docker, address::Subnet};
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    spec::{
        ClusterName,
        container::{self, Shape, label},
        launch::{Launch, NodeLaunch},
    },
};
use std::{collections::HashMap, path::Path};

/// On a network that was created only to learn a free subnet; see `network`.
pub(super) const DRAFT: &str = "rcluster.draft";
/// On a volume: the subnet of the address that its node had; see `network`.
pub(super) const SUBNET: &str = "rcluster.subnet";
/// On an image that rcluster packed.
pub(super) const STANDIN: &str = "rcluster.standin";
/// On a container that only looks into an image.
pub(super) const CHECK: &str = "rcluster.check";
/// `True` on what `docker-compose run` started: it has the labels of a node but is none.
pub(super) const ONEOFF: &str = "com.docker.compose.oneoff";

const PROJECT: &str = "com.docker.compose.project";

/// Labels, as the API has them.
pub(super) type Labels = HashMap<String, String>;

/// The user for the owner's label: the name, because people recognize that.
pub(super) fn current_owner() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// The filter for everything that has all these labels; values have to be equal.
pub(super) fn filter(labels: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let all = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    HashMap::from([("label".to_owned(), all)])
}

/// The filter for everything that rcluster made.
pub(super) fn filter_all() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label::CLUSTER.to_owned()])])
}

/// The cluster that labels name.
pub(super) fn cluster_of(labels: Option<&Labels>) -> Option<ClusterName> {
    labels?.get(label::CLUSTER)?.parse().ok()
}

/// The node that labels name.
pub(super) fn node_of(labels: Option<&Labels>) -> Option<NodeName> {
    labels?.get(label::NODE).map(NodeName::new)
}

impl Docker {
    /// Labels of a node's container.
    pub(super) fn container_labels(&self, launch: &Launch, node: &NodeLaunch) -> Labels {
        let hash = Shape::of(launch, node).hash();
        let mut labels = Self::common(launch, Some(node));
        labels.insert(label::SPEC_HASH.to_owned(), hash.clone());
        labels.insert(label::OWNER.to_owned(), self.owner.clone());
        let mut compose = |key: &str, value: String| {
            labels.insert(format!("com.docker.compose.{key}"), value);
        };
        compose("service", node.name.to_string());
        compose("container-number", "1".to_owned());
        compose("oneoff", "False".to_owned());
        compose("config-hash", hash);
        compose("depends_on", String::new());
        // docker-compose 1.29 wants one; Compose v2 ignores it.
        compose("version", "1.29.2".to_owned());
        if let Some(dir) = &self.project_dir {
            let text = |path: &Path| path.display().to_string();
            compose("project.working_dir", text(dir));
            compose(
                "project.config_files",
                text(&dir.join("docker-compose.yml")),
            );
        }
        labels
    }

    /// Labels of the network. They equal those of the rendered compose file; else docker-compose
    /// 1.29 says at each `up` that the network may have to be recreated.
    pub(super) fn network_labels(launch: &Launch) -> Labels {
        let mut labels = Self::common(launch, None);
        labels.insert(
            "com.docker.compose.network".to_owned(),
            container::NETWORK_KEY.to_owned(),
        );
        labels
    }

    /// Labels of a node's volume.
    pub(super) fn volume_labels(
        &self,
        launch: &Launch,
        node: &NodeLaunch,
        subnet: Option<Subnet>,
    ) -> Labels {
        let mut labels = Self::common(launch, Some(node));
        if let Some(subnet) = subnet {
            labels.insert(SUBNET.to_owned(), subnet.to_string());
        }
        // Data outlives its container, but stays its owner's.
        labels.insert(label::OWNER.to_owned(), self.owner.clone());
        labels.insert(
            "com.docker.compose.volume".to_owned(),
            container::volume_key(&node.name),
        );
        labels
    }

    fn common(launch: &Launch, node: Option<&NodeLaunch>) -> Labels {
        let mut labels: Labels = container::labels(launch, node)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        labels.insert(PROJECT.to_owned(), launch.name.to_string());
        labels
    }

    /// The owner that the labels name, if that is another user. What compose started names none,
    /// and counts as ours.
    pub(super) fn foreign_owner(&self, labels: Option<&Labels>) -> Option<String> {
        let owner = labels?.get(label::OWNER)?;
        (*owner != self.owner).then(|| owner.clone())
    }

    /// Refuses to touch what belongs to another user.
    pub(super) fn own(&self, cluster: &ClusterName, labels: Option<&Labels>) -> Result<()> {
        match self.foreign_owner(labels) {
            None => Ok(()),
            Some(owner) => Err(Error::refused(format!(
                "cluster '{cluster}' belongs to {owner}, and you are {}",
                self.owner
            ))
            .hint("give yours another name: `name:` in rcluster.yaml, or `-c NAME`")),
        }
    }
}
