//! Replicas stay in their shards while others take over.
//!
//! Until everybody has heard who follows a new master, it seems to have no replica, and a replica of a
//! shard with several may leave for it (`clusterHandleSlaveMigration`). A high
//! `cluster-migration-barrier` keeps it; `cluster-allow-replica-migration` also decides what becomes of
//! a master that loses its slots, so it is left alone. What was set before is noted first, as what a
//! drill changes is: after a kill `up`, or the next failover, puts it back.
//!
//! Behind seeds nothing can be noted, so nothing is changed there.

use super::{ground::Ground, mend::change, scene::Scene};
use crate::store::drill::Intent;
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
};

const BARRIER: &str = "cluster-migration-barrier";

/// More replicas than any shard has.
const HIGH: &str = "1000000";

/// Holds replicas in their shards, from now until [`release`]. Where no shard has a second replica,
/// none can leave.
pub async fn hold(ground: &Ground<'_>, scene: &Scene) -> Result<()> {
    let Some(state) = ground.state else {
        return Ok(());
    };
    if scene.seats.iter().all(|seats| seats.replicas.len() < 2) {
        return Ok(());
    }
    if state.drill(ground.name())?.is_none() {
        let intent = Intent {
            nodes: Vec::new(),
            masters: Vec::new(),
            settings: now(ground, scene).await?,
        };
        state.note_drill(ground.name(), Some(&intent))?;
    }
    ground
        .context
        .note("replica migration is held off meanwhile");
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
    let high = high.map(|(node, _)| (node, vec![(BARRIER.to_owned(), HIGH.to_owned())]));
    change(ground, scene, &high.collect::<Vec<_>>()).await
}

/// Puts back what was held, whatever came of the work.
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

/// Puts back what was held, if anything is.
pub async fn put_back(ground: &Ground<'_>) -> Result<()> {
    let (Some(held), Some(state)) = (held(ground)?, ground.state) else {
        return Ok(());
    };
    let scene = Scene::look(ground).await?;
    change(ground, &scene, &held.settings).await?;
    state.note_drill(ground.name(), None)
}

/// What is held now; `None` also while a drill is noted, which is another thing.
fn held(ground: &Ground<'_>) -> Result<Option<Intent>> {
    let Some(state) = ground.state else {
        return Ok(None);
    };
    let noted = state.drill(ground.name())?;
    Ok(noted.filter(Intent::only_settings))
}

async fn now(ground: &Ground<'_>, scene: &Scene) -> Result<Vec<(NodeName, Vec<(String, String)>)>> {
    let members = scene.members();
    let asked = members.iter().map(async |member| {
        let config = ground.context.wire.config_get(&member.dial, &[BARRIER]);
        let config = config.await.map_err(|error| error.failure(&member.name))?;
        Ok::<_, Error>((member.name.clone(), config.into_iter().collect()))
    });
    join_all(asked).await.into_iter().collect()
}
