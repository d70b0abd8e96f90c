//! `rcluster image`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::{Args, Subcommand};
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::image;

const AFTER: &str = "\
Examples:
  rcluster image build     redis:7 of this host's redis-server
  rcluster image check     whether the spec's image has what nodes need";

/// Images for machines without a registry
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Image {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    /// Pack this host's redis-server and redis-cli into an image of the local engine
    Build {
        /// Its name
        #[arg(long, value_name = "IMAGE", default_value = "redis:7")]
        tag: String,
        /// The redis-server to pack
        #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
        redis_server: String,
        /// The redis-cli to pack
        #[arg(long, value_name = "PROGRAM", default_value = "redis-cli")]
        redis_cli: String,
        /// Replace an image of that name that rcluster did not pack
        #[arg(long)]
        force: bool,
    },
    /// Look whether an image has what nodes need
    Check {
        /// Its name; else the spec's
        image: Option<String>,
    },
}

impl Execute for Image {
    const FACTS: Facts = Facts::json(Verb::Image);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        match &self.command {
            ImageCommand::Build {
                tag,
                redis_server,
                redis_cli,
                force,
            } => {
                let wanted = image::StandIn {
                    tag: tag.clone(),
                    redis_server: redis_server.clone(),
                    redis_cli: redis_cli.clone(),
                    force: *force,
                };
                let progress = Progress::new(screen);
                let built = image::build(&wanted, &progress).await?;
                progress.finish();
                result::image_built(screen, &built)?;
                Ok(Verdict::Fine)
            }
            ImageCommand::Check { image } => {
                let image = match image {
                    Some(image) => image.clone(),
                    None => settings::spec(global, &SpecFlags::default())?.0.image,
                };
                let check = image::check(&image).await?;
                result::image_checked(screen, &check)?;
                check.verdict().map(|()| Verdict::Fine)
            }
        }
    }
}
