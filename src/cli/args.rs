//! The arguments as they are typed. What they mean together is `settings`' question.

use crate::model::{
    drill::Pick,
    node::NodeName,
    spec::{Access, ClusterName, PortChoice},
};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, builder::Styles};
use std::{convert::Infallible, net::IpAddr, path::PathBuf};

const AFTER: &str = "\
Exit codes: 0 done or healthy, 1 failed, 2 usage or spec, 3 refused, 4 unhealthy,
5 missing (engine, image, redis-server, seed), 6 no such cluster, 7 deadline passed, 130 interrupted.

Examples:
  rcluster up                          three masters, three replicas, from nothing to verified
  rcluster up --port auto -c mine      a second one beside it, on free ports
  rcluster status                      what every node says
  rcluster failover                    crash a master and see the cluster heal
  rcluster doctor                      what is wrong with this host or the nodes, and what to do
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
    Status,
    /// Check this host and the nodes: what is wrong, why, and what to type (exit 4: a check failed)
    Doctor(DoctorArgs),
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

#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// Only these nodes
    #[arg(value_name = "NODE", conflicts_with = "rolling", value_parser = |text: &str| Ok::<_, Infallible>(NodeName::new(text)))]
    pub(super) nodes: Vec<NodeName>,
    /// Replicas first, then each master after a planned failover; stops at the first sign of trouble,
    /// and goes on from there when it is run again
    #[arg(long)]
    pub(super) rolling: bool,
}

const FAILOVER: &str = "\
Without --planned this is a drill: canary clients write and read on every shard, one node is broken,
every node's view is watched, the data is looked for, the node is brought back, and planned failovers
restore the first topology. Ctrl-C brings everything back first; after a kill -9 `rcluster up` does.

Faults: crash (SIGKILL to a master), stop (SIGTERM), freeze (thawed once it was replaced), partition
(cut from the other nodes, docker only), replica (lose a replica), double (the master, then its heir),
majority (more than half of the masters: the cluster goes down until they are back, or --takeover).

Examples:
  rcluster failover                           crash a master of any shard
  rcluster failover --shard 2 --max-rto 9     exit 4 if writes are out for more than 9 s
  rcluster failover --fault freeze --report freeze.html
  rcluster failover --planned --all           each shard in turn, without an outage
  rcluster failover --to node-4               node-4 takes over from its master, in peace";

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags are what a command line has"
)]
pub(super) struct FailoverArgs {
    /// Which shard: its number from 1, `any`, or one of its nodes
    #[arg(long, value_name = "N|any|NODE", default_value = "any")]
    pub(super) shard: Pick,
    /// What is broken
    #[arg(long, value_name = "FAULT", default_value = "crash", conflicts_with_all = ["planned", "to", "all", "force"])]
    pub(super) fault: FaultArg,
    /// No fault: a replica takes over while its master waits for it
    #[arg(long)]
    pub(super) planned: bool,
    /// With --planned: every shard in turn
    #[arg(long, requires = "planned", conflicts_with_all = ["to", "shard"])]
    pub(super) all: bool,
    /// This replica takes over from its master (implies --planned)
    #[arg(long, value_name = "NODE", conflicts_with = "shard", value_parser = |text: &str| Ok::<_, Infallible>(NodeName::new(text)))]
    pub(super) to: Option<NodeName>,
    /// Take over without the master's agreement: what it has not sent yet is lost (asks first)
    #[arg(long, conflicts_with = "takeover")]
    pub(super) force: bool,
    /// Take over without a vote: for when the majority is gone (asks first). With --fault majority it
    /// is how the cluster is brought back
    #[arg(long)]
    pub(super) takeover: bool,
    /// Each canary's write waits for this many replicas (WAIT)
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) wait: u32,
    /// Set min-replicas-to-write to this on the victim (and min-replicas-max-lag to 2 s) during the
    /// drill: an old master that is cut off then stops taking writes sooner
    #[arg(long, value_name = "N")]
    pub(super) min_replicas: Option<u32>,
    /// Writes a second on the victim's shard
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) rate: u32,
    /// The longest write outage that passes, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(super) max_rto: Option<f64>,
    /// The most acknowledged writes that may be lost [default: 0; with freeze and partition any number]
    #[arg(long, value_name = "N")]
    pub(super) max_lost: Option<usize>,
    /// Leave the promoted replica in charge
    #[arg(long)]
    pub(super) no_restore: bool,
    /// So many drills in a row, with the distribution of their times
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) repeat: u32,
    /// Write a page with the plot of availability and latency
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FaultArg {
    /// SIGKILL to a master
    Crash,
    /// SIGTERM to a master
    Stop,
    /// A master is frozen, and thawed once it was replaced
    Freeze,
    /// A master is cut off from the other nodes
    Partition,
    /// SIGKILL to a replica
    Replica,
    /// A master, then the replica that took over
    Double,
    /// More than half of the masters
    Majority,
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
    /// Put right what is safe to; kernel settings need root and --yes
    #[arg(long)]
    pub(super) fix: bool,
    #[command(flatten)]
    pub(super) spec: SpecFlags,
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
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
