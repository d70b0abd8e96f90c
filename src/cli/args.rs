//! The arguments as they are typed. What they mean together is `settings`' question.

use super::args_drill::{FAILOVER, FailoverArgs, RestartArgs};
use super::args_look::{
    DOCTOR, EnvArgs, HistoryArgs, KeyArgs, LogsArgs, MONITOR, RunArgs, STATUS, StatusArgs,
};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, builder::Styles};
use rcluster_core::{
    node::NodeName,
    spec::{Access, ClusterName, PortChoice},
    test::checks::{Check, Persistence},
    text::decimal::Decimal,
};
use std::{convert::Infallible, net::IpAddr, path::PathBuf};

const AFTER: &str = "\
Exit codes: 0 done or healthy, 1 failed, 2 usage or spec, 3 refused, 4 unhealthy,
5 missing (engine, image, redis-server, seed), 6 no such cluster, 7 deadline passed, 130 interrupted.

Examples:
  rcluster up                          three masters, three replicas, from nothing to verified
  rcluster up --port auto -c mine      a second one beside it, on free ports
  rcluster status                      what every node says
  rcluster monitor                     the same, live
  rcluster test                        prove that it works
  rcluster doctor                      what is wrong with this host or the nodes, and what to do
  rcluster failover                    crash a master and see the cluster heal
  rcluster new --preset dev            a commented spec to start from
  rcluster down --volumes              away with it, data and all";

