//! `rcluster failover`

use super::{refuse_dry_run, refuse_seeds};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        args_drill::{FailoverArgs, FaultArg},
        confirm::confirm,
        settings,
    },
    error::{Error, Result},
    model::drill::{Fault, Manner, Pick, Wanted, report::Report},
    ops::{
        drill::{
            Stop,
            planned::{self, planned},
            run::{Request, drill, side_by_side},
        },
        session::{Purpose, Session},
    },
    output::{drill as show, progress::Progress, screen::Screen},
    render,
    store::state::write_public,
};
use std::time::Duration;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &FailoverArgs,
    screen: Screen,
    stop: &Stop,
) -> Result<Verdict> {
    refuse_seeds(global, "failover")?;
    refuse_dry_run(global, "failover")?;
    let request = settings::request(global, &SpecFlags::default())?;
    let session = Session::find(request, Purpose::Change).await?;
    let fault = fault(args.fault);
    let drills = !args.planned && args.to.is_none() && !args.force;
    if drills && (!args.takeover || fault == Fault::Majority) {
        return drills_in_a_row(&session, args, fault, screen, stop).await;
    }
    let manner = match (args.force, args.takeover) {
        (true, _) => Manner::Force,
        (_, true) => Manner::Takeover,
        _ => Manner::Planned,
    };
    explain(global, &session, manner).await?;
    let progress = Progress::new(screen);
    let request = planned::Request {
        pick: args.shard.clone(),
        all: args.all,
        to: args.to.clone(),
        manner,
    };
    let done = tokio::select! {
        done = planned(&session, &progress, &request) => done?,
        () = stop.wanted() => return Err(Error::new(crate::error::Kind::Interrupted, "interrupted")
            .hint("a failover that has begun ends by itself: see `rcluster status`")),
    };
    progress.finish();
    show::planned(screen, &done)?;
    Ok(verdict(done.verdict.passed))
}

/// What is about to happen, in words, before it is confirmed.
async fn explain(global: &Global, session: &Session, manner: Manner) -> Result<()> {
    let what = match manner {
        Manner::Planned => return Ok(()),
        Manner::Force => {
            "`--force` promotes a replica without asking its master: writes that the master has \
             acknowledged and not yet sent to it are lost"
        }
        Manner::Takeover => {
            "`--takeover` promotes a replica without any vote: acknowledged writes may be lost, and if \
             the majority lives on elsewhere, two masters serve the same slots until they meet"
        }
    };
    confirm(global, &session.launch.name, what).await?;
    Ok(())
}

async fn drills_in_a_row(
    session: &Session,
    args: &FailoverArgs,
    fault: Fault,
    screen: Screen,
    stop: &Stop,
) -> Result<Verdict> {
    let max_rto = args.max_rto.map(Duration::try_from_secs_f64).transpose();
    let max_rto = max_rto.map_err(|error| Error::usage("--max-rto is no time").source(error))?;
    let mut request = Request {
        fault,
        pick: args.shard.clone(),
        wait: args.wait,
        rate: args.rate,
        takeover: args.takeover,
        min_replicas: args.min_replicas,
        wanted: Wanted {
            max_rto_ms: max_rto.map(|rto| u64::try_from(rto.as_millis()).unwrap_or(u64::MAX)),
            max_lost: args.max_lost,
            restore: !args.no_restore,
        },
    };
    let mut reports: Vec<Report> = Vec::new();
    for _ in 0..args.repeat {
        let progress = Progress::new(screen);
        // Each shard in its turn: a replica that was just elected would wait before the next time.
        if let (Some(last), Pick::Any) = (reports.last(), &args.shard) {
            let shards = last.topology_before.len().max(1);
            request.pick = Pick::Number(last.fault.shard % shards + 1);
        }
        let report = drill(session, &progress, &request, stop).await?;
        progress.finish();
        if args.repeat > 1 {
            show::line(screen, reports.len() + 1, &report);
        }
        reports.push(report);
    }
    if let (Some(path), Some(last)) = (&args.report, reports.last()) {
        write_public(path, render::drill_page(last)?.as_bytes())?;
    }
    let passed = reports.iter().all(|report| report.verdict.passed);
    match reports.pop() {
        Some(only) if reports.is_empty() => show::drill(screen, &only)?,
        Some(last) => {
            reports.push(last);
            show::series(screen, &side_by_side(reports))?;
        }
        None => {}
    }
    Ok(verdict(passed))
}

fn verdict(passed: bool) -> Verdict {
    if passed {
        Verdict::Fine
    } else {
        Verdict::Wanting
    }
}

fn fault(typed: FaultArg) -> Fault {
    match typed {
        FaultArg::Crash => Fault::Crash,
        FaultArg::Stop => Fault::Stop,
        FaultArg::Freeze => Fault::Freeze,
        FaultArg::Partition => Fault::Partition,
        FaultArg::Replica => Fault::Replica,
        FaultArg::Double => Fault::Double,
        FaultArg::Majority => Fault::Majority,
    }
}
