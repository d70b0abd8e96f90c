//! `rcluster.yaml`: what is wanted. Its shape, its defaults, and what makes it valid.
//!
//! Reading the file is `store::spec_file`'s work; choosing between flags, environment and file is
//! `cli::settings`'. A [`Spec`] may still have choices in it (`runtime: auto`, `port: auto`);
//! [`crate::spec::launch::Launch`] is a spec with nothing left to choose.

pub mod check;
pub mod container;
pub mod directive;
pub mod launch;

use super::node::NodeName;
use crate::{
    snapshot::place::Capabilities,
    spec::directive::{Directives, Value},
    test::checks::Thresholds,
};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
};

/// The only version of the spec there is.
pub const VERSION: u32 = 1;

/// Keys that later issues bring: refused by name until then, never ignored.
pub const LATER: &[&str] = &["tls", "users", "sentinels"];

/// A cluster as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Version of this format: 1.
    pub version: u32,
    /// The cluster's name: `[a-z0-9][a-z0-9-]{0,39}`. Many clusters live side by side.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9-]{0,39}$"))]
    pub name: ClusterName,
    /// Where the nodes run.
    pub runtime: RuntimeChoice,
    /// Masters, at least 3.
    #[schemars(range(min = 3, max = 500))]
    pub shards: u16,
    /// Replicas of each master.
    #[schemars(range(max = 20))]
    pub replicas: u16,
    /// The first client port; `auto` picks free ones.
    pub port: PortChoice,
    /// How far the ports of two nodes are apart; 0 with `access: network` gives every container the same port.
    pub port_step: u16,
    /// The first bus port; null: client port + 10000.
    pub bus_port: Option<u16>,
    /// Names of the nodes; `{n}` is the number from 1, `{port}` the client port.
    pub node_name: String,
    /// The address on which the endpoints are published.
    pub listen: IpAddr,
    /// What clients are told to dial: `host`, `network`, or a host name.
    #[schemars(with = "String")]
    pub access: Access,
    /// The container image (docker).
    pub image: String,
    /// The redis-server to run (process): a name in PATH or a path.
    pub redis_server: String,
    /// A file whose first line is the password; or set `REDIS_PASSWORD` in the environment or in an .env beside the spec.
    pub password_file: Option<PathBuf>,
    /// redis.conf directives for every node, on top of the defaults. `null` leaves one to Redis.
    pub redis: Directives,
    /// Overrides by node name.
    #[schemars(with = "std::collections::BTreeMap<String, NodeOverride>")]
    pub nodes: IndexMap<NodeName, NodeOverride>,
    /// What `rcluster test` holds the cluster to.
    pub test: Thresholds,
}

/// What one node has that the others have not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeOverride {
    /// The host it counts as living on: replicas are kept off their master's host.
    pub host: Option<String>,
    /// The zone it counts as living in: replicas are kept out of their master's zone.
    pub zone: Option<String>,
    /// redis.conf directives of this node, merged over the spec's key by key.
    pub redis: Directives,
}

impl Default for Spec {
    fn default() -> Self {
        Spec {
            version: VERSION,
            name: ClusterName("rcluster".to_owned()),
            runtime: RuntimeChoice::Auto,
            shards: 3,
            replicas: 1,
            port: PortChoice::First(6379),
            port_step: 1,
            bus_port: None,
            node_name: "node-{n}".to_owned(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            access: Access::Host,
            image: "redis:7".to_owned(),
            redis_server: "redis-server".to_owned(),
            password_file: None,
            redis: default_directives(),
            nodes: IndexMap::new(),
            test: Thresholds::default(),
        }
    }
}

/// The redis.conf directives that every node has unless the spec says otherwise.
pub fn default_directives() -> Directives {
    let text = |value: &str| Value::Text(value.to_owned());
    let saves = ["900 1", "300 10", "60 10000"].map(str::to_owned).to_vec();
    Directives::from_iter([
        ("appendonly".to_owned(), text("yes")),
        ("appendfsync".to_owned(), text("everysec")),
        ("save".to_owned(), Value::Lines(saves)),
        ("cluster-node-timeout".to_owned(), Value::Number(15000)),
        ("cluster-require-full-coverage".to_owned(), text("no")),
        ("maxmemory".to_owned(), text("512mb")),
        ("maxmemory-policy".to_owned(), text("allkeys-lru")),
        ("tcp-keepalive".to_owned(), Value::Number(300)),
        ("maxclients".to_owned(), Value::Number(10000)),
    ])
}

/// A cluster's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterName(String);

impl ClusterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = ClusterName(text.to_owned());
        match name.problem() {
            None => Ok(name),
            Some(problem) => Err(problem),
        }
    }
}

/// Between the name of a cluster and what makes the clusters of its runs differ.
const RUN: &str = "-run-";

/// How many letters and digits follow [`RUN`].
const RUN_SUFFIX: usize = 6;

