//! `rcluster test`

use super::{Execute, Facts, Interrupt};
use crate::{
    cli::{
        Signals, Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{
        progress::Progress,
        screen::Screen,
        test::{self as table, Form},
    },
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    test::checks::{Check, Persistence, Thresholds},
    text::decimal::Decimal,
};
use rcluster_ops::{
    cluster::handle::{Cluster, Purpose},
    test::{self, Options},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

const AFTER: &str = "\
Checks: connectivity, cluster-state, slot-coverage, open-slots, view-agreement, read-write,
hash-tags, moved, hit-ratio, latency, replica-links, replica-lag, replica-read, persistence,
maxclients, cleanup.

Thresholds come from these flags, else from `test:` in the spec, else from the defaults shown there
by `rcluster new`. Its keys all begin with rcluster:test: and are removed at the end.

Exit codes: 0 every check passed or does not apply, 4 one failed or could not be measured, 5 no node
answers, 6 no such cluster, 130 interrupted.

Examples:
  rcluster test                              every check, as a table
  rcluster test --junit report.xml           for CI; with GITHUB_ACTIONS=true failures are annotated
  rcluster test --latency-p99-ms 20 -v       allow more; show every node and shard
  rcluster test --only read-write,moved      these two
  rcluster test --seed 10.0.0.5:6379 --tap   a cluster that rcluster did not start, as TAP";

/// Prove that the cluster works, check by check (exit 4: a check failed)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Test {
    /// Only these checks
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<Check>,
    /// Not these checks
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    skip: Vec<Check>,
    /// Write JUnit XML to this file, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print TAP instead of the table
    #[arg(long, conflicts_with = "json")]
    tap: bool,
    /// latency: the 99th percentile of every shard stays below this many milliseconds
    #[arg(long, value_name = "MS", env = "RCLUSTER_TEST_LATENCY_P99_MS")]
    latency_p99_ms: Option<Decimal>,
    /// latency: samples per shard, one a millisecond
    #[arg(long, value_name = "N", env = "RCLUSTER_TEST_LATENCY_SAMPLES")]
    latency_samples: Option<u32>,
    /// hit-ratio: more than this many of a hundred look-ups find their key
    #[arg(long, value_name = "PERCENT", env = "RCLUSTER_TEST_HIT_RATIO_PERCENT")]
    hit_ratio_percent: Option<Decimal>,
    /// replica-lag: no replica is more bytes behind
    #[arg(long, value_name = "BYTES", env = "RCLUSTER_TEST_LAG_BYTES")]
    lag_bytes: Option<u64>,
    /// replica-read: replicas acknowledge a write within this many milliseconds
    #[arg(long, value_name = "MS", env = "RCLUSTER_TEST_WAIT_MS")]
    wait_ms: Option<u32>,
    /// persistence: spec (what it says), aof, rdb, any, off
    #[arg(long, value_name = "WHAT", env = "RCLUSTER_TEST_PERSISTENCE")]
    persistence: Option<Persistence>,
    /// maxclients: at least this many on every node
    #[arg(long, value_name = "N", env = "RCLUSTER_TEST_MAXCLIENTS")]
    maxclients: Option<u32>,
}

impl Execute for Test {
    const FACTS: Facts = Facts::json(Verb::Test);

    fn interrupt(&self) -> Interrupt {
        Interrupt::Own
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let mut signals = Signals::listen()?;
        let checks = checks(self)?;
        let progress = Progress::new(screen);
        let request = settings::request(global, &SpecFlags::default())?;
        let thresholds = over(&request.spec.test, self)?;
        let cluster = Cluster::reach(request, Purpose::Look).await?;
        let options = Options { thresholds, checks };
        let report = test::run(&cluster, &options, &progress, async || {
            signals.next().await;
        })
        .await?;
        progress.finish();
        if let Some(path) = &self.junit {
            write(path, &table::junit(&report)?)?;
        }
        let form = Form {
            tap: self.tap,
            annotations: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        };
        table::show(screen, form, &report)?;
        Ok(if report.is_ok() {
            Verdict::Fine
        } else {
            Verdict::Wanting
        })
    }
}

/// The thresholds: flags, else the spec's.
fn over(spec: &Thresholds, args: &Test) -> Result<Thresholds> {
    let mut thresholds = spec.clone();
    settings::set(&mut thresholds.latency_p99_ms, args.latency_p99_ms);
    settings::set(&mut thresholds.latency_samples, args.latency_samples);
    settings::set(&mut thresholds.hit_ratio_percent, args.hit_ratio_percent);
    settings::set(&mut thresholds.lag_bytes, args.lag_bytes);
    settings::set(&mut thresholds.wait_ms, args.wait_ms);
    settings::set(&mut thresholds.persistence, args.persistence);
    settings::set(&mut thresholds.maxclients, args.maxclients.map(Some));
    match thresholds.problems().into_iter().next() {
        None => Ok(thresholds),
        Some((key, what, hint)) => Err(Error::usage(format!("test.{key}: {what}")).hint(hint)),
    }
}

fn checks(args: &Test) -> Result<BTreeSet<Check>> {
    let checks: BTreeSet<Check> = Check::ALL
        .iter()
        .copied()
        .filter(|check| args.only.is_empty() || args.only.contains(check))
        .filter(|check| !args.skip.contains(check))
        .collect();
    if checks.is_empty() {
        return Err(Error::usage("--only and --skip leave no check")
            .hint(hint![Verb::Test.with("--help"), " names them all"]));
    }
    Ok(checks)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        // If this fails, writing the file fails too and says why.
        let _ = std::fs::create_dir_all(folder);
    }
    std::fs::write(path, text).map_err(|error| {
        Error::failed(format!("writing {}", path.display()))
            .source(error)
            .hint("name a file that can be written: --junit FILE")
    })
}
