//! `config diff`: what differs between nodes, and from the spec.

use super::{SCHEMA, ask, wanted};
use crate::cluster::{event::Listener, handle::Cluster, settings};
use rcluster_core::{
    config::table::{self, Apart, Differences},
    error::Result,
    hint::Hint,
    snapshot::choice::Choice,
};

/// Compares the chosen nodes with each other, and with the spec as `up` would.
pub async fn diff(
    cluster: &Cluster,
    listener: &dyn Listener,
    choice: &Choice,
) -> Result<Differences> {
    let mut seen = cluster.look().await?.let_in()?;
    let (answers, silent) = ask(cluster, &seen, choice, &["*"]).await?;
    let launch = wanted(cluster);
    let from_spec = match &launch {
        Some(launch) => {
            seen.nodes
                .retain(|node| answers.iter().any(|(name, _)| *name == node.name));
            let context = cluster.context(listener);
            let (before, password) = (cluster.before.as_ref(), cluster.password());
            let asked = settings::ask(&context, launch, before, password, &seen).await?;
            let mut found = table::from_spec(&asked.running());
            if !asked.strange.is_empty() {
                found.push(Apart {
                    name: "requirepass".to_owned(),
                    has: Some("another password".to_owned()),
                    wants: Some("the cluster's password".to_owned()),
                    restart: true,
                    nodes: asked.strange.clone(),
                });
            }
            Some(found)
        }
        None => None,
    };
    let about = cluster.about(&seen);
    let mut found = Differences {
        schema: SCHEMA,
        cluster: seen.name,
        between: table::between(&answers, launch.as_ref()),
        from_spec,
        silent,
        hint: Hint::default(),
    };
    found.hint = found.remedy().about(&about);
    Ok(found)
}
