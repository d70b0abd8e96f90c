//! The report of a drill as a page of its own: no script, nothing to be fetched.

use super::template;
use crate::{
    error::Result,
    failover::report::{Bucket, Instant, Report},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _};

const TEMPLATE: &str = include_str!("../../../../templates/drill.html.j2");

const WIDTH: f64 = 960.0;
/// Room for the numbers of the axes.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 86.0;
/// Height of each of the two charts, and the gap between them.
const CHART: f64 = 130.0;
const GAP: f64 = 40.0;
const BOTTOM: f64 = TOP + 2.0 * CHART + GAP;

#[derive(Serialize)]
struct Page {
    title: String,
    word: &'static str,
    summary: String,
    reasons: Vec<String>,
    plot: Plot,
    rows: Vec<Row>,
    figures: Vec<Figure>,
    limits: Vec<String>,
    how: String,
    until: &'static str,
}

#[derive(Serialize)]
struct Plot {
    width: f64,
    height: f64,
    top: f64,
    bottom: f64,
    both: f64,
    bands: Vec<Band>,
    bars: Vec<Bar>,
    p50_path: String,
    max_path: String,
    marks: Vec<Mark>,
    ticks: Vec<Tick>,
    labels: Vec<Label>,
    grids: Vec<Grid>,
    left: f64,
    right: f64,
    expected: Vec<Expected>,
}

#[derive(Serialize)]
struct Band {
    x: f64,
    width: f64,
    opacity: f64,
}

#[derive(Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    colour: &'static str,
}

#[derive(Serialize)]
struct Mark {
    x: f64,
    y: f64,
    text: String,
    /// Where its text begins, and on which side of it.
    text_x: f64,
    anchor: &'static str,
}

/// A line across a chart, with its number.
#[derive(Serialize)]
struct Grid {
    y: f64,
    text: String,
}

/// When a new master was to be expected.
#[derive(Serialize)]
struct Expected {
    x: f64,
    width: f64,
    middle: f64,
    y: f64,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    text: String,
}

#[derive(Serialize)]
struct Label {
    x: f64,
    y: f64,
    text: String,
}

#[derive(Serialize)]
struct Row {
    what: String,
    seen: String,
    sharp: String,
    predicted: String,
    by: String,
}

#[derive(Serialize)]
struct Figure {
    what: &'static str,
    value: String,
}

/// The page of one drill.
pub fn drill_page(report: &Report) -> Result<String> {
    let fault = &report.fault;
    let nodes: Vec<&str> = fault
        .nodes
        .iter()
        .map(crate::node::NodeName::as_str)
        .collect();
    let page = Page {
        title: html(&format!(
            "Drill: {} {} of shard {}",
            fault.kind,
            nodes.join(", "),
            fault.shard
        )),
        word: if report.verdict.passed {
            "passed"
        } else {
            "failed"
        },
        summary: html(&format!(
            "Cluster {} on {}, {}; node timeout {} ms. Writes were out for {}, reads for {}; {}.",
            report.cluster,
            report.runtime,
            report.t_inject,
            report.node_timeout_ms,
            report
                .rto_write_ms
                .map_or("longer than it was watched".to_owned(), clock),
            report
                .rto_read_ms
                .map_or("longer than it was watched".to_owned(), clock),
            match report.predicted {
                Some(predicted) => format!(
                    "predicted {} ({} to {})",
                    clock(whole(predicted.expected_ms)),
                    clock(whole(predicted.low_ms)),
                    clock(whole(predicted.high_ms))
                ),
                None => "no failover was predicted".to_owned(),
            }
        )),
        reasons: report
            .verdict
            .reasons
            .iter()
            .map(|text| html(text))
            .chain(
                report
                    .left
                    .iter()
                    .map(|left| html(&format!("Left to do: {}; {}", left.what, left.command))),
            )
            .collect(),
        plot: plot(report),
        rows: rows(report),
        figures: figures(report),
        limits: report.limits.iter().map(|text| html(text)).collect(),
        how: html(&report.observed.how),
        until: match report.slowed {
            Some(_) => "the node ran freely again",
            None => "all views agreed",
        },
    };
    template::render("drill.html", TEMPLATE, &page)
}

