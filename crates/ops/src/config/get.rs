//! `config get`.

use super::{SCHEMA, ask};
use crate::cluster::handle::Cluster;
use rcluster_core::{
    config::table::{self, Listing},
    error::{Error, Result},
    hint,
    hint::Verb,
    snapshot::choice::Choice,
};

/// The directives of these names or patterns, as the chosen nodes have them.
pub async fn get(cluster: &Cluster, choice: &Choice, patterns: &[&str]) -> Result<Listing> {
    let seen = cluster.look().await?.let_in()?;
    let (answers, silent) = ask(cluster, &seen, choice, patterns).await?;
    let directives = table::directives(&answers);
    if let (true, Some(silent)) = (answers.is_empty(), silent.first()) {
        let what = format!("{} does not answer: {}", silent.node, silent.why);
        return Err(Error::failed(what).hint(hint![Verb::Status, " shows what each node says"]));
    }
    if directives.is_empty() {
        let what = format!("no node knows {}", patterns.join(" or "));
        return Err(
            Error::failed(what).hint(hint![Verb::Config.with("get '*'"), " shows all there are"])
        );
    }
    Ok(Listing {
        schema: SCHEMA,
        cluster: seen.name,
        directives,
        silent,
    })
}
