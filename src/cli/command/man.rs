//! `rcluster man`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, command},
    },
    output::{result, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint::Verb,
};
use serde_json::json;
use std::path::PathBuf;

const AFTER: &str = "\
Examples:
  rcluster man | man -l -                       to read it now
  rcluster man -o /usr/local/share/man/man1     a page for each command";

/// Print the manual page, or write all of them
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Man {
    /// Write one page per command into this folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Execute for Man {
    const FACTS: Facts = Facts::json(Verb::Man);

    async fn run(&self, _: &Global, screen: Screen) -> Result<Verdict> {
        let failed = |error| Error::failed("writing the manual").source(error);
        match &self.output {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(failed)?;
                clap_mangen::generate_to(command(), folder).map_err(failed)?;
                let text = format!("wrote the manual to {}\n", folder.display());
                result::show(screen, &text, &json!({"schema": 1, "folder": folder}))?;
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command())
                    .render(&mut page)
                    .map_err(failed)?;
                result::put(&String::from_utf8_lossy(&page))?;
            }
        }
        Ok(Verdict::Fine)
    }
}
