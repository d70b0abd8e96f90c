//! Measures hits and latency on keys that were written before.

use super::{data::VALUE, suite::Target};
use hdrhistogram::Histogram;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::{
    data::Command,
    node::Endpoint,
    snapshot::info::Fields,
    test::{Fault, number, script},
};
use rcluster_wire::Wire;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How often each key is read.
const ROUNDS: usize = 10;

/// The pace of samples; a tick that was missed is not made up for.
const PACE: Duration = Duration::from_millis(1);

/// After this time, a shard that is slow is judged by the samples that there are.
const PATIENCE: Duration = Duration::from_secs(10);

/// With fewer samples, there is no 99th percentile.
const ENOUGH: u64 = 100;

/// Hits of a hundred look-ups, as the master counts them.
pub(super) async fn hit_ratio(
    wire: &dyn Wire,
    target: &Target<'_>,
) -> Result<(f64, String), Fault> {
    let at = target.endpoint;
    let reads = script::bytes(&target.keys.preloaded);
    let reads: Vec<Command> = reads.into_iter().map(Command::Get).collect();
    let before = counters(wire, at).await?;
    let mut found = 0;
    for _ in 0..ROUNDS {
        let replies = wire
            .batch(at, &reads)
            .await
            .map_err(|error| broken(&error))?;
        found += replies.iter().filter(|reply| reply.is_ok()).count();
    }
    let after = counters(wire, at).await?;
    let (percent, all) = script::hit_ratio(before, after).map_err(Fault::Error)?;
    let own = u64::try_from(ROUNDS * reads.len()).unwrap_or(u64::MAX);
    if found == 0 {
        return Err(Fault::Error("no read was answered".to_owned()));
    }
    // If the cluster is in use, others look up keys at the same time.
    let text = match all.saturating_sub(own) {
        0 => format!("{} % of {all} look-ups", number(percent)),
        others => format!("{} % of {all} ({others} by others)", number(percent)),
    };
    Ok((percent, text))
}

async fn counters(wire: &dyn Wire, at: &Endpoint) -> Result<(u64, u64), Fault> {
    let stats: Fields = wire
        .info(at, "stats")
        .await
        .map_err(|error| broken(&error))?;
    Ok((
        stats.number("keyspace_hits"),
        stats.number("keyspace_misses"),
    ))
}

/// The 99th percentile of SET and GET in turn, one a millisecond, each from sending it to its
/// reply.
pub(super) async fn latency(
    wire: &dyn Wire,
    target: &Target<'_>,
    samples: u32,
) -> Result<(f64, String), Fault> {
    let mut micros: Histogram<u64> =
        Histogram::new(3).map_err(|error| Fault::Error(error.to_string()))?;
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let begun = Instant::now();
    let keys = target.keys.preloaded.iter().cycle();
    for (i, key) in (0..samples).zip(keys) {
        ticks.tick().await;
        let command = match i % 2 {
            0 => script::set(key, VALUE),
            _ => Command::Get(key.clone().into_bytes()),
        };
        let sent = Instant::now();
        let replies = wire
            .batch(target.endpoint, &[command])
            .await
            .map_err(|error| broken(&error))?;
        let took = sent.elapsed();
        if let Some(Err(error)) = replies.first() {
            return Err(broken(error));
        }
        micros.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if begun.elapsed() > PATIENCE {
            break;
        }
    }
    if micros.len() < ENOUGH {
        return Err(Fault::Error(format!(
            "only {} samples in {} s",
            micros.len(),
            PATIENCE.as_secs()
        )));
    }
    let millis = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1000.0;
    let p99 = millis(micros.value_at_quantile(0.99));
    let text = format!(
        "p99 {} ms, mean {}, n={}",
        number(p99),
        number(micros.mean() / 1000.0),
        micros.len(),
    );
    Ok((p99, text))
}

fn broken(error: &WireError) -> Fault {
    Fault::Error(error.to_string())
}
