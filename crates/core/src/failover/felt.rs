//! What clients noticed, worked out from the canaries' logs: outages, errors, latency.

use super::{
    outline::Hit,
    report::{Availability, Bucket, Errors, Felt, Instant, Latencies, Latency},
    words::{Errand, Fault, Lane, Outcome, Try},
};
use std::{collections::BTreeMap, time::Duration};

/// The most attempts that count as not sent while one waited. A longer wait is an outage.
const MOST_OMITTED: usize = 1000;

/// Microseconds to milliseconds, with one digit after the point.
#[expect(clippy::cast_precision_loss, reason = "2^53 µs are 285 years")]
pub fn ms(us: u64) -> f64 {
    (us as f64 / 100.0).round() / 10.0
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A duration in milliseconds, with one digit after the point.
pub fn millis(duration: Duration) -> f64 {
    ms(micros(duration))
}

/// From one moment to another, both in microseconds: in milliseconds, negative if `us` was before.
fn since(us: u64, from: u64) -> f64 {
    if us >= from {
        ms(us - from)
    } else {
        -ms(from - us)
    }
}

/// The moments of a drill, in microseconds since the canaries began.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// The fault was injected.
    pub inject: u64,
    /// All views agreed.
    pub agreed: u64,
    /// The first masters began to take over again.
    pub way_back: u64,
    /// The last answer came.
    pub end: u64,
}

/// What clients noticed of a drill; the canary of the victim's shard writes `rate` times a second.
pub fn felt(lanes: &[Lane], hit: &Hit, marks: Marks, rate: u32) -> Felt {
    let is_hit = |lane: &&Lane| hit.shards.contains(&lane.shard);
    let lane = |errand| {
        lanes
            .iter()
            .find(|lane| is_hit(lane) && lane.errand == errand)
    };
    let (writes, reads) = (lane(Errand::Write), lane(Errand::Read));
    // An outage that begins later is not the fault's own. A double fault has two until the way back.
    let begun_by = match hit.fault {
        Fault::Double => marks.way_back,
        _ => marks.agreed,
    };
    let longest = |lane: Option<&Lane>| longest_outage(lane?, marks.inject, begun_by);
    let (write, read) = (longest(writes), longest(reads));
    let ok_at = |outage: Option<Outage>| outage?.ok_at(marks.inject);
    let rto = |lane: Option<&Lane>, outage: Option<Outage>| match outage {
        Some(outage) => outage.ok_at(marks.inject).map(|at| at.ms),
        None => lane.map(|_| 0.0),
    };
    let later = |lane: &Lane| {
        let over = write.and_then(|outage| outage.end);
        let from = over.map_or(begun_by, |(_, end)| end.done_us().max(begun_by));
        longest_outage(lane, from, marks.way_back)?.lasted_ms()
    };
    let pace_us = 1_000_000 / u64::from(rate.max(1));
    let within =
        |from, to| writes.map_or_else(Latency::default, |lane| latency(lane, from, to, pace_us));
    let follow = |hit: bool| {
        lanes
            .iter()
            .filter(move |lane| lane.errand != Errand::Loyal && is_hit(lane) == hit)
    };
    let acked = |hit| share(follow(hit), marks.inject, marks.agreed);
    Felt {
        t_first_error: write
            .and_then(|_| outage(writes?, marks.inject))
            .map(|first| first.error_at(marks.inject)),
        t_first_write_ok: ok_at(write),
        t_first_read_ok: ok_at(read),
        rto_write_ms: rto(writes, write),
        rto_read_ms: rto(reads, read),
        later_outage_ms: writes.and_then(later),
        errors_by_class: errors(follow(true)),
        errors_on_others: errors(follow(false)),
        availability: Availability {
            victim_shard: acked(true),
            others: acked(false),
        },
        latency: Latencies {
            before: within(0, marks.inject),
            during: within(marks.inject, marks.agreed),
            after: within(marks.agreed, u64::MAX),
        },
    }
}

/// An outage as a client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The first failed attempt.
    first_error: Try,
    /// The acknowledged attempt that ended it, and when the attempt before that was sent; `None`: it
    /// did not end.
    end: Option<(u64, Try)>,
}

