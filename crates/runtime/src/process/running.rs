//! Nodes that run although their files are lost, found by looking at the processes themselves.
//!
//! The standard input of a node's process is the pidfile that it was started with (see `pidfile`);
//! the kernel still names it after the file is gone. The process's title has cluster, node and port
//! (`proc-title-template`). Both have to fit, so that no other process is taken for a node. This
//! needs /proc: on other systems than Linux, a node whose pidfile is lost has to be ended by hand.

use super::{reachable, signal::is_frozen};
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
    sync::OnceLock,
};

/// The process of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) cluster: ClusterName,
    pub(super) node: NodeName,
    pub(super) pid: i32,
    /// Where it listens for clients.
    pub(super) listen: SocketAddr,
}

/// All nodes that run, looked up at the first question.
#[derive(Debug, Default)]
pub(super) struct Seen(OnceLock<Vec<Running>>);

impl Seen {
    /// Every node of this user that was started from a folder below `clusters`.
    pub(super) fn all(&self, clusters: &Path) -> &[Running] {
        self.0.get_or_init(|| all(clusters))
    }

    /// One node.
    pub(super) fn node(
        &self,
        clusters: &Path,
        cluster: &ClusterName,
        node: &NodeName,
    ) -> Option<&Running> {
        let mut all = self.all(clusters).iter();
        all.find(|running| running.cluster == *cluster && running.node == *node)
    }
}

impl Running {
    /// What `list` says of a node that has nothing but its process left.
    pub(super) fn placed(&self) -> Placed {
        let ip = reachable(self.listen.ip());
        let port = self.listen.port();
        let bus_port = port.saturating_add(BUS_OFFSET);
        Placed {
            node: self.node.clone(),
            state: if is_frozen(self.pid) {
                RunState::Paused
            } else {
                RunState::Running
            },
            port,
            bus_port,
            host: THIS_HOST.to_owned(),
            connected: true,
            loops: false,
            exit: None,
            dial: Some(SocketAddr::new(ip, port)),
            address: Some(Address { ip, port, bus_port }),
            runtime_id: self.pid.to_string(),
            // This fits no spec: a node without files can only be removed and made anew.
            shape: Some("without files".to_owned()),
        }
    }
}

fn all(clusters: &Path) -> Vec<Running> {
    let me = Uid::current().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|meta| meta.uid() == me))
        .filter_map(|pid| of(clusters, pid))
        .collect()
}

/// The node that runs as this process, if the process is a node.
pub(super) fn of(clusters: &Path, pid: i32) -> Option<Running> {
    let input = fs::read_link(format!("/proc/{pid}/fd/0")).ok()?;
    // The kernel names the file with all links resolved.
    let (cluster, node) = owner(clusters, &input).or_else(|| {
        let is_pidfile = input
            .to_str()?
            .trim_end_matches(" (deleted)")
            .ends_with("/pid");
        owner(
            &is_pidfile.then(|| fs::canonicalize(clusters).ok())??,
            &input,
        )
    })?;
    let title = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let listen = listens(&String::from_utf8_lossy(&title), &cluster, &node)?;
    Some(Running {
        cluster,
        node,
        pid,
        listen,
    })
}

/// Cluster and node of `<clusters>/<cluster>/nodes/<node>/pid`, with or without ` (deleted)`.
fn owner(clusters: &Path, input: &Path) -> Option<(ClusterName, NodeName)> {
    let path = input.to_str()?;
    let path = PathBuf::from(path.strip_suffix(" (deleted)").unwrap_or(path));
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

/// The address in a title: `redis-server 127.0.0.1:7000 [cluster] rcluster=<cluster>/<node>`.
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
    fn only_a_pidfile_of_ours_counts() {
        let clusters = Path::new("/state/clusters");
        let found = |text: &str| {
            owner(clusters, Path::new(text)).map(|(cluster, node)| format!("{cluster}/{node}"))
        };
        for ours in [
            "/state/clusters/a/nodes/node-1/pid",
            "/state/clusters/a/nodes/node-1/pid (deleted)",
        ] {
            assert_eq!(found(ours).as_deref(), Some("a/node-1"));
        }
        for other in [
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
