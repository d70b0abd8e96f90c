//! The test of the test: a healthy cluster passes; a fault fails its own check and what follows
//! from it, and nothing else.

use super::runs;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::Write as _,
    ops::Range,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const NODES: u16 = 6;
const LIMIT: Duration = Duration::from_secs(60);

/// A cluster of processes that goes when the test ends, however it ends.
struct Cluster {
    home: tempfile::TempDir,
    name: String,
    port: u16,
}

impl Cluster {
    /// Up and verified; `None`, after saying why, where that cannot be tried.
    fn up(name: &str, ports: Range<u16>, spec: &str) -> Option<Self> {
        if !runs("redis-server", "--version") || !runs("redis-cli", "--version") {
            skip(name, "there is no redis-server and redis-cli in PATH");
            return None;
        }
        let cluster = Cluster {
            home: tempfile::tempdir().unwrap(),
            name: format!("{name}-{}", std::process::id()),
            port: super::free_ports(ports, NODES),
        };
        let spec = format!(
            "version: 1\nname: {}\nruntime: process\nport: {}\nbus_port: {}\n{spec}",
            cluster.name,
            cluster.port,
            // Below the ports that the kernel hands out to clients.
            cluster.port - 10_000,
        );
        std::fs::write(cluster.home.path().join("rcluster.yaml"), spec).unwrap();
        cluster.ok(&["up"]);
        Some(cluster)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcluster"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RCLUSTER_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.home.path())
            .env("RCLUSTER_STATE_DIR", self.home.path().join("state"))
            .env_remove("REDIS_PASSWORD")
            .env_remove("GITHUB_ACTIONS")
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        text(&output.stdout)
    }

    /// `test --json` with thresholds that a busy machine keeps.
    fn test(&self, more: &[&str]) -> Tested {
        let calm = [
            "test",
            "--json",
            "--progress=quiet",
            "--latency-p99-ms=500",
            "--latency-samples=100",
        ];
        let output = self.run(&[&calm, more].concat());
        let said = text(&output.stdout);
        let report = serde_json::from_str(&said);
        Tested {
            code: output.status.code().unwrap(),
            report: report.unwrap_or_else(|error| panic!("{error}: {output:?}")),
        }
    }

    #[track_caller]
    fn redis(&self, node: u16, args: &[&str]) -> String {
        let port = (self.port + node - 1).to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port]).args(args).stdin(Stdio::null());
        let output = command.output().unwrap();
        text(&output.stdout).trim_end().to_owned()
    }

    fn pid(&self, node: u16) -> String {
        let info = self.redis(node, &["info", "server"]);
        let pid = info
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"));
        pid.unwrap().trim().to_owned()
    }

    /// Keys on all masters.
    fn keys(&self) -> u64 {
        let sizes = (1..=3).map(|node| self.redis(node, &["dbsize"]));
        sizes.map(|size| size.parse::<u64>().unwrap()).sum()
    }

    /// Until every check passes again.
    fn heals(&self) {
        let start = Instant::now();
        loop {
            let tested = self.test(&[
                "--only=connectivity,view-agreement,slot-coverage,replica-links,replica-read",
            ]);
            if tested.code == 0 {
                return;
            }
            assert!(start.elapsed() < LIMIT, "{:#}", tested.report);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let output = self.run(&["down", "--volumes", "--yes"]);
        if !output.status.success() {
            eprintln!("{}: {output:?}", self.name);
        }
    }
}

/// What a run said.
struct Tested {
    code: i32,
    report: Value,
}

