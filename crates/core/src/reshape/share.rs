//! Which slots move, so that every master gets its share and little data travels.

use super::moves::Move;
use crate::{
    node::NodeName,
    slot::{SLOTS, Slot, SlotSet},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// A slot whose data is so many times the mean of its master's slots is left where it is if others
/// will do: it may hold a huge key.
const OUTLIER: u64 = 8;

/// What lies in each slot. Empty: nothing is known, and all slots count alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loads(Vec<u64>);

impl Loads {
    /// Nothing is known of any slot.
    pub fn unknown() -> Self {
        Loads::default()
    }

    /// Adds what lies in a slot.
    pub fn add(&mut self, slot: Slot, amount: u64) {
        if self.0.is_empty() {
            self.0 = vec![0; usize::from(SLOTS)];
        }
        let here = &mut self.0[usize::from(slot.number())];
        *here = here.saturating_add(amount);
    }

    /// What lies in a slot.
    pub fn of(&self, slot: Slot) -> u64 {
        self.0.get(usize::from(slot.number())).copied().unwrap_or(0)
    }

    /// What lies in all of these.
    pub fn sum(&self, slots: &SlotSet) -> u64 {
        slots
            .slots()
            .fold(0, |sum, slot| sum.saturating_add(self.of(slot)))
    }
}

/// A master, what it owns, and how much of the whole it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: NodeName,
    /// Its slots.
    pub slots: SlotSet,
    /// Its share, relative to that of the others; 0: it is to own nothing.
    pub weight: u32,
}

/// What is spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// The number of slots.
    Slots,
    /// What lies in them.
    Amount(&'a Loads),
}

/// The moves after which each owner has its share, or none if nobody is off by more than `threshold`
/// percent of its share. `data` says what it costs to move a slot.
pub fn rebalance(owners: &[Owner], by: By<'_>, data: &Loads, threshold: u32) -> Vec<Move> {
    match by {
        By::Slots => by_slots(owners, data, threshold),
        By::Amount(amounts) => by_amount(owners, amounts, threshold),
    }
}

/// Takes `count` slots from these owners, from each in proportion to what it has, as redis-cli does.
pub fn collect(sources: &[Owner], to: &NodeName, count: u16, data: &Loads) -> Vec<Move> {
    let have: Vec<u64> = sources
        .iter()
        .map(|owner| u64::from(owner.slots.count()))
        .collect();
    let all: u64 = have.iter().sum();
    let taken = portions(&have, u64::from(count).min(all));
    let pairs = sources.iter().zip(taken);
    pairs
        .filter(|(_, count)| *count > 0)
        .map(|(owner, count)| Move {
            from: owner.name.clone(),
            to: to.clone(),
            slots: cheapest(&owner.slots, small(count), data),
        })
        .collect()
}

/// `count` of these slots, in few ranges (which keeps CLUSTER NODES and CLUSTER SLOTS short), of those
/// the ones with the least data, and none with much more than the others.
pub fn cheapest(slots: &SlotSet, count: u16, data: &Loads) -> SlotSet {
    let count = usize::from(count);
    let all: Vec<Slot> = slots.slots().collect();
    if count >= all.len() {
        return slots.clone();
    }
    if count == 0 {
        return SlotSet::default();
    }
    let mean = data.sum(slots) / (all.len() as u64).max(1);
    let ordinary: Vec<Slot> = all
        .iter()
        .copied()
        .filter(|slot| data.of(*slot) <= mean.saturating_mul(OUTLIER))
        .collect();
    let from = if ordinary.len() >= count {
        ordinary
    } else {
        all
    };
    cheapest_run(&from, count, data)
}

