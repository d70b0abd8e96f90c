//! Whether a drill went as wanted, what it cannot prove, and how several compare.

use super::ledger::percentile;
use crate::{
    failover::{
        report::{Report, Series, Spread, Verdict},
        words::{Fault, Wanted},
    },
    text::count::count,
};

/// How many acknowledged writes a fault may lose unless said otherwise; `None`: losing some is what
/// it shows.
pub fn usual_loss(fault: Fault) -> Option<usize> {
    (!fault.leaves_an_old_master()).then_some(0)
}

/// Judges a report (its own verdict is not looked at).
pub fn judge(report: &Report, wanted: Wanted) -> Verdict {
    let fault = report.fault.kind;
    let mut wrong = Vec::new();
    let mut fine = Vec::new();
    let expects_promotion = report.predicted.is_some();
    if expects_promotion && report.promoted.is_none() {
        wrong.push("no replica was promoted".to_owned());
    }
    if fault == Fault::Slow && report.promoted.is_some() {
        let longest = report.slowed.map_or(0.0, |slowed| slowed.longest_freeze_ms);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let too_long = longest >= report.node_timeout_ms as f64;
        wrong.push(if too_long {
            format!("a replica was promoted: one stall took {longest:.0} ms, as this host was too busy to end it sooner")
        } else {
            "a replica was promoted although no stall was as long as the node timeout".to_owned()
        });
    }
    match (wanted.max_rto_ms, report.rto_write_ms) {
        (Some(most), Some(rto)) => {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
            let missed = rto > most as f64;
            let text = format!("writes were out for {rto:.0} ms, {most} allowed");
            if missed {
                wrong.push(text);
            } else {
                fine.push(text);
            }
        }
        (_, None) => wrong.push("writes did not come back".to_owned()),
        (None, Some(_)) => {}
    }
    if let (Some(most), Some(later)) = (wanted.max_rto_ms, report.later_outage_ms) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let missed = later > most as f64;
        if missed {
            wrong.push(format!(
                "writes were out again for {later:.0} ms while the victim came back, {most} allowed"
            ));
        }
    }
    match wanted.max_lost.or(usual_loss(fault)) {
        Some(most) if report.lost > most => wrong.push(format!(
            "{} lost, {most} allowed",
            count(report.lost, "acknowledged write")
        )),
        Some(most) => fine.push(format!("{} lost, {most} allowed", report.lost)),
        None => {}
    }
    if report.data.unchecked > 0 {
        wrong.push(format!(
            "{} could not be looked for",
            count(report.data.unchecked, "acknowledged write")
        ));
    }
    if report.data.mismatched > 0 {
        wrong.push(format!(
            "{} with a wrong value",
            count(report.data.mismatched, "key")
        ));
    }
    if wanted.restore && !report.restored {
        wrong.push("the first topology is not back".to_owned());
    }
    Verdict {
        passed: wrong.is_empty(),
        reasons: if wrong.is_empty() { fine } else { wrong },
    }
}

/// What a drill of this kind cannot prove.
pub fn limits(
    fault: Fault,
    node_timeout_ms: u64,
    one_host: bool,
    evicts: bool,
    full_coverage: bool,
) -> Vec<String> {
    let mut limits = Vec::new();
    let mut say = |text: &str| limits.push(text.to_owned());
    match fault {
        Fault::Crash | Fault::Double | Fault::Majority => {
            say(
                "a killed process loses no acknowledged write in practice: the kernel still delivers what it had \
                 written to its sockets and files. 0 lost says little about durability; a power cut or a partition \
                 may lose what the replica had not received",
            );
        }
        Fault::Stop => {
            say(
                "SIGTERM lets Redis wait for its replicas and save: it is the gentlest of all ends",
            );
        }
        Fault::Freeze => say(
            "a frozen node's clients wait; what the kernel buffered for it is executed when it thaws, so that many \
             of its late writes are lost or refused by the length of the freeze, which was chosen here",
        ),
        Fault::Partition => say(
            "the cut is clean and complete; real ones are partial, one-way or slow, and last as long as they like",
        ),
        Fault::Slow => say(
            "a stutter is not a slow disk or a slow network: the node works at full speed in between, and no \
             stall came near the node timeout; past that it would be replaced as one that is frozen",
        ),
        Fault::Replica => {
            say("losing a replica moves no slot: it shows only that nothing else notices");
        }
    }
    if one_host {
        say("all nodes share one host: its disk, its network and its clock did not fail");
    }
    if full_coverage {
        say(
            "cluster-require-full-coverage is yes: while a shard has no master Redis itself refuses on all others \
             (CLUSTERDOWN), which is not this drill's doing",
        );
    }
    if evicts {
        say(
            "maxmemory-policy may evict the canaries' keys when memory is full; as many as were evicted do not count as lost",
        );
    }
    if !matches!(fault, Fault::Replica | Fault::Majority | Fault::Slow) {
        limits.push(format!(
            "the replicas were rested: one that stood for election less than four node timeouts ({} s) ago is \
             not elected as soon, so a second crash within that time is slower than this one",
            node_timeout_ms.saturating_mul(4).div_ceil(1000)
        ));
    }
    let mut say = |text: &str| limits.push(text.to_owned());
    say("the load is the canaries' own: a busy cluster detects and elects more slowly");
    limits
}

/// Puts several drills side by side.
pub fn series(reports: Vec<Report>) -> Series {
    let values = |pick: &dyn Fn(&Report) -> Option<f64>| -> Vec<f64> {
        let mut values: Vec<f64> = reports.iter().filter_map(pick).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let at = |instant: &Option<crate::failover::report::Instant>| {
        instant.as_ref().map(|instant| instant.ms)
    };
    let mut spread = Vec::new();
    let mut add = |name, values: Vec<f64>| {
        if let (Some(min), Some(p50), Some(p90), Some(max)) = (
            values.first().copied(),
            percentile(&values, 50),
            percentile(&values, 90),
            values.last().copied(),
        ) {
            spread.push(Spread {
                name,
                count: values.len(),
                min,
                p50,
                p90,
                max,
            });
        }
    };
    add("pfail", values(&|report| at(&report.t_pfail)));
    add("fail", values(&|report| at(&report.t_fail)));
    add("election", values(&|report| at(&report.t_election)));
    add("promoted", values(&|report| at(&report.t_promoted)));
    add("first write ok", values(&|report| report.rto_write_ms));
    add("first read ok", values(&|report| report.rto_read_ms));
    add("views agree", values(&|report| at(&report.t_views_agree)));
    add("resynced", values(&|report| at(&report.t_resynced)));
    add("restored", values(&|report| report.t_restored));
    let how_many =
        |pick: &dyn Fn(&Report) -> bool| reports.iter().filter(|report| pick(report)).count();
    Series {
        schema: crate::failover::report::SCHEMA,
        drills: reports.len(),
        passed: how_many(&|report| report.verdict.passed),
        promotions: how_many(&|report| report.promoted.is_some()),
        lost: reports.iter().map(|report| report.lost).sum(),
        restored: how_many(&|report| report.restored),
        spread,
        reports,
    }
}
