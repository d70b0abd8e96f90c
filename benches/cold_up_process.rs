//! From nothing to a verified cluster of processes: `rcluster up` against starting the same
//! servers and `redis-cli --cluster create`, plus waiting until it is usable.
//!
//! `cargo bench --bench cold_up_process [-- --runs 5 --nodes 6,16,30,100]`
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod stand;

use stand::{
    Arguments, Race, catch_signals,
    peer::{Servers, removed_at_the_end},
    rcluster, spec, timed,
};
use std::time::{Duration, Instant};

/// How long a master that has slots from the start waits before it reports ok; `up` hands them over
/// instead.
const FLOOR: f64 = 2.0;

fn main() {
    catch_signals();
    let arguments = Arguments::read();
    for nodes in arguments.nodes(&[6, 16, 30, 100]) {
        let six = nodes == 6;
        Race {
            title: &format!("process runtime, cold, {nodes} nodes"),
            sides: ["rcluster up", "redis-server × n, redis-cli create, waiting"],
            runs: arguments.runs(5),
            ratio: Some(if six { 0.33 } else { 0.4 }),
            at_most: six.then_some(1.15 * FLOOR),
        }
        .run([&mut || ours(nodes), &mut || theirs(nodes)]);
    }
}

fn ours(nodes: u16) -> Duration {
    let state = spec(nodes, 28_000);
    let name = "bench-cold";
    let _guard = removed_at_the_end(name, state.path());
    timed(rcluster(state.path()).args(["up", "-c", name]))
}

fn theirs(nodes: u16) -> Duration {
    let servers = Servers::rendered(28_200, nodes);
    let start = Instant::now();
    let mut nodes = servers.start();
    servers.create(&mut nodes);
    start.elapsed()
}
