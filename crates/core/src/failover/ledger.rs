//! What became of the canaries' writes.

use super::{
    report::{Balance, OldMaster},
    words::{Lane, Outcome, Try},
};

/// What was found under the key of one attempt to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The value of this attempt.
    It,
    /// The value of a later attempt that wrote the same key.
    Later,
    /// The value of an earlier attempt, or none.
    Missing,
    /// A value that no canary wrote there.
    Strange,
}

impl Found {
    /// Compares the values of the keys of a lane's attempts, in their order, with what was written: the
    /// number of the attempt.
    pub fn all(lane: &Lane, values: &[Option<Vec<u8>>]) -> Vec<Self> {
        let one = |(attempt, value): (&Try, &Option<Vec<u8>>)| {
            let Some(value) = value else {
                return Found::Missing;
            };
            let text = std::str::from_utf8(value).ok();
            let written = text.and_then(|text| text.parse::<u64>().ok());
            let seq = attempt.seq;
            match written.filter(|written| lane.number(*written) == lane.number(seq)) {
                Some(written) if written == seq => Found::It,
                Some(written) if written > seq => Found::Later,
                Some(_) => Found::Missing,
                None => Found::Strange,
            }
        };
        lane.tries.iter().zip(values).map(one).collect()
    }

    /// Whether neither the value of this attempt nor of a later one was there.
    fn is_gone(self) -> bool {
        matches!(self, Found::Missing | Found::Strange)
    }
}

impl Balance {
    /// Adds a lane: what was found after the promotion (`first`) and at the very end (`last`); attempts
    /// past their ends were not looked for. Of the writes that are gone, as many as the shard has
    /// `evicted` do not count as lost.
    pub fn add(&mut self, lane: &Lane, first: &[Found], last: &[Found], evicted: &mut u64) {
        for (i, attempt) in lane.tries.iter().enumerate() {
            let found = last.get(i).copied();
            let there = found == Some(Found::It);
            let missing_at_first = first.get(i).is_some_and(|first| first.is_gone());
            match attempt.outcome {
                Outcome::Acked => {
                    self.acked += 1;
                    if found.is_some_and(Found::is_gone) {
                        match evicted.checked_sub(1) {
                            Some(less) => (*evicted, self.evicted) = (less, self.evicted + 1),
                            None => self.lost += 1,
                        }
                    }
                    self.data.unchecked += usize::from(found.is_none());
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
            self.data.mismatched += usize::from(found == Some(Found::Strange));
        }
        self.data.checked += last.len();
    }
}

impl OldMaster {
    /// Adds what the old master answered a loyal client after `from` (the thaw).
    pub fn add(&mut self, lane: &Lane, from: u64, last: &[Found]) {
        let mut then = None;
        for (i, attempt) in lane.tries.iter().enumerate() {
            if attempt.done_us() < from {
                continue;
            }
            match attempt.outcome {
                Outcome::Acked => {
                    self.accepted += 1;
                    self.lost += usize::from(last.get(i).is_some_and(|found| found.is_gone()));
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

    /// Of the first `looked_for` attempts, those with these numbers are there.
    fn found(there: &[u64], looked_for: u64) -> Vec<Found> {
        let is_there = |seq| {
            if there.contains(&seq) {
                Found::It
            } else {
                Found::Missing
            }
        };
        (1..=looked_for).map(is_there).collect()
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
        balance.add(&lane, &[], &found(&[1, 3], 5), &mut 0);
        assert_eq!((balance.acked, balance.lost), (2, 1));
        assert_eq!(balance.indeterminate, 2);
        assert_eq!(balance.data.indeterminate_done, 1);
        assert_eq!(balance.resurrected, 0);
    }

    #[test]
    fn what_could_not_be_looked_for_is_not_lost() {
        let lane = lane(&[(0, 1, OK), (1, 1, OK), (2, 1, OK)]);
        let mut balance = Balance::default();
        balance.add(&lane, &[], &found(&[1], 2), &mut 0);
        assert_eq!((balance.acked, balance.lost), (3, 1));
        assert_eq!(balance.data.unchecked, 1);
        balance.add(&lane, &[], &[], &mut 0);
        assert_eq!((balance.lost, balance.data.unchecked), (1, 4));
        let mut old = OldMaster::default();
        old.add(&lane, 0, &[]);
        assert_eq!((old.accepted, old.lost), (3, 0));
    }

    #[test]
    fn what_comes_back_is_resurrected_not_lost() {
        let lane = lane(&[(0, 1, OK), (1, 1, LATE), (2, 1, NO), (3, 1, OK)]);
        let mut balance = Balance::default();
        // The last write came after the first look.
        let (first, last) = (found(&[], 3), found(&[1, 2, 3, 4], 4));
        balance.add(&lane, &first, &last, &mut 0);
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
        let found = Found::all(&lane, &values(found));
        let mut balance = Balance::default();
        balance.add(&lane, &[], &found, &mut 0);
        assert_eq!((balance.acked, balance.lost), (5, 1));
        assert_eq!(balance.data.mismatched, 0);
        let strange = Found::all(&lane, &values([Some("x"), None, Some("2"), None, None]));
        let count = strange.iter().filter(|one| **one == Found::Strange).count();
        assert_eq!(count, 2);
    }

    #[test]
    fn what_was_evicted_is_not_lost() {
        let lane = lane(&[(0, 1, OK); 4]);
        let mut balance = Balance::default();
        let mut evicted = 2;
        balance.add(&lane, &[], &found(&[1], 4), &mut evicted);
        assert_eq!((balance.lost, balance.evicted, evicted), (1, 2, 0));
    }
}
