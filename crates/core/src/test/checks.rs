//! `test`: its checks, and what it holds a cluster to (`test:` in the spec).

use crate::text::decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// One check. Its id is part of the contract: checks are added, but never renamed.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    IntoStaticStr,
    EnumString,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(
    serialize_all = "kebab-case",
    parse_err_ty = String,
    parse_err_fn = not_a_check
)]
pub enum Check {
    /// Every node answers.
    Connectivity,
    /// Every node says `cluster_state:ok`.
    ClusterState,
    /// Every slot has an owner that answers.
    SlotCoverage,
    /// No slot is half moved.
    OpenSlots,
    /// All nodes say the same of each other.
    ViewAgreement,
    /// The judge finds nothing wrong with the cluster.
    Health,
    /// SET, GET, INCR, EXPIRE and DEL on every shard, through the announced endpoint.
    ReadWrite,
    /// Several keys at once where a hash tag puts them into one slot, and a refusal where not.
    HashTags,
    /// A node that does not serve a slot names the one that does.
    Moved,
    /// Reading what was written finds it: `keyspace_hits` against `keyspace_misses`.
    HitRatio,
    /// How long a SET or GET takes.
    Latency,
    /// Every replica is connected to its master.
    ReplicaLinks,
    /// No replica is far behind.
    ReplicaLag,
    /// A write that replicas acknowledged is read back from each of them.
    ReplicaRead,
    /// What is written to disk, and whether that works.
    Persistence,
    /// How many clients a node takes.
    Maxclients,
    /// Nothing of the test is left behind.
    Cleanup,
}

impl Check {
    /// All of them, in the order in which they are shown.
    pub const ALL: &[Check] = Check::VARIANTS;

    /// The stable id.
    pub fn id(self) -> &'static str {
        self.into()
    }

    /// What it holds the cluster to, in one line.
    pub fn title(self) -> &'static str {
        match self {
            Check::Connectivity => "every node answers",
            Check::ClusterState => "every node reports cluster_state:ok",
            Check::SlotCoverage => "every slot has an owner that answers",
            Check::OpenSlots => "no slot is half moved",
            Check::ViewAgreement => "all nodes say the same of each other",
            Check::Health => "nothing is wrong with the cluster, as `status` judges it",
            Check::ReadWrite => {
                "SET, GET, INCR, EXPIRE and DEL on every shard, through the announced endpoint"
            }
            Check::HashTags => "several keys at once, where a hash tag puts them into one slot",
            Check::Moved => "a node that does not serve a slot names the one that does",
            Check::HitRatio => "what was written is found again",
            Check::Latency => "SET and GET answer in time",
            Check::ReplicaLinks => "every replica is connected to its master",
            Check::ReplicaLag => "no replica is far behind its master",
            Check::ReplicaRead => {
                "a write that replicas acknowledged is read back from each of them"
            }
            Check::Persistence => "data goes to disk as it should",
            Check::Maxclients => "every node takes enough clients",
            Check::Cleanup => "the test leaves no key behind",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

fn not_a_check(text: &str) -> String {
    let ids: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
    format!("'{text}' is not a check; there are {}", ids.join(", "))
}

/// What should be written to disk.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    IntoStaticStr,
    EnumString,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(
    serialize_all = "lowercase",
    parse_err_ty = String,
    parse_err_fn = no_persistence
)]
pub enum Persistence {
    /// What the spec's `redis:` says; on a cluster without a spec, the same on every node.
    Spec,
    /// The append-only file.
    Aof,
    /// Snapshots.
    Rdb,
    /// One of the two.
    Any,
    /// Nothing has to be.
    Off,
}

