//! What docker-compose started or sees, and what labels alone are enough for.

use crate::{
    rig::{On, Rig, labelled, runs, skip_docker},
    well::{assert_filled, assert_well, fill},
};
use std::fs;

#[test]
fn compose_sees_what_rcluster_started() {
    if !runs("docker-compose", "version") {
        return skip_docker("docker-compose", "there is no docker-compose in PATH");
    }
    let Some(rig) = Rig::new(On::Docker, "compose_sees_what_rcluster_started") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    fill(&rig, rig.port);
    let file = rig.folder().join("rendered").join("docker-compose.yml");
    let compose = |args: &[&str]| {
        let mut command = rig.program("docker-compose");
        command.args(["-p", &rig.name, "-f"]).arg(&file).args(args);
        crate::rig::run(command).expect(0)
    };
    let ps = compose(&["ps"]).out;
    for number in 1..=6 {
        assert!(ps.contains(&format!("{}-node-{number}", rig.name)), "{ps}");
    }
    assert!(!ps.contains("Exit"), "{ps}");
    assert!(
        compose(&["logs"])
            .out
            .contains("Ready to accept connections")
    );
    compose(&["stop"]);
    let status = rig.run(&["status", "--json"]).expect(4).json();
    assert_eq!(status["cluster"]["state"], "down");
    compose(&["start"]);
    rig.ok(&["up"]);
    assert_well(&rig, 6);
    assert_filled(&rig, rig.port);
    // Compose takes over what rcluster made, and changes nothing about it.
    compose(&["down"]);
    rig.run(&["status"]).expect(6);
    rig.ok(&["up"]);
    assert_filled(&rig, rig.port);
    compose(&["down", "-v"]);
    for list in [&["ps", "-a"][..], &["volume", "ls"], &["network", "ls"]] {
        assert_eq!(labelled(list, &rig.name), [] as [&str; 0], "{list:?}");
    }
}

#[test]
fn init_forms_what_compose_started_and_labels_are_enough() {
    if !runs("docker-compose", "version") {
        return skip_docker("docker-compose", "there is no docker-compose in PATH");
    }
    let Some(rig) = Rig::new(On::Docker, "init_forms_what_compose_started") else {
        return;
    };
    rig.spec("");
    rig.ok(&["render", "-o", "out"]);
    let mut compose = rig.program("docker-compose");
    compose.args(["-p", &rig.name, "-f", "out/docker-compose.yml", "up", "-d"]);
    crate::rig::run(compose).expect(0);
    rig.ok(&["init"]);
    assert_well(&rig, 6);
    assert_eq!(rig.run(&["up", "--json"]).expect(0).json()["changes"], 0);

    // Without the state folder and without the spec.
    fs::remove_dir_all(rig.state()).unwrap();
    fs::remove_file(rig.work().join("rcluster.yaml")).unwrap();
    let list = rig.run(&["list", "--json"]).expect(0).json();
    let clusters = list["clusters"].as_array().unwrap();
    let ours = clusters
        .iter()
        .find(|cluster| cluster["name"] == *rig.name)
        .unwrap();
    assert_eq!(ours["nodes"], 6);
    assert_eq!(ours["running"], 6);
    assert_eq!(ours["first_port"], rig.port);
    rig.ok(&["status", "-c", &rig.name]);
    rig.ok(&["stop", "-c", &rig.name]);
    rig.ok(&["down", "-c", &rig.name, "--volumes", "--yes"]);
    for list in [&["ps", "-a"][..], &["volume", "ls"], &["network", "ls"]] {
        assert_eq!(labelled(list, &rig.name), [] as [&str; 0], "{list:?}");
    }
}
