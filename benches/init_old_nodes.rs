//! Forming nodes that have been up for ten seconds: `rcluster init --seed …` against
//! `redis-cli --cluster create` plus waiting until the cluster is usable.
//!
//! `cargo bench --bench init_old_nodes [-- --runs 5]`
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod common;

use common::{Arguments, Race, catch_signals, node::Node, peer::Servers, rcluster, timed};
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// Past CLUSTER_WRITABLE_DELAY (2 s) nodes without slots have "been in the minority", and wait
/// node-timeout (at most 5 s) more; ten seconds is a person who reads on.
const AGE: Duration = Duration::from_secs(10);

fn main() {
    catch_signals();
    let arguments = Arguments::read();
    // The nodes of both sides grow old together.
    let waiting: RefCell<Option<(Servers, Vec<Node>)>> = RefCell::new(None);
    Race {
        title: "init of 6 nodes that have been up for 10 s",
        sides: ["rcluster init --seed …", "redis-cli create, waiting"],
        runs: arguments.runs(5),
        ratio: Some(0.25),
        at_most: None,
    }
    .run([
        &mut || {
            let (ours, theirs) = (Servers::rendered(28_400, 6), Servers::rendered(28_410, 6));
            let nodes = theirs.start();
            ours.start();
            std::thread::sleep(AGE);
            *waiting.borrow_mut() = Some((theirs, nodes));
            init(&ours)
        },
        &mut || {
            let taken = waiting.borrow_mut().take();
            let (servers, mut nodes) = taken.expect("the other side started them");
            let start = Instant::now();
            servers.create(&mut nodes);
            start.elapsed()
        },
    ]);
}

fn init(servers: &Servers) -> Duration {
    let state = tempfile::tempdir().expect("a folder");
    let mut init = rcluster(state.path());
    init.args(["init", "--replicas", "1"]);
    for endpoint in servers.endpoints() {
        init.args(["--seed", &endpoint]);
    }
    timed(&mut init)
}
