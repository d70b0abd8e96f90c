//! `rcluster schema`

use super::{Execute, Facts};
use crate::{
    cli::{Verdict, args::Global},
    output::{result, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb, spec::Spec};

const AFTER: &str = "\
Examples:
  rcluster schema > rcluster.schema.json     for an editor: keys are completed and checked";

/// Print the JSON Schema of the spec
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Schema {}

impl Execute for Schema {
    const FACTS: Facts = Facts::text(Verb::Schema);

    async fn run(&self, _: &Global, _: Screen) -> Result<Verdict> {
        result::json(&schemars::schema_for!(Spec))?;
        Ok(Verdict::Fine)
    }
}
