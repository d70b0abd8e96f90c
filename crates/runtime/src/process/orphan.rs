//! Nodes whose folder was deleted under them: the process itself still says whose it is.
//!
//! Its standard input is the pidfile it was started with (see `pidfile`), which the kernel names
//! even after it is gone, and its title carries cluster, node and port (`proc-title-template`).
//! Both have to fit, so that no other process is ever taken for one. Linux only: elsewhere
//! there is no /proc, and such a node has to be ended by hand.

use super::folder::Folder;
use crate::{Placed, RunState};
use nix::unistd::Uid;
use rcluster_core::{
    node::{Address, BUS_OFFSET, NodeName},
    snapshot::place::THIS_HOST,
    spec::ClusterName,
};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A running node without a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphan {
    pub(super) cluster: ClusterName,
    pub(super) node: NodeName,
    pub(super) pid: i32,
    /// Where it listens for clients.
    pub(super) listen: SocketAddr,
}

impl Orphan {
    /// Whether the process is still the one that was found.
    pub(super) fn is_alive(&self, clusters: &Path) -> bool {
        read(clusters, self.pid).as_ref() == Some(self)
    }
}

/// Every orphan of this user that was started from below `clusters`.
pub(super) fn all(clusters: &Path) -> Vec<Orphan> {
    let me = Uid::current().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|meta| meta.uid() == me))
        .filter_map(|pid| read(clusters, pid))
        .collect()
}

/// The orphans of a cluster, as the runtime lists nodes.
pub(super) fn placed(clusters: &Path, cluster: &ClusterName) -> Vec<Placed> {
    let mut found: Vec<Placed> = all(clusters)
        .into_iter()
        .filter(|orphan| orphan.cluster == *cluster)
        .map(|orphan| {
            let ip = super::reachable(orphan.listen.ip());
            let port = orphan.listen.port();
            let bus_port = port.saturating_add(BUS_OFFSET);
            Placed {
                node: orphan.node,
                state: if super::signal::is_frozen(orphan.pid) {
                    RunState::Paused
                } else {
                    RunState::Running
                },
                port,
                bus_port,
                host: THIS_HOST.to_owned(),
                connected: true,
                exit: None,
                dial: Some(SocketAddr::new(ip, port)),
                address: Some(Address { ip, port, bus_port }),
                runtime_id: orphan.pid.to_string(),
                // Fits no spec: its files are gone, so it can only be removed and made anew.
                shape: Some("without files".to_owned()),
            }
        })
        .collect();
    found.sort_by_key(|placed| placed.port);
    found
}

fn read(clusters: &Path, pid: i32) -> Option<Orphan> {
    let input = fs::read_link(format!("/proc/{pid}/fd/0")).ok()?;
    let (cluster, node) = owner(clusters, &input)?;
    // With its folder in place it is a node like any other.
    if Folder::of(&clusters.join(cluster.as_str()).join("nodes"), &node).exists() {
        return None;
    }
    let title = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let listen = listens(&String::from_utf8_lossy(&title), &cluster, &node)?;
    Some(Orphan {
        cluster,
        node,
        pid,
        listen,
    })
}

/// `<clusters>/<cluster>/nodes/<node>/pid (deleted)` → cluster and node.
fn owner(clusters: &Path, input: &Path) -> Option<(ClusterName, NodeName)> {
    let path = input.to_str()?.strip_suffix(" (deleted)")?;
    let path = PathBuf::from(path);
    let mut parts = path
        .strip_prefix(clusters)
        .ok()?
        .iter()
        .map(|part| part.to_str());
    match (
        parts.next()??,
        parts.next()??,
        parts.next()??,
        parts.next()??,
        parts.next(),
    ) {
        (cluster, "nodes", node, "pid", None) => Some((cluster.parse().ok()?, NodeName::new(node))),
        _ => None,
    }
}

/// The address in `redis-server 127.0.0.1:7000 [cluster] rcluster=<cluster>/<node>`.
fn listens(title: &str, cluster: &ClusterName, node: &NodeName) -> Option<SocketAddr> {
    let title = title.replace('\0', " ");
    let mut words = title.split_whitespace();
    let label = format!("rcluster={cluster}/{node}");
    let (address, ours) = (words.nth(1)?, words.any(|word| word == label));
    ours.then(|| address.replace('*', "0.0.0.0").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deleted_pidfile_of_ours_counts() {
        let clusters = Path::new("/state/clusters");
        let found = |text: &str| {
            owner(clusters, Path::new(text)).map(|(cluster, node)| format!("{cluster}/{node}"))
        };
        assert_eq!(
            found("/state/clusters/a/nodes/node-1/pid (deleted)").as_deref(),
            Some("a/node-1")
        );
        for other in [
            "/state/clusters/a/nodes/node-1/pid",
            "/state/clusters/a/nodes/node-1/log (deleted)",
            "/state/clusters/a/nodes/node-1/x/pid (deleted)",
            "/elsewhere/clusters/a/nodes/node-1/pid (deleted)",
            "/dev/null",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn the_title_has_to_name_the_same_node() {
        let cluster: ClusterName = "a".parse().expect("a name");
        let node = NodeName::new("node-1");
        let title = "redis-server 127.0.0.1:7000 [cluster] rcluster=a/node-1\0";
        assert_eq!(
            listens(title, &cluster, &node),
            "127.0.0.1:7000".parse().ok()
        );
        assert_eq!(
            listens(
                "redis-server *:7000 [cluster] rcluster=a/node-1",
                &cluster,
                &node
            ),
            "0.0.0.0:7000".parse().ok()
        );
        assert_eq!(
            listens("redis-server 127.0.0.1:7000 [cluster]", &cluster, &node),
            None
        );
        assert_eq!(
            listens(
                "redis-server 127.0.0.1:7000 [cluster] rcluster=a/node-10",
                &cluster,
                &node
            ),
            None
        );
    }
}
