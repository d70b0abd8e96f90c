//! A drill's report in words: the same on the terminal and on the page.

use super::{
    predict::Predicted,
    report::{Availability, Balance, Errors, Felt, Instant, Latencies, Latency, Observed, Report},
};
use crate::{plan::step::names, text::count::count};

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

/// The nodes that were hit, and their shard.
pub fn headline(report: &Report) -> String {
    let fault = &report.fault;
    format!("{} of shard {}", names(&fault.nodes, ", "), fault.shard)
}

/// `passed` or `failed`.
pub fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

/// A line of the timeline: what was seen, when, and when it was expected (empty: nothing was).
pub type Line<'a> = (String, &'a Instant, String);

/// The timeline, in the order in which things are expected.
pub fn timeline(report: &Report) -> Vec<Line<'_>> {
    let expected = |say: &dyn Fn(Predicted) -> String| report.predicted.map_or(String::new(), say);
    let pfail = expected(&|p| format!("from {}", whole(p.node_timeout_ms)));
    let fail = expected(&|p| {
        let latest = p.high_ms - 2 * p.election_ms - p.rank_ms;
        between(p.node_timeout_ms, latest)
    });
    let promoted = expected(&|p| between(p.low_ms, p.high_ms));
    let resynced = format!("resynced ({})", report.back.resync.unwrap_or("?"));
    let (seen, felt, back) = (&report.seen, &report.felt, &report.back);
    let none = String::new;
    [
        ("first error", &felt.t_first_error, none()),
        ("suspected (PFAIL)", &seen.t_pfail, pfail),
        ("failed (FAIL)", &seen.t_fail, fail),
        ("election", &seen.t_election, none()),
        ("promoted", &seen.t_promoted, promoted.clone()),
        ("first write", &felt.t_first_write_ok, promoted),
        ("first read", &felt.t_first_read_ok, none()),
        ("views agree", &seen.t_views_agree, none()),
        ("state ok again", &seen.t_state_ok, none()),
        ("victim back", &back.t_rejoined, none()),
        (&resynced, &back.t_resynced, none()),
    ]
    .into_iter()
    .filter_map(|(what, at, predicted)| Some((what.to_owned(), at.as_ref()?, predicted)))
    .collect()
}

/// How long writes and reads of the shard were out.
pub fn outage(report: &Report) -> String {
    let rto = |ms: Option<f64>| ms.map_or("did not come back".to_owned(), clock);
    let predicted = report.predicted.map_or(String::new(), |p| {
        let range = between(p.low_ms, p.high_ms);
        format!("; predicted {} ({range})", whole(p.expected_ms))
    });
    let (write, read) = (rto(report.felt.rto_write_ms), rto(report.felt.rto_read_ms));
    format!("writes {write}, reads {read}{predicted}")
}

/// All that there is to say but for the timeline: a word and a text each.
pub fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let out_again = |ms| format!("writes for {} while the victim came back", clock(ms));
    let all = [
        ("out", Some(outage(report))),
        ("out again", report.felt.later_outage_ms.map(out_again)),
        ("data", Some(data(&report.balance))),
        ("old master", old_master(report)),
        ("slowed", slowed(report)),
        ("available", Some(available(report.felt.availability))),
        ("refused", Some(refused(&report.felt))),
        ("latency", Some(latency(report.felt.latency))),
        ("topology", Some(topology(report))),
        ("observed", Some(observed(&report.observed))),
    ];
    all.into_iter()
        .filter_map(|(what, text)| Some((what, text?)))
        .collect()
}

fn data(it: &Balance) -> String {
    let writes = format!(
        "{} acknowledged, {} lost, {} indeterminate ({} of them done), {} resurrected",
        it.acked, it.lost, it.indeterminate, it.data.indeterminate_done, it.resurrected
    );
    let (checked, wrong) = (it.data.checked, it.data.mismatched);
    let evicted = evicted(it.evicted);
    format!("{writes}; {checked} looked for, {wrong} wrong{evicted}")
}

fn available(of: Availability) -> String {
    let (mine, others) = (of.victim_shard * 100.0, of.others * 100.0);
    format!("{mine:.2} % on its shard, {others:.2} % on the others, until the views agreed")
}

fn refused(felt: &Felt) -> String {
    let (mine, others) = (&felt.errors_by_class, &felt.errors_on_others);
    format!("{}; on the others: {}", classes(mine), classes(others))
}

fn latency(of: Latencies) -> String {
    let [before, during, after] = [of.before, of.during, of.after].map(percentiles);
    format!("before {before}; during {during}; after {after}")
}

fn topology(report: &Report) -> String {
    let is = if report.restored {
        "as before"
    } else {
        "changed"
    };
    let (before, after) = (report.epoch_before, report.epoch_after);
    format!("{is} (epoch {before} to {after})")
}

fn observed(it: &Observed) -> String {
    let (p50, p99, max) = (it.gap_p50_ms, it.gap_p99_ms, it.gap_max_ms);
    let (looks, cpu) = (it.looks, it.canary_cpu_percent);
    format!(
        "{looks} looks, {p50:.1} ms apart (99 %: {p99:.1} ms, at most {max:.1} ms); canaries took {cpu:.1} % of a core"
    )
}

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

/// How many keys were evicted; empty if none.
pub fn evicted(keys: usize) -> String {
    match keys {
        0 => String::new(),
        _ => format!("; {keys} evicted, since memory was full"),
    }
}

fn slowed(report: &Report) -> Option<String> {
    let slowed = report.slowed.as_ref()?;
    let nobody = if report.seen.promoted.is_some() {
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

/// How many attempts of each class were not acknowledged, in words.
pub fn classes(counts: &Errors) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let all = counts
        .iter()
        .map(|(class, count)| format!("{count} {class}"));
    all.collect::<Vec<String>>().join(", ")
}