impl Tested {
    fn with(&self, verdict: &str) -> BTreeSet<&str> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        let those = checks.filter(|check| check["verdict"] == verdict);
        those.map(|check| check["id"].as_str().unwrap()).collect()
    }

    /// These failed, those were skipped, the others passed.
    #[track_caller]
    fn expect(&self, failed: &[&str], skipped: &[&str]) {
        let found = (
            self.with("failed"),
            self.with("error"),
            self.with("skipped"),
        );
        let wanted = (
            failed.iter().copied().collect(),
            BTreeSet::new(),
            skipped.iter().copied().collect(),
        );
        assert_eq!(found, wanted, "{:#}", self.report);
        assert_eq!(self.code, if failed.is_empty() { 0 } else { 4 });
    }

    fn check(&self, id: &str) -> &Value {
        let checks = self.report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap()
    }

    /// What a check said of a node or a shard.
    fn part(&self, id: &str, subject: &str) -> &str {
        let parts = self.check(id)["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["subject"] == subject);
        part.unwrap()["text"].as_str().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says why a test cannot run here: on stderr, and where `scripts/test` looks.
fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    if let Some(path) = std::env::var_os("RCLUSTER_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{test}: {reason}"));
    }
}

fn signal(name: &str, pid: &str) {
    let status = Command::new("kill").args([name, pid]).status().unwrap();
    assert!(status.success(), "kill {name} {pid}");
}

/// What needs to see a node that is not there.
const UNSEEN_REPLICA: &[&str] = &[
    "cluster-state",
    "maxclients",
    "persistence",
    "replica-lag",
    "replica-links",
    "replica-read",
];

#[test]
fn each_fault_fails_its_check_and_nothing_else() {
    // Nobody is failed over while a test looks.
    let spec = "redis: {cluster-node-timeout: 60000}\n";
    let Some(cluster) = Cluster::up("smoke-faults", 30_000..30_500, spec) else {
        return;
    };
    cluster.heals();
    cluster.test(&[]).expect(&[], &[]);

    // An open slot.
    let other = cluster.redis(2, &["cluster", "myid"]);
    let open = |verb: &[&str]| cluster.redis(1, &[&["cluster", "setslot", "42"], verb].concat());
    assert_eq!(open(&["migrating", &other]), "OK");
    let tested = cluster.test(&[]);
    tested.expect(&["open-slots"], &[]);
    assert_eq!(
        tested.part("open-slots", "node-1"),
        "slot 42 is migrating to node-2"
    );
    assert_eq!(open(&["stable"]), "OK");

    // A lost slot.
    for node in 1..=NODES {
        cluster.redis(node, &["cluster", "delslots", "42"]);
    }
    let tested = cluster.test(&[]);
    tested.expect(&["slot-coverage"], &[]);
    let check = tested.check("slot-coverage");
    assert_eq!(
        (&check["measured"], &check["threshold"]["value"]),
        (&16383.into(), &16384.into())
    );
    assert_eq!(
        tested.part("slot-coverage", "cluster"),
        "1 slot has no owner"
    );
    assert_eq!(cluster.redis(1, &["cluster", "addslots", "42"]), "OK");
    cluster.heals();

    // A replica that its master refuses.
    cluster.redis(4, &["config", "set", "masterauth", "wrong"]);
    cluster.redis(1, &["client", "kill", "type", "replica"]);
    let tested = cluster.test(&["--wait-ms=100"]);
    tested.expect(&["replica-links", "replica-read"], &["replica-lag"]);
    assert!(
        tested
            .part("replica-read", "node-4")
            .contains("0 of 1 replicas acknowledged"),
        "{:#}",
        tested.report
    );
    cluster.redis(4, &["config", "set", "masterauth", ""]);
    cluster.heals();

    // A replica that is frozen; through a seed nobody knows that it is.
    let pid = cluster.pid(4);
    signal("-STOP", &pid);
    let seed = format!("127.0.0.1:{}", cluster.port);
    let (ours, foreign) = (cluster.test(&[]), cluster.test(&["--seed", &seed]));
    signal("-CONT", &pid);
    ours.expect(&["connectivity"], UNSEEN_REPLICA);
    foreign.expect(&["connectivity"], UNSEEN_REPLICA);
    assert_eq!(ours.part("connectivity", "node-4"), "it is frozen");
    cluster.heals();

    // A frozen master takes its shard with it.
    let pid = cluster.pid(1);
    signal("-STOP", &pid);
    let (start, ours) = (Instant::now(), cluster.test(&[]));
    let took = start.elapsed();
    signal("-CONT", &pid);
    let gone = ["connectivity", "read-write", "slot-coverage"];
    let unseen = [
        "cleanup",
        "cluster-state",
        "hash-tags",
        "hit-ratio",
        "latency",
        "maxclients",
        "open-slots",
        "persistence",
        "replica-lag",
        "replica-read",
    ];
    ours.expect(&gone, &unseen);
    assert!(took < LIMIT, "{took:?}");
    cluster.heals();

    // Settings that are not the spec's.
    cluster.redis(5, &["config", "set", "appendonly", "no"]);
    cluster.redis(6, &["config", "set", "maxclients", "500"]);
    let tested = cluster.test(&[]);
    tested.expect(&["maxclients", "persistence"], &[]);
    assert_eq!(
        tested.part("persistence", "node-5"),
        "appendonly is 'no', and the spec says 'yes'"
    );
    assert_eq!(tested.check("maxclients")["measured"], 500);
    cluster.redis(5, &["config", "set", "appendonly", "yes"]);
    cluster.redis(6, &["config", "set", "maxclients", "10000"]);

    // A node that is stopped; then all of them.
    cluster.ok(&["stop", "node-4"]);
    cluster.test(&[]).expect(&["connectivity"], UNSEEN_REPLICA);
    assert_eq!(cluster.keys(), 0);
    cluster.ok(&["stop"]);
    assert_eq!(cluster.run(&["test"]).status.code(), Some(5));
    assert_eq!(
        cluster.run(&["test", "-c", "smoke-none"]).status.code(),
        Some(6)
    );
}

