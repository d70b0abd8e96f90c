//! `rcluster status`

use super::cluster_within;
use crate::{
    cli::{Verdict, args::Global, args_look::StatusArgs, settings},
    output::{
        progress::Progress,
        result,
        screen::{Reader, Screen},
        table,
        watch::Watch,
    },
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::handle::Cluster,
    status::{self, healthy},
};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &StatusArgs,
    screen: Screen,
) -> Result<Verdict> {
    let cluster = cluster_within(global, args.node_timeout).await?;
    if args.watch {
        return watch(&cluster, args.interval, screen).await;
    }
    let status = if args.wait {
        let progress = Progress::new(screen);
        let waited = healthy::wait(&cluster, settings::deadline(global), &progress).await;
        progress.finish();
        waited?
    } else {
        status::of(&cluster).await?
    };
    result::show(screen, &table::status(&status, screen.width), &status)?;
    Ok(if status.is_ok() {
        Verdict::Fine
    } else {
        Verdict::Wanting
    })
}

/// Until Ctrl-C, or until nobody reads any more. What cannot be asked now may answer again.
async fn watch(cluster: &Cluster, every: Duration, screen: Screen) -> Result<Verdict> {
    let mut watch = Watch::new(screen, every);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if watch.show(&status::of(cluster).await)? == Reader::Gone {
            return Ok(Verdict::Fine);
        }
    }
}
