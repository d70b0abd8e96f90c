//! Nodes that were started held: each is compared with its replicas, and then held no longer. See
//! [`rcluster_core::form::held`].

use super::{apply::Applier, context::Context, look};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    form::{
        self, Blank,
        held::{self, Contest, Held, SYNC_DELAY},
    },
    node::{Endpoint, NodeName},
    plan::step::Plan,
    secret::Secret,
    snapshot::{
        Member, Snapshot,
        last_words::says_damaged,
        place::{Disk, RunState},
    },
    spec::launch::{Launch, NodeLaunch},
};
use std::collections::BTreeSet;

/// Enough of a log for what a node says while it loads, also where others come and go meanwhile.
const LOG_LINES: usize = 400;

/// What a reader of a plan is told of it.
pub const NOTE: &str = "nobody copies from a node that comes back until it was compared with its replicas: one that has more leads";

/// Whether a node that has data is started held.
pub fn is_worth_it(launch: &Launch, node: &NodeLaunch) -> bool {
    launch.replicas > 0 && held::can_be_held(node)
}

/// Of these nodes, which are about to start, those that have to be held: they have data, and there are
/// replicas that could lose it.
pub async fn to_hold(
    context: &Context<'_>,
    launch: &Launch,
    starting: &[NodeName],
) -> Result<BTreeSet<NodeName>> {
    let nodes = starting.iter().filter_map(|name| launch.node(name));
    let nodes = nodes.filter(|node| is_worth_it(launch, node));
    let disks = nodes.map(async |node| {
        let disk = context.runtime.disk(&launch.name, &node.name).await?;
        Ok((node.name.clone(), disk))
    });
    let disks: Vec<(NodeName, Disk)> = join_all(disks).await.into_iter().collect::<Result<_>>()?;
    let full = disks.into_iter().filter(|(_, disk)| *disk != Disk::Empty);
    Ok(full.map(|(name, _)| name).collect())
}

/// Promotes each replica that has more than its held master, and releases every held node whose
/// replicas all answer. Returns how many replicas were promoted.
pub async fn settle(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
) -> Result<usize> {
    if launch.replicas == 0 {
        return Ok(0);
    }
    let seen = answering(look::members(context, launch).await?);
    let held = held_nodes(context, &seen).await;
    if held.is_empty() {
        return Ok(0);
    }
    let mut applier = Applier::new(context, launch, password).having_seen(seen.clone());
    let first = nameless(context, launch, &seen, &held).await?;
    applier.apply(&first).await?;
    let contests = held::contests(&seen.seats()?, &held);
    let weighed = weigh(context, launch, &seen, contests).await?;
    applier.apply(&held::succeed(&weighed)).await?;
    let taken_over = applier.done();
    let nodes: Vec<&NodeLaunch> = held.iter().filter_map(|name| launch.node(name)).collect();
    let release = held::release(&seen.seats()?, &nodes);
    applier.apply(&release).await?;
    Ok(taken_over)
}

/// Only those who answer, and have loaded.
fn answering(mut seen: Snapshot) -> Snapshot {
    seen.nodes.retain(|node| {
        let loaded = node.report().is_some_and(|report| !report.info.loading);
        loaded
            && node
                .placed
                .as_ref()
                .is_some_and(|it| it.state == RunState::Running)
    });
    seen
}

async fn held_nodes(context: &Context<'_>, seen: &Snapshot) -> BTreeSet<NodeName> {
    let asked = seen.members().filter_map(|node| {
        let Member { dial, .. } = node.member()?;
        Some(async move {
            let live = context.wire.config_get(&dial, &[SYNC_DELAY]).await.ok()?;
            let delay = live.get(SYNC_DELAY)?;
            held::is_held(delay).then(|| node.name.clone())
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// What becomes of those that have no name: new ones, though their disk seemed to have data (a volume
/// without a container cannot be looked into), and those that lost their nodes.conf.
async fn nameless(
    context: &Context<'_>,
    launch: &Launch,
    seen: &Snapshot,
    held: &BTreeSet<NodeName>,
) -> Result<Plan> {
    let alone = launch.nodes.iter().filter_map(|node| {
        let report = seen.report(&node.name)?;
        let is_alone = held.contains(&node.name) && report.view.is_alone();
        is_alone.then(|| Blank {
            name: node.name.clone(),
            port: node.port,
            disk: if report.info.keys == 0 {
                Disk::Empty
            } else {
                Disk::Nameless
            },
            held: true,
        })
    });
    let alone: Vec<Blank> = alone.collect();
    if alone.is_empty() {
        return Ok(Plan::default());
    }
    let is_new = |name: &NodeName| {
        let mut alone = alone.iter();
        alone.any(|blank| blank.name == *name && blank.disk == Disk::Empty)
    };
    let answered = look::with_strangers(context.wire, seen.clone()).await.ids();
    let mut others = seen.clone();
    others.nodes.retain(|node| !is_new(&node.name));
    let seats = others.seats()?;
    let mut plan = form::rescue(&seats, &answered, &alone)?;
    let more = form::rescue_or_return(&seats, &answered, &alone);
    plan.stages.extend(more.stages);
    plan.notes.extend(more.notes);
    Ok(plan)
}

/// What the two in each contest have.
async fn weigh(
    context: &Context<'_>,
    launch: &Launch,
    seen: &Snapshot,
    contests: Vec<Contest>,
) -> Result<Vec<(Contest, Held)>> {
    let weighed = contests.into_iter().map(async |contest| {
        let lines = context
            .runtime
            .logs(&launch.name, &contest.master, LOG_LINES);
        let damaged = says_damaged(&lines.await.unwrap_or_default());
        if contest.is_close() && !damaged {
            return Ok(None);
        }
        let count = async |name: &NodeName| {
            let at: Endpoint = seen.member(name)?.dial;
            let counts = context.wire.keys_by_slot(&at, &contest.slots).await;
            counts.map_err(|error| error.failure(name))
        };
        let held = Held {
            master: count(&contest.master).await?,
            replica: count(&contest.replica).await?,
            damaged,
        };
        Ok::<_, Error>(Some((contest, held)))
    });
    let weighed = join_all(weighed).await.into_iter();
    let weighed: Vec<Option<(Contest, Held)>> = weighed.collect::<Result<_>>()?;
    Ok(weighed.into_iter().flatten().collect())
}
