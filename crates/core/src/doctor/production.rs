//! The checklist before production: each item is judged by what the nodes say, or said to be
//! unknown.

use super::{Finding, Id, Verdict, names};
use crate::{
    hint,
    hint::{Hint, Next, Verb},
    next,
    node::{Endpoint, NodeName},
    text::{count::count, human::said},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// The directives that are judged. Of a password, only whether it is set.
pub const DIRECTIVES: &[&str] = &[
    "requirepass",
    "masterauth",
    "bind",
    "dir",
    "appendonly",
    "appendfsync",
    "save",
    "maxmemory",
    "maxmemory-policy",
    "cluster-node-timeout",
    "tcp-keepalive",
];

/// A node's settings, as the node says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which node.
    pub node: NodeName,
    /// `CONFIG GET`, or why it was not answered.
    pub live: Result<BTreeMap<String, String>, String>,
}

/// Judges a setting of every node; `bad` says what is wrong with it, and how badly.
fn judge(
    id: Id,
    wanted: &str,
    nodes: &[Settings],
    good: &str,
    bad: impl Fn(&BTreeMap<String, String>) -> Option<(Verdict, String)>,
) -> Finding {
    let mut wrong: Vec<(NodeName, Verdict, String)> = Vec::new();
    for Settings { node, live } in nodes {
        match live {
            Err(why) => return Finding::unknown(id, wanted, said(node.as_str(), why)),
            Ok(live) => {
                wrong.extend(bad(live).map(|(verdict, what)| (node.clone(), verdict, what)));
            }
        }
    }
    if nodes.is_empty() {
        return Finding::unknown(id, wanted, "no node answers");
    }
    // The worst node gives the verdict.
    wrong.sort_by_key(|(_, verdict, _)| *verdict != Verdict::Fail);
    let Some((_, verdict, what)) = wrong.first().cloned() else {
        return Finding::new(id, Verdict::Pass, good, wanted);
    };
    let nodes: Vec<NodeName> = wrong.into_iter().map(|(node, _, _)| node).collect();
    Finding::new(id, verdict, format!("{what} ({})", names(&nodes)), wanted).nodes(nodes)
}

fn says<'a>(live: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    live.get(name).map(String::as_str).unwrap_or_default()
}

fn with(finding: Finding, why: &str, fix: impl Into<Hint>) -> Finding {
    match finding.verdict {
        Verdict::Warn | Verdict::Fail => finding.why(why).fix(fix),
        _ => finding,
    }
}

/// A password on every node, for clients and for replicas.
pub fn password(nodes: &[Settings]) -> Finding {
    let finding = judge(
        Id::Password,
        "requirepass and masterauth on every node",
        nodes,
        "every node asks for a password",
        |live| match (says(live, "requirepass"), says(live, "masterauth")) {
            ("", _) => Some((Verdict::Fail, "no requirepass".to_owned())),
            (_, "") => Some((
                Verdict::Fail,
                "requirepass without masterauth: no replica can follow".to_owned(),
            )),
            _ => None,
        },
    );
    with(
        finding,
        "whoever can connect can read, write and delete everything",
        next![
            "set `password_file:` in the spec (0600), then ",
            Verb::Down,
            " and ",
            Verb::Up,
            ": the data stays"
        ]
        .ours(),
    )
}

/// Where nodes listen. `published` is the address that rcluster publishes, if that protects them.
pub fn bind(published: Option<IpAddr>, nodes: &[Settings]) -> Finding {
    let wanted = "addresses of this host, not every one";
    let finding = match published {
        Some(ip) if ip.is_unspecified() => Finding::new(
            Id::Bind,
            Verdict::Fail,
            format!("published on {ip}: every network"),
            wanted,
        ),
        Some(ip) => Finding::new(
            Id::Bind,
            Verdict::Pass,
            format!("published on {ip}"),
            wanted,
        ),
        None => judge(Id::Bind, wanted, nodes, &bound(nodes), |live| {
            let bind = says(live, "bind");
            let open =
                |word: &str| matches!(word.trim_start_matches('-'), "*" | "0.0.0.0" | "::" | "::*");
            (bind.is_empty() || bind.split_whitespace().any(open))
                .then(|| (Verdict::Fail, format!("bind '{bind}': every network")))
        }),
    };
    with(
        finding,
        "every host that can route to this one can try to connect",
        next!["`listen: ADDRESS` in the spec (`bind ADDRESS` in redis.conf), and a firewall for client and bus ports"].ours(),
    )
}

/// Every address that a node listens on.
fn bound(nodes: &[Settings]) -> String {
    let lines = nodes.iter().filter_map(|node| node.live.as_ref().ok());
    let words = lines.flat_map(|live| says(live, "bind").split_whitespace());
    let all: BTreeSet<&str> = words.collect();
    let all: Vec<&str> = all.into_iter().collect();
    format!("listening on {}", all.join(" "))
}

