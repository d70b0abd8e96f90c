//! `rcluster.yaml`: what is wanted. Its shape, its defaults, and what makes it valid.
//!
//! Reading the file is `store::spec_file`'s work; choosing between flags, environment and file is
//! `cli::settings`'. A [`Spec`] may still have choices in it (`runtime: auto`, `port: auto`);
//! [`super::launch::Launch`] is a spec with nothing left to choose.

use super::{
    directive::{self, Directives, Value},
    node::{BUS_OFFSET, NodeName},
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
    /// A file whose first line is the password; or set REDIS_PASSWORD in the environment or in an .env beside the spec.
    pub password_file: Option<PathBuf>,
    /// redis.conf directives for every node, on top of the defaults. `null` leaves one to Redis.
    pub redis: Directives,
    /// Overrides by node name.
    #[schemars(with = "std::collections::BTreeMap<String, NodeOverride>")]
    pub nodes: IndexMap<NodeName, NodeOverride>,
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

impl ClusterName {
    fn problem(&self) -> Option<String> {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Containers of one Docker Engine.
    Docker,
    /// redis-server processes on this host.
    Process,
    /// Nodes that somebody else started.
    External,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RuntimeKind::Docker => "docker",
            RuntimeKind::Process => "process",
            RuntimeKind::External => "external",
        })
    }
}

/// The first client port, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
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

/// Something wrong with a spec: which key, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, as a path (`nodes.node-7`).
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

