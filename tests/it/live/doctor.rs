//! `doctor` on clusters that run: what is fine passes, what is broken is named.

use super::{free_ports, runs};
use crate::rig::until;
use serde_json::Value;
use std::{
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    process::{Command, Output, Stdio},
};

/// A cluster of redis-server processes of a test's own, which goes when the test ends.
struct Lab {
    state: tempfile::TempDir,
    name: &'static str,
    port: u16,
}

impl Lab {
    /// `None` (after saying why) where there is no redis-server.
    fn new(name: &'static str, ports: Range<u16>) -> Option<Lab> {
        if !runs("redis-server", "--version") {
            eprintln!("skipped: {name}: there is no redis-server");
            return None;
        }
        let state = tempfile::tempdir().unwrap();
        let port = free_ports(ports, 6);
        Some(Lab { state, name, port })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcluster"));
        command
            .current_dir(self.state.path())
            .env("RCLUSTER_STATE_DIR", self.state.path())
            .env_remove("REDIS_PASSWORD")
            .stdin(Stdio::null())
            .args(words)
            .args(["-c", self.name, "--runtime", "process"]);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn port(&self) -> String {
        self.port.to_string()
    }

    /// Small nodes, so that no machine is too small for them.
    fn up(&self) {
        let spec = "redis:\n  maxmemory: 16mb\n  cluster-node-timeout: 5000\n";
        std::fs::write(
            self.state.path().join("rcluster.yaml"),
            format!("version: 1\nname: {}\n{spec}", self.name),
        )
        .unwrap();
        let out = self.run(&["up", "--port", &self.port()]);
        assert!(out.status.success(), "{}", text(&out.stderr));
    }

    fn doctor(&self, words: &[&str]) -> (Option<i32>, Value) {
        let words: Vec<&str> = ["doctor", "--json"].iter().chain(words).copied().collect();
        let out = self.run(&words);
        let document = serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&out.stderr)));
        (out.status.code(), document)
    }

    fn redis(&self, number: u16, words: &[&str]) -> String {
        let port = (self.port + number - 1).to_string();
        let out = Command::new("redis-cli")
            .args(["-p", &port])
            .args(words)
            .output();
        text(&out.unwrap().stdout)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--volumes", "--yes"]).output();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check<'a>(document: &'a Value, id: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["id"] == id)
        .unwrap_or_else(|| panic!("no check {id} in {document:#}"))
}

#[test]
fn a_healthy_cluster_passes_with_and_without_a_spec() {
    let Some(lab) = Lab::new("doctor-fine", 22_200..22_240) else {
        return;
    };
    lab.up();
    let (code, document) = lab.doctor(&[]);
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(document["schema"], 1);
    assert_eq!(document["ok"], true);
    assert_eq!(document["cluster"]["running"], 6);
    for id in [
        "redis-server",
        "disk",
        "answers",
        "health",
        "clock",
        "endpoints",
    ] {
        assert_eq!(check(&document, id)["verdict"], "pass", "{document:#}");
    }
    assert_eq!(check(&document, "ports")["verdict"], "skip");
    for check in document["checks"].as_array().unwrap() {
        let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "id", "group", "verdict", "nodes", "measured", "wanted", "why", "fix", "fixed",
                "declined"
            ]
        );
    }
    // As a stranger, by one of its nodes.
    let seed = format!("127.0.0.1:{}", lab.port + 2);
    let (code, document) = lab.doctor(&["--seed", &seed]);
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(document["summary"]["pass"], 4, "{document:#}");
    // CLUSTER SLOTS leaves out a replica until the node that is asked has heard its offset.
    let mut out = String::new();
    until("every replica is announced", || {
        out = text(&lab.run(&["doctor", "--seed", &seed]).stdout);
        out.contains("6 endpoints reached")
    });
    let shown = out
        .replace(&seed, "SEED")
        .lines()
        .map(|line| match line.split_once("clock") {
            Some((before, _)) => format!("{before}clock      [OFFSET]\n"),
            None => format!("{line}\n"),
        })
        .collect::<String>();
    insta::assert_snapshot!(shown);
    // Before production it is not ready, and nothing unknown passes.
    let (code, document) = lab.doctor(&["--production"]);
    assert_eq!(code, Some(4), "{document:#}");
    for (id, verdict) in [
        ("production.password", "fail"),
        ("production.bind", "pass"),
        ("production.persistence", "pass"),
        ("production.replicas", "pass"),
        ("production.one-host-per-shard", "fail"),
        ("production.alerting", "could_not_check"),
        ("production.backup", "could_not_check"),
        ("production.connection-strings", "warn"),
    ] {
        assert_eq!(check(&document, id)["verdict"], verdict, "{document:#}");
    }
}

