//! From nothing to a verified cluster of containers: `rcluster up` against `docker-compose up -d`
//! of the rendered compose file and `redis-cli --cluster create`, plus waiting until it is usable.
//!
//! `cargo bench --bench cold_up_docker [-- --runs 5]`. The image has to be there: neither side
//! pulls.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

mod common;

use common::{
    Arguments, Guard, Race, catch_signals,
    node::{Node, until_formed},
    peer::{create_arguments, removed_at_the_end},
    quietly, rcluster, run, timed,
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const NODES: u16 = 6;
const FIRST: u16 = 28_600;
const OURS: &str = "bench-cold-docker";
const THEIRS: &str = "bench-cold-compose";

fn main() {
    catch_signals();
    let arguments = Arguments::read();
    Race {
        title: "docker runtime, cold, 6 nodes",
        sides: [
            "rcluster up",
            "docker-compose up -d, redis-cli create, waiting",
        ],
        runs: arguments.runs(5),
        ratio: Some(0.33),
        at_most: None,
    }
    .run([&mut ours, &mut theirs]);
}

fn ours() -> Duration {
    let state = tempfile::tempdir().expect("a folder");
    let _guard = removed_at_the_end(OURS, state.path());
    let port = FIRST.to_string();
    timed(rcluster(state.path()).args(["up", "--runtime", "docker", "-c", OURS, "--port", &port]))
}

fn theirs() -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let port = (FIRST + NODES).to_string();
    run(rcluster(folder.path())
        .args(["render", "--runtime", "docker", "-c", THEIRS])
        .args(["--port", &port, "-o", "."]));
    let file = folder.path().join("docker-compose.yml");
    let cleanup = file.clone();
    let _guard = Guard::new(move || quietly(compose(&cleanup).args(["down", "-v", "-t", "0"])));

    let start = Instant::now();
    run(compose(&file).args(["up", "-d"]));
    let ports = FIRST + NODES..FIRST + 2 * NODES;
    let mut nodes: Vec<Node> = ports.clone().map(Node::answering).collect();
    // Peers need addresses of the containers' own network, so the program runs there too.
    let containers = (1..=NODES).map(|number| format!("{THEIRS}-node-{number}"));
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let mut inspect = Command::new("docker");
    inspect.args(["inspect", "-f", format]).args(containers);
    let addresses = run(&mut inspect);
    let endpoints: Vec<String> = addresses
        .lines()
        .zip(ports)
        .map(|(ip, port)| format!("{ip}:{port}"))
        .collect();
    let inside = format!("{THEIRS}-node-1");
    let mut create = Command::new("docker");
    create.args(["exec", &inside, "redis-cli"]);
    run(create.args(create_arguments(&endpoints)));
    until_formed(&mut nodes, usize::from(NODES / 2));
    start.elapsed()
}

fn compose(file: &Path) -> Command {
    let mut compose = Command::new("docker-compose");
    compose.args(["-p", THEIRS, "-f"]).arg(file);
    compose
}
