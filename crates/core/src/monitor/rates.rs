//! Computes what a node does per second, and how even the nodes are.

use crate::monitor::told::{Counters, Rates};

/// What the node did between two readings; `None` if it was restarted in between (its counters
/// began anew) or both readings have the same time. `own` is how many of the commands were the
/// monitor's; its bytes are in the readings.
pub fn rates(before: &Counters, after: &Counters, own: u64) -> Option<Rates> {
    let micros = u64::try_from(after.at_micros.checked_sub(before.at_micros)?).ok()?;
    if micros == 0 || before.run_id != after.run_id {
        return None;
    }
    let seconds = float(micros) / 1e6;
    // CONFIG RESETSTAT sets the counters back without a restart; then nothing is known of the
    // interval.
    let delta = |then: u64, now: u64| now.checked_sub(then);
    let commands = delta(before.commands, after.commands)?;
    let hits = delta(before.hits, after.hits)?;
    let misses = delta(before.misses, after.misses)?;
    let (own_then, own_now) = (before.own, after.own);
    let bytes = |then: u64, now: u64, own_then: u64, own_now: u64| {
        let others = delta(then, now)?.saturating_sub(own_now.saturating_sub(own_then));
        Some(rounded(float(others) / seconds))
    };
    Some(Rates {
        seconds,
        ops_per_sec: rounded(float(commands.saturating_sub(own)) / seconds),
        hits,
        misses,
        hit_ratio: ratio(hits, misses),
        net_in_bytes_per_sec: bytes(
            before.net_in_bytes,
            after.net_in_bytes,
            own_then.sent,
            own_now.sent,
        )?,
        net_out_bytes_per_sec: bytes(
            before.net_out_bytes,
            after.net_out_bytes,
            own_then.received,
            own_now.received,
        )?,
        evicted: delta(before.evicted, after.evicted)?,
    })
}

/// Hits of all look-ups; `None` without look-ups.
pub fn ratio(hits: u64, misses: u64) -> Option<f64> {
    let all = hits + misses;
    (all > 0).then(|| rounded(float(hits) / float(all)))
}

/// The sum of several nodes' rates. Its interval is the longest of theirs.
pub fn total<'a>(parts: impl Iterator<Item = &'a Rates>) -> Option<Rates> {
    let mut total: Option<Rates> = None;
    for part in parts {
        let sum = total.get_or_insert_default();
        sum.seconds = sum.seconds.max(part.seconds);
        sum.ops_per_sec += part.ops_per_sec;
        sum.hits += part.hits;
        sum.misses += part.misses;
        sum.net_in_bytes_per_sec += part.net_in_bytes_per_sec;
        sum.net_out_bytes_per_sec += part.net_out_bytes_per_sec;
        sum.evicted += part.evicted;
    }
    if let Some(sum) = &mut total {
        sum.hit_ratio = ratio(sum.hits, sum.misses);
        sum.ops_per_sec = rounded(sum.ops_per_sec);
        sum.net_in_bytes_per_sec = rounded(sum.net_in_bytes_per_sec);
        sum.net_out_bytes_per_sec = rounded(sum.net_out_bytes_per_sec);
    }
    total
}

/// The greatest value over the mean; `None` for fewer than two values, or if all are 0.
pub fn skew(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).ok()?;
    let mean = values.iter().sum::<f64>() / f64::from(count.max(1));
    (count > 1 && mean > 0.0).then(|| rounded(values.iter().copied().fold(0.0, f64::max) / mean))
}

/// Rounds to four decimals, so that a recording reads back as it was written.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[expect(clippy::cast_precision_loss, reason = "rates are for people")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::told::Traffic;

    fn counters(at_millis: i64, commands: u64, hits: u64, misses: u64) -> Counters {
        Counters {
            at_micros: at_millis * 1000,
            run_id: "run".to_owned(),
            commands,
            hits,
            misses,
            net_in_bytes: commands * 10,
            net_out_bytes: commands * 100,
            evicted: 0,
            own: Traffic::default(),
        }
    }

    #[test]
    fn rates_are_of_the_interval_not_of_the_lifetime() {
        let before = counters(0, 1_000, 900, 100);
        let after = counters(2_000, 2_004, 900, 400);
        let rates = rates(&before, &after, 4).expect("two readings");
        assert!((rates.ops_per_sec - 500.0).abs() < 1e-9);
        assert_eq!(rates.hit_ratio, Some(0.0));
        assert!((rates.net_in_bytes_per_sec - 5_020.0).abs() < 1e-9);
    }

    #[test]
    fn what_the_monitor_itself_says_and_hears_is_nobodys_load() {
        let traffic = |sent, received| Traffic { sent, received };
        let mut before = counters(0, 1_000, 0, 0);
        before.own = traffic(400, 40_000);
        // Four commands, all of them ours, with as many bytes as were counted.
        let mut after = counters(1_000, 1_004, 0, 0);
        after.own = traffic(440, 40_400);
        let idle = rates(&before, &after, 4).expect("two readings");
        let seen = [
            idle.ops_per_sec,
            idle.net_in_bytes_per_sec,
            idle.net_out_bytes_per_sec,
        ];
        assert!(seen.iter().all(|rate| rate.abs() < 1e-9), "{seen:?}");
        // Others beside us.
        let mut after = counters(1_000, 1_104, 0, 0);
        after.own = traffic(440, 40_400);
        let busy = rates(&before, &after, 4).expect("two readings");
        let seen = [
            busy.ops_per_sec,
            busy.net_in_bytes_per_sec,
            busy.net_out_bytes_per_sec,
        ];
        let wanted = [100.0, 1_000.0, 10_000.0];
        let mut both = seen.iter().zip(wanted);
        assert!(
            both.all(|(seen, wanted)| (seen - wanted).abs() < 1e-9),
            "{seen:?}"
        );
    }

    #[test]
    fn nothing_is_made_up() {
        let before = counters(0, 1_000, 900, 100);
        let mut other = counters(1_000, 10, 0, 0);
        assert_eq!(rates(&before, &other, 4), None, "counters were reset");
        other = counters(1_000, 2_000, 900, 100);
        assert_eq!(
            rates(&before, &other, 4).and_then(|rates| rates.hit_ratio),
            None,
            "no look-ups"
        );
        other.run_id = "another".to_owned();
        assert_eq!(rates(&before, &other, 4), None, "a restart");
        assert_eq!(rates(&before, &before, 4), None, "the same moment");
    }

    #[test]
    fn skew_is_the_fullest_over_the_mean() {
        assert_eq!(skew(&[1.0, 1.0, 4.0]), Some(2.0));
        assert_eq!(skew(&[5.0]), None);
        assert_eq!(skew(&[0.0, 0.0]), None);
        assert_eq!(skew(&[]), None);
    }
}
