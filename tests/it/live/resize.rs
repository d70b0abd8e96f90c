//! More shards and fewer while stock clients work: no acknowledged write is lost, no single-key command
//! fails, and every value is what it was.

use super::{reshape::Load, up::on_both};
use crate::rig::{On, Rig, long};
use crate::well::assert_well;
use std::time::Duration;

on_both! {
    a_shard_more_and_one_less_under_load;
}

fn a_shard_more_and_one_less_under_load(rig: &Rig) {
    rig.spec("shards: 3 # for now\n");
    rig.ok(&["up"]);
    let Some(load) = Load::on(rig) else { return };
    let planned = rig.ok(&["scale", "--shards", "4", "-n"]);
    assert!(planned.contains("node-1 → node-7: 1365 slots"), "{planned}");
    rig.ok(&["scale", "--shards", "4", "--write"]);
    assert_well(rig, 8);
    let text = std::fs::read_to_string(rig.work().join("rcluster.yaml")).unwrap();
    assert!(text.contains("shards: 4 # for now\n"), "{text}");
    assert!(rig.ok(&["up"]).contains("0 changes"));
    let refused = rig.run(&["scale", "--shards", "3"]).expect(3);
    assert!(
        refused.err.contains("removes node-7, node-8"),
        "{refused:?}"
    );
    rig.run(&["scale", "--shards", "2", "-y"]).expect(2);
    // As a changed spec.
    rig.spec("shards: 3\n");
    rig.run(&["up"]).expect(3);
    rig.ok(&["up", "--yes"]);
    assert_well(rig, 6);
    assert!(rig.ok(&["up"]).contains("0 changes"));
    rig.ok(&["replace", "node-1", "--yes"]);
    load.end();
    assert_well(rig, 6);
}

#[test]
fn another_size_killed_at_any_moment_is_reached() {
    if !long("another_size_killed_at_any_moment_is_reached") {
        return;
    }
    let Some(rig) = Rig::new(On::Process, "killed-sizes") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    let Some(load) = Load::on(&rig) else { return };
    for round in 0..20_u64 {
        let (shards, nodes) = [("4", 8), ("3", 6)][usize::try_from(round % 2).unwrap()];
        let words = ["scale", "--shards", shards, "--yes"];
        let mut child = rig.spawn(&words);
        // A different moment each time.
        std::thread::sleep(Duration::from_millis(100 + round * 190));
        let _ = child.kill();
        let _ = child.wait();
        rig.ok(&words);
        assert_well(&rig, nodes);
    }
    load.end();
}
