//! Drills and planned failovers on real nodes. What they report is checked from outside too.

use crate::rig::{On, Rig, Said, ended, kill_9, long};
use crate::well::{Portrait, assert_filled, assert_well, fill};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    process::Child,
};

/// Short, so that a failover takes two seconds.
const QUICK: &str = "redis: {cluster-node-timeout: 1000, appendonly: \"yes\"}\n";

/// A formed cluster with some keys. Drills wait for node timeouts, so they are in the long tier.
pub(super) fn cluster(on: On, test: &str) -> Option<Rig> {
    if !long(test) {
        return None;
    }
    let rig = Rig::new(on, test)?;
    rig.spec(QUICK);
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    Some(rig)
}

/// The masters by port: a drill has to leave them as they were.
pub(super) fn masters(rig: &Rig) -> Vec<String> {
    let status = rig.status();
    let shards = status["shards"].as_array().unwrap();
    let master = |shard: &Value| shard["master"].as_str().unwrap().to_owned();
    shards.iter().map(master).collect()
}

pub(super) fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} of {value:#}"))
}

fn at(report: &Value, key: &str) -> f64 {
    number(&report[key], "ms")
}

#[track_caller]
pub(super) fn drilled(rig: &Rig, args: &[&str], code: i32) -> (Value, Said) {
    let said = rig
        .run(&[&["failover", "--json"][..], args].concat())
        .expect(code);
    (said.json(), said)
}

/// What every drill with a promotion has to show.
#[track_caller]
pub(super) fn assert_healed(report: &Value) {
    let order = ["t_pfail", "t_fail", "t_promoted", "t_views_agree"];
    let times: Vec<f64> = order.iter().map(|key| at(report, key)).collect();
    assert!(times.is_sorted(), "{order:?}: {times:?}");
    assert!(times[0] >= 900.0, "before the node timeout: {times:?}");
    assert!(at(report, "t_election") <= at(report, "t_promoted"));
    assert!(number(report, "rto_write_ms") >= times[0], "{report:#}");
    assert_eq!(report["data"]["mismatched"], 0);
    assert_eq!(report["restored"], true);
    assert_eq!(report["topology_before"], report["topology_after"]);
    assert!(number(report, "epoch_after") > number(report, "epoch_before"));
    assert!(number(report, "acked") > 100.0);
    assert_eq!(report["verdict"]["passed"], true, "{report:#}");
    assert!(!report["limits"].as_array().unwrap().is_empty());
}

/// Checks that no key of a canary is left.
#[track_caller]
pub(super) fn assert_tidy(rig: &Rig) {
    for port in rig.ports(6) {
        let keys = rig.redis(port, &["--scan", "--pattern", "rcluster:*"]);
        assert_eq!(keys, "", "{port}");
    }
}

#[test]
fn a_crashed_master_is_replaced_and_leads_again() {
    let Some(rig) = cluster(On::Process, "crash drill") else {
        return;
    };
    let before = masters(&rig);
    let page = rig.work().join("drill.html");
    let args = ["--shard", "2", "--report", page.to_str().unwrap()];
    let (report, said) = drilled(&rig, &args, 0);
    assert_healed(&report);
    assert_eq!(report["fault"]["kind"], "crash");
    assert_eq!(report["fault"]["shard"], 2);
    assert_eq!(report["fault"]["target"], before[1].as_str());
    assert_eq!(report["lost"], 0);
    assert_eq!(report["resync"], "full");
    let others = &report["errors_on_others"];
    assert_eq!(others, &serde_json::json!({}), "{others}");
    assert_eq!(report["availability"]["others"], 1.0);
    assert!(said.err.contains("is the new master"), "{}", said.err);
    assert_eq!(masters(&rig), before);
    assert_well(&rig, 6);
    assert_filled(&rig, rig.port);
    assert_tidy(&rig);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("promoted"));
    assert!(!page.contains("http"), "nothing is fetched");

    // A limit that cannot be kept.
    let (report, _) = drilled(&rig, &["--shard", "1", "--max-rto", "0.5"], 4);
    assert_eq!(report["verdict"]["passed"], false);
    assert_eq!(report["restored"], true);
    assert_eq!(masters(&rig), before);
}

