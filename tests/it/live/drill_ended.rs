//! Drills that do not end as planned: killed, interrupted, or unable to put right what they broke.

use super::drill::{assert_tidy, cluster, hear, masters};
use crate::rig::{On, Rig, kill_9, run};
use crate::well::{assert_filled, assert_well};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    net::{Ipv4Addr, TcpListener},
    process::Child,
};

/// The phases that a drill tells, in order.
const PHASES: [&str; 9] = [
    "quiet:",
    "STRUCK",
    "suspects it",
    "a majority agrees",
    "is the new master",
    "data:",
    "return:",
    "is back",
    "way back:",
];

/// The line that announces a fault.
fn struck(fault: &str) -> &'static str {
    match fault {
        "freeze" => "freeze:",
        "partition" => "disconnect:",
        _ => "SIGKILL:",
    }
}

/// Starts a drill and waits until it has reached `phase`.
fn begun(rig: &Rig, fault: &str, phase: &str) -> Child {
    let mut child = rig.spawn(&["failover", "--shard", "2", "--fault", fault]);
    let word = if phase == "STRUCK" {
        struck(fault)
    } else {
        phase
    };
    hear(&mut child, word);
    child
}

fn killed(rig: &Rig, fault: &str, phase: &str) {
    let mut child = begun(rig, fault, phase);
    kill_9(&[child.id().cast_signed()]);
    child.wait().unwrap();
}

#[track_caller]
fn assert_as_before(rig: &Rig, before: &[String], what: &str) {
    assert_eq!(masters(rig), before, "{what}");
    assert!(!rig.folder().join("drill.json").exists(), "{what}");
    assert_well(rig, 6);
    assert_filled(rig, rig.port);
}

fn up_finishes(on: On, fault: &str) {
    let Some(rig) = cluster(on, &format!("killed drill: {fault}")) else {
        return;
    };
    let before = masters(&rig);
    for phase in PHASES {
        eprintln!("{fault}, killed at '{phase}'");
        killed(&rig, fault, phase);
        rig.ok(&["up"]);
        assert_as_before(&rig, &before, &format!("{fault}, killed at '{phase}'"));
    }
}

#[test]
fn up_finishes_a_killed_crash_drill() {
    up_finishes(On::Process, "crash");
}

#[test]
fn up_finishes_a_killed_freeze_drill() {
    up_finishes(On::Process, "freeze");
}

#[test]
fn up_finishes_a_killed_freeze_drill_on_docker() {
    up_finishes(On::Docker, "freeze");
}

#[test]
fn up_finishes_a_killed_partition_drill() {
    up_finishes(On::Docker, "partition");
}

/// No command hangs or is confused by a node that is frozen or cut off.
fn no_command_stumbles(on: On, fault: &str) {
    let Some(rig) = cluster(on, &format!("commands after a killed drill: {fault}")) else {
        return;
    };
    let before = masters(&rig);
    let noted = || rig.folder().join("drill.json").exists();
    for phase in ["STRUCK", "is the new master"] {
        // `stop` remembers who led, and `up` lets them lead again.
        killed(&rig, fault, phase);
        assert!(noted());
        rig.ok(&["stop"]);
        rig.ok(&["up"]);
        assert_as_before(&rig, &before, "stop");

        killed(&rig, fault, phase);
        rig.ok(&["restart"]);
        assert_as_before(&rig, &before, "restart");

        // Another drill does not take the promoted replicas for the first masters.
        killed(&rig, fault, phase);
        rig.ok(&["failover", "--fault", "replica", "--shard", "1"]);
        assert_as_before(&rig, &before, "failover");

        killed(&rig, fault, phase);
        rig.ok(&["down"]);
        assert!(!noted(), "down");
        rig.ok(&["up"]);
        assert_well(&rig, 6);
        assert_filled(&rig, rig.port);
        for master in &before {
            if !masters(&rig).contains(master) {
                rig.ok(&["failover", "--to", master]);
            }
        }
        assert_as_before(&rig, &before, "down");
    }
    for verb in [&["reset", "--yes"][..], &["reset", "--hard", "--yes"]] {
        let args = [
            "failover",
            "--shard",
            "2",
            "--fault",
            fault,
            "--min-replicas",
            "1",
        ];
        let mut child = rig.spawn(&args);
        hear(&mut child, struck(fault));
        kill_9(&[child.id().cast_signed()]);
        child.wait().unwrap();
        rig.ok(verb);
        assert!(!noted(), "{verb:?}");
        assert_well(&rig, 6);
        for port in rig.ports(6) {
            assert_eq!(rig.config(port, "min-replicas-to-write"), "0", "{verb:?}");
            assert_eq!(rig.redis(port, &["dbsize"]), "0", "{verb:?}");
        }
    }
    killed(&rig, fault, "STRUCK");
    rig.ok(&["down", "--volumes", "--yes"]);
    assert!(!rig.folder().exists());
}