/// The first outage on a lane of which the client heard after `inject_us`. It lasts from an attempt
/// that failed to the next one that was acknowledged.
pub fn outage(lane: &Lane, inject_us: u64) -> Option<Outage> {
    let after = || {
        lane.tries
            .iter()
            .filter(|attempt| attempt.done_us() >= inject_us)
    };
    let first_error = *after().find(|attempt| !attempt.acked())?;
    let mut before = first_error.sent_us;
    let mut end = None;
    for attempt in after().filter(|attempt| attempt.sent_us > first_error.sent_us) {
        if attempt.acked() {
            end = Some((before, *attempt));
            break;
        }
        before = attempt.sent_us;
    }
    Some(Outage { first_error, end })
}

/// The longest outage that began within `[inject_us, until_us]`. One that did not end is the longest.
fn longest_outage(lane: &Lane, inject_us: u64, until_us: u64) -> Option<Outage> {
    let next = |from| outage(lane, from).filter(|found| found.first_error.sent_us <= until_us);
    let all = std::iter::successors(next(inject_us), |found| next(found.end?.1.done_us()));
    // Of equal ones the first.
    all.reduce(|longest, found| {
        if found.lasted_us() > longest.lasted_us() {
            found
        } else {
            longest
        }
    })
}

impl Outage {
    /// Whether a client has been answered again.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn lasted_us(&self) -> u64 {
        let end = self.end.map_or(u64::MAX, |(_, end)| end.done_us());
        end.saturating_sub(self.first_error.sent_us)
    }

    /// From its first error to the answer that ended it; `None`: it did not end.
    fn lasted_ms(&self) -> Option<f64> {
        self.is_over().then(|| ms(self.lasted_us()))
    }

    /// When the first error was heard.
    fn error_at(&self, inject_us: u64) -> Instant {
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

    /// When the attempt that ended it was answered.
    fn ok_at(&self, inject_us: u64) -> Option<Instant> {
        let (before, attempt) = self.end?;
        Some(Instant {
            ms: since(attempt.done_us(), inject_us),
            resolution_ms: ms(attempt.done_us().saturating_sub(before)),
            seen_by: "client".to_owned(),
        })
    }
}

/// The longest time from one acknowledgement to the next on a lane within `[from, to]`.
pub fn worst_pause_us(lane: &Lane, from: u64, to: u64) -> u64 {
    let mut last = from;
    let mut worst = 0;
    for attempt in lane.tries.iter().filter(|attempt| attempt.acked()) {
        let done = attempt.done_us();
        if done < from {
            continue;
        }
        if attempt.sent_us > to {
            return worst.max(done.min(to).saturating_sub(last));
        }
        worst = worst.max(done.saturating_sub(last));
        last = done;
    }
    worst.max(to.saturating_sub(last))
}

/// How many attempts were not acknowledged, by class.
pub fn errors<'a>(lanes: impl Iterator<Item = &'a Lane>) -> Errors {
    let mut counts = Errors::new();
    for attempt in lanes.flat_map(|lane| &lane.tries) {
        if let Outcome::Refused(class) | Outcome::Indeterminate(class) = attempt.outcome {
            *counts.entry(class.word()).or_default() += 1;
        }
    }
    counts
}

/// Percentiles of the acknowledged attempts sent within `[from, to)` by a client that was to send one
/// each `pace_us`. While it waits for an answer it sends none. Those that it did not send would have
/// waited too, so they count as if they had: otherwise a stall would be a single slow attempt.
fn latency(lane: &Lane, from: u64, to: u64, pace_us: u64) -> Latency {
    let pace = usize::try_from(pace_us.max(1)).unwrap_or(usize::MAX);
    let tries = lane.tries.iter();
    let acked: Vec<u64> = tries
        .filter(|attempt| attempt.acked() && (from..to).contains(&attempt.sent_us))
        .map(|attempt| attempt.took_us)
        .collect();
    let waits = |took: &u64| (0..=*took).rev().step_by(pace).take(MOST_OMITTED);
    let mut took: Vec<u64> = acked.iter().flat_map(waits).collect();
    took.sort_unstable();
    let at = |percent: usize| {
        #[expect(clippy::cast_precision_loss, reason = "latencies are small")]
        let us = percentile(&took, percent).unwrap_or(0) as f64;
        us / 1000.0
    };
    Latency {
        count: acked.len(),
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
    }
}

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

