//! Samples for tests: a healthy cluster, then one whose first master is frozen.

use rcluster_core::{
    monitor::told::{Details, SlowCall},
    snapshot::info::Fields,
};
use rcluster_ops::monitor::sample::Sample;
use serde_json::{Value, json};

/// The time of the first sample.
const START: i64 = 1_767_225_600;

/// The sample of that second: three masters with a replica each, without a fault.
pub(super) fn healthy(second: i64) -> Sample {
    read(&document(second))
}

/// The same with node-1 frozen: its slots are not served.
pub(super) fn frozen(second: i64) -> Sample {
    let mut document = document(second);
    let cluster = &mut document["cluster"];
    cluster["state"] = json!("down");
    cluster["slots_ok"] = json!(10_923);
    cluster["masters"] = json!(2);
    document["totals"]["up"] = json!(5);
    let node = &mut document["nodes"][0];
    node["up"] = json!(false);
    node["state"] = json!("paused");
    node["failing"] = json!("pfail");
    for field in [
        "keys",
        "memory_used_bytes",
        "memory_max_bytes",
        "ops_per_sec",
        "clients",
        "uptime_seconds",
        "version",
        "rates",
        "probe",
    ] {
        node[field] = Value::Null;
    }
    document["nodes"][1]["link"] = json!("down");
    document["nodes"][1]["lag_bytes"] = Value::Null;
    document["nodes"][1]["lag_seconds"] = Value::Null;
    document["problems"] = json!([
        {"severity": "error", "node": "node-1", "what": "does not answer", "why": "it is frozen", "hint": "`rcluster up`"},
        {"severity": "error", "node": "node-1", "what": "slots 0-5460 are not served", "why": "their master node-1 does not answer", "hint": "`rcluster up`"},
    ]);
    document["events"] = json!([
        {"kind": "silent", "level": "error", "node": "node-1", "text": "node-1 is frozen"},
        {"kind": "pfail", "level": "warning", "node": "node-1", "text": "node-1 is suspected: a node cannot reach it (PFAIL)"},
        {"kind": "link", "level": "error", "node": "node-4", "text": "node-4 lost the link to its master"},
        {"kind": "slots", "level": "error", "node": null, "text": "10923 of 16384 slots are served"},
        {"kind": "state", "level": "error", "node": null, "text": "the cluster is down"},
    ]);
    read(&document)
}

/// The details of a node.
pub(super) fn details() -> Details {
    let info = "# Server\nredis_version:7.0.15\nredis_mode:cluster\n\n# Memory\nused_memory:1610612\nmaxmemory:536870912";
    assert!(Fields::parse(info).text("redis_mode").is_some());
    Details {
        info: info.lines().map(str::to_owned).collect(),
        slow: vec![SlowCall {
            unix_seconds: START,
            micros: 12_500,
            command: "HGETALL user:1".to_owned(),
            arguments: 1,
            client: "127.0.0.1:50123".to_owned(),
        }],
        clients: vec![
            "id=3 addr=127.0.0.1:50123 laddr=127.0.0.1:7000 fd=8 name=web age=12 idle=0 flags=N db=0 tot-mem=22426 cmd=hgetall user=default"
                .to_owned(),
        ],
    }
}

fn read(document: &Value) -> Sample {
    serde_json::from_value(document.clone()).expect("the fixture is a sample")
}

fn document(second: i64) -> Value {
    let at = jiff::Timestamp::from_second(START + second).expect("a time");
    let shards: Vec<Value> = (0..3)
        .map(|i| {
            let ranges = [[0, 5460], [5461, 10922], [10923, 16383]];
            json!({
                "index": i + 1, "slots": [ranges[i]], "master": format!("node-{}", i + 1),
                "replicas": [format!("node-{}", i + 4)], "keys": 1000 * (i + 1),
            })
        })
        .collect();
    let nodes: Vec<Value> = [(1, 0), (4, 0), (2, 1), (5, 1), (3, 2), (6, 2)]
        .into_iter()
        .map(|(number, shard)| node(second, number, shard))
        .collect();
    json!({
        "schema": 1, "at": at, "took_ms": 3,
        "cluster": {
            "name": "rcluster", "runtime": "process", "state": "ok", "slots_assigned": 16384,
            "slots_ok": 16384, "known_nodes": 6, "masters": 3, "replicas": 3, "epoch": 6,
            "views_agree": true, "since": jiff::Timestamp::from_second(START - 600).expect("a time"),
        },
        "totals": {
            "up": 6, "memory_used_bytes": 96_000_000, "memory_max_bytes": 3_221_225_472u64,
            "keys": 6000, "clients": 42, "lag_bytes": 128, "lag_seconds": 1,
            "rates": rates(3600.0 + 300.0 * f64::from(i32::try_from(second % 5).expect("small"))),
            "probe": {"last_us": 200 + 90 * (second % 7), "p50_us": 180, "p99_us": 740, "samples": 120},
        },
        "skew": {"memory": 1.21, "keys": 1.5, "ops": 1.02},
        "shards": shards, "nodes": nodes, "problems": [], "events": [],
    })
}

fn rates(ops: f64) -> Value {
    json!({
        "seconds": 1.0, "ops_per_sec": ops, "hits": 970, "misses": 30, "hit_ratio": 0.97,
        "net_in_bytes_per_sec": ops * 60.0, "net_out_bytes_per_sec": ops * 210.0, "evicted": 0,
    })
}

fn node(second: i64, number: u64, shard: usize) -> Value {
    let replica = number > 3;
    let port = 6378 + number;
    json!({
        "id": format!("{number:040x}"), "name": format!("node-{number}"),
        "endpoint": format!("127.0.0.1:{port}"), "role": if replica { "replica" } else { "master" },
        "shard": shard + 1, "up": true, "state": "ok", "link": replica.then_some("up"),
        "address": {"ip": "127.0.0.1", "port": port, "bus_port": port + 10_000},
        "keys": 1000 * (shard + 1), "memory_used_bytes": 12_000_000 + 4_000_000 * shard,
        "memory_max_bytes": 536_870_912, "ops_per_sec": 1200, "clients": 7, "hit_ratio": 0.9,
        "repl_offset": 4096, "lag_bytes": replica.then_some(128), "lag_seconds": replica.then_some(1),
        "uptime_seconds": 600 + second, "version": "7.0.15", "runtime_id": "4242",
        "master": replica.then(|| format!("node-{}", shard + 1)), "failing": "none",
        "rates": rates(if replica { 10.0 } else { 1190.0 + f64::from(u32::try_from(number).expect("small")) }),
        "probe": {"last_us": 190, "p50_us": 180, "p99_us": 600 + 20 * number, "samples": 120},
    })
}
