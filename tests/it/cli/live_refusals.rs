//! Refusals that can only be seen with a node or two.

use super::{assert_json_error, redacted, told};
use crate::{
    rig::{On, Rig, ended, signal, until},
    well::assert_well,
};
use nix::sys::signal::Signal;
use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, TcpListener},
    process::Command,
};

#[test]
fn a_node_that_dies_at_start_shows_its_last_lines() {
    let Some(rig) = Rig::new(On::Process, "a node that dies at start") else {
        return;
    };
    rig.spec("redis: {maxmemory-policy: nonsense}\n");
    let said = rig.run(&["up"]).expect(1);
    for wanted in ["last lines of node-", "maxmemory-policy", "\nhint: "] {
        assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
    }
    let said = rig.run(&["up", "--json"]).expect(1);
    assert_json_error(&said, "failed");
    assert!(said.json()["error"]["log"]["lines"].is_array());
    // With the spec corrected, the cluster comes up.
    rig.spec("");
    rig.ok(&["up"]);
    assert_well(&rig, 6);
}

#[test]
fn a_node_of_containers_that_dies_at_start_shows_its_last_lines() {
    let Some(rig) = Rig::new(On::Docker, "a container that dies at start") else {
        return;
    };
    rig.spec("redis: {maxmemory-policy: nonsense}\n");
    let said = rig.run(&["up"]).expect(1);
    for wanted in ["last lines of node-", "maxmemory-policy", "\nhint: "] {
        assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
    }
    rig.spec("");
    rig.ok(&["up"]);
    assert_well(&rig, 6);
}

#[test]
fn a_port_in_use_names_who_has_it() {
    let Some(rig) = Rig::new(On::Process, "a port in use") else {
        return;
    };
    rig.spec("");
    let me = std::env::current_exe().unwrap();
    let me = me.file_name().unwrap().to_str().unwrap().to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, rig.port + 2)).unwrap();
    let said = rig.run(&["up"]).expect(3);
    assert!(
        said.err.contains(&(rig.port + 2).to_string()),
        "{}",
        said.err
    );
    // The kernel keeps 15 letters of a program's name.
    assert!(said.err.contains(&me[..me.len().min(15)]), "{}", said.err);
    assert!(said.err.contains("hint:"), "{}", said.err);
    drop(listener);
    // A bus port counts too.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, rig.port - 10_000)).unwrap();
    rig.run(&["up"]).expect(3);
    drop(listener);
    assert!(rig.processes().is_empty(), "nothing was started");
    assert!(
        !rig.folder().join("cluster.json").exists(),
        "nothing is remembered"
    );
}

#[test]
fn a_port_that_a_container_has_names_the_container() {
    let Some(rig) = Rig::new(On::Docker, "a port that a container has") else {
        return;
    };
    rig.spec("");
    let name = format!("{}-holder", rig.name);
    let label = format!("rcluster.cluster={}", rig.name);
    let publish = format!("127.0.0.1:{}:6379", rig.port + 1);
    let started = Command::new("docker")
        .args([
            "run", "-d", "--name", &name, "--label", &label, "-p", &publish,
        ])
        .args(["redis:7", "redis-server"])
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    // Only the guard knows the container by this label.
    for on in [On::Docker, On::Process] {
        let said = rig
            .run(&["up", "-c", "rct-elsewhere", "--runtime", on.word()])
            .expect(3);
        assert!(said.err.contains(&name), "{}", said.err);
    }
}

#[test]
fn two_at_once_and_the_lock_says_who() {
    let Some(rig) = Rig::new(On::Process, "two at once") else {
        return;
    };
    rig.spec("");
    let first = rig.spawn(&["up"]);
    let lock = rig.state().join("locks").join(&rig.name);
    until("the first has the lock", || {
        fs::read_to_string(&lock).is_ok_and(|text| text.contains("doing"))
    });
    let said = told(&rig, rig.command(&["stop"]));
    assert!(said.starts_with("exit 3\n"), "{said}");
    assert!(said.contains("`rcluster up`"), "{said}");
    // A command that only looks does not wait for the lock.
    let looked = rig.run(&["list"]);
    assert_eq!(looked.code, 0);
    ended(first).expect(0);
    let user = std::env::var("USER").unwrap_or_else(|_| format!("uid {}", nix::unistd::getuid()));
    let said = said.replace(&format!("of {user} "), "of [user] ");
    insta::assert_snapshot!(said);
    assert_well(&rig, 6);
}

#[test]
fn a_deadline_and_an_interruption_leave_what_the_next_run_needs() {
    let Some(rig) = Rig::new(On::Process, "deadline and interruption") else {
        return;
    };
    // Without replicas, a cluster is writable no sooner than 2 s after its nodes started.
    rig.spec("replicas: 0\n");
    let said = rig.run(&["up", "--timeout", "1"]).expect(7);
    assert!(said.err.contains("last seen"), "{}", said.err);
    assert!(said.err.contains("--timeout"), "{}", said.err);
    rig.ok(&["up"]);
    assert_well(&rig, 3);
    for signals in [Signal::SIGINT, Signal::SIGTERM] {
        rig.ok(&["down", "--volumes", "--yes"]);
        let child = rig.spawn(&["up"]);
        until("some nodes run", || {
            !rig.processes().is_empty() && rig.folder().exists()
        });
        signal(i32::try_from(child.id()).unwrap(), signals);
        let said = ended(child).expect(130);
        assert!(said.err.contains("interrupted"), "{}", said.err);
        rig.ok(&["up"]);
        assert_well(&rig, 3);
        assert_eq!(rig.config(rig.port, "cluster-node-timeout"), "15000");
    }
}

#[test]
fn a_removal_that_was_begun_is_told_from_data_that_is_kept() {
    let Some(rig) = Rig::new(On::Process, "begun removal") else {
        return;
    };
    rig.spec("replicas: 0\n");
    rig.ok(&["up"]);
    rig.ok(&["down"]);
    let kept = rig.run(&["status"]).expect(6).err;
    assert!(kept.contains("its data is kept"), "{kept}");
    // This is the state that a `down --volumes` leaves that was killed after the nodes were gone.
    let file = rig.folder().join("cluster.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen('{', r#"{"pending":"removal","#, 1)).unwrap();
    let begun = rig.run(&["status"]).expect(6).err;
    assert!(
        begun.contains("the removal of its data was begun"),
        "{begun}"
    );
    assert!(begun.contains("down --volumes` finishes it"), "{begun}");
    rig.ok(&["down", "--volumes", "--yes"]);
    assert!(!rig.folder().exists());
}

#[test]
fn what_is_not_confirmed_or_not_known_is_refused() {
    let Some(rig) = Rig::new(On::Process, "not confirmed") else {
        return;
    };
    rig.spec("replicas: 0\n");
    rig.ok(&["up"]);
    let mut text = String::new();
    for (args, code) in [
        (&["down", "--volumes"][..], 3),
        (&["reset"], 3),
        (&["reset", "--hard", "--no-input"], 3),
        (&["stop", "node-9"], 2),
        (&["start", "node-9"], 2),
        (&["restart", "node-9"], 2),
        (&["start", "--shards", "4"], 3),
    ] {
        let said = told(&rig, rig.command(args));
        assert!(
            said.starts_with(&format!("exit {code}\n")),
            "{args:?}: {said}"
        );
        let _ = write!(text, "$ rcluster {}\n{said}\n\n", args.join(" "));
    }
    insta::assert_snapshot!(redacted(&rig, &text));
    assert!(rig.ok(&["up"]).contains("already up, 0 changes"));
}
