//! Holds replicas in their shards while others take over.
//!
//! After a failover, a node that has not heard yet who follows the new master takes it for a master
//! without replicas. A replica of a shard with several may then move to it
//! (`clusterHandleSlaveMigration`). A high `cluster-migration-barrier` prevents that.
//! `cluster-allow-replica-migration` would too, but also decides what becomes of a master that loses
//! its slots. The old values are noted on disk first: after a kill `up`, or the next failover, puts
//! them back. Behind seeds nothing can be noted, so nothing is changed there.

use super::{ground::Ground, mend::change, scene::Scene};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::outline::{Restored, Settings},
    node::NodeName,
};

const BARRIER: &str = "cluster-migration-barrier";

/// A barrier that no shard has replicas enough for.
const HIGH: &str = "1000000";

/// Holds replicas in their shards until [`release`]. If no shard has a second replica, none can move,
/// and nothing is changed.
pub async fn hold(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    let Some(state) = ground.state else {
        return Ok(());
    };
    if scene.seats.iter().all(|seats| seats.replicas.len() < 2) {
        return Ok(());
    }
    if state.drill(ground.name())?.is_none() {
        let held = Restored {
            settings: now(ground, scene).await?,
            ..Restored::default()
        };
        state.note_drill(ground.name(), Some(&held))?;
    }
    ground
        .context
        .note("replica migration is held off meanwhile");
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
    let high = high.map(|(node, _)| (node, vec![(BARRIER.to_owned(), HIGH.to_owned())]));
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
            let what = format!("replica migration is still held off ({cause}): `up` lets it go");
            ground.context.warn(what);
            Err(error)
        }
    }
}

/// Puts the barriers back, if they are held.
pub async fn put_back(ground: &Ground<'_>) -> Result<()> {
    let (Some(held), Some(state)) = (held(ground)?, ground.state) else {
        return Ok(());
    };
    let scene = Scene::look(ground).await?;
    change(ground, &scene, &held.settings).await?;
    state.note_drill(ground.name(), None)
}

/// The old values, if barriers are held. A drill has a note in the same place, which does not count.
fn held(ground: &Ground<'_>) -> Result<Option<Restored>> {
    let Some(state) = ground.state else {
        return Ok(None);
    };
    let noted = state.drill(ground.name())?;
    Ok(noted.filter(Restored::only_settings))
}

async fn now(ground: &Ground<'_>, scene: &Scene) -> Result<Settings> {
    let members = scene.members();
    let asked = members.iter().map(async |member| {
        let config = ground.context.wire.config_get(&member.dial, &[BARRIER]);
        let config = config.await.map_err(|error| error.failure(&member.name))?;
        Ok::<_, Error>((member.name.clone(), config.into_iter().collect()))
    });
    join_all(asked).await.into_iter().collect()
}
