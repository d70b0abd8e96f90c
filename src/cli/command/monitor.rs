//! `rcluster monitor`

use super::{Execute, Facts, Interrupt, cluster};
use crate::{
    cli::{Verdict, args::Global},
    output::{
        monitor as lines,
        screen::{Reader, Screen},
    },
    tui,
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::monitor::{
    self,
    feed::Feed,
    recording::{Recorder, Replay},
};
use std::{path::PathBuf, time::Duration};

const AFTER: &str = "\
Exit codes: 0 it was left; 4 the sample of --once was not healthy; 5 no node answers at the start;
6 no such cluster.

Examples:
  rcluster monitor                                   the screen
  rcluster monitor --once                            one line, for a script
  rcluster monitor --json --interval 5s              a document every 5 seconds
  rcluster monitor --record night.jsonl --plain      lines, and a recording
  rcluster monitor --replay night.jsonl --speed 10   what happened, ten times as fast";

/// Watch it live: health, load, latency, lag, and what happens
///
/// On a terminal a screen (`?` shows its keys), elsewhere a line per sample, or a JSON document
/// per line with --json. A sample sends four commands to each node (PING, CLUSTER NODES, CLUSTER
/// INFO, INFO) on a connection that is kept. A sample waits for a node that does not answer
/// no longer than its deadline (most of an interval, at most a second).
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Monitor {
    /// A line per sample, also on a terminal
    #[arg(long)]
    plain: bool,
    /// One sample, measured over one interval; exit 4 if not healthy
    #[arg(long)]
    once: bool,
    /// Leave after so many samples
    #[arg(long, value_name = "N", conflicts_with = "once", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The time between samples: 500ms, 2s, or seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: u64,
    /// Write every sample to a file, a JSON document a line
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Show a recording instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["once", "seed", "interval"])]
    replay: Option<PathBuf>,
    /// How fast to replay; 0: without pauses
    #[arg(long, value_name = "FACTOR", default_value = "1", requires = "replay", value_parser = speed)]
    speed: f64,
}

/// `500ms`, `2s`, `0.5`: in milliseconds.
fn interval(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a time between 100ms and 1h");
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1000.0),
        (None, None) => (text, 1000.0),
    };
    let millis = number.parse::<f64>().map_err(|_| wrong())? * unit;
    if !(100.0..=3_600_000.0).contains(&millis) {
        return Err(wrong());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was just compared"
    )]
    Ok(millis as u64)
}

/// 0 or more.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed >= 0.0 && speed.is_finite() => Ok(speed),
        _ => Err(format!("'{text}' is not a factor of 0 or more")),
    }
}

impl Execute for Monitor {
    const FACTS: Facts = Facts::json(Verb::Monitor);

    fn interrupt(&self) -> Interrupt {
        if self.once || self.count.is_some() {
            Interrupt::Breaks
        } else {
            Interrupt::Ends
        }
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let mut feed = feed(global, self).await?;
        if !self.plain && !self.once && self.count.is_none() && screen.can_be_drawn_on() {
            tui::run::run(feed, screen.colour()).await?;
            return Ok(Verdict::Fine);
        }
        if self.once {
            // Rates are differences, so the first sample has none.
            feed.next().await?;
        }
        let mut left = if self.once { Some(1) } else { self.count };
        while left != Some(0)
            && let Some(sample) = feed.next().await?
        {
            if lines::show(screen, &sample)? == Reader::Gone {
                break;
            }
            left = left.map(|left| left - 1);
            if self.once && !sample.is_ok() {
                return Ok(Verdict::Wanting);
            }
        }
        Ok(Verdict::Fine)
    }
}

async fn feed(global: &Global, args: &Monitor) -> Result<Feed> {
    if let Some(path) = &args.replay {
        return Ok(Feed::replay(Replay::open(path, args.speed)?));
    }
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
    let every = Duration::from_millis(args.interval);
    let monitor = monitor::Monitor::of(cluster(global).await?, every).await?;
    Ok(Feed::live(monitor, recorder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_units() {
        assert_eq!(interval("500ms"), Ok(500));
        assert_eq!(interval("2s"), Ok(2000));
        assert_eq!(interval("0.5"), Ok(500));
        for wrong in ["", "s", "99ms", "2h", "-1s", "NaN"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
