//! `key`: the slot of a key, and which shard, master and replicas serve it.

use super::status::{SCHEMA, ShardStatus, Status};
use rcluster_core::{
    key::{Tag, tag_for},
    node::{Endpoint, NodeName},
    slot::{Slot, SlotRange},
};
use serde::Serialize;

/// What `key --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// Version of this document.
    pub schema: u32,
    /// The cluster whose nodes are named; `null` if none was asked, so that only the slots are
    /// known.
    pub cluster: Option<String>,
    /// In the order in which they were typed: keys, then slots.
    pub keys: Vec<Placement>,
    /// Whether all are in one slot, so that one command may take all the keys.
    pub one_slot: bool,
}

/// Where a key, or a slot, is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The key; `null` if a slot was typed.
    pub key: Option<String>,
    /// Its slot.
    pub slot: Slot,
    /// Which part of the key is hashed; `null` if a slot was typed.
    pub hash_tag: Option<Tag>,
    /// A short hash tag for this slot.
    pub tag_for_slot: String,
    /// The number of its shard; `null` if no node serves the slot, or no cluster was asked.
    pub shard: Option<usize>,
    /// The node that takes writes.
    pub master: Option<Server>,
    /// Its replicas.
    pub replicas: Vec<Server>,
}

/// A node that serves a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its name.
    pub name: NodeName,
    /// What clients dial.
    pub endpoint: Endpoint,
    /// Whether it answered just now.
    pub up: bool,
}

/// Looks up keys and slots. Without `status`, it is not known which nodes serve them.
pub fn look_up(keys: &[Vec<u8>], slots: &[Slot], status: Option<&Status>) -> Keys {
    let of_keys = keys
        .iter()
        .map(|key| placement(Some(key), Slot::of_key(key), status));
    let of_slots = slots.iter().map(|slot| placement(None, *slot, status));
    let keys: Vec<Placement> = of_keys.chain(of_slots).collect();
    Keys {
        schema: SCHEMA,
        cluster: status.map(|status| status.cluster.name.clone()),
        one_slot: keys.windows(2).all(|pair| pair[0].slot == pair[1].slot),
        keys,
    }
}

fn placement(key: Option<&Vec<u8>>, slot: Slot, status: Option<&Status>) -> Placement {
    let shard = status.and_then(|status| status.shards.iter().find(|shard| has(shard, slot)));
    let server = |name: &NodeName| {
        let node = status?.nodes.iter().find(|node| node.name == *name)?;
        Some(Server {
            name: name.clone(),
            endpoint: node.endpoint.clone(),
            up: node.up,
        })
    };
    Placement {
        key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
        slot,
        hash_tag: key.map(|key| Tag::of_key(key)),
        tag_for_slot: tag_for(slot),
        shard: shard.map(|shard| shard.index),
        master: shard
            .and_then(|shard| shard.master.as_ref())
            .and_then(server),
        replicas: shard
            .iter()
            .flat_map(|shard| &shard.replicas)
            .filter_map(server)
            .collect(),
    }
}

fn has(shard: &ShardStatus, slot: Slot) -> bool {
    let holds = |range: &SlotRange| range.from() <= slot && slot <= range.to();
    shard.slots.iter().any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_cluster_the_slot_is_still_known() {
        let keys = [b"{user1000}.following".to_vec(), b"{user1000}.x".to_vec()];
        let found = look_up(&keys, &[], None);
        assert!(found.one_slot && found.cluster.is_none());
        assert_eq!(found.keys[0].slot, found.keys[1].slot);
        assert_eq!(found.keys[0].master, None);
        let slot = Slot::new(1).expect("a slot");
        let found = look_up(&keys, &[slot], None);
        assert!(!found.one_slot);
        assert_eq!((found.keys[2].slot, &found.keys[2].key), (slot, &None));
    }
}
