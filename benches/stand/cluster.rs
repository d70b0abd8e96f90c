//! A cluster of rcluster's own that something is measured on.

use super::{Guard, node::Node, peer::removed_at_the_end, rcluster, run, spec};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use std::{fs::OpenOptions, io::Write, process::Command};
use tempfile::TempDir;

/// It goes when this goes.
pub(crate) struct Cluster {
    name: &'static str,
    nodes: Vec<Listed>,
    // Before the folder, in which `down` finds what to remove.
    _guard: Guard,
    folder: TempDir,
}

/// A node, as `status --json` lists it.
#[derive(Deserialize)]
struct Listed {
    endpoint: String,
    role: String,
    runtime_id: String,
}

#[derive(Deserialize)]
struct Status {
    nodes: Vec<Listed>,
}

impl Cluster {
    /// So many processes, half of them masters, at ports from this one.
    pub(crate) fn up(name: &'static str, nodes: u16, first: u16) -> Cluster {
        let folder = spec(nodes, first);
        // For DEBUG SLEEP: a node that is late by as long as one says.
        let spec = folder.path().join("rcluster.yaml");
        let spec = OpenOptions::new().append(true).open(spec);
        let more = "redis: {enable-debug-command: local}\n";
        let written = spec.and_then(|mut spec| spec.write_all(more.as_bytes()));
        written.expect("written");
        let guard = removed_at_the_end(name, folder.path());
        run(rcluster(folder.path()).args(["up", "-c", name, "--timeout", "120"]));
        let text = run(rcluster(folder.path()).args(["status", "--json", "-c", name]));
        let status: Status = serde_json::from_str(&text).expect("the document of status");
        Cluster {
            name,
            nodes: status.nodes,
            _guard: guard,
            folder,
        }
    }

    /// A command on it, as a cluster of ours.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = rcluster(self.folder.path());
        command.args(words).args(["-c", self.name]);
        command
    }

    /// A command on it, as a cluster of which no more is known than these ports.
    pub(crate) fn through(&self, seeds: &[u16], words: &[&str]) -> Command {
        let mut command = rcluster(self.folder.path());
        command.args(words);
        for seed in seeds {
            command.args(["--seed", &format!("127.0.0.1:{seed}")]);
        }
        command
    }

    /// The client ports of its masters, then of its replicas.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let of = |role: &'static str| {
            let nodes = self.nodes.iter().filter(move |node| node.role == role);
            nodes.map(Listed::port)
        };
        of("master").chain(of("replica")).collect()
    }

    /// A connection to each node.
    pub(crate) fn connections(&self) -> Vec<Node> {
        self.ports().into_iter().map(Node::answering).collect()
    }

    /// Freezes the node at a port until the guard goes.
    pub(crate) fn frozen(&self, port: u16) -> Guard {
        let node = self.nodes.iter().find(|node| node.port() == port);
        let pid = node.expect("a node of its own").runtime_id.parse();
        let pid = Pid::from_raw(pid.expect("a process id"));
        kill(pid, Signal::SIGSTOP).expect("frozen");
        Guard::new(move || {
            let _ = kill(pid, Signal::SIGCONT);
        })
    }

    /// Waits until nothing is wrong with it.
    pub(crate) fn healthy(&self) {
        run(&mut self.command(&["status", "--wait", "--timeout", "60"]));
    }
}

impl Listed {
    fn port(&self) -> u16 {
        let port = self.endpoint.rsplit_once(':').expect("host and port").1;
        port.parse().expect("a port")
    }
}
