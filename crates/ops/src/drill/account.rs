//! The report of a drill, from what the script recorded and what the canaries logged.

use super::{prepare::Prepared, script::Record, watch::PERIOD};
use crate::failover::{
    canary::{Evicted, find},
    ground::Ground,
    scene::Scene,
};
use rcluster_core::{
    error::{Kind, Result},
    failover::{
        felt::{self, Marks, felt, ms, percentile},
        ledger::Found,
        report::{Balance, Broken, Observed, OldMaster, Report, SCHEMA, Verdict},
        seats::moves,
        verdict,
        words::{Errand, Lane, Request, Try},
    },
    node::Epoch,
};
use std::time::Instant;

/// Puts the report together; `after` is the cluster at the end of the drill, `outcome` what became of
/// its plan.
pub(super) async fn account(
    ground: &Ground<'_>,
    request: &Request,
    prepared: &Prepared,
    record: Record,
    lanes: &[Lane],
    after: &Scene,
    outcome: Result<()>,
) -> Report {
    let Prepared { scene, hit, .. } = prepared;
    let found = find(after, &*ground.live(), lanes).await.into_iter();
    // Nothing is found of a shard without a master that answers.
    let last: Vec<Vec<Found>> = found.map(Result::unwrap_or_default).collect();
    let mut balance = Balance::default();
    let mut evicted = Evicted::of(scene).until(after);
    for (i, (lane, last)) in lanes.iter().zip(&last).enumerate() {
        if lane.errand != Errand::Read {
            let first = record.first.get(i).map_or(&[][..], Vec::as_slice);
            balance.add(lane, first, last, evicted.entry(lane.shard).or_default());
        }
    }
    let old_master = if record.minority.is_some() {
        cut_off(ground, prepared, after, &record, &mut balance).await
    } else {
        thawed(&record, lanes, &last)
    };
    let marks = marks(&record, lanes);
    let observed = observed(&record, request);
    let one_host = ground.launch.nodes.iter().all(|node| node.host.is_none());
    let mut report = Report {
        schema: SCHEMA,
        cluster: ground.name().to_string(),
        runtime: ground.launch.runtime.to_string(),
        fault: Broken {
            kind: hit.fault,
            shard: hit.shard,
            target: hit.victims.first().unwrap_or(&hit.seats.master).clone(),
            nodes: record.hit,
            signal: hit.fault.blow(),
        },
        topology_before: scene.seats.clone(),
        topology_after: after.seats.clone(),
        epoch_before: scene.epoch(),
        epoch_after: after.epoch().max(Epoch(0)),
        node_timeout_ms: hit.node_timeout_ms,
        min_replicas_to_write: hit.min_replicas,
        lag_bytes_at_fault: hit.lag,
        t_inject: record.inject_text,
        inject_took_ms: felt::millis(record.inject_took),
        seen: record.seen,
        back: record.back,
        felt: felt(lanes, hit, marks, request.rate),
        predicted_rto_ms: hit.predicted.map(|predicted| predicted.expected_ms),
        predicted: hit.predicted,
        balance,
        old_master,
        slowed: record.slowed,
        restored: moves(&after.seats, &scene.seats).is_empty()
            && after.seats.len() == scene.seats.len(),
        left: Vec::new(),
        observed,
        verdict: Verdict::default(),
        limits: verdict::limits(hit, one_host),
        series: felt::series(lanes, &hit.shards, marks),
    };
    report.verdict = verdict::judge(&report, request);
    if let Err(error) = outcome
        && error.kind() != Kind::Interrupted
    {
        report.verdict.passed = false;
        report.verdict.reasons.insert(0, error.cause());
    }
    report
}

/// The moments of the drill. One that was not reached counts as its end.
fn marks(record: &Record, lanes: &[Lane]) -> Marks {
    let last = lanes.iter().filter_map(|lane| lane.tries.last());
    let end = last.map(Try::done_us).max().unwrap_or(0);
    Marks {
        inject: record.inject_us.unwrap_or(end),
        agreed: record.agreed_us.unwrap_or(end),
        way_back: record.way_back_us.unwrap_or(end),
        end,
    }
}

fn observed(record: &Record, request: &Request) -> Observed {
    let mut gaps = record.gaps.clone();
    gaps.sort_unstable();
    let gap = |percent| ms(percentile(&gaps, percent).unwrap_or(0));
    Observed {
        how: format!(
            "t_pfail to t_state_ok: CLUSTER NODES and CLUSTER INFO of every living node, each asked every \
             {} ms on a connection of its own; t_first_…: the replies that a client of the shard got, \
             {} writes a second; resolution_ms: the time since the look or the attempt before",
            PERIOD.as_millis(),
            request.rate
        ),
        looks: gaps.len(),
        gap_p50_ms: gap(50),
        gap_p99_ms: gap(99),
        gap_max_ms: gap(100),
        canary_cpu_percent: record.cpu_percent,
        canary_writes_per_second: f64::from(request.rate),
    }
}

/// What a master that was cut off took from the client beside it, and how much of that is gone. The
/// balance gets its writes too.
async fn cut_off(
    ground: &Ground<'_>,
    prepared: &Prepared,
    after: &Scene,
    record: &Record,
    balance: &mut Balance,
) -> Option<OldMaster> {
    let minority = record.minority.as_ref()?;
    let lost = match minority.lost(after, ground, &prepared.hit.seats).await {
        Ok(lost) => usize::try_from(lost).unwrap_or(usize::MAX),
        Err(_) => {
            balance.data.unchecked += minority.acked.len();
            0
        }
    };
    balance.acked += minority.acked.len();
    balance.lost += lost;
    let after_the_cut = |(at, _): &(Instant, u64)| {
        let since = at.checked_duration_since(record.inject?)?;
        u64::try_from(since.as_millis()).ok()
    };
    let times: Vec<u64> = minority.acked.iter().filter_map(after_the_cut).collect();
    Some(OldMaster {
        accepted: times.len(),
        lost,
        last_accepted_ms: times.into_iter().max(),
        then: minority.refused,
    })
}

/// What a master took from its loyal clients after it was thawed; `None`: none was.
fn thawed(record: &Record, lanes: &[Lane], last: &[Vec<Found>]) -> Option<OldMaster> {
    let thaw_us = record.thaw_us?;
    let mut old = OldMaster::default();
    for (lane, last) in lanes.iter().zip(last) {
        if lane.errand == Errand::Loyal {
            old.add(lane, thaw_us, last);
        }
    }
    Some(old)
}
