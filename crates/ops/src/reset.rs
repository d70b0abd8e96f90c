//! `reset`: deletes all keys, slots and memories of other nodes and forms the cluster again, while
//! its nodes stay up. Forming is done by `up`.

use super::{doctor::preflight, start};
use crate::cluster::{apply::Applier, context::Context, look};
use rcluster_core::{
    error::Result,
    node::{NodeName, Role},
    plan::{
        step::{Goal, Plan},
        teardown,
    },
    secret::Secret,
    snapshot::Snapshot,
    spec::launch::Launch,
};

/// Starts nodes that do not run, since only a node that answers can be emptied.
pub async fn start(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
) -> Result<usize> {
    let mut applier = Applier::new(context, launch, password);
    let started = start::checked(context, launch, &[]).await?;
    preflight::password(context, launch, &started).await?;
    applier.apply(&started).await?;
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await?;
    Ok(applier.done())
}

/// Empties every node. After the first step there is no way back.
pub async fn empty(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
) -> Result<usize> {
    let mut applier = Applier::new(context, launch, password);
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await?;
    let seen = look::patiently(context, applier.snapshot()).await;
    applier.apply(&plan(&seen)?).await?;
    Ok(applier.done())
}

/// What `reset` would do, as far as can be planned before anything is touched.
pub async fn dry_run(context: &Context<'_>, launch: &Launch) -> Result<Plan> {
    let mut planned = start::checked(context, launch, &[]).await?;
    if planned.is_empty() {
        let seen = look::patiently(context, &look::list(context, launch).await?).await;
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

/// Plans to flush the masters and reset all nodes.
pub fn plan(seen: &Snapshot) -> Result<Plan> {
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
