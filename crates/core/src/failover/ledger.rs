//! What became of the canaries' writes.

use super::{
    report::{Balance, OldMaster},
    words::{Lane, Outcome},
};
use std::collections::BTreeSet;

/// What was found under the keys of a lane's writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The attempts whose value was there.
    pub there: BTreeSet<u64>,
    /// The attempts whose key has the value of a later one.
    pub over: BTreeSet<u64>,
    /// The attempts whose key has a value that no canary wrote there.
    pub other: BTreeSet<u64>,
    /// How many of the first attempts were looked for.
    pub looked_for: usize,
}

impl Found {
    /// Compares the values of the keys of a lane's writes, in their order, with what was written. A
    /// canary writes the number of the attempt. If a key has the value of an older attempt, the newer
    /// one is missing.
    pub fn of(lane: &Lane, values: &[Option<Vec<u8>>]) -> Self {
        let mut found = Found {
            looked_for: values.len(),
            ..Found::default()
        };
        for (attempt, value) in lane.tries.iter().zip(values) {
            let Some(value) = value else { continue };
            let seq = attempt.seq;
            let text = std::str::from_utf8(value).ok();
            let written = text.and_then(|text| text.parse::<u64>().ok());
            match written.filter(|written| lane.number(*written) == lane.number(seq)) {
                Some(written) if written == seq => _ = found.there.insert(seq),
                Some(written) if written > seq => _ = found.over.insert(seq),
                Some(_) => {}
                None => _ = found.other.insert(seq),
            }
        }
        found
    }

    /// Whether neither this attempt nor a later one is there.
    fn lacks(&self, seq: u64) -> bool {
        !self.there.contains(&seq) && !self.over.contains(&seq)
    }
}

impl Balance {
    /// Adds a lane: what was found after the promotion (`first`) and at the very end (`last`). Of the
    /// missing writes, as many as the shard has `evicted` do not count as lost.
    pub fn add(&mut self, lane: &Lane, first: Option<&Found>, last: &Found, evicted: &mut u64) {
        for (i, attempt) in lane.tries.iter().enumerate() {
            let there = last.there.contains(&attempt.seq);
            let looked_for = i < last.looked_for;
            let missing_at_first =
                first.is_some_and(|first| i < first.looked_for && first.lacks(attempt.seq));
            match attempt.outcome {
                Outcome::Acked => {
                    self.acked += 1;
                    if looked_for && last.lacks(attempt.seq) {
                        match evicted.checked_sub(1) {
                            Some(less) => (*evicted, self.evicted) = (less, self.evicted + 1),
                            None => self.lost += 1,
                        }
                    }
                    self.data.unchecked += usize::from(!looked_for);
                    self.data.missing_at_promotion += usize::from(missing_at_first);
                    self.resurrected += usize::from(missing_at_first && there);
                }
                Outcome::Indeterminate(_) => {
                    self.indeterminate += 1;
                    self.data.indeterminate_done += usize::from(there);
                    self.resurrected += usize::from(missing_at_first && there);
                }
                Outcome::Refused(_) => self.resurrected += usize::from(there),
            }
            self.data.mismatched += usize::from(last.other.contains(&attempt.seq));
        }
        self.data.checked += last.looked_for;
    }
}

impl OldMaster {
    /// Adds what the old master answered a loyal client after `from` (the thaw).
    pub fn add(&mut self, lane: &Lane, from: u64, last: &Found) {
        let mut then = None;
        for (i, attempt) in lane.tries.iter().enumerate() {
            if attempt.done_us() < from {
                continue;
            }
            match attempt.outcome {
                Outcome::Acked => {
                    self.accepted += 1;
                    self.lost += usize::from(i < last.looked_for && last.lacks(attempt.seq));
                    let at = (attempt.done_us() - from) / 1000;
                    self.last_accepted_ms = self.last_accepted_ms.max(Some(at));
                    then = None;
                }
                Outcome::Refused(class) if then.is_none() => then = Some(class),
                _ => {}
            }
        }
        self.then = self.then.or(then);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::felt::tests::{LATE, NO, OK, lane};

    fn found(there: &[u64], looked_for: usize) -> Found {
        Found {
            there: there.iter().copied().collect(),
            looked_for,
            ..Found::default()
        }
    }

    #[test]
    fn only_acknowledged_writes_can_be_lost() {
        let lane = lane(&[
            (0, 1, OK),
            (1, 1, OK),
            (2, 1, LATE),
            (3, 1, LATE),
            (4, 1, NO),
        ]);
        let mut balance = Balance::default();
        balance.add(&lane, None, &found(&[1, 3], 5), &mut 0);
        assert_eq!((balance.acked, balance.lost), (2, 1));
        assert_eq!(balance.indeterminate, 2);
        assert_eq!(balance.data.indeterminate_done, 1);
        assert_eq!(balance.resurrected, 0);
    }

    #[test]
    fn what_could_not_be_looked_for_is_not_lost() {
        let lane = lane(&[(0, 1, OK), (1, 1, OK), (2, 1, OK)]);
        let mut balance = Balance::default();
        balance.add(&lane, None, &found(&[1], 2), &mut 0);
        assert_eq!((balance.acked, balance.lost), (3, 1));
        assert_eq!(balance.data.unchecked, 1);
        balance.add(&lane, None, &Found::default(), &mut 0);
        assert_eq!((balance.lost, balance.data.unchecked), (1, 4));
        let mut old = OldMaster::default();
        old.add(&lane, 0, &Found::default());
        assert_eq!((old.accepted, old.lost), (3, 0));
    }

    #[test]
    fn what_comes_back_is_resurrected_not_lost() {
        let lane = lane(&[(0, 1, OK), (1, 1, LATE), (2, 1, NO), (3, 1, OK)]);
        let mut balance = Balance::default();
        // The last write came after the first look.
        let (first, last) = (found(&[], 3), found(&[1, 2, 3, 4], 4));
        balance.add(&lane, Some(&first), &last, &mut 0);
        assert_eq!(balance.lost, 0);
        assert_eq!(balance.data.missing_at_promotion, 1);
        assert_eq!(balance.resurrected, 3);
    }

    #[test]
    fn a_key_that_is_written_again_hides_nothing_that_is_missing() {
        let mut lane = lane(&[(0, 1, OK); 5]);
        lane.keys = 2;
        assert_eq!([lane.key(3), lane.key(4)], ["k:1", "k:2"]);
        let values = |values: [Option<&str>; 5]| {
            values.map(|value| value.map(|value| value.as_bytes().to_vec()))
        };
        // Keys 1, 2, 1, 2, 1: the fourth write is missing, the second is there in its place.
        let found = [Some("5"), Some("2"), Some("5"), Some("2"), Some("5")];
        let found = Found::of(&lane, &values(found));
        let mut balance = Balance::default();
        balance.add(&lane, None, &found, &mut 0);
        assert_eq!((balance.acked, balance.lost), (5, 1));
        assert_eq!(balance.data.mismatched, 0);
        let strange = Found::of(&lane, &values([Some("x"), None, Some("2"), None, None]));
        assert_eq!(strange.other.len(), 2);
    }

    #[test]
    fn what_was_evicted_is_not_lost() {
        let lane = lane(&[(0, 1, OK); 4]);
        let mut balance = Balance::default();
        let mut evicted = 2;
        balance.add(&lane, None, &found(&[1], 4), &mut evicted);
        assert_eq!((balance.lost, balance.evicted, evicted), (1, 2, 0));
    }
}