impl ClusterName {
    /// The name of a cluster for one command: `<name>-run-<six letters or digits>`, cut to fit.
    #[must_use]
    pub fn for_run(&self, number: u64) -> Self {
        let room = 40 - RUN.len() - RUN_SUFFIX;
        let base = self.0.split(RUN).next().unwrap_or_default();
        let mut name: String = base.chars().take(room).collect();
        name.push_str(RUN);
        let mut rest = number;
        for _ in 0..RUN_SUFFIX {
            let digit = u32::try_from(rest % 36).unwrap_or_default();
            name.extend(char::from_digit(digit, 36));
            rest /= 36;
        }
        ClusterName(name)
    }

    /// Whether it is the name of a cluster for one command.
    pub fn is_of_run(&self) -> bool {
        let suffix = self.0.rsplit_once(RUN).map(|(_, suffix)| suffix);
        suffix.is_some_and(|suffix| suffix.len() == RUN_SUFFIX && !suffix.contains('-'))
    }

    pub(super) fn problem(&self) -> Option<String> {
        let text = &self.0;
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fine = (1..=40).contains(&text.len())
            && text.starts_with(legal)
            && text.chars().all(|c| legal(c) || c == '-');
        (!fine).then(|| {
            format!(
                "'{text}' is not a cluster name: 1 to 40 of a-z, 0-9 and '-', not starting with '-'"
            )
        })
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where nodes may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// Docker when an engine answers and the image is there or can be pulled, else processes.
    Auto,
    /// Containers of one Docker Engine.
    Docker,
    /// redis-server processes on this host.
    Process,
    /// Services of a Docker Swarm (not supported yet).
    Swarm,
    /// Nodes that somebody else started (not supported yet).
    External,
}

/// A runtime that has been decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum RuntimeKind {
    /// Containers of one Docker Engine.
    Docker,
    /// redis-server processes on this host.
    Process,
    /// Nodes that somebody else started.
    External,
}

impl RuntimeChoice {
    /// The runtime that this names, if it leaves nothing to decide.
    pub fn kind(self) -> Option<RuntimeKind> {
        match self {
            RuntimeChoice::Docker => Some(RuntimeKind::Docker),
            RuntimeChoice::Process => Some(RuntimeKind::Process),
            RuntimeChoice::Auto | RuntimeChoice::Swarm | RuntimeChoice::External => None,
        }
    }
}

impl RuntimeKind {
    /// What a runtime of this kind can do. The kind itself is for messages and for what is
    /// remembered; whatever depends on it is decided by these.
    pub fn capabilities(self) -> Capabilities {
        match self {
            RuntimeKind::Docker => Capabilities {
                start: true,
                pause: true,
                volumes: true,
                restarts_by_itself: true,
                this_host: true,
                containers: true,
                own_network: true,
                partition: true,
            },
            RuntimeKind::Process => Capabilities {
                start: true,
                pause: true,
                volumes: true,
                this_host: true,
                ..Capabilities::NONE
            },
            RuntimeKind::External => Capabilities::NONE,
        }
    }
}

/// The first client port, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "not a port: write 1 to 65535, or auto")]
pub enum PortChoice {
    /// This one for the first node.
    First(u16),
    /// Free ones, remembered afterwards.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// `auto`
    Auto,
}

impl FromStr for PortChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(PortChoice::Auto(Auto::Auto)),
            text => match text.parse() {
                Ok(port) if port > 0 => Ok(PortChoice::First(port)),
                _ => Err(format!("'{text}' is neither a port (1-65535) nor 'auto'")),
            },
        }
    }
}

/// What clients are told to dial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Access {
    /// The address that is published: clients on this host.
    Host,
    /// The containers' own addresses: clients in the network (and on a local Linux engine).
    Network,
    /// This host name or IPv4 address.
    Hostname(String),
}

impl From<String> for Access {
    fn from(text: String) -> Self {
        match text.as_str() {
            "host" => Access::Host,
            "network" => Access::Network,
            _ => Access::Hostname(text),
        }
    }
}

impl From<Access> for String {
    fn from(access: Access) -> Self {
        match access {
            Access::Host => "host".to_owned(),
            Access::Network => "network".to_owned(),
            Access::Hostname(name) => name,
        }
    }
}

impl Spec {
    /// How many nodes there are in all.
    pub fn node_count(&self) -> u16 {
        self.shards.saturating_mul(self.replicas.saturating_add(1))
    }

    /// The last client port (and bus port) that `first` leads to, if they all fit below 65536.
    pub fn last_port(&self, first: u16) -> Option<u16> {
        let steps = self
            .port_step
            .checked_mul(self.node_count().saturating_sub(1))?;
        first.checked_add(steps)
    }

    /// The nodes' names, in order, when the first client port is `first`.
    pub fn node_names(&self, first: u16) -> Vec<NodeName> {
        (0..self.node_count())
            .map(|i| {
                let port = first.saturating_add(self.port_step.saturating_mul(i));
                let name = self.node_name.replace("{n}", &(i + 1).to_string());
                NodeName::new(name.replace("{port}", &port.to_string()))
            })
            .collect()
    }
}
