//! Which shard the user means.

use super::scene::Scene;
use rcluster_core::{
    error::{Error, Result},
    failover::words::{Pick, Seats},
    hint,
    hint::{Hint, Verb},
    next,
    node::NodeName,
};

/// The shard that was asked for.
pub fn picked<'a>(scene: &'a Scene, pick: &Pick) -> Result<&'a Seats> {
    if scene.seats.is_empty() {
        return Err(
            Error::refused("there are no shards: no node that answers owns a slot").hint(hint![
                Verb::Status, " shows what each node says";
                Verb::Up, " forms nodes that are new and brings back those that are stopped"
            ]),
        );
    }
    match pick {
        Pick::Any => {
            let mut all: Vec<&Seats> = scene.seats.iter().collect();
            all.retain(|seats| scene.best_replica(seats).is_some());
            // Chance would let `--dry-run` name another shard than is hit. A crash and the way back take
            // one epoch each, so that the next drill hits the next shard.
            let turn = usize::try_from(scene.epoch().0 / 2).unwrap_or(0);
            all.get(turn % all.len().max(1)).copied().ok_or_else(|| {
                Error::refused("no shard has a replica in sync").hint(
                    Hint::from(next![Verb::Status, " shows the links"])
                        .or(next!["`replicas:` in the spec makes some"].ours()),
                )
            })
        }
        Pick::Number(number) => {
            let mut seats = scene.seats.iter();
            seats
                .find(|seats| seats.shard == *number)
                .ok_or_else(|| match scene.seats.len() {
                    0 => Error::refused("no node that answers owns a slot")
                        .hint(hint![Verb::Status, " shows what each node says"]),
                    most => Error::usage(format!("there is no shard {number}"))
                        .hint(format!("the shards are numbered from 1 to {most}")),
                })
        }
        Pick::Node(name) => scene
            .shard_of(name)
            .ok_or_else(|| no_such_node(scene, name)),
    }
}

/// The error for a name that no node of the cluster has.
pub fn no_such_node(scene: &Scene, name: &NodeName) -> Error {
    let known = scene.snapshot.members().map(|node| node.name.as_str());
    let known: Vec<&str> = known.collect();
    Error::usage(format!("no shard has a node {name}"))
        .hint(format!("its nodes are {}", known.join(", ")))
}
