//! What one command costs: time, CPU and memory, of it alone.
//!
//! The kernel adds up what the children of a process have used, and keeps the largest of them. So
//! the command is run by a copy of the bench that has no other child.

use super::give_up;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};
use serde::{Deserialize, Serialize};
use std::{
    env,
    process::{Command, Stdio},
    time::Instant,
};

/// The first argument of such a copy.
const HELPER: &str = "--weigh";

/// What a command has cost.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Weight {
    /// From its start to its exit, in seconds.
    pub(crate) seconds: f64,
    /// CPU that it used, in seconds.
    pub(crate) cpu: f64,
    /// The most memory that it held, in bytes.
    pub(crate) memory: f64,
    /// How it ended.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
}

/// To be called first of all: if this is a copy, it does its work and ends.
pub(crate) fn serve() {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != HELPER) {
        return;
    }
    let program = arguments.next().expect("a program");
    let start = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("the program runs");
    let seconds = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what children used");
    let weight = Weight {
        seconds,
        cpu: in_seconds(usage.user_time()) + in_seconds(usage.system_time()),
        memory: float(usage.max_rss()) * KIBIBYTES,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
    };
    let text = serde_json::to_string(&weight).expect("it is plain data");
    println!("{text}");
    std::process::exit(0);
}

/// The unit of `ru_maxrss` on Linux.
const KIBIBYTES: f64 = 1024.0;

fn in_seconds(time: TimeVal) -> f64 {
    float(time.num_microseconds()) / 1e6
}

#[allow(clippy::cast_precision_loss, reason = "far below 2 to the 53")]
fn float(value: i64) -> f64 {
    value as f64
}

/// Runs a command and weighs it. One that does not end with this exit code has taken for ever.
pub(crate) fn weigh(command: &Command, code: i32) -> Weight {
    let itself = env::current_exe().expect("this program");
    let mut helper = Command::new(itself);
    helper
        .arg(HELPER)
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => helper.env(name, value),
            None => helper.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        helper.current_dir(folder);
    }
    let output = helper.output().expect("this program runs");
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let Ok(mut weight) = serde_json::from_slice::<Weight>(&output.stdout) else {
        give_up(&format!("weighing failed: {}", said()));
    };
    if weight.code != Some(code) {
        eprintln!(
            "bench: exit code {:?}\n{}\n{}",
            weight.code,
            weight.stdout,
            said()
        );
        weight.seconds = f64::INFINITY;
    }
    weight
}
