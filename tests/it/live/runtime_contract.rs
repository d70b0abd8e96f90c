//! What every runtime promises; see the documentation of `rcluster_runtime`.

use super::bench::Bench;
use futures_util::future::join_all;
use rcluster_core::snapshot::place::{Placed, RunState, THIS_HOST};
use rcluster_core::{error::Kind, node::NodeName};
use rcluster_runtime::{Faults, Signal};
use std::time::{Duration, Instant};

const GRACE: Duration = Duration::from_secs(5);

/// Each promise, on a cluster of its own.
macro_rules! promises {
    ($($promise:ident: $name:literal, $port:literal, $nodes:literal;)*) => {
        mod docker {
            use super::super::bench::Bench;
            $(
                #[tokio::test]
                async fn $promise() {
                    if let Some(bench) = Bench::docker($name, $port, $nodes).await {
                        super::$promise(&bench).await;
                    }
                }
            )*
        }

        mod process {
            use super::super::bench::Bench;
            $(
                #[tokio::test]
                async fn $promise() {
                    if let Some(bench) = Bench::process($name, $port + 3000, $nodes).await {
                        super::$promise(&bench).await;
                    }
                }
            )*
        }
    };
}

promises! {
    a_second_ensure_changes_nothing: "rt-twice", 21000, 3;
    stop_and_start: "rt-stop", 21010, 3;
    a_frozen_node_is_thawed: "rt-freeze", 21020, 3;
    a_killed_node_stays_down_and_comes_back_with_its_data: "rt-kill", 21030, 3;
    data_outlives_a_node_until_it_is_removed: "rt-data", 21040, 3;
    nothing_is_retired_under_a_node: "rt-retire", 21050, 3;
    a_prefix_is_another_cluster: "rt-ab", 21060, 3;
    logs_are_the_last_lines: "rt-logs", 21070, 3;
    a_node_that_dies_at_start_says_why: "rt-dies", 21080, 3;
    many_are_ensured_at_once: "rt-many", 21090, 6;
    one_is_ensured_by_many_at_once: "rt-race", 21100, 3;
    a_new_configuration_counts_from_the_next_start: "rt-conf", 21110, 3;
    what_is_not_there_is_said: "rt-none", 21120, 3;
    what_it_can_do_is_what_it_has: "rt-can", 21130, 3;
}

fn faults(bench: &Bench) -> &dyn Faults {
    bench.runtime.faults().expect("rcluster started its nodes")
}

async fn place(bench: &Bench, number: usize) -> Placed {
    let nodes = bench.runtime.list(bench.name()).await.unwrap();
    let name = bench.node_name(number);
    let mut found = nodes.into_iter().filter(|placed| placed.node == *name);
    found.next().expect("it exists")
}

async fn state(bench: &Bench, number: usize) -> RunState {
    let placed = place(bench, number).await;
    assert!(placed.connected);
    assert_eq!(placed.host, THIS_HOST);
    // A process that outlives its rcluster ends unseen.
    let knows = bench.runtime.capabilities().own_network;
    let stopped = placed.state == RunState::Stopped;
    assert_eq!(placed.exit.is_some(), stopped && knows, "{placed:?}");
    assert_eq!(placed.dial.is_some(), placed.state != RunState::Stopped);
    assert_eq!(placed.address.is_some(), placed.state != RunState::Stopped);
    placed.state
}

async fn a_second_ensure_changes_nothing(bench: &Bench) {
    assert!(bench.prepare().await);
    assert!(!bench.prepare().await);
    assert!(bench.ensure(1).await);
    assert!(!bench.ensure(1).await);
    let nodes = bench.runtime.list(bench.name()).await.unwrap();
    let [placed] = nodes.as_slice() else {
        panic!("{nodes:?}")
    };
    let node = bench.node(1);
    assert_eq!((placed.port, placed.bus_port), (node.port, node.bus_port));
    assert_eq!(placed.state, RunState::Running);
    assert_eq!(
        placed.shape.as_deref(),
        Some(bench.runtime.shape(&bench.launch, node).current.as_str())
    );
    assert_eq!(bench.ask(1, "PING").await, "+PONG");
    assert!(!bench.prepare().await);
}

