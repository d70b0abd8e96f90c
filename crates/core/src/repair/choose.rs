//! Who is to own a slot.

use super::picture::{Picture, Sick};
use crate::slot::Slot;
use std::collections::BTreeMap;

/// What is to become of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The move that was begun goes on to its end: it takes no more key moves than going back, and
    /// clients are served meanwhile.
    Finish {
        /// Who owns it.
        from: usize,
        /// Who is to own it.
        to: usize,
    },
    /// It is this master's; keys elsewhere are sent there.
    Belongs(usize),
}

/// What is to become of each slot; slots that nobody has any claim to are dealt evenly.
pub(super) fn fates(picture: &Picture<'_>) -> BTreeMap<Slot, Fate> {
    let mut fates = BTreeMap::new();
    let mut free = Vec::new();
    for (slot, sick) in &picture.sick {
        match of(picture, sick) {
            Some(fate) => {
                fates.insert(*slot, fate);
            }
            None => free.push(*slot),
        }
    }
    let owned = |at: usize| {
        let kept = usize::from(picture.masters[at].me.slots.count());
        let given = fates.iter().filter(|(slot, fate)| {
            **fate == Fate::Belongs(at) && !picture.masters[at].me.slots.contains(**slot)
        });
        kept + given.count()
    };
    let takers = (0..picture.masters.len()).filter(|at| picture.masters[*at].belongs);
    let counts: Vec<(usize, usize)> = takers.map(|at| (at, owned(at))).collect();
    let mut free = free.into_iter();
    for (at, share) in deal(&counts, free.len()) {
        let given = free.by_ref().take(share);
        fates.extend(given.map(|slot| (slot, Fate::Belongs(at))));
    }
    fates
}

fn of(picture: &Picture<'_>, sick: &Sick<'_>) -> Option<Fate> {
    match sick.claimants[..] {
        [owner] => Some(finish(picture, sick, owner).unwrap_or(Fate::Belongs(owner))),
        [] => {
            let most = sick.keys.iter().max_by_key(|(_, keys)| **keys);
            most.map(|(at, _)| *at).or(sick.believed).map(Fate::Belongs)
        }
        ref several => {
            let best = several
                .iter()
                .max_by_key(|at| (sick.keys_at(**at) > 0, picture.epoch(**at)));
            best.map(|at| Fate::Belongs(*at))
        }
    }
}

/// The other end of a move that is open at both ends and has sent at least half of the keys.
fn finish(picture: &Picture<'_>, sick: &Sick<'_>, owner: usize) -> Option<Fate> {
    let to = sick
        .open
        .iter()
        .find(|open| open.at == owner && open.migrating)?;
    let to = picture.place(to.other)?;
    let expects = sick.open.iter().any(|open| {
        open.at == to && !open.migrating && *open.other == picture.masters[owner].me.id
    });
    let others = sick.keys.keys().any(|at| *at != owner && *at != to);
    let arrived = sick.keys_at(to);
    (expects && !others && arrived > 0 && sick.keys_at(owner) <= arrived)
        .then_some(Fate::Finish { from: owner, to })
}

/// How many of `free` slots each of these gets, so that those with the fewest have as many as the
/// others.
fn deal(counts: &[(usize, usize)], free: usize) -> Vec<(usize, usize)> {
    if counts.is_empty() {
        return Vec::new();
    }
    let mut sorted = counts.to_vec();
    sorted.sort_by_key(|(at, count)| (*count, *at));
    // The most that a taker has if the first `n` of them share what is free.
    let level = (1..=sorted.len())
        .map(|n| {
            let sum: usize = sorted[..n].iter().map(|(_, count)| count).sum();
            (sum + free).div_ceil(n)
        })
        .min()
        .unwrap_or_default();
    let mut left = free;
    let mut shares: Vec<(usize, usize)> = Vec::new();
    for (at, count) in sorted {
        let share = level.saturating_sub(count).min(left);
        left -= share;
        shares.push((at, share));
    }
    shares.sort_unstable();
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_goes_to_those_with_the_fewest() {
        assert_eq!(
            deal(&[(0, 10), (1, 0), (2, 10)], 6),
            [(0, 0), (1, 6), (2, 0)]
        );
        assert_eq!(deal(&[(0, 5), (1, 5)], 4), [(0, 2), (1, 2)]);
        assert_eq!(deal(&[(0, 5), (1, 5)], 3), [(0, 2), (1, 1)]);
        assert_eq!(
            deal(&[(0, 100), (1, 5), (2, 0)], 10),
            [(0, 0), (1, 2), (2, 8)]
        );
        assert_eq!(deal(&[], 3), []);
    }
}
