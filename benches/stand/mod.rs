//! What every bench needs: two sides timed in turn, clusters that go however the bench ends, and
//! a look at nodes that costs them next to nothing.
//!
//! Standard library and the crate's own dependencies only: a bench that needs a harness of its
//! own is a bench that nobody runs.
#![allow(
    dead_code,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "a program that measures and prints; each bench uses a part"
)]

pub(crate) mod cluster;
pub(crate) mod figure;
pub(crate) mod node;
pub(crate) mod peer;
pub(crate) mod slow;
pub(crate) mod weigh;

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program under test, built with the release profile by `cargo bench`.
pub(crate) const RCLUSTER: &str = env!("CARGO_BIN_EXE_rcluster");

/// `rcluster` with a state folder of its own and nothing of the caller's settings.
pub(crate) fn rcluster(state: &Path) -> Command {
    let mut command = Command::new(RCLUSTER);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RCLUSTER_") {
            command.env_remove(name);
        }
    }
    command
        .env_remove("REDIS_PASSWORD")
        .env("RCLUSTER_STATE_DIR", state)
        // Its own spec, or none: nothing of the caller's.
        .current_dir(state)
        .stdin(Stdio::null());
    command
}

/// A folder with a spec of so many nodes. Their bus ports follow a hundred above the client ports:
/// the usual offset would put them where outgoing connections get theirs (32768 and up), and one
/// of a hundred nodes would now and then find its port in use.
pub(crate) fn spec(nodes: u16, first: u16) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (shards, bus) = (nodes / 2, first + BUS_OFFSET);
    let text = format!(
        "version: 1\nruntime: process\nshards: {shards}\nreplicas: 1\nport: {first}\nbus_port: {bus}\n"
    );
    std::fs::write(folder.path().join("rcluster.yaml"), text).expect("written");
    folder
}

/// What [`spec`] adds to a client port.
pub(crate) const BUS_OFFSET: u16 = 100;

/// Runs to the end and takes the time; anything but success ends the bench.
pub(crate) fn timed(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command.output();
    let took = start.elapsed();
    succeeded(command, output);
    took
}

/// Runs to the end; what it wrote to stdout.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output();
    succeeded(command, output)
}

fn succeeded(command: &Command, output: std::io::Result<Output>) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match output {
        Ok(output) => output,
        Err(error) => give_up(&format!("{program} cannot be run: {error}")),
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        give_up(&format!("{program} failed\n{stdout}\n{stderr}"));
    }
    stdout
}

/// Runs for its effect only, while cleaning up.
pub(crate) fn quietly(command: &mut Command) {
    let _ = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status();
}

/// Says why, cleans up, ends.
pub(crate) fn give_up(why: &str) -> ! {
    eprintln!("bench: {why}");
    clean_up();
    std::process::exit(1)
}

type Action = Box<dyn FnMut() + Send>;

static ACTIONS: Mutex<Vec<(u64, Action)>> = Mutex::new(Vec::new());

fn actions() -> MutexGuard<'static, Vec<(u64, Action)>> {
    ACTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that has to be undone however the bench ends: by its end, a panic, or Ctrl-C.
pub(crate) struct Guard(u64);

impl Guard {
    pub(crate) fn new(undo: impl FnMut() + Send + 'static) -> Self {
        let mut actions = actions();
        let id = actions.last().map_or(0, |(id, _)| id + 1);
        actions.push((id, Box::new(undo)));
        Guard(id)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut actions = actions();
        if let Some(i) = actions.iter().position(|(id, _)| *id == self.0) {
            let (_, mut undo) = actions.remove(i);
            drop(actions);
            undo();
        }
    }
}

fn clean_up() {
    while let Some((_, mut undo)) = {
        let mut actions = actions();
        actions.pop()
    } {
        undo();
    }
}

/// Cleans up at Ctrl-C and SIGTERM.
pub(crate) fn catch_signals() {
    std::thread::spawn(|| {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT");
            let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        eprintln!("bench: interrupted, cleaning up");
        clean_up();
        std::process::exit(130);
    });
}

/// What was asked for on the command line: `--runs 5`, `--nodes 6,16`.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn read() -> Self {
        // cargo adds --bench.
        Arguments(
            std::env::args()
                .skip(1)
                .filter(|a| a != "--bench")
                .collect(),
        )
    }

    fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|argument| argument == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    pub(crate) fn runs(&self, usual: usize) -> usize {
        self.number("--runs", usual)
    }

    /// The first port of the clusters, where the usual ones are in use.
    pub(crate) fn port(&self, usual: u16) -> u16 {
        self.number("--port", usual)
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str, usual: T) -> T {
        let Some(text) = self.value(name) else {
            return usual;
        };
        match text.parse() {
            Ok(number) => number,
            Err(_) => give_up(&format!("{name} takes a number, not '{text}'")),
        }
    }

    pub(crate) fn nodes(&self, usual: &[u16]) -> Vec<u16> {
        self.value("--nodes").map_or(usual.to_vec(), |nodes| {
            let numbers = nodes.split(',').map(str::parse);
            numbers
                .collect::<Result<_, _>>()
                .expect("--nodes takes numbers")
        })
    }
}

/// Two sides of one comparison.
pub(crate) struct Race<'a> {
    /// What is compared.
    pub(crate) title: &'a str,
    /// Our side, and the one that it is measured against.
    pub(crate) sides: [&'a str; 2],
    /// How many runs of each.
    pub(crate) runs: usize,
    /// What the ratio of the medians may be.
    pub(crate) ratio: Option<f64>,
    /// What our median may be, in seconds.
    pub(crate) at_most: Option<f64>,
}

impl Race<'_> {
    /// Runs both sides in turn, A B A B …, and prints every run, the medians and the ratio.
    pub(crate) fn run(&self, mut sides: [&mut dyn FnMut() -> Duration; 2]) {
        println!("\n{}", self.title);
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..self.runs {
            for (side, times) in sides.iter_mut().zip(&mut times) {
                times.push(side().as_secs_f64());
            }
        }
        let width = self.sides.iter().map(|side| side.len()).max().unwrap_or(0);
        for (side, times) in self.sides.iter().zip(&times) {
            let all = times.iter().fold(String::new(), |mut all, time| {
                let _ = write!(all, " {}", seconds(*time));
                all
            });
            println!(
                "  {side:width$}  median {}   runs{all}",
                seconds(median(times))
            );
        }
        let ours = median(&times[0]);
        let ratio = ours / median(&times[1]);
        println!(
            "  ratio {ratio:.3}{}",
            verdict(ratio, self.ratio, |limit| format!("{limit}"))
        );
        if let Some(limit) = self.at_most {
            println!(
                "  time {}{}",
                seconds(ours),
                verdict(ours, Some(limit), seconds)
            );
        }
    }
}

fn verdict(value: f64, limit: Option<f64>, show: impl Fn(f64) -> String) -> String {
    limit.map_or(String::new(), |limit| {
        let word = if value <= limit { "met" } else { "MISSED" };
        format!(" (target: at most {}: {word})", show(limit))
    })
}

pub(crate) fn seconds(time: f64) -> String {
    if time < 0.5 {
        format!("{:.1} ms", time * 1000.0)
    } else {
        format!("{time:.2} s")
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}