impl Problem {
    fn new(key: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            key: key.into(),
            what: what.into(),
            hint: hint.into(),
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

    /// Everything wrong with the spec that can be seen without looking at a machine.
    pub fn problems(&self) -> Vec<Problem> {
        // Destructured so that a new field is noticed here.
        let Spec {
            version,
            name,
            runtime,
            shards,
            replicas,
            port,
            port_step,
            bus_port: _,
            node_name,
            listen,
            access,
            image,
            redis_server,
            password_file: _,
            redis,
            nodes,
        } = self;
        let mut problems = Vec::new();
        let mut wrong = |key: &str, what: String, hint: &str| {
            problems.push(Problem::new(key, what, hint));
        };
        if *version != VERSION {
            wrong(
                "version",
                format!("version {version} is not known"),
                "write `version: 1`",
            );
        }
        if let Some(problem) = name.problem() {
            wrong("name", problem, "for example `name: my-cluster`");
        }
        if matches!(runtime, RuntimeChoice::Swarm | RuntimeChoice::External) {
            wrong(
                "runtime",
                "swarm and external are not supported yet".to_owned(),
                "use `runtime: docker` or `runtime: process`",
            );
        }
        if *shards < 3 {
            wrong(
                "shards",
                format!("{shards} masters cannot form a majority when one fails"),
                "Redis Cluster needs at least three masters: `shards: 3`",
            );
        }
        if *shards > 500 || *replicas > 20 || self.node_count() > 1000 {
            wrong(
                "shards",
                format!(
                    "{shards} shards of {} nodes each are more than Redis recommends (1000 nodes)",
                    u32::from(*replicas) + 1
                ),
                "use fewer shards or replicas",
            );
        }
        if *port_step == 0 && *access != Access::Network {
            wrong(
                "port_step",
                "all nodes would publish the same port".to_owned(),
                "`port_step: 0` goes with `access: network`; else write `port_step: 1`",
            );
        }
        if !node_name.contains("{n}") && !node_name.contains("{port}") {
            wrong(
                "node_name",
                format!("'{node_name}' names every node the same"),
                "put `{n}` or `{port}` in it: `node_name: \"node-{n}\"`",
            );
        } else if *port_step == 0 && !node_name.contains("{n}") {
            wrong(
                "node_name",
                format!("'{node_name}' names every node the same, as they share a port"),
                "put `{n}` in it: `node_name: \"node-{n}\"`",
            );
        } else if !is_host_name(&node_name.replace("{n}", "1").replace("{port}", "1")) {
            wrong(
                "node_name",
                format!("'{node_name}' does not make host names"),
                "use a-z, 0-9 and '-' beside `{n}` and `{port}`",
            );
        }
        if let Access::Hostname(host) = access {
            if !is_host_name(host) {
                wrong(
                    "access",
                    format!("'{host}' is neither `host`, `network` nor a host name"),
                    "cluster-announce-hostname takes letters, digits, dots and dashes",
                );
            }
        } else if *access == Access::Host && (listen.is_unspecified() || !listen.is_ipv4()) {
            wrong(
                "access",
                format!("with `listen: {listen}` there is no single address to tell clients"),
                "say what they should dial: `access: HOSTNAME`, or `listen: 127.0.0.1`",
            );
        }
        if image.trim().is_empty() || image.contains(char::is_whitespace) {
            wrong(
                "image",
                format!("'{image}' is not an image"),
                "for example `image: redis:7`",
            );
        }
        if redis_server.trim().is_empty() {
            wrong(
                "redis_server",
                "it is empty".to_owned(),
                "`redis_server: redis-server`",
            );
        }
        problems.extend(self.port_problems(*port));
        problems.extend(directive_problems("redis", redis));
        let known: Vec<NodeName> = self.node_names(match port {
            PortChoice::First(first) => *first,
            PortChoice::Auto(_) => 1,
        });
        for (node, NodeOverride { redis, .. }) in nodes {
            let key = format!("nodes.{node}");
            if !known.contains(node)
                && !(matches!(port, PortChoice::Auto(_)) && node_name.contains("{port}"))
            {
                problems.push(Problem::new(
                    &key,
                    format!(
                        "there is no node of that name (there are {} to {})",
                        known[0],
                        known[known.len() - 1]
                    ),
                    "name one of the nodes, or correct `node_name`",
                ));
            }
            problems.extend(directive_problems(&format!("{key}.redis"), redis));
        }
        problems
    }

    fn port_problems(&self, port: PortChoice) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut last = None;
        if let PortChoice::First(first) = port {
            last = self.last_port(first);
            if first == 0 || last.is_none() {
                problems.push(Problem::new(
                    "port",
                    format!(
                        "{} ports from {first} do not fit into 1-65535",
                        self.node_count()
                    ),
                    "choose a lower first port, or `port: auto`",
                ));
            } else if self.bus_port.is_none()
                && last.is_some_and(|last| last.checked_add(BUS_OFFSET).is_none())
            {
                problems.push(Problem::new(
                    "port",
                    format!(
                        "the bus port of a node is its port + {BUS_OFFSET}, which past port {} is over 65535",
                        u16::MAX - BUS_OFFSET
                    ),
                    "choose a lower port, or set `bus_port`",
                ));
            }
        }
        if let Some(bus) = self.bus_port {
            let last_bus = self.last_port(bus);
            if bus == 0 || last_bus.is_none() {
                problems.push(Problem::new(
                    "bus_port",
                    format!(
                        "{} ports from {bus} do not fit into 1-65535",
                        self.node_count()
                    ),
                    "choose a lower first bus port",
                ));
            }
            if let (PortChoice::First(first), Some(last), Some(last_bus)) = (port, last, last_bus) {
                if first <= last_bus && bus <= last {
                    problems.push(Problem::new(
                        "bus_port",
                        format!("bus ports {bus}-{last_bus} overlap client ports {first}-{last}"),
                        "leave it out (client port + 10000), or move it away",
                    ));
                }
            } else if matches!(port, PortChoice::Auto(_)) {
                problems.push(Problem::new(
                    "bus_port",
                    "`port: auto` chooses the bus ports too",
                    "leave `bus_port` out, or choose the ports yourself",
                ));
            }
        }
        problems
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

/// Letters, digits, dots and dashes (`isValidAuxString`'s set in cluster.c for hostnames); at most 253.
fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

fn directive_problems(path: &str, directives: &Directives) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in directives {
        let key = format!("{path}.{name}");
        if let Some(instead) = directive::owned(name) {
            problems.push(Problem::new(
                &key,
                "rcluster writes this directive itself",
                format!("use {instead}"),
            ));
        }
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(legal) {
            problems.push(Problem::new(
                &key,
                format!("'{name}' is not the name of a redis.conf directive"),
                "directives are lower case, for example `maxmemory`",
            ));
        }
        if value
            .lines()
            .iter()
            .any(|line| line.chars().any(char::is_control))
        {
            problems.push(Problem::new(
                &key,
                "its value has a line break or another control character",
                "give several values as a list: [\"900 1\", \"300 10\"]",
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(spec: &Spec) -> Vec<String> {
        spec.problems()
            .into_iter()
            .map(|problem| problem.key)
            .collect()
    }

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Spec::default().problems(), []);
        assert_eq!(Spec::default().node_count(), 6);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_key() {
        let wrong = |change: fn(&mut Spec)| {
            let mut spec = Spec::default();
            change(&mut spec);
            keys(&spec)
        };
        assert_eq!(wrong(|s| s.version = 2), ["version"]);
        assert_eq!(wrong(|s| s.name = ClusterName("Bad_Name".into())), ["name"]);
        assert_eq!(wrong(|s| s.shards = 2), ["shards"]);
        assert_eq!(wrong(|s| s.port = PortChoice::First(65_533)), ["port"]);
        assert_eq!(wrong(|s| s.port = PortChoice::First(55_534)), ["port"]);
        assert_eq!(
            wrong(|s| (s.port, s.bus_port) = (PortChoice::First(55_600), Some(6000))),
            [] as [&str; 0]
        );
        assert_eq!(wrong(|s| s.bus_port = Some(6380)), ["bus_port"]);
        assert_eq!(wrong(|s| s.port_step = 0), ["port_step"]);
        assert_eq!(wrong(|s| s.node_name = "node".into()), ["node_name"]);
        assert_eq!(
            wrong(|s| s.access = Access::Hostname("::1".into())),
            ["access"]
        );
        assert_eq!(
            wrong(|s| s.listen = IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            ["access"]
        );
        assert_eq!(wrong(|s| s.runtime = RuntimeChoice::Swarm), ["runtime"]);
        assert_eq!(
            wrong(|s| {
                s.redis
                    .insert("requirepass".into(), Value::Text("x".into()));
            }),
            ["redis.requirepass"]
        );
        assert_eq!(
            wrong(|s| {
                s.redis
                    .insert("maxmemory".into(), Value::Text("1\nrequirepass x".into()));
            }),
            ["redis.maxmemory"]
        );
        assert_eq!(
            wrong(|s| {
                s.nodes
                    .insert(NodeName::new("node-7"), NodeOverride::default());
            }),
            ["nodes.node-7"]
        );
    }
}
