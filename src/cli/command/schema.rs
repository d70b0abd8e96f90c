//! `rcluster schema`

use crate::{cli::Verdict, error::Result, model::spec::Spec, output::result};

pub(in crate::cli) fn run() -> Result<Verdict> {
    result::json(&schemars::schema_for!(Spec))?;
    Ok(Verdict::Fine)
}
