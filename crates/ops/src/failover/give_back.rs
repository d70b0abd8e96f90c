//! The way back to an earlier topology, one failover after another.

use super::{carry_out::carry_out, ground::Ground, mend::put_settings_back, scene::Scene};
use rcluster_core::{
    error::{Error, Result},
    failover::{outline::Restored, rolling::first_topology, seats::moves, words::Seats},
    hint,
    hint::Verb,
    plan::step::{Goal, Plan},
};

/// Brings the wanted topology back: replicas that left their shard return, then one planned failover
/// per shard. Each step is planned from a fresh look. Returns how many steps it took.
pub async fn restore(ground: &Ground<'_>, wanted: &[Seats]) -> Result<usize> {
    for done in 0..=2 * wanted.len() {
        let scene = Scene::settled(ground, "bringing the first topology back").await?;
        let Some(next) = moves(&scene.seats, wanted).into_iter().next() else {
            return Ok(done);
        };
        let mut plan = Plan::default();
        plan.stage("way back", vec![next], Goal::Converged);
        carry_out(ground, &scene, &plan).await?;
    }
    Err(Error::failed("the first topology does not come back").hint(hint![Verb::Status, " shows who leads"; Verb::Failover.with("--planned --to NODE"), " changes it"]))
}

/// Puts back the settings that a killed drill changed, and lets the masters of before it lead again.
pub async fn give_back(ground: &Ground<'_>, left: &Restored) -> Result<usize> {
    let done = put_settings_back(ground, left).await?;
    if left.masters.is_empty() {
        return Ok(done);
    }
    let scene = Scene::settled(ground, "waiting for every node to agree").await?;
    let wanted = first_topology(&scene.seats, &left.masters);
    Ok(done + restore(ground, &wanted).await?)
}
