//! `key`, `history`, `logs`, `status --watch` and `--wait`, on a cluster that really runs.

use super::{
    bench::docker_or_skip,
    own::{Own, Said, signal, until},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
    sync::mpsc,
    time::{Duration, Instant},
};

#[test]
fn a_cluster_is_looked_at_from_every_side() {
    let Some(own) = Own::processes("ev-look") else {
        return;
    };
    own.done(&["up", "--port", "22500"]);
    keys(&own);
    history(&own);
    logs(&own);
    follow(&own, &["restart", "node-2"]);
    watch(&own);
    wait(&own);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_containers_are_merged_and_followed() {
    if docker_or_skip("ev-logs").await.is_none() {
        return;
    }
    tokio::task::spawn_blocking(|| {
        let own = Own::on("ev-logs", "docker");
        own.done(&["up", "--port", "22560"]);
        logs(&own);
        follow(&own, &["restart", "node-2"]);
    })
    .await
    .unwrap();
}

fn keys(own: &Own) {
    let found = own.json(&["key", "{user1000}.a", "foo", "--slot", "0"]);
    let keys = found["keys"].as_array().unwrap();
    let slots: Vec<_> = keys.iter().map(|key| key["slot"].as_u64()).collect();
    assert_eq!(slots, [Some(3443), Some(12182), Some(0)]);
    assert_eq!(keys[1]["master"]["name"], "node-3");
    assert_eq!(keys[1]["replicas"].as_array().unwrap().len(), 1);
    // Through a seed the nodes are named by their addresses.
    let seeded = own.json(&["key", "foo", "--seed", "127.0.0.1:22504"]);
    assert_eq!(
        seeded["keys"][0]["master"]["endpoint"],
        keys[1]["master"]["endpoint"]
    );
    // A cluster that was named has to be there.
    assert_eq!(own.say(&["key", "foo", "-c", "nobody"]).code, 6);
    let offline = own
        .rcluster(&["key", "foo"])
        .env_remove("RCLUSTER_CLUSTER")
        .output();
    let offline = Said::of(&offline.unwrap());
    assert_eq!(offline.code, 0);
    assert!(offline.out.contains("slot 12182") && offline.err.contains("only the slots"));
}

fn history(own: &Own) {
    let runs = own.json(&["history"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(runs["runs"][0]["result"], "done");
    assert!(runs["runs"][0]["changes"].as_u64().unwrap() > 6);
    let journal = own.path().join("state/clusters/ev-look/audit.jsonl");
    let mut text = std::fs::read(&journal).unwrap();
    text.extend_from_slice(b"{\"at\": \"20\n");
    std::fs::write(&journal, text).unwrap();
    let table = own.done(&["history", "--last", "1"]);
    assert!(table.contains("rcluster up --port 22500"), "{table}");
    assert!(
        table.contains("1 line of the journal cannot be read"),
        "{table}"
    );
    assert_eq!(own.say(&["history", "-c", "nobody"]).code, 6);
}

fn logs(own: &Own) {
    let lines: Vec<Value> = own
        .done(&["logs", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let times: Vec<jiff::Timestamp> = lines
        .iter()
        .filter_map(|line| line["at"].as_str()?.parse().ok())
        .collect();
    assert!(times.len() > 60, "{}", times.len());
    assert!(times.is_sorted(), "merged in time order");
    let tail = own.done(&["logs", "--tail", "2", "node-3", "node-1"]);
    let nodes: Vec<&str> = tail.lines().map(|line| &line[..8]).collect();
    assert_eq!(nodes.len(), 4);
    assert!(
        nodes
            .iter()
            .all(|node| ["node-1 |", "node-3 |"].contains(node))
    );
    let unknown = own.say(&["logs", "node-9"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("node-1, node-2"), "{}", unknown.err);
    assert_eq!(own.say(&["logs", "--seed", "127.0.0.1:1"]).code, 3);
}

/// What a node writes after it was started again is seen too, and Ctrl-C ends it without a word.
fn follow(own: &Own, change: &[&str]) {
    let mut following = own
        .rcluster(&["logs", "-f", "--tail", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| send.send(line))
    });
    std::thread::sleep(Duration::from_millis(700));
    own.done(change);
    let mut seen = Vec::new();
    let ready = |line: &String| line.starts_with("node-2 |") && line.contains("Ready to accept");
    until("the restart in the log", || {
        seen.extend(receive.try_iter());
        seen.iter().any(ready)
    });
    let bye = seen
        .iter()
        .position(|line| line.contains("bye bye"))
        .unwrap();
    assert!(bye < seen.iter().position(ready).unwrap());
    signal(&following, Signal::SIGINT);
    let mut said = String::new();
    following
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(following.wait().unwrap().code(), Some(130));
    assert_eq!(said, "");
}

fn watch(own: &Own) {
    let mut watching = own
        .rcluster(&["status", "--watch", "--interval", "0.2", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let status: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(status["schema"], 1);
        assert_eq!(status["cluster"]["known_nodes"], 6);
    }
    // A reader that goes ends it quietly.
    drop(lines);
    let output = watching.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

fn wait(own: &Own) {
    own.done(&["status", "--wait"]);
    own.done(&["stop", "node-5"]);
    let start = Instant::now();
    let late = own.say(&["status", "--wait", "--timeout", "1"]);
    assert_eq!(late.code, 7, "{late:?}");
    assert!(late.err.contains("not healthy: node-5"), "{}", late.err);
    assert!(start.elapsed() < Duration::from_secs(10));
    let waiting = own
        .rcluster(&["status", "--wait"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    own.done(&["start"]);
    assert!(waiting.unwrap().wait().unwrap().success());
    assert_eq!(own.say(&["status", "--wait", "-c", "nobody"]).code, 6);
}
