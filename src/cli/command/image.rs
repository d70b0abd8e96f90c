//! `rcluster image`

use crate::{
    cli::{
        Verdict,
        args::{Global, ImageCommand, SpecFlags},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::image;

pub(in crate::cli) async fn run(
    global: &Global,
    command: &ImageCommand,
    screen: Screen,
) -> Result<Verdict> {
    match command {
        ImageCommand::Build {
            tag,
            redis_server,
            redis_cli,
            force,
        } => {
            let wanted = image::Wanted {
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
