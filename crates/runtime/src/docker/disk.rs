//! What is in the volume of a node that does not run.

use super::{
    Docker,
    fault::{bounded, found},
    find::Container,
};
use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions};
use futures_util::TryStreamExt;
use rcluster_core::{
    error::Result,
    node::NodeName,
    snapshot::{nodes_text::is_member, place::Disk},
    spec::{
        ClusterName,
        container::{self, DATA},
    },
};
use std::io::Read;

const NODES_CONF: &str = "nodes.conf";

/// The data that Redis keeps beside nodes.conf, by the default names.
const DATA_FILES: [&str; 2] = ["appendonlydir", "dump.rdb"];

impl Docker {
    /// See [`crate::Runtime::disk`]. The files of a stopped container can be read; for a node
    /// without a container, only whether its volume exists is known.
    pub(super) async fn disk_of(&self, cluster: &ClusterName, node: &NodeName) -> Result<Disk> {
        let Some(container) = self.node(cluster, node).await? else {
            let volume = container::volume_name(cluster, node);
            let seen = found(bounded(self.api.inspect_volume(&volume)).await);
            let seen = seen.map_err(|fault| self.fault(format!("looking at {volume}"), &fault))?;
            return Ok(seen.map_or(Disk::Empty, |_| Disk::Whole));
        };
        if self.size(&container, NODES_CONF).await? > Some(0) {
            let text = self.read(&container, NODES_CONF).await;
            if text.is_none_or(|text| is_member(&text)) {
                return Ok(Disk::Whole);
            }
        }
        for name in DATA_FILES {
            if self.size(&container, name).await?.is_some() {
                return Ok(Disk::Nameless);
            }
        }
        Ok(Disk::Empty)
    }

    /// The text of a file in the data folder; `None`: it cannot be read.
    async fn read(&self, container: &Container, name: &str) -> Option<String> {
        let options = DownloadFromContainerOptions {
            path: format!("{DATA}/{name}"),
        };
        let stream = self
            .api
            .download_from_container(&container.id, Some(options));
        let packed = bounded(stream.try_fold(Vec::new(), async |mut packed, chunk| {
            packed.extend_from_slice(&chunk);
            Ok(packed)
        }));
        let packed = packed.await.ok()?;
        let mut archive = tar::Archive::new(packed.as_slice());
        let mut entry = archive.entries().ok()?.next()?.ok()?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The size of a file in the data folder; `None`: there is none.
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
