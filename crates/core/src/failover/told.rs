//! A drill's report in words: the same on the terminal and on the page.

use super::report::{Instant, Latency, Report};
use crate::{plan::step::names, text::count::count};
use std::collections::BTreeMap;

/// `42 ms`, `1.234 s`.
pub fn clock(ms: f64) -> String {
    if ms.abs() < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.3} s", ms / 1000.0)
    }
}

/// Whole milliseconds, as [`clock`] has them.
pub fn whole(ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    clock(ms as f64)
}

/// `from` to `to`, both in milliseconds.
pub fn between(from: u64, to: u64) -> String {
    format!("{} to {}", whole(from), whole(to))
}

/// The nodes that were hit, and where.
pub fn headline(report: &Report) -> String {
    let fault = &report.fault;
    let nodes = names(&fault.nodes, ", ");
    format!("{nodes} of shard {}", fault.shard)
}

/// `passed` or `failed`.
pub fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// What was seen.
    pub what: String,
    /// When, and by whom.
    pub at: &'a Instant,
    /// When it was expected; empty where nothing was.
    pub predicted: String,
}

/// What was seen, in the order in which it is expected.
pub fn timeline(report: &Report) -> Vec<Line<'_>> {
    let predicted = report.predicted;
    let say = |text: Option<String>| text.unwrap_or_default();
    let pfail = say(predicted.map(|p| format!("from {}", whole(p.node_timeout_ms))));
    let fail =
        say(predicted
            .map(|p| between(p.node_timeout_ms, p.high_ms - 2 * p.election_ms - p.rank_ms)));
    let promoted = say(predicted.map(|p| between(p.low_ms, p.high_ms)));
    let resynced = format!("resynced ({})", report.resync.unwrap_or("?"));
    let none = String::new;
    [
        ("first error", &report.t_first_error, none()),
        ("suspected (PFAIL)", &report.t_pfail, pfail),
        ("failed (FAIL)", &report.t_fail, fail),
        ("election", &report.t_election, none()),
        ("promoted", &report.t_promoted, promoted.clone()),
        ("first write", &report.t_first_write_ok, promoted),
        ("first read", &report.t_first_read_ok, none()),
        ("views agree", &report.t_views_agree, none()),
        ("state ok again", &report.t_state_ok, none()),
        ("victim back", &report.t_rejoined, none()),
        (&resynced, &report.t_resynced, none()),
    ]
    .into_iter()
    .filter_map(|(what, at, predicted)| {
        Some(Line {
            what: what.to_owned(),
            at: at.as_ref()?,
            predicted,
        })
    })
    .collect()
}

/// For how long clients were without the shard.
pub fn outage(report: &Report) -> String {
    let rto = |ms: Option<f64>| ms.map_or("did not come back".to_owned(), clock);
    let predicted = report.predicted.map_or(String::new(), |p| {
        let range = between(p.low_ms, p.high_ms);
        format!("; predicted {} ({range})", whole(p.expected_ms))
    });
    format!(
        "writes {}, reads {}{predicted}",
        rto(report.rto_write_ms),
        rto(report.rto_read_ms)
    )
}

/// What the drill came to, but for its timeline: a word, and what there is to say.
pub fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = vec![("out", outage(report))];
    if let Some(later) = report.later_outage_ms {
        let later = clock(later);
        facts.push((
            "out again",
            format!("writes for {later} while the victim came back"),
        ));
    }
    facts.push((
        "data",
        format!(
            "{} acknowledged, {} lost, {} indeterminate ({} of them done), {} resurrected; {} looked for, {} wrong{}",
            report.acked,
            report.lost,
            report.indeterminate,
            report.data.indeterminate_done,
            report.resurrected,
            report.data.checked,
            report.data.mismatched,
            evicted(report.evicted)
        ),
    ));
    facts.extend(old_master(report).map(|text| ("old master", text)));
    facts.extend(slowed(report).map(|text| ("slowed", text)));
    let (latency, available) = (&report.latency, &report.availability);
    facts.push((
        "available",
        format!(
            "{:.2} % on its shard, {:.2} % on the others, until the views agreed",
            available.victim_shard * 100.0,
            available.others * 100.0
        ),
    ));
    facts.push((
        "refused",
        format!(
            "{}; on the others: {}",
            classes(&report.errors_by_class),
            classes(&report.errors_on_others)
        ),
    ));
    facts.push((
        "latency",
        format!(
            "before {}; during {}; after {}",
            percentiles(latency.before),
            percentiles(latency.during),
            percentiles(latency.after)
        ),
    ));
    let topology = if report.restored {
        "as before"
    } else {
        "changed"
    };
    let (before, after) = (report.epoch_before, report.epoch_after);
    facts.push((
        "topology",
        format!("{topology} (epoch {before} to {after})"),
    ));
    let observed = &report.observed;
    facts.push((
        "observed",
        format!(
            "{} looks, {:.1} ms apart (99 %: {:.1} ms, at most {:.1} ms); canaries took {:.1} % of a core",
            observed.looks,
            observed.gap_p50_ms,
            observed.gap_p99_ms,
            observed.gap_max_ms,
            observed.canary_cpu_percent
        ),
    ));
    facts
}

/// What the old master did while it was replaced.
fn old_master(report: &Report) -> Option<String> {
    let old = report.old_master.as_ref()?;
    let then = old.then.map_or(String::new(), |class| {
        format!(", then said {}", class.word())
    });
    let last = old
        .last_accepted_ms
        .map_or(String::new(), |ms| format!(", the last one {ms} ms later"));
    Some(format!(
        "took {} while it was replaced{last}{then}; {} of them are gone (min-replicas-to-write {})",
        count(old.accepted, "write"),
        old.lost,
        report.min_replicas_to_write
    ))
}

/// What eviction took; empty if nothing.
pub fn evicted(keys: usize) -> String {
    match keys {
        0 => String::new(),
        _ => format!("; {keys} evicted, since memory was full"),
    }
}

fn slowed(report: &Report) -> Option<String> {
    let slowed = report.slowed.as_ref()?;
    let nobody = if report.promoted.is_some() {
        "should have been promoted"
    } else {
        "was promoted"
    };
    Some(format!(
        "frozen {:.0} % of {} in {}, at most {:.0} ms at once; nobody {nobody}",
        slowed.frozen_percent,
        clock(slowed.lasted_ms),
        count(slowed.turns, "turn"),
        slowed.longest_freeze_ms,
    ))
}

fn percentiles(latency: Latency) -> String {
    format!(
        "{:.2} / {:.2} / {:.1} ms (median, 99 %, worst of {})",
        latency.p50_ms, latency.p99_ms, latency.max_ms, latency.count
    )
}

/// How many attempts of each class were not acknowledged.
pub fn classes(counts: &BTreeMap<&'static str, usize>) -> String {
    let all: Vec<String> = counts
        .iter()
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}
