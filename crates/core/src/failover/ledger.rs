//! What the canaries' logs mean: outages, losses, errors, latency.
//!
//! `lost` is an acknowledged write that is not there at the end. A time-out is neither lost nor
//! kept until it is looked for; a value that was missing once and is there later is resurrected.

use crate::failover::{
    report::{Availability, Bucket, Data, Instant, Latency, OldMaster},
    words::{Class, Errand, Lane, Outcome, Try},
};
use std::collections::{BTreeMap, BTreeSet};

/// Microseconds to milliseconds, for people.
#[expect(clippy::cast_precision_loss, reason = "2^53 µs are 285 years")]
pub fn ms(us: u64) -> f64 {
    (us as f64 / 100.0).round() / 10.0
}

/// Milliseconds after `from` (both in µs); negative before it.
fn since(us: u64, from: u64) -> f64 {
    if us >= from {
        ms(us - from)
    } else {
        -ms(from - us)
    }
}

/// An outage as a client saw it. All in microseconds since the canaries began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The first failed attempt.
    pub first_error: Try,
    /// The attempt before the one that ended it, and the one that did; `None`: it did not end.
    pub end: Option<(u64, Try)>,
}

/// The first outage after `inject_us` on a lane: from the first attempt that failed to the first
/// that was acknowledged after it was sent.
pub fn outage(lane: &Lane, inject_us: u64) -> Option<Outage> {
    let after = || {
        lane.tries
            .iter()
            .filter(|attempt| attempt.done_us() >= inject_us)
    };
    let first_error = *after().find(|attempt| !attempt.acked())?;
    let mut before = first_error.sent_us;
    for attempt in after().filter(|attempt| attempt.sent_us > first_error.sent_us) {
        if attempt.acked() {
            return Some(Outage {
                first_error,
                end: Some((before, *attempt)),
            });
        }
        before = attempt.sent_us;
    }
    Some(Outage {
        first_error,
        end: None,
    })
}

/// The longest outage of a lane that began within `[inject_us, until_us]`; one that did not end is
/// the longest of all.
pub fn longest_outage(lane: &Lane, inject_us: u64, until_us: u64) -> Option<Outage> {
    let mut longest: Option<(u64, Outage)> = None;
    let mut from = inject_us;
    while let Some(found) = outage(lane, from) {
        if found.first_error.sent_us > until_us {
            break;
        }
        let end = found.end.map_or(u64::MAX, |(_, end)| end.done_us());
        let length = end.saturating_sub(found.first_error.sent_us);
        if longest.is_none_or(|(most, _)| length > most) {
            longest = Some((length, found));
        }
        if end == u64::MAX {
            break;
        }
        from = end;
    }
    longest.map(|(_, outage)| outage)
}

impl Outage {
    /// When the first error was heard.
    pub fn error_at(&self, inject_us: u64) -> Instant {
        Instant {
            ms: since(self.first_error.done_us(), inject_us),
            resolution_ms: ms(self.first_error.took_us),
            seen_by: match self.first_error.outcome {
                Outcome::Acked => "client".to_owned(),
                Outcome::Refused(class) | Outcome::Indeterminate(class) => {
                    format!("client: {}", class.word())
                }
            },
        }
    }

    /// From its first error to the answer that ended it; `None`: it did not end.
    pub fn lasted_ms(&self) -> Option<f64> {
        let (_, end) = self.end?;
        Some(ms(end.done_us().saturating_sub(self.first_error.sent_us)))
    }

    /// When the first acknowledged attempt after it was answered.
    pub fn ok_at(&self, inject_us: u64) -> Option<Instant> {
        let (before, attempt) = self.end?;
        Some(Instant {
            ms: since(attempt.done_us(), inject_us),
            resolution_ms: ms(attempt.done_us().saturating_sub(before)),
            seen_by: "client".to_owned(),
        })
    }
}

