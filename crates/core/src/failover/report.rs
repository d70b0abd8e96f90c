//! What a drill ends with. The document is the contract of `failover --json`: a field is added,
//! never renamed. Instants (`t_…`) are milliseconds since the fault was injected.

use crate::failover::words::{Blow, Class, Fault, Manner, Seats};
use crate::node::{Epoch, NodeName};
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the documents.
pub const SCHEMA: u32 = 1;

/// What was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Which fault.
    pub kind: Fault,
    /// The shard's number.
    pub shard: usize,
    /// The first node that it hit.
    pub target: NodeName,
    /// Every node that it hit, in order.
    pub nodes: Vec<NodeName>,
    /// How.
    pub signal: Blow,
}

/// When something was seen, by whom, and how sharply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instant {
    /// Milliseconds since the fault.
    pub ms: f64,
    /// The look before this one had not seen it, and was this much earlier.
    pub resolution_ms: f64,
    /// Whose view, or which client, showed it.
    pub seen_by: String,
}

/// The parts of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Predicted {
    /// If everything is quick.
    pub low_ms: u64,
    /// In the middle.
    pub expected_ms: u64,
    /// If everything is slow: what is promised.
    pub high_ms: u64,
    /// `cluster-node-timeout`.
    pub node_timeout_ms: u64,
    /// At most: until the first unanswered ping, and again until a majority has heard of each other's
    /// suspicion.
    pub gossip_ms: u64,
    /// 500 before an election, and up to 500 more by chance.
    pub election_ms: u64,
    /// At most: replicas with older data let others go first, 1000 each.
    pub rank_ms: u64,
}

/// Percentiles of acknowledged attempts; those that were not sent while one waited count as waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many.
    pub count: usize,
    /// Half were quicker.
    pub p50_ms: f64,
    /// Of a hundred, 99 were quicker.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// Latency of writes to the victim's shard, by part of the drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// Before the fault.
    pub before: Latency,
    /// From the fault until the views agreed.
    pub during: Latency,
    /// Afterwards, the victim's return and the way back included.
    pub after: Latency,
}

/// The share of attempts that were acknowledged, from the fault until the views agreed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Availability {
    /// On the victim's shard.
    pub victim_shard: f64,
    /// On all others.
    pub others: f64,
}

/// What was looked for afterwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Data {
    /// Keys looked for.
    pub checked: usize,
    /// Acknowledged writes that could not be looked for: nobody who has their slots answered.
    pub unchecked: usize,
    /// Keys with another value than the one that was written.
    pub mismatched: usize,
    /// Acknowledged writes that were missing once the views agreed, before the victim was back.
    pub missing_at_promotion: usize,
    /// Indeterminate writes that turned out to have been done.
    pub indeterminate_done: usize,
}

/// What the old master took while it was replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OldMaster {
    /// Writes that it acknowledged after the fault.
    pub accepted: usize,
    /// Of those, gone afterwards.
    pub lost: usize,
    /// How long after the fault (or the thaw) it acknowledged the last one, in milliseconds.
    pub last_accepted_ms: Option<u64>,
    /// What it said then.
    pub then: Option<Class>,
}

/// What was done to a node that was slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Slowed {
    /// It was to be frozen for so long,
    pub duty_frozen_ms: u64,
    /// and then to run for so long.
    pub duty_running_ms: u64,
    /// So often.
    pub turns: usize,
    /// From the first freeze to the last thaw.
    pub lasted_ms: f64,
    /// The share of that in which it was frozen, as measured.
    pub frozen_percent: f64,
    /// The longest freeze, as measured.
    pub longest_freeze_ms: f64,
}

/// How the instants were observed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// In words.
    pub how: String,
    /// Looks at nodes.
    pub looks: usize,
    /// Half the looks at a node came closer after the one before.
    pub gap_p50_ms: f64,
    /// Of a hundred, 99 did.
    pub gap_p99_ms: f64,
    /// The furthest apart that two looks at a node were.
    pub gap_max_ms: f64,
    /// The canaries' share of one core before the fault.
    pub canary_cpu_percent: f64,
    /// Writes a second on the victim's shard.
    pub canary_writes_per_second: f64,
}

/// Whether the drill went as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// It did.
    pub passed: bool,
    /// Why not, or what was kept.
    pub reasons: Vec<String>,
}

/// A tenth of a second (or more) of the victim's shard, for the plot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Its beginning.
    pub ms: i64,
    /// Acknowledged attempts.
    pub acked: usize,
    /// Others.
    pub failed: usize,
    /// The median of the acknowledged ones.
    pub p50_ms: f64,
    /// The slowest of them.
    pub max_ms: f64,
    /// Attempts on the other shards that were not acknowledged.
    pub others_failed: usize,
}

/// Something that could not be put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What.
    pub what: String,
    /// What to type.
    pub command: String,
}

