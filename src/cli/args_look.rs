//! The arguments of the commands that look: `status`, `key`, `history`, `logs`, `env`, and of `run`.

use super::args::SpecFlags;
use clap::{Args, ValueEnum};
use rcluster_core::node::NodeName;
use std::{convert::Infallible, ffi::OsString, path::PathBuf, time::Duration};

pub(super) const STATUS: &str = "\
Every node is asked at once: a late or frozen one costs at most --node-timeout, and delays nobody
else's answer. Each thing that is not well comes with its reason and the command to type next.

Exit codes: 0 healthy, 4 not, 5 no node answers, 6 no such cluster, 7 --wait was not over in time.

Examples:
  rcluster status --wait --timeout 30      until it is healthy
  rcluster status --watch                  drawn again every 2 seconds
  rcluster status --json | jq .problems    for a program
  rcluster status --seed 10.0.0.5:6379     a cluster that rcluster did not start";

pub(super) const MONITOR: &str = "\
Exit codes: 0 it was left; 4 the sample of --once was not healthy; 5 no node answers at the start;
6 no such cluster.

Examples:
  rcluster monitor                                   the screen
  rcluster monitor --once                            one line, for a script
  rcluster monitor --json --interval 5s              a document every 5 seconds
  rcluster monitor --record night.jsonl --plain      lines, and a recording
  rcluster monitor --replay night.jsonl --speed 10   what happened, ten times as fast";

pub(super) const DOCTOR: &str = "\
A check passes, warns, fails, is skipped where it does not apply, or could not be made (`?`): what
is not known never passes. `up` checks ports, redis-server, disk and memory by itself.

Exit codes: 0 nothing failed (there may be warnings), 4 a check failed.

Examples:
  rcluster doctor                          this host, and the nodes if they run
  rcluster doctor --production             the checklist before production as well
  rcluster doctor --fix -n                 what --fix would do
  rcluster doctor --seed 10.0.0.5:6379     nodes that rcluster did not start";

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Again and again: redrawn on a terminal, elsewhere one line (with --json: one document) each
    #[arg(long, conflicts_with = "wait")]
    pub(super) watch: bool,
    /// How far apart, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, requires = "watch")]
    pub(super) interval: Duration,
    /// Until the cluster is healthy, for at most --timeout (exit 7), saying meanwhile why it is not
    #[arg(long)]
    pub(super) wait: bool,
    /// How long a node may take to answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(super) node_timeout: Duration,
}

/// From 0.05 seconds to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a number of seconds from 0.05 to 86400");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.05..=86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// Keys, as they would be written to Redis
    #[arg(value_name = "NAME", required_unless_present = "slot")]
    pub(super) names: Vec<OsString>,
    /// A slot instead of, or beside, a key (repeatable)
    #[arg(long, value_name = "SLOT", value_parser = clap::value_parser!(u16).range(0..=16383))]
    pub(super) slot: Vec<u16>,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only the last so many runs
    #[arg(long, value_name = "N")]
    pub(super) last: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// Only these nodes
    #[arg(value_name = "NODE", value_parser = |text: &str| Ok::<_, Infallible>(NodeName::new(text)))]
    pub(super) nodes: Vec<NodeName>,
    /// Go on with what the nodes write, until Ctrl-C; -f does the same (in front of `logs` it is the spec)
    #[arg(short = 'F', long)]
    pub(super) follow: bool,
    /// Only the last lines of each node: a number, or `all`
    #[arg(long, value_name = "N", default_value = "all", value_parser = tail)]
    pub(super) tail: Tail,
}

/// How many lines of each node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail(pub(super) Option<usize>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        text => match text.parse() {
            Ok(lines) => Ok(Tail(Some(lines))),
            Err(_) => Err(format!("'{text}' is neither a number of lines nor 'all'")),
        },
    }
}

#[derive(Debug, Args)]
pub(super) struct EnvArgs {
    /// For whom
    #[arg(long, value_name = "FORMAT", default_value = "dotenv")]
    pub(super) format: EnvFormat,
    /// Print the password itself (dotenv, shell and json)
    #[arg(long)]
    pub(super) show_secrets: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum EnvFormat {
    /// An .env file
    Dotenv,
    /// For `eval "$(rcluster env --format shell)"`
    Shell,
    /// Everything, for a program
    Json,
    /// redis-py
    Python,
    /// A cache backend over redis-py, and its settings
    Django,
    /// ioredis
    Node,
    /// Jedis
    Java,
    /// go-redis
    Go,
    /// The redis crate
    Rust,
    /// redis-cli
    RedisCli,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) spec: SpecFlags,
    /// Where to leave logs and status when the command fails; else under the state folder
    #[arg(long, value_name = "DIR")]
    pub(super) evidence: Option<PathBuf>,
    /// Leave logs and status also when it succeeds
    #[arg(long)]
    pub(super) keep: bool,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub(super) command: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_where_they_are_typed() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "x", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(tail("all").is_ok_and(|tail| tail.0.is_none()));
        assert!(tail("-1").is_err());
    }
}
