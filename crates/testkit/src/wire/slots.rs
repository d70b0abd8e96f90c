//! The commands that move slots and their keys, as in `clusterCommand` and `migrateCommand` of 7.0.

use super::{
    FakeWire,
    bus::Bus,
    node::{Node, Refusal},
};
use async_trait::async_trait;
use rcluster_core::{
    node::{Address, Endpoint, NodeId, Role},
    reshape::moves::{Manner, SlotState},
    slot::{Slot, SlotSet},
    snapshot::{
        answer::{WireError, WireResult},
        nodes_text::OpenSlot,
    },
};
use rcluster_wire::{Parcel, Slots};
use std::{collections::BTreeMap, sync::Arc};

#[async_trait]
impl Slots for FakeWire {
    async fn set_slots(
        &self,
        at: &Endpoint,
        slots: &[Slot],
        state: &SlotState,
    ) -> WireResult<Vec<WireResult<()>>> {
        let command = match state {
            SlotState::Importing(_) => "CLUSTER SETSLOT IMPORTING",
            SlotState::Migrating(_) => "CLUSTER SETSLOT MIGRATING",
            SlotState::Owned(_) => "CLUSTER SETSLOT NODE",
            SlotState::Stable => "CLUSTER SETSLOT STABLE",
        };
        let refused = |why: Refusal| WireError::refused(at, command, &format!("ERR {why}"));
        self.on_node(at, command, |node| {
            let answers = slots.iter().map(|slot| node.set_slot(*slot, state));
            Ok(answers.map(|answer| answer.map_err(refused)).collect())
        })
    }

    async fn claim_slots(
        &self,
        at: &Endpoint,
        slots: &[Slot],
        myself: &NodeId,
    ) -> WireResult<Vec<WireResult<()>>> {
        let owned = SlotState::Owned(myself.clone());
        self.set_slots(at, slots, &owned).await
    }

    async fn count_keys(&self, at: &Endpoint, slots: &[Slot]) -> WireResult<Vec<u64>> {
        self.call(at, |inner, disk| {
            let mut counts: BTreeMap<Slot, u64> = BTreeMap::new();
            for key in inner.bus.nodes[disk].data.keys() {
                *counts.entry(Slot::of_key(key)).or_default() += 1;
            }
            let count = |slot| counts.get(slot).copied().unwrap_or_default();
            Ok(slots.iter().map(count).collect())
        })
    }

    async fn keys_in(&self, at: &Endpoint, slots: &[(Slot, u64)]) -> WireResult<Vec<Vec<Vec<u8>>>> {
        self.call(at, |inner, disk| {
            let node = &inner.bus.nodes[disk];
            let some = |(slot, most): &(Slot, u64)| {
                let most = usize::try_from(*most).unwrap_or(usize::MAX);
                node.keys_of(*slot).take(most).cloned().collect()
            };
            Ok(slots.iter().map(some).collect())
        })
    }

    async fn sizes(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<Vec<Option<u64>>> {
        self.call(at, |inner, disk| {
            let data = &inner.bus.nodes[disk].data;
            Ok(keys
                .iter()
                .map(|key| Some(data.get(key)?.len() as u64))
                .collect())
        })
    }

    async fn migrate(
        &self,
        at: &Endpoint,
        parcels: &[Parcel],
        to: Address,
        manner: Manner,
    ) -> WireResult<Vec<WireResult<()>>> {
        let refused = |why: Refusal| WireError::refused(at, "MIGRATE", &why);
        self.command(at, "MIGRATE", |bus, disk| {
            let answers = parcels
                .iter()
                .map(|keys| bus.migrate(disk, keys, to, manner));
            Ok(answers.map(|answer| answer.map_err(refused)).collect())
        })
    }

    async fn drop_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        self.on_node(at, "CLUSTER DELSLOTSRANGE", |node| {
            for peer in node.view.values_mut() {
                peer.slots = peer.slots.minus(slots);
            }
            Ok(())
        })
    }

    async fn bump_epoch(&self, at: &Endpoint) -> WireResult<()> {
        self.on_node(at, "CLUSTER BUMPEPOCH", |node| {
            node.bump_epoch();
            Ok(())
        })
    }

    async fn functions(&self, at: &Endpoint) -> WireResult<Vec<u8>> {
        self.call(at, |inner, disk| {
            Ok(inner.bus.nodes[disk].functions.clone())
        })
    }

    async fn restore_functions(&self, at: &Endpoint, dump: &[u8]) -> WireResult<()> {
        self.on_node(at, "FUNCTION RESTORE", |node| {
            node.functions = dump.to_vec();
            Ok(())
        })
    }
}

