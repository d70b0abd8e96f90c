//! `monitor` on real nodes: the document, the death of the seed, a frozen node, a recording.

use super::free_ports;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const NAME: &str = "monitor-test";

/// A cluster of six processes with a short node timeout, removed when the test ends.
struct Cluster {
    folder: TempDir,
    port: u16,
}

impl Cluster {
    fn up() -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let spec = "version: 1\nredis:\n  cluster-node-timeout: 2000\n";
        fs::write(folder.path().join("rcluster.yaml"), spec).unwrap();
        let port = free_ports(22_360..22_460, 6);
        let cluster = Cluster { folder, port };
        let port = port.to_string();
        let up = cluster.run(&["up", "--runtime", "process", "--port", &port, "--yes"]);
        assert!(up.status.success(), "{}", text(&up.stderr));
        cluster
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcluster"));
        command
            .args(args)
            .args(["-c", NAME])
            .current_dir(self.folder.path())
            .env("RCLUSTER_STATE_DIR", self.folder.path().join("state"))
            .env_remove("REDIS_PASSWORD")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The process of each node, by its port.
    fn pid(&self, port: u16) -> String {
        let status: Value =
            serde_json::from_slice(&self.run(&["status", "--json"]).stdout).unwrap();
        let nodes = status["nodes"].as_array().unwrap();
        let endpoint = format!("127.0.0.1:{port}");
        let node = nodes
            .iter()
            .find(|node| node["endpoint"] == endpoint.as_str())
            .unwrap();
        node["runtime_id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run(&["down", "--volumes", "--yes"]);
    }
}

/// A running monitor, and its samples as they come.
struct Watching {
    child: Child,
    samples: Receiver<Value>,
    last: Instant,
}

impl Watching {
    fn start(mut command: Command) -> Watching {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, samples) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let sample = serde_json::from_str(&line).unwrap();
                if sender.send(sample).is_err() {
                    return;
                }
            }
        });
        Watching {
            child,
            samples,
            last: Instant::now(),
        }
    }

    /// The first sample for which this is true. No sample before it may be late: silence costs one
    /// deadline.
    fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        let mut seen = String::new();
        while start.elapsed() < Duration::from_secs(40) {
            let sample = self.samples.recv_timeout(Duration::from_secs(10));
            let sample = sample.unwrap_or_else(|why| panic!("no sample ({why}), before {what}"));
            let late = self.last.elapsed();
            assert!(
                late < Duration::from_secs(5),
                "a sample after {late:?}, before {what}"
            );
            self.last = Instant::now();
            let took = sample["took_ms"].as_u64().unwrap();
            assert!(took < 3_000, "a sample took {took} ms, before {what}");
            if is_so(&sample) {
                return sample;
            }
            seen = sample["events"].to_string();
        }
        panic!("not seen: {what}; the last events: {seen}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(signal: &str, pid: &str) {
    assert!(
        Command::new("kill")
            .args([signal, pid])
            .status()
            .unwrap()
            .success()
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn has(sample: &Value, kind: &str, node: &str) -> bool {
    sample["events"].as_array().is_some_and(|events| {
        events
            .iter()
            .any(|event| event["kind"] == kind && event["node"] == node)
    })
}

#[test]
fn it_measures_survives_and_remembers() {
    if !super::runs("redis-server", "--version") {
        return crate::rig::skip("monitor", "there is no redis-server");
    }
    let cluster = Cluster::up();

    // One sample, with rates: they are differences.
    let once = cluster.run(&["monitor", "--once", "--json", "--interval", "500ms"]);
    assert!(once.status.success(), "{}", text(&once.stderr));
    let sample: Value = serde_json::from_slice(&once.stdout).unwrap();
    assert_eq!(
        (&sample["schema"], &sample["cluster"]["state"]),
        (&1.into(), &"ok".into())
    );
    let nodes = sample["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 6);
    for node in nodes {
        assert!(node["rates"]["ops_per_sec"].is_number(), "{node}");
        // What it asks is no load: only heartbeats are left, of some ten bytes a second.
        for rate in ["net_in_bytes_per_sec", "net_out_bytes_per_sec"] {
            assert!(node["rates"][rate].as_f64().unwrap() < 1000.0, "{node}");
        }
        assert!(node["probe"]["p99_us"].is_number(), "{node}");
    }
    let plain = cluster.run(&["monitor", "--count", "2", "--interval", "200ms"]);
    assert_eq!(
        text(&plain.stdout)
            .matches("ok 16384/16384 slots, 6/6 nodes")
            .count(),
        2
    );

    // The seed it started from dies: the others tell of the failover.
    let seed = format!("127.0.0.1:{}", cluster.port);
    let (dead, frozen) = (cluster.pid(cluster.port), cluster.pid(cluster.port + 4));
    let recording = cluster.folder.path().join("recording.jsonl");
    let recorded = recording.to_str().unwrap();
    let args = [
        "monitor",
        "--seed",
        &seed,
        "--json",
        "--interval",
        "500ms",
        "--record",
        recorded,
    ];
    let mut watching = Watching::start(cluster.command(&args));
    watching.until("six nodes", |sample| sample["totals"]["up"] == 6);
    signal("-KILL", &dead);
    watching.until("the silence of the seed", |sample| {
        has(sample, "silent", &seed)
    });
    let successor = format!("127.0.0.1:{}", cluster.port + 3);
    watching.until("the failover", |sample| has(sample, "failover", &successor));
    watching.until("all slots", |sample| {
        sample["cluster"]["slots_ok"] == 16_384
    });

    // A node freezes: the others are shown as ever.
    let name = format!("127.0.0.1:{}", cluster.port + 4);
    signal("-STOP", &frozen);
    let sample = watching.until("the silence of the frozen", |sample| {
        has(sample, "silent", &name)
    });
    assert_eq!(sample["totals"]["up"], 4);
    let sample = watching.until("a second look", |_| true);
    let others = sample["nodes"].as_array().unwrap().iter();
    assert_eq!(
        others.filter(|node| node["rates"].is_object()).count(),
        4,
        "{sample}"
    );
    signal("-CONT", &frozen);
    watching.until("its return", |sample| has(sample, "back", &name));
    drop(watching);

    // The recording says the same again, and is not written over.
    let lines = fs::read_to_string(&recording).unwrap();
    let whole = lines.rfind('\n').unwrap() + 1;
    fs::write(&recording, &lines[..whole]).unwrap();
    let replay = cluster.run(&["monitor", "--replay", recorded, "--speed", "0", "--json"]);
    assert!(replay.status.success(), "{}", text(&replay.stderr));
    for (shown, line) in text(&replay.stdout).lines().zip(lines[..whole].lines()) {
        assert_eq!(shown, line);
    }
    assert_eq!(
        text(&replay.stdout).lines().count(),
        lines[..whole].lines().count()
    );
    let refused = cluster.run(&["monitor", "--seed", &name, "--once", "--record", recorded]);
    assert_eq!(refused.status.code(), Some(3));
}
