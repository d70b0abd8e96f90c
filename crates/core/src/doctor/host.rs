//! The checks of the host: can nodes start here, and will they run well?

use super::{Finding, Id, Remedy, Verdict};
use crate::{
    error::Error,
    hint,
    hint::{Hint, Verb},
    spec::{
        directive::{self, Value},
        launch::NodeLaunch,
    },
    text::{count::count, human::bytes},
};

/// Files that Redis opens besides its clients' sockets (`CONFIG_MIN_RESERVED_FDS` in server.h).
const RESERVED_FILES: u64 = 32;

/// With less than this for each node, not even an empty one can write its files.
const LEAST_DISK: u64 = 32 << 20;

/// Redis' own default of `tcp-backlog` and of `maxclients` (config.c).
const BACKLOG: u64 = 511;
const MAXCLIENTS: u64 = 10_000;

/// Where the kernel's settings are.
pub const OVERCOMMIT: &str = "/proc/sys/vm/overcommit_memory";
/// The setting in brackets is the one in force.
pub const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// Of this network namespace.
pub const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

/// What the nodes of a cluster need from their host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// How many nodes.
    pub nodes: usize,
    /// The sum of `maxmemory`; `None`: a node has no limit.
    pub memory: Option<u64>,
    /// The highest `maxclients`.
    pub clients: u64,
    /// The highest `tcp-backlog`.
    pub backlog: u64,
    /// Whether every node switches huge pages off for itself (`disable-thp`, Redis' default).
    pub own_huge_pages: bool,
}

impl Needs {
    /// The needs of these nodes.
    pub fn of<'a>(nodes: impl Iterator<Item = &'a NodeLaunch>) -> Self {
        let mut needs = Needs {
            nodes: 0,
            memory: Some(0),
            clients: 0,
            backlog: 0,
            own_huge_pages: true,
        };
        for NodeLaunch { redis, .. } in nodes {
            let text = |name: &str| redis.get(name).and_then(Value::config_set);
            let number = |name: &str, default| {
                let number = text(name).and_then(|text| directive::bytes(&text));
                number.unwrap_or(default)
            };
            let limit = number("maxmemory", 0);
            needs.nodes += 1;
            needs.memory = match needs.memory {
                Some(sum) if limit > 0 => Some(sum.saturating_add(limit)),
                _ => None,
            };
            needs.clients = needs.clients.max(number("maxclients", MAXCLIENTS));
            needs.backlog = needs.backlog.max(number("tcp-backlog", BACKLOG));
            let keeps = text("disable-thp").is_some_and(|text| text.eq_ignore_ascii_case("no"));
            needs.own_huge_pages &= !keeps;
        }
        needs
    }
}

/// Judges something that only one runtime needs.
fn found(
    id: Id,
    needed: bool,
    wanted: &str,
    seen: Result<String, &Error>,
    elsewhere: &str,
) -> Finding {
    match (seen, needed) {
        (Ok(measured), true) => Finding::new(id, Verdict::Pass, measured, wanted),
        (Ok(measured), false) => {
            Finding::new(id, Verdict::Skip, measured, wanted).why(elsewhere.to_owned())
        }
        (Err(error), true) => {
            let finding = Finding::new(id, Verdict::Fail, error.cause(), wanted);
            match error.next() {
                hint if hint.is_empty() => finding,
                hint => finding.fix(hint.clone()),
            }
        }
        (Err(error), false) => {
            Finding::new(id, Verdict::Skip, error.cause(), wanted).why(elsewhere.to_owned())
        }
    }
}

/// The Docker Engine: its place, its version, its API.
pub fn engine(needed: bool, seen: Result<(&str, &str, &str), &Error>) -> Finding {
    let seen = seen.map(|(place, version, api)| format!("Docker {version}, API {api} at {place}"));
    let wanted = "Docker 20.10 (API 1.41) or newer";
    found(Id::Engine, needed, wanted, seen, "nodes run as processes")
}

/// The image: whether the engine has it.
pub fn image(needed: bool, image: &str, present: Result<bool, &Error>) -> Finding {
    let wanted = format!("{image} on the engine, or a registry that has it");
    if let (true, Ok(false)) = (needed, &present) {
        return Finding::new(
            Id::Image,
            Verdict::Warn,
            format!("{image} is not on the engine"),
            wanted,
        )
        .why("`rcluster up` has to pull it first")
        .fix(format!("docker pull {image}"))
        .remedy(Remedy::Pull {
            image: image.to_owned(),
        });
    }
    let seen = present.map(|present| {
        if present {
            format!("{image} is there")
        } else {
            format!("{image} is not there")
        }
    });
    found(Id::Image, needed, &wanted, seen, "nodes run as processes")
}