async fn stop_and_start(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let node = bench.node_name(1);
    bench.prepare().await;
    bench.ensure(1).await;
    bench.ensure(2).await;
    assert!(runtime.stop(cluster, node, GRACE).await.unwrap());
    assert!(!runtime.stop(cluster, node, GRACE).await.unwrap());
    assert_eq!(state(bench, 1).await, RunState::Stopped);
    assert_eq!(state(bench, 2).await, RunState::Running);
    assert!(runtime.start(cluster, node).await.unwrap());
    assert!(!runtime.start(cluster, node).await.unwrap());
    assert_eq!(bench.ask(1, "PING").await, "+PONG");
    assert!(runtime.stop(cluster, node, GRACE).await.unwrap());
    assert!(bench.ensure(1).await);
    assert_eq!(state(bench, 1).await, RunState::Running);
}

async fn a_frozen_node_is_thawed(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let node = bench.node_name(1);
    bench.prepare().await;
    bench.ensure(1).await;
    let send = |signal| faults(bench).signal(cluster, node, signal);
    assert!(send(Signal::Pause).await.unwrap());
    assert!(!send(Signal::Pause).await.unwrap());
    assert_eq!(state(bench, 1).await, RunState::Paused);
    assert!(send(Signal::Resume).await.unwrap());
    assert!(!send(Signal::Resume).await.unwrap());
    assert!(send(Signal::Pause).await.unwrap());
    assert!(bench.ensure(1).await);
    assert_eq!(bench.ask(1, "PING").await, "+PONG");
    // Frozen, it could not obey SIGTERM.
    assert!(send(Signal::Pause).await.unwrap());
    let start = Instant::now();
    assert!(runtime.stop(cluster, node, GRACE).await.unwrap());
    assert!(start.elapsed() < GRACE);
    assert_eq!(state(bench, 1).await, RunState::Stopped);
    assert!(!send(Signal::Pause).await.unwrap());
}

