//! Several clusters side by side: names that are prefixes of each other never mix.

use crate::rig::{On, Rig};
use crate::well::{assert_well_at, local};
use serde_json::Value;

/// `list --json`, of these names.
fn listed(rig: &Rig, names: &[&String]) -> Vec<(String, String, u64)> {
    let list = rig.run(&["list", "--json"]).expect(0).json();
    let clusters = list["clusters"].as_array().unwrap();
    let word = |cluster: &Value, key: &str| cluster[key].as_str().unwrap().to_owned();
    clusters
        .iter()
        .map(|cluster| {
            let running = cluster["running"].as_u64().unwrap();
            (word(cluster, "name"), word(cluster, "runtime"), running)
        })
        .filter(|(name, ..)| names.contains(&name))
        .collect()
}

fn names_that_are_prefixes_do_not_mix(mut rig: Rig) {
    let names = [
        rig.name.clone(),
        format!("{}-b", rig.name),
        format!("{}b", rig.name),
    ];
    rig.others = names[1..].to_vec();
    let first = rig.port;
    let word = rig.on.word().to_owned();
    let ports = |index: u16| -> Vec<u16> { (0..3).map(|n| first + index * 6 + n).collect() };
    for (name, index) in names.iter().zip(0..) {
        rig.name.clone_from(name);
        rig.port = first + index * 6;
        rig.spec("replicas: 0\n");
        rig.ok(&["up"]);
    }
    let all = |running: [u64; 3]| {
        let mut all: Vec<_> = names
            .iter()
            .zip(running)
            .map(|(name, running)| (name.clone(), word.clone(), running))
            .collect();
        all.sort();
        all
    };
    let names_here: Vec<&String> = names.iter().collect();
    assert_eq!(listed(&rig, &names_here), all([3, 3, 3]));
    rig.ok(&["stop", "-c", &names[0]]);
    assert_eq!(listed(&rig, &names_here), all([0, 3, 3]));
    rig.ok(&["down", "--volumes", "--yes", "-c", &names[0]]);
    assert_eq!(listed(&rig, &names_here), all([0, 3, 3])[1..]);
    for index in 1..3 {
        assert_well_at(&rig, &local(&ports(index)));
    }
    rig.ok(&["down", "-c", &names[2], "--volumes", "--yes"]);
    let left = listed(&rig, &names_here);
    assert_eq!(left, [(names[1].clone(), word.clone(), 3)]);
    assert_well_at(&rig, &local(&ports(1)));
    rig.ok(&["down", "-c", &names[1], "--volumes", "--yes"]);
    assert_eq!(listed(&rig, &names_here), []);
}

#[test]
fn names_that_are_prefixes_do_not_mix_on_processes() {
    if let Some(rig) = Rig::with(On::Process, "prefixes", 2) {
        names_that_are_prefixes_do_not_mix(rig);
    }
}

#[test]
fn names_that_are_prefixes_do_not_mix_on_docker() {
    if let Some(rig) = Rig::with(On::Docker, "prefixes", 2) {
        names_that_are_prefixes_do_not_mix(rig);
    }
}

#[test]
fn a_second_cluster_finds_free_ports_beside_the_first() {
    let Some(mut rig) = Rig::with(On::Process, "free ports", 2) else {
        return;
    };
    rig.spec("replicas: 0\n");
    rig.ok(&["up"]);
    // The second one has no spec.
    let spec = rig.work().join("rcluster.yaml");
    std::fs::remove_file(&spec).unwrap();
    let other = format!("{}-2", rig.name);
    rig.others.push(other.clone());
    let flags = ["--runtime", "process", "--port", "auto", "--replicas", "0"];
    rig.ok(&[&["up", "-c", &other][..], &flags].concat());
    let second = rig
        .run(&["status", "--json", "-c", &other])
        .expect(0)
        .json();
    let endpoint = second["nodes"][0]["endpoint"].as_str().unwrap().to_owned();
    assert_ne!(endpoint, format!("127.0.0.1:{}", rig.port));
    // The choice is remembered.
    rig.ok(&["stop", "-c", &other]);
    rig.ok(&["up", "-c", &other]);
    let again = rig
        .run(&["status", "--json", "-c", &other])
        .expect(0)
        .json();
    assert_eq!(again["nodes"][0]["endpoint"], endpoint);
    rig.run(&["status", "-c", &rig.name]).expect(0);
}
