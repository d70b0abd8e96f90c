//! What `monitor` costs at 1 Hz: its CPU as a share of one core, its memory, and the commands that
//! it adds on each node, on 6 nodes and on 100.
//!
//! `cargo bench --bench monitor [-- --nodes 6,100 --samples 30 --port 28500]`
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod stand;

use stand::{
    Arguments, catch_signals,
    cluster::Cluster,
    figure::{Figure, megabytes, number, percent, title},
    node::Node,
    weigh::{self, weigh},
};
use std::time::{Duration, Instant};

fn main() {
    weigh::serve();
    catch_signals();
    let arguments = Arguments::read();
    let samples = arguments.number("--samples", 30);
    for nodes in arguments.nodes(&[6, 100]) {
        let cluster = Cluster::up("bench-monitor", nodes, arguments.port(28_500));
        one(&cluster, nodes, samples);
    }
}

fn one(cluster: &Cluster, nodes: u16, samples: u16) {
    title(&format!(
        "monitor at 1 Hz, {samples} samples of {nodes} nodes"
    ));
    let mut connections = cluster.connections();
    // What nodes say to each other counts as well: replicas acknowledge every second.
    let quiet = commands_per_second(&mut connections, || {
        std::thread::sleep(Duration::from_secs(5));
    });
    let count = samples.to_string();
    let watch = cluster.command(&["monitor", "--json", "--interval", "1s", "--count", &count]);
    let mut weight = None;
    let watched = commands_per_second(&mut connections, || weight = Some(weigh(&watch, 0)));
    let weight = weight.expect("it was weighed");

    let share = if nodes <= 6 { 0.01 } else { 0.05 };
    Figure {
        what: "CPU, of one core",
        at_most: Some(share),
        show: percent,
    }
    .print(&[weight.cpu / weight.seconds]);
    Figure {
        what: "memory at most",
        at_most: None,
        show: megabytes,
    }
    .print(&[weight.memory]);
    Figure {
        what: "commands added per node and second",
        at_most: None,
        show: number,
    }
    .print(&[watched - quiet]);
}

/// How many commands a node executes in a second, on average, while that goes on.
fn commands_per_second(nodes: &mut [Node], meanwhile: impl FnOnce()) -> f64 {
    let (before, start) = (commands(nodes), Instant::now());
    meanwhile();
    let (after, took) = (commands(nodes), start.elapsed());
    // The look itself is one command on every node.
    let looks = f64::from(u32::try_from(nodes.len()).expect("few nodes"));
    (after - before - looks) / looks / took.as_secs_f64()
}

fn commands(nodes: &mut [Node]) -> f64 {
    let of = |node: &mut Node| {
        let text = node.ask("INFO stats").expect("it answers");
        let mut lines = text.lines();
        let count = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
        count.expect("the count").parse::<f64>().expect("a number")
    };
    nodes.iter_mut().map(of).sum()
}