/// The writes over time in about two hundred buckets around the fault, none finer than 50 ms.
pub fn series(lanes: &[Lane], shards: &[usize], marks: Marks) -> Vec<Bucket> {
    let width_us = (marks.end / 200).max(50_000).next_multiple_of(50_000);
    let signed = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
    let width = signed(width_us);
    // The latencies of the acknowledged, the others of these shards, and those of other shards.
    let mut drafts: BTreeMap<i64, (Vec<u64>, usize, usize)> = BTreeMap::new();
    for lane in lanes.iter().filter(|lane| lane.errand == Errand::Write) {
        for attempt in &lane.tries {
            let index = (signed(attempt.sent_us) - signed(marks.inject)).div_euclid(width);
            let (took, failed, others_failed) = drafts.entry(index).or_default();
            match (shards.contains(&lane.shard), attempt.acked()) {
                (true, true) => took.push(attempt.took_us),
                (true, false) => *failed += 1,
                (false, true) => {}
                (false, false) => *others_failed += 1,
            }
        }
    }
    let bucket = |(index, (mut took, failed, others_failed)): (i64, (Vec<u64>, usize, usize))| {
        took.sort_unstable();
        Bucket {
            ms: index * width / 1000,
            acked: took.len(),
            failed,
            p50_ms: ms(percentile(&took, 50).unwrap_or(0)),
            max_ms: ms(percentile(&took, 100).unwrap_or(0)),
            others_failed,
        }
    };
    drafts.into_iter().map(bucket).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::failover::words::Class;

    pub(in crate::failover) const OK: Outcome = Outcome::Acked;
    pub(in crate::failover) const NO: Outcome = Outcome::Refused(Class::Refused);
    pub(in crate::failover) const LATE: Outcome = Outcome::Indeterminate(Class::Timeout);

    /// A writer's lane; each attempt is when it was sent, how long it took (both in milliseconds), and
    /// how it ended.
    pub(in crate::failover) fn lane(tries: &[(u64, u64, Outcome)]) -> Lane {
        let attempt = |(seq, (sent, took, outcome)): (u64, &(u64, u64, Outcome))| Try {
            seq,
            sent_us: sent * 1000,
            took_us: took * 1000,
            outcome: *outcome,
        };
        Lane {
            shard: 1,
            errand: Errand::Write,
            prefix: "k:".to_owned(),
            keys: u64::MAX,
            tries: (1..).zip(tries).map(attempt).collect(),
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
        let outage = longest_outage(&lane, 15_000, 60_000).expect("an outage");
        assert!((outage.error_at(15_000).ms - 10.0).abs() < 0.01);
        let ok = outage.ok_at(15_000).expect("it ended");
        assert!((ok.ms - 27.0).abs() < 0.01, "{ok:?}");
        assert!((ok.resolution_ms - 12.0).abs() < 0.01, "{ok:?}");
        assert_eq!(outage.lasted_ms(), Some(22.0));
        assert_eq!(super::outage(&lane, 41_000), None);
    }

    #[test]
    fn the_longest_outage_is_one_that_did_not_end() {
        let mut lane = lane(&[
            (0, 9, NO),
            (10, 1, OK),
            (20, 1, NO),
            (60, 1, OK),
            (70, 1, NO),
        ]);
        let longest = |lane: &Lane, until| longest_outage(lane, 0, until).expect("an outage");
        assert_eq!(longest(&lane, 100_000).lasted_ms(), None);
        assert_eq!(longest(&lane, 65_000).lasted_ms(), Some(41.0));
        assert_eq!(longest(&lane, 15_000).lasted_ms(), Some(11.0));
        lane.tries.truncate(2);
        assert_eq!(longest_outage(&lane, 10_000, 100_000), None);
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
    fn percentiles_are_values_that_were_seen() {
        assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(percentile(&[1, 2, 3, 4], 99), Some(4));
        assert_eq!(percentile::<u8>(&[], 50), None);
    }

    #[test]
    fn buckets_lie_around_the_fault() {
        let lane = lane(&[(0, 1, OK), (150, 1, NO), (260, 3, OK)]);
        let marks = Marks {
            inject: 100_000,
            agreed: 200_000,
            way_back: 200_000,
            end: 200 * 100_000,
        };
        let series = series(&[lane], &[1], marks);
        let ms: Vec<i64> = series.iter().map(|bucket| bucket.ms).collect();
        assert_eq!(ms, [-100, 0, 100]);
        assert_eq!((series[1].acked, series[1].failed), (0, 1));
    }
}
