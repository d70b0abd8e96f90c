//! `rcluster render`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{result, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    render,
    spec::{PortChoice, RuntimeKind, launch::Launch},
    text::count::count,
};
use rcluster_ops::store::state::{write_private, write_public};
use serde_json::json;
use std::{fmt::Write as _, path::PathBuf};

const AFTER: &str = "\
Examples:
  rcluster render -o out                  from the spec that is found
  rcluster render -f prod.yaml -o out     from this spec";

/// Write redis.conf files and a compose file to use by hand
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Render {
    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    spec: SpecFlags,
}

impl Execute for Render {
    const FACTS: Facts = Facts::json(Verb::Render);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let (spec, password) = settings::spec(global, &self.spec)?;
        // The files are for Docker Compose, unless the spec says that nodes are processes.
        let kind = spec.runtime.kind().unwrap_or(RuntimeKind::Docker);
        let PortChoice::First(first) = spec.port else {
            return Err(Error::usage(
                "`port: auto` is decided when the nodes are started, not when files are rendered",
            )
            .hint(hint![
                "give a port: ",
                Verb::Render.with("--port 7000 -o DIR")
            ]));
        };
        let launch = Launch::new(&spec, kind, first);
        let files = render::files(&launch, password.as_ref())?;
        std::fs::create_dir_all(&self.output).map_err(|error| {
            Error::failed(format!("creating {}", self.output.display())).source(error)
        })?;
        for file in &files {
            let path = self.output.join(&file.name);
            if file.secret {
                write_private(&path, file.text.as_bytes())?;
            } else {
                write_public(&path, file.text.as_bytes())?;
            }
        }
        if !launch.can.containers {
            for node in &launch.nodes {
                let data = self.output.join(node.name.as_str()).join("data");
                std::fs::create_dir_all(&data).map_err(|error| {
                    Error::failed(format!("creating {}", data.display())).source(error)
                })?;
            }
        }
        let folder = self.output.display();
        let mut text = format!(
            "wrote {} to {folder}\n\nnext:\n",
            count(files.len(), "file")
        );
        if launch.can.containers {
            let _ = write!(
                text,
                "  docker-compose -p {0} -f {folder}/{1} up -d\n  rcluster init -c {0} --runtime docker\n",
                spec.name,
                render::COMPOSE_FILE
            );
        } else {
            text.push_str("  each file's first lines say how to start its node; then\n  rcluster init --seed HOST:PORT …\n");
        }
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        result::show(
            screen,
            &text,
            &json!({"schema": 1, "folder": self.output, "files": names}),
        )?;
        Ok(Verdict::Fine)
    }
}