/// Runs a stock Redis 7 Cluster, from nothing to verified, on Docker or as plain processes.
#[derive(Debug, Parser)]
#[command(name = "rcluster", version, about, after_help = AFTER, styles = Styles::styled(), max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags are what a command line has"
)]
pub(super) struct Global {
    /// The spec; else rcluster.yaml from here upward, else the defaults
    #[arg(short, long, global = true, value_name = "FILE", env = "RCLUSTER_FILE")]
    pub(super) file: Option<PathBuf>,
    /// The cluster's name, over the spec's
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "RCLUSTER_CLUSTER"
    )]
    pub(super) cluster: Option<ClusterName>,
    /// Where the nodes run
    #[arg(long, global = true, value_name = "RUNTIME", env = "RCLUSTER_RUNTIME")]
    pub(super) runtime: Option<RuntimeArg>,
    /// A node of a cluster that rcluster did not start: HOST:PORT or redis://USER@HOST:PORT (repeatable)
    #[arg(
        long,
        global = true,
        value_name = "SEED",
        env = "RCLUSTER_SEED",
        value_delimiter = ','
    )]
    pub(super) seed: Vec<String>,
    /// A file whose first line is the password
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RCLUSTER_PASSWORD_FILE"
    )]
    pub(super) password_file: Option<PathBuf>,
    /// How long any single wait may take, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "60", env = "RCLUSTER_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) timeout: u64,
    /// Results as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How progress is shown (on stderr)
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "auto",
        env = "RCLUSTER_PROGRESS",
        hide_default_value = true
    )]
    pub(super) progress: ProgressArg,
    /// Confirm what would be asked
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// Never ask: refuse what would need an answer
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// Show the plan, change nothing
    #[arg(short = 'n', long, global = true)]
    pub(super) dry_run: bool,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub(super) color: ColourArg,
    /// Only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Where the time went; twice: every step
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RuntimeArg {
    /// Docker when an engine answers and has the image, else processes
    Auto,
    /// Containers
    Docker,
    /// redis-server processes on this host
    Process,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ProgressArg {
    Auto,
    Tty,
    Plain,
    Json,
    Quiet,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ColourArg {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create, resume, repair or do nothing: whatever it takes to be up and verified
    Up(SpecFlags),
    /// Start the nodes without forming the cluster
    Start(StartArgs),
    /// Form the cluster of nodes that run (with --seed: of exactly these nodes)
    Init(InitArgs),
    /// Stop nodes; nothing is removed
    Stop(NodeArgs),
    /// Stop, start and verify; with --rolling one node after another, always writable
    Restart(RestartArgs),
    /// Break a node on purpose and measure how the cluster heals (exit 4: not as it should)
    #[command(after_help = FAILOVER)]
    Failover(FailoverArgs),
    /// Remove the nodes and their network; data stays unless --volumes
    Down(DownArgs),
    /// Delete every key and form the cluster anew
    Reset(ResetArgs),
    /// Every cluster on this host and its engine
    #[command(visible_alias = "ls")]
    List,
    /// What every node says, and whether they agree (exit 4: they are not well)
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Check this host and the nodes: what is wrong, why, and what to type (exit 4: a check failed)
    #[command(after_help = DOCTOR)]
    Doctor(DoctorArgs),
    /// Watch it live: health, load, latency, lag, and what happens
    ///
    /// On a terminal a screen (`?` shows its keys), elsewhere a line per sample, or a JSON document
    /// per line with --json. A sample sends four commands to each node (PING, CLUSTER NODES, CLUSTER
    /// INFO, INFO) on a connection that is kept. A node that does not answer costs its deadline
    /// (most of an interval, at most a second) and delays nobody else's answer beyond it.
    #[command(after_help = MONITOR)]
    Monitor(MonitorArgs),
    /// The smoke suite: prove that the cluster works (exit 4: a check failed)
    Test(TestArgs),
    /// What the nodes wrote, in time order
    Logs(LogsArgs),
    /// A cluster for the length of a command, whose exit code is returned
    ///
    /// It has a name and free ports of its own and goes when the command ends, also by Ctrl-C or
    /// SIGTERM; a command that fails leaves logs and status. Only SIGKILL of rcluster leaves the
    /// cluster behind: `rcluster list` and the next `run` name it. The command finds it by
    /// `REDIS_CLUSTER_NODES`, `REDIS_PASSWORD` and, for rcluster itself, `RCLUSTER_CLUSTER`.
    Run(RunArgs),
    /// How an application reaches the cluster: variables, or a few lines of code
    Env(EnvArgs),
    /// The slot of a key, and who serves it
    Key(KeyArgs),
    /// Who changed the cluster, when, how, and what came of it
    History(HistoryArgs),
    /// Write a commented spec
    New(NewArgs),
    /// Write redis.conf files and a compose file to use by hand
    Render(RenderArgs),
    /// Print the JSON Schema of the spec
    Schema,
    /// Images for machines without a registry
    Image(ImageArgs),
    /// Print shell completions
    Completions(CompletionArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
}

/// The spec's keys that can be given on the command line.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SpecFlags {
    /// Masters
    #[arg(long, value_name = "N", env = "RCLUSTER_SHARDS")]
    pub(super) shards: Option<u16>,
    /// Replicas of each master
    #[arg(long, value_name = "N", env = "RCLUSTER_REPLICAS")]
    pub(super) replicas: Option<u16>,
    /// The first client port, or `auto`
    #[arg(long, value_name = "PORT", env = "RCLUSTER_PORT")]
    pub(super) port: Option<PortChoice>,
    /// The address on which the endpoints are published
    #[arg(long, value_name = "ADDRESS", env = "RCLUSTER_LISTEN")]
    pub(super) listen: Option<IpAddr>,
    /// What clients are told to dial: host, network, or a host name
    #[arg(long, value_name = "WHAT", env = "RCLUSTER_ACCESS", value_parser = |text: &str| Ok::<_, Infallible>(Access::from(text.to_owned())))]
    pub(super) access: Option<Access>,
    /// The container image
    #[arg(long, value_name = "IMAGE", env = "RCLUSTER_IMAGE")]
    pub(super) image: Option<String>,
    /// The redis-server of the process runtime
    #[arg(long, value_name = "PROGRAM", env = "RCLUSTER_REDIS_SERVER")]
    pub(super) redis_server: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Only these nodes
    #[arg(value_name = "NODE", value_parser = |text: &str| Ok::<_, Infallible>(NodeName::new(text)))]
    pub(super) nodes: Vec<NodeName>,
    #[command(flatten)]
    pub(super) spec: SpecFlags,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Replicas of each master, with --seed
    #[arg(long, value_name = "N", env = "RCLUSTER_REPLICAS")]
    pub(super) replicas: Option<u16>,
}

#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// Only these nodes
    #[arg(value_name = "NODE", value_parser = |text: &str| Ok::<_, Infallible>(NodeName::new(text)))]
    pub(super) nodes: Vec<NodeName>,
}

const TEST_AFTER: &str = "\
Checks: connectivity, cluster-state, slot-coverage, open-slots, view-agreement, read-write,
hash-tags, moved, hit-ratio, latency, replica-links, replica-lag, replica-read, persistence,
maxclients, cleanup.

Thresholds come from these flags, else from `test:` in the spec, else from the defaults shown there
by `rcluster new`. Its keys all begin with rcluster:test: and are removed at the end.

Exit codes: 0 every check passed or does not apply, 4 one failed or could not be measured, 5 no node
answers, 6 no such cluster, 130 interrupted.

Examples:
  rcluster test                              every check, as a table
  rcluster test --junit report.xml           for CI; with GITHUB_ACTIONS=true failures are annotated
  rcluster test --latency-p99-ms 20 -v       allow more; show every node and shard
  rcluster test --only read-write,moved      these two
  rcluster test --seed 10.0.0.5:6379 --tap   a cluster that rcluster did not start, as TAP";

#[derive(Debug, Args)]
#[command(after_help = TEST_AFTER)]
pub(super) struct TestArgs {
    /// Only these checks
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub(super) only: Vec<Check>,
    /// Not these checks
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub(super) skip: Vec<Check>,
    /// Write JUnit XML to this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Print TAP instead of the table
    #[arg(long, conflicts_with = "json")]
    pub(super) tap: bool,
    /// latency: the 99th percentile of every shard stays below this many milliseconds
    #[arg(long, value_name = "MS", env = "RCLUSTER_TEST_LATENCY_P99_MS")]
    pub(super) latency_p99_ms: Option<Decimal>,
    /// latency: samples per shard, one a millisecond
    #[arg(long, value_name = "N", env = "RCLUSTER_TEST_LATENCY_SAMPLES")]
    pub(super) latency_samples: Option<u32>,
    /// hit-ratio: more than this many of a hundred look-ups find their key
    #[arg(long, value_name = "PERCENT", env = "RCLUSTER_TEST_HIT_RATIO_PERCENT")]
    pub(super) hit_ratio_percent: Option<Decimal>,
    /// replica-lag: no replica is more bytes behind
    #[arg(long, value_name = "BYTES", env = "RCLUSTER_TEST_LAG_BYTES")]
    pub(super) lag_bytes: Option<u64>,
    /// replica-read: replicas acknowledge a write within this many milliseconds
    #[arg(long, value_name = "MS", env = "RCLUSTER_TEST_WAIT_MS")]
    pub(super) wait_ms: Option<u32>,
    /// persistence: spec (what it says), aof, rdb, any, off
    #[arg(long, value_name = "WHAT", env = "RCLUSTER_TEST_PERSISTENCE")]
    pub(super) persistence: Option<Persistence>,
    /// maxclients: at least this many on every node
    #[arg(long, value_name = "N", env = "RCLUSTER_TEST_MAXCLIENTS")]
    pub(super) maxclients: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct DownArgs {
    /// Delete the data too (asks first)
    #[arg(long)]
    pub(super) volumes: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResetArgs {
    /// Remove nodes, network and data, and make them anew
    #[arg(long)]
    pub(super) hard: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Judge the checklist before production as well
    #[arg(long)]
    pub(super) production: bool,
    /// Put right what is safe to; kernel settings need root and --yes; with -n only say what would be
    #[arg(long)]
    pub(super) fix: bool,
    #[command(flatten)]
    pub(super) spec: SpecFlags,
}

#[derive(Debug, Args)]
pub(super) struct MonitorArgs {
    /// A line per sample, also on a terminal
    #[arg(long)]
    pub(super) plain: bool,
    /// One sample, measured over one interval; exit 4 if not healthy
    #[arg(long)]
    pub(super) once: bool,
    /// So many samples, then leave
    #[arg(long, value_name = "N", conflicts_with = "once", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// The time between samples: 500ms, 2s, or seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(super) interval: u64,
    /// Write every sample to a file, a JSON document a line
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(super) record: Option<PathBuf>,
    /// Show a recording instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["once", "seed", "interval"])]
    pub(super) replay: Option<PathBuf>,
    /// How fast to replay; 0: without pauses
    #[arg(long, value_name = "FACTOR", default_value = "1", requires = "replay", value_parser = speed)]
    pub(super) speed: f64,
}

/// `500ms`, `2s`, `0.5`: in milliseconds.
fn interval(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a time between 100ms and 1h");
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1000.0),
        (None, None) => (text, 1000.0),
    };
    let millis = number.parse::<f64>().map_err(|_| wrong())? * unit;
    if !(100.0..=3_600_000.0).contains(&millis) {
        return Err(wrong());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was just compared"
    )]
    Ok(millis as u64)
}

