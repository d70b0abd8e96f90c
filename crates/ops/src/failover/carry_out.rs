//! Carrying out a plan in which replicas take over.

use super::{
    ground::Ground,
    lead::{Took, lead},
    mend,
    scene::Scene,
};
use crate::cluster::apply::Applier;
use rcluster_core::{
    error::Result,
    plan::step::{Plan, Step},
};
use std::cell::RefCell;

/// Carries out a plan that was made from this scene. Returns when each failover took place.
pub async fn carry_out(ground: &Ground<'_>, scene: &Scene, plan: &Plan) -> Result<Vec<Took>> {
    let mut applier = Applier::new(&ground.context, ground.launch, ground.password)
        .having_seen(scene.snapshot.clone());
    let took = RefCell::new(Vec::new());
    applier
        .apply_with(plan, &async |step: &Step| match step {
            Step::FailOver {
                from, to, manner, ..
            } => {
                let outcome = lead(ground, from.as_ref(), to, *manner).await;
                Some(outcome.map(|one| took.borrow_mut().push(one)))
            }
            Step::BringBack { nodes } => Some(mend::mend(ground, nodes).await.map(drop)),
            _ => None,
        })
        .await?;
    Ok(took.into_inner())
}