/// Whether data outlives the nodes; `None`: that cannot be seen.
pub fn volumes(kept: Option<&str>) -> Finding {
    let wanted = "a volume or a folder of its own for every node's data";
    match kept {
        Some(how) => Finding::new(Id::Volumes, Verdict::Pass, how, wanted),
        None => Finding::unknown(
            Id::Volumes,
            wanted,
            "what lies under a node's `dir` cannot be seen over the wire",
        )
        .fix("look at what is mounted at `CONFIG GET dir` on each node's host"),
    }
}

/// How many nodes have a `redis_exporter` among their clients.
pub fn monitoring(watched: Result<usize, String>, nodes: usize) -> Finding {
    let wanted = "metrics of every node are collected";
    match watched {
        Ok(0) => Finding::unknown(
            Id::Monitoring,
            wanted,
            "no redis_exporter is connected just now; another collector would not be recognized",
        )
        .fix("point a collector at every node, and see it answer"),
        Ok(watched) if watched == nodes => Finding::new(
            Id::Monitoring,
            Verdict::Pass,
            format!("redis_exporter is connected to {}", count(nodes, "node")),
            wanted,
        ),
        Ok(watched) => Finding::new(
            Id::Monitoring,
            Verdict::Warn,
            format!("redis_exporter is connected to {watched} of {nodes} nodes"),
            wanted,
        )
        .why("it may connect for each scrape only; what it does not see, nobody sees")
        .fix("list every node in the exporter's targets"),
        Err(why) => Finding::unknown(Id::Monitoring, wanted, why),
    }
}

/// Alerts are configured where nodes cannot see it.
pub fn alerting() -> Finding {
    Finding::unknown(
        Id::Alerting,
        "somebody is told when a node, a shard or a link is down",
        "alert rules live in the monitoring system, which rcluster does not read",
    )
    .fix(hint![
        "stop a replica (",
        Verb::Stop.with("NODE"),
        "), see that the alert arrives, then ",
        Verb::Up
    ])
}

/// Judges something that has to be done regularly, by how many days ago it was done.
fn since(
    id: Id,
    most: u64,
    days: Result<Option<u64>, String>,
    what: &str,
    fix: impl Into<Hint>,
) -> Finding {
    let wanted = match most {
        1 => format!("a {what} in the last day"),
        most => format!("a {what} in the last {most} days"),
    };
    match days {
        Err(why) => Finding::unknown(id, wanted, why).fix(fix),
        Ok(None) => Finding::unknown(
            id,
            wanted,
            format!(
                "the journal of this cluster has no {what}; one made by other means is not in it"
            ),
        )
        .fix(fix),
        Ok(Some(days)) => {
            let ago = match days {
                0 => "today".to_owned(),
                1 => "yesterday".to_owned(),
                days => format!("{days} days ago"),
            };
            let measured = format!("the last {what} was {ago}");
            if days <= most {
                return Finding::new(id, Verdict::Pass, measured, wanted);
            }
            Finding::new(id, Verdict::Warn, measured, wanted)
                .why("what was not tried lately is not known to work")
                .fix(fix)
        }
    }
}

/// Days since the last backup.
pub fn backup(days: Result<Option<u64>, String>) -> Finding {
    let fix = "copy every master's RDB or AOF to another host each day, and try to restore it";
    since(Id::Backup, 1, days, "backup", fix)
}

/// Days since the last failover drill.
pub fn drill(days: Result<Option<u64>, String>) -> Finding {
    let fix = next![
        Verb::Failover,
        ": it kills a master, checks that the cluster heals, and brings it back"
    ]
    .ours();
    since(Id::Drill, 90, days, "failover drill", fix)
}

/// Failure detection and dead connections.
pub fn timeouts(nodes: &[Settings]) -> Finding {
    let finding = judge(
        Id::Timeouts,
        "cluster-node-timeout 5000 to 30000, tcp-keepalive on",
        nodes,
        "every node within bounds",
        |live| {
            let timeout: u64 = says(live, "cluster-node-timeout").parse().unwrap_or(0);
            match timeout {
                ..5000 => Some((
                    Verdict::Warn,
                    format!("cluster-node-timeout {timeout} ms is nervous"),
                )),
                30_001.. => Some((
                    Verdict::Warn,
                    format!("cluster-node-timeout {timeout} ms is slow"),
                )),
                _ if says(live, "tcp-keepalive") == "0" => {
                    Some((Verdict::Warn, "tcp-keepalive is off".to_owned()))
                }
                _ => None,
            }
        },
    );
    with(
        finding,
        "too short: a pause of the host is a failover; too long: a dead master is missed late; without keepalive dead clients stay",
        Next::set("`cluster-node-timeout: 15000` and `tcp-keepalive: 300`"),
    )
}

/// Whether writes survive a restart.
pub fn persistence(nodes: &[Settings]) -> Finding {
    let finding = judge(
        Id::Persistence,
        "appendonly yes, appendfsync everysec or always",
        nodes,
        "every node keeps an append-only file",
        |live| {
            let aof = says(live, "appendonly") == "yes";
            match (aof, says(live, "appendfsync"), says(live, "save")) {
                (true, "no", _) => Some((Verdict::Warn, "appendfsync no".to_owned())),
                (true, _, _) => None,
                (false, _, "") => Some((Verdict::Fail, "neither AOF nor snapshots".to_owned())),
                (false, _, _) => Some((Verdict::Warn, "snapshots only".to_owned())),
            }
        },
    );
    with(
        finding,
        "a master that restarts empty makes its replicas empty too",
        Next::set("`appendonly: \"yes\"` and `appendfsync: everysec`"),
    )
}

