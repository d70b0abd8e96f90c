//! How many keys the next MIGRATE carries: as many as keep both nodes busy no longer than wanted.
//!
//! While a node carries out MIGRATE it serves nobody, and commands that arrive in one pipeline are
//! carried out one right after the other. So what counts is how long everything takes that is sent
//! at once.

use std::time::Duration;

/// Where it begins when nothing is known of the keys.
const FIRST: f64 = 16.0;

/// The most keys that are ever sent at once.
const MOST: f64 = 4096.0;

/// How fast it may grow: the next keys may be larger.
const GROWTH: f64 = 2.0;

/// The number of keys that go out together.
#[derive(Debug, Clone)]
pub struct Budget {
    target: Duration,
    keys: f64,
}

impl Budget {
    /// For batches that keep a node busy for `target` at most. `bytes_per_key` is the mean of the
    /// source, if it is known: the first batch is then no larger than 64 KiB.
    pub fn new(target: Duration, bytes_per_key: Option<u64>) -> Self {
        let first = bytes_per_key.map_or(FIRST, |bytes| {
            let bytes = u32::try_from(bytes.max(1)).unwrap_or(u32::MAX);
            (65_536.0 / f64::from(bytes)).clamp(1.0, 4.0 * FIRST)
        });
        Budget {
            target,
            keys: first,
        }
    }

    /// How many keys may go out now; at least one.
    pub fn keys(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and MOST"
        )]
        let keys = self.keys as usize;
        keys.max(1)
    }

    /// Learns how long so many keys took. A batch that was cut short by the end of a slot says little
    /// of larger ones, so it never lets the budget grow past twice what was sent.
    pub fn learn(&mut self, sent: usize, took: Duration) {
        if sent == 0 {
            return;
        }
        let sent = f64::from(u32::try_from(sent).unwrap_or(u32::MAX));
        let took = took.as_secs_f64().max(1e-6);
        let fits = sent * self.target.as_secs_f64() / took;
        let most = (sent * GROWTH).max(self.keys.min(fits));
        self.keys = fits.min(most).max(self.keys / 4.0).clamp(1.0, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TARGET: Duration = Duration::from_millis(10);

    fn after(cost: Duration, rounds: usize) -> usize {
        let mut budget = Budget::new(TARGET, None);
        for _ in 0..rounds {
            let keys = budget.keys();
            budget.learn(keys, cost * u32::try_from(keys).expect("few"));
        }
        budget.keys()
    }

    #[test]
    fn it_grows_until_the_target_is_met_and_shrinks_at_once() {
        assert!((900..=1000).contains(&after(Duration::from_micros(10), 12)));
        assert_eq!(after(Duration::from_millis(9), 12), 1);
        assert_eq!(after(Duration::from_secs(3), 5), 1);
    }

    #[test]
    fn large_keys_begin_with_few() {
        assert_eq!(Budget::new(TARGET, Some(16 << 10)).keys(), 4);
        assert_eq!(Budget::new(TARGET, Some(1 << 30)).keys(), 1);
        assert_eq!(Budget::new(TARGET, Some(100)).keys(), 64);
    }

    proptest! {
        #[test]
        fn it_stays_in_bounds(took in prop::collection::vec((0usize..10_000, 0u64..10_000_000), 0..50)) {
            let mut budget = Budget::new(TARGET, None);
            for (sent, micros) in took {
                budget.learn(sent, Duration::from_micros(micros));
                prop_assert!((1..=4096).contains(&budget.keys()));
            }
        }
    }
}
