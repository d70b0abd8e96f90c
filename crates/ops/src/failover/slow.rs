//! A master that stutters: frozen and thawed in turn. Clients wait, and nobody is to be promoted.

use super::{script::Script, watch::Watch};
use crate::cluster::context::Context;
use rcluster_core::{
    error::{Error, Result},
    failover::{
        duty::{Duty, duty},
        ledger,
        report::Slowed,
        story::Story,
    },
    node::NodeName,
    spec::launch::Launch,
};
use rcluster_runtime::{Signal, faults};
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep};

impl Script<'_> {
    /// Slows the victim down while every view is watched.
    pub(super) async fn slow_down(&mut self, watch: &mut Watch, story: &mut Story) -> Result<()> {
        let (context, launch) = (self.context, &self.session.launch);
        let victim = self.target.seats.master.clone();
        let duty = duty(self.target.config.node_timeout_ms);
        self.say(&format!(
            "{victim} is frozen for {} ms of every {} for {:.1} s",
            duty.frozen_ms,
            duty.frozen_ms + duty.running_ms,
            duty.lasts().as_secs_f64()
        ));
        let stutter = stutter(context, launch, &victim, duty);
        tokio::pin!(stutter);
        let mut ticks = interval(Duration::from_millis(100));
        let slowed = loop {
            tokio::select! {
                slowed = &mut stutter => break slowed?,
                look = watch.next() => match look {
                    Some(look) => self.hear(look, story),
                    None => return Err(Error::failed("no node is left to be watched")),
                },
                _ = ticks.tick() => self.tick(),
            }
        };
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
async fn stutter(
    context: &Context<'_>,
    launch: &Launch,
    node: &NodeName,
    duty: Duty,
) -> Result<Slowed> {
    let (faults, name) = (faults::of(context.runtime)?, &launch.name);
    let start = Instant::now();
    let (mut turns, mut frozen, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    while start.elapsed() < duty.lasts() {
        let begin = Instant::now();
        if !faults.signal(name, node, Signal::Pause).await? {
            return Err(Error::failed(format!(
                "{node} was not there to be slowed down: somebody else ended or froze it"
            ))
            .hint("`rcluster status` shows it; `rcluster up` brings it back"));
        }
        sleep(duty.frozen()).await;
        faults.signal(name, node, Signal::Resume).await?;
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