/// A drill, from the fault to the way back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// What was broken.
    pub fault: Broken,
    /// Who was what.
    pub topology_before: Vec<Seats>,
    /// Who is what.
    pub topology_after: Vec<Seats>,
    /// The highest epoch before.
    pub epoch_before: Epoch,
    /// The highest epoch afterwards.
    pub epoch_after: Epoch,
    /// `cluster-node-timeout`.
    pub node_timeout_ms: u64,
    /// `min-replicas-to-write` of the victim.
    pub min_replicas_to_write: u64,
    /// How far the best replica was behind when the fault came.
    pub lag_bytes_at_fault: Option<u64>,
    /// When the fault was injected (RFC 3339).
    pub t_inject: String,
    /// How long injecting took; every instant is from its beginning.
    pub inject_took_ms: f64,
    /// The first attempt on the victim's shard that failed.
    pub t_first_error: Option<Instant>,
    /// The first view with `fail?`.
    pub t_pfail: Option<Instant>,
    /// The first view with `fail`.
    pub t_fail: Option<Instant>,
    /// The first view with a higher current epoch: a replica asks for votes.
    pub t_election: Option<Instant>,
    /// A replica says that it is the master.
    pub t_promoted: Option<Instant>,
    /// The first acknowledged write after the outage.
    pub t_first_write_ok: Option<Instant>,
    /// The first acknowledged read after the outage.
    pub t_first_read_ok: Option<Instant>,
    /// From here on all living views said the same.
    pub t_views_agree: Option<Instant>,
    /// All living nodes said `ok` again; null if none ever stopped saying it.
    pub t_state_ok: Option<Instant>,
    /// The victim was back in its own view.
    pub t_rejoined: Option<Instant>,
    /// Its replication link was up.
    pub t_resynced: Option<Instant>,
    /// How it got its data back: `full`, `partial`, `none`.
    pub resync: Option<&'static str>,
    /// The first topology was back.
    pub t_restored: Option<f64>,
    /// From the fault to the first acknowledged write after the outage; 0: there was no outage.
    pub rto_write_ms: Option<f64>,
    /// The same of reads.
    pub rto_read_ms: Option<f64>,
    /// The longest outage of writes that began after the views agreed, while the victim came back: a
    /// stall, or the price of its synchronization; null: there was none.
    pub later_outage_ms: Option<f64>,
    /// The middle of the prediction; null where Redis does not fail over.
    pub predicted_rto_ms: Option<u64>,
    /// The prediction.
    pub predicted: Option<Predicted>,
    /// Acknowledged writes, all shards.
    pub acked: usize,
    /// Of those, not there at the end.
    pub lost: usize,
    /// Acknowledged, and not there because a node evicted keys meanwhile.
    pub evicted: usize,
    /// Writes of which nobody knew whether they were done.
    pub indeterminate: usize,
    /// Values that were missing after the promotion and were there at the end, or that were refused
    /// and are there.
    pub resurrected: usize,
    /// Attempts that were not acknowledged, by class, on the victim's shard.
    pub errors_by_class: BTreeMap<&'static str, usize>,
    /// The same on the other shards.
    pub errors_on_others: BTreeMap<&'static str, usize>,
    /// The share that was acknowledged.
    pub availability: Availability,
    /// Of writes to the victim's shard.
    pub latency: Latencies,
    /// What was looked for afterwards.
    pub data: Data,
    /// What the old master took, where it lived on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_master: Option<OldMaster>,
    /// What was done to it, where it was slowed down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowed: Option<Slowed>,
    /// Who was promoted.
    pub promoted: Option<NodeName>,
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
    /// For the plot.
    pub series: Vec<Bucket>,
}

/// One planned failover.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Turn {
    /// The shard's number.
    pub shard: usize,
    /// Who was its master.
    pub from: NodeName,
    /// Who is.
    pub to: NodeName,
    /// From the command until the new master said so, in its own view.
    pub promoted_ms: f64,
    /// From the command until all views agreed and the old master followed.
    pub settled_ms: f64,
    /// The longest time between two acknowledged writes on the shard; `None`: nothing was written.
    pub worst_pause_ms: Option<f64>,
}

/// What `failover --planned` did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: String,
    /// How.
    pub manner: Manner,
    /// One failover after another.
    pub turns: Vec<Turn>,
    /// The worst pause of all; `None`: nothing was written.
    pub worst_pause_ms: Option<f64>,
    /// How often a canary wrote to each shard, milliseconds apart.
    pub resolution_ms: f64,
    /// Acknowledged writes.
    pub acked: usize,
    /// Of those, not there afterwards.
    pub lost: usize,
    /// Acknowledged, and not there because a node evicted keys meanwhile.
    pub evicted: usize,
    /// Writes of which nobody knew whether they were done.
    pub indeterminate: usize,
    /// Attempts that were not acknowledged, by class.
    pub errors_by_class: BTreeMap<&'static str, usize>,
    /// Whether it went as wanted.
    pub verdict: Verdict,
}

/// The distribution of a figure over several drills.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// What.
    pub name: &'static str,
    /// How many.
    pub count: usize,
    /// The smallest.
    pub min: f64,
    /// Half are smaller.
    pub p50: f64,
    /// Of ten, nine are smaller.
    pub p90: f64,
    /// The largest.
    pub max: f64,
}

/// Several drills in a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Version of this document.
    pub schema: u32,
    /// How many drills there were.
    pub drills: usize,
    /// How many passed.
    pub passed: usize,
    /// In how many a replica was promoted.
    pub promotions: usize,
    /// Lost writes in all of them.
    pub lost: usize,
    /// How many ended in the first topology.
    pub restored: usize,
    /// The times.
    pub spread: Vec<Spread>,
    /// Each of them.
    pub reports: Vec<Report>,
}
