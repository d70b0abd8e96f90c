//! `rcluster man`

use crate::{
    cli::{
        Verdict,
        args::{Cli, ManArgs},
    },
    output::{result, screen::Screen},
};
use clap::CommandFactory;
use rcluster_core::error::{Error, Result};
use serde_json::json;

pub(in crate::cli) fn run(args: &ManArgs, screen: Screen) -> Result<Verdict> {
    let failed = |error| Error::failed("writing the manual").source(error);
    match &args.output {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
            let text = format!("wrote the manual to {}\n", folder.display());
            result::show(screen, &text, &json!({"schema": 1, "folder": folder}))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(failed)?;
            result::put(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Verdict::Fine)
}
