//! The zoo: sick clusters on real servers, and what every command says of them.
//!
//! Each sickness is shown to `status`, `doctor`, `test`, `monitor`, `redis-cli --cluster check` and
//! `up`. They have to obey one law: all find the same, with the same ids, and if `up` exits 0, none
//! finds anything. Then the first command of the first hint is typed as it stands. All of that is
//! one snapshot.

mod docker;
mod everyday;
mod files;
mod fixed;
mod rare;
mod shapes;
mod slots;

use crate::rig::{On, Rig, Said, kill_9, long, run, until};
use serde_json::Value;
use std::{
    any::Any,
    fmt::Write as _,
    fs,
    net::TcpStream,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

pub(super) const NODES: u16 = 6;

/// Small nodes that detect failures soon.
pub(super) const SPEC: &str =
    "redis:\n  maxmemory: 64mb\n  cluster-node-timeout: 3000\n  repl-diskless-sync-delay: 0\n";

/// How long `up` may wait for something that does not happen.
const WAIT: &str = "6";

/// Containers take longer.
const WAIT_ON_DOCKER: &str = "15";

/// How many commands are typed, each the one that `status` names first.
const TYPED: usize = 3;

/// How long it may take until a cluster has settled into its sickness.
const SETTLE: Duration = Duration::from_secs(20);

/// How long gossip may take to spread what a command healed.
const HEAL: Duration = Duration::from_secs(6);

/// What a sickness holds on to until it was looked at.
type Held = Vec<Box<dyn Any>>;

/// What is done to a cluster.
type Hurt = fn(&Animal) -> Held;

fn nothing() -> Held {
    Vec::new()
}

fn held<T: 'static>(things: Vec<T>) -> Held {
    let one = |thing| Box::new(thing) as Box<dyn Any>;
    things.into_iter().map(one).collect()
}

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

    /// Says several things to a node over one connection, a line each.
    pub(super) fn say_all(&self, node: u16, lines: &[&str]) {
        let port = self.port(node).to_string();
        let mut command = self.0.program("sh");
        let script = "printf '%b' \"$1\" | timeout 10 redis-cli -p \"$2\"";
        command.args([
            "-c",
            script,
            "sh",
            &format!("{}\\n", lines.join("\\n")),
            &port,
        ]);
        run(command);
    }

    /// Ends nodes with kill -9, changes the nodes.conf of each, and starts them again.
    pub(super) fn rewrite(&self, nodes: &[u16], change: impl Fn(&str) -> String) {
        self.kill(nodes);
        for node in nodes {
            let conf = self.data(*node).join("nodes.conf");
            let text = fs::read_to_string(&conf).unwrap();
            fs::write(&conf, change(&text)).unwrap();
        }
        let names: Vec<String> = nodes.iter().map(|node| format!("node-{node}")).collect();
        let mut start = vec!["start"];
        start.extend(names.iter().map(String::as_str));
        self.0.run(&start);
    }

    /// redis-cli --cluster COMMAND.
    pub(super) fn redis_cli_cluster(&self, command: &[&str]) {
        let mut redis_cli = self.0.program("redis-cli");
        redis_cli.arg("--cluster").args(command);
        run(redis_cli);
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
        for other in &self.0.others {
            self.0.run(&["-c", other, "down", "--volumes", "--yes"]);
        }
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
            let bus = format!("<node-{node}> {}", self.port(node) - 10_000);
            text = text.replace(&bus, &format!("<node-{node}> <bus>"));
        }
        let home = self.0.home().to_string_lossy().into_owned();
        text = text.replace(&home, "<home>");
        let is_hex = |word: &str| word.chars().all(|c| c.is_ascii_hexdigit());
        let of_docker = |word: &str| {
            let word = word.strip_prefix("172.").or(word.strip_prefix("192.168."));
            word.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        };
        let mut before = "";
        let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '.');
        parts
            .map(|part| {
                let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '.');
                let stands_for = match word {
                    id if [8, 12, 40, 64].contains(&id.len()) && is_hex(id) => "<id>",
                    ip if of_docker(ip) => "<ip>",
                    number if matches!(before, "pid " | "after ") && !number.is_empty() => "<n>",
                    // Of a node of another cluster: no slot has such a number.
                    port if port.parse().is_ok_and(|port: u16| port > 20_000) => "<port>",
                    _ => "",
                };
                before = part;
                if stands_for.is_empty() {
                    return part.to_owned();
                }
                part.replacen(word, stands_for, 1)
            })
            .collect()
    }

    fn wait(&self) -> &'static str {
        match self.0.on {
            On::Process => WAIT,
            On::Docker => WAIT_ON_DOCKER,
        }
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
                    args.extend(["--timeout", self.wait()]);
                }
                if args.contains(&"failover") {
                    args.push("--yes");
                }
                self.0.run(&args)
            }
            "redis-cli" | "mv" => {
                // redis-cli asks whether it is to go on.
                let mut typed = self.0.program("sh");
                typed.args(["-c", "yes yes | timeout 30 \"$@\"", "sh"]);
                typed.args(&words);
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
            check || found.code != 0,
            "{name}: only redis-cli finds something"
        );
        line(format!("  do: {}", found.hint));
        self.do_as_told(name, found, &mut line);
        let up = self.0.run(&["up", "--timeout", self.wait()]);
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