/// 0 or more.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed >= 0.0 && speed.is_finite() => Ok(speed),
        _ => Err(format!("'{text}' is not a factor of 0 or more")),
    }
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Which one to start from
    #[arg(long, value_name = "PRESET", default_value = "default")]
    pub(super) preset: String,
    /// Where to write it; `-`: to stdout
    #[arg(short, long, value_name = "FILE", default_value = "rcluster.yaml")]
    pub(super) output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) spec: SpecFlags,
}

#[derive(Debug, Args)]
pub(super) struct ImageArgs {
    #[command(subcommand)]
    pub(super) command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ImageCommand {
    /// Pack this host's redis-server and redis-cli into an image of the local engine
    Build {
        /// Its name
        #[arg(long, value_name = "IMAGE", default_value = "redis:7")]
        tag: String,
        /// The redis-server to pack
        #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
        redis_server: String,
        /// The redis-cli to pack
        #[arg(long, value_name = "PROGRAM", default_value = "redis-cli")]
        redis_cli: String,
        /// Replace an image of that name that rcluster did not pack
        #[arg(long)]
        force: bool,
    },
    /// Look whether an image has what nodes need
    Check {
        /// Its name; else the spec's
        image: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write one page per command into this folder
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn intervals_have_units() {
        assert_eq!(interval("500ms"), Ok(500));
        assert_eq!(interval("2s"), Ok(2000));
        assert_eq!(interval("0.5"), Ok(500));
        for wrong in ["", "s", "99ms", "2h", "-1s", "NaN"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