#[test]
fn no_command_stumbles_over_a_frozen_node() {
    no_command_stumbles(On::Process, "freeze");
}

#[test]
fn no_command_stumbles_over_a_frozen_container() {
    no_command_stumbles(On::Docker, "freeze");
}

#[test]
fn no_command_stumbles_over_a_node_that_is_cut_off() {
    no_command_stumbles(On::Docker, "partition");
}

fn ctrl_c(on: On, faults: &[(&str, &str)]) {
    let Some(rig) = cluster(on, "interrupted drill") else {
        return;
    };
    let before = masters(&rig);
    for (fault, phase) in faults {
        let mut child = begun(&rig, fault, phase);
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{fault}");
        assert_eq!(rig.status()["cluster"]["state"], "ok", "{fault}");
        assert_as_before(&rig, &before, fault);
    }
    assert_tidy(&rig);
}

#[test]
fn ctrl_c_brings_everything_back() {
    ctrl_c(
        On::Process,
        &[
            ("crash", "quiet:"),
            ("crash", "suspects it"),
            ("freeze", "STRUCK"),
            ("freeze", "is the new master"),
            ("crash", "way back:"),
        ],
    );
}

#[test]
fn ctrl_c_connects_a_container_again() {
    ctrl_c(
        On::Docker,
        &[("partition", "STRUCK"), ("partition", "is the new master")],
    );
}

/// Another process takes the node's port before it is back: the report is printed, with what is
/// left to do and the command for it.
#[test]
fn what_cannot_be_put_right_is_reported_and_left_to_up() {
    let Some(rig) = cluster(On::Process, "a drill that cannot put right") else {
        return;
    };
    let before = masters(&rig);
    let mut command = rig.command(&["failover", "--shard", "2", "--json"]);
    let pipe = std::process::Stdio::piped;
    let mut child = command.stdout(pipe()).stderr(pipe()).spawn().unwrap();
    hear(&mut child, "suspects it");
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, rig.port + 1)).unwrap();
    let said = crate::rig::ended(child).expect(1);
    let report = said.json();
    let left = report["left"].as_array().unwrap();
    let whats: Vec<&str> = left
        .iter()
        .map(|left| left["what"].as_str().unwrap())
        .collect();
    assert!(whats.contains(&"node-2 does not answer"), "{whats:?}");
    let command = left[0]["command"].as_str().unwrap();
    assert_eq!(command, format!("rcluster up -c {}", rig.name));
    assert_eq!(report["verdict"]["passed"], false);
    assert_eq!(report["restored"], false);
    assert_eq!(report["lost"], 0, "a promoted replica has them all");
    assert!(report["promoted"].is_string());
    assert!(rig.folder().join("drill.json").exists());

    drop(holder);
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    run(rig.command(&words)).expect(0);
    assert_as_before(&rig, &before, "left to up");
}