#[test]
fn planned_failovers_are_hardly_noticed() {
    let Some(rig) = cluster(On::Process, "planned failover") else {
        return;
    };
    let before = masters(&rig);
    let (done, _) = drilled(&rig, &["--planned", "--all"], 0);
    let turns = done["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 3);
    for turn in turns {
        assert!(number(turn, "worst_pause_ms") < 1000.0, "{turn}");
    }
    assert_eq!(done["lost"], 0);
    let now = masters(&rig);
    assert!(before.iter().zip(&now).all(|(old, new)| old != new));
    assert_well(&rig, 6);

    // Back by name; twice is refused, and so is what is not confirmed.
    for master in &before {
        rig.ok(&["failover", "--to", master]);
    }
    assert_eq!(masters(&rig), before);
    rig.run(&["failover", "--to", &before[0]]).expect(3);
    rig.run(&["failover", "--planned", "--force"]).expect(3);
    rig.ok(&[
        "failover",
        "--planned",
        "--takeover",
        "--shard",
        "1",
        "--yes",
    ]);
    assert_ne!(masters(&rig)[0], before[0]);
    assert_well(&rig, 6);
    assert_tidy(&rig);
}

#[test]
fn a_rolling_restart_restarts_everybody_and_changes_nothing() {
    let Some(rig) = cluster(On::Process, "rolling restart") else {
        return;
    };
    let before = masters(&rig);
    let runs = |rig: &Rig| -> Vec<String> {
        let status = rig.status();
        let nodes = status["nodes"].as_array().unwrap();
        let mut all: Vec<String> = nodes
            .iter()
            .map(|node| node["runtime_id"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    };
    let first = runs(&rig);
    // Killed half-way, it goes on.
    let mut child = rig.spawn(&["restart", "--rolling", "--progress", "plain"]);
    hear(&mut child, "restarting node-5");
    kill_9(&[child.id().cast_signed()]);
    child.wait().unwrap();
    let said = rig.run(&["restart", "--rolling"]).expect(0);
    assert!(said.err.contains("going on"), "{}", said.err);
    let second = runs(&rig);
    assert!(first.iter().all(|id| !second.contains(id)));
    assert_eq!(masters(&rig), before);
    assert_well(&rig, 6);
    assert_filled(&rig, rig.port);
}

#[test]
fn a_frozen_master_may_take_writes_that_are_lost() {
    let Some(rig) = cluster(On::Process, "freeze drill") else {
        return;
    };
    let before = masters(&rig);
    let (report, _) = drilled(&rig, &["--fault", "freeze", "--shard", "1"], 0);
    assert_healed(&report);
    let old = &report["old_master"];
    assert_eq!(report["lost"], old["lost"], "only there: {report:#}");
    assert!(number(old, "accepted") >= number(old, "lost"));
    assert_eq!(masters(&rig), before);
    assert_well(&rig, 6);
    assert_tidy(&rig);
}

fn slowed_down(on: On) {
    if !long("slow drill") {
        return;
    }
    let Some(rig) = Rig::new(on, "slow drill") else {
        return;
    };
    // Far from what a busy engine takes to pause and unpause.
    rig.spec("redis: {cluster-node-timeout: 8000}\n");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let before = Portrait::of(&rig, &rig.ports(6));
    let (report, _) = drilled(&rig, &["--fault", "slow", "--shard", "1"], 0);
    let slowed = &report["slowed"];
    assert!(number(slowed, "turns") >= 1.0, "{report:#}");
    assert!(number(slowed, "longest_freeze_ms") >= number(slowed, "duty_frozen_ms"));
    assert!(number(slowed, "lasted_ms") > number(&report, "node_timeout_ms"));
    assert_eq!(report["promoted"], Value::Null);
    assert_eq!(report["lost"], 0);
    let latency = &report["latency"];
    assert!(number(&latency["during"], "p50_ms") > number(&latency["before"], "p50_ms"));
    // No epoch has moved.
    assert_eq!(Portrait::of(&rig, &rig.ports(6)), before);
    assert_well(&rig, 6);
    assert_tidy(&rig);
}

#[test]
fn a_slow_master_keeps_its_place() {
    slowed_down(On::Process);
}

#[test]
fn a_slow_container_keeps_its_place() {
    slowed_down(On::Docker);
}

#[test]
fn nobody_notices_a_lost_replica_and_none_left_is_refused() {
    let Some(rig) = cluster(On::Process, "replica drill") else {
        return;
    };
    let before = Portrait::of(&rig, &rig.ports(6));
    let (report, _) = drilled(&rig, &["--fault", "replica", "--shard", "3"], 0);
    assert_eq!(report["rto_write_ms"], 0.0);
    assert_eq!(report["promoted"], Value::Null);
    assert_eq!(report["errors_by_class"], serde_json::json!({}));
    assert_eq!(Portrait::of(&rig, &rig.ports(6)), before);

    let refused = rig.run(&["failover", "--fault", "partition"]).expect(3);
    assert!(
        refused.err.contains("cannot cut a node off"),
        "{}",
        refused.err
    );
    rig.run(&["failover", "--shard", "9"]).expect(2);
    let replica = report["fault"]["target"].as_str().unwrap();
    rig.ok(&["stop", replica]);
    let refused = rig.run(&["failover", "--shard", "3"]).expect(3);
    assert!(refused.err.contains("hint:"), "{}", refused.err);
    rig.ok(&["up"]);
    assert_eq!(Portrait::of(&rig, &rig.ports(6)), before);
}

#[test]
fn without_a_majority_the_cluster_is_down_until_somebody_helps() {
    let Some(rig) = cluster(On::Process, "majority drill") else {
        return;
    };
    let before = masters(&rig);
    for (fault, more) in [
        ("majority", &[][..]),
        ("majority", &["--takeover"]),
        ("double", &[]),
        ("stop", &[]),
    ] {
        let args = [&["--fault", fault, "--shard", "1"][..], more].concat();
        let (report, _) = drilled(&rig, &args, 0);
        assert_eq!(report["lost"], 0, "{fault}");
        if fault == "majority" {
            assert!(at(&report, "t_state_ok") > 0.0);
            assert!(number(&report["errors_on_others"], "CLUSTERDOWN") > 0.0);
        }
        assert_eq!(masters(&rig), before, "{fault}");
        assert_well(&rig, 6);
    }
}

#[test]
fn on_docker_a_crash_heals_and_a_partition_loses_what_the_minority_took() {
    let Some(rig) = cluster(On::Docker, "docker drills") else {
        return;
    };
    let before = masters(&rig);
    let (report, _) = drilled(&rig, &["--shard", "1"], 0);
    assert_healed(&report);
    assert_eq!(report["lost"], 0);
    assert_eq!(masters(&rig), before);
    let (report, _) = drilled(&rig, &["--fault", "partition", "--shard", "2"], 0);
    assert_healed(&report);
    let old = &report["old_master"];
    assert!(number(old, "lost") > 0.0, "{report:#}");
    assert_eq!(old["then"], "CLUSTERDOWN");
    assert_eq!(masters(&rig), before);
    assert_well(&rig, 6);
}

/// Reads lines until one has `word`.
pub(super) fn hear(child: &mut Child, word: &str) {
    let stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let mut said = Vec::new();
    for line in stderr.lines().map_while(Result::ok) {
        if line.contains(word) {
            return;
        }
        said.push(line);
    }
    panic!("it never said '{word}', but {said:#?}");
}

/// Twenty drills in a row: twenty promotions, nothing lost, the first topology back each time. The
/// figures are for people (`--nocapture`); how long it takes depends on Redis.
fn twenty_in_a_row(timeout: u32) {
    let test = format!("twenty crash drills at node timeout {timeout}");
    if !long(&test) {
        return;
    }
    let Some(rig) = Rig::new(On::Process, &test) else {
        return;
    };
    rig.spec(&format!("redis: {{cluster-node-timeout: {timeout}}}\n"));
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let before = masters(&rig);
    // Longer than any other command of these tests.
    let args = [
        "failover",
        "--repeat",
        "20",
        "--json",
        "--progress",
        "quiet",
    ];
    let series = ended(rig.spawn(&args)).expect(0).json();
    for key in ["drills", "passed", "promotions", "restored"] {
        assert_eq!(series[key], 20, "{key}");
    }
    assert_eq!(series["lost"], 0);
    for row in series["spread"].as_array().unwrap() {
        println!("node timeout {timeout}: {row}");
    }
    let reports = series["reports"].as_array().unwrap();
    println!("predicted: {}", reports[0]["predicted"]);
    let mut shards: BTreeMap<String, usize> = BTreeMap::new();
    for report in reports {
        assert_healed(report);
        let shard = report["fault"]["shard"].to_string();
        *shards.entry(shard).or_default() += 1;
    }
    assert_eq!(shards.into_values().collect::<BTreeSet<_>>(), [6, 7].into());
    assert_eq!(masters(&rig), before);
    assert_well(&rig, 6);
    assert_filled(&rig, rig.port);
    assert_tidy(&rig);
}

#[test]
fn twenty_crash_drills_in_a_row() {
    twenty_in_a_row(1000);
}

#[test]
fn twenty_crash_drills_in_a_row_at_a_longer_node_timeout() {
    twenty_in_a_row(5000);
}