async fn a_killed_node_stays_down_and_comes_back_with_its_data(bench: &Bench) {
    let cluster = bench.name();
    let node = bench.node_name(1);
    bench.prepare().await;
    bench.ensure(1).await;
    let id = bench.ask(1, "CLUSTER MYID").await;
    assert!(
        faults(bench)
            .signal(cluster, node, Signal::Kill)
            .await
            .unwrap()
    );
    assert_eq!(state(bench, 1).await, RunState::Stopped);
    if let Some(exit) = place(bench, 1).await.exit {
        assert_eq!((exit.code, exit.out_of_memory), (Some(137), false));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(state(bench, 1).await, RunState::Stopped);
    assert!(
        !faults(bench)
            .signal(cluster, node, Signal::Kill)
            .await
            .unwrap()
    );
    assert!(bench.ensure(1).await);
    assert_eq!(bench.ask(1, "CLUSTER MYID").await, id);
}

async fn data_outlives_a_node_until_it_is_removed(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let node = bench.node_name(1);
    bench.prepare().await;
    bench.ensure(1).await;
    let id = bench.ask(1, "CLUSTER MYID").await;
    assert!(runtime.remove(cluster, node, false).await.unwrap());
    assert!(!runtime.remove(cluster, node, false).await.unwrap());
    assert!(runtime.list(cluster).await.unwrap().is_empty());
    bench.ensure(1).await;
    assert_eq!(bench.ask(1, "CLUSTER MYID").await, id);
    assert!(runtime.remove(cluster, node, true).await.unwrap());
    assert!(!runtime.remove(cluster, node, true).await.unwrap());
    bench.ensure(1).await;
    let id = bench.ask(1, "CLUSTER MYID").await;
    // Kept at first, and removed with what the nodes shared.
    runtime.remove(cluster, node, false).await.unwrap();
    let shared = runtime.capabilities().own_network;
    assert_eq!(runtime.retire(cluster, false).await.unwrap(), shared);
    bench.prepare().await;
    bench.ensure(1).await;
    assert_eq!(bench.ask(1, "CLUSTER MYID").await, id);
    runtime.remove(cluster, node, false).await.unwrap();
    assert!(runtime.retire(cluster, true).await.unwrap());
    bench.prepare().await;
    bench.ensure(1).await;
    assert_ne!(bench.ask(1, "CLUSTER MYID").await, id);
}

async fn nothing_is_retired_under_a_node(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let node = bench.node_name(1);
    bench.prepare().await;
    bench.ensure(1).await;
    runtime.stop(cluster, node, GRACE).await.unwrap();
    let error = runtime.retire(cluster, true).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(runtime.remove(cluster, node, true).await.unwrap());
    runtime.retire(cluster, true).await.unwrap();
    assert!(!runtime.retire(cluster, true).await.unwrap());
    let clusters = runtime.clusters().await.unwrap();
    assert!(clusters.iter().all(|found| found.name != *cluster));
}

async fn a_prefix_is_another_cluster(bench: &Bench) {
    let longer = bench.beside("rt-abc", bench.node(1).port + 5, 3).await;
    let runtime = &bench.runtime;
    for bench in [bench, &longer] {
        bench.prepare().await;
        bench.ensure(1).await;
    }
    longer.ensure(2).await;
    let count = async |bench: &Bench| runtime.list(bench.name()).await.unwrap().len();
    assert_eq!((count(bench).await, count(&longer).await), (1, 2));
    let clusters = runtime.clusters().await.unwrap();
    let found = |bench: &Bench| {
        let found = clusters.iter().find(|found| found.name == *bench.name());
        let found = found.expect("it is known");
        assert_eq!(found.foreign_owner, None);
        (found.nodes, found.running, found.first_port)
    };
    assert_eq!(found(bench), (1, 1, Some(bench.node(1).port)));
    assert_eq!(found(&longer), (2, 2, Some(longer.node(1).port)));
    let node = bench.node_name(1);
    runtime.remove(bench.name(), node, true).await.unwrap();
    runtime.retire(bench.name(), true).await.unwrap();
    assert_eq!((count(bench).await, count(&longer).await), (0, 2));
    assert_eq!(longer.ask(1, "PING").await, "+PONG");
}

async fn logs_are_the_last_lines(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let node = bench.node_name(1);
    bench.prepare().await;
    bench.ensure(1).await;
    bench.ask(1, "PING").await;
    let all = runtime.logs(cluster, node, 1000).await.unwrap();
    assert!(
        all.iter()
            .any(|line| line.contains("Ready to accept connections")),
        "{all:#?}"
    );
    let last = runtime.logs(cluster, node, 2).await.unwrap();
    assert_eq!(last.len(), 2);
    assert!(runtime.logs(cluster, node, 0).await.unwrap().is_empty());
}

async fn a_node_that_dies_at_start_says_why(bench: &Bench) {
    bench.prepare().await;
    let node = bench.node(1);
    let broken = format!("{}no-such-directive yes\n", bench.conf(node));
    let ensure = bench.runtime.ensure(&bench.launch, node, &broken);
    let error = ensure.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    let log = error.log_tail().expect("its last lines");
    assert_eq!(log.node, node.name.as_str());
    assert!(
        log.lines.join("\n").contains("no-such-directive"),
        "{log:?}"
    );
    assert!(bench.ensure(1).await);
    assert_eq!(bench.ask(1, "PING").await, "+PONG");
    // What it wrote while it was well does not hide why it dies now.
    let stop = bench.runtime.stop(bench.name(), &node.name, GRACE);
    assert!(stop.await.unwrap());
    let ensure = bench.runtime.ensure(&bench.launch, node, &broken);
    let error = ensure.await.unwrap_err();
    assert!(error.log_tail().is_some(), "{error}");
    assert_eq!(state(bench, 1).await, RunState::Stopped);
}

async fn many_are_ensured_at_once(bench: &Bench) {
    bench.prepare().await;
    let start = Instant::now();
    let changed = join_all((1..=6).map(|number| bench.ensure(number))).await;
    eprintln!("six nodes ensured in {:?}", start.elapsed());
    assert_eq!(changed, [true; 6]);
    let start = Instant::now();
    let nodes = bench.runtime.list(bench.name()).await.unwrap();
    eprintln!("six nodes listed in {:?}", start.elapsed());
    let names: Vec<&str> = nodes.iter().map(|placed| placed.node.as_str()).collect();
    assert_eq!(
        names,
        ["node-1", "node-2", "node-3", "node-4", "node-5", "node-6"]
    );
    let start = Instant::now();
    let again = join_all((1..=6).map(|number| bench.ensure(number))).await;
    eprintln!("six running nodes ensured in {:?}", start.elapsed());
    assert_eq!(again, [false; 6]);
}

async fn one_is_ensured_by_many_at_once(bench: &Bench) {
    // Without prepare: what it makes is made here as well, and once only.
    let changed = join_all((0..4).map(|_| bench.ensure(1))).await;
    assert!(changed.contains(&true));
    assert_eq!(bench.runtime.list(bench.name()).await.unwrap().len(), 1);
    assert_eq!(bench.ask(1, "PING").await, "+PONG");
    assert!(!bench.prepare().await);
}

async fn a_new_configuration_counts_from_the_next_start(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let node = bench.node(1);
    bench.prepare().await;
    bench.ensure(1).await;
    assert_eq!(bench.ask(1, "CONFIG GET maxclients").await, "*2");
    let conf = format!("{}requirepass sesame\n", bench.conf(node));
    runtime.configure(&bench.launch, node, &conf).await.unwrap();
    assert_eq!(bench.ask(1, "PING").await, "+PONG");
    runtime.stop(cluster, &node.name, GRACE).await.unwrap();
    runtime.start(cluster, &node.name).await.unwrap();
    assert!(bench.ask(1, "PING").await.starts_with("-NOAUTH"));
}

async fn what_is_not_there_is_said(bench: &Bench) {
    let (runtime, cluster) = (&bench.runtime, bench.name());
    let nobody = NodeName::new("node-99");
    let kinds = [
        runtime.start(cluster, &nobody).await.unwrap_err().kind(),
        faults(bench)
            .signal(cluster, &nobody, Signal::Kill)
            .await
            .unwrap_err()
            .kind(),
        runtime.logs(cluster, &nobody, 5).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [Kind::NoSuchCluster; 3]);
    assert!(!runtime.stop(cluster, &nobody, GRACE).await.unwrap());
    assert!(!runtime.remove(cluster, &nobody, true).await.unwrap());
    assert!(!runtime.retire(cluster, true).await.unwrap());
    assert!(runtime.list(cluster).await.unwrap().is_empty());
}

async fn what_it_can_do_is_what_it_has(bench: &Bench) {
    let can = bench.runtime.capabilities();
    assert_eq!(can, bench.runtime.kind().capabilities());
    assert_eq!(can.pause, bench.runtime.faults().is_some());
    assert_eq!(can.partition, faults(bench).partition().is_some());
    if let Some(partition) = faults(bench).partition() {
        bench.prepare().await;
        bench.ensure(1).await;
        let (cluster, node) = (bench.name(), bench.node_name(1));
        assert!(partition.disconnect(cluster, node).await.unwrap());
        assert!(!partition.disconnect(cluster, node).await.unwrap());
        let cut = place(bench, 1).await;
        assert_eq!((cut.state, cut.connected), (RunState::Running, false));
        assert_eq!((cut.dial, cut.address), (None, None));
        assert!(partition.reconnect(&bench.launch, node).await.unwrap());
        assert!(!partition.reconnect(&bench.launch, node).await.unwrap());
        assert!(partition.disconnect(cluster, node).await.unwrap());
        assert!(bench.ensure(1).await);
        assert!(!bench.ensure(1).await);
        assert!(place(bench, 1).await.connected);
        assert_eq!(bench.ask(1, "PING").await, "+PONG");
    }
}
