//! `up` on what is left of a cluster: the same nodes, the same data, no failover.

use super::up::{freeze, on_both};
use crate::rig::{On, Rig, ended, kill_9, labelled, long, run, runs, skip_docker, until};
use crate::well::{Portrait, assert_filled, assert_well, fill};
use std::{fs, process::Command, time::Duration};

on_both! {
    what_was_stopped_comes_back_as_it_was;
    what_was_killed_or_froze_comes_back_as_it_was;
    a_changed_spec_is_applied_where_that_is_safe;
    writers_do_not_notice_up;
}

fn what_was_stopped_comes_back_as_it_was(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));

    rig.ok(&["stop"]);
    let status = rig.run(&["status", "--json"]).expect(4).json();
    assert_eq!(status["cluster"]["state"], "down");
    assert!(rig.ok(&["stop"]).contains("0 changes"));
    rig.ok(&["up"]);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);

    // Removed, its data kept.
    rig.ok(&["down"]);
    rig.ok(&["up"]);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);

    // Stopped and started again by its parts.
    rig.ok(&["stop"]);
    let said = rig.ok(&["start"]);
    assert!(!said.contains("init"), "it was formed long ago: {said}");
    rig.ok(&["init"]);
    assert_well(rig, 6);
    rig.ok(&["restart"]);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);
    assert_filled(rig, rig.port);
}

fn what_was_killed_or_froze_comes_back_as_it_was(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));
    let nodes = rig.status()["nodes"].as_array().unwrap().clone();

    // The machine goes down.
    match rig.on {
        On::Process => rig.kill_all(),
        On::Docker => docker(&[&["kill"][..], &words(&containers(rig))].concat()),
    }
    rig.ok(&["up"]);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);

    // One froze.
    let nodes_now = rig.status()["nodes"].as_array().unwrap().clone();
    freeze(rig, &nodes_now, "node-2");
    let up = rig.run(&["up", "--json"]).expect(0).json();
    assert_eq!(up["changes"], 1);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);

    // One is gone, its data is not.
    match rig.on {
        On::Process => {
            let node = nodes_now
                .iter()
                .find(|node| node["name"] == "node-3")
                .unwrap();
            kill_9(&[node["runtime_id"].as_str().unwrap().parse().unwrap()]);
            fs::remove_file(rig.folder().join("nodes/node-3/node.json")).unwrap();
        }
        On::Docker => docker(&["rm", "-f", &format!("{}-node-3", rig.name)]),
    }
    rig.ok(&["up"]);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);
    assert_filled(rig, rig.port);
    assert_eq!(nodes.len(), 6);
}

