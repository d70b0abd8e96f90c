//! The arguments of `failover` and `restart`, as they are typed.

use clap::{Args, ValueEnum};
use rcluster_core::{failover::words::Pick, node::NodeName};
use std::{convert::Infallible, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// Only these nodes
    #[arg(value_name = "NODE", conflicts_with = "rolling", value_parser = |text: &str| Ok::<_, Infallible>(NodeName::new(text)))]
    pub(super) nodes: Vec<NodeName>,
    /// Replicas first, then each master after a planned failover, and the first masters lead again at the
    /// end; stops at the first sign of trouble, and goes on from there when it is run again. -n shows the order
    #[arg(long)]
    pub(super) rolling: bool,
}

/// What stands below the flags of `failover --help`.
pub(super) const FAILOVER: &str = "\
Without --planned this is a drill: canary clients write and read on every shard, one node is broken,
every node's view is watched, the data is looked for, the node is brought back, and planned failovers
restore the first topology. Ctrl-C brings everything back first; after a kill -9 `rcluster up` does.

Faults: crash (SIGKILL to a master), stop (SIGTERM), freeze (thawed once it was replaced), partition
(cut from the other nodes, docker only), slow (frozen and thawed in turn: clients wait, and nobody is to be
promoted), replica (lose a replica), double (the master, then its heir), majority (more than half of the
masters: the cluster goes down until they are back, or --takeover). -n shows all of it and touches nothing.

Without a fault (--planned, --to, --force, --takeover) it also works with --seed HOST:PORT, on a cluster that
rcluster did not start. A replica that stood for election less than four node timeouts ago is let rest first.

Examples:
  rcluster failover                           crash a master of any shard
  rcluster failover --shard 2 --max-rto 9     exit 4 if writes are out for more than 9 s
  rcluster failover --fault freeze --report freeze.html
  rcluster failover --planned --all           each shard in turn, without an outage
  rcluster failover --shard 2 -n              who would be hit, who would win, when, and what is restored
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
    /// A master stutters: frozen and thawed in turn
    Slow,
    /// SIGKILL to a replica
    Replica,
    /// A master, then the replica that took over
    Double,
    /// More than half of the masters
    Majority,
}
