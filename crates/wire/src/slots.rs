//! What moves slots and their keys from one node to another.

use super::{LiveWire, live::HEAVY_DEADLINE};
use async_trait::async_trait;
use rcluster_core::{
    node::{Address, Endpoint, NodeId},
    reshape::moves::{Manner, SlotState},
    slot::{Slot, SlotSet},
    snapshot::answer::{WireError, WireResult},
};
use redis::{Cmd, Pipeline, cmd};

/// Keys of one slot that one MIGRATE takes along.
pub type Parcel = Vec<Vec<u8>>;

/// Calls on one node each, about slots and about keys by slot.
#[async_trait]
pub trait Slots: Send + Sync {
    /// CLUSTER SETSLOT of each slot, in one pipeline. Each slot has its own answer; an error of the
    /// whole means that nobody knows which were carried out.
    async fn set_slots(
        &self,
        at: &Endpoint,
        slots: &[Slot],
        state: &SlotState,
    ) -> WireResult<Vec<WireResult<()>>>;

    /// CLUSTER SETSLOT NODE of slots that this node imports, to itself, in one pipeline.
    ///
    /// Of an imported slot, Redis takes a greater epoch and tells every node (`clusterCommand`); with a
    /// thousand slots that is a thousand messages to each. So only the first is taken so, for the epoch,
    /// and the last, for the message, which has all slots. The others are closed (STABLE) before.
    async fn claim_slots(
        &self,
        at: &Endpoint,
        slots: &[Slot],
        myself: &NodeId,
    ) -> WireResult<Vec<WireResult<()>>>;

    /// CLUSTER COUNTKEYSINSLOT of each slot, in their order.
    async fn count_keys(&self, at: &Endpoint, slots: &[Slot]) -> WireResult<Vec<u64>>;

    /// CLUSTER GETKEYSINSLOT: up to so many keys of each slot, in their order.
    async fn keys_in(&self, at: &Endpoint, slots: &[(Slot, u64)]) -> WireResult<Vec<Vec<Vec<u8>>>>;

    /// MEMORY USAGE of each key; `None` for a key that is gone.
    async fn sizes(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<Vec<Option<u64>>>;

    /// MIGRATE of each parcel in one pipeline: the node sends the keys to `to`, and removes them
    /// here once `to` has them. The node serves nobody meanwhile. Keys that are gone are no error.
    async fn migrate(
        &self,
        at: &Endpoint,
        parcels: &[Parcel],
        to: Address,
        manner: Manner,
    ) -> WireResult<Vec<WireResult<()>>>;

    /// CLUSTER DELSLOTSRANGE: in this node's view nobody owns them any more.
    async fn drop_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()>;

    /// CLUSTER BUMPEPOCH: the node takes a configuration epoch above all it has heard of.
    async fn bump_epoch(&self, at: &Endpoint) -> WireResult<()>;

    /// FUNCTION DUMP: all libraries of functions, as FUNCTION RESTORE takes them.
    async fn functions(&self, at: &Endpoint) -> WireResult<Vec<u8>>;

    /// FUNCTION RESTORE … REPLACE.
    async fn restore_functions(&self, at: &Endpoint, dump: &[u8]) -> WireResult<()>;
}

#[async_trait]
impl Slots for LiveWire {
    async fn set_slots(
        &self,
        at: &Endpoint,
        slots: &[Slot],
        state: &SlotState,
    ) -> WireResult<Vec<WireResult<()>>> {
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(slots.len());
        for slot in slots {
            pipeline.add_command(set_slot(*slot, state));
        }
        let mut replies = self.send_patiently(at, &pipeline, HEAVY_DEADLINE).await?;
        let taken = slots.iter().map(|_| replies.take("CLUSTER SETSLOT"));
        Ok(taken.collect())
    }

    async fn claim_slots(
        &self,
        at: &Endpoint,
        slots: &[Slot],
        myself: &NodeId,
    ) -> WireResult<Vec<WireResult<()>>> {
        let owned = SlotState::Owned(myself.clone());
        let mut pipeline = Pipeline::with_capacity(slots.len() * 2);
        for (i, slot) in slots.iter().enumerate() {
            if i > 0 && i + 1 < slots.len() {
                pipeline.add_command(set_slot(*slot, &SlotState::Stable));
            }
            pipeline.add_command(set_slot(*slot, &owned));
        }
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let mut replies = self.send_patiently(at, &pipeline, HEAVY_DEADLINE).await?;
        let taken = (0..pipeline.len()).map(|_| replies.take("CLUSTER SETSLOT"));
        Ok(taken.collect())
    }

