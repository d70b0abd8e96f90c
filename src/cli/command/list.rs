//! `rcluster list`

use crate::{
    cli::{Verdict, say},
    output::{result, screen::Screen, table},
};
use rcluster_core::error::Result;
use rcluster_ops::{list, store::state::State};
use serde_json::json;

pub(in crate::cli) async fn run(screen: Screen) -> Result<Verdict> {
    let listing = list::list(&State::locate()?).await?;
    let document = json!({
        "schema": 1,
        "clusters": listing.clusters,
        "docker": listing.docker,
    });
    result::show(screen, &table::list(&listing), &document)?;
    if let (Some(why), true) = (&listing.docker, screen.verbose > 0) {
        say(screen, &format!("docker was not asked: {why}"));
    }
    Ok(Verdict::Fine)
}
