//! The zoo: sick clusters on real servers, and what every command says of them.
//!
//! Each sickness is shown to `status`, `doctor`, `test`, `monitor`, `redis-cli --cluster check` and
//! `up`. They have to obey one law: all find the same, with the same ids, and if `up` exits 0, none
//! finds anything. Then the first command of the first hint is typed as it stands. All of that is
//! one snapshot.

use crate::rig::{On, Rig, Said, kill_9, long, run, signal, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

pub(super) const NODES: u16 = 6;

/// Small nodes that detect failures soon.
pub(super) const SPEC: &str =
    "redis:\n  maxmemory: 64mb\n  cluster-node-timeout: 3000\n  repl-diskless-sync-delay: 0\n";

/// How long `up` may wait for something that does not happen.
const WAIT: &str = "6";

/// How long it may take until a cluster has settled into its sickness.
const SETTLE: Duration = Duration::from_secs(20);

/// How long gossip may take to spread what a command healed.
const HEAL: Duration = Duration::from_secs(6);

/// Makes a cluster sick. What it returns is held until all commands have looked.
type Hurt = fn(&Animal) -> Vec<TcpStream>;

/// A sickness: its name, and how a healthy cluster gets it.
struct Sickness(&'static str, Hurt);

/// A cluster of three masters with a replica each: nodes 1 to 3 and 4 to 6.
pub(super) struct Animal(pub(super) Rig);

impl Animal {
    pub(super) fn port(&self, node: u16) -> u16 {
        self.0.port + node - 1
    }

    /// Sends a command to a node, whatever it answers.
    pub(super) fn say(&self, node: u16, words: &[&str]) -> String {
        let port = self.port(node).to_string();
        let mut command = self.0.program("timeout");
        command.args(["10", "redis-cli", "-p", &port]).args(words);
        run(command).out.trim().to_owned()
    }

    pub(super) fn everybody(&self, words: &[&str]) {
        for node in 1..=NODES {
            self.say(node, words);
        }
    }

    pub(super) fn id(&self, node: u16) -> String {
        self.say(node, &["cluster", "myid"])
    }

    pub(super) fn pid(&self, node: u16) -> i32 {
        let file = self.0.folder().join(format!("nodes/node-{node}/pid"));
        fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    pub(super) fn kill(&self, nodes: &[u16]) {
        let pids: Vec<i32> = nodes.iter().map(|node| self.pid(*node)).collect();
        kill_9(&pids);
        until("they have ended", || {
            nodes
                .iter()
                .all(|node| TcpStream::connect(("127.0.0.1", self.port(*node))).is_err())
        });
    }

    pub(super) fn data(&self, node: u16) -> std::path::PathBuf {
        self.0.folder().join(format!("nodes/node-{node}/data"))
    }

    /// Makes the cluster healthy again, with some keys.
    pub(super) fn fresh(&self) {
        self.0.run(&["down", "--volumes", "--yes"]);
        self.0.ok(&["up", "--timeout", "60"]);
        crate::well::fill(&self.0, self.0.port);
    }

    /// A text with everything replaced that differs from run to run, but for the names of nodes.
    fn stable(&self, text: &str) -> String {
        let mut text = text.replace(&self.0.name, "zoo");
        for node in 1..=NODES {
            let port = self.port(node).to_string();
            text = text.replace(&port, &format!("<node-{node}>"));
        }
        let words = text.split(' ').map(|word| match word.trim_matches('`') {
            id if id.len() == 40 && id.chars().all(|c| c.is_ascii_hexdigit()) => {
                word.replace(id, "<id>")
            }
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// What a command found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    code: i32,
    /// `node-stopped node-1`, in their order.
    ids: Vec<String>,
    /// The sentences of the findings, without the node.
    whats: Vec<String>,
    hint: String,
}

impl Found {
    fn of(said: &Said, problems: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let problems = problems.as_array().cloned().unwrap_or_default();
        let id = |problem: &Value| match problem["node"].as_str() {
            Some(node) => format!("{} {node}", text(&problem["id"])),
            None => text(&problem["id"]),
        };
        let what = |problem: &Value| text(&problem["what"]);
        Found {
            code: said.code,
            ids: problems.iter().map(id).collect(),
            whats: problems.iter().map(what).collect(),
            hint: problems
                .first()
                .map(|first| text(&first["hint"]))
                .unwrap_or_default(),
        }
    }

    fn line(&self) -> String {
        match &self.ids[..] {
            [] => format!("{} -", self.code),
            ids => format!("{} {}", self.code, ids.join(", ")),
        }
    }
}

impl Animal {
    fn status(&self) -> Found {
        let said = self.0.run(&["status", "--json"]);
        let document: Value = serde_json::from_str(&said.out).unwrap_or_default();
        Found::of(&said, &document["problems"])
    }

    fn monitor(&self) -> Found {
        let said = self.0.run(&["monitor", "--once", "--json"]);
        let document: Value = serde_json::from_str(&said.out).unwrap_or_default();
        Found::of(&said, &document["problems"])
    }

    /// `status`, once it says the same twice in a row.
    fn settled(&self) -> Found {
        let start = Instant::now();
        let mut before = self.status();
        loop {
            std::thread::sleep(Duration::from_millis(700));
            let now = self.status();
            if now.ids == before.ids || start.elapsed() > SETTLE {
                return now;
            }
            before = now;
        }
    }

    /// `status` after something was done: as soon as all is well, else once it says the same again.
    fn healed(&self) -> Found {
        let start = Instant::now();
        loop {
            let now = self.status();
            if now.code == 0 || start.elapsed() > HEAL {
                return now;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The exit code of a command, and what its check `health` measured.
    fn health(&self, verb: &[&str]) -> (i32, String) {
        let said = self.0.run(verb);
        let document: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let checks = document["checks"].as_array().cloned().unwrap_or_default();
        let health = checks.iter().find(|check| {
            let named = |key: &str| check[key].as_str() == Some("health");
            named("id") || named("check") || named("name")
        });
        (said.code, health.map(Value::to_string).unwrap_or_default())
    }

    fn redis_cli_check(&self) -> bool {
        let at = |node: u16| format!("127.0.0.1:{}", self.port(node));
        (1..=NODES).all(|node| {
            let mut check = self.0.program("timeout");
            check.args(["15", "redis-cli", "--cluster", "check", &at(node)]);
            run(check).code == 0
        })
    }

    /// Types the first command of a hint; `None` if the hint has none.
    fn typed(&self, hint: &str) -> Option<(String, i32)> {
        let command = hint.split('`').nth(1)?;
        let words: Vec<&str> = command.split_whitespace().collect();
        let (program, args) = words.split_first()?;
        if words
            .iter()
            .any(|word| ["ID", "NAME", "NODE", "HOST:PORT", "FILE"].contains(word))
        {
            return None;
        }
        let said = match *program {
            "rcluster" => {
                let mut args = args.to_vec();
                if args.contains(&"up") || args.contains(&"restart") {
                    args.extend(["--timeout", WAIT]);
                }
                if args.contains(&"failover") {
                    args.push("--yes");
                }
                self.0.run(&args)
            }
            "redis-cli" => {
                // It asks whether it is to go on.
                let mut typed = self.0.program("sh");
                typed.args(["-c", "echo yes | timeout 30 redis-cli \"$@\"", "redis-cli"]);
                typed.args(args);
                run(typed)
            }
            _ => return None,
        };
        Some((command.to_owned(), said.code))
    }

    /// Shows the sickness to all commands, and checks the law.
    fn shown(&self, Sickness(name, hurt): &Sickness, page: &mut String) {
        self.fresh();
        let held = hurt(self);
        let mut line = |text: String| {
            eprintln!("{text}");
            writeln!(page, "{}", self.stable(&text)).unwrap();
        };
        line((*name).to_string());
        let mut tries = 0;
        let found = loop {
            let found = self.settled();
            let monitor = self.monitor();
            let (doctor, doctors) = self.health(&["doctor", "--json"]);
            let (test, tests) = self.health(&["test", "--json"]);
            let again = self.status();
            tries += 1;
            if found.ids != again.ids && tries < 4 {
                continue;
            }
            line(format!("  status {}", found.line()));
            line(format!(
                "  monitor {}, doctor {doctor}, test {test}",
                monitor.code
            ));
            if !found.ids.is_empty() {
                let mut ids = [found.ids.clone(), monitor.ids.clone()];
                for ids in &mut ids {
                    ids.sort();
                }
                assert_eq!(ids[0], ids[1], "{name}: status and monitor disagree");
                assert_ne!(monitor.code, 0, "{name}: monitor");
                assert_ne!(doctor, 0, "{name}: doctor passes {found:?}");
                assert_ne!(test, 0, "{name}: test passes {found:?}");
                for what in &found.whats {
                    let what = what.replace('"', "\\\"");
                    assert!(
                        doctors.contains(&what),
                        "{name}: {what} is not in {doctors}"
                    );
                    let silent = tests.is_empty();
                    assert!(
                        silent || tests.contains(&what),
                        "{name}: {what} is not in {tests}"
                    );
                }
            }
            break found;
        };
        let check = self.redis_cli_check();
        line(format!(
            "  redis-cli check: {}",
            if check { "ok" } else { "not ok" }
        ));
        assert!(
            check || !found.ids.is_empty(),
            "{name}: only redis-cli finds something"
        );
        line(format!("  do: {}", found.hint));
        if let Some((command, code)) = self.typed(&found.hint) {
            let after = self.healed();
            line(format!(
                "  typed `{command}`: {code}, then status {}",
                after.line()
            ));
            assert!(
                code != 0
                    || command.contains("status")
                    || command.contains("logs")
                    || after != found,
                "{name}: it says that it did something, and nothing changed: {after:?}"
            );
        }
        let up = self.0.run(&["up", "--timeout", WAIT]);
        let after = self.settled();
        line(format!("  up {}, then status {}", up.code, after.line()));
        if up.code == 0 {
            assert_eq!(after.ids, [] as [&str; 0], "{name}: up exits 0");
            assert_eq!(after.code, 0, "{name}: up exits 0");
            let (_, doctors) = self.health(&["doctor", "--json"]);
            assert!(!doctors.contains("\"fail\""), "{name}");
            assert!(
                self.redis_cli_check(),
                "{name}: up exits 0, redis-cli finds something"
            );
        } else {
            let cause = up
                .err
                .lines()
                .find(|line| line.starts_with("error"))
                .unwrap_or_default();
            line(format!("  {cause}"));
            assert_ne!(
                after.ids,
                [] as [&str; 0],
                "{name}: up fails and status finds nothing: {}",
                up.err
            );
        }
        drop(held);
    }
}

/// Shows these to a cluster of its own.
fn shown(test: &str, sicknesses: &[Sickness]) -> Option<String> {
    let rig = Rig::new(On::Process, test)?;
    rig.spec(SPEC);
    let animal = Animal(rig);
    let mut page = String::new();
    let only = std::env::var("RCLUSTER_ZOO").ok();
    for sickness in sicknesses {
        if only
            .as_ref()
            .is_none_or(|only| sickness.0.contains(only.as_str()))
        {
            animal.shown(sickness, &mut page);
        }
    }
    only.is_none().then_some(page)
}

/// The commonest, a few seconds each.
const COMMON: &[Sickness] = &[
    Sickness("a replica stopped", |it| {
        it.kill(&[4]);
        Vec::new()
    }),
    Sickness("a master frozen", |it| {
        signal(it.pid(2), Signal::SIGSTOP);
        Vec::new()
    }),
    Sickness("a slot half open", |it| {
        it.say(2, &["cluster", "setslot", "42", "importing", &it.id(1)]);
        Vec::new()
    }),
    Sickness("slots without owner", |it| {
        it.everybody(&["cluster", "delslotsrange", "40", "50"]);
        Vec::new()
    }),
    Sickness("a master cannot save", |it| {
        let dump = it.data(2).join("dump.rdb");
        let _ = fs::remove_file(&dump);
        fs::create_dir_all(dump.join("x")).unwrap();
        it.say(2, &["bgsave"]);
        until("the save failed", || {
            it.say(2, &["info", "persistence"])
                .contains("rdb_last_bgsave_status:err")
        });
        Vec::new()
    }),
    Sickness("no more clients", |it| fill_clients(it, 2)),
    Sickness("another password", |it| {
        it.say(2, &["config", "set", "requirepass", "other"]);
        Vec::new()
    }),
];

/// The others.
const RARE: &[Sickness] = &[
    Sickness("a slot migrating and importing", |it| {
        it.say(1, &["cluster", "setslot", "42", "migrating", &it.id(2)]);
        it.say(2, &["cluster", "setslot", "42", "importing", &it.id(1)]);
        Vec::new()
    }),
    Sickness("a slot migrating", |it| {
        it.say(1, &["cluster", "setslot", "42", "migrating", &it.id(2)]);
        Vec::new()
    }),
    Sickness("a slot that only one node does not know", |it| {
        it.say(5, &["cluster", "delslots", "42"]);
        Vec::new()
    }),
    Sickness("a ghost", |it| {
        let ghost = "e".repeat(40);
        it.kill(&[6]);
        let conf = it.data(6).join("nodes.conf");
        let text = fs::read_to_string(&conf).unwrap();
        let line = format!("{ghost} 127.0.0.1:9@10 master,fail - 0 0 99 disconnected\n");
        fs::write(&conf, text.replacen("vars ", &format!("{line}vars "), 1)).unwrap();
        it.0.run(&["start", "node-6"]);
        Vec::new()
    }),
    Sickness("a replica of another shard", |it| {
        it.say(4, &["cluster", "replicate", &it.id(2)]);
        Vec::new()
    }),
    Sickness("a replica reset", |it| {
        it.say(4, &["cluster", "reset", "hard"]);
        Vec::new()
    }),
    Sickness("a replica forgotten by one", |it| {
        it.say(1, &["cluster", "forget", &it.id(5)]);
        Vec::new()
    }),
    Sickness("a master without slots", |it| {
        let (from, to) = (it.id(1), it.id(2));
        it.say(
            1,
            &["config", "set", "cluster-allow-replica-migration", "no"],
        );
        let at = format!("127.0.0.1:{}", it.port(1));
        let mut reshard = it.0.program("redis-cli");
        reshard.args([
            "--cluster",
            "reshard",
            &at,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
        ]);
        reshard.args(["--cluster-slots", "5461", "--cluster-yes"]);
        run(reshard);
        Vec::new()
    }),
    Sickness("memory full under noeviction", |it| {
        it.say(2, &["config", "set", "maxmemory-policy", "noeviction"]);
        it.say(2, &["config", "set", "maxmemory", "1mb"]);
        Vec::new()
    }),
    Sickness("all masters stopped", |it| {
        it.kill(&[1, 2, 3]);
        Vec::new()
    }),
    Sickness("the majority stopped", |it| {
        it.kill(&[1, 2]);
        Vec::new()
    }),
    Sickness("everybody stopped", |it| {
        it.kill(&[1, 2, 3, 4, 5, 6]);
        Vec::new()
    }),
    Sickness("a master failed over and back, stopped", |it| {
        it.kill(&[1]);
        until("its replica took over", || {
            it.say(4, &["role"]).starts_with("master")
        });
        Vec::new()
    }),
    Sickness("a replica's folder emptied", |it| {
        it.kill(&[4]);
        fs::remove_dir_all(it.data(4)).unwrap();
        Vec::new()
    }),
    Sickness("a master's folder emptied", |it| {
        it.kill(&[1]);
        fs::remove_dir_all(it.data(1)).unwrap();
        Vec::new()
    }),
    Sickness("nodes.conf of a replica cut", |it| {
        it.kill(&[4]);
        let conf = it.data(4).join("nodes.conf");
        let text = fs::read(&conf).unwrap();
        fs::write(&conf, &text[..text.len() / 2]).unwrap();
        Vec::new()
    }),
    Sickness("a replica that its master refuses", |it| {
        it.say(4, &["config", "set", "masterauth", "wrong"]);
        it.say(1, &["client", "kill", "type", "replica"]);
        Vec::new()
    }),
    Sickness("a bus port announced wrongly", |it| {
        it.say(2, &["config", "set", "cluster-announce-bus-port", "9"]);
        it.everybody(&["client", "kill", "type", "normal"]);
        Vec::new()
    }),
];

/// Opens connections to a node until it takes no more.
fn fill_clients(it: &Animal, node: u16) -> Vec<TcpStream> {
    it.say(node, &["config", "set", "maxclients", "12"]);
    let mut held = Vec::new();
    for _ in 0..64 {
        let Ok(mut client) = TcpStream::connect(("127.0.0.1", it.port(node))) else {
            break;
        };
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut answer = [0; 64];
        let sent = client.write_all(b"PING\r\n").is_ok();
        let read = if sent {
            client.read(&mut answer).unwrap_or(0)
        } else {
            0
        };
        if answer[..read].starts_with(b"+PONG") {
            held.push(client);
        }
    }
    held
}

#[test]
fn everybody_says_the_same_of_common_sicknesses() {
    if let Some(page) = shown("common sicknesses", COMMON) {
        insta::assert_snapshot!("common", page);
    }
}

#[test]
fn everybody_says_the_same_of_rare_sicknesses() {
    if !long("rare sicknesses") {
        return;
    }
    if let Some(page) = shown("rare sicknesses", RARE) {
        insta::assert_snapshot!("rare", page);
    }
}
