//! What `status` costs, and what a node that is late or frozen adds to it: time and memory of
//! whole processes, on 6 nodes and on 100.
//!
//! `cargo bench --bench status [-- --runs 5 --nodes 6,100 --port 28500]`
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod stand;

use stand::{
    Arguments, catch_signals,
    cluster::Cluster,
    figure::{Figure, megabytes, title},
    node::Node,
    seconds, slow,
    weigh::{self, Weight, weigh},
};
use std::{process::Command, time::Duration};

/// How late the late node is.
const LATE: Duration = Duration::from_millis(500);

/// What the late node may make of it.
const WITH_A_LATE_ONE: f64 = 0.550;

/// What a frozen node may cost: its deadline.
const DEADLINE: f64 = 1.0;

/// What everything else may take, beside the deadline of the frozen node: a process that starts,
/// and a hundred nodes that answer.
const REST: f64 = 0.050;

const MEMORY: f64 = 30e6;

/// The exit codes of a look: healthy, or not.
const HEALTHY: i32 = 0;
const NOT: i32 = 4;

fn main() {
    weigh::serve();
    catch_signals();
    let arguments = Arguments::read();
    for nodes in arguments.nodes(&[6, 100]) {
        Look {
            cluster: Cluster::up("bench-status", nodes, arguments.port(28_500)),
            runs: arguments.runs(5),
            memory: 0.0,
        }
        .all(nodes);
    }
}

struct Look {
    cluster: Cluster,
    runs: usize,
    memory: f64,
}

impl Look {
    fn all(mut self, nodes: u16) {
        title(&format!("status of {nodes} nodes"));
        let ports = self.cluster.ports();
        let (first, last) = (ports[0], ports[ports.len() - 1]);
        let ours = self.cluster.command(&["status"]);
        let seed = self.cluster.through(&[first], &["status"]);
        self.figure("all healthy", None, &ours, HEALTHY, || {});
        self.figure("all healthy, through a seed", None, &seed, HEALTHY, || {});

        // Asleep since just before, so that it answers when it wakes up.
        let sleep = || {
            let command = format!("DEBUG SLEEP {}", LATE.as_secs_f64());
            Node::answering(last).send(&command).expect("asleep");
        };
        let limit = Some(WITH_A_LATE_ONE);
        self.figure("a node late by 500 ms", limit, &ours, HEALTHY, sleep);
        let what = "a node late by 500 ms, through a seed";
        self.figure(what, limit, &seed, HEALTHY, sleep);
        let late = slow::way_to(first, LATE);
        let command = self.cluster.through(&[late], &["status"]);
        let what = "the only seed late by 500 ms";
        self.figure(what, limit, &command, HEALTHY, || {});
        let command = self.cluster.through(&[late, ports[1]], &["status"]);
        let what = "one of two seeds late by 500 ms";
        self.figure(what, limit, &command, HEALTHY, || {});

        let frozen = self.cluster.frozen(last);
        let limit = Some(DEADLINE + REST);
        self.figure(
            "a frozen node, as the runtime knows",
            limit,
            &ours,
            NOT,
            || {},
        );
        self.figure("a frozen node, through a seed", limit, &seed, NOT, || {});
        let command = self.cluster.through(&[last, first], &["status"]);
        let what = "a frozen node that is a seed too";
        self.figure(what, limit, &command, NOT, || {});
        drop(frozen);
        self.cluster.healthy();

        Figure {
            what: "memory, the most of all these",
            at_most: Some(MEMORY),
            show: megabytes,
        }
        .print(&[self.memory]);
    }

    fn figure(
        &mut self,
        what: &str,
        at_most: Option<f64>,
        command: &Command,
        code: i32,
        mut before: impl FnMut(),
    ) {
        let weights: Vec<Weight> = (0..self.runs)
            .map(|_| {
                before();
                weigh(command, code)
            })
            .collect();
        let memory = weights.iter().map(|weight| weight.memory);
        self.memory = memory.fold(self.memory, f64::max);
        let times: Vec<f64> = weights.iter().map(|weight| weight.seconds).collect();
        Figure {
            what,
            at_most,
            show: seconds,
        }
        .print(&times);
    }
}
