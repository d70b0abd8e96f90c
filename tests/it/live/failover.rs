//! `--dry-run` of drills and failovers, and failovers on clusters that rcluster did not start.

use super::up::on_both;
use crate::rig::{On, Rig, Said, long, run};
use crate::well::{Portrait, assert_filled, assert_well, fill};
use serde_json::{Value, json};

on_both! {
    dry_runs_name_everything_and_change_nothing;
    replicas_are_listed_once_up_is_done_and_an_open_slot_is_left_alone;
    no_key_is_evicted_by_a_failover_where_memory_is_nearly_full;
    seeds_are_enough_for_a_failover_in_peace;
}

/// Runs with a state folder that knows no cluster, as on another host.
fn through_seeds(rig: &Rig, args: &[&str]) -> Said {
    let seed = format!("127.0.0.1:{}", rig.port);
    let mut command = rig.command(&["--seed", &seed]);
    command
        .args(args)
        .env("RCLUSTER_STATE_DIR", rig.home().join("elsewhere"));
    run(command)
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().unwrap().iter();
    words.map(|word| word.as_str().unwrap()).collect()
}

/// Every step of an outline, by its kind.
fn steps(outline: &Value) -> Vec<&Value> {
    let stages = outline["stages"].as_array().unwrap().iter();
    stages
        .flat_map(|stage| stage["steps"].as_array().unwrap())
        .collect()
}

fn dry_runs_name_everything_and_change_nothing(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));
    let history = rig.ok(&["history", "--json"]);
    let dry = |args: &[&str]| -> Value {
        let plain = rig.ok(&[args, &["--dry-run"]].concat());
        assert!(!plain.is_empty(), "{args:?}");
        rig.run(&[args, &["--dry-run", "--json"]].concat())
            .expect(0)
            .json()
    };

    let crash = dry(&["failover", "--shard", "2"]);
    assert_eq!(crash["victims"], json!(["node-2"]));
    assert_eq!(crash["heirs"][0]["to"], json!(["node-5"]));
    assert_eq!(crash["node_timeout_ms"], 15_000);
    assert!(crash["predicted"]["low_ms"].as_u64().unwrap() >= 15_000);
    assert_eq!(crash["restored"]["nodes"], json!(["node-2"]));
    assert_eq!(
        words(&crash["restored"]["masters"]),
        ["node-1", "node-2", "node-3"]
    );
    // Any shard: the same one each time, as nothing has happened in between.
    assert_eq!(dry(&["failover"]), dry(&["failover"]));
    for fault in ["stop", "freeze", "slow", "replica", "double", "majority"] {
        let outline = dry(&["failover", "--fault", fault, "--shard", "1"]);
        let strikes = |step: &&Value| step["step"] == "strike" || step["step"] == "stutter";
        assert!(
            steps(&outline).into_iter().any(|step| strikes(&step)),
            "{outline:#}"
        );
    }
    let partition = rig.run(&["failover", "--fault", "partition", "-n"]);
    assert_eq!(partition.code, if rig.on == On::Docker { 0 } else { 3 });

    let planned = dry(&["failover", "--planned", "--all"]);
    assert_eq!(planned["heirs"].as_array().unwrap().len(), 3);
    for manner in ["--force", "--takeover"] {
        let outline = dry(&["failover", "--planned", manner, "--shard", "3"]);
        let moves = steps(&outline);
        assert!(
            moves.iter().any(|step| step["manner"] == manner[2..]
                && step["from"] == "node-3"
                && step["to"] == "node-6"),
            "{outline:#}"
        );
    }
    let rolling = dry(&["restart", "--rolling"]);
    let order: Vec<&str> = steps(&rolling)
        .into_iter()
        .filter(|step| step["step"] == "stop")
        .map(|step| step["node"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        ["node-4", "node-5", "node-6", "node-1", "node-2", "node-3"]
    );

    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);
    assert_eq!(rig.ok(&["history", "--json"]), history);
    for file in ["drill.json", "rolling.json"] {
        assert!(!rig.folder().join(file).exists(), "{file}");
    }
    assert!(rig.ok(&["up"]).contains("0 changes"));
}

fn seeds_are_enough_for_a_failover_in_peace(rig: &Rig) {
    // A replica has to rest for four node timeouts before it leads a second time.
    rig.spec("redis: {cluster-node-timeout: 1000}\n");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));
    let at = |index: u16| format!("127.0.0.1:{}", rig.port + index);

    // Faults that need the runtime are refused, with the reason.
    for fault in ["crash", "freeze", "partition", "majority"] {
        let said = through_seeds(rig, &["failover", "--fault", fault]).expect(3);
        assert!(said.err.contains("not started by rcluster"), "{}", said.err);
    }
    through_seeds(rig, &["failover", "--planned", "--all", "-n"]).expect(0);
    through_seeds(rig, &["failover", "--to", "127.0.0.1:1"]).expect(2);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);

    let done = through_seeds(rig, &["failover", "--planned", "--all", "--json"]);
    let done = done.expect(0).json();
    assert_eq!(done["turns"].as_array().unwrap().len(), 3);
    assert_eq!(done["lost"], 0);
    for index in 0..3 {
        let role = rig.redis(rig.port + index, &["role"]);
        assert!(role.starts_with("slave"), "{role}");
    }
    for index in 0..3 {
        through_seeds(rig, &["failover", "--to", &at(index)]).expect(0);
    }
    // Not confirmed; then confirmed.
    through_seeds(rig, &["failover", "--force", "--to", &at(3)]).expect(3);
    through_seeds(rig, &["failover", "--force", "--to", &at(3), "--yes"]).expect(0);
    through_seeds(rig, &["failover", "--to", &at(0)]).expect(0);
    assert!(
        !rig.home().join("elsewhere").exists(),
        "it has no state here"
    );
    assert_well(rig, 6);
    assert_filled(rig, rig.port);
    let keys = rig.redis(rig.port, &["--scan", "--pattern", "rcluster:*"]);
    assert_eq!(keys, "");
}