impl Persistence {
    /// As the spec writes it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

fn no_persistence(text: &str) -> String {
    let words: Vec<&str> = Persistence::VARIANTS
        .iter()
        .map(|choice| choice.word())
        .collect();
    format!("'{text}' is none of {}", words.join(", "))
}

/// What `rcluster test` holds the cluster to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// `latency`: the 99th percentile of each shard stays below this many milliseconds.
    #[schemars(with = "f64", range(min = 0.001))]
    pub latency_p99_ms: Decimal,
    /// `latency`: how many samples of each shard, one a millisecond.
    #[schemars(range(min = 100, max = 100_000))]
    pub latency_samples: u32,
    /// `hit-ratio`: more than this many of a hundred look-ups find their key, on each shard.
    #[schemars(with = "f64", range(max = 100))]
    pub hit_ratio_percent: Decimal,
    /// `replica-lag`: no replica is more bytes behind.
    pub lag_bytes: u64,
    /// `replica-read`: the replicas acknowledge a write within this many milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub wait_ms: u32,
    /// `persistence`: what should be written to disk.
    pub persistence: Persistence,
    /// `maxclients`: at least this many on each node; null: what the spec's `redis:` says.
    pub maxclients: Option<u32>,
}

/// The bounds of [`Thresholds::latency_samples`]: a 99th percentile of fewer is none.
pub const SAMPLES: std::ops::RangeInclusive<u32> = 100..=100_000;

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            latency_p99_ms: Decimal::whole(5),
            latency_samples: 1000,
            hit_ratio_percent: Decimal::whole(95),
            lag_bytes: 1 << 20,
            wait_ms: 1000,
            persistence: Persistence::Spec,
            maxclients: None,
        }
    }
}

impl Thresholds {
    /// What makes no sense: the key, what is wrong, what to write instead.
    pub fn problems(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut problems = Vec::new();
        if self.latency_p99_ms.is_zero() {
            problems.push((
                "latency_p99_ms",
                "nothing answers in less than 0 ms".to_owned(),
                "for example `latency_p99_ms: 5`",
            ));
        }
        if !SAMPLES.contains(&self.latency_samples) {
            problems.push((
                "latency_samples",
                format!(
                    "{} is not from {} to {}",
                    self.latency_samples,
                    SAMPLES.start(),
                    SAMPLES.end()
                ),
                "for example `latency_samples: 1000`",
            ));
        }
        if self.hit_ratio_percent >= Decimal::whole(100) {
            problems.push((
                "hit_ratio_percent",
                format!(
                    "more than {} of a hundred cannot be reached",
                    self.hit_ratio_percent
                ),
                "for example `hit_ratio_percent: 95`",
            ));
        }
        if !(1..=60_000).contains(&self.wait_ms) {
            problems.push((
                "wait_ms",
                format!("{} is not from 1 to 60000", self.wait_ms),
                "for example `wait_ms: 1000`",
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_the_same_everywhere() {
        let ids: BTreeSet<&str> = Check::ALL.iter().map(|check| check.id()).collect();
        assert_eq!(ids.len(), Check::ALL.len());
        for &check in Check::ALL {
            assert_eq!(check.id().parse(), Ok(check));
            let json = serde_json::to_string(&check).expect("JSON");
            assert_eq!(json, format!("\"{check}\""));
        }
        let sorted: BTreeSet<&Check> = Check::ALL.iter().collect();
        assert!(sorted.into_iter().eq(Check::ALL), "declared in this order");
    }

    #[test]
    fn the_defaults_make_sense_and_nonsense_is_named() {
        let fine = Thresholds::default();
        assert_eq!(fine.problems(), []);
        let wrong = Thresholds {
            latency_p99_ms: Decimal::whole(0),
            latency_samples: 99,
            hit_ratio_percent: Decimal::whole(100),
            wait_ms: 0,
            ..fine
        };
        let keys: Vec<&str> = wrong.problems().iter().map(|(key, ..)| *key).collect();
        assert_eq!(
            keys,
            [
                "latency_p99_ms",
                "latency_samples",
                "hit_ratio_percent",
                "wait_ms"
            ]
        );
    }
}
