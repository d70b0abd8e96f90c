//! A cluster with nothing left to choose: its runtime, its ports, and each node's settings are
//! decided.
//!
//! Runtimes are given a [`Launch`], files are rendered from it, and it is remembered on disk.

use super::directive::Directives;
use crate::{
    node::{BUS_OFFSET, NodeName},
    snapshot::place::Capabilities,
    spec::{Access, ClusterName, NodeOverride, RuntimeKind, Spec},
};
use std::net::IpAddr;

/// A cluster as it is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The cluster's name.
    pub name: ClusterName,
    /// Where its nodes run; for messages and for what is remembered, not for decisions.
    pub runtime: RuntimeKind,
    /// What that runtime can do; this is for decisions.
    pub can: Capabilities,
    /// How many masters.
    pub shards: u16,
    /// How many replicas each.
    pub replicas: u16,
    /// Where the endpoints are published.
    pub listen: IpAddr,
    /// What clients are told to dial.
    pub access: Access,
    /// The image of each container (docker).
    pub image: String,
    /// The program of each process (process).
    pub redis_server: String,
    /// The nodes in order: all masters, then the first replica of each, and so on.
    pub nodes: Vec<NodeLaunch>,
    /// Nodes that it had before and is not to have any more.
    pub leaving: Leaving,
}

/// Nodes that a cluster is not to have any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Their names.
    pub nodes: Vec<NodeName>,
    /// Whether their data stays on disk.
    pub keep_data: bool,
}

/// One node as it is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLaunch {
    /// Its number, from 1.
    pub number: u16,
    /// Its name.
    pub name: NodeName,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub bus_port: u16,
    /// The host it counts as living on.
    pub host: Option<String>,
    /// The zone it counts as living in.
    pub zone: Option<String>,
    /// Its redis.conf directives, spec and overrides merged.
    pub redis: Directives,
}

impl Launch {
    /// Makes a launch of a spec, with this runtime and this first client port.
    ///
    /// The spec has to be valid ([`Spec::problems`] is empty), and the ports have to fit above
    /// `first_port`; ports that do not fit saturate instead of wrapping.
    pub fn new(spec: &Spec, runtime: RuntimeKind, first_port: u16) -> Self {
        let Spec {
            version: _,
            name,
            runtime: _,
            shards,
            replicas,
            port: _,
            port_step,
            bus_port,
            node_name: _,
            listen,
            access,
            image,
            redis_server,
            password_file: _,
            redis,
            nodes,
            // The thresholds of `test` do not change how nodes run.
            test: _,
        } = spec;
        let first_bus = bus_port.unwrap_or_else(|| first_port.saturating_add(BUS_OFFSET));
        let names = spec.node_names(first_port);
        let nodes = (0u16..)
            .zip(names)
            .map(|(i, name)| {
                let NodeOverride {
                    host,
                    zone,
                    redis: own,
                } = nodes.get(&name).cloned().unwrap_or_default();
                let mut redis = redis.clone();
                redis.extend(own);
                let step = port_step.saturating_mul(i);
                NodeLaunch {
                    number: i + 1,
                    name,
                    port: first_port.saturating_add(step),
                    bus_port: first_bus.saturating_add(step),
                    host,
                    zone,
                    redis,
                }
            })
            .collect();
        Launch {
            name: name.clone(),
            runtime,
            can: runtime.capabilities(),
            shards: *shards,
            replicas: *replicas,
            listen: *listen,
            access: access.clone(),
            image: image.clone(),
            redis_server: redis_server.clone(),
            nodes,
            leaving: Leaving::default(),
        }
    }

    /// A cluster of which only the name is known, because it was found by its labels.
    pub fn bare(name: &ClusterName, runtime: RuntimeKind) -> Self {
        let spec = Spec {
            name: name.clone(),
            shards: 0,
            ..Spec::default()
        };
        Launch::new(&spec, runtime, 1)
    }

    /// Nodes that somebody else started. Nothing of them is remembered, so all such clusters share
    /// a name.
    pub fn foreign() -> Self {
        Launch::bare(&ClusterName("external".to_owned()), RuntimeKind::External)
    }

    /// The node of that name.
    pub fn node(&self, name: &NodeName) -> Option<&NodeLaunch> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// Whether every node has a port of its own (so files can be named after it).
    pub fn ports_differ(&self) -> bool {
        self.nodes
            .windows(2)
            .all(|pair| pair[0].port != pair[1].port)
    }

    /// The name of a node's rendered configuration file.
    pub fn conf_name(&self, node: &NodeLaunch) -> String {
        if self.ports_differ() {
            format!("redis-{}.conf", node.port)
        } else {
            format!("{}.conf", node.name)
        }
    }

    /// The host name that clients are told; `None` if they are told the address.
    pub fn announced_hostname(&self) -> Option<String> {
        match &self.access {
            Access::Hostname(name) => Some(name.clone()),
            // Without this, the node's own address would be announced instead of the published one.
            Access::Host if self.can.own_network => Some(self.listen.to_string()),
            Access::Host | Access::Network => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::directive::Value;

    #[test]
    fn overrides_merge_key_by_key() {
        let mut spec = Spec::default();
        let mut own = NodeOverride {
            zone: Some("b".into()),
            ..NodeOverride::default()
        };
        own.redis
            .insert("maxmemory".into(), Value::Text("1gb".into()));
        spec.nodes.insert(NodeName::new("node-2"), own);
        let launch = Launch::new(&spec, RuntimeKind::Process, 7000);
        let node = &launch.nodes[1];
        assert_eq!((node.port, node.bus_port), (7001, 17001));
        assert_eq!(node.redis["maxmemory"], Value::Text("1gb".into()));
        assert_eq!(node.redis["appendonly"], Value::Text("yes".into()));
        assert_eq!(
            launch.nodes[0].redis["maxmemory"],
            Value::Text("512mb".into())
        );
        assert_eq!(launch.conf_name(node), "redis-7001.conf");
    }

    #[test]
    fn files_are_named_after_nodes_where_ports_repeat() {
        let spec = Spec {
            port_step: 0,
            access: Access::Network,
            ..Spec::default()
        };
        let launch = Launch::new(&spec, RuntimeKind::Docker, 6379);
        assert_eq!(launch.conf_name(&launch.nodes[0]), "node-1.conf");
    }
}