/// The redis-server: its version and its path.
pub fn redis_server(needed: bool, seen: Result<(&str, &str), &Error>) -> Finding {
    let seen = seen.map(|(version, path)| format!("Redis {version} at {path}"));
    let wanted = "Redis 7.0 or newer";
    found(
        Id::RedisServer,
        needed,
        wanted,
        seen,
        "nodes run in containers",
    )
}

/// What holds a port that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A process listens on it: `nginx (pid 7)`, `container web`, `a process of another user`.
    By(String),
    /// It is the local port of a connection; nothing listens on it.
    Connection,
    /// It was the local port of a connection that has ended: the kernel keeps it for a minute
    /// (`TIME_WAIT`).
    Ended,
    /// Nothing holds it, but the system refuses it; its message.
    Refused(String),
}

impl Held {
    fn text(&self, port: u16) -> String {
        match self {
            Held::By(by) => format!("port {port} is in use by {by}"),
            Held::Connection => format!("port {port} is in use as the own end of a connection"),
            Held::Ended => {
                format!("port {port} is still held for a connection that has ended (TIME_WAIT)")
            }
            Held::Refused(why) => format!("port {port} cannot be listened on: {why}"),
        }
    }

    /// What to do about it. `existing`: nodes that exist need their ports again.
    fn fix(&self, existing: bool) -> Hint {
        match self {
            Held::Ended => hint!["it is free within a minute: ", Verb::Up, " again"],
            Held::Refused(_) => {
                hint![
                    "set `listen:` to an address of this host and `port:` to ports that this user may use"
                ]
            }
            _ if existing => hint![
                "the cluster has its ports already and keeps them: end what is there, then ",
                Verb::Up,
                " again"
            ],
            _ => hint![
                Verb::Up.with("--port auto"),
                " picks free ports, or set `port:` in the spec"
            ],
        }
    }
}

/// Which of the ports that nodes need cannot be used. `existing`: the nodes exist already.
pub fn ports(client: &[u16], bus: &[u16], taken: &[(u16, Held)], existing: bool) -> Finding {
    let wanted = match bus {
        [] => format!("free: {}", ranges(client)),
        bus => format!("free: client {}, bus {}", ranges(client), ranges(bus)),
    };
    let Some((port, held)) = taken.first() else {
        let all = count(client.len() + bus.len(), "port");
        return Finding::new(Id::Ports, Verdict::Pass, format!("{all} free"), wanted);
    };
    let others = match taken.len() - 1 {
        0 => String::new(),
        1 => " (another port is taken too)".to_owned(),
        more => format!(" ({more} other ports are taken too)"),
    };
    let measured = held.text(*port) + &others;
    Finding::new(Id::Ports, Verdict::Fail, measured, wanted).fix(held.fix(existing))
}

/// `6379-6384, 7000`.
pub fn ranges(ports: &[u16]) -> String {
    let mut sorted = ports.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in sorted {
        match runs.last_mut() {
            Some((_, to)) if to.checked_add(1) == Some(port) => *to = port,
            _ => runs.push((port, port)),
        }
    }
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(from, to)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            }
        })
        .collect();
    texts.join(", ")
}

/// The free space for the data.
pub fn disk(place: &str, free: Result<u64, String>, needs: &Needs) -> Finding {
    let least = LEAST_DISK.saturating_mul(needs.nodes as u64);
    let wanted = match needs.memory {
        Some(memory) => format!("{}: maxmemory of every node", bytes(memory.max(least))),
        None => format!("{} at least", bytes(least)),
    };
    let free = match free {
        Ok(free) => free,
        Err(why) => return Finding::unknown(Id::Disk, wanted, why),
    };
    let measured = format!("{} free in {place}", bytes(free));
    let finding = |verdict| Finding::new(Id::Disk, verdict, measured, wanted);
    if free < least {
        finding(Verdict::Fail)
            .why(format!(
                "{} cannot even write their files there",
                count(needs.nodes, "node")
            ))
            .fix(format!(
                "make room in {place}, or move it: RCLUSTER_STATE_DIR, or Docker's data-root"
            ))
    } else if needs.memory.is_some_and(|memory| free < memory) {
        finding(Verdict::Warn)
            .why("full nodes could not be persisted: Redis then refuses writes (MISCONF)")
            .fix(format!(
                "make room in {place}, or lower maxmemory in the spec"
            ))
    } else {
        finding(Verdict::Pass)
    }
}

