//! `rcluster failover`

use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        args_drill::{FailoverArgs, FaultArg},
        confirm::confirm,
        settings,
    },
    output::{failover as show, progress::Progress, screen::Screen},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    failover::{
        report::Report,
        words::{Fault, Manner, Pick, Wanted},
    },
    render,
    spec::ClusterName,
};
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    drill::{
        Stop,
        prepare::{self, Request},
        run::{drill, refuse_strangers, side_by_side},
    },
    failover::{
        ground::{Ground, Seeds},
        planned::{self, planned},
    },
    lifecycle,
    store::state::write_public,
};
use std::time::Duration;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &FailoverArgs,
    screen: Screen,
    stop: &Stop,
) -> Result<Verdict> {
    let fault = fault(args.fault);
    let drills = !args.planned && args.to.is_none() && !args.force;
    let drills = drills && (!args.takeover || fault == Fault::Majority);
    if !global.seed.is_empty() {
        if drills {
            return Err(refuse_strangers(fault));
        }
        let (seeds, login) = settings::seeds(global)?;
        let deadline = settings::deadline(global);
        let seeds = Seeds::find(&seeds, login, deadline).await?;
        let progress = Progress::new(screen);
        let ground = seeds.ground(&progress);
        return in_peace(global, args, screen, stop, &ground, &progress).await;
    }
    let purpose = if global.dry_run {
        Purpose::Look
    } else {
        Purpose::Change
    };
    let request = settings::request(global, &SpecFlags::default())?;
    let session = Session::find(request, purpose).await?;
    if drills && global.dry_run {
        let progress = Progress::new(screen);
        let request = request_of(args, fault)?;
        let outline = prepare::dry_run(&session, &progress, &request, args.repeat).await?;
        progress.finish();
        return show::outline(screen, &outline).map(|()| Verdict::Fine);
    }
    if drills {
        return drills_in_a_row(&session, args, fault, screen, stop).await;
    }
    let progress = Progress::new(screen);
    if !global.dry_run {
        lifecycle::finish_drill(&session, &progress).await?;
    }
    let ground = Ground::ours(&session, &progress);
    in_peace(global, args, screen, stop, &ground, &progress).await
}

/// Replicas take over because they are told to; nothing is broken.
async fn in_peace(
    global: &Global,
    args: &FailoverArgs,
    screen: Screen,
    stop: &Stop,
    ground: &Ground<'_>,
    progress: &Progress,
) -> Result<Verdict> {
    let manner = match (args.force, args.takeover) {
        (true, _) => Manner::Force,
        (_, true) => Manner::Takeover,
        _ => Manner::Planned,
    };
    let request = planned::Request {
        pick: args.shard.clone(),
        all: args.all,
        to: args.to.clone(),
        manner,
    };
    if global.dry_run {
        let outline = planned::outline(ground, &request).await?;
        progress.finish();
        return show::outline(screen, &outline).map(|()| Verdict::Fine);
    }
    explain(global, &ground.launch.name, manner).await?;
    let done = tokio::select! {
        done = planned(ground, &request) => done?,
        () = stop.wanted() => return Err(Error::new(Kind::Interrupted, "interrupted")
            .hint("a failover that has begun ends by itself: see `rcluster status`")),
    };
    progress.finish();
    show::planned(screen, &done)?;
    Ok(verdict(done.verdict.passed))
}

/// What is about to happen, in words, before it is confirmed.
async fn explain(global: &Global, name: &ClusterName, manner: Manner) -> Result<()> {
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
    confirm(global, name, what).await?;
    Ok(())
}

fn request_of(args: &FailoverArgs, fault: Fault) -> Result<Request> {
    let max_rto = args.max_rto.map(Duration::try_from_secs_f64).transpose();
    let max_rto = max_rto.map_err(|error| Error::usage("--max-rto is no time").source(error))?;
    Ok(Request {
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
    })
}

async fn drills_in_a_row(
    session: &Session,
    args: &FailoverArgs,
    fault: Fault,
    screen: Screen,
    stop: &Stop,
) -> Result<Verdict> {
    let mut request = request_of(args, fault)?;
    let mut reports: Vec<Report> = Vec::new();
    for _ in 0..args.repeat {
        let progress = Progress::new(screen);
        // Each shard in its turn: a replica that was just elected would wait before the next time.
        if let (Some(last), Pick::Any) = (reports.last(), &args.shard) {
            let shards = last.topology_before.len().max(1);
            request.pick = Pick::Number(last.fault.shard % shards + 1);
        }
        lifecycle::finish_drill(session, &progress).await?;
        let report = drill(session, &progress, &request, stop).await?;
        progress.finish();
        if args.repeat > 1 {
            show::line(screen, reports.len() + 1, &report);
        }
        let is_whole = report.left.is_empty();
        reports.push(report);
        if !is_whole {
            break;
        }
    }
    if let (Some(path), Some(last)) = (&args.report, reports.last()) {
        write_public(path, render::drill_page(last)?.as_bytes())?;
    }
    let passed = reports.iter().all(|report| report.verdict.passed);
    let is_whole = reports.iter().all(|report| report.left.is_empty());
    match reports.pop() {
        Some(only) if reports.is_empty() => show::drill(screen, &only)?,
        Some(last) => {
            reports.push(last);
            show::series(screen, &side_by_side(reports))?;
        }
        None => {}
    }
    if is_whole {
        Ok(verdict(passed))
    } else {
        Ok(Verdict::Exit(Kind::Failed.exit_code()))
    }
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
        FaultArg::Slow => Fault::Slow,
        FaultArg::Replica => Fault::Replica,
        FaultArg::Double => Fault::Double,
        FaultArg::Majority => Fault::Majority,
    }
}