/// What a full node does.
pub fn eviction(nodes: &[Settings]) -> Finding {
    let finding = judge(
        Id::Eviction,
        "a maxmemory, and a maxmemory-policy that was chosen",
        nodes,
        &nodes
            .iter()
            .find_map(|node| Some(says(node.live.as_ref().ok()?, "maxmemory-policy").to_owned()))
            .unwrap_or_default(),
        |live| match (says(live, "maxmemory"), says(live, "maxmemory-policy")) {
            ("0" | "", _) => Some((Verdict::Fail, "no maxmemory".to_owned())),
            (_, "noeviction") => Some((Verdict::Warn, "noeviction".to_owned())),
            _ => None,
        },
    );
    with(
        finding,
        "without a limit the kernel kills the node; with noeviction a full node refuses writes",
        Next::set("`maxmemory: 512mb` and `maxmemory-policy: allkeys-lru` (a cache)"),
    )
}

/// A shard and the hosts that it lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// Its master.
    pub master: NodeName,
    /// The host of the master.
    pub host: String,
    /// The hosts of its replicas.
    pub replicas: Vec<String>,
}

/// Every master has a replica.
pub fn replicas(shards: &[Spread]) -> Finding {
    let wanted = "a replica for every master";
    if shards.is_empty() {
        return Finding::unknown(Id::Replicas, wanted, "no master with slots answers");
    }
    let bare: Vec<NodeName> = shards
        .iter()
        .filter(|shard| shard.replicas.is_empty())
        .map(|shard| shard.master.clone())
        .collect();
    if bare.is_empty() {
        let measured = format!("{}, each with a replica", count(shards.len(), "shard"));
        return Finding::new(Id::Replicas, Verdict::Pass, measured, wanted);
    }
    let measured = format!("no replica: {}", names(&bare));
    Finding::new(Id::Replicas, Verdict::Fail, measured, wanted)
        .why("when that master is lost nobody can take over its slots")
        .fix(next!["`replicas: 1` in the spec, then ", Verb::Up].ours())
        .nodes(bare)
}

/// No host has a whole shard. `vague`: hosts are only known by their addresses.
pub fn hosts(shards: &[Spread], vague: bool) -> Finding {
    let wanted = "a master and its replicas on different hosts";
    if shards.is_empty() {
        return Finding::unknown(Id::Hosts, wanted, "no master with slots answers");
    }
    let together: Vec<&Spread> = shards
        .iter()
        .filter(|shard| shard.replicas.iter().all(|host| *host == shard.host))
        .collect();
    if together.is_empty() && vague {
        return Finding::unknown(
            Id::Hosts,
            wanted,
            "every shard has a replica at another address; containers and virtual machines of one host have several",
        );
    }
    if together.is_empty() {
        let measured = "every shard has a replica on another host";
        return Finding::new(Id::Hosts, Verdict::Pass, measured, wanted);
    }
    let measured = if together.len() == shards.len() {
        "every shard lives on one host".to_owned()
    } else {
        format!(
            "{} of {} shards live on one host",
            together.len(),
            shards.len()
        )
    };
    Finding::new(Id::Hosts, Verdict::Fail, measured, wanted)
        .why("when that host is lost, master and replica are lost together")
        .fix(
            next![
                "one spec runs its nodes on one host: start each redis-server on a host of its own, and ",
                Verb::Init.with("--seed HOST:PORT …"),
                " forms them with replicas on other hosts than their masters"
            ]
            .elsewhere("start a replica on another host than its master: CLUSTER MEET and CLUSTER REPLICATE there"),
        )
        .nodes(together.iter().map(|shard| shard.master.clone()).collect())
}

/// The connection strings that applications can use; which ones they do use cannot be seen.
pub fn strings(endpoints: &[Endpoint]) -> Finding {
    let wanted = "several nodes, by names that every application host can dial";
    let loopback = |endpoint: &Endpoint| {
        endpoint.host == "localhost"
            || endpoint
                .host
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    };
    let local: Vec<&Endpoint> = endpoints
        .iter()
        .filter(|endpoint| loopback(endpoint))
        .collect();
    if let Some(first) = local.first() {
        return Finding::new(
            Id::Strings,
            Verdict::Warn,
            format!("clients are told loopback: {first}"),
            wanted,
        )
        .why("applications on other hosts, or in containers, would dial themselves")
        .fix(
            next![
                "`access: HOSTNAME` and `listen: ADDRESS` in the spec, then ",
                Verb::Up
            ]
            .ours(),
        );
    }
    let shown: Vec<String> = endpoints.iter().take(3).map(ToString::to_string).collect();
    Finding::unknown(
        Id::Strings,
        wanted,
        "what the applications were given is in their own configuration",
    )
    .fix(format!("give them several of: {}", shown.join(" ")))
}
