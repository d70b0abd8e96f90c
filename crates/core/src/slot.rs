//! Hash slots: the 16384 parts of the key space (cluster specification, "Key distribution model").

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many slots there are.
pub const SLOTS: u16 = 16384;

/// One hash slot, 0–16383.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(u16);

impl Slot {
    /// A slot, if the number is one.
    pub fn new(number: u16) -> Option<Self> {
        (number < SLOTS).then_some(Slot(number))
    }

    /// The slot of a key: CRC16 of the hash tag if there is one, else of the whole key
    /// (cluster specification, "Hash tags": the first `{` with a non-empty part up to the first `}` after it).
    pub fn of_key(key: &[u8]) -> Self {
        Slot(crc16::State::<crc16::XMODEM>::calculate(hash_tag(key)) % SLOTS)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of the key that is hashed.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else {
        return key;
    };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        Some(length) if length > 0 => &rest[..length],
        _ => key,
    }
}

/// A run of slots, both ends included. Serialized as `[from, to]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)")]
pub struct SlotRange(Slot, Slot);

impl TryFrom<(u16, u16)> for SlotRange {
    type Error = String;

    fn try_from((from, to): (u16, u16)) -> Result<Self, Self::Error> {
        SlotRange::new(from, to).ok_or_else(|| format!("{from}-{to} is no range of slots"))
    }
}

impl SlotRange {
    /// `from..=to`, if both are slots and in order.
    pub fn new(from: u16, to: u16) -> Option<Self> {
        match (Slot::new(from), Slot::new(to)) {
            (Some(from), Some(to)) if from <= to => Some(SlotRange(from, to)),
            _ => None,
        }
    }

    /// The first slot.
    pub fn from(self) -> Slot {
        self.0
    }

    /// The last slot.
    pub fn to(self) -> Slot {
        self.1
    }

    /// How many slots are in it; never 0.
    pub fn count(self) -> u16 {
        self.1.0 - self.0.0 + 1
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{}-{}", self.0, self.1)
        }
    }
}

/// A set of slots as sorted ranges that neither touch nor overlap, so that equal sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<SlotRange>", into = "Vec<SlotRange>")]
pub struct SlotSet(Vec<SlotRange>);

impl SlotSet {
    /// The ranges, in order.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.0
    }

    /// How many slots are in the set.
    pub fn count(&self) -> u16 {
        self.0.iter().map(|range| range.count()).sum()
    }

    /// Whether it has no slots.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest slot.
    pub fn first(&self) -> Option<Slot> {
        self.0.first().map(|range| range.from())
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0
            .iter()
            .any(|range| range.from() <= slot && slot <= range.to())
    }

    /// The slots of this set that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &SlotSet) -> SlotSet {
        let mut left = Vec::new();
        for range in &self.0 {
            let mut from = range.from().0;
            for cut in other
                .0
                .iter()
                .filter(|cut| cut.1 >= range.0 && cut.0 <= range.1)
            {
                left.extend(
                    cut.from()
                        .0
                        .checked_sub(1)
                        .and_then(|to| SlotRange::new(from, to)),
                );
                from = cut.to().0 + 1;
            }
            left.extend(SlotRange::new(from, range.to().0));
        }
        SlotSet(left)
    }

    /// The slots of both sets.
    #[must_use]
    pub fn plus(&self, other: &SlotSet) -> SlotSet {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// Every slot there is.
    pub fn all() -> SlotSet {
        SlotSet(vec![SlotRange(Slot(0), Slot(SLOTS - 1))])
    }

    /// Every slot, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0
            .iter()
            .flat_map(|range| (range.from().0..=range.to().0).map(Slot))
    }
}

impl From<Vec<SlotRange>> for SlotSet {
    fn from(ranges: Vec<SlotRange>) -> Self {
        ranges.into_iter().collect()
    }
}

impl From<SlotSet> for Vec<SlotRange> {
    fn from(set: SlotSet) -> Self {
        set.0
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let mut ranges: Vec<SlotRange> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut merged: Vec<SlotRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.0.0 <= last.1.0 + 1 => last.1 = last.1.max(range.1),
                _ => merged.push(range),
            }
        }
        SlotSet(merged)
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        slots
            .into_iter()
            .map(|slot| SlotRange(slot, slot))
            .collect()
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_hash_as_the_specification_says() {
        // "123456789" → 0x31C3 is the check value of CRC16/XMODEM given in the specification.
        assert_eq!(Slot::of_key(b"123456789").number(), 0x31C3 % SLOTS);
        let same = [b"{user1000}.following".as_slice(), b"{user1000}.followers"];
        assert_eq!(Slot::of_key(same[0]), Slot::of_key(same[1]));
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
    }

    #[test]
    fn a_range_past_the_end_is_not_a_range() {
        assert_eq!(SlotRange::new(0, 16384), None);
        assert_eq!(SlotRange::new(5, 4), None);
    }

    #[test]
    fn touching_ranges_merge() {
        let set: SlotSet = [(6, 9), (0, 5), (20, 20)]
            .into_iter()
            .filter_map(|(from, to)| SlotRange::new(from, to))
            .collect();
        assert_eq!(set.to_string(), "0-9,20");
        assert_eq!(set.count(), 11);
    }

    proptest! {
        #[test]
        fn a_set_is_its_slots(numbers in prop::collection::btree_set(0u16..SLOTS, 0..200)) {
            let set: SlotSet = numbers.iter().copied().filter_map(Slot::new).collect();
            let back: Vec<u16> = set.slots().map(Slot::number).collect();
            prop_assert_eq!(back, numbers.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn what_is_taken_away_is_gone(
            all in prop::collection::btree_set(0u16..40, 0..40),
            gone in prop::collection::btree_set(0u16..40, 0..40),
        ) {
            let set = |numbers: &mut dyn Iterator<Item = &u16>| -> SlotSet {
                numbers.copied().filter_map(Slot::new).collect()
            };
            let left = set(&mut all.iter()).minus(&set(&mut gone.iter()));
            prop_assert_eq!(left, set(&mut all.difference(&gone)));
        }
    }
}
