//! The report of a drill as one HTML page: it has no script and loads nothing.

use super::template;
use crate::{
    error::Result,
    failover::{
        report::{Bucket, Instant, Report},
        told::{self, clock},
    },
};
use minijinja::{
    context,
    value::{Serde, Value},
};
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("../../../../templates/drill.html.j2");

/// The page of one drill.
pub fn drill_page(report: &Report) -> Result<String> {
    let left = report.left.iter();
    let left = left.map(|left| format!("Left to do: {}; {}", left.what, left.command));
    let reasons = report.verdict.reasons.iter().cloned().chain(left);
    let plot = Plot::of(report);
    let seen = &report.seen.t_views_agree;
    let slowed = report.slowed.map(|slowed| slowed.lasted_ms);
    let title = format!("Drill: {} {}", report.fault.kind, told::headline(report));
    let summary = format!(
        "Cluster {} on {}, {}; node timeout {} ms. Out: {}.",
        report.cluster,
        report.runtime,
        report.t_inject,
        report.node_timeout_ms,
        told::outage(report)
    );
    let page = context! {
        title => title,
        word => told::word(report.verdict.passed),
        summary => summary,
        reasons => reasons.collect::<Vec<String>>(),
        rows => Serde(told::timeline(report)),
        facts => Serde(told::facts(report)),
        report => Serde(report),
        until => match slowed {
            Some(_) => "the node ran freely again",
            None => "all views agreed",
        },
        agreed => seen.as_ref().map(|at| at.ms).or(slowed),
        bucket_ms => plot.bucket_ms,
        last => plot.last,
        busiest => plot.busiest,
        worst => plot.worst,
        marks => Serde(marks(report)),
        ticks => Serde(plot.ticks()),
        p50_path => plot.path(&report.series, |bucket| bucket.p50_ms),
        max_path => plot.path(&report.series, |bucket| bucket.max_ms),
        clock => Value::from_function(clock),
        x => Value::from_function(move |ms: f64| plot.x(ms)),
        y => Value::from_function(move |ms: f64| plot.y(ms)),
        tall => Value::from_function(move |attempts: f64| plot.tall(attempts)),
    };
    template::render("drill.html", TEMPLATE, &page)
}

/// Where things are drawn. The template has the same numbers.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 948.0;
const BOTTOM: f64 = 386.0;
/// The height of each of the two charts: attempts above, latency below.
const CHART: f64 = 130.0;

/// The scales of the plot.
#[derive(Clone, Copy)]
struct Plot {
    first: i64,
    last: i64,
    bucket_ms: i64,
    /// The most attempts in one bucket.
    busiest: usize,
    /// The slowest attempt, in milliseconds.
    worst: f64,
}

impl Plot {
    fn of(report: &Report) -> Self {
        let series = &report.series;
        let pairs = series.windows(2).map(|pair| pair[1].ms - pair[0].ms);
        let bucket_ms = pairs.min().unwrap_or(100).max(1);
        let all = series.iter().map(|bucket| bucket.acked + bucket.failed);
        let slowest = series.iter().map(|bucket| bucket.max_ms);
        Plot {
            first: series.first().map_or(0, |bucket| bucket.ms),
            last: series.last().map_or(1000, |bucket| bucket.ms + bucket_ms),
            bucket_ms,
            busiest: all.max().unwrap_or(1).max(1),
            worst: slowest.fold(1.0, f64::max),
        }
    }

    /// Where a moment is; `ms` counts from the fault.
    fn x(self, ms: f64) -> f64 {
        let share = (ms - float(self.first)) / float((self.last - self.first).max(1));
        round(LEFT + share * (RIGHT - LEFT))
    }

    /// Where a latency is, on a logarithmic scale.
    fn y(self, ms: f64) -> f64 {
        let share = (1.0 + ms * 10.0).ln() / (1.0 + self.worst * 10.0).ln();
        round(BOTTOM - CHART * share)
    }

    /// How tall the bar of so many attempts is.
    #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
    fn tall(self, attempts: f64) -> f64 {
        round(CHART * attempts / self.busiest as f64)
    }

    /// A line through the middles of the buckets; it has gaps where nothing was acknowledged.
    fn path(self, series: &[Bucket], pick: impl Fn(&Bucket) -> f64) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for bucket in series {
            if bucket.acked == 0 {
                pen = 'M';
                continue;
            }
            let x = self.x(float(bucket.ms) + float(self.bucket_ms) / 2.0);
            let _ = write!(path, "{pen}{x} {} ", self.y(pick(bucket)));
            pen = 'L';
        }
        path.trim_end().to_owned()
    }

    /// The moments that the axis names, 16 at most.
    fn ticks(self) -> Vec<(i64, String)> {
        let steps = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000];
        let fits = |step: &i64| (self.last - self.first) / step <= 16;
        let step = steps.into_iter().find(fits).unwrap_or(300_000);
        let first = self.first.div_euclid(step) * step;
        let all = (first..=self.last).step_by(usize::try_from(step).unwrap_or(1));
        all.filter(|ms| *ms >= self.first)
            .map(|ms| (ms, format!("{} s", float(ms) / 1000.0)))
            .collect()
    }
}

/// The moments that are marked in the plot.
fn marks(report: &Report) -> Vec<(f64, &'static str)> {
    let at = |instant: &Option<Instant>| instant.as_ref().map(|instant| instant.ms);
    let (seen, back) = (&report.seen, &report.back);
    let all = [
        (Some(0.0), "fault"),
        (at(&seen.t_pfail), "PFAIL"),
        (at(&seen.t_fail), "FAIL"),
        (at(&seen.t_election), "election"),
        (at(&seen.t_promoted), "promoted"),
        (at(&seen.t_views_agree), "views agree"),
        (at(&back.t_rejoined), "victim back"),
        (back.t_restored, "restored"),
    ];
    let seen = all.into_iter().filter_map(|(ms, text)| Some((ms?, text)));
    seen.collect()
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn float(ms: i64) -> f64 {
    ms as f64
}
