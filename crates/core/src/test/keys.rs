//! The keys that `test` uses on a shard. All begin with [`PREFIX`]; a hash tag puts each into a
//! slot of that shard.

use crate::slot::{Slot, SlotSet};

/// The beginning of every key of every run.
pub const PREFIX: &str = "rcluster:test:";

/// How many keys are written before hits are counted.
const PRELOADED: usize = 100;

/// Over how many slots of a shard the keys are spread.
const SPREAD: usize = 64;

/// How many tags are tried to find [`SPREAD`] of them, and how many more if none was found.
const TRIES: (u32, u32) = (8192, 400_000);

/// The keys of one run on one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// For SET, GET, DEL; also what MOVED is asked about.
    pub value: String,
    /// For INCR.
    pub counter: String,
    /// For EXPIRE.
    pub expiring: String,
    /// Three keys of one slot.
    pub tagged: [String; 3],
    /// A key of another slot of the shard, if it has another.
    pub elsewhere: Option<String>,
    /// The key whose write replicas acknowledge.
    pub waited: String,
    /// The keys that are written for hit ratio and latency.
    pub preloaded: Vec<String>,
}

impl Keys {
    /// Keys of the run called `run`, in these slots; `None` if there are no slots.
    pub fn choose(run: &str, slots: &SlotSet) -> Option<Self> {
        let tags = tags(run, slots);
        let (first, others) = tags.split_first()?;
        let key = |tag: &str, name: &str| format!("{PREFIX}{run}:{{{tag}}}:{name}");
        Some(Keys {
            value: key(first, "value"),
            counter: key(first, "counter"),
            expiring: key(first, "expiring"),
            tagged: ["a", "b", "c"].map(|name| key(first, name)),
            elsewhere: others.first().map(|tag| key(tag, "elsewhere")),
            waited: key(first, "waited"),
            preloaded: tags
                .iter()
                .cycle()
                .zip(1..=PRELOADED)
                .map(|(tag, i)| key(tag, &i.to_string()))
                .collect(),
        })
    }

    /// Every key that may have been written.
    pub fn written(&self) -> impl Iterator<Item = &String> {
        [&self.value, &self.counter, &self.expiring, &self.waited]
            .into_iter()
            .chain(&self.tagged)
            .chain(&self.preloaded)
    }

    /// The slot that [`Keys::value`] is in.
    pub fn slot(&self) -> Slot {
        Slot::of_key(self.value.as_bytes())
    }
}

/// Tags of different slots of the set, as many as are found quickly.
fn tags(run: &str, slots: &SlotSet) -> Vec<String> {
    let mut found: Vec<(Slot, String)> = Vec::new();
    if slots.is_empty() {
        return Vec::new();
    }
    for i in 0..TRIES.1 {
        if found.len() == SPREAD || (i >= TRIES.0 && !found.is_empty()) {
            break;
        }
        let tag = format!("{run}.{i}");
        let slot = Slot::of_key(tag.as_bytes());
        if slots.contains(slot) && found.iter().all(|(other, _)| *other != slot) {
            found.push((slot, tag));
        }
    }
    found.into_iter().map(|(_, tag)| tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::SlotRange;
    use proptest::prelude::*;

    fn set(from: u16, to: u16) -> SlotSet {
        SlotRange::new(from, to).into_iter().collect()
    }

    fn slot(key: &str) -> Slot {
        Slot::of_key(key.as_bytes())
    }

    #[test]
    fn a_shard_of_one_slot_has_keys_and_nothing_elsewhere() {
        let keys = Keys::choose("7f", &set(16383, 16383)).expect("keys");
        assert_eq!(keys.elsewhere, None);
        assert_eq!(keys.preloaded.len(), PRELOADED);
        assert_eq!(Keys::choose("7f", &SlotSet::default()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn keys_are_ours_distinct_and_in_the_shard(from in 0u16..16384, more in 0u16..6000) {
            let slots = set(from, from.saturating_add(more).min(16383));
            let keys = Keys::choose("1a2b", &slots).expect("keys");
            let mut all: Vec<&String> = keys.written().chain(&keys.elsewhere).collect();
            for key in &all {
                prop_assert!(key.starts_with(PREFIX));
                prop_assert!(slots.contains(slot(key)), "{key}");
            }
            let one: Vec<Slot> = keys.tagged.iter().map(|key| slot(key)).collect();
            prop_assert!(one.iter().all(|other| *other == keys.slot()));
            if let Some(elsewhere) = &keys.elsewhere {
                prop_assert_ne!(slot(elsewhere), keys.slot());
            }
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), 7 + PRELOADED + keys.elsewhere.iter().count());
        }
    }
}
