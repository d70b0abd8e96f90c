//! The documents of `failover --json`. A field may be added, but never renamed.
//!
//! Instants (`t_…`) are milliseconds since the fault was injected.

use super::{
    planned::Handover,
    predict::Predicted,
    words::{Blow, Class, Fault, Manner, Seats},
};
use crate::node::{Epoch, NodeName};
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the documents.
pub const SCHEMA: u32 = 1;

/// How many attempts were not acknowledged, by the word of their [`Class`].
pub type Errors = BTreeMap<&'static str, usize>;

/// What was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The fault.
    pub kind: Fault,
    /// The number of the shard.
    pub shard: usize,
    /// The first node that was hit.
    pub target: NodeName,
    /// Every node that was hit, in order.
    pub nodes: Vec<NodeName>,
    /// How they were hit.
    pub signal: Blow,
}

/// When something was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instant {
    /// Milliseconds since the fault.
    pub ms: f64,
    /// It may have happened up to this much earlier: the look before did not show it yet.
    pub resolution_ms: f64,
    /// The node whose view showed it, or `client`.
    pub seen_by: String,
}

/// What the views of the living nodes showed between the fault and the return of the victim.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Seen {
    /// The first view with `fail?`.
    pub t_pfail: Option<Instant>,
    /// The first view with `fail`.
    pub t_fail: Option<Instant>,
    /// The first view with a higher current epoch: a replica asks for votes.
    pub t_election: Option<Instant>,
    /// A replica says that it is the master.
    pub t_promoted: Option<Instant>,
    /// The first moment at which all views are the same.
    pub t_views_agree: Option<Instant>,
    /// All nodes say `ok` again; null if none ever stopped saying it.
    pub t_state_ok: Option<Instant>,
    /// The replica that became master; after two faults, the one that leads in the end.
    pub promoted: Option<NodeName>,
    /// Whether a node stopped saying `ok`.
    #[serde(skip)]
    pub state_lost: bool,
    /// Whether there was a moment at which no node said `ok`.
    #[serde(skip)]
    pub all_down: bool,
}

/// How the victim came back.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Return {
    /// The victim was in its place again, as it says itself.
    pub t_rejoined: Option<Instant>,
    /// Its replication link was up.
    pub t_resynced: Option<Instant>,
    /// How it got its data back: `full`, `partial` or `none`.
    pub resync: Option<&'static str>,
    /// The first masters led again.
    pub t_restored: Option<f64>,
}

/// What clients noticed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Felt {
    /// The first attempt on the victim's shard that failed.
    pub t_first_error: Option<Instant>,
    /// The first acknowledged write after the outage.
    pub t_first_write_ok: Option<Instant>,
    /// The first acknowledged read after the outage.
    pub t_first_read_ok: Option<Instant>,
    /// From the fault to `t_first_write_ok`; 0: there was no outage; null: it did not end.
    pub rto_write_ms: Option<f64>,
    /// The same of reads.
    pub rto_read_ms: Option<f64>,
    /// The longest outage of writes that began after the views agreed, while the victim came back;
    /// null: there was none.
    pub later_outage_ms: Option<f64>,
    /// Attempts on the victim's shard that were not acknowledged.
    pub errors_by_class: Errors,
    /// The same on the other shards.
    pub errors_on_others: Errors,
    /// The share of attempts that were acknowledged.
    pub availability: Availability,
    /// The latency of writes to the victim's shard.
    pub latency: Latencies,
}

/// The share of attempts that were acknowledged, from the fault until the views agreed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Availability {
    /// On the victim's shard.
    pub victim_shard: f64,
    /// On all other shards.
    pub others: f64,
}

/// The latency of writes to the victim's shard, by part of the drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// Before the fault.
    pub before: Latency,
    /// From the fault until the views agreed.
    pub during: Latency,
    /// From then to the end of the drill.
    pub after: Latency,
}

/// Percentiles of acknowledged attempts. Those that were not sent while one waited count as waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many were acknowledged.
    pub count: usize,
    /// The median.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// What became of the canaries' writes, on all shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Acknowledged writes.
    pub acked: usize,
    /// Acknowledged, and not there at the end.
    pub lost: usize,
    /// Acknowledged, and not there because a node evicted keys meanwhile.
    pub evicted: usize,
    /// Writes without an answer: they may have been carried out.
    pub indeterminate: usize,
    /// Writes that are there at the end although they were refused, or missing after the promotion.
    pub resurrected: usize,
    /// What was looked for.
    pub data: Data,
}

/// What was looked for at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Data {
    /// Keys that were looked for.
    pub checked: usize,
    /// Acknowledged writes that could not be looked for: no node with their slots answered.
    pub unchecked: usize,
    /// Keys with another value than the one that was written.
    pub mismatched: usize,
    /// Acknowledged writes that were missing before the victim was back.
    pub missing_at_promotion: usize,
    /// Indeterminate writes that turned out to have been carried out.
    pub indeterminate_done: usize,
}

/// What the old master took while it was replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OldMaster {
    /// Writes that it acknowledged after the fault.
    pub accepted: usize,
    /// How many of them are gone.
    pub lost: usize,
    /// When it acknowledged the last one, in milliseconds since the fault (or the thaw).
    pub last_accepted_ms: Option<u64>,
    /// What it answered after that.
    pub then: Option<Class>,
}

