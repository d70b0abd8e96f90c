//! `rcluster list`

use super::{Execute, Facts};
use crate::{
    cli::{Verdict, args::Global, say},
    output::{result, screen::Screen, table},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::{list, store::state::State};
use serde_json::json;

const AFTER: &str = "\
Examples:
  rcluster list                           names, runtimes, ports, and what is up
  rcluster list --json | jq .clusters     for a program";

/// Every cluster on this host and its engine
#[derive(Debug, Args)]
#[command(after_help = AFTER, visible_alias = "ls")]
pub(in crate::cli) struct List {}

impl Execute for List {
    const FACTS: Facts = Facts::json(Verb::List);

    async fn run(&self, _: &Global, screen: Screen) -> Result<Verdict> {
        let listing = list::list(&State::locate()?).await?;
        let document = json!({
            "schema": 1,
            "clusters": listing.clusters,
            "docker": listing.docker,
            "damaged": listing.damaged,
        });
        result::show(screen, &table::list(&listing), &document)?;
        if let (Some(why), true) = (&listing.docker, screen.verbose > 0) {
            say(screen, &format!("docker was not asked: {why}"));
        }
        for what in &listing.damaged {
            say(screen, &format!("warning: {what}"));
        }
        Ok(Verdict::Fine)
    }
}
