//! `rcluster schema`

use crate::{cli::Verdict, output::result};
use rcluster_core::{error::Result, spec::Spec};

pub(in crate::cli) fn run() -> Result<Verdict> {
    result::json(&schemars::schema_for!(Spec))?;
    Ok(Verdict::Fine)
}
