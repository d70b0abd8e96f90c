//! Settings that are held while nodes take over from each other, or restart.
//!
//! Replicas stay in their shards.
//!
//! Until everybody has heard who follows a new master, it seems to have no replica, and a replica of a
//! shard with several may leave for it (`clusterHandleSlaveMigration`). A high
//! `cluster-migration-barrier` keeps it; `cluster-allow-replica-migration` also decides what becomes of
//! a master that loses its slots, so it is left alone. What was set before is noted first, as what a
//! drill changes is: after a kill `up`, or the next failover, puts it back.
//!
//! A node that restarts is synchronized at once: a master waits 5 s for other replicas that may want the
//! same (`repl-diskless-sync-delay`), which would be most of each turn.
//!
//! Behind seeds nothing can be noted, so nothing is changed there.

use super::{ground::Ground, mend::change, scene::Scene};
use crate::{cluster::look, store::drill::Intent};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
};

const BARRIER: &str = "cluster-migration-barrier";
const SYNC_DELAY: &str = "repl-diskless-sync-delay";

const MIGRATION: &str = "cluster-allow-replica-migration";

/// What each is held at; no shard has so many replicas.
const HELD: [(&str, &str); 3] = [(BARRIER, "1000000"), (SYNC_DELAY, "0"), (MIGRATION, "no")];

/// Holds replicas in their shards, from now until [`release`]. Where no shard has a second replica,
/// none can leave.
pub async fn hold(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    let several = scene.seats.iter().any(|seats| seats.replicas.len() > 1);
    hold_these(ground, scene, if several { &[BARRIER] } else { &[] }).await
}

/// The same while nodes restart, which are synchronized at once.
pub async fn hold_for_restarts(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    hold_these(ground, scene, &[BARRIER, SYNC_DELAY]).await
}

/// The same while masters give all their slots away: such a master would become a replica of who got
/// the last one, and copy its data, only to be removed.
pub async fn hold_for_draining(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    hold_these(ground, scene, &[BARRIER, MIGRATION]).await
}

async fn hold_these(ground: &Ground<'_>, scene: &Scene, names: &[&str]) -> Result<()> {
    let Some(state) = ground.context.state.filter(|_| !names.is_empty()) else {
        return Ok(());
    };
    if state.drill(ground.name())?.is_none() {
        let intent = Intent {
            nodes: Vec::new(),
            masters: Vec::new(),
            settings: now(ground, scene, names).await?,
        };
        state.note_drill(ground.name(), Some(&intent))?;
    }
    ground
        .context
        .note(format!("held meanwhile: {}", names.join(", ")));
    renew(ground, scene, &[]).await
}

/// The same once more for nodes that were restarted, and go by their redis.conf again. No name means
/// all nodes.
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

/// Puts back what was held, whatever came of the work.
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

/// Puts back what was held, if anything is.
pub async fn put_back(ground: &Ground<'_>) -> Result<()> {
    let (Some(held), Some(state)) = (held(ground)?, ground.context.state) else {
        return Ok(());
    };
    let scene = Scene::look(ground).await?;
    change(ground, &scene, &held.settings).await?;
    state.note_drill(ground.name(), None)
}

/// What is held now; `None` also while a drill is noted, which is another thing.
fn held(ground: &Ground<'_>) -> Result<Option<Intent>> {
    let Some(state) = ground.context.state else {
        return Ok(None);
    };
    let noted = state.drill(ground.name())?;
    Ok(noted.filter(Intent::only_settings))
}

async fn now(
    ground: &Ground<'_>,
    scene: &Scene,
    names: &[&str],
) -> Result<Vec<(NodeName, Vec<(String, String)>)>> {
    let members = scene.members();
    let asked = members.iter().map(async |member| {
        let config = look::config(&ground.context, member, names).await?;
        Ok::<_, Error>((member.name.clone(), config.into_iter().collect()))
    });
    join_all(asked).await.into_iter().collect()
}