#[test]
fn a_port_in_use_names_its_holder_in_doctor_and_up_alike() {
    let Some(lab) = Lab::new("doctor-port", 22_240..22_280) else {
        return;
    };
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, lab.port + 1)).unwrap();
    let me = format!("pid {}", std::process::id());
    let (code, document) = lab.doctor(&["--port", &lab.port()]);
    assert_eq!(code, Some(4), "{document:#}");
    let ports = check(&document, "ports");
    assert_eq!(ports["verdict"], "fail");
    let measured = ports["measured"].as_str().unwrap();
    assert!(measured.contains(&(lab.port + 1).to_string()), "{measured}");
    assert!(measured.contains(&me), "{measured}");
    let out = lab.run(&["up", "--port", &lab.port()]);
    assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
    assert!(
        text(&out.stderr).contains(measured),
        "{}",
        text(&out.stderr)
    );
    drop(held);
    let (code, document) = lab.doctor(&["--port", &lab.port()]);
    assert_eq!(
        (code, &check(&document, "ports")["verdict"]),
        (Some(0), &"pass".into())
    );
}

#[test]
fn a_wrong_announced_name_is_found_named_and_fixed() {
    let Some(lab) = Lab::new("doctor-name", 22_280..22_320) else {
        return;
    };
    lab.up();
    let settings = [
        "CONFIG",
        "SET",
        "cluster-announce-hostname",
        "no-such-host.invalid",
        "cluster-preferred-endpoint-type",
        "hostname",
    ];
    assert_eq!(lab.redis(2, &settings).trim(), "OK");
    let (code, document) = lab.doctor(&[]);
    assert_eq!(code, Some(4), "{document:#}");
    let endpoints = check(&document, "endpoints");
    assert_eq!(endpoints["verdict"], "fail");
    assert_eq!(endpoints["nodes"], serde_json::json!(["node-2"]));
    assert!(
        endpoints.to_string().contains("no-such-host.invalid"),
        "{endpoints:#}"
    );
    // A dry run says what it would do, and does not.
    let (code, document) = lab.doctor(&["--fix", "--dry-run"]);
    assert_eq!(code, Some(4), "{document:#}");
    let endpoints = check(&document, "endpoints");
    let would = endpoints["would"].as_str().unwrap();
    assert!(would.starts_with("announce again"), "{would}");
    assert!(endpoints["fixed"].is_null(), "{endpoints:#}");
    let announced = lab.redis(2, &["CONFIG", "GET", "cluster-announce-hostname"]);
    assert!(announced.contains("no-such-host.invalid"), "{announced}");
    let (code, document) = lab.doctor(&["--fix"]);
    assert_eq!(code, Some(0), "{document:#}");
    assert!(
        check(&document, "endpoints")["fixed"].is_string(),
        "{document:#}"
    );
    assert_eq!(
        lab.redis(2, &["CONFIG", "GET", "cluster-announce-hostname"])
            .trim(),
        "cluster-announce-hostname"
    );
}

#[test]
fn a_node_that_is_stopped_or_frozen_is_named() {
    let Some(lab) = Lab::new("doctor-stop", 22_320..22_360) else {
        return;
    };
    lab.up();
    assert!(lab.run(&["stop", "node-5"]).status.success());
    let (code, document) = lab.doctor(&[]);
    assert_eq!(code, Some(4), "{document:#}");
    assert_eq!(
        check(&document, "answers")["nodes"],
        serde_json::json!(["node-5"])
    );
    assert_eq!(
        check(&document, "endpoints")["verdict"],
        "pass",
        "{document:#}"
    );
    assert_eq!(check(&document, "ports")["verdict"], "pass", "{document:#}");
}