/// The longest time from one acknowledgement to the next on a lane within `[from, to]`, less the
/// pace at which it asks.
pub fn worst_pause_us(lane: &Lane, from: u64, to: u64) -> u64 {
    let mut last = from;
    let mut worst = 0;
    for attempt in lane.tries.iter().filter(|attempt| attempt.acked()) {
        let done = attempt.done_us();
        if done < from {
            continue;
        }
        if attempt.sent_us > to {
            worst = worst.max(done.min(to).saturating_sub(last));
            return worst;
        }
        worst = worst.max(done.saturating_sub(last));
        last = done;
    }
    worst.max(to.saturating_sub(last))
}

/// Attempts that were not acknowledged, by class.
pub fn errors<'a>(lanes: impl Iterator<Item = &'a Lane>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for attempt in lanes.flat_map(|lane| &lane.tries) {
        if let Outcome::Refused(class) | Outcome::Indeterminate(class) = attempt.outcome {
            *counts.entry(class.word()).or_insert(0) += 1;
        }
    }
    counts
}

/// Percentiles of the acknowledged attempts sent within `[from, to)` by a client that was to send
/// one each `pace_us`. While it waits for an answer it sends none: those that it did not send would
/// have waited, too, and count as if they had, or a stall would hide in a single slow attempt.
pub fn latency(lane: &Lane, from: u64, to: u64, pace_us: u64) -> Latency {
    let pace = usize::try_from(pace_us.max(1)).unwrap_or(usize::MAX);
    let tries = lane.tries.iter();
    let acked: Vec<u64> = tries
        .filter(|attempt| attempt.acked() && (from..to).contains(&attempt.sent_us))
        .map(|attempt| attempt.took_us)
        .collect();
    let waits = |took: &u64| (0..=*took).rev().step_by(pace).take(MOST_OMITTED);
    let mut took: Vec<u64> = acked.iter().flat_map(waits).collect();
    took.sort_unstable();
    let fine = |us: u64| {
        #[expect(clippy::cast_precision_loss, reason = "latencies are small")]
        let ms = us as f64 / 1000.0;
        (ms * 1000.0).round() / 1000.0
    };
    let at = |percent: usize| fine(percentile(&took, percent).unwrap_or(0));
    Latency {
        count: acked.len(),
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
    }
}

/// Of one attempt: more would be an outage.
const MOST_OMITTED: usize = 1000;

/// The nearest-rank percentile of sorted values.
pub fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The share of attempts sent within `[from, to)` that were acknowledged.
fn share<'a>(lanes: impl Iterator<Item = &'a Lane>, from: u64, to: u64) -> f64 {
    let (mut acked, mut all) = (0_u32, 0_u32);
    for attempt in lanes.flat_map(|lane| &lane.tries) {
        if (from..to).contains(&attempt.sent_us) {
            all += 1;
            acked += u32::from(attempt.acked());
        }
    }
    match all {
        0 => 1.0,
        _ => (f64::from(acked) / f64::from(all) * 10_000.0).round() / 10_000.0,
    }
}

/// Of the victim's shard and of the others.
pub fn availability(lanes: &[Lane], shards: &[usize], from: u64, to: u64) -> Availability {
    let follows = |lane: &&Lane| lane.errand != Errand::Loyal;
    let hit = |lane: &&Lane| shards.contains(&lane.shard);
    Availability {
        victim_shard: share(lanes.iter().filter(follows).filter(hit), from, to),
        others: share(
            lanes.iter().filter(follows).filter(|lane| !hit(lane)),
            from,
            to,
        ),
    }
}

/// What was found under the key of each write of a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Sequence numbers whose key was there with the value that was written.
    pub there: BTreeSet<u64>,
    /// Sequence numbers whose key was written again later, and had that value.
    pub over: BTreeSet<u64>,
    /// Sequence numbers whose key had another value.
    pub other: BTreeSet<u64>,
    /// How many were looked for; later ones were not.
    pub looked_for: usize,
}

impl Found {
    /// Reads the values of the keys of a lane's writes, in their order. A canary writes the number of
    /// the attempt. Where an older one of the same key is found, the newer one is missing.
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

    /// Whether nothing is left of this attempt.
    fn lacks(&self, seq: u64) -> bool {
        !self.there.contains(&seq) && !self.over.contains(&seq)
    }
}

