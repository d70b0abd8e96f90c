//! How fast keys may go: no more than so many a second, and no faster than clients can bear.

use crate::failover::{
    canary::{Canaries, Pace as CanaryPace, discard},
    ground::Ground,
    scene::Scene,
};
use rcluster_core::{
    failover::words::Errand,
    reshape::gauge::{Advice, Gauge},
    slot::SlotSet,
};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Between two commands of a canary.
const EVERY: Duration = Duration::from_millis(10);

/// How long clients have to recover before they are asked again.
const REST: Duration = Duration::from_millis(300);

/// What was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The most keys a second.
    pub keys_per_second: Option<u64>,
    /// The most bytes a second.
    pub bytes_per_second: Option<u64>,
    /// The most that 99 of 100 answers to clients may take.
    pub p99: Option<Duration>,
}

/// The pace of one run.
pub struct Pace {
    bounds: Bounds,
    /// The moment up to which everything sent so far is paid for.
    paid: Mutex<Option<Instant>>,
    watch: Option<Watch>,
}

/// Canaries, and how far their answers were read.
struct Watch {
    canaries: Canaries,
    shards: Vec<usize>,
    gauge: Mutex<(Gauge, Vec<usize>)>,
}

impl Pace {
    /// With canaries on every shard, in slots that do not move, if there is a bound for clients.
    pub fn new(ground: &Ground<'_>, scene: &Scene, moving: &SlotSet, bounds: Bounds) -> Self {
        let watch = bounds.p99.map(|p99| {
            let mut canaries = Canaries::new(ground.wires());
            let mut staying = scene.seats.clone();
            for seats in &mut staying {
                seats.slots = seats.slots.minus(moving);
            }
            staying.retain(|seats| !seats.slots.is_empty());
            let shards: Vec<usize> = staying.iter().map(|seats| seats.shard).collect();
            let pace = CanaryPace {
                write: EVERY,
                read: None,
                others: 1,
                wait: 0,
            };
            canaries.start_on(scene, &staying, &shards, pace);
            Watch {
                canaries,
                gauge: Mutex::new((Gauge::new(p99), vec![0; shards.len()])),
                shards,
            }
        });
        Pace {
            bounds,
            paid: Mutex::default(),
            watch,
        }
    }

    /// Waits until a batch may go out; whether it should be smaller than it could be.
    pub async fn ready(&self) -> bool {
        let until = *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            sleep(until.saturating_duration_since(Instant::now())).await;
        }
        let Some(watch) = &self.watch else {
            return false;
        };
        loop {
            match watch.advice() {
                Advice::Go => return false,
                Advice::Slower => return true,
                Advice::Wait => {
                    sleep(REST).await;
                    watch.forget();
                    sleep(REST).await;
                }
            }
        }
    }

    /// So much was sent.
    pub fn sent(&self, keys: u64, bytes: u64) {
        let cost = |amount: u64, bound: Option<u64>| {
            let micros = bound.map(|bound| amount.saturating_mul(1_000_000) / bound.max(1));
            micros.map_or(Duration::ZERO, Duration::from_micros)
        };
        let cost =
            cost(keys, self.bounds.keys_per_second).max(cost(bytes, self.bounds.bytes_per_second));
        if cost.is_zero() {
            return;
        }
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let from = paid.unwrap_or_else(Instant::now).max(Instant::now());
        *paid = Some(from + cost);
    }

    /// Ends the canaries and removes what they wrote.
    pub async fn finish(self, ground: &Ground<'_>) {
        let Some(watch) = self.watch else { return };
        let lanes = watch.canaries.finish().await;
        if let Ok(scene) = Scene::look(ground).await {
            // Those that cannot be removed now expire.
            let _ = discard(&scene, &*ground.live(), &lanes).await;
        }
    }
}

impl Watch {
    fn advice(&self) -> Advice {
        let (gauge, read) = &mut *self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        for (shard, read) in self.shards.iter().zip(read) {
            self.canaries.with_lane(*shard, Errand::Write, |lane| {
                for attempt in lane.tries.iter().skip(*read) {
                    gauge.hear(Duration::from_micros(attempt.took_us));
                }
                *read = lane.tries.len();
            });
        }
        gauge.advice()
    }

    fn forget(&self) {
        self.advice();
        let (gauge, _) = &mut *self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        gauge.forget();
    }
}
