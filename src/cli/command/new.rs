//! `rcluster new`

use super::{Execute, Facts};
use crate::{
    cli::{Verdict, args::Global},
    output::{result, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint::Verb,
    render::{Preset, presets},
    text::shell::quoted,
};
use rcluster_ops::store::{spec_file::nearest, state::write_public};
use serde_json::json;
use std::{path::Path, path::PathBuf};

const AFTER: &str = "\
Examples:
  rcluster new                       rcluster.yaml, with every key and its default
  rcluster new --preset dev -o -     processes on 7000 to 7005, to stdout";

/// Write a commented spec
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct New {
    /// The preset to start from
    #[arg(long, value_name = "PRESET", default_value = "default")]
    preset: String,
    /// Where to write it; `-`: to stdout
    #[arg(short, long, value_name = "FILE", default_value = "rcluster.yaml")]
    output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

impl Execute for New {
    const FACTS: Facts = Facts::json(Verb::New);

    async fn run(&self, _: &Global, screen: Screen) -> Result<Verdict> {
        let preset = preset(&self.preset)?;
        if self.output == Path::new("-") {
            result::put(preset.text)?;
            return Ok(Verdict::Fine);
        }
        if self.output.exists() && !self.force {
            return Err(
                Error::refused(format!("{} exists already", self.output.display()))
                    .hint("--force replaces it, -o FILE writes another one, -o - prints it"),
            );
        }
        write_public(&self.output, preset.text.as_bytes())?;
        let text = format!(
            "wrote {} ({})\n\nnext:\n{}",
            self.output.display(),
            preset.about,
            next(preset, &self.output)
        );
        let document = json!({"schema": 1, "preset": preset.name, "file": self.output});
        result::show(screen, &text, &document)?;
        Ok(Verdict::Fine)
    }
}

/// What to type next, from here.
fn next(preset: &Preset, spec: &Path) -> String {
    let mut text = String::new();
    if let Some(name) = preset.password_file {
        let file = quoted(&spec.with_file_name(name).to_string_lossy());
        text = format!("  (umask 077; openssl rand -hex 24 > {file})\n");
    }
    if spec == Path::new("rcluster.yaml") {
        return text + "  rcluster up\n";
    }
    let file = quoted(&spec.to_string_lossy());
    text + &format!("  rcluster -f {file} up\n")
}

fn preset(name: &str) -> Result<&'static Preset> {
    let known = || presets().iter().map(|preset| preset.name);
    presets()
        .iter()
        .find(|preset| preset.name == name)
        .ok_or_else(|| {
            let all = presets()
                .iter()
                .map(|preset| format!("{}: {}", preset.name, preset.about));
            let all = all.collect::<Vec<_>>().join("\n  ");
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`? There are\n  {all}"),
                None => format!("there are\n  {all}"),
            };
            Error::usage(format!("there is no preset '{name}'")).hint(hint)
        })
}
