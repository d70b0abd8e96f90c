//! `reset`: every key, slot and acquaintance is dropped and the cluster is formed anew, while its
//! nodes stay up.

use super::{
    apply::Applier,
    context::Context,
    doctor::preflight,
    observe::Observation,
    start,
    up::{self, Extent, Outcome},
};
use crate::{
    error::Result,
    model::{
        launch::Launch,
        node::{NodeName, Role},
        secret::Secret,
    },
    plan::{
        step::{Goal, Plan},
        teardown,
    },
};

/// Empties every node and forms the cluster anew.
pub async fn reset(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
) -> Result<Outcome> {
    let applier = Applier::new(context, launch, password, Vec::new());
    let started = start::plan(context, launch).await?;
    preflight::check(context, launch, &start::starting(&started)).await?;
    applier.apply(&started).await?;
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await?;

    let seen = Observation::of(context.wire, &applier.members()).await;
    applier.apply(&plan(&seen)?).await?;

    let outcome = up::up(context, launch, before, password, Extent::Form).await?;
    Ok(Outcome {
        changes: outcome.changes + applier.done(),
        ..outcome
    })
}

/// Flushes masters and resets everybody.
pub fn plan(seen: &Observation) -> Result<Plan> {
    let seats = seen.seats()?;
    let nodes: Vec<NodeName> = seats.iter().map(|seat| seat.name.clone()).collect();
    let masters: Vec<NodeName> = seats
        .iter()
        .filter(|seat| {
            seat.report
                .view
                .me()
                .is_some_and(|me| me.role == Role::Master)
        })
        .map(|seat| seat.name.clone())
        .collect();
    Ok(teardown::empty(&masters, &nodes))
}