    async fn count_keys(&self, at: &Endpoint, slots: &[Slot]) -> WireResult<Vec<u64>> {
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(slots.len());
        for slot in slots {
            let command = pipeline.cmd("CLUSTER").arg("COUNTKEYSINSLOT");
            command.arg(slot.number());
        }
        let mut replies = self.send(at, &pipeline).await?;
        let taken = slots
            .iter()
            .map(|_| replies.take("CLUSTER COUNTKEYSINSLOT"));
        taken.collect()
    }

    async fn keys_in(&self, at: &Endpoint, slots: &[(Slot, u64)]) -> WireResult<Vec<Vec<Vec<u8>>>> {
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(slots.len());
        for (slot, most) in slots {
            let command = pipeline.cmd("CLUSTER").arg("GETKEYSINSLOT");
            command.arg(slot.number()).arg(*most);
        }
        let mut replies = self.send(at, &pipeline).await?;
        let taken = slots.iter().map(|_| replies.take("CLUSTER GETKEYSINSLOT"));
        taken.collect()
    }

    async fn sizes(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<Vec<Option<u64>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in keys {
            pipeline.cmd("MEMORY").arg("USAGE").arg(key);
        }
        let mut replies = self.send(at, &pipeline).await?;
        keys.iter().map(|_| replies.take("MEMORY USAGE")).collect()
    }

    async fn migrate(
        &self,
        at: &Endpoint,
        parcels: &[Parcel],
        to: Address,
        manner: Manner,
    ) -> WireResult<Vec<WireResult<()>>> {
        if parcels.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(parcels.len());
        for keys in parcels {
            pipeline.add_command(self.migrate_command(keys, to, manner));
        }
        // Both ends may wait that long for each other.
        let patience = manner.patience.saturating_mul(2);
        let mut replies = self.send_patiently(at, &pipeline, patience).await?;
        // OK, or NOKEY if all of them are gone.
        let taken = parcels.iter().map(|_| replies.take::<String>("MIGRATE"));
        Ok(taken.map(|reply| reply.map(drop)).collect())
    }

    async fn drop_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("DELSLOTSRANGE");
        for range in slots.ranges() {
            command.arg(range.from().number()).arg(range.to().number());
        }
        self.call(at, command).await
    }

    async fn bump_epoch(&self, at: &Endpoint) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("BUMPEPOCH");
        // BUMPED or STILL, and the epoch.
        self.call::<String>(at, command).await.map(drop)
    }

    async fn functions(&self, at: &Endpoint) -> WireResult<Vec<u8>> {
        let mut command = cmd("FUNCTION");
        command.arg("DUMP");
        self.call(at, command).await
    }

    async fn restore_functions(&self, at: &Endpoint, dump: &[u8]) -> WireResult<()> {
        let mut command = cmd("FUNCTION");
        command.arg("RESTORE").arg(dump).arg("REPLACE");
        self.call(at, command).await
    }
}

impl LiveWire {
    /// `MIGRATE host port "" 0 timeout [REPLACE] [AUTH password | AUTH2 user password] KEYS key…`
    fn migrate_command(&self, keys: &[Vec<u8>], to: Address, manner: Manner) -> Cmd {
        let mut command = cmd("MIGRATE");
        let millis = u64::try_from(manner.patience.as_millis()).unwrap_or(u64::MAX);
        command.arg(to.ip.to_string()).arg(to.port);
        command.arg("").arg(0).arg(millis.max(1));
        if manner.replace {
            command.arg("REPLACE");
        }
        let login = self.login();
        if let Some(secret) = &login.secret {
            match &login.user {
                Some(user) => command.arg("AUTH2").arg(user).arg(secret.reveal()),
                None => command.arg("AUTH").arg(secret.reveal()),
            };
        }
        command.arg("KEYS").arg(keys);
        command
    }
}

fn set_slot(slot: Slot, state: &SlotState) -> Cmd {
    let (word, id): (&str, Option<&NodeId>) = match state {
        SlotState::Importing(from) => ("IMPORTING", Some(from)),
        SlotState::Migrating(to) => ("MIGRATING", Some(to)),
        SlotState::Owned(by) => ("NODE", Some(by)),
        SlotState::Stable => ("STABLE", None),
    };
    let mut command = cmd("CLUSTER");
    command.arg("SETSLOT").arg(slot.number()).arg(word);
    if let Some(id) = id {
        command.arg(id.as_str());
    }
    command
}

/// The first error among answers that belong together.
pub fn all_done(answers: Vec<WireResult<()>>) -> Result<(), WireError> {
    answers.into_iter().collect()
}