/// What the writes came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Acknowledged writes.
    pub acked: usize,
    /// Acknowledged, and not there at the end.
    pub lost: usize,
    /// Acknowledged, and evicted since.
    pub evicted: usize,
    /// Nobody knew.
    pub indeterminate: usize,
    /// Missing once, or refused, and there at the end.
    pub resurrected: usize,
    /// Keys.
    pub data: Data,
}

impl Balance {
    /// Adds a lane: what was found after the promotion (`first`) and at the very end (`last`).
    /// As many of those that are missing as its shard has `evicted` are not lost.
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

/// What the old master took from a loyal client after `from` (the fault, or the thaw).
pub fn old_master(lane: &Lane, from: u64, last: &Found) -> OldMaster {
    let mut seen = OldMaster::default();
    for (i, attempt) in lane.tries.iter().enumerate() {
        if attempt.done_us() < from {
            continue;
        }
        match attempt.outcome {
            Outcome::Acked => {
                seen.accepted += 1;
                seen.lost += usize::from(i < last.looked_for && last.lacks(attempt.seq));
                seen.last_accepted_ms = Some((attempt.done_us() - from) / 1000);
                seen.then = None;
            }
            Outcome::Refused(class) if seen.then.is_none() => seen.then = Some(class),
            _ => {}
        }
    }
    seen
}

/// Cuts the log into buckets around the fault.
pub fn series(lanes: &[Lane], shards: &[usize], inject_us: u64, width_us: u64) -> Vec<Bucket> {
    #[derive(Default)]
    struct Draft {
        took: Vec<u64>,
        failed: usize,
        others_failed: usize,
    }
    let width = i64::try_from(width_us.max(1)).unwrap_or(i64::MAX);
    let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
    let mut drafts: BTreeMap<i64, Draft> = BTreeMap::new();
    for lane in lanes.iter().filter(|lane| lane.errand == Errand::Write) {
        for attempt in &lane.tries {
            let index = (signed(attempt.sent_us) - signed(inject_us)).div_euclid(width);
            let draft = drafts.entry(index).or_default();
            match (shards.contains(&lane.shard), attempt.acked()) {
                (true, true) => draft.took.push(attempt.took_us),
                (true, false) => draft.failed += 1,
                (false, true) => {}
                (false, false) => draft.others_failed += 1,
            }
        }
    }
    drafts
        .into_iter()
        .map(|(index, mut draft)| {
            draft.took.sort_unstable();
            Bucket {
                ms: index * width / 1000,
                acked: draft.took.len(),
                failed: draft.failed,
                p50_ms: ms(percentile(&draft.took, 50).unwrap_or(0)),
                max_ms: ms(percentile(&draft.took, 100).unwrap_or(0)),
                others_failed: draft.others_failed,
            }
        })
        .collect()
}

/// Whether a class is what a client of another shard may hear in such a drill.
pub fn is_redirection(class: Class) -> bool {
    matches!(class, Class::Moved | Class::Ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(tries: &[(u64, u64, Outcome)]) -> Lane {
        Lane {
            shard: 1,
            errand: Errand::Write,
            prefix: "k:".to_owned(),
            keys: u64::MAX,
            tries: (1..)
                .zip(tries)
                .map(|(seq, (sent, took, outcome))| Try {
                    seq,
                    sent_us: sent * 1000,
                    took_us: took * 1000,
                    outcome: *outcome,
                })
                .collect(),
        }
    }

    const OK: Outcome = Outcome::Acked;
    const NO: Outcome = Outcome::Refused(Class::Refused);
    const LATE: Outcome = Outcome::Indeterminate(Class::Timeout);

    fn found(there: &[u64], looked_for: usize) -> Found {
        Found {
            there: there.iter().copied().collect(),
            over: BTreeSet::new(),
            other: BTreeSet::new(),
            looked_for,
        }
    }

    #[test]
    fn an_outage_lasts_from_its_first_error_to_the_next_answer() {
        let lane = lane(&[
            (0, 1, OK),
            (10, 1, OK),
            (20, 5, LATE),
            (30, 1, NO),
            (40, 2, OK),
        ]);
        let outage = outage(&lane, 15_000).expect("an outage");
        assert!((outage.error_at(15_000).ms - 10.0).abs() < 0.01);
        let ok = outage.ok_at(15_000).expect("it ended");
        assert!((ok.ms - 27.0).abs() < 0.01, "{ok:?}");
        assert!((ok.resolution_ms - 12.0).abs() < 0.01, "{ok:?}");
        assert_eq!(outage.lasted_ms(), Some(22.0));
        assert_eq!(super::outage(&lane, 41_000), None);
    }

    #[test]
    fn the_worst_pause_is_between_two_answers() {
        let lane = lane(&[(0, 1, OK), (10, 1, OK), (20, 60, OK), (90, 1, OK)]);
        assert_eq!(worst_pause_us(&lane, 5_000, 95_000), 69_000);
        // What never ended counts up to the end.
        assert_eq!(worst_pause_us(&lane, 85_000, 300_000), 209_000);
    }

    #[test]
    fn a_stall_is_felt_by_those_that_were_not_sent() {
        // One each 10 ms; the second is answered after 45 ms.
        let lane = lane(&[(0, 1, OK), (10, 45, OK), (60, 1, OK)]);
        let felt = latency(&lane, 0, 100_000, 10_000);
        assert_eq!(felt.count, 3);
        // 1, 1, and 45, 35, 25, 15, 5.
        assert_eq!((felt.p50_ms, felt.max_ms), (15.0, 45.0));
        let quick = latency(&lane, 60_000, 100_000, 10_000);
        assert_eq!((quick.p50_ms, quick.max_ms), (1.0, 1.0));
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
        assert_eq!(old_master(&lane, 0, &Found::default()).lost, 0);
    }

    #[test]
    fn what_comes_back_is_resurrected_not_lost() {
        let lane = lane(&[(0, 1, OK), (1, 1, LATE), (2, 1, NO), (3, 1, OK)]);
        let mut balance = Balance::default();
        // The last write came after the first look.
        balance.add(
            &lane,
            Some(&found(&[], 3)),
            &found(&[1, 2, 3, 4], 4),
            &mut 0,
        );
        assert_eq!(balance.lost, 0);
        assert_eq!(balance.data.missing_at_promotion, 1);
        assert_eq!(balance.resurrected, 3);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(percentile(&[1, 2, 3, 4], 99), Some(4));
        assert_eq!(percentile::<u8>(&[], 50), None);
    }

    #[test]
    fn buckets_lie_around_the_fault() {
        let lane = lane(&[(0, 1, OK), (150, 1, NO), (260, 3, OK)]);
        let series = series(&[lane], &[1], 100_000, 100_000);
        let ms: Vec<i64> = series.iter().map(|bucket| bucket.ms).collect();
        assert_eq!(ms, [-100, 0, 100]);
        assert_eq!((series[1].acked, series[1].failed), (0, 1));
    }

    #[test]
    fn a_key_that_is_written_again_hides_nothing_that_is_missing() {
        let mut lane = lane(&[(0, 1, Outcome::Acked); 5]);
        lane.keys = 2;
        assert_eq!(
            (lane.key(3), lane.key(4)),
            ("k:1".to_owned(), "k:2".to_owned())
        );
        let values = |values: [Option<&str>; 5]| {
            values.map(|value| value.map(|value| value.as_bytes().to_vec()))
        };
        // Keys 1, 2, 1, 2, 1: the fourth write is missing, the second is there in its place.
        let found = Found::of(
            &lane,
            &values([Some("5"), Some("2"), Some("5"), Some("2"), Some("5")]),
        );
        let mut balance = Balance::default();
        balance.add(&lane, None, &found, &mut 0);
        assert_eq!(
            (balance.acked, balance.lost, balance.data.mismatched),
            (5, 1, 0)
        );
        let strange = Found::of(&lane, &values([Some("x"), None, Some("2"), None, None]));
        assert_eq!(strange.other.len(), 2);
    }

    #[test]
    fn what_was_evicted_is_not_lost() {
        let lane = lane(&[(0, 1, Outcome::Acked); 4]);
        let mut balance = Balance::default();
        let mut evicted = 2;
        balance.add(&lane, None, &found(&[1], 4), &mut evicted);
        assert_eq!((balance.lost, balance.evicted, evicted), (1, 2, 0));
    }
}
