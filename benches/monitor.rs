//! What `monitor` costs: CPU of the monitor at 1 Hz, as a share of one core, and its memory.
//!
//! `cargo bench --bench monitor [-- SHARDS REPLICAS SECONDS]`; 3, 1 and 20 unless said otherwise.
//! 50 shards with a replica each are the hundred nodes. Needs a redis-server.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use nix::sys::resource::{UsageWho, getrusage};
use std::process::{Command, Stdio};

/// A cluster of the bench's own, which goes when it ends.
struct Cluster(tempfile::TempDir);

impl Cluster {
    fn run(&self, args: &[&str]) -> bool {
        let status = Command::new(env!("CARGO_BIN_EXE_rcluster"))
            .args(args)
            .args(["-c", "monitor-bench", "--timeout", "300"])
            .current_dir(self.0.path())
            .env("RCLUSTER_STATE_DIR", self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        status.unwrap().success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run(&["down", "--volumes", "--yes", "-q"]);
    }
}

/// CPU that children which have ended have used, in seconds; and the most memory of any, in MB.
fn children() -> (f64, f64) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = |time: nix::sys::time::TimeVal| {
        Ok::<_, std::num::TryFromIntError>(
            f64::from(i32::try_from(time.tv_sec())?)
                + f64::from(i32::try_from(time.tv_usec())?) / 1e6,
        )
    };
    let cpu = seconds(usage.user_time()).unwrap() + seconds(usage.system_time()).unwrap();
    (
        cpu,
        f64::from(i32::try_from(usage.max_rss()).unwrap()) / 1024.0,
    )
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let mut number = |default: &str| numbers.next().unwrap_or_else(|| default.to_owned());
    let (shards, replicas, seconds) = (number("3"), number("1"), number("20"));
    let cluster = Cluster(tempfile::tempdir().unwrap());
    let up = [
        "up",
        "-q",
        "--runtime",
        "process",
        "--port",
        "33100",
        "--shards",
        &shards,
        "--replicas",
        &replicas,
    ];
    assert!(cluster.run(&up), "the cluster did not come up");
    let (before, _) = children();
    assert!(cluster.run(&["monitor", "--json", "--interval", "1s", "--count", &seconds]));
    let (after, memory) = children();
    let nodes: u32 = shards.parse::<u32>().unwrap() * (1 + replicas.parse::<u32>().unwrap());
    let samples: f64 = seconds.parse().unwrap();
    println!(
        "monitor at 1 Hz on {nodes} nodes: {:.2} % of a core over {samples} samples, at most {memory:.0} MB, 4 commands per node and second",
        (after - before) * 100.0 / samples
    );
}