/// The `count` neighbours with the least data; of equals the last.
fn cheapest_run(slots: &[Slot], count: usize, data: &Loads) -> SlotSet {
    let mut sum: u64 = slots[..count].iter().map(|slot| data.of(*slot)).sum();
    let (mut least, mut begin) = (sum, 0);
    for end in count..slots.len() {
        sum = sum + data.of(slots[end]) - data.of(slots[end - count]);
        if sum <= least {
            (least, begin) = (sum, end + 1 - count);
        }
    }
    slots[begin..begin + count].iter().copied().collect()
}

fn by_slots(owners: &[Owner], data: &Loads, threshold: u32) -> Vec<Move> {
    let weights: Vec<u64> = owners.iter().map(|owner| u64::from(owner.weight)).collect();
    let have: Vec<u64> = owners
        .iter()
        .map(|owner| u64::from(owner.slots.count()))
        .collect();
    let mut wanted = portions(&weights, have.iter().sum());
    settle_remainders(&have, &weights, &mut wanted);
    if !is_off(&have, &wanted, threshold) {
        return Vec::new();
    }
    let mut given: Vec<SlotSet> = owners
        .iter()
        .zip(have.iter().zip(&wanted))
        .map(|(owner, (have, wanted))| {
            cheapest(&owner.slots, small(have.saturating_sub(*wanted)), data)
        })
        .collect();
    let mut moves = Vec::new();
    for (to, (have, wanted)) in owners.iter().zip(have.iter().zip(&wanted)) {
        let mut lacks = wanted.saturating_sub(*have);
        for (from, given) in owners.iter().zip(&mut given) {
            if lacks == 0 {
                break;
            }
            let slots: SlotSet = given.slots().take(usize::from(small(lacks))).collect();
            if slots.is_empty() {
                continue;
            }
            lacks -= u64::from(slots.count());
            *given = given.minus(&slots);
            moves.push(Move {
                from: from.name.clone(),
                to: to.name.clone(),
                slots,
            });
        }
    }
    moves
}

/// Whole portions differ by one from what is exact: who has that one already keeps it.
fn settle_remainders(have: &[u64], weights: &[u64], wanted: &mut [u64]) {
    for poor in 0..wanted.len() {
        if have[poor] <= wanted[poor] || weights[poor] == 0 {
            continue;
        }
        let rich = (0..wanted.len()).find(|i| {
            weights[*i] == weights[poor] && wanted[*i] > wanted[poor] && have[*i] < wanted[*i]
        });
        if let Some(rich) = rich {
            wanted.swap(poor, rich);
        }
    }
}

fn by_amount(owners: &[Owner], amounts: &Loads, threshold: u32) -> Vec<Move> {
    let weights: Vec<u64> = owners.iter().map(|owner| u64::from(owner.weight)).collect();
    let have: Vec<u64> = owners
        .iter()
        .map(|owner| amounts.sum(&owner.slots))
        .collect();
    let wanted = portions(&weights, have.iter().sum());
    let mut lacks: Vec<u64> = wanted
        .iter()
        .zip(&have)
        .map(|(wanted, have)| wanted.saturating_sub(*have))
        .collect();
    let off = is_off(&have, &wanted, threshold);
    let mut given: BTreeMap<(usize, usize), Vec<Slot>> = BTreeMap::new();
    for (i, from) in owners.iter().enumerate() {
        // Who is to own nothing gives the empty slots too.
        let all = from.weight == 0;
        if !off && !all {
            continue;
        }
        let mut surplus = have[i].saturating_sub(wanted[i]);
        let mut slots: Vec<Slot> = from.slots.slots().collect();
        slots.sort_by_key(|slot| Reverse(amounts.of(*slot)));
        for slot in slots {
            let amount = amounts.of(slot);
            if !all && (amount == 0 || amount > surplus) {
                continue;
            }
            let takers = (0..owners.len()).filter(|to| *to != i && owners[*to].weight > 0);
            let Some(to) = takers.max_by_key(|to| lacks[*to]) else {
                break;
            };
            // If it lacks less than half of the slot, the move makes nothing more even.
            if !all && lacks[to] < amount.div_ceil(2) {
                continue;
            }
            surplus = surplus.saturating_sub(amount);
            lacks[to] = lacks[to].saturating_sub(amount);
            given.entry((i, to)).or_default().push(slot);
        }
    }
    let moves = given.into_iter().map(|((from, to), slots)| Move {
        from: owners[from].name.clone(),
        to: owners[to].name.clone(),
        slots: slots.into_iter().collect(),
    });
    moves.collect()
}