fn plot(report: &Report) -> Plot {
    let series = &report.series;
    let first = series.first().map_or(0, |bucket| bucket.ms);
    let width_ms = bucket_width(series);
    let last = series.last().map_or(1000, |bucket| bucket.ms + width_ms);
    let x = |ms: f64| {
        let share = (ms - signed(first)) / signed((last - first).max(1));
        round(LEFT + share * (WIDTH - LEFT - RIGHT))
    };
    let bar_width = round((x(signed(first + width_ms)) - x(signed(first)) - 0.5).max(0.5));
    let busiest = series
        .iter()
        .map(|bucket| bucket.acked + bucket.failed)
        .max();
    let tall = |attempts: usize| round(CHART * ratio(attempts, busiest.unwrap_or(1).max(1)));
    let mut bars = Vec::new();
    for bucket in series {
        let (acked, failed) = (tall(bucket.acked), tall(bucket.failed));
        let left = x(signed(bucket.ms));
        let mut bar = |y: f64, height: f64, colour| {
            if height > 0.0 {
                bars.push(Bar {
                    x: left,
                    y: round(y),
                    width: bar_width,
                    height,
                    colour,
                });
            }
        };
        bar(TOP + CHART - acked, acked, "--ok");
        bar(TOP + CHART - acked - failed, failed, "--bad");
    }
    let worst = series
        .iter()
        .map(|bucket| bucket.max_ms)
        .fold(1.0, f64::max);
    let y = |ms: f64| {
        let share = (1.0 + ms * 10.0).ln() / (1.0 + worst * 10.0).ln();
        round(BOTTOM - CHART * share)
    };
    let grids = grids(busiest.unwrap_or(1).max(1), worst, &tall, &y);
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
    let bands = agreed.map(|ms| Band {
        x: x(0.0),
        width: round(x(ms) - x(0.0)),
        opacity: 0.4,
    });
    Plot {
        width: WIDTH,
        height: BOTTOM + 22.0,
        top: TOP,
        bottom: BOTTOM,
        both: BOTTOM - TOP,
        bands: bands.into_iter().collect(),
        p50_path: path(&|bucket| bucket.p50_ms),
        max_path: path(&|bucket| bucket.max_ms),
        marks: marks(report, &x),
        ticks: ticks(first, last, &x),
        labels: vec![
            Label {
                x: LEFT,
                y: TOP - 5.0,
                text: format!("attempts in {width_ms} ms"),
            },
            Label {
                x: LEFT,
                y: BOTTOM - CHART - 5.0,
                text: "latency".to_owned(),
            },
        ],
        grids,
        left: LEFT,
        right: WIDTH - RIGHT,
        expected: expected(report, last, &x),
        bars,
    }
}

/// The lines of both axes.
fn grids(
    busy: usize,
    worst: f64,
    tall: &dyn Fn(usize) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> Vec<Grid> {
    let mut grids: Vec<Grid> = [busy, busy / 2, 0]
        .into_iter()
        .map(|attempts| Grid {
            y: round(TOP + CHART - tall(attempts)),
            text: attempts.to_string(),
        })
        .collect();
    let decades = [0.0, 1.0, 10.0, 100.0, 1000.0, 10_000.0].into_iter();
    grids.extend(decades.filter(|ms| *ms <= worst).map(|ms| Grid {
        y: y(ms),
        text: clock(ms),
    }));
    grids
}

/// When a new master was to be expected.
fn expected(report: &Report, last: i64, x: &dyn Fn(f64) -> f64) -> Vec<Expected> {
    // Past what was watched there is nothing to be drawn on.
    let within = |ms: u64| x(whole(ms).min(signed(last)));
    let expected = report.predicted.map(|predicted| Expected {
        x: within(predicted.low_ms),
        width: round(within(predicted.high_ms) - within(predicted.low_ms)),
        middle: within(predicted.expected_ms),
        y: TOP + CHART + 8.0,
    });
    expected.into_iter().collect()
}

/// Labels one below the other, so that those of the same second can be read.
fn marks(report: &Report, x: &dyn Fn(f64) -> f64) -> Vec<Mark> {
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
    let mut marks = Vec::new();
    for (ms, text) in all {
        if let Some(ms) = ms {
            let row = u32::try_from(marks.len()).unwrap_or(0);
            let at = x(ms);
            // Near the right edge its text would be cut off.
            let (text_x, anchor) = if at > WIDTH - 90.0 {
                (at - 3.0, "end")
            } else {
                (at + 3.0, "start")
            };
            marks.push(Mark {
                x: at,
                y: f64::from(row % 7) * 11.0 + 2.0,
                text: text.to_owned(),
                text_x: round(text_x),
                anchor,
            });
        }
    }
    marks
}

fn ticks(first: i64, last: i64, x: &dyn Fn(f64) -> f64) -> Vec<Tick> {
    let step = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000]
        .into_iter()
        .find(|step| (last - first) / step <= 16)
        .unwrap_or(300_000);
    let mut ticks = Vec::new();
    let mut ms = first.div_euclid(step) * step;
    while ms <= last {
        if ms >= first {
            ticks.push(Tick {
                x: x(signed(ms)),
                text: format!("{} s", signed(ms) / 1000.0),
            });
        }
        ms += step;
    }
    ticks
}

