//! The steps in which a drill, a planned failover or a rolling restart is told beforehand.

use crate::{failover::words::Manner, node::NodeName, text::count::count};
use serde::Serialize;
use std::fmt;

/// Steps under a title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// What it is for.
    pub title: String,
    /// In this order.
    pub steps: Vec<Act>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Act {
    /// CONFIG SET.
    Set {
        /// Which node.
        node: NodeName,
        /// Directives and values.
        settings: Vec<(String, String)>,
    },
    /// Canaries go out.
    Canaries {
        /// The shards that are watched closely.
        shards: Vec<usize>,
        /// Writes a second on those.
        writes_per_second: u32,
        /// How many replicas each write waits for.
        wait: u32,
    },
    /// The fault.
    Strike {
        /// How.
        how: &'static str,
        /// Whom.
        nodes: Vec<NodeName>,
    },
    /// CLUSTER FAILOVER.
    Failover {
        /// The shard's number.
        shard: usize,
        /// Who leads it.
        from: NodeName,
        /// Who is to; several: one of them.
        to: Vec<NodeName>,
        /// How.
        manner: Manner,
    },
    /// A node is stopped and started again.
    Restart {
        /// Which node.
        node: NodeName,
        /// Its shard's number.
        shard: usize,
    },
    /// Nodes are thawed, reconnected, started.
    BringBack {
        /// Which nodes.
        nodes: Vec<NodeName>,
    },
    /// A wait, in words.
    Await {
        /// For what.
        what: String,
    },
    /// Every acknowledged write is looked for.
    LookForData,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Set { node, settings } => {
                write!(f, "{node}: CONFIG SET")?;
                settings
                    .iter()
                    .try_for_each(|(name, value)| write!(f, " {name} {value:?}"))
            }
            Act::Canaries {
                shards,
                writes_per_second,
                wait,
            } => {
                let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "canaries write and read on every shard, {writes_per_second} writes a second on shard {}",
                    shards.join(", ")
                )?;
                match wait {
                    0 => Ok(()),
                    _ => write!(f, ", each waiting for {}", count(*wait as usize, "replica")),
                }
            }
            Act::Strike { how, nodes } => write!(f, "{how}: {}", names(nodes, ", ")),
            Act::Failover {
                shard,
                from,
                to,
                manner,
            } => {
                let word = manner
                    .argument()
                    .map_or(String::new(), |word| format!(" {word}"));
                write!(
                    f,
                    "{}: CLUSTER FAILOVER{word} (shard {shard}, from {from})",
                    names(to, " or ")
                )
            }
            Act::Restart { node, shard } => write!(f, "restart {node} (shard {shard})"),
            Act::BringBack { nodes } => write!(f, "bring back {}", names(nodes, ", ")),
            Act::Await { what } => write!(f, "wait: {what}"),
            Act::LookForData => f.write_str("look for every acknowledged write"),
        }
    }
}

/// Names in a row.
pub fn names(nodes: &[NodeName], between: &str) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(between)
}
