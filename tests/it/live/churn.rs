//! Reboots and churn: nodes go and come back in any order, under other addresses, while others are
//! still synchronizing. Ids and data stay the same, and no epoch moves, because nothing is failed
//! over.

use super::up::{freeze, on_both};
use crate::rig::{On, Rig, kill_9, labelled, long, run, until};
use crate::well::{Portrait, assert_filled, assert_well, fill};
use std::{collections::BTreeSet, process::Command};

on_both! {
    a_node_killed_while_another_resyncs_comes_back_as_it_was;
    any_nodes_killed_or_frozen_come_back_as_they_were;
}

/// Knuth's MMIX generator is good enough. A failure names its seed.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = u64::from(std::process::id());
        eprintln!("seed {seed}");
        Chance(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            let other = self.below(i + 1);
            all.swap(i, other);
        }
    }
}

#[track_caller]
fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// As a power cut would: all of them at once, unasked.
fn kill_nodes(rig: &Rig, names: &[&str]) {
    let status = rig.status();
    let nodes = status["nodes"].as_array().unwrap();
    let ids: Vec<&str> = nodes
        .iter()
        .filter(|node| names.contains(&node["name"].as_str().unwrap()))
        .map(|node| node["runtime_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), names.len());
    match rig.on {
        On::Process => {
            let pids: Vec<i32> = ids.iter().map(|id| id.parse().unwrap()).collect();
            kill_9(&pids);
        }
        On::Docker => drop(docker(&[&["kill"][..], &ids].concat())),
    }
    until("they are seen to be down", || {
        let status = rig.status();
        let nodes = status["nodes"].as_array().unwrap();
        let stopped = nodes.iter().filter(|node| node["state"] == "stopped");
        stopped.count() >= names.len()
    });
}

/// A replica that has restarted gets all its data again, and its master waits 5 s before it begins
/// (`repl-diskless-sync-delay`): time enough to lose somebody else.
fn a_node_killed_while_another_resyncs_comes_back_as_it_was(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));
    let victims: &[&str] = if long("every victim of a resync") {
        // Its own master, another replica, another master.
        &["node-1", "node-5", "node-2"]
    } else {
        &["node-1"]
    };
    for victim in victims {
        kill_nodes(rig, &["node-4"]);
        rig.ok(&["start", "node-4"]);
        let link = rig.redis(rig.port + 3, &["info", "replication"]);
        assert!(link.contains("master_link_status:down"), "{link}");
        kill_nodes(rig, &[victim]);
        rig.ok(&["up"]);
        assert_well(rig, 6);
        assert_eq!(Portrait::of(rig, &rig.ports(6)), before, "{victim}");
        assert_filled(rig, rig.port);
    }
}

fn any_nodes_killed_or_frozen_come_back_as_they_were(rig: &Rig) {
    if !long("any nodes killed or frozen") {
        return;
    }
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));
    let mut chance = Chance::new();
    let names: Vec<String> = (1..=6).map(|number| format!("node-{number}")).collect();
    for round in 0..8 {
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        chance.shuffle(&mut names);
        let killed = chance.below(6) + 1;
        let (killed, others) = names.split_at(killed);
        kill_nodes(rig, killed);
        let frozen = others.first().filter(|_| chance.below(2) == 0);
        if let Some(node) = frozen {
            freeze(rig, rig.status()["nodes"].as_array().unwrap(), node);
        }
        eprintln!("round {round}: killed {killed:?}, frozen {frozen:?}");
        rig.ok(&["up"]);
        assert_well(rig, 6);
        assert_eq!(Portrait::of(rig, &rig.ports(6)), before, "round {round}");
        assert_filled(rig, rig.port);
    }
}

/// The power fails, and the engine starts the containers in whatever order it likes; nobody runs
/// rcluster.
#[test]
fn containers_killed_at_once_and_started_in_any_order_are_the_same_cluster_by_themselves() {
    let test = "killed at once, started in any order";
    if !long(test) {
        return;
    }
    let Some(rig) = Rig::new(On::Docker, test) else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let before = Portrait::of(&rig, &rig.ports(6));
    let mut ids = labelled(&["ps", "-a"], &rig.name);
    let mut chance = Chance::new();
    for round in 0..4 {
        let all: Vec<&str> = ids.iter().map(String::as_str).collect();
        docker(&[&["kill"][..], &all].concat());
        chance.shuffle(&mut ids);
        // One after another, or all at once.
        let all: Vec<&str> = ids.iter().map(String::as_str).collect();
        let together = if round % 2 == 0 { 1 } else { all.len() };
        for some in all.chunks(together) {
            docker(&[&["start"][..], some].concat());
        }
        until("they agree again", || {
            rig.run(&["status", "--json"]).code == 0
        });
        assert_well(&rig, 6);
        assert_eq!(Portrait::of(&rig, &rig.ports(6)), before, "round {round}");
        assert_filled(&rig, rig.port);
        assert!(rig.ok(&["up"]).contains("0 changes"));
    }
}

/// The network is made anew where its old addresses are taken: every node comes back under an
/// address that no other knows.
#[test]
fn containers_in_another_subnet_are_the_same_cluster() {
    let Some(mut rig) = Rig::new(On::Docker, "another subnet") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let before = Portrait::of(&rig, &rig.ports(6));
    let addresses = |rig: &Rig| -> BTreeSet<String> {
        let status = rig.status();
        let nodes = status["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| node["address"]["ip"].to_string())
            .collect()
    };
    let old = addresses(&rig);
    let network = format!("{}_cluster", rig.name);
    let subnet = docker(&[
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Subnet}}",
        &network,
    ]);
    rig.ok(&["down"]);
    let squatter = format!("{}-squatter", rig.name);
    let label = format!("rcluster.cluster={squatter}");
    rig.others.push(squatter.clone());
    docker(&[
        "network", "create", "--label", &label, "--subnet", &subnet, &squatter,
    ]);
    rig.ok(&["up"]);
    assert!(addresses(&rig).is_disjoint(&old));
    assert_well(&rig, 6);
    assert_eq!(Portrait::of(&rig, &rig.ports(6)), before);
    assert_filled(&rig, rig.port);
}

/// A second run of rcluster is under way while nodes go: whoever comes last puts it right.
#[test]
fn nodes_killed_while_up_works_are_brought_back_by_the_next_up() {
    let test = "killed while up works";
    if !long(test) {
        return;
    }
    let Some(rig) = Rig::new(On::Process, test) else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let before = Portrait::of(&rig, &rig.ports(6));
    let mut chance = Chance::new();
    for round in 0..6 {
        rig.kill_all();
        let child = rig.spawn(&["up"]);
        std::thread::sleep(std::time::Duration::from_millis(
            u64::try_from(chance.below(1500)).unwrap(),
        ));
        let pids = rig.processes();
        if !pids.is_empty() {
            kill_9(&[pids[chance.below(pids.len())]]);
        }
        let first = crate::rig::ended(child);
        eprintln!("round {round}: the first up ended with {}", first.code);
        run(rig.command(&["up"])).expect(0);
        assert_well(&rig, 6);
        assert_eq!(Portrait::of(&rig, &rig.ports(6)), before, "round {round}");
        assert_filled(&rig, rig.port);
    }
}
