//! Whether a drill passed, what it cannot prove, and how several compare.

use super::{
    felt::percentile,
    outline::Hit,
    report::{Instant, Report, SCHEMA, Series, Spread, Verdict},
    words::{Fault, Request},
};
use crate::text::count::count;

/// Judges all of a report but its own verdict.
pub fn judge(report: &Report, request: &Request) -> Verdict {
    let fault = report.fault.kind;
    let promoted = report.seen.promoted.is_some();
    let mut wrong = Vec::new();
    let mut fine = Vec::new();
    if report.predicted.is_some() && !promoted {
        wrong.push("no replica was promoted".to_owned());
    }
    if fault == Fault::Slow && promoted {
        let longest = report.slowed.map_or(0.0, |slowed| slowed.longest_freeze_ms);
        wrong.push(if longest >= float(report.node_timeout_ms) {
            format!("a replica was promoted: one stall took {longest:.0} ms, as this host was too busy to end it sooner")
        } else {
            "a replica was promoted although no stall was as long as the node timeout".to_owned()
        });
    }
    match (request.max_rto_ms, report.felt.rto_write_ms) {
        (Some(most), Some(rto)) => {
            let text = format!("writes were out for {rto:.0} ms, {most} allowed");
            if rto > float(most) {
                wrong.push(text);
            } else {
                fine.push(text);
            }
        }
        (_, None) => wrong.push("writes did not come back".to_owned()),
        (None, Some(_)) => {}
    }
    if let (Some(most), Some(later)) = (request.max_rto_ms, report.felt.later_outage_ms)
        && later > float(most)
    {
        wrong.push(format!(
            "writes were out again for {later:.0} ms while the victim came back, {most} allowed"
        ));
    }
    // What an old master takes while it is replaced may be lost: that is what such a fault shows.
    let usual = (!fault.leaves_an_old_master()).then_some(0);
    let (lost, data) = (report.balance.lost, report.balance.data);
    match request.max_lost.or(usual) {
        Some(most) if lost > most => wrong.push(format!(
            "{} lost, {most} allowed",
            count(lost, "acknowledged write")
        )),
        Some(most) => fine.push(format!("{lost} lost, {most} allowed")),
        None => {}
    }
    if data.unchecked > 0 {
        let unchecked = count(data.unchecked, "acknowledged write");
        wrong.push(format!("{unchecked} could not be looked for"));
    }
    if data.mismatched > 0 {
        let mismatched = count(data.mismatched, "key");
        wrong.push(format!("{mismatched} with a wrong value"));
    }
    if request.restore && !report.restored {
        wrong.push("the first topology is not back".to_owned());
    }
    Verdict {
        passed: wrong.is_empty(),
        reasons: if wrong.is_empty() { fine } else { wrong },
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn float(ms: u64) -> f64 {
    ms as f64
}

/// What this drill cannot prove.
pub fn limits(hit: &Hit, one_host: bool) -> Vec<String> {
    let mut limits = Vec::new();
    let mut say = |text: &str| limits.push(text.to_owned());
    say(match hit.fault {
        Fault::Crash | Fault::Double | Fault::Majority => {
            "a killed process loses no acknowledged write in practice: the kernel still delivers what it had \
             written to its sockets and files. 0 lost says little about durability; a power cut or a partition \
             may lose what the replica had not received"
        }
        Fault::Stop => {
            "SIGTERM lets Redis wait for its replicas and save: it is the gentlest of all ends"
        }
        Fault::Freeze => {
            "a frozen node's clients wait; what the kernel buffered for it is executed when it thaws, so that many \
             of its late writes are lost or refused by the length of the freeze, which was chosen here"
        }
        Fault::Partition => {
            "the cut is clean and complete; real ones are partial, one-way or slow, and last as long as they like"
        }
        Fault::Slow => {
            "a stutter is not a slow disk or a slow network: the node works at full speed in between, and no \
             stall came near the node timeout; past that it would be replaced as one that is frozen"
        }
        Fault::Replica => "losing a replica moves no slot: it shows only that nothing else notices",
    });
    if one_host {
        say("all nodes share one host: its disk, its network and its clock did not fail");
    }
    if hit.full_coverage {
        say(
            "cluster-require-full-coverage is yes: while a shard has no master Redis itself refuses on all others \
             (CLUSTERDOWN), which is not this drill's doing",
        );
    }
    if hit.evicts {
        say(
            "maxmemory-policy may evict the canaries' keys when memory is full; as many as were evicted do not count as lost",
        );
    }
    if hit.predicted.is_some() {
        say(&format!(
            "the replicas were rested: one that stood for election less than four node timeouts ({} s) ago is \
             not elected as soon, so a second crash within that time is slower than this one",
            hit.node_timeout_ms.saturating_mul(4).div_ceil(1000)
        ));
    }
    say("the load is the canaries' own: a busy cluster detects and elects more slowly");
    limits
}

/// Puts several drills side by side.
pub fn series(reports: Vec<Report>) -> Series {
    let at = |instant: &Option<Instant>| instant.as_ref().map(|instant| instant.ms);
    let spread = |name, pick: &dyn Fn(&Report) -> Option<f64>| {
        let mut values: Vec<f64> = reports.iter().filter_map(pick).collect();
        values.sort_by(f64::total_cmp);
        Some(Spread {
            name,
            count: values.len(),
            min: *values.first()?,
            p50: percentile(&values, 50)?,
            p90: percentile(&values, 90)?,
            max: *values.last()?,
        })
    };
    let how_many =
        |is_so: &dyn Fn(&Report) -> bool| reports.iter().filter(|report| is_so(report)).count();
    Series {
        schema: SCHEMA,
        drills: reports.len(),
        passed: how_many(&|report| report.verdict.passed),
        promotions: how_many(&|report| report.seen.promoted.is_some()),
        lost: reports.iter().map(|report| report.balance.lost).sum(),
        restored: how_many(&|report| report.restored),
        spread: [
            spread("pfail", &|report| at(&report.seen.t_pfail)),
            spread("fail", &|report| at(&report.seen.t_fail)),
            spread("election", &|report| at(&report.seen.t_election)),
            spread("promoted", &|report| at(&report.seen.t_promoted)),
            spread("first write ok", &|report| report.felt.rto_write_ms),
            spread("first read ok", &|report| report.felt.rto_read_ms),
            spread("views agree", &|report| at(&report.seen.t_views_agree)),
            spread("resynced", &|report| at(&report.back.t_resynced)),
            spread("restored", &|report| report.back.t_restored),
        ]
        .into_iter()
        .flatten()
        .collect(),
        reports,
    }
}
