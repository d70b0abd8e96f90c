//! What the volume of a node holds that does not run.

use super::{
    Docker,
    fault::{bounded, found},
    find::Container,
};
use bollard::query_parameters::ContainerArchiveInfoOptions;
use rcluster_core::{
    error::Result,
    node::NodeName,
    snapshot::place::Disk,
    spec::{
        ClusterName,
        container::{self, DATA},
    },
};

/// What Redis keeps beside its nodes.conf, by the names that it has unless the spec says otherwise.
const DATA_FILES: [&str; 2] = ["appendonlydir", "dump.rdb"];

impl Docker {
    /// See [`crate::Runtime::disk`]. The files of a container that does not run can be looked at; of a
    /// node without a container only whether it has a volume.
    pub(super) async fn disk_of(&self, cluster: &ClusterName, node: &NodeName) -> Result<Disk> {
        let Some(container) = self.node(cluster, node).await? else {
            let volume = container::volume_name(cluster, node);
            let seen = found(bounded(self.api.inspect_volume(&volume)).await);
            let seen = seen.map_err(|fault| self.fault(format!("looking at {volume}"), &fault))?;
            return Ok(seen.map_or(Disk::Empty, |_| Disk::Whole));
        };
        if self.size(&container, "nodes.conf").await? > Some(0) {
            return Ok(Disk::Whole);
        }
        for name in DATA_FILES {
            if self.size(&container, name).await?.is_some() {
                return Ok(Disk::Nameless);
            }
        }
        Ok(Disk::Empty)
    }

    /// The size of a file in its data; `None`: there is none.
    async fn size(&self, container: &Container, name: &str) -> Result<Option<i64>> {
        let options = ContainerArchiveInfoOptions {
            path: format!("{DATA}/{name}"),
        };
        let seen = self
            .api
            .get_container_archive_info(&container.id, Some(options));
        let seen = found(bounded(seen).await).map_err(|fault| {
            let what = format!("looking at {name} of {}", container.node);
            self.fault(what, &fault)
        })?;
        Ok(seen.map(|stat| stat.size))
    }
}
