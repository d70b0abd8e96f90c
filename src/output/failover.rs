//! Drills for a person: a timeline with what was predicted beside what was seen, the data, the
//! verdict, and what the drill cannot prove.

use super::{
    result,
    screen::{ProgressForm, Screen, tell},
};
use console::style;
use rcluster_core::{
    error::Result,
    failover::{
        outline::Outline,
        report::{Instant, Latency, Planned, Report, Series, Verdict},
    },
    plan::step::names,
    text::count::count,
};
use std::{collections::BTreeMap, fmt::Write as _};

/// One drill.
pub fn drill(screen: Screen, report: &Report) -> Result<()> {
    result::show(screen, &text(report), report)
}

/// One drill of several, while they run.
pub fn line(screen: Screen, number: usize, report: &Report) {
    if screen.progress == ProgressForm::Quiet || screen.progress == ProgressForm::Json {
        return;
    }
    let word = if report.verdict.passed {
        "passed"
    } else {
        "failed"
    };
    let rto = report.rto_write_ms.map_or("never".to_owned(), clock);
    tell(&format!(
        "drill {number}: {word}, writes out for {rto}, {} lost\n",
        report.lost
    ));
}

/// Several drills.
pub fn series(screen: Screen, series: &Series) -> Result<()> {
    let mut text = format!(
        "{}: {} passed, {} with a promotion, {} lost, first topology back {}\n\n",
        style(count(series.drills, "drill")).bold(),
        series.passed,
        series.promotions,
        count(series.lost, "acknowledged write"),
        match series.restored {
            all if all == series.drills => "each time".to_owned(),
            some => format!("{some} times"),
        }
    );
    let _ = writeln!(
        text,
        "  {:<16}{:>9}{:>9}{:>9}{:>9}",
        "", "MIN", "MEDIAN", "90 %", "MAX"
    );
    for row in &series.spread {
        let _ = writeln!(
            text,
            "  {:<16}{:>9}{:>9}{:>9}{:>9}",
            row.name,
            clock(row.min),
            clock(row.p50),
            clock(row.p90),
            clock(row.max)
        );
    }
    if let Some(predicted) = series.reports.first().and_then(|report| report.predicted) {
        let _ = writeln!(
            text,
            "\n  predicted for the first write: {} to {}, {} in the middle (node timeout {} ms)",
            clock(whole(predicted.low_ms)),
            clock(whole(predicted.high_ms)),
            clock(whole(predicted.expected_ms)),
            predicted.node_timeout_ms
        );
    }
    for (number, report) in (1..).zip(&series.reports) {
        if !report.verdict.passed {
            let _ = writeln!(
                text,
                "{} {number}: {}",
                style("failed:").red().bold(),
                report.verdict.reasons.join("; ")
            );
            text.push_str(&left(report));
        }
    }
    result::show(screen, &text, series)
}

/// Planned failovers.
pub fn planned(screen: Screen, planned: &Planned) -> Result<()> {
    let mut text = String::new();
    for turn in &planned.turns {
        let _ = writeln!(
            text,
            "shard {}: {} leads instead of {}; promoted after {}, settled after {}, worst pause of writes {}",
            turn.shard,
            style(&turn.to).bold(),
            turn.from,
            clock(turn.promoted_ms),
            clock(turn.settled_ms),
            clock(turn.worst_pause_ms)
        );
    }
    let _ = writeln!(
        text,
        "{} acknowledged, {} lost, {} indeterminate{}",
        count(planned.acked, "write"),
        planned.lost,
        planned.indeterminate,
        classes("; not acknowledged: ", &planned.errors_by_class)
    );
    text.push_str(&verdict(&planned.verdict));
    result::show(screen, &text, planned)
}

