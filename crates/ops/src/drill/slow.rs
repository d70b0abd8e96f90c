//! A master that stutters: frozen and thawed in turn. Clients wait, and nobody is to be promoted.

use super::{fault, script::Script};
use crate::failover::ground::Ground;
use rcluster_core::{
    error::Result,
    failover::{duty::Duty, ledger, report::Slowed, words::Blow},
    node::NodeName,
};
use rcluster_runtime::{Signal, faults};
use std::time::{Duration, Instant};
use tokio::time::sleep;

impl Script<'_> {
    /// Slows a node down while every view is watched.
    pub(super) async fn stutter(&mut self, node: &NodeName, duty: Duty) -> Result<()> {
        self.announce(Blow::Stutter, std::slice::from_ref(node));
        self.say(&format!(
            "{node} is frozen for {} ms of every {} for {:.1} s",
            duty.frozen_ms,
            duty.frozen_ms + duty.running_ms,
            duty.lasts().as_secs_f64()
        ));
        let slowed = self.meanwhile(stutter(self.ground, node, duty)).await?;
        self.record.agreed_us = Some(self.canaries.now_us());
        self.say(&format!(
            "over after {} turns: frozen {:.0} % of the time, {:.0} ms at most at once",
            slowed.turns, slowed.frozen_percent, slowed.longest_freeze_ms
        ));
        self.record.slowed = Some(slowed);
        Ok(())
    }
}

/// Freezes and thaws in turn; measures what came of it.
async fn stutter(ground: &Ground<'_>, node: &NodeName, duty: Duty) -> Result<Slowed> {
    let faults = faults::of(ground.context.runtime)?;
    let start = Instant::now();
    let (mut turns, mut frozen, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    while start.elapsed() < duty.lasts() {
        let begin = Instant::now();
        fault::strike(ground, Blow::Freeze, std::slice::from_ref(node)).await?;
        sleep(duty.frozen()).await;
        faults.signal(ground.name(), node, Signal::Resume).await?;
        let took = begin.elapsed();
        turns += 1;
        frozen += took;
        longest = longest.max(took);
        sleep(duty.running()).await;
    }
    let lasted = start.elapsed();
    Ok(Slowed {
        duty_frozen_ms: duty.frozen_ms,
        duty_running_ms: duty.running_ms,
        turns,
        lasted_ms: millis(lasted),
        frozen_percent: (frozen.as_secs_f64() / lasted.as_secs_f64() * 1000.0).round() / 10.0,
        longest_freeze_ms: millis(longest),
    })
}

fn millis(duration: Duration) -> f64 {
    ledger::ms(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
