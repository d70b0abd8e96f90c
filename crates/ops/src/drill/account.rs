//! What a drill came to: the record and the canaries' logs, as a report.

use super::{
    preflight::Target,
    prepare::{Prepared, Request},
    script::Record,
    watch::PERIOD,
};
use crate::failover::{
    canary::{evicted, evicted_since, find_what_can_be},
    ground::Ground,
    scene::Scene,
};
use nix::sys::resource::{UsageWho, getrusage};
use rcluster_core::{
    error::{Kind, Result},
    failover::{
        ledger::{self, Balance, Found, percentile},
        report::{Broken, Latencies, Observed, OldMaster, Report, SCHEMA, Verdict},
        seats::moves,
        verdict,
        words::{Errand, Fault, Lane},
    },
    node::Epoch,
};
use std::time::Duration;

/// Processor time that this process has used.
pub(super) fn cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = |seconds: i64, micros: i64| {
        u64::try_from(seconds.saturating_mul(1_000_000).saturating_add(micros)).unwrap_or(0)
    };
    Duration::from_micros(
        micros(user.tv_sec(), user.tv_usec()) + micros(system.tv_sec(), system.tv_usec()),
    )
}

/// Now, as people write it.
pub(super) fn now_text() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond)
        .unwrap_or(now)
        .to_string()
}

/// Puts the report together.
#[expect(
    clippy::too_many_arguments,
    clippy::too_many_lines,
    reason = "a report is about everything, one field after another"
)]
pub(super) async fn account(
    ground: &Ground<'_>,
    request: &Request,
    prepared: &Prepared,
    after: &Scene,
    lanes: &[Lane],
    record: Record,
    outcome: Result<()>,
    began: String,
) -> Report {
    let Prepared { scene, target, .. } = prepared;
    let last = find_what_can_be(after, &*ground.live(), lanes).await;
    let clock = Clock::of(&record, lanes);
    let mut balance = Balance::default();
    let mut evicted = evicted_since(&evicted(scene), &evicted(after));
    for (i, (lane, last)) in lanes.iter().zip(&last).enumerate() {
        if lane.errand != Errand::Read {
            let first = record.first.as_ref().and_then(|first| first.get(i));
            balance.add(lane, first, last, evicted.entry(lane.shard).or_default());
        }
    }
    let old_master = old_master(ground, target, after, lanes, &last, &record, &mut balance).await;
    let ours = |lane: &&Lane| target.shards.contains(&lane.shard);
    let errand = |wanted| move |lane: &&Lane| lane.errand == wanted;
    let before_the_way_back = clock.way_back;
    let mut mine = lanes.iter().filter(ours);
    let writes = mine.find(errand(Errand::Write));
    let reads = lanes.iter().filter(ours).find(errand(Errand::Read));
    // The fault's own. What begins later is another one; of a double fault it is its second half.
    let begun_by = match request.fault {
        Fault::Double => before_the_way_back,
        _ => clock.agreed,
    };
    let outage = |lane: Option<&Lane>| {
        lane.and_then(|lane| ledger::longest_outage(lane, clock.inject, begun_by))
    };
    let (write_outage, read_outage) = (outage(writes), outage(reads));
    let rto = |lane: Option<&Lane>, outage: Option<ledger::Outage>| match (lane, outage) {
        (Some(_), None) => Some(0.0),
        (_, Some(outage)) => outage.ok_at(clock.inject).map(|at| at.ms),
        (None, None) => None,
    };
    let later = writes.and_then(|lane| {
        let over = write_outage.and_then(|outage| outage.end);
        let from = over.map_or(begun_by, |(_, end)| end.done_us().max(begun_by));
        ledger::longest_outage(lane, from, before_the_way_back)?.lasted_ms()
    });
    let pace_us = 1_000_000 / u64::from(request.rate.max(1));
    let latency = |from, to| {
        writes
            .map(|lane| ledger::latency(lane, from, to, pace_us))
            .unwrap_or_default()
    };
    let follow = |wanted: bool| {
        lanes
            .iter()
            .filter(move |lane| lane.errand != Errand::Loyal && ours(lane) == wanted)
    };
    let mut gaps = record.gaps.clone();
    gaps.sort_unstable();
    let kind = request.fault;
    let mut report = Report {
        schema: SCHEMA,
        cluster: ground.launch.name.to_string(),
        runtime: ground.launch.runtime.to_string(),
        fault: Broken {
            kind,
            shard: target.seats.shard,
            target: target
                .victims
                .first()
                .unwrap_or(&target.seats.master)
                .clone(),
            nodes: record.hit.clone(),
            signal: kind.blow(),
        },
        topology_before: scene.seats.clone(),
        topology_after: after.seats.clone(),
        epoch_before: scene.epoch(),
        epoch_after: after.epoch().max(Epoch(0)),
        node_timeout_ms: target.config.node_timeout_ms,
        min_replicas_to_write: target.config.min_replicas,
        lag_bytes_at_fault: target.lag,
        t_inject: if record.inject.is_some() {
            record.inject_text.clone()
        } else {
            began
        },
        inject_took_ms: ledger::ms(micros(record.inject_took)),
        t_first_error: writes
            .filter(|_| write_outage.is_some())
            .and_then(|lane| ledger::outage(lane, clock.inject))
            .map(|outage| outage.error_at(clock.inject)),
        t_pfail: record.seen.pfail.clone(),
        t_fail: record.seen.fail.clone(),
        t_election: record.seen.election.clone(),
        t_promoted: record.seen.promoted.clone().map(|(_, at)| at),
        t_first_write_ok: write_outage.and_then(|outage| outage.ok_at(clock.inject)),
        t_first_read_ok: read_outage.and_then(|outage| outage.ok_at(clock.inject)),
        t_views_agree: record.seen.views_agree.clone(),
        t_state_ok: record.seen.state_ok.clone(),
        t_rejoined: record.rejoined.clone(),
        t_resynced: record.resynced.clone(),
        resync: record.resync,
        t_restored: record.restored_ms,
        rto_write_ms: rto(writes, write_outage),
        rto_read_ms: rto(reads, read_outage),
        later_outage_ms: later,
        predicted_rto_ms: target.predicted.map(|predicted| predicted.expected_ms),
        predicted: target.predicted,
        acked: balance.acked,
        lost: balance.lost,
        evicted: balance.evicted,
        indeterminate: balance.indeterminate,
        resurrected: balance.resurrected,
        errors_by_class: ledger::errors(follow(true)),
        errors_on_others: ledger::errors(follow(false)),
        availability: ledger::availability(lanes, &target.shards, clock.inject, clock.agreed),
        latency: Latencies {
            before: latency(0, clock.inject),
            during: latency(clock.inject, clock.agreed),
            after: latency(clock.agreed, u64::MAX),
        },
        data: balance.data,
        old_master,
        slowed: record.slowed,
        promoted: record.promoted.clone(),
        restored: moves(&after.seats, &scene.seats).is_empty()
            && after.seats.len() == scene.seats.len(),
        left: Vec::new(),
        observed: Observed {
            how: format!(
                "t_pfail to t_state_ok: CLUSTER NODES and CLUSTER INFO of every living node, each asked every \
                 {} ms on a connection of its own; t_first_…: the replies that a client of the shard got, \
                 {} writes a second; resolution_ms: the time since the look or the attempt before",
                PERIOD.as_millis(),
                request.rate
            ),
            looks: gaps.len(),
            gap_p50_ms: ledger::ms(percentile(&gaps, 50).unwrap_or(0)),
            gap_p99_ms: ledger::ms(percentile(&gaps, 99).unwrap_or(0)),
            gap_max_ms: ledger::ms(percentile(&gaps, 100).unwrap_or(0)),
            canary_cpu_percent: record.cpu_percent,
            canary_writes_per_second: f64::from(request.rate),
        },
        verdict: Verdict {
            passed: false,
            reasons: Vec::new(),
        },
        limits: verdict::limits(
            kind,
            target.config.node_timeout_ms,
            ground.launch.nodes.iter().all(|node| node.host.is_none()),
            target.config.evicts,
            target.config.full_coverage,
        ),
        series: ledger::series(lanes, &target.shards, clock.inject, clock.width()),
    };
    report.verdict = verdict::judge(&report, request.wanted);
    if let Err(error) = outcome
        && error.kind() != Kind::Interrupted
    {
        report.verdict.passed = false;
        report.verdict.reasons.insert(0, error.cause());
    }
    report
}