/// What is about to happen, for `--dry-run`.
pub fn outline(screen: Screen, outline: &Outline) -> Result<()> {
    let mut text = String::new();
    let mut about = |what: &str, value: &str| {
        let _ = writeln!(text, "{what:<20}{value}");
    };
    if let Some(hit) = &outline.drill {
        let victims = style(names(&hit.victims, ", ")).bold();
        let (fault, blow, shard) = (hit.fault, hit.fault.blow(), hit.shard);
        let would = format!("{victims} by {fault} ({blow}), shard {shard}");
        about("would break", &would);
        for heir in &outline.heirs {
            let to = match &heir.to[..] {
                [] => "nobody is told to".to_owned(),
                [only] => only.to_string(),
                equal => format!("{} (equal data: chance decides)", names(equal, " or ")),
            };
            about("expected to win", &format!("{to}, shard {}", heir.shard));
        }
        about("node timeout", &format!("{} ms", hit.node_timeout_ms));
        let predicted = match hit.predicted {
            Some(predicted) => format!(
                "suspected (PFAIL) from {}; a new master after {} ({} to {})",
                clock(whole(predicted.node_timeout_ms)),
                clock(whole(predicted.expected_ms)),
                clock(whole(predicted.low_ms)),
                clock(whole(predicted.high_ms))
            ),
            None => "Redis does not fail over by itself after this".to_owned(),
        };
        about("predicted", &predicted);
        text.push('\n');
    }
    text.push_str(&result::stages(&outline.plan));
    let restored = &outline.restored;
    let mut back = Vec::new();
    if !restored.nodes.is_empty() {
        back.push(format!("{} back in place", names(&restored.nodes, ", ")));
    }
    if !restored.masters.is_empty() {
        back.push(format!("led by {} as now", names(&restored.masters, ", ")));
    }
    for (node, settings) in &restored.settings {
        let names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        back.push(format!("{} of {node} as now", names.join(", ")));
    }
    if !back.is_empty() {
        let _ = writeln!(text, "\nat the end: {}", back.join("; "));
    }
    for note in &outline.plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    result::show(screen, &text, outline)
}

fn text(report: &Report) -> String {
    let fault = &report.fault;
    let mut text = format!(
        "{} {} of shard {} ({}, {}), node timeout {} ms\n\n",
        style(fault.kind).bold(),
        names(&fault.nodes, ", "),
        fault.shard,
        report.cluster,
        report.runtime,
        report.node_timeout_ms
    );
    timeline(&mut text, report);
    text.push('\n');
    let _ = writeln!(
        text,
        "  data        {} acknowledged, {}, {} indeterminate ({} of them done), {} resurrected; {} looked for, {} wrong",
        report.acked,
        match report.lost {
            0 => style("0 lost".to_owned()).green(),
            lost => style(format!("{lost} lost")).red(),
        },
        report.indeterminate,
        report.data.indeterminate_done,
        report.resurrected,
        report.data.checked,
        report.data.mismatched
    );
    text.push_str(&victim(report));
    let _ = writeln!(
        text,
        "  available   {:.2} % on its shard, {:.2} % on the others, until the views agreed",
        report.availability.victim_shard * 100.0,
        report.availability.others * 100.0
    );
    let _ = writeln!(
        text,
        "  refused     {}; on the others: {}",
        or_none(&report.errors_by_class),
        or_none(&report.errors_on_others)
    );
    let latency = &report.latency;
    let _ = writeln!(
        text,
        "  latency     before {}; during {}; after {}",
        figures(latency.before),
        figures(latency.during),
        figures(latency.after)
    );
    let _ = writeln!(
        text,
        "  topology    {} (epoch {} to {})",
        if report.restored {
            "as before"
        } else {
            "changed"
        },
        report.epoch_before,
        report.epoch_after
    );
    let observed = &report.observed;
    let _ = writeln!(
        text,
        "  observed    {} looks, {:.1} ms apart (99 %: {:.1} ms, at most {:.1} ms); canaries took {:.1} % of a core",
        observed.looks,
        observed.gap_p50_ms,
        observed.gap_p99_ms,
        observed.gap_max_ms,
        observed.canary_cpu_percent
    );
    for limit in &report.limits {
        let _ = writeln!(text, "  {}   {limit}", style("not proved").dim());
    }
    text.push('\n');
    text.push_str(&verdict(&report.verdict));
    text.push_str(&left(report));
    text
}

/// What the victim did meanwhile, where it lived on.
fn victim(report: &Report) -> String {
    let mut text = String::new();
    if let Some(old) = &report.old_master {
        let then = old.then.map_or(String::new(), |class| {
            format!(", then said {}", class.word())
        });
        let last = old
            .last_accepted_ms
            .map_or(String::new(), |ms| format!(", the last one {ms} ms later"));
        let _ = writeln!(
            text,
            "  old master  took {} while it was replaced{last}{then}; {} of them are gone (min-replicas-to-write {})",
            count(old.accepted, "write"),
            old.lost,
            report.min_replicas_to_write
        );
    }
    if let Some(slowed) = &report.slowed {
        let _ = writeln!(
            text,
            "  slowed      frozen {:.0} % of {} in {}, at most {:.0} ms at once; nobody {}",
            slowed.frozen_percent,
            clock(slowed.lasted_ms),
            count(slowed.turns, "turn"),
            slowed.longest_freeze_ms,
            if report.promoted.is_some() {
                "should have been promoted"
            } else {
                "was promoted"
            }
        );
    }
    text
}

