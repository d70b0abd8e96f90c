//! What was asked for, and the moves that come of it.

use super::{
    moves::Move,
    outline::{Contents, Share},
    share::{self, By, Owner},
};
use crate::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
    plan::step::names,
    slot::{SlotRange, SlotSet},
};
use std::{collections::BTreeMap, fmt, str::FromStr};
use strum::IntoStaticStr;

/// What is to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Slots of these masters go to another; no source: of all.
    Reshard {
        /// Who gives.
        from: Vec<NodeName>,
        /// Who gets.
        to: NodeName,
        /// How many, or which.
        slots: Which,
    },
    /// Each master gets its share.
    Rebalance {
        /// What is spread.
        by: Measure,
        /// Shares that are not 1.
        weights: BTreeMap<NodeName, u32>,
        /// By how many percent a master may be off before anything is moved.
        threshold: u32,
    },
    /// These moves, as an earlier run decided.
    Moves(Vec<Move>),
}

/// How many slots, or which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// So many.
    Count(u16),
    /// These.
    Set(SlotSet),
}

/// What is spread over the masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Measure {
    /// The number of slots.
    Slots,
    /// The number of keys.
    Keys,
    /// Bytes of memory.
    Bytes,
}

impl Measure {
    /// `slots`, `keys` or `bytes`.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Wish {
    /// As it is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wish::Reshard { from, to, slots } => {
                f.write_str("reshard")?;
                if !from.is_empty() {
                    write!(f, " --from {}", names(from, ","))?;
                }
                match slots {
                    Which::Count(count) => write!(f, " --to {to} --slots {count}"),
                    Which::Set(set) => write!(f, " --to {to} --slots {set}"),
                }
            }
            Wish::Rebalance {
                by,
                weights,
                threshold,
            } => {
                write!(f, "rebalance --by {} --threshold {threshold}", by.word())?;
                weights
                    .iter()
                    .try_for_each(|(node, weight)| write!(f, " --weight {node}={weight}"))
            }
            Wish::Moves(_) => f.write_str("what was begun"),
        }
    }
}

impl FromStr for Which {
    type Err = String;

    /// `100` is a number of slots; `5-5` and `0-99,200-300` are slots.
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let wrong =
            || format!("'{text}' is neither a number of slots nor ranges such as 0-99,200-300");
        if let Ok(count) = text.parse() {
            return Ok(Which::Count(count));
        }
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            SlotRange::new(from.parse().ok()?, to.parse().ok()?)
        };
        let ranges: Option<Vec<SlotRange>> = text.split(',').map(range).collect();
        Ok(Which::Set(ranges.ok_or_else(wrong)?.into()))
    }
}

/// The moves that do what was asked for.
pub fn moves(wish: &Wish, shares: &[Share], contents: &Contents) -> Result<Vec<Move>> {
    match wish {
        Wish::Moves(moves) => Ok(moves.clone()),
        Wish::Reshard { from, to, slots } => reshard(from, to, slots, shares, contents),
        Wish::Rebalance {
            by,
            weights,
            threshold,
        } => rebalance(*by, weights, *threshold, shares, contents),
    }
}

fn reshard(
    from: &[NodeName],
    to: &NodeName,
    which: &Which,
    shares: &[Share],
    contents: &Contents,
) -> Result<Vec<Move>> {
    known(to, shares)?;
    from.iter().try_for_each(|name| known(name, shares))?;
    if from.contains(to) {
        return Err(Error::usage(format!("{to} cannot give slots to itself")));
    }
    let is_source =
        |share: &&Share| share.master != *to && (from.is_empty() || from.contains(&share.master));
    let sources = shares.iter().filter(is_source);
    match which {
        Which::Count(count) => {
            let owners: Vec<Owner> = sources.map(|share| owner(share, 1)).collect();
            let all: u32 = owners
                .iter()
                .map(|owner| u32::from(owner.slots.count()))
                .sum();
            if u32::from(*count) > all {
                return Err(
                    Error::usage(format!("there are {all} slots to take, not {count}"))
                        .hint(hint![Verb::Status, " shows who owns how many"]),
                );
            }
            Ok(share::collect(&owners, to, *count, &contents.bytes))
        }
        Which::Set(set) => {
            let mut left = set.clone();
            let mut moves = Vec::new();
            for share in sources {
                let slots = share.slots.minus(&share.slots.minus(set));
                left = left.minus(&slots);
                if !slots.is_empty() {
                    moves.push(Move {
                        from: share.master.clone(),
                        to: to.clone(),
                        slots,
                    });
                }
            }
            let there = shares.iter().find(|share| share.master == *to);
            let left = there.map_or(left.clone(), |share| left.minus(&share.slots));
            if !left.is_empty() {
                return Err(Error::usage(format!(
                    "slots {left} are not owned by those who are to give them"
                ))
                .hint(hint![
                    "leave --from out, or see who owns them: ",
                    Verb::Status
                ]));
            }
            Ok(moves)
        }
    }
}

fn rebalance(
    by: Measure,
    weights: &BTreeMap<NodeName, u32>,
    threshold: u32,
    shares: &[Share],
    contents: &Contents,
) -> Result<Vec<Move>> {
    weights.keys().try_for_each(|name| known(name, shares))?;
    let weight = |share: &Share| weights.get(&share.master).copied().unwrap_or(1);
    let owners: Vec<Owner> = shares
        .iter()
        .map(|share| owner(share, weight(share)))
        .collect();
    if owners.iter().all(|owner| owner.weight == 0) {
        return Err(Error::usage(
            "somebody has to own the slots: give at least one master a weight above 0",
        ));
    }
    let by = match by {
        Measure::Slots => By::Slots,
        Measure::Keys => By::Amount(&contents.keys),
        Measure::Bytes => By::Amount(&contents.bytes),
    };
    Ok(share::rebalance(&owners, by, &contents.bytes, threshold))
}

fn owner(share: &Share, weight: u32) -> Owner {
    Owner {
        name: share.master.clone(),
        slots: share.slots.clone(),
        weight,
    }
}

fn known(name: &NodeName, shares: &[Share]) -> Result<()> {
    if shares.iter().any(|share| share.master == *name) {
        return Ok(());
    }
    let masters: Vec<&str> = shares.iter().map(|share| share.master.as_str()).collect();
    Err(Error::usage(format!(
        "{name} is no master; the masters are {}",
        masters.join(", ")
    ))
    .hint(hint![Verb::Status, " shows who leads which shard"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_or_named() {
        assert_eq!("100".parse(), Ok(Which::Count(100)));
        let set = |text: &str| match text.parse() {
            Ok(Which::Set(set)) => set.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(set("5-5"), "5");
        assert_eq!(set("200-300,0-99"), "0-99,200-300");
        for wrong in ["", "a", "5-4", "0-16384", "1,", "-1"] {
            assert!(wrong.parse::<Which>().is_err(), "{wrong}");
        }
    }
}
