//! The way back to a topology, one failover after another.

use super::{lead::lead, mend::put_settings_back, scene::Scene};
use crate::{
    cluster::{
        context::{Context, wire_failure},
        session::Session,
    },
    store::drill::Intent,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        seats::{Move, moves},
        words::{Manner, Seats},
    },
    spec::launch::Launch,
};
use rcluster_wire::LiveWire;

/// Brings the wanted topology back: strays follow their master again, then one planned failover
/// per shard. Returns how many moves it took.
pub async fn restore(
    context: &Context<'_>,
    launch: &Launch,
    wire: &LiveWire,
    wanted: &[Seats],
) -> Result<usize> {
    let mut done = 0;
    for _ in 0..=2 * wanted.len() {
        let scene = Scene::settled(context, launch, "bringing the first topology back").await?;
        let next = moves(&scene.seats, wanted);
        if next.is_empty() {
            return Ok(done);
        }
        for step in next {
            match step {
                Move::Follow { node, master } => {
                    let of = scene
                        .id(&master)
                        .ok_or_else(|| Error::failed(format!("{master} does not answer")))?;
                    let dial = &scene.member(&node)?.dial;
                    context
                        .wire
                        .replicate(dial, &of)
                        .await
                        .map_err(|error| wire_failure(&node, &error))?;
                }
                Move::Lead { to, .. } => {
                    lead(context, launch, wire, &to, Manner::Planned).await?;
                }
            }
            done += 1;
        }
    }
    Err(Error::failed("the first topology does not come back").hint(
        "`rcluster status` shows who leads; `rcluster failover --planned --to NODE` changes it",
    ))
}

/// Lets the masters from before a drill that was killed lead again.
pub async fn give_back(context: &Context<'_>, session: &Session, intent: &Intent) -> Result<usize> {
    let launch = &session.launch;
    let mut done = put_settings_back(context, launch, intent).await?;
    for master in &intent.masters {
        let scene = Scene::settled(context, launch, "waiting for every node to agree").await?;
        let follows = scene
            .shard_of(master)
            .is_some_and(|seats| seats.master != *master);
        if follows {
            let manner = Manner::Planned;
            lead(context, launch, &session.live(), master, manner).await?;
            done += 1;
        }
    }
    Ok(done)
}