#[test]
fn a_drill_does_what_its_dry_run_said() {
    let test = "a drill and its dry run";
    if !long(test) {
        return;
    }
    let Some(rig) = Rig::new(On::Process, test) else {
        return;
    };
    rig.spec("redis: {cluster-node-timeout: 1000}\n");
    rig.ok(&["up"]);
    for _ in 0..2 {
        let said = rig.run(&["failover", "-n", "--json"]).expect(0).json();
        let done = rig.run(&["failover", "--json"]).expect(0).json();
        assert_eq!(said["shard"], done["fault"]["shard"]);
        assert_eq!(said["victims"], done["fault"]["nodes"]);
        let heirs = words(&said["heirs"][0]["to"]);
        assert!(heirs.contains(&done["promoted"].as_str().unwrap()));
        assert_eq!(said["predicted"], done["predicted"]);
        assert_eq!(said["node_timeout_ms"], done["node_timeout_ms"]);
    }
}

/// Redis counts the votes of a replica's last election again if the next one comes too soon: the
/// replica leads under an old epoch for a moment, takes writes, and is demoted.
#[test]
fn to_and_fro_nobody_leads_on_old_votes() {
    let test = "to and fro";
    if !long(test) {
        return;
    }
    let Some(rig) = Rig::new(On::Process, test) else {
        return;
    };
    rig.spec("redis: {cluster-node-timeout: 1000}\n");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    for _ in 0..3 {
        for (to, port) in [("node-4", rig.port + 3), ("node-1", rig.port)] {
            let done = rig
                .run(&["failover", "--to", to, "--json"])
                .expect(0)
                .json();
            assert_eq!(done["lost"], 0);
            let role = rig.redis(port, &["role"]);
            assert!(role.starts_with("master"), "{to}: {role}");
        }
    }
    assert_well(&rig, 6);
    assert_filled(&rig, rig.port);
}

/// A client that reads from replicas connects right after `up`; a resharding was interrupted, and one
/// key of its slot is moved.
fn replicas_are_listed_once_up_is_done_and_an_open_slot_is_left_alone(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    for asked in rig.ports(6) {
        let slots = rig.redis(asked, &["cluster", "slots"]);
        for port in rig.ports(6) {
            let port = port.to_string();
            assert!(slots.lines().any(|line| line == port), "{asked}: {slots}");
        }
    }

    let (first, third) = (rig.port, rig.port + 2);
    let id = |port| rig.redis(port, &["cluster", "myid"]).trim().to_owned();
    // In slot 100, which is the first master's.
    let key = "x567";
    rig.redis(first, &["set", key, "hello"]);
    rig.redis(
        third,
        &["cluster", "setslot", "100", "importing", &id(first)],
    );
    rig.redis(
        first,
        &["cluster", "setslot", "100", "migrating", &id(third)],
    );
    for args in [
        &["restart", "--rolling"][..],
        &["failover", "--planned", "--shard", "1"],
        &["failover", "--to", "node-4"],
        &["failover", "--shard", "1"],
    ] {
        let said = rig.run(args).expect(3);
        assert!(
            said.err.contains("slot 100 is migrating to node-3"),
            "{said:?}"
        );
        assert!(said.err.contains(" fix` closes"), "{said:?}");
    }
    assert_eq!(rig.redis(first, &["get", key]).trim(), "hello");
}

/// Canaries would take the place of keys, and count as lost what Redis evicted.
fn no_key_is_evicted_by_a_failover_where_memory_is_nearly_full(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    for port in rig.ports(6) {
        let memory = rig.redis(port, &["info", "memory"]);
        let used = memory
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.unwrap().trim().parse().unwrap();
        // Some room, so that Redis evicts nothing of its own accord, and too little for canaries.
        let most = (used + (200 << 10)).to_string();
        rig.redis(port, &["config", "set", "maxmemory", &most]);
    }
    let done = rig
        .run(&["failover", "--planned", "--all", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (&done["acked"], &done["lost"]),
        (&json!(0), &json!(0)),
        "{done}"
    );
    assert_eq!(done["worst_pause_ms"], Value::Null);
    assert_filled(rig, rig.port);
    let refused = rig.run(&["failover"]).expect(3);
    assert!(refused.err.contains("memory is nearly full"), "{refused:?}");
}
