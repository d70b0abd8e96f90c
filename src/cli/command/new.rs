//! `rcluster new`

use crate::{
    cli::{Verdict, args::NewArgs},
    output::{result, screen::Screen},
};
use rcluster_core::{
    error::{Error, Result},
    render::{Preset, presets},
};
use rcluster_ops::store::{spec_file::nearest, state::write_public};
use serde_json::json;
use std::path::Path;

pub(in crate::cli) fn run(args: &NewArgs, screen: Screen) -> Result<Verdict> {
    let preset = preset(&args.preset)?;
    if args.output == Path::new("-") {
        result::put(preset.text)?;
        return Ok(Verdict::Fine);
    }
    if args.output.exists() && !args.force {
        return Err(
            Error::refused(format!("{} exists already", args.output.display()))
                .hint("--force replaces it, -o FILE writes another one, -o - prints it"),
        );
    }
    write_public(&args.output, preset.text.as_bytes())?;
    let text = format!(
        "wrote {} ({})\n\nnext:\n  rcluster up\n",
        args.output.display(),
        preset.about
    );
    let document = json!({"schema": 1, "preset": preset.name, "file": args.output});
    result::show(screen, &text, &document)?;
    Ok(Verdict::Fine)
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