/// The marks on the canaries' clock, in microseconds.
struct Clock {
    inject: u64,
    agreed: u64,
    way_back: u64,
    end: u64,
}

impl Clock {
    fn of(record: &Record, lanes: &[Lane]) -> Self {
        let last = lanes.iter().filter_map(|lane| lane.tries.last());
        let end = last
            .map(rcluster_core::failover::words::Try::done_us)
            .max()
            .unwrap_or(0);
        let inject = record.inject_us.unwrap_or(end);
        let agreed = record.agreed_us.unwrap_or(end);
        Clock {
            inject,
            agreed,
            way_back: record.way_back_us.unwrap_or(end),
            end,
        }
    }

    /// About two hundred buckets, and none finer than 50 ms.
    fn width(&self) -> u64 {
        (self.end / 200).max(50_000).next_multiple_of(50_000)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the old master took while it was replaced, and what of it is gone.
async fn old_master(
    ground: &Ground<'_>,
    target: &Target,
    after: &Scene,
    lanes: &[Lane],
    last: &[Found],
    record: &Record,
    balance: &mut Balance,
) -> Option<OldMaster> {
    if let Some(minority) = &record.minority {
        let lost = match minority.lost(after, ground, target).await {
            Ok(lost) => usize::try_from(lost).unwrap_or(usize::MAX),
            Err(_) => {
                balance.data.unchecked += minority.acked.len();
                0
            }
        };
        balance.acked += minority.acked.len();
        balance.lost += lost;
        let since = |at: &std::time::Instant| {
            let inject = record.inject?;
            u64::try_from(at.checked_duration_since(inject)?.as_millis()).ok()
        };
        let after_the_cut = minority.acked.iter().filter(|(at, _)| since(at).is_some());
        return Some(OldMaster {
            accepted: after_the_cut.clone().count(),
            lost,
            last_accepted_ms: after_the_cut.filter_map(|(at, _)| since(at)).max(),
            then: minority.refused.map(|(_, class)| class),
        });
    }
    let thaw_us = record.thaw_us?;
    let mut sum = OldMaster::default();
    for (lane, last) in lanes.iter().zip(last) {
        if lane.errand == Errand::Loyal {
            let one = ledger::old_master(lane, thaw_us, last);
            sum.accepted += one.accepted;
            sum.lost += one.lost;
            sum.last_accepted_ms = sum.last_accepted_ms.max(one.last_accepted_ms);
            sum.then = sum.then.or(one.then);
        }
    }
    Some(sum)
}
