//! What makes a spec valid, as far as can be seen without looking at a machine. Every problem has
//! its key and what to write instead.

use super::directive::{self, Directives};
use crate::{
    node::BUS_OFFSET,
    spec::{Access, NodeOverride, PortChoice, RuntimeChoice, Spec, VERSION},
};

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
    /// Everything wrong with the spec that can be seen without looking at a machine.
    pub fn problems(&self) -> Vec<Problem> {
        // Destructured, so that the compiler points here when the spec gets a new field.
        let Spec {
            version,
            name,
            runtime,
            shards: _,
            replicas: _,
            port,
            port_step: _,
            bus_port: _,
            node_name: _,
            listen: _,
            access: _,
            image,
            redis_server,
            password_file: _,
            redis,
            nodes: _,
            test,
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
        problems.extend(
            test.problems()
                .into_iter()
                .map(|(key, what, hint)| Problem::new(format!("test.{key}"), what, hint)),
        );
        problems.extend(self.size_problems());
        problems.extend(self.name_problems());
        problems.extend(self.access_problems());
        problems.extend(self.port_problems(*port));
        problems.extend(directive_problems("redis", redis));
        problems.extend(self.override_problems());
        problems
    }

    fn size_problems(&self) -> Vec<Problem> {
        let Spec {
            shards, replicas, ..
        } = self;
        if *shards < 3 {
            return vec![Problem::new(
                "shards",
                format!("{shards} masters cannot form a majority when one fails"),
                "Redis Cluster needs at least three masters: `shards: 3`",
            )];
        }
        if *shards > 500 || *replicas > 20 || self.node_count() > 1000 {
            return vec![Problem::new(
                "shards",
                format!(
                    "{shards} shards of {} nodes each are more than Redis recommends (1000 nodes)",
                    u32::from(*replicas) + 1
                ),
                "use fewer shards or replicas",
            )];
        }
        Vec::new()
    }

    fn name_problems(&self) -> Vec<Problem> {
        let Spec {
            node_name,
            port_step,
            ..
        } = self;
        let problem = |what: String, hint: &str| vec![Problem::new("node_name", what, hint)];
        if !node_name.contains("{n}") && !node_name.contains("{port}") {
            problem(
                format!("'{node_name}' names every node the same"),
                "put `{n}` or `{port}` in it: `node_name: \"node-{n}\"`",
            )
        } else if *port_step == 0 && !node_name.contains("{n}") {
            problem(
                format!("'{node_name}' names every node the same, as they share a port"),
                "put `{n}` in it: `node_name: \"node-{n}\"`",
            )
        } else if !is_host_name(&node_name.replace("{n}", "1").replace("{port}", "1")) {
            problem(
                format!("'{node_name}' does not make host names"),
                "use a-z, 0-9 and '-' beside `{n}` and `{port}`",
            )
        } else {
            Vec::new()
        }
    }

    fn access_problems(&self) -> Vec<Problem> {
        let Spec {
            access,
            listen,
            port_step,
            ..
        } = self;
        let mut problems = Vec::new();
        if *port_step == 0 && *access != Access::Network {
            problems.push(Problem::new(
                "port_step",
                "all nodes would publish the same port",
                "`port_step: 0` goes with `access: network`; else write `port_step: 1`",
            ));
        }
        match access {
            Access::Hostname(host) if !is_host_name(host) => problems.push(Problem::new(
                "access",
                format!("'{host}' is neither `host`, `network` nor a host name"),
                "cluster-announce-hostname takes letters, digits, dots and dashes",
            )),
            Access::Host if listen.is_unspecified() || !listen.is_ipv4() => {
                problems.push(Problem::new(
                    "access",
                    format!("with `listen: {listen}` there is no single address to tell clients"),
                    "say what they should dial: `access: HOSTNAME`, or `listen: 127.0.0.1`",
                ));
            }
            _ => {}
        }
        problems
    }

    fn override_problems(&self) -> Vec<Problem> {
        let first = match self.port {
            PortChoice::First(first) => first,
            PortChoice::Auto(_) => 1,
        };
        let known = self.node_names(first);
        let not_yet_named =
            matches!(self.port, PortChoice::Auto(_)) && self.node_name.contains("{port}");
        let mut problems = Vec::new();
        for (node, NodeOverride { redis, .. }) in &self.nodes {
            let key = format!("nodes.{node}");
            if let (false, false, [first, .., last]) =
                (known.contains(node), not_yet_named, &known[..])
            {
                problems.push(Problem::new(
                    &key,
                    format!("there is no node of that name (there are {first} to {last})"),
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
}

/// Letters, digits, dots and dashes, at most 253 (the characters of `isValidAuxString` in
/// cluster.c).
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
            .config_set()
            .is_some_and(|text| text.trim().is_empty())
            && directive::needs_value(name)
        {
            problems.push(Problem::new(
                &key,
                "its value is empty, which Redis takes for 0",
                "write a value, or null for Redis's own default",
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
    use crate::{node::NodeName, spec::directive::Value};
    use std::net::{IpAddr, Ipv4Addr};

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
    fn an_empty_value_that_redis_takes_for_another_one_is_refused() {
        let with = |name: &str, value: &str| {
            let mut spec = Spec::default();
            let value = Value::Text(value.to_owned());
            spec.redis.insert(name.to_owned(), value);
            keys(&spec)
        };
        assert_eq!(with("maxmemory", ""), ["redis.maxmemory"]);
        assert_eq!(with("maxmemory", "0"), [""; 0]);
        assert_eq!(with("notify-keyspace-events", ""), [""; 0]);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_key() {
        let wrong = |change: fn(&mut Spec)| {
            let mut spec = Spec::default();
            change(&mut spec);
            keys(&spec)
        };
        assert_eq!(wrong(|s| s.version = 2), ["version"]);
        assert_eq!(
            wrong(|s| s.name = serde_json::from_str("\"Bad_Name\"").expect("a string")),
            ["name"]
        );
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
            wrong(|s| s.test.latency_samples = 7),
            ["test.latency_samples"]
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
