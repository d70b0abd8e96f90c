//! Files of a node that are lost or damaged while it runs: it is found, and it is ended.

use super::bench::Bench;
use rcluster_core::snapshot::place::RunState;
use rcluster_runtime::Signal;
use std::{fs, path::Path, time::Duration};

const GRACE: Duration = Duration::from_secs(5);

/// Hurts the files of node 2, looks whether it is still known as running, and ends it.
async fn is_found_and_ended(bench: &Bench, hurt: impl Fn(&Path)) {
    let (runtime, cluster, node) = (&bench.runtime, bench.name(), bench.node_name(2));
    bench.prepare().await;
    bench.ensure(1).await;
    bench.ensure(2).await;
    let folder = runtime.folder(cluster, node).unwrap();
    let before = runtime.list(cluster).await.unwrap();
    hurt(&folder);
    let after = runtime.list(cluster).await.unwrap();
    let known = |list: &[rcluster_core::snapshot::place::Placed]| {
        let known = list.iter().map(|placed| {
            assert_eq!(placed.state, RunState::Running);
            (placed.node.clone(), placed.port, placed.runtime_id.clone())
        });
        known.collect::<Vec<_>>()
    };
    assert_eq!(known(&before), known(&after));
    let clusters = runtime.clusters().await.unwrap();
    let found = clusters.iter().find(|found| found.name == *cluster);
    assert_eq!(found.unwrap().running, 2);
    assert!(runtime.remove(cluster, node, true).await.unwrap());
    assert!(!runtime.remove(cluster, node, true).await.unwrap());
    let pid: i32 = before[1].runtime_id.parse().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}/cwd")).exists());
    assert_eq!(runtime.list(cluster).await.unwrap().len(), 1);
    bench.ensure(2).await;
    assert_eq!(bench.ask(2, "PING").await, "+PONG");
}

#[tokio::test]
async fn without_node_json() {
    if let Some(bench) = Bench::process("pf-card", 24300, 3).await {
        is_found_and_ended(&bench, |folder| {
            fs::remove_file(folder.join("node.json")).unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn with_half_a_node_json() {
    if let Some(bench) = Bench::process("pf-half", 24310, 3).await {
        is_found_and_ended(&bench, |folder| {
            fs::write(folder.join("node.json"), "{").unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn without_its_pidfile() {
    if let Some(bench) = Bench::process("pf-pid", 24320, 3).await {
        is_found_and_ended(&bench, |folder| {
            fs::remove_file(folder.join("pid")).unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn with_an_empty_pidfile() {
    if let Some(bench) = Bench::process("pf-empty", 24330, 3).await {
        is_found_and_ended(&bench, |folder| fs::write(folder.join("pid"), "").unwrap()).await;
    }
}

#[tokio::test]
async fn without_its_folder() {
    if let Some(bench) = Bench::process("pf-all", 24340, 3).await {
        is_found_and_ended(&bench, |folder| fs::remove_dir_all(folder).unwrap()).await;
    }
}

#[tokio::test]
async fn without_its_pidfile_it_can_be_frozen_and_stopped() {
    let Some(bench) = Bench::process("pf-stop", 24350, 3).await else {
        return;
    };
    let (runtime, cluster, node) = (&bench.runtime, bench.name(), bench.node_name(1));
    bench.prepare().await;
    bench.ensure(1).await;
    let id = bench.ask(1, "CLUSTER MYID").await;
    fs::remove_file(runtime.folder(cluster, node).unwrap().join("pid")).unwrap();
    assert!(!bench.ensure(1).await);
    let faults = runtime.faults().unwrap();
    assert!(faults.signal(cluster, node, Signal::Pause).await.unwrap());
    let placed = runtime.list(cluster).await.unwrap();
    assert_eq!(placed[0].state, RunState::Paused);
    assert!(runtime.stop(cluster, node, GRACE).await.unwrap());
    assert!(!runtime.stop(cluster, node, GRACE).await.unwrap());
    assert!(runtime.start(cluster, node).await.unwrap());
    assert_eq!(bench.ask(1, "CLUSTER MYID").await, id);
}
