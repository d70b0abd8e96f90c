//! Commands that a person waits for, on a healthy cluster of six, as whole processes: `status`,
//! `up` with nothing to do, and `--help`, each beside a floor.
//!
//! `cargo bench --bench commands [-- --runs 21]`
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod common;

use common::{
    Arguments, RCLUSTER, Race, catch_signals, peer::removed_at_the_end, rcluster, run, timed,
};
use std::process::Command;

fn main() {
    catch_signals();
    let runs = Arguments::read().runs(21);
    let state = tempfile::tempdir().expect("a folder");
    let name = "bench-commands";
    let _guard = removed_at_the_end(name, state.path());
    let up = || {
        let mut up = rcluster(state.path());
        up.args(["up", "--runtime", "process", "-c", name, "--port", "28700"]);
        up
    };
    run(&mut up());

    Race {
        title: "status of 6 nodes",
        sides: ["rcluster status", "redis-cli cluster nodes (one node)"],
        runs,
        ratio: None,
        at_most: Some(0.030),
    }
    .run([
        &mut || timed(rcluster(state.path()).args(["status", "-c", name])),
        &mut || timed(Command::new("redis-cli").args(["-p", "28700", "cluster", "nodes"])),
    ]);
    Race {
        title: "up on a healthy cluster of 6 nodes",
        sides: ["rcluster up", "redis-cli --cluster check"],
        runs,
        ratio: None,
        at_most: Some(0.100),
    }
    .run([&mut || timed(&mut up()), &mut || {
        timed(Command::new("redis-cli").args(["--cluster", "check", "127.0.0.1:28700"]))
    }]);
    Race {
        title: "help",
        sides: ["rcluster --help", "true"],
        runs,
        ratio: None,
        at_most: Some(0.010),
    }
    .run([
        &mut || timed(Command::new(RCLUSTER).arg("--help")),
        &mut || timed(&mut Command::new("true")),
    ]);
}
