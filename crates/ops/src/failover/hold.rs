//! Settings that are held while nodes take over from each other, or restart.
//!
//! Replicas stay in their shards. After a failover, a node that has not heard yet who follows the new
//! master takes it for a master without replicas. A replica of a shard with several may then move to it
//! (`clusterHandleSlaveMigration`). A high `cluster-migration-barrier` prevents that.
//!
//! While slots move, a master that gives its last one stays a master (`cluster-allow-replica-migration`),
//! and where a key is so large that moving it could pass for a failure, `cluster-node-timeout` is raised.
//!
//! A node that restarts is synchronized at once: a master waits 5 s for other replicas that may want the
//! same (`repl-diskless-sync-delay`), which would be most of each turn.
//!
//! The old values are noted on disk first: after a kill `up`, or the next failover, puts them back.
//! Behind seeds nothing can be noted, so nothing is changed there.

use super::{ground::Ground, mend::change, scene::Scene};
use crate::cluster::look;
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::outline::{Restored, Settings},
    node::NodeName,
};

const BARRIER: &str = "cluster-migration-barrier";
const SYNC_DELAY: &str = "repl-diskless-sync-delay";

const ALLOW_MIGRATION: &str = "cluster-allow-replica-migration";
const NODE_TIMEOUT: &str = "cluster-node-timeout";

/// What each is held at; no shard has so many replicas.
const HELD: [(&str, &str); 3] = [
    (BARRIER, "1000000"),
    (SYNC_DELAY, "0"),
    (ALLOW_MIGRATION, "no"),
];

/// Holds replicas in their shards until [`release`]. If no shard has a second replica, none can move,
/// and nothing is changed.
pub async fn hold(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    let several = scene.seats.iter().any(|seats| seats.replicas.len() > 1);
    hold_these(ground, scene, if several { &[BARRIER] } else { &[] }).await
}

/// The same while nodes restart, which are synchronized at once.
pub async fn hold_for_restarts(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    hold_these(ground, scene, &[BARRIER, SYNC_DELAY]).await
}

/// The same while slots move; `node_timeout`: in milliseconds, if it has to be raised.
pub async fn hold_for_moves(
    ground: &Ground<'_>,
    scene: &Scene,
    node_timeout: Option<u64>,
) -> Result<()> {
    let Some(raised) = node_timeout.filter(|_| ground.context.state.is_some()) else {
        return hold_these(ground, scene, &[BARRIER, ALLOW_MIGRATION]).await;
    };
    hold_these(ground, scene, &[BARRIER, ALLOW_MIGRATION, NODE_TIMEOUT]).await?;
    let raised = vec![(NODE_TIMEOUT.to_owned(), raised.to_string())];
    let nodes = scene.members().into_iter();
    let all: Settings = nodes.map(|member| (member.name, raised.clone())).collect();
    change(ground, scene, &all).await
}

async fn hold_these(ground: &Ground<'_>, scene: &Scene, names: &[&str]) -> Result<()> {
    let Some(state) = ground.context.state.filter(|_| !names.is_empty()) else {
        return Ok(());
    };
    if state.drill(ground.name())?.is_none() {
        let held = Restored {
            settings: now(ground, scene, names).await?,
            ..Restored::default()
        };
        state.note_drill(ground.name(), Some(&held))?;
    }
    ground
        .context
        .note(format!("held meanwhile: {}", names.join(", ")));
    renew(ground, scene, &[]).await
}

/// Sets the barrier again on nodes that were restarted and have read their redis.conf. No name means all
/// nodes.
pub async fn renew(ground: &Ground<'_>, scene: &Scene, restarted: &[NodeName]) -> Result<()> {
    let Some(held) = held(ground)? else {
        return Ok(());
    };
    let of = |node: &NodeName| restarted.is_empty() || restarted.contains(node);
    let high = held.settings.into_iter().filter(|(node, _)| of(node));
    let high = high.map(|(node, settings)| {
        let names = settings.into_iter().map(|(name, _)| name);
        let held = names.filter_map(|name| {
            let (_, value) = HELD.iter().find(|(held, _)| *held == name)?;
            Some((name, (*value).to_owned()))
        });
        (node, held.collect())
    });
    change(ground, scene, &high.collect::<Vec<_>>()).await
}

/// Puts the barriers back, and returns the outcome of the work. An error of the work counts more than
/// one of putting back, which then is a warning.
pub async fn release<T>(ground: &Ground<'_>, outcome: Result<T>) -> Result<T> {
    match (outcome, put_back(ground).await) {
        (Ok(done), back) => back.map(|()| done),
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(back)) => {
            let cause = back.cause();
            let what = format!("settings are still held ({cause}): `up` puts them back");
            ground.context.warn(what);
            Err(error)
        }
    }
}

/// Puts the barriers back, if they are held.
pub async fn put_back(ground: &Ground<'_>) -> Result<()> {
    let (Some(held), Some(state)) = (held(ground)?, ground.context.state) else {
        return Ok(());
    };
    let scene = Scene::look(ground).await?;
    change(ground, &scene, &held.settings).await?;
    state.note_drill(ground.name(), None)
}

/// The old values, if anything is held. A drill has a note in the same place, which does not count.
fn held(ground: &Ground<'_>) -> Result<Option<Restored>> {
    let Some(state) = ground.context.state else {
        return Ok(None);
    };
    let noted = state.drill(ground.name())?;
    Ok(noted.filter(Restored::only_settings))
}

async fn now(ground: &Ground<'_>, scene: &Scene, names: &[&str]) -> Result<Settings> {
    let members = scene.members();
    let asked = members.iter().map(async |member| {
        let config = look::config(&ground.context, member, names).await?;
        Ok::<_, Error>((member.name.clone(), config.into_iter().collect()))
    });
    join_all(asked).await.into_iter().collect()
}
