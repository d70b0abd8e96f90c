//! How long `rcluster test` takes in full on a healthy cluster of six: every check, with its
//! thousand paced samples of latency on every shard.
//!
//! `cargo bench --bench test_command [-- --runs 3 --port 28500]`
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod stand;

use stand::{
    Arguments, catch_signals,
    cluster::Cluster,
    figure::{Figure, megabytes, title},
    seconds,
    weigh::{self, Weight, weigh},
};

fn main() {
    weigh::serve();
    catch_signals();
    let arguments = Arguments::read();
    let cluster = Cluster::up("bench-test", 6, arguments.port(28_500));
    title("test of 6 nodes, every check");
    let command = cluster.command(&["test"]);
    let weights: Vec<Weight> = (0..arguments.runs(3)).map(|_| weigh(&command, 0)).collect();
    let of = |value: fn(&Weight) -> f64| weights.iter().map(value).collect::<Vec<f64>>();
    Figure {
        what: "from its start to its exit",
        at_most: Some(6.0),
        show: seconds,
    }
    .print(&of(|weight| weight.seconds));
    Figure {
        what: "memory at most",
        at_most: None,
        show: megabytes,
    }
    .print(&of(|weight| weight.memory));
}