fn rows(report: &Report) -> Vec<Row> {
    let predicted = report.predicted;
    let between = predicted.map_or(String::new(), |p| {
        format!("{} to {}", clock(whole(p.low_ms)), clock(whole(p.high_ms)))
    });
    let from = predicted.map_or(String::new(), |p| {
        format!("from {}", clock(whole(p.node_timeout_ms)))
    });
    let all = [
        (
            "first error of a client",
            &report.t_first_error,
            String::new(),
        ),
        ("suspected (PFAIL)", &report.t_pfail, from.clone()),
        ("failed (FAIL)", &report.t_fail, from),
        ("election", &report.t_election, String::new()),
        ("promoted", &report.t_promoted, between.clone()),
        ("first write", &report.t_first_write_ok, between),
        ("first read", &report.t_first_read_ok, String::new()),
        ("all views agree", &report.t_views_agree, String::new()),
        ("state ok again", &report.t_state_ok, String::new()),
        ("victim back", &report.t_rejoined, String::new()),
        ("resynced", &report.t_resynced, String::new()),
    ];
    all.into_iter()
        .filter_map(|(what, at, predicted)| {
            let at = at.as_ref()?;
            Some(Row {
                what: match (what, report.resync) {
                    ("resynced", Some(kind)) => format!("resynced ({kind})"),
                    _ => what.to_owned(),
                },
                seen: clock(at.ms),
                sharp: format!("{:.0} ms", at.resolution_ms),
                predicted,
                by: html(&at.seen_by),
            })
        })
        .collect()
}

fn figures(report: &Report) -> Vec<Figure> {
    let classes = |counts: &BTreeMap<&'static str, usize>| {
        let all: Vec<String> = counts
            .iter()
            .map(|(class, count)| format!("{count} {class}"))
            .collect();
        if all.is_empty() {
            "none".to_owned()
        } else {
            all.join(", ")
        }
    };
    let mut figures = vec![
        Figure {
            what: "acknowledged writes",
            value: report.acked.to_string(),
        },
        Figure {
            what: "lost",
            value: report.lost.to_string(),
        },
        Figure {
            what: "indeterminate",
            value: format!(
                "{}, {} of them done",
                report.indeterminate, report.data.indeterminate_done
            ),
        },
        Figure {
            what: "resurrected",
            value: report.resurrected.to_string(),
        },
        Figure {
            what: "not acknowledged, on this shard",
            value: classes(&report.errors_by_class),
        },
        Figure {
            what: "not acknowledged, on the others",
            value: classes(&report.errors_on_others),
        },
    ];
    if let Some(old) = &report.old_master {
        figures.push(Figure {
            what: "taken by the old master",
            value: format!("{}, {} of them gone", old.accepted, old.lost),
        });
    }
    if let Some(later) = report.later_outage_ms {
        figures.push(Figure {
            what: "out again while the victim came back",
            value: clock(later),
        });
    }
    if let Some(slowed) = &report.slowed {
        figures.push(Figure {
            what: "slowed down",
            value: format!(
                "frozen {:.0} % of {}, at most {:.0} ms at once",
                slowed.frozen_percent,
                clock(slowed.lasted_ms),
                slowed.longest_freeze_ms
            ),
        });
    }
    figures.push(Figure {
        what: "topology",
        value: format!(
            "{} (epoch {} to {})",
            if report.restored {
                "as before"
            } else {
                "changed"
            },
            report.epoch_before,
            report.epoch_after
        ),
    });
    figures
}

fn bucket_width(series: &[Bucket]) -> i64 {
    let pairs = series.windows(2).map(|pair| pair[1].ms - pair[0].ms);
    pairs.min().unwrap_or(100).max(1)
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn clock(ms: f64) -> String {
    if ms.abs() < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds and pixels")]
fn signed(ms: i64) -> f64 {
    ms as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn whole(ms: u64) -> f64 {
    ms as f64
}

#[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
