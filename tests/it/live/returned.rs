//! Masters that come back with less than their replicas have.

use crate::rig::{On, Rig, kill_9, run};
use rcluster_core::{node::NodeName, spec::container};
use std::{fs, net::TcpStream};

const KEYS: u32 = 60;

fn kill(rig: &Rig, node: u16) {
    let file = rig.folder().join(format!("nodes/node-{node}/pid"));
    let pid = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    kill_9(&[pid]);
    crate::rig::until("it has ended", || {
        TcpStream::connect(("127.0.0.1", rig.port + node - 1)).is_err()
    });
}

/// Half of what the node wrote is gone.
fn cut(rig: &Rig, node: u16) {
    let folder = rig.data(node).join("appendonlydir");
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().ends_with(".incr.aof") {
            let bytes = fs::read(entry.path()).unwrap();
            fs::write(entry.path(), &bytes[..bytes.len() / 2]).unwrap();
        }
    }
}

#[test]
fn a_master_whose_data_was_cut_short_follows_its_replica() {
    for with_its_replica in [false, true] {
        let Some(rig) = Rig::new(On::Process, "data cut short") else {
            return;
        };
        rig.spec("");
        rig.ok(&["up"]);
        rig.put_keys(KEYS);
        if with_its_replica {
            kill(&rig, 4);
        }
        kill(&rig, 1);
        cut(&rig, 1);
        let plan = rig.ok(&["up", "--dry-run"]);
        assert!(plan.contains("nobody copies from"), "{plan}");
        let said = rig.run(&["up"]).expect(0);
        assert!(
            said.err.contains("node-1 came back without"),
            "{}",
            said.err
        );
        rig.assert_has_keys(KEYS);
        crate::well::assert_well(&rig, 6);
        assert_eq!(rig.config(rig.port, "repl-diskless-sync-delay"), "5");
        assert!(rig.ok(&["up"]).contains("already up, 0 changes"));
    }
}

#[test]
fn a_master_whose_replica_lags_leads_as_before() {
    let Some(rig) = Rig::new(On::Process, "whole data leads") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    rig.put_keys(KEYS);
    kill(&rig, 4);
    rig.put_keys(2 * KEYS);
    kill(&rig, 1);
    rig.ok(&["up"]);
    rig.assert_has_keys(2 * KEYS);
    assert!(rig.redis(rig.port, &["role"]).starts_with("master"));
}

#[test]
fn a_volume_that_was_emptied_behind_its_container_costs_nothing() {
    let Some(rig) = Rig::new(On::Docker, "an emptied volume") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    rig.put_keys(KEYS);
    let container = format!("{}-node-1", rig.name);
    let mut remove = rig.program("docker");
    remove.args(["rm", "-f", &container]);
    run(remove).expect(0);
    let name = rig.name.parse().unwrap();
    let volume = container::volume_name(&name, &NodeName::new("node-1"));
    let mut empty = rig.program("docker");
    empty
        .args(["run", "--rm", "--user", "0", "--entrypoint", "sh", "-v"])
        .args([&format!("{volume}:/data"), "redis:7", "-c"])
        .arg("rm -rf /data/*");
    run(empty).expect(0);
    rig.ok(&["up"]);
    rig.assert_has_keys(KEYS);
    crate::well::assert_well(&rig, 6);
}
