//! `rcluster failover`

use super::{Execute, Facts, Interrupt};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        attended,
        confirm::confirm,
        settings,
    },
    output::{failover as show, progress::Progress, screen::Screen},
};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    failover::{
        report::Report,
        verdict::series,
        words::{Fault, Manner, Pick, Request},
    },
    hint,
    hint::Verb,
    node::NodeName,
    render,
    spec::ClusterName,
};
use rcluster_ops::{
    cluster::handle::{Cluster, Purpose},
    drill::{
        Stop, prepare,
        run::{drill, refuse_strangers},
    },
    failover::{
        ground::Ground,
        hold,
        planned::{self, planned},
    },
    lifecycle,
    store::state::write_public,
};
use std::{path::PathBuf, str::FromStr, time::Duration};

const AFTER: &str = "\
Without --planned this is a drill: canary clients write and read on every shard, one node is broken,
every node's view is watched, the data is looked for, the node is brought back, and planned failovers
restore the first topology. Ctrl-C brings everything back first; after a kill -9 `rcluster up` does.

Faults: crash (SIGKILL to a master), stop (SIGTERM), freeze (thawed once it was replaced), partition
(cut from the other nodes, docker only), slow (frozen and thawed in turn: clients wait, and nobody is to be
promoted), replica (lose a replica), double (the master, then its heir), majority (more than half of the
masters: the cluster goes down until they are back, or --takeover). -n shows all of it and touches nothing.

Without a fault (--planned, --to, --force, --takeover) it also works with --seed HOST:PORT, on a cluster that
rcluster did not start. A replica that stood for election less than four node timeouts ago is let rest first.

Examples:
  rcluster failover                           crash a master of any shard
  rcluster failover --shard 2 --max-rto 9     exit 4 if writes are out for more than 9 s
  rcluster failover --fault freeze --report freeze.html
  rcluster failover --planned --all           each shard in turn, without an outage
  rcluster failover --shard 2 -n              who would be hit, who would win, when, and what is restored
  rcluster failover --to node-4               node-4 takes over from its master, in peace";