/// What could not be put right.
fn left(report: &Report) -> String {
    let mut text = String::new();
    for left in &report.left {
        let word = style("left to do:").red().bold();
        let _ = writeln!(text, "{word} {}; `{}`", left.what, left.command);
    }
    text
}

fn timeline(text: &mut String, report: &Report) {
    let predicted = report.predicted;
    let between = |low: u64, high: u64| format!("{} to {}", clock(whole(low)), clock(whole(high)));
    let fail =
        predicted.map(|p| between(p.node_timeout_ms, p.high_ms - 2 * p.election_ms - p.rank_ms));
    let promoted = predicted.map(|p| between(p.low_ms, p.high_ms));
    let rows: [(&str, Option<&Instant>, Option<String>); 10] = [
        ("first error", report.t_first_error.as_ref(), None),
        (
            "suspected (PFAIL)",
            report.t_pfail.as_ref(),
            predicted.map(|p| format!("from {}", clock(whole(p.node_timeout_ms)))),
        ),
        ("failed (FAIL)", report.t_fail.as_ref(), fail),
        ("election", report.t_election.as_ref(), None),
        ("promoted", report.t_promoted.as_ref(), promoted.clone()),
        ("first write", report.t_first_write_ok.as_ref(), promoted),
        ("first read", report.t_first_read_ok.as_ref(), None),
        ("views agree", report.t_views_agree.as_ref(), None),
        ("state ok again", report.t_state_ok.as_ref(), None),
        ("victim back", report.t_rejoined.as_ref(), None),
    ];
    let _ = writeln!(
        text,
        "  {:<20}{:>10}{:>10}  {:<23}SEEN BY",
        "", "SEEN", "± AT MOST", "PREDICTED"
    );
    let mut row = |name: &str, at: &Instant, predicted: &str| {
        let _ = writeln!(
            text,
            "  {name:<20}{:>10}{:>10}  {predicted:<23}{}",
            clock(at.ms),
            format!("{:.0} ms", at.resolution_ms),
            at.seen_by
        );
    };
    for (name, at, predicted) in rows {
        if let Some(at) = at {
            row(name, at, &predicted.unwrap_or_default());
        }
    }
    if let Some(at) = &report.t_resynced {
        row(
            &format!("resynced ({})", report.resync.unwrap_or("?")),
            at,
            "",
        );
    }
    if let Some(ms) = report.t_restored {
        let _ = writeln!(text, "  {:<20}{:>10}", "topology restored", clock(ms));
    }
    let rto = |ms: Option<f64>| ms.map_or("did not come back".to_owned(), clock);
    let _ = writeln!(
        text,
        "\n  out         writes {}, reads {}{}",
        style(rto(report.rto_write_ms)).bold(),
        rto(report.rto_read_ms),
        report.predicted.map_or(String::new(), |p| format!(
            "; predicted {} ({})",
            clock(whole(p.expected_ms)),
            between(p.low_ms, p.high_ms)
        ))
    );
    if let Some(later) = report.later_outage_ms {
        let _ = writeln!(
            text,
            "  out again   writes for {} while the victim came back",
            clock(later)
        );
    }
}

fn verdict(verdict: &Verdict) -> String {
    let word = if verdict.passed {
        style("passed").green().bold()
    } else {
        style("failed").red().bold()
    };
    if verdict.reasons.is_empty() {
        format!("{word}\n")
    } else {
        format!("{word}: {}\n", verdict.reasons.join("; "))
    }
}

fn figures(latency: Latency) -> String {
    format!(
        "{:.2} / {:.2} / {:.1} ms (median, 99 %, worst of {})",
        latency.p50_ms, latency.p99_ms, latency.max_ms, latency.count
    )
}

fn or_none(counts: &BTreeMap<&'static str, usize>) -> String {
    match classes("", counts) {
        text if text.is_empty() => "none".to_owned(),
        text => text,
    }
}

fn classes(before: &str, counts: &BTreeMap<&'static str, usize>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let all: Vec<String> = counts
        .iter()
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    format!("{before}{}", all.join(", "))
}

/// `42 ms`, `1.234 s`.
fn clock(ms: f64) -> String {
    if ms.abs() < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.3} s", ms / 1000.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn whole(ms: u64) -> f64 {
    ms as f64
}
