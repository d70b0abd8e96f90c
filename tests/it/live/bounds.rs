//! Limits from outside: names that are taken, engines that differ, pipes that nobody reads, and
//! terminals that hang up.

use super::{
    bench::docker_or_skip,
    own::{Own, Said, signal},
};
use nix::sys::signal::Signal;
use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_names_and_other_engines_are_refused_and_nothing_is_left() {
    if docker_or_skip("ev-names").await.is_none() {
        return;
    }
    tokio::task::spawn_blocking(|| {
        let own = Own::on("ev-names", "docker");
        let up = ["up", "--port", "22640", "--replicas", "0"];
        let refused = |what: &str| {
            let said = own.say(&up);
            assert_eq!(said.code, 3, "{said:?}");
            assert!(said.err.contains(what), "{said:?}");
        };
        docker(&["network", "create", "ev-names_cluster"]);
        refused("a network ev-names_cluster already");
        docker(&["network", "rm", "ev-names_cluster"]);
        docker(&["create", "--name", "ev-names-node-2", "redis:7"]);
        refused("a container ev-names-node-2 already");
        docker(&["rm", "ev-names-node-2"]);
        let left = docker(&["volume", "ls", "-q", "--filter", "name=ev-names"]);
        assert_eq!(left, "");
        own.done(&up);
        // What is remembered names its engine; at another one there is nothing to delete.
        let path = own.path().join("state/clusters/ev-names/cluster.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
        other["engine"] = json!({"place": "tcp://192.0.2.1:2375", "id": "another"});
        std::fs::write(&path, other.to_string()).unwrap();
        let said = own.say(&["down", "--volumes", "--yes"]);
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains("tcp://192.0.2.1:2375"), "{said:?}");
        assert!(!said.out.contains("deleted"), "{said:?}");
        std::fs::write(&path, text).unwrap();
        own.done(&["down", "--volumes", "--yes"]);
    })
    .await
    .unwrap();
}

#[test]
fn who_is_not_read_any_more_ends_and_who_is_hung_up_on_cleans_up() {
    let Some(own) = Own::processes("ev-gone") else {
        return;
    };
    own.done(&["up", "--port", "22660", "--replicas", "0"]);
    for command in [
        &["monitor", "--plain", "--interval", "200ms"][..],
        &["monitor", "--json", "--interval", "200ms"],
        &["status", "--watch", "--interval", "0.2"],
        &["logs", "--follow"],
    ] {
        let mut child = own
            .rcluster(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        drop(reader);
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(30), "{command:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let child = own.rcluster(&["test"]).stdout(Stdio::piped()).spawn();
    let child = child.unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, Signal::SIGHUP);
    let said = Said::of(&child.wait_with_output().unwrap());
    assert!([0, 130].contains(&said.code), "{said:?}");
    for port in ["22660", "22661", "22662"] {
        let mut keys = Command::new("redis-cli");
        let keys = keys.args(["-p", port, "dbsize"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&keys.stdout).trim(), "0");
    }
}