/// Total and free memory, for nodes that already use `used` of it.
pub fn memory(seen: Result<(u64, u64), String>, used: u64, needs: &Needs) -> Finding {
    let nodes = count(needs.nodes, "node");
    let Some(wants) = needs.memory else {
        return Finding::new(
            Id::Memory,
            Verdict::Warn,
            "a node without maxmemory",
            "a limit for every node",
        )
        .why("it grows until the kernel kills it")
        .fix("set `maxmemory` under `redis:` in the spec");
    };
    let wanted = format!("{} for maxmemory of {nodes}", bytes(wants));
    let (total, free) = match seen {
        Ok(seen) => seen,
        Err(why) => return Finding::unknown(Id::Memory, wanted, why),
    };
    let measured = format!(
        "{} free of {}",
        bytes(free.saturating_add(used)),
        bytes(total)
    );
    if wants > free.saturating_add(used) {
        return Finding::new(Id::Memory, Verdict::Warn, measured, wanted)
            .why("once they are full the kernel kills one; a snapshot needs more on top")
            .fix("lower `maxmemory` under `redis:` in the spec, or add memory");
    }
    Finding::new(Id::Memory, Verdict::Pass, measured, wanted)
}

/// The hard limit of open files, up to which Redis raises its own.
pub fn nofile(hard: Result<u64, String>, needs: &Needs) -> Finding {
    let wants = needs.clients.saturating_add(RESERVED_FILES);
    let wanted = format!("{wants}: maxclients + {RESERVED_FILES}");
    let hard = match hard {
        Ok(hard) => hard,
        Err(why) => return Finding::unknown(Id::Nofile, wanted, why),
    };
    let measured = match hard {
        u64::MAX => "no limit of open files".to_owned(),
        hard => format!("{hard} open files at most"),
    };
    if hard >= wants {
        return Finding::new(Id::Nofile, Verdict::Pass, measured, wanted);
    }
    Finding::new(Id::Nofile, Verdict::Warn, measured, wanted)
        .why(format!(
            "Redis lowers maxclients to {} and says so only in its log",
            hard.saturating_sub(RESERVED_FILES)
        ))
        .fix(format!("echo \"$USER - nofile {wants}\" | sudo tee /etc/security/limits.d/rcluster.conf, then log in again"))
}

/// `vm.overcommit_memory`.
pub fn overcommit(seen: Result<String, String>) -> Finding {
    let wanted = "1";
    let value = match seen {
        Ok(value) => value,
        Err(why) => return Finding::unknown(Id::Overcommit, wanted, why),
    };
    let measured = format!("vm.overcommit_memory = {value}");
    if value == "1" {
        return Finding::new(Id::Overcommit, Verdict::Pass, measured, wanted);
    }
    Finding::new(Id::Overcommit, Verdict::Warn, measured, wanted)
        .why("when memory is short the fork of a snapshot or AOF rewrite is refused")
        .fix("sudo sysctl -w vm.overcommit_memory=1")
        .remedy(Remedy::Kernel {
            file: OVERCOMMIT,
            value: "1".to_owned(),
        })
}

/// Transparent huge pages: `always [madvise] never`.
pub fn huge_pages(seen: Result<String, String>, needs: &Needs) -> Finding {
    let wanted = "madvise or never, or `disable-thp yes`";
    let text = match seen {
        Ok(text) => text,
        Err(why) => return Finding::unknown(Id::HugePages, wanted, why),
    };
    let inside = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    let Some((value, _)) = inside else {
        let why = format!("{HUGE_PAGES} says '{text}'");
        return Finding::unknown(Id::HugePages, wanted, why);
    };
    match (value, needs.own_huge_pages) {
        ("always", false) => Finding::new(Id::HugePages, Verdict::Warn, value, wanted)
            .why("every write after a fork copies 2 MB: latency and memory jump")
            .fix(format!("echo madvise | sudo tee {HUGE_PAGES}"))
            .remedy(Remedy::Kernel {
                file: HUGE_PAGES,
                value: "madvise".to_owned(),
            }),
        ("always", true) => Finding::new(
            Id::HugePages,
            Verdict::Pass,
            "always, but Redis switches them off for itself",
            wanted,
        ),
        _ => Finding::new(Id::HugePages, Verdict::Pass, value, wanted),
    }
}

/// `net.core.somaxconn`.
pub fn somaxconn(seen: Result<String, String>, needs: &Needs) -> Finding {
    let wants = needs.backlog;
    let wanted = format!("{wants}: tcp-backlog");
    let read = seen.and_then(|text| {
        let wrong = |_| format!("{SOMAXCONN} says '{text}'");
        text.parse::<u64>().map_err(wrong)
    });
    let value = match read {
        Ok(value) => value,
        Err(why) => return Finding::unknown(Id::Somaxconn, wanted, why),
    };
    let measured = format!("net.core.somaxconn = {value}");
    if value >= wants {
        return Finding::new(Id::Somaxconn, Verdict::Pass, measured, wanted);
    }
    Finding::new(Id::Somaxconn, Verdict::Warn, measured, wanted)
        .why("clients that connect in a burst are dropped and try again a second later")
        .fix(format!("sudo sysctl -w net.core.somaxconn={wants}"))
        .remedy(Remedy::Kernel {
            file: SOMAXCONN,
            value: wants.to_string(),
        })
}
