//! Tests of `test`: a healthy cluster passes; a fault fails its own check and those that depend on
//! it, and no other.

use crate::rig::{On, Rig, ended, run, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const NODES: u16 = 6;

/// A cluster of masters 1 to 3 and replicas 4 to 6.
struct Cluster(Rig);

impl Cluster {
    /// A cluster that is up; `None`, with a note, if that cannot be tried here.
    fn up(on: On, test: &str, spec: &str) -> Option<Self> {
        let rig = Rig::new(on, test)?;
        rig.spec(spec).ok(&["up"]);
        Some(Cluster(rig))
    }

    /// Runs `test --json`, with thresholds that a busy machine keeps.
    fn test(&self, more: &[&str]) -> Tested {
        let calm = [
            "test",
            "--json",
            "--progress=quiet",
            "--latency-p99-ms=500",
            "--latency-samples=100",
        ];
        let said = self.0.run(&[&calm, more].concat());
        Tested {
            report: said.json(),
            code: said.code,
        }
    }

    #[track_caller]
    fn redis(&self, node: u16, args: &[&str]) -> String {
        self.0.redis(self.0.port + node - 1, args)
    }

    fn pid(&self, node: u16) -> i32 {
        let info = self.redis(node, &["info", "server"]);
        let pid = info
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"));
        pid.unwrap().trim().parse().unwrap()
    }

    /// Keys on all masters.
    fn keys(&self) -> u64 {
        let sizes = (1..=3).map(|node| self.redis(node, &["dbsize"]));
        sizes.map(|size| size.parse::<u64>().unwrap()).sum()
    }

    /// Waits until every check passes again.
    fn heals(&self) {
        const ONLY: &str =
            "--only=connectivity,view-agreement,slot-coverage,replica-links,replica-read";
        until("it has healed", || self.test(&[ONLY]).code == 0);
    }
}

/// A process that is frozen until this is dropped.
struct Frozen(i32);

impl Frozen {
    fn new(pid: i32) -> Self {
        signal(pid, Signal::SIGSTOP);
        Frozen(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal(self.0, Signal::SIGCONT);
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

    /// Checks that these failed, those were skipped, and all others passed. A fault that the judge
    /// sees (all except settings of single nodes) fails `health` too.
    #[track_caller]
    fn expect(&self, failed: &[&str], skipped: &[&str]) {
        let found = (
            self.with("failed"),
            self.with("error"),
            self.with("skipped"),
        );
        let of_settings = ["maxclients", "persistence"];
        let judged = failed.iter().any(|check| !of_settings.contains(check));
        let health = judged.then_some("health");
        let wanted = (
            failed.iter().copied().chain(health).collect(),
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

    /// What a check says of a node or a shard.
    fn part(&self, id: &str, subject: &str) -> &str {
        let parts = self.check(id)["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["subject"] == subject);
        part.unwrap()["text"].as_str().unwrap()
    }
}

fn signal(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// The checks that need to see a node that is not there.
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
    let Some(cluster) = Cluster::up(On::Process, "each_fault_fails_its_check", spec) else {
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

    // A frozen replica; a seed does not tell that it is frozen.
    let frozen = Frozen::new(cluster.pid(4));
    let seed = format!("127.0.0.1:{}", cluster.0.port);
    let (ours, foreign) = (cluster.test(&[]), cluster.test(&["--seed", &seed]));
    drop(frozen);
    ours.expect(&["connectivity"], UNSEEN_REPLICA);
    foreign.expect(&["connectivity"], UNSEEN_REPLICA);
    assert_eq!(ours.part("connectivity", "node-4"), "it is frozen");
    cluster.heals();

    // A frozen master takes its shard with it.
    let frozen = Frozen::new(cluster.pid(1));
    let (start, ours) = (Instant::now(), cluster.test(&[]));
    let took = start.elapsed();
    // Run alone, a check that cannot measure has not passed.
    let alone = cluster.test(&["--only=latency"]);
    drop(frozen);
    assert_eq!((alone.code, alone.with("error")), (4, ["latency"].into()));
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
    assert!(took < Duration::from_secs(15), "{took:?}");
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
    cluster.0.ok(&["stop", "node-4"]);
    cluster.test(&[]).expect(&["connectivity"], UNSEEN_REPLICA);
    assert_eq!(cluster.keys(), 0);
    cluster.0.ok(&["stop"]);
    cluster.0.run(&["test"]).expect(5);
    cluster.0.run(&["test", "-c", "test-none"]).expect(6);
}

#[test]
fn results_are_written_for_whoever_reads_them_and_no_key_is_left() {
    let spec = "test: {latency_p99_ms: 500}\n";
    let Some(cluster) = Cluster::up(On::Process, "results_are_written", spec) else {
        return;
    };
    cluster.heals();
    let mine = cluster.redis(1, &["-c", "set", "rcluster:test", "mine"]);
    assert_eq!(mine, "OK");

    let start = Instant::now();
    let table = cluster
        .0
        .ok(&["test", "--progress=quiet", "--junit", "deep/report.xml"]);
    eprintln!("`test` in full on six nodes: {:?}", start.elapsed());
    insta::with_settings!({filters => vec![
        (r"p99 .*, n=1000", "[LATENCY]"),
        (r"\(\d+ connected\)", "([N] connected)"),
        (r"in \d+(\.\d+)? s", "in [TIME]"),
        (r"(?m) \d+(\.\d+)? m?s$", " [TIME]"),
        // The columns' widths depend on what was measured.
        (r" {2,}", "  "),
    ]}, {
        insta::assert_snapshot!(table.replace(&cluster.0.name, "NAME"));
    });
    let xml = std::fs::read_to_string(cluster.0.work().join("deep/report.xml")).unwrap();
    assert!(
        xml.contains(r#"tests="17" failures="0" errors="0""#),
        "{xml}"
    );

    // A threshold that nothing keeps, by a flag over the spec.
    let only = "--only=latency,cleanup";
    let mut command = cluster
        .0
        .command(&["test", "--tap", "--latency-p99-ms=0.001", only]);
    command.env("GITHUB_ACTIONS", "true");
    let said = run(command).expect(4);
    let (out, err) = (said.out, said.err);
    assert!(
        out.starts_with("TAP version 14\n1..2\nnot ok 1 - latency: "),
        "{out}"
    );
    assert!(out.contains("ok 2 - cleanup"), "{out}");
    assert!(out.contains("wanted less than 0.001 ms"), "{out}");
    assert!(err.contains("::error title=rcluster test"), "{err}");

    // Ctrl-C in the middle of it.
    let child = cluster.0.spawn(&["test", "--latency-samples=100000"]);
    until("it writes keys", || cluster.keys() > 100);
    signal(i32::try_from(child.id()).unwrap(), Signal::SIGINT);
    let start = Instant::now();
    let said = ended(child).expect(130);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(said.err.contains("its keys were removed"), "{}", said.err);

    assert_eq!(cluster.keys(), 1, "only the user's own key is there");
    cluster.0.run(&["test", "--latency-samples=3"]).expect(2);
}

#[test]
fn containers_are_tested_as_well_and_through_a_seed() {
    let Some(cluster) = Cluster::up(On::Docker, "containers_are_tested_as_well", "") else {
        return;
    };
    let seed = format!("127.0.0.1:{}", cluster.0.port + NODES - 1);
    for more in [&[][..], &["--seed", &seed]] {
        cluster.test(more).expect(&[], &[]);
    }
}
