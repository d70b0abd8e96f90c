//! Drills and planned failovers for a person to read.

use super::{
    result,
    screen::{ProgressForm, Screen, tell},
};
use console::style;
use rcluster_core::{
    error::Result,
    failover::{
        outline::Outline,
        report::{Planned, Report, Series, Verdict},
        told::{self, between, clock, whole},
    },
    plan::step::names,
    text::count::count,
};
use std::fmt::Write as _;

/// One drill.
pub fn drill(screen: Screen, report: &Report) -> Result<()> {
    result::show(screen, &text(report), report)
}

/// One drill of several, while they run.
pub fn line(screen: Screen, number: usize, report: &Report) {
    if screen.progress == ProgressForm::Quiet || screen.progress == ProgressForm::Json {
        return;
    }
    let word = told::word(report.verdict.passed);
    let rto = report.felt.rto_write_ms.map_or("never".to_owned(), clock);
    tell(&format!(
        "drill {number}: {word}, writes out for {rto}, {} lost\n",
        report.balance.lost
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
        let [min, p50, p90, max] = [row.min, row.p50, row.p90, row.max].map(clock);
        let name = row.name;
        let _ = writeln!(text, "  {name:<16}{min:>9}{p50:>9}{p90:>9}{max:>9}");
    }
    if let Some(it) = series.reports.first().and_then(|report| report.predicted) {
        let (range, middle) = (between(it.low_ms, it.high_ms), whole(it.expected_ms));
        let _ = writeln!(
            text,
            "\n  predicted for the first write: {range}, {middle} in the middle (node timeout {} ms)",
            it.node_timeout_ms
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
            turn.handover.shard,
            style(&turn.handover.to).bold(),
            turn.handover.from,
            clock(turn.promoted_ms),
            clock(turn.settled_ms),
            turn.worst_pause_ms.map_or("not measured".to_owned(), clock)
        );
    }
    let balance = &planned.balance;
    let _ = writeln!(
        text,
        "{} acknowledged, {} lost, {} indeterminate{}{}",
        count(balance.acked, "write"),
        balance.lost,
        balance.indeterminate,
        told::evicted(balance.evicted),
        match &planned.errors_by_class {
            none if none.is_empty() => String::new(),
            some => format!("; not acknowledged: {}", told::classes(some)),
        }
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
                "suspected (PFAIL) from {}; a new master after {} ({})",
                whole(predicted.node_timeout_ms),
                whole(predicted.expected_ms),
                between(predicted.low_ms, predicted.high_ms)
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
    let mut text = format!(
        "{} {} ({}, {}), node timeout {} ms\n\n",
        style(report.fault.kind).bold(),
        told::headline(report),
        report.cluster,
        report.runtime,
        report.node_timeout_ms
    );
    timeline(&mut text, report);
    text.push('\n');
    for (what, fact) in told::facts(report) {
        let fact = match what {
            "out" => style(fact).bold(),
            "data" if report.balance.lost > 0 => style(fact).red(),
            _ => style(fact),
        };
        let _ = writeln!(text, "  {what:<12}{fact}");
    }
    for limit in &report.limits {
        let _ = writeln!(text, "  {}   {limit}", style("not proved").dim());
    }
    text.push('\n');
    text.push_str(&verdict(&report.verdict));
    text.push_str(&left(report));
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
    let _ = writeln!(
        text,
        "  {:<20}{:>10}{:>10}  {:<23}SEEN BY",
        "", "SEEN", "± AT MOST", "PREDICTED"
    );
    for (what, at, predicted) in told::timeline(report) {
        let _ = writeln!(
            text,
            "  {what:<20}{:>10}{:>10}  {predicted:<23}{}",
            clock(at.ms),
            format!("{:.0} ms", at.resolution_ms),
            at.seen_by
        );
    }
    if let Some(ms) = report.back.t_restored {
        let _ = writeln!(text, "  {:<20}{:>10}", "topology restored", clock(ms));
    }
}

fn verdict(verdict: &Verdict) -> String {
    let word = style(told::word(verdict.passed)).bold();
    let word = if verdict.passed {
        word.green()
    } else {
        word.red()
    };
    match &verdict.reasons[..] {
        [] => format!("{word}\n"),
        some => format!("{word}: {}\n", some.join("; ")),
    }
}