impl Bus {
    /// Moves keys of one slot; nothing of it is done if the target refuses the first.
    fn migrate(
        &mut self,
        disk: &str,
        keys: &[Vec<u8>],
        to: Address,
        manner: Manner,
    ) -> Result<(), Refusal> {
        let Some(slot) = keys.first().map(|key| Slot::of_key(key)) else {
            return Ok(());
        };
        let source = &self.nodes[disk];
        if !source.me().slots.contains(slot) && source.opened(slot).is_none() {
            return Err(format!("MOVED {} 127.0.0.1:1", slot.number()));
        }
        let mut nodes = self.nodes.iter();
        let target = nodes.find(|(_, node)| node.address == to && node.is_on());
        let Some((there, target)) = target else {
            return Err("IOERR error or timeout reading from target instance".to_owned());
        };
        let there = there.clone();
        let takes = target.me().slots.contains(slot)
            || target.opened(slot).is_some_and(|open| !open.migrating);
        if !takes {
            return Err("ERR Target instance replied with error: MOVED".to_owned());
        }
        for key in keys {
            let Some(value) = self.nodes[disk].data.get(key).cloned() else {
                continue;
            };
            if let Some(node) = self.nodes.get_mut(&there) {
                if node.data.contains_key(key) && !manner.replace {
                    return Err("ERR Target instance replied with error: BUSYKEY Target key name already exists.".to_owned());
                }
                Arc::make_mut(&mut node.data).insert(key.clone(), value);
            }
            if let Some(node) = self.nodes.get_mut(disk) {
                Arc::make_mut(&mut node.data).remove(key);
            }
        }
        Ok(())
    }
}

impl Node {
    /// The keys that clients wrote into a slot.
    pub(super) fn keys_of(&self, slot: Slot) -> impl Iterator<Item = &Vec<u8>> {
        self.data
            .keys()
            .filter(move |key| Slot::of_key(key) == slot)
    }

    /// How a slot is open here.
    pub(super) fn opened(&self, slot: Slot) -> Option<&OpenSlot> {
        self.open.iter().find(|open| open.slot == slot.number())
    }

    fn set_slot(&mut self, slot: Slot, state: &SlotState) -> Result<(), Refusal> {
        if self.me().role == Role::Replica {
            return Err("You can use SETSLOT only with masters.".to_owned());
        }
        let mine = self.me().slots.contains(slot);
        match state {
            SlotState::Migrating(_) if !mine => {
                Err(format!("I'm not the owner of hash slot {slot}"))
            }
            SlotState::Importing(_) if mine => {
                Err(format!("I'm already the owner of hash slot {slot}"))
            }
            SlotState::Migrating(other) => self.open(slot, true, other),
            SlotState::Importing(other) => self.open(slot, false, other),
            SlotState::Stable => {
                self.close(slot);
                Ok(())
            }
            SlotState::Owned(owner) => self.assign(slot, owner),
        }
    }

    fn open(&mut self, slot: Slot, migrating: bool, other: &NodeId) -> Result<(), Refusal> {
        match self.view.get(other) {
            None => return Err(format!("I don't know about node {other}")),
            Some(peer) if peer.role == Role::Replica => {
                return Err("Target node is not a master".to_owned());
            }
            Some(_) => {}
        }
        self.close(slot);
        self.open.push(OpenSlot {
            slot: slot.number(),
            migrating,
            other: other.clone(),
        });
        Ok(())
    }

    fn close(&mut self, slot: Slot) {
        self.open.retain(|open| open.slot != slot.number());
    }

    fn assign(&mut self, slot: Slot, owner: &NodeId) -> Result<(), Refusal> {
        if !self.view.contains_key(owner) {
            return Err(format!("Unknown node {owner}"));
        }
        let mine = self.me().slots.contains(slot);
        let empty = self.keys_of(slot).next().is_none();
        if mine && *owner != self.id && !empty {
            return Err(format!(
                "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
            ));
        }
        let imports = self.opened(slot).is_some_and(|open| !open.migrating);
        if (empty && !imports) || (imports && *owner == self.id) {
            self.close(slot);
        }
        if imports && *owner == self.id {
            self.bump_epoch();
        }
        let one: SlotSet = std::iter::once(slot).collect();
        for peer in self.view.values_mut() {
            peer.slots = peer.slots.minus(&one);
        }
        if let Some(peer) = self.view.get_mut(owner) {
            peer.slots = peer.slots.plus(&one);
        }
        let follows = self.setting("cluster-allow-replica-migration") != "no";
        if mine && *owner != self.id && self.me().slots.is_empty() && follows {
            self.follow(owner.clone());
        }
        Ok(())
    }

    /// `clusterBumpConfigEpochWithoutConsensus`.
    fn bump_epoch(&mut self) {
        let greatest = self.view.values().map(|peer| peer.epoch).max();
        let greatest = greatest.unwrap_or_default().max(self.current_epoch);
        if self.me().epoch == greatest && greatest.0 > 0 {
            return;
        }
        self.current_epoch.0 = greatest.0 + 1;
        let epoch = self.current_epoch;
        self.me_mut().epoch = epoch;
    }
}