/// Whether anybody is off by more than so many percent of its share, or owns what it is not to own.
fn is_off(have: &[u64], wanted: &[u64], threshold: u32) -> bool {
    have.iter().zip(wanted).any(|(have, wanted)| {
        let off = u128::from(have.abs_diff(*wanted));
        off * 100 > u128::from(*wanted) * u128::from(threshold)
    })
}

/// `total` in whole portions, in proportion to the weights; they add up to it.
fn portions(weights: &[u64], total: u64) -> Vec<u64> {
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if all == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(weight) * u128::from(total);
    let mut portions: Vec<u64> = weights
        .iter()
        .map(|weight| u64::try_from(exact(*weight) / all).unwrap_or(u64::MAX))
        .collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|i| Reverse(exact(weights[*i]) % all));
    let missing = total - portions.iter().sum::<u64>();
    for i in order
        .into_iter()
        .take(usize::try_from(missing).unwrap_or(0))
    {
        portions[i] += 1;
    }
    portions
}

fn small(count: u64) -> u16 {
    u16::try_from(count).unwrap_or(SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::SlotRange;
    use proptest::prelude::*;

    fn owner(name: &str, ranges: &[(u16, u16)], weight: u32) -> Owner {
        Owner {
            name: NodeName::new(name),
            slots: ranges
                .iter()
                .filter_map(|(a, b)| SlotRange::new(*a, *b))
                .collect(),
            weight,
        }
    }

    fn three() -> Vec<Owner> {
        vec![
            owner("a", &[(0, 5460)], 1),
            owner("b", &[(5461, 10922)], 1),
            owner("c", &[(10923, 16383)], 1),
        ]
    }

    fn texts(moves: &[Move]) -> Vec<String> {
        let text = |one: &Move| format!("{}→{} {}", one.from, one.to, one.slots);
        moves.iter().map(text).collect()
    }

    #[test]
    fn what_is_even_stays() {
        let data = Loads::unknown();
        assert_eq!(rebalance(&three(), By::Slots, &data, 2), []);
        assert_eq!(rebalance(&three(), By::Slots, &data, 0), []);
    }

    #[test]
    fn a_new_master_gets_its_share_from_all() {
        let mut owners = three();
        owners.push(owner("d", &[], 1));
        let moves = rebalance(&owners, By::Slots, &Loads::unknown(), 2);
        assert_eq!(
            texts(&moves),
            ["a→d 4096-5460", "b→d 9557-10922", "c→d 15019-16383"]
        );
    }

    #[test]
    fn who_has_no_weight_gives_everything() {
        let mut owners = three();
        owners[2].weight = 0;
        let moves = rebalance(&owners, By::Slots, &Loads::unknown(), 2);
        let given: u16 = moves.iter().map(|one| one.slots.count()).sum();
        assert_eq!(given, 5461);
        assert!(moves.iter().all(|one| one.from.as_str() == "c"));
    }

    #[test]
    fn a_slot_with_a_huge_key_stays() {
        let mut data = Loads::unknown();
        for slot in SlotSet::all().slots() {
            data.add(slot, 100);
        }
        data.add(Slot::new(5460).expect("a slot"), 1 << 40);
        let taken = cheapest(&three()[0].slots, 1000, &data);
        assert_eq!(taken.to_string(), "4460-5459");
    }

    #[test]
    fn little_data_is_preferred_and_few_ranges_too() {
        let mut data = Loads::unknown();
        for slot in SlotSet::all().slots() {
            data.add(slot, 1000);
        }
        let taken = cheapest(&three()[0].slots, 100, &data);
        assert_eq!(taken.to_string(), "5361-5460");
        let mut data = Loads::unknown();
        for slot in SlotSet::all().slots().filter(|slot| slot.number() > 99) {
            data.add(slot, 1000);
        }
        assert_eq!(cheapest(&three()[0].slots, 100, &data).to_string(), "0-99");
    }

    #[test]
    fn sources_give_in_proportion() {
        let moves = collect(&three(), &NodeName::new("d"), 100, &Loads::unknown());
        let counts: Vec<u16> = moves.iter().map(|one| one.slots.count()).collect();
        assert_eq!(counts, [33, 34, 33]);
    }

    #[test]
    fn keys_are_evened_out() {
        let mut keys = Loads::unknown();
        for slot in (0..100).filter_map(Slot::new) {
            keys.add(slot, 30);
        }
        let moves = rebalance(&three(), By::Amount(&keys), &Loads::unknown(), 2);
        let moved: u64 = moves.iter().map(|one| keys.sum(&one.slots)).sum();
        assert_eq!(moved, 1980, "{:?}", texts(&moves));
    }

    fn shares() -> impl Strategy<Value = Vec<Owner>> {
        let cuts = prop::collection::btree_set(1..SLOTS, 1..8);
        (cuts, prop::collection::vec(0u32..4, 9)).prop_map(|(cuts, weights)| {
            let ends = cuts.iter().copied().chain([SLOTS]);
            let mut from = 0;
            ends.zip(weights)
                .map(|(end, weight)| {
                    let owner = owner(
                        &format!("n{from}"),
                        &[(from, end - 1)],
                        weight.max(u32::from(from == 0)),
                    );
                    from = end;
                    owner
                })
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn each_gets_its_share_and_no_slot_is_lost(owners in shares(), amounts in prop::collection::vec(0u64..1000, 64)) {
            let mut data = Loads::unknown();
            for (slot, amount) in SlotSet::all().slots().zip(amounts.iter().cycle()) {
                data.add(slot, *amount);
            }
            for by in [By::Slots, By::Amount(&data)] {
                let moves = rebalance(&owners, by, &data, 0);
                let mut after: Vec<SlotSet> = owners.iter().map(|owner| owner.slots.clone()).collect();
                let find = |name: &NodeName| owners.iter().position(|owner| owner.name == *name).expect("known");
                for one in &moves {
                    prop_assert!(one.slots.minus(&owners[find(&one.from)].slots).is_empty());
                    after[find(&one.from)] = after[find(&one.from)].minus(&one.slots);
                    after[find(&one.to)] = after[find(&one.to)].plus(&one.slots);
                }
                let total: u32 = after.iter().map(|slots| u32::from(slots.count())).sum();
                prop_assert_eq!(total, u32::from(SLOTS));
                for (owner, slots) in owners.iter().zip(&after) {
                    prop_assert!(owner.weight > 0 || slots.is_empty());
                }
                if by == By::Slots {
                    let weights: u32 = owners.iter().map(|owner| owner.weight).sum();
                    for (owner, slots) in owners.iter().zip(&after) {
                        let exact = f64::from(SLOTS) * f64::from(owner.weight) / f64::from(weights);
                        prop_assert!((f64::from(slots.count()) - exact).abs() <= 1.0);
                    }
                    prop_assert_eq!(rebalance(&apply(&owners, &after), By::Slots, &data, 0), vec![]);
                }
            }
        }
    }

    fn apply(owners: &[Owner], after: &[SlotSet]) -> Vec<Owner> {
        let pairs = owners.iter().zip(after);
        pairs
            .map(|(owner, slots)| Owner {
                slots: slots.clone(),
                ..owner.clone()
            })
            .collect()
    }
}
