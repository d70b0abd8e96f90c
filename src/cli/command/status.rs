//! `rcluster status`

use super::{Execute, Facts, Interrupt, cluster_within};
use crate::{
    cli::{Verdict, args::Global, settings},
    output::{
        progress::Progress,
        result,
        screen::{Reader, Screen},
        table,
        watch::Watch,
    },
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{
    cluster::handle::Cluster,
    status::{self, healthy},
};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const AFTER: &str = "\
Every node is asked at once: a late or frozen one costs at most --node-timeout, and delays nobody
else's answer. Each thing that is not well comes with its reason and the command to type next.

Exit codes: 0 healthy, 4 not, 5 no node answers, 6 no such cluster, 7 --wait was not over in time.

Examples:
  rcluster status --wait --timeout 30      until it is healthy
  rcluster status --watch                  drawn again every 2 seconds
  rcluster status --json | jq .problems    for a program
  rcluster status --seed 10.0.0.5:6379     a cluster that rcluster did not start";

/// What every node says, and whether they agree (exit 4: they are not well)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Status {
    /// Look again and again: redrawn on a terminal, elsewhere a line (with --json: a document) each time
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
    /// The time between two looks of --watch, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, requires = "watch")]
    interval: Duration,
    /// Wait until the cluster is healthy, at most --timeout (exit 7), and say meanwhile why it is not
    #[arg(long)]
    wait: bool,
    /// How long a node may take to answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    node_timeout: Duration,
}

/// From 0.05 seconds to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a number of seconds from 0.05 to 86400");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.05..=86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

impl Execute for Status {
    const FACTS: Facts = Facts::json(Verb::Status);

    fn interrupt(&self) -> Interrupt {
        if self.watch {
            Interrupt::Ends
        } else {
            Interrupt::Breaks
        }
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let cluster = cluster_within(global, self.node_timeout).await?;
        if self.watch {
            return watch(&cluster, self.interval, screen).await;
        }
        let status = if self.wait {
            let progress = Progress::new(screen);
            let waited = healthy::wait(&cluster, settings::deadline(global), &progress).await;
            progress.finish();
            waited?
        } else {
            status::of(&cluster).await?
        };
        result::show(screen, &table::status(&status, screen.width), &status)?;
        Ok(if status.is_ok() {
            Verdict::Fine
        } else {
            Verdict::Wanting
        })
    }
}

/// Shows one status after another, until Ctrl-C or until nobody reads any more. A failed look is
/// shown, and does not end it.
async fn watch(cluster: &Cluster, every: Duration, screen: Screen) -> Result<Verdict> {
    let mut watch = Watch::new(screen, every);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if watch.show(&status::of(cluster).await)? == Reader::Gone {
            return Ok(Verdict::Fine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_checked_where_they_are_typed() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "x", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