/// How a node was slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Slowed {
    /// How long each freeze should take.
    pub duty_frozen_ms: u64,
    /// How long it should run after each freeze.
    pub duty_running_ms: u64,
    /// How many times it was frozen.
    pub turns: usize,
    /// From the first freeze to the end of the last turn.
    pub lasted_ms: f64,
    /// The share of that time in which it was frozen, as measured.
    pub frozen_percent: f64,
    /// The longest freeze, as measured.
    pub longest_freeze_ms: f64,
}

/// How the instants were observed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// In words.
    pub how: String,
    /// How many looks at nodes were answered.
    pub looks: usize,
    /// The median time between two looks at a node.
    pub gap_p50_ms: f64,
    /// The 99th percentile of it.
    pub gap_p99_ms: f64,
    /// The longest.
    pub gap_max_ms: f64,
    /// How much of one core the canaries took before the fault.
    pub canary_cpu_percent: f64,
    /// Writes a second on the victim's shard.
    pub canary_writes_per_second: f64,
}

/// Whether it went as wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// It did.
    pub passed: bool,
    /// Why it did not, or which limits were kept.
    pub reasons: Vec<String>,
}

/// A tenth of a second (or more) of writes to the victim's shard, for the plot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// When it begins.
    pub ms: i64,
    /// Acknowledged attempts.
    pub acked: usize,
    /// Attempts that were not acknowledged.
    pub failed: usize,
    /// The median latency of the acknowledged ones.
    pub p50_ms: f64,
    /// The slowest of them.
    pub max_ms: f64,
    /// Attempts on the other shards that were not acknowledged.
    pub others_failed: usize,
}

/// Something that could not be put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What is wrong.
    pub what: String,
    /// The command that puts it right.
    pub command: String,
}

/// A drill, from the fault to the return of the first masters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this document.
    pub schema: u32,
    /// The cluster's name.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// What was broken.
    pub fault: Broken,
    /// The shards before the drill.
    pub topology_before: Vec<Seats>,
    /// The shards at its end.
    pub topology_after: Vec<Seats>,
    /// The highest epoch before the drill.
    pub epoch_before: Epoch,
    /// The highest epoch at its end.
    pub epoch_after: Epoch,
    /// The longest `cluster-node-timeout` of all nodes.
    pub node_timeout_ms: u64,
    /// The victim's `min-replicas-to-write`.
    pub min_replicas_to_write: u64,
    /// How many bytes the best replica was behind when the fault came.
    pub lag_bytes_at_fault: Option<u64>,
    /// When the fault was injected (RFC 3339).
    pub t_inject: String,
    /// How long injecting it took. Instants count from its beginning.
    pub inject_took_ms: f64,
    /// What the views showed.
    #[serde(flatten)]
    pub seen: Seen,
    /// How the victim came back.
    #[serde(flatten)]
    pub back: Return,
    /// What clients noticed.
    #[serde(flatten)]
    pub felt: Felt,
    /// The middle of the prediction; null where Redis does not fail over by itself.
    pub predicted_rto_ms: Option<u64>,
    /// The prediction.
    pub predicted: Option<Predicted>,
    /// What became of the writes.
    #[serde(flatten)]
    pub balance: Balance,
    /// What the old master took, where it lived on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_master: Option<OldMaster>,
    /// How the victim was slowed down, where that was the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowed: Option<Slowed>,
    /// Whether the first topology is back.
    pub restored: bool,
    /// What could not be put right; empty: everything was.
    pub left: Vec<Left>,
    /// How it was observed.
    pub observed: Observed,
    /// Whether it went as wanted.
    pub verdict: Verdict,
    /// What this drill cannot prove.
    pub limits: Vec<String>,
    /// The writes over time, for the plot.
    pub series: Vec<Bucket>,
}

/// One planned failover.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Turn {
    /// Who took over from whom.
    #[serde(flatten)]
    pub handover: Handover,
    /// From the command until the new master said so, in its own view.
    pub promoted_ms: f64,
    /// From the command until all views agreed and the old master followed.
    pub settled_ms: f64,
    /// The longest time between two acknowledged writes on the shard; null: nothing was written.
    pub worst_pause_ms: Option<f64>,
}

/// What `failover --planned` did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// The version of this document.
    pub schema: u32,
    /// The cluster's name.
    pub cluster: String,
    /// How the replicas took over.
    pub manner: Manner,
    /// One failover after another.
    pub turns: Vec<Turn>,
    /// The longest pause of all; null: nothing was written.
    pub worst_pause_ms: Option<f64>,
    /// How often a canary wrote to each shard, in milliseconds.
    pub resolution_ms: f64,
    /// What became of the writes.
    #[serde(flatten)]
    pub balance: Balance,
    /// Attempts that were not acknowledged.
    pub errors_by_class: Errors,
    /// Whether it went as wanted.
    pub verdict: Verdict,
}

/// The distribution of a figure over several drills.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The name of the figure.
    pub name: &'static str,
    /// In how many drills it was seen.
    pub count: usize,
    /// The smallest.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The largest.
    pub max: f64,
}

/// Several drills in a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The version of this document.
    pub schema: u32,
    /// How many drills there were.
    pub drills: usize,
    /// How many passed.
    pub passed: usize,
    /// In how many a replica was promoted.
    pub promotions: usize,
    /// The lost writes of all of them.
    pub lost: usize,
    /// After how many the first topology was back.
    pub restored: usize,
    /// The distributions of the times.
    pub spread: Vec<Spread>,
    /// The report of each.
    pub reports: Vec<Report>,
}
