//! `image build` and `image check`.

use crate::cluster::event::{Event, Listener};
use rcluster_core::error::Result;
pub use rcluster_runtime::docker::{BuiltImage, ImageCheck, StandIn};
use rcluster_runtime::{Progress, docker::Docker};

/// Packs the host's redis-server and redis-cli into an image.
pub async fn build(wanted: &StandIn, listener: &dyn Listener) -> Result<BuiltImage> {
    let docker = Docker::connect().await?;
    let progress = |progress| match progress {
        Progress::Pull { image, done, total } => listener.hear(Event::Pull { image, done, total }),
        Progress::Note(text) => listener.hear(Event::Note { text }),
    };
    docker.build_standin(wanted, &progress).await
}

/// Looks into an image.
pub async fn check(image: &str) -> Result<ImageCheck> {
    Docker::connect().await?.image_check(image).await
}