fn a_changed_spec_is_applied_where_that_is_safe(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    fill(rig, rig.port);
    let before = Portrait::of(rig, &rig.ports(6));
    let started = |rig: &Rig| -> Vec<String> {
        let run_id = |port: &u16| {
            let info = rig.redis(*port, &["info", "server"]);
            let id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
            id.unwrap().trim().to_owned()
        };
        rig.ports(6).iter().map(run_id).collect()
    };
    let runs_before = started(rig);

    // What Redis can be told.
    let plain = "redis: {maxmemory: 300mb, cluster-node-timeout: 6000}\n";
    rig.spec(plain);
    let plan = rig.ok(&["up", "--dry-run"]);
    assert!(plan.contains("maxmemory"), "{plan}");
    assert_eq!(rig.config(rig.port, "maxmemory"), "536870912");
    rig.ok(&["up"]);
    for port in rig.ports(6) {
        assert_eq!(rig.config(port, "maxmemory"), "314572800");
        assert_eq!(rig.config(port, "cluster-node-timeout"), "6000");
    }
    assert_eq!(started(rig), runs_before, "nobody was restarted");
    assert!(rig.ok(&["up"]).contains("0 changes"));
    rig.ok(&["restart", "node-5"]);
    assert_eq!(rig.config(rig.port + 4, "maxmemory"), "314572800");

    // What needs a start, of that node only: a replica, so that nobody is failed over.
    let runs_before = started(rig);
    rig.spec(&format!(
        "{plain}nodes: {{node-4: {{redis: {{io-threads: 2}}}}}}\n"
    ));
    let said = rig.run(&["up", "--dry-run"]).expect(0);
    assert!(said.out.contains("io-threads"), "{}", said.out);
    rig.ok(&["up"]);
    assert_eq!(rig.config(rig.port + 3, "io-threads"), "2");
    let now = started(rig);
    let restarted: Vec<usize> = (0..6).filter(|i| now[*i] != runs_before[*i]).collect();
    assert_eq!(restarted, [3]);
    assert_well(rig, 6);
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);

    // What would need the nodes to be made anew.
    let kept = format!("{plain}nodes: {{node-4: {{redis: {{io-threads: 2}}}}}}\n");
    let mut changes = vec!["listen: 127.0.0.3\n"];
    if rig.on == On::Docker {
        changes.push("image: redis:7.4\n");
    }
    for change in changes {
        rig.spec(&format!("{kept}{change}"));
        let said = rig.run(&["up"]).expect(3);
        assert!(said.err.contains("hint:"), "{change}: {}", said.err);
    }
    rig.spec(&kept);
    let said = rig.run(&["up", "--port", &(rig.port + 7).to_string()]);
    assert!([2, 3].contains(&said.code), "{said:?}");
    assert_eq!(started(rig), now, "nothing was touched");
    assert_eq!(Portrait::of(rig, &rig.ports(6)), before);
    let runtime = match rig.on {
        On::Process => "docker",
        On::Docker => "process",
    };
    if rig.on == On::Docker || runs("docker", "version") {
        rig.run(&["up", "--runtime", runtime]).expect(3);
    }
    assert!(rig.ok(&["up"]).contains("0 changes"));
    assert_well(rig, 6);
}

fn writers_do_not_notice_up(rig: &Rig) {
    // Writes without a pause until it is told to end; any failure is told.
    const SCRIPT: &str = r#"
import os, sys
from redis.cluster import RedisCluster
client = RedisCluster(host="127.0.0.1", port=int(sys.argv[1]), cluster_error_retry_attempts=0)
print("ready", flush=True)
n, failed = 0, []
while not os.path.exists("stop"):
    try:
        client.set(f"w:{n % 5000}", n)
    except Exception as error:
        failed.append(repr(error))
    n += 1
print(n, failed)
sys.exit(1 if failed or n == 0 else 0)
"#;
    rig.spec("");
    rig.ok(&["up"]);
    let port = rig.port.to_string();
    let test = "writers_do_not_notice_up";
    let writers: Vec<_> = (0..2)
        .filter_map(|_| rig.python(test, SCRIPT, &[&port]))
        .map(|mut python| {
            let pipe = std::process::Stdio::piped;
            let mut child = python.stdout(pipe()).stderr(pipe()).spawn().unwrap();
            let mut ready = [0; 6];
            let out = child.stdout.as_mut().unwrap();
            std::io::Read::read_exact(out, &mut ready).unwrap();
            child
        })
        .collect();
    for _ in 0..3 {
        let up = rig.run(&["up", "--json"]).expect(0).json();
        assert_eq!(up["changes"], 0);
    }
    // A replica is repaired, and settings change, while they write.
    let nodes = rig.status()["nodes"].as_array().unwrap().clone();
    freeze(rig, &nodes, "node-4");
    assert_eq!(rig.run(&["up", "--json"]).expect(0).json()["changes"], 1);
    rig.ok(&["stop", "node-5"]);
    rig.ok(&["up"]);
    rig.spec("redis: {maxmemory: 400mb}\n");
    rig.ok(&["up"]);
    fs::write(rig.work().join("stop"), "").unwrap();
    for writer in writers {
        ended(writer).expect(0);
    }
    assert_well(rig, 6);
}

