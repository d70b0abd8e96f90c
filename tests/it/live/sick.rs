//! Nodes whose files are damaged or lost, and what `up`, `down` and `stop` do then.

use crate::rig::{On, Rig};
use std::{fs, path::PathBuf, process::Command, time::Instant};

impl Rig {
    pub(super) fn data(&self, node: u16) -> PathBuf {
        self.folder().join(format!("nodes/node-{node}/data"))
    }

    pub(super) fn put_keys(&self, keys: u32) {
        for i in 0..keys {
            let key = format!("k{i}");
            self.redis(self.port, &["-c", "set", &key, "v"]);
        }
    }

    #[track_caller]
    pub(super) fn assert_has_keys(&self, keys: u32) {
        for i in 0..keys {
            let key = format!("k{i}");
            assert_eq!(self.redis(self.port, &["-c", "get", &key]), "v", "{key}");
        }
    }
}

#[test]
fn a_damaged_append_only_file_names_its_node_at_once_and_the_way_out_works() {
    let Some(rig) = Rig::new(On::Process, "damaged append only file") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    rig.put_keys(60);
    rig.ok(&["stop"]);
    let logs = fs::read_dir(rig.data(2).join("appendonlydir")).unwrap();
    let log = logs
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 10].fill(0);
    fs::write(&log, bytes).unwrap();
    let start = Instant::now();
    let said = rig.run(&["up", "--timeout", "60"]).expect(1);
    assert!(start.elapsed().as_secs() < 30, "{}", said.err);
    assert!(said.err.contains("node-2 ended"), "{}", said.err);
    assert!(said.err.contains("redis-check-aof --fix"), "{}", said.err);
    // Its replica has everything.
    fs::rename(rig.data(2), rig.data(2).with_extension("away")).unwrap();
    rig.ok(&["up"]);
    rig.assert_has_keys(60);
    assert!(rig.ok(&["up"]).contains("already up, 0 changes"));
}

#[test]
fn a_damaged_nodes_conf_is_named_and_moved_away_it_costs_nothing() {
    let Some(rig) = Rig::new(On::Process, "damaged nodes.conf") else {
        return;
    };
    rig.spec("replicas: 0\n");
    rig.ok(&["up"]);
    rig.put_keys(60);
    rig.ok(&["stop"]);
    let file = rig.data(2).join("nodes.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("vars ", "va")).unwrap();
    let said = rig.run(&["up"]).expect(1);
    let named = format!("{} is damaged", file.display());
    assert!(said.err.contains(&named), "{}", said.err);
    fs::rename(&file, file.with_extension("bad")).unwrap();
    rig.ok(&["up"]);
    rig.assert_has_keys(60);
    assert!(rig.ok(&["up"]).contains("already up, 0 changes"));
}

#[test]
fn a_node_that_dies_right_after_its_pidfile_is_no_success() {
    let Some(rig) = Rig::new(On::Process, "dies after its pidfile") else {
        return;
    };
    rig.spec("nodes:\n  node-1: {redis: {loadmodule: /nonexistent.so}}\n");
    for _ in 0..3 {
        let said = rig.run(&["up"]).expect(1);
        assert!(said.err.contains("node-1"), "{}", said.err);
        assert!(said.err.contains("nonexistent.so"), "{}", said.err);
        rig.ok(&["down", "--volumes", "--yes"]);
    }
}

#[test]
fn keys_that_nothing_saves_are_asked_for() {
    let Some(rig) = Rig::new(On::Process, "nothing is saved") else {
        return;
    };
    rig.spec("replicas: 0\nredis: {appendonly: \"no\", save: \"\"}\n");
    rig.ok(&["up"]);
    // Nothing to lose yet.
    rig.ok(&["restart"]);
    rig.put_keys(6);
    for verb in ["down", "stop", "restart"] {
        let said = rig.run(&[verb]).expect(3);
        assert!(said.err.contains("loses 6 keys"), "{}", said.err);
    }
    let said = rig.run(&["reset"]).expect(3);
    assert!(said.err.contains("(6 keys)"), "{}", said.err);
    rig.assert_has_keys(6);
    rig.ok(&["down", "--yes"]);
}

#[test]
fn on_docker_a_master_that_is_lost_with_its_volume_costs_nothing() {
    let Some(rig) = Rig::new(On::Docker, "a master and its volume") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    rig.put_keys(60);
    let docker = |args: &[&str]| {
        let done = Command::new("docker").args(args).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    docker(&["rm", "-f", &format!("{}-node-1", rig.name)]);
    docker(&["volume", "rm", &format!("{}_node-1-data", rig.name)]);
    rig.ok(&["up"]);
    rig.assert_has_keys(60);
    assert!(rig.ok(&["up"]).contains("already up, 0 changes"));
}
