//! `reset`: every key, slot and acquaintance is dropped and the cluster is formed anew, while its
//! nodes stay up. Forming is `up`'s part.

use super::{doctor::preflight, start};
use crate::cluster::{
    apply::Applier,
    context::Context,
    observe::{self, Observation},
};
use rcluster_core::{
    error::Result,
    node::{NodeName, Role},
    plan::{
        step::{Goal, Plan},
        teardown,
    },
    secret::Secret,
    spec::launch::Launch,
};

/// Starts what does not run: only a node that answers can be emptied.
pub async fn start(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
) -> Result<usize> {
    let applier = Applier::new(context, launch, password, Vec::new());
    let started = start::checked(context, launch, &[]).await?;
    preflight::password(context, launch, &started).await?;
    applier.apply(&started).await?;
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await?;
    Ok(applier.done())
}

/// Empties every node. From the first step on there is no way back.
pub async fn empty(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
) -> Result<usize> {
    let applier = Applier::new(context, launch, password, Vec::new());
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await?;
    let seen = Observation::complete(context, &applier.members()).await;
    applier.apply(&plan(&seen)?).await?;
    Ok(applier.done())
}

/// What `reset` would do, as far as can be planned before anything is touched.
pub async fn dry_run(context: &Context<'_>, launch: &Launch) -> Result<Plan> {
    let mut planned = start::checked(context, launch, &[]).await?;
    if planned.is_empty() {
        let members = observe::members(context, launch).await?;
        let seen = Observation::complete(context, &members).await;
        planned = plan(&seen)?;
        planned
            .notes
            .push("then the cluster is formed anew, as by `up`".to_owned());
    } else {
        planned
            .notes
            .push("then every node is emptied, and the cluster formed anew".to_owned());
    }
    Ok(planned)
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
