//! Moving slots: `rcluster reshard` against `redis-cli --cluster reshard`, on the same cluster in turn,
//! and how long nodes keep clients waiting meanwhile.
//!
//! `cargo bench --bench reshard [-- --runs 3] [-- --only empty|small|large]`
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench"
)]

mod stand;

use rcluster_core::slot::Slot;
use stand::{Arguments, Race, catch_signals, cluster::Cluster, run, seconds, timed};
use std::{
    cell::RefCell,
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What is moved, and at most how much of redis-cli's time that may take.
struct Work {
    name: &'static str,
    title: &'static str,
    keys: usize,
    bytes: usize,
    slots: u16,
    ratio: f64,
}

const WORKS: [Work; 3] = [
    Work {
        name: "empty",
        title: "4095 empty slots",
        keys: 0,
        bytes: 0,
        slots: 4095,
        ratio: 0.08,
    },
    Work {
        name: "small",
        title: "4096 of 16384 slots with 1,000,000 keys of 100 B: 250,000 of them",
        keys: 1_000_000,
        bytes: 100,
        slots: 4096,
        ratio: 0.2,
    },
    Work {
        name: "large",
        title: "4096 of 16384 slots with 1 GB of 16 KB values: 256 MB of it",
        keys: 65_536,
        bytes: 16 << 10,
        slots: 4096,
        ratio: 0.4,
    },
];

fn main() {
    catch_signals();
    let arguments = Arguments::read();
    let only: String = arguments.number("--only", String::new());
    for work in WORKS {
        if only.is_empty() || only == work.name {
            race(&work, &arguments);
        }
    }
}

fn race(work: &Work, arguments: &Arguments) {
    let cluster = Cluster::up("bench-reshard", 6, arguments.port(28_600));
    let masters = &cluster.ports()[..3];
    for port in masters {
        call(*port, &["config", "set", "maxmemory", "0"]);
    }
    fill(masters, work);
    let id = call(masters[1], &["cluster", "myid"]);
    let to = id.trim();
    let slots = work.slots.to_string();
    let pauses = [RefCell::new(Vec::new()), RefCell::new(Vec::new())];
    let even = || {
        run(&mut cluster.command(&["rebalance", "--threshold", "0"]));
    };
    Race {
        title: work.title,
        sides: ["rcluster reshard", "redis-cli --cluster reshard"],
        runs: arguments.runs(3),
        ratio: Some(work.ratio),
        at_most: None,
    }
    .run([
        &mut || {
            let probe = Probe::of(masters);
            let words = ["reshard", "--to", "node-2", "--slots", &slots];
            let took = timed(&mut cluster.command(&words));
            pauses[0].borrow_mut().push(probe.end());
            even();
            took
        },
        &mut || {
            let probe = Probe::of(masters);
            let mut theirs = Command::new("redis-cli");
            theirs.args(["--cluster", "reshard", &format!("127.0.0.1:{}", masters[0])]);
            theirs.args(["--cluster-from", "all", "--cluster-to", to]);
            theirs.args(["--cluster-slots", &slots, "--cluster-yes"]);
            let took = timed(&mut theirs);
            pauses[1].borrow_mut().push(probe.end());
            even();
            took
        },
    ]);
    for (side, pauses) in ["rcluster", "redis-cli"].iter().zip(&pauses) {
        let all: Vec<String> = pauses
            .borrow()
            .iter()
            .map(|(p99, longest)| format!("{} / {}", seconds(*p99), seconds(*longest)))
            .collect();
        println!(
            "  PING meanwhile, 99th percentile / longest: {side} {}",
            all.join(", ")
        );
    }
}

/// One that asks each master again and again, and notes how long it waits.
struct Probe {
    halt: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<Vec<f64>>>,
}

impl Probe {
    fn of(ports: &[u16]) -> Probe {
        let halt = Arc::new(AtomicBool::new(false));
        let ask = |port: u16| {
            let halt = Arc::clone(&halt);
            thread::spawn(move || {
                let mut node = dial(port);
                let mut waits = Vec::new();
                let mut answer = [0; 7];
                while !halt.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    node.write_all(b"PING\r\n").expect("sent");
                    node.read_exact(&mut answer).expect("answered");
                    waits.push(start.elapsed().as_secs_f64());
                    thread::sleep(Duration::from_millis(1));
                }
                waits
            })
        };
        Probe {
            threads: ports.iter().copied().map(ask).collect(),
            halt,
        }
    }

    /// The 99th percentile, and the longest.
    fn end(self) -> (f64, f64) {
        self.halt.store(true, Ordering::Relaxed);
        let waits = self
            .threads
            .into_iter()
            .map(|one| one.join().expect("it ends"));
        let mut waits: Vec<f64> = waits.flatten().collect();
        waits.sort_by(f64::total_cmp);
        let last = waits.len().saturating_sub(1);
        let at = |i: usize| waits.get(i).copied().unwrap_or_default();
        (at(last * 99 / 100), at(last))
    }
}

fn dial(port: u16) -> TcpStream {
    let node = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    node.set_nodelay(true).expect("a socket");
    node
}

fn call(port: u16, words: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string()]).args(words);
    run(&mut command)
}

/// Writes each key to the master that the even split of slots gives it.
fn fill(masters: &[u16], work: &Work) {
    let value = "x".repeat(work.bytes);
    let mut nodes: Vec<(TcpStream, String, usize)> = masters
        .iter()
        .map(|port| (dial(*port), String::new(), 0))
        .collect();
    for i in 0..work.keys {
        let key = format!("key:{i}");
        let slot = Slot::of_key(key.as_bytes()).number();
        let master = [5461, 10923, 16384]
            .iter()
            .position(|end| slot < *end)
            .expect("a slot");
        let (_, text, count) = &mut nodes[master];
        let _ = write!(
            text,
            "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n",
            key.len(),
            work.bytes
        );
        *count += 1;
        if text.len() > 1 << 20 {
            flush(&mut nodes[master]);
        }
    }
    nodes.iter_mut().for_each(flush);
}

/// Sends what is waiting, and hears as many times OK.
fn flush((node, text, count): &mut (TcpStream, String, usize)) {
    node.write_all(text.as_bytes()).expect("sent");
    let mut answers = vec![0; *count * "+OK\r\n".len()];
    node.read_exact(&mut answers).expect("answered");
    let all = answers.chunks(5).all(|answer| answer == b"+OK\r\n");
    assert!(all, "a key was not taken");
    text.clear();
    *count = 0;
}