impl Animal {
    /// Types what `status` says is to be done, and what it says then, until it finds nothing or says
    /// nothing new.
    fn do_as_told(&self, name: &str, mut found: Found, line: &mut impl FnMut(String)) {
        for _ in 0..TYPED {
            let Some((command, code)) = self.typed(&found.hint) else {
                return;
            };
            let after = self.healed();
            // redis-cli ends with 1 or 0 as gossip has it: what counts is what came of it.
            let code_said = if command.starts_with("redis-cli") {
                String::new()
            } else {
                format!(": {code}")
            };
            line(format!(
                "  typed `{command}`{code_said}, then status {}",
                after.line()
            ));
            let shows = ["status", "logs", "doctor"];
            let only_shows = shows.iter().any(|verb| command.contains(verb));
            assert!(
                code != 0 || only_shows || after != found,
                "{name}: it says that it did something, and nothing changed: {after:?}"
            );
            if after.code == 0 || after.hint == found.hint {
                return;
            }
            line(format!("  do: {}", after.hint));
            found = after;
        }
    }
}

/// Shows these to a cluster of its own.
fn shown(on: On, test: &str, sicknesses: &[Sickness]) -> Option<String> {
    let mut rig = Rig::new(on, test)?;
    rig.spec(SPEC);
    rig.others.push(format!("{}-b", rig.name));
    let animal = Animal(rig);
    let mut page = String::new();
    let only = std::env::var("RCLUSTER_ZOO").ok();
    let mut outlaws = Vec::new();
    for sickness in sicknesses {
        let wanted = only
            .as_ref()
            .is_none_or(|only| sickness.0.contains(only.as_str()));
        // One that is against the law does not hide the next.
        let show = AssertUnwindSafe(|| animal.shown(sickness, &mut page));
        if wanted && catch_unwind(show).is_err() {
            outlaws.push(sickness.0);
        }
    }
    assert_eq!(outlaws, [] as [&str; 0], "against the law, as told above");
    only.is_none().then_some(page)
}

/// Shows these, and compares what came of it with what came of it before.
fn show(on: On, name: &str, sicknesses: &[Sickness]) {
    if let Some(page) = shown(on, name, sicknesses) {
        insta::assert_snapshot!(name.replace(' ', "_"), page);
    }
}

#[test]
fn everybody_says_the_same_of_common_sicknesses() {
    show(On::Process, "common", everyday::COMMON);
}

#[test]
fn everybody_says_the_same_of_common_sicknesses_of_containers() {
    show(On::Docker, "containers", docker::COMMON);
}

/// Of the long tier.
fn show_long(on: On, name: &str, sicknesses: &[Sickness]) {
    if long(&format!("the zoo: {name}")) {
        show(on, name, sicknesses);
    }
}

#[test]
fn everybody_says_the_same_of_rare_sicknesses() {
    show_long(On::Process, "rare", rare::RARE);
}

#[test]
fn everybody_says_the_same_of_slots() {
    show_long(On::Process, "slots", slots::SLOTS);
}

#[test]
fn everybody_says_the_same_of_shapes() {
    show_long(On::Process, "shapes", shapes::SHAPES);
}

#[test]
fn everybody_says_the_same_of_damaged_files() {
    show_long(On::Process, "files", files::FILES);
}

#[test]
fn everybody_says_the_same_of_rare_sicknesses_of_containers() {
    show_long(On::Docker, "rare containers", docker::RARE);
}
