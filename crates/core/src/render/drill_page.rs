//! The report of a drill as an HTML page that needs no script and loads nothing.

use super::template;
use crate::{
    error::Result,
    failover::{
        report::{Bucket, Instant, Report},
        told::{self, clock},
    },
};
use serde_json::{Value, json};
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("../../../../templates/drill.html.j2");

const WIDTH: f64 = 960.0;
/// The room for the numbers of the axes.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 86.0;
/// The height of each of the two charts, and the gap between them.
const CHART: f64 = 130.0;
const GAP: f64 = 40.0;
const BOTTOM: f64 = TOP + 2.0 * CHART + GAP;

/// The page of one drill.
pub fn drill_page(report: &Report) -> Result<String> {
    let left = report.left.iter();
    let left = left.map(|left| format!("Left to do: {}; {}", left.what, left.command));
    let reasons = report.verdict.reasons.iter().cloned().chain(left);
    let rows = told::timeline(report).into_iter().map(|line| {
        json!({
            "what": line.what,
            "seen": clock(line.at.ms),
            "sharp": format!("{:.0} ms", line.at.resolution_ms),
            "predicted": line.predicted,
            "by": line.at.seen_by,
        })
    });
    let page = json!({
        "title": format!("Drill: {} {}", report.fault.kind, told::headline(report)),
        "word": told::word(report.verdict.passed),
        "summary": format!(
            "Cluster {} on {}, {}; node timeout {} ms. Out: {}.",
            report.cluster,
            report.runtime,
            report.t_inject,
            report.node_timeout_ms,
            told::outage(report)
        ),
        "reasons": reasons.collect::<Vec<String>>(),
        "plot": plot(report),
        "rows": rows.collect::<Vec<Value>>(),
        "facts": told::facts(report),
        "limits": report.limits,
        "how": report.observed.how,
        "until": match report.slowed {
            Some(_) => "the node ran freely again",
            None => "all views agreed",
        },
    });
    template::render("drill.html", TEMPLATE, &page)
}

fn plot(report: &Report) -> Value {
    let series = &report.series;
    let first = series.first().map_or(0, |bucket| bucket.ms);
    let width_ms = bucket_width(series);
    let last = series.last().map_or(1000, |bucket| bucket.ms + width_ms);
    let x = |ms: f64| {
        let share = (ms - signed(first)) / signed((last - first).max(1));
        round(LEFT + share * (WIDTH - LEFT - RIGHT))
    };
    let all = series.iter().map(|bucket| bucket.acked + bucket.failed);
    let busiest = all.max().unwrap_or(1).max(1);
    let tall = |attempts: usize| round(CHART * ratio(attempts, busiest));
    let worst = series
        .iter()
        .map(|bucket| bucket.max_ms)
        .fold(1.0, f64::max);
    let y = |ms: f64| {
        let share = (1.0 + ms * 10.0).ln() / (1.0 + worst * 10.0).ln();
        round(BOTTOM - CHART * share)
    };
    let path = |pick: &dyn Fn(&Bucket) -> f64| {
        let mut path = String::new();
        let mut pen = 'M';
        for bucket in series {
            if bucket.acked == 0 {
                pen = 'M';
                continue;
            }
            let middle = signed(bucket.ms) + signed(width_ms) / 2.0;
            let _ = write!(path, "{pen}{} {} ", x(middle), y(pick(bucket)));
            pen = 'L';
        }
        path.trim_end().to_owned()
    };
    let slowed = report.slowed.map(|slowed| slowed.lasted_ms);
    let agreed = report.t_views_agree.as_ref().map(|at| at.ms).or(slowed);
    json!({
        "width": WIDTH,
        "height": BOTTOM + 22.0,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "bottom": BOTTOM,
        "band": agreed.map(|ms| json!({ "x": x(0.0), "width": round(x(ms) - x(0.0)) })),
        "bars": bars(series, width_ms, &tall, &x),
        "p50_path": path(&|bucket| bucket.p50_ms),
        "max_path": path(&|bucket| bucket.max_ms),
        "marks": marks(report, &x),
        "ticks": ticks(first, last, &x),
        "labels": [
            { "y": TOP - 5.0, "text": format!("attempts in {width_ms} ms") },
            { "y": BOTTOM - CHART - 5.0, "text": "latency" },
        ],
        "grids": grids(busiest, worst, &tall, &y),
        "expected": expected(report, last, &x),
    })
}