fn words(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn containers(rig: &Rig) -> Vec<String> {
    labelled(&["ps", "-a"], &rig.name)
}

#[track_caller]
fn docker(args: &[&str]) {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

/// The engine was restarted: every container comes up again, in any order, and nobody runs rcluster.
#[test]
fn containers_restarted_in_any_order_are_the_same_cluster_by_themselves() {
    let Some(rig) = Rig::new(On::Docker, "restarted in any order") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let before = Portrait::of(&rig, &rig.ports(6));
    let mut ids = containers(&rig);
    ids.sort_by_key(|id| id.chars().rev().collect::<String>());
    docker(&[&["stop"][..], &words(&ids)].concat());
    ids.reverse();
    docker(&[&["start"][..], &words(&ids)].concat());
    until("they agree again", || {
        let status = rig.run(&["status", "--json"]);
        status.code == 0
    });
    assert_well(&rig, 6);
    assert_eq!(Portrait::of(&rig, &rig.ports(6)), before);
    assert!(rig.ok(&["up"]).contains("0 changes"));
}

#[test]
fn containers_recreated_under_other_addresses_are_the_same_cluster() {
    if !runs("docker-compose", "version") {
        return skip_docker("other addresses", "there is no docker-compose in PATH");
    }
    let Some(rig) = Rig::new(On::Docker, "other addresses") else {
        return;
    };
    rig.spec("");
    rig.ok(&["render", "-o", "out"]);
    let compose = |args: &[&str]| {
        let mut command = rig.program("docker-compose");
        command.args(["-p", &rig.name, "-f", "out/docker-compose.yml"]);
        command.args(args);
        run(command).expect(0);
    };
    compose(&["up", "-d"]);
    rig.ok(&["init"]);
    fill(&rig, rig.port);
    let before = Portrait::of(&rig, &rig.ports(6));
    let addresses = || -> Vec<String> {
        let status = rig.status();
        let nodes = status["nodes"].as_array().unwrap();
        let mut all: Vec<(String, String)> = nodes
            .iter()
            .map(|node| (node["name"].to_string(), node["address"]["ip"].to_string()))
            .collect();
        all.sort();
        all.into_iter().map(|(_, ip)| ip).collect()
    };
    let old = addresses();
    // Everybody comes up where somebody else was.
    compose(&["stop"]);
    for number in (1..=6).rev() {
        let node = format!("node-{number}");
        compose(&["up", "-d", "--force-recreate", "--no-deps", &node]);
    }
    assert_ne!(addresses(), old);
    rig.ok(&["up"]);
    assert_well(&rig, 6);
    assert_eq!(Portrait::of(&rig, &rig.ports(6)), before);
    assert_filled(&rig, rig.port);
}

/// rcluster is killed at ten random moments; the next command converges.
#[test]
fn killed_at_any_moment_the_next_run_converges() {
    if !long("killed at any moment") {
        return;
    }
    for on in [On::Process, On::Docker] {
        let Some(rig) = Rig::new(on, "killed at any moment") else {
            continue;
        };
        rig.spec("");
        let mut seed = u64::from(std::process::id());
        let mut random = |below: u64| {
            // Knuth's MMIX generator: no need for better.
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..10 {
            let (verb, span): (&[&str], u64) = match round % 4 {
                0 | 1 => (&["up"], if on == On::Docker { 2200 } else { 600 }),
                2 => (&["reset", "--yes"], 900),
                _ => (&["down", "--volumes", "--yes"], 300),
            };
            let moment = random(span);
            eprintln!("{on:?}: kill -9 of {verb:?} after {moment} ms");
            let mut child = rig.spawn(verb);
            std::thread::sleep(Duration::from_millis(moment));
            let _ = child.kill();
            let _ = child.wait();
            if round % 2 == 0 {
                rig.ok(&["up"]);
                assert_well(&rig, 6);
                assert_eq!(rig.config(rig.port, "cluster-node-timeout"), "15000");
                assert_eq!(rig.config(rig.port, "repl-diskless-sync-delay"), "5");
            } else {
                let said = rig.run(&["down", "--volumes", "--yes"]);
                // 6: it had come to its end, or not even to its start.
                assert!([0, 6].contains(&said.code), "{said:?}");
                assert!(rig.processes().is_empty());
                if on == On::Docker {
                    for list in [&["ps", "-a"][..], &["volume", "ls"], &["network", "ls"]] {
                        assert_eq!(labelled(list, &rig.name), [] as [&str; 0]);
                    }
                }
            }
        }
    }
}