#[test]
fn results_are_written_for_whoever_reads_them_and_no_key_is_left() {
    let spec = "test: {latency_p99_ms: 500}\n";
    let Some(cluster) = Cluster::up("smoke-forms", 30_500..31_000, spec) else {
        return;
    };
    cluster.heals();
    let mine = cluster.redis(1, &["-c", "set", "rcluster:test", "mine"]);
    assert_eq!(mine, "OK");

    let start = Instant::now();
    let table = cluster.ok(&["test", "--progress=quiet", "--junit", "deep/report.xml"]);
    eprintln!("`test` in full on six nodes: {:?}", start.elapsed());
    insta::with_settings!({filters => vec![
        (r"p99 .*, n=1000", "[LATENCY]"),
        (r"\(\d+ connected\)", "([N] connected)"),
        (r"in \d+(\.\d+)? s", "in [TIME]"),
        (r"(?m) \d+(\.\d+)? m?s$", " [TIME]"),
        // The columns' widths depend on what was measured.
        (r" {2,}", "  "),
    ]}, {
        insta::assert_snapshot!(table.replace(&cluster.name, "NAME"));
    });
    let xml = std::fs::read_to_string(cluster.home.path().join("deep/report.xml")).unwrap();
    assert!(
        xml.contains(r#"tests="16" failures="0" errors="0""#),
        "{xml}"
    );

    // A threshold that nothing keeps, by a flag over the spec.
    let mut command = cluster.command(&[
        "test",
        "--tap",
        "--latency-p99-ms=0.001",
        "--only=latency,cleanup",
    ]);
    let output = command.env("GITHUB_ACTIONS", "true").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        out.starts_with("TAP version 14\n1..2\nnot ok 1 - latency: "),
        "{out}"
    );
    assert!(out.contains("ok 2 - cleanup"), "{out}");
    assert!(out.contains("wanted less than 0.001 ms"), "{out}");
    assert!(err.contains("::error title=rcluster test"), "{err}");

    // Ctrl-C in the middle of it.
    let mut child = spawn(&cluster, &["test", "--latency-samples=100000"]);
    let start = Instant::now();
    while cluster.keys() < 100 {
        assert!(start.elapsed() < LIMIT, "it writes no keys");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal("-INT", &child.id().to_string());
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(10));

    assert_eq!(cluster.keys(), 1, "only the user's own key is there");
    let wrong = cluster.run(&["test", "--latency-samples=3"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

fn spawn(cluster: &Cluster, args: &[&str]) -> Child {
    let mut command = cluster.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}