/// A bar for each bucket: what was acknowledged, and on top what was not.
fn bars(
    series: &[Bucket],
    width_ms: i64,
    tall: &dyn Fn(usize) -> f64,
    x: &dyn Fn(f64) -> f64,
) -> Vec<Value> {
    let mut bars = Vec::new();
    for bucket in series {
        let left = x(signed(bucket.ms));
        let width = round((x(signed(bucket.ms + width_ms)) - left - 0.5).max(0.5));
        let (acked, failed) = (tall(bucket.acked), tall(bucket.failed));
        let floor = TOP + CHART;
        for (y, height, colour) in [
            (floor - acked, acked, "--ok"),
            (floor - acked - failed, failed, "--bad"),
        ] {
            if height > 0.0 {
                bars.push(json!({
                    "x": left, "y": round(y), "width": width, "height": height, "colour": colour
                }));
            }
        }
    }
    bars
}

/// The grid lines of both axes, each with its number.
fn grids(
    busy: usize,
    worst: f64,
    tall: &dyn Fn(usize) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> Vec<Value> {
    let attempts = [busy, busy / 2, 0].into_iter().map(|attempts| {
        json!({ "y": round(TOP + CHART - tall(attempts)), "text": attempts.to_string() })
    });
    let decades = [0.0, 1.0, 10.0, 100.0, 1000.0, 10_000.0].into_iter();
    let latencies = decades
        .filter(|ms| *ms <= worst)
        .map(|ms| json!({ "y": y(ms), "text": clock(ms) }));
    attempts.chain(latencies).collect()
}

/// The time in which a new master was expected.
fn expected(report: &Report, last: i64, x: &dyn Fn(f64) -> f64) -> Option<Value> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    // The chart ends where the watch ended.
    let within = |ms: u64| x((ms as f64).min(signed(last)));
    report.predicted.map(|predicted| {
        json!({
            "x": within(predicted.low_ms),
            "width": round(within(predicted.high_ms) - within(predicted.low_ms)),
            "middle": within(predicted.expected_ms),
            "y": TOP + CHART + 8.0,
        })
    })
}

/// The marks for events. Labels stand one below the other, so that those of the same second can be
/// read.
fn marks(report: &Report, x: &dyn Fn(f64) -> f64) -> Vec<Value> {
    let at = |instant: &Option<Instant>| instant.as_ref().map(|instant| instant.ms);
    let all = [
        (Some(0.0), "fault"),
        (at(&report.t_pfail), "PFAIL"),
        (at(&report.t_fail), "FAIL"),
        (at(&report.t_election), "election"),
        (at(&report.t_promoted), "promoted"),
        (at(&report.t_views_agree), "views agree"),
        (at(&report.t_rejoined), "victim back"),
        (report.t_restored, "restored"),
    ];
    let seen = all.into_iter().filter_map(|(ms, text)| Some((ms?, text)));
    (0_u8..)
        .zip(seen)
        .map(|(row, (ms, text))| {
            let at = x(ms);
            // Near the right edge, the label is on the left of its mark.
            let (text_x, anchor) = if at > WIDTH - 90.0 {
                (at - 3.0, "end")
            } else {
                (at + 3.0, "start")
            };
            json!({
                "x": at,
                "y": f64::from(row % 7) * 11.0 + 2.0,
                "text": text,
                "text_x": round(text_x),
                "anchor": anchor,
            })
        })
        .collect()
}

fn ticks(first: i64, last: i64, x: &dyn Fn(f64) -> f64) -> Vec<Value> {
    let step = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000]
        .into_iter()
        .find(|step| (last - first) / step <= 16)
        .unwrap_or(300_000);
    let mut ticks = Vec::new();
    let mut ms = first.div_euclid(step) * step;
    while ms <= last {
        if ms >= first {
            ticks.push(json!({
                "x": x(signed(ms)),
                "text": format!("{} s", signed(ms) / 1000.0),
            }));
        }
        ms += step;
    }
    ticks
}

fn bucket_width(series: &[Bucket]) -> i64 {
    let pairs = series.windows(2).map(|pair| pair[1].ms - pair[0].ms);
    pairs.min().unwrap_or(100).max(1)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds and pixels")]
fn signed(ms: i64) -> f64 {
    ms as f64
}

#[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