/// Break a node on purpose and measure how the cluster heals (exit 4: not as it should)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags are what a command line has"
)]
pub(in crate::cli) struct Failover {
    /// Which shard: its number from 1, `any`, or one of its nodes
    #[arg(long, value_name = "N|any|NODE", default_value = "any")]
    shard: Pick,
    /// What is broken
    #[arg(long, value_name = "FAULT", default_value = "crash", value_parser = faults(), conflicts_with_all = ["planned", "to", "all", "force"])]
    fault: Fault,
    /// No fault: a replica takes over while its master waits for it
    #[arg(long)]
    planned: bool,
    /// With --planned: every shard in turn
    #[arg(long, requires = "planned", conflicts_with_all = ["to", "shard"])]
    all: bool,
    /// This replica takes over from its master (implies --planned)
    #[arg(long, value_name = "NODE", conflicts_with = "shard", value_parser = node_name)]
    to: Option<NodeName>,
    /// Take over without the master's agreement: what it has not sent yet is lost (asks first)
    #[arg(long, conflicts_with = "takeover")]
    force: bool,
    /// Take over without a vote: for when the majority is gone (asks first). With --fault majority it
    /// is how the cluster is brought back
    #[arg(long)]
    takeover: bool,
    /// Each canary's write waits for this many replicas (WAIT)
    #[arg(long, value_name = "N", default_value = "0")]
    wait: u32,
    /// Set min-replicas-to-write to this on the victim (and min-replicas-max-lag to 2 s) during the
    /// drill: an old master that is cut off then stops taking writes sooner
    #[arg(long, value_name = "N")]
    min_replicas: Option<u32>,
    /// Writes a second on the victim's shard
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// The longest write outage that passes, in seconds
    #[arg(long, value_name = "SECONDS")]
    max_rto: Option<f64>,
    /// The most acknowledged writes that may be lost [default: 0; with freeze and partition any number]
    #[arg(long, value_name = "N")]
    max_lost: Option<usize>,
    /// Leave the promoted replica in charge
    #[arg(long)]
    no_restore: bool,
    /// So many drills in a row, with the distribution of their times
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Write a page with the plot of availability and latency
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl Execute for Failover {
    const FACTS: Facts = Facts {
        verb: Verb::Failover,
        json: true,
    };

    fn interrupt(&self) -> Interrupt {
        Interrupt::Own
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        attended(screen, async |stop| {
            failover(global, self, screen, &stop).await
        })
        .await
    }
}

/// Runs drills, or lets replicas take over without a fault.
async fn failover(
    global: &Global,
    args: &Failover,
    screen: Screen,
    stop: &Stop,
) -> Result<Verdict> {
    let drills = !args.planned && args.to.is_none() && !args.force;
    let drills = drills && (!args.takeover || args.fault == Fault::Majority);
    if drills && !global.seed.is_empty() {
        return Err(refuse_strangers(args.fault));
    }
    let request = settings::request(global, &SpecFlags::default())?;
    if !global.seed.is_empty() {
        let mut cluster = Cluster::behind_seeds(request)?;
        cluster.list_nodes().await?;
        let progress = Progress::new(screen);
        let ground = Ground::of(&cluster, &progress);
        return in_peace(global, args, screen, stop, &ground, &progress).await;
    }
    let purpose = if global.dry_run {
        Purpose::Look
    } else {
        Purpose::Change
    };
    let session = Cluster::find(request, purpose).await?;
    if drills && global.dry_run {
        let progress = Progress::new(screen);
        let request = request_of(args)?;
        let outline = prepare::dry_run(&session, &progress, &request, args.repeat).await?;
        progress.finish();
        return show::outline(screen, &outline).map(|()| Verdict::Fine);
    }
    if drills {
        return drills_in_a_row(&session, args, screen, stop).await;
    }
    let progress = Progress::new(screen);
    if !global.dry_run {
        lifecycle::finish_drill(&session, &progress).await?;
    }
    let ground = Ground::of(&session, &progress);
    in_peace(global, args, screen, stop, &ground, &progress).await
}

/// Lets replicas take over; nothing is broken.
async fn in_peace(
    global: &Global,
    args: &Failover,
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
        () = stop.wanted() => {
            let interrupted = Error::new(Kind::Interrupted, "interrupted")
                .hint(hint!["a failover that has begun ends by itself: see ", Verb::Status]);
            return hold::release(ground, Err(interrupted)).await;
        }
    };
    progress.finish();
    show::planned(screen, &done)?;
    Ok(verdict(done.verdict.passed))
}

/// Says what `--force` and `--takeover` risk, and asks whether to go on.
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

fn request_of(args: &Failover) -> Result<Request> {
    let max_rto = args.max_rto.map(Duration::try_from_secs_f64).transpose();
    let max_rto = max_rto.map_err(|error| Error::usage("--max-rto is no time").source(error))?;
    Ok(Request {
        fault: args.fault,
        pick: args.shard.clone(),
        wait: args.wait,
        rate: args.rate,
        takeover: args.takeover,
        min_replicas: args.min_replicas,
        max_rto_ms: max_rto.map(|rto| u64::try_from(rto.as_millis()).unwrap_or(u64::MAX)),
        max_lost: args.max_lost,
        restore: !args.no_restore,
    })
}

async fn drills_in_a_row(
    session: &Cluster,
    args: &Failover,
    screen: Screen,
    stop: &Stop,
) -> Result<Verdict> {
    let mut request = request_of(args)?;
    let mut reports: Vec<Report> = Vec::new();
    for _ in 0..args.repeat {
        let progress = Progress::new(screen);
        // Each drill hits the next shard: a replica that was just elected would have to rest first.
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
    match &reports[..] {
        [only] => show::drill(screen, only)?,
        _ => show::series(screen, &series(reports))?,
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

/// Reads a fault; its help is the documentation of `Fault`.
fn faults() -> impl TypedValueParser<Value = Fault> {
    let value = |fault: &Fault| PossibleValue::new(<&str>::from(*fault)).help(fault.help());
    let values = Fault::ALL.iter().map(value);
    PossibleValuesParser::new(values).try_map(|word| Fault::from_str(&word))
}
