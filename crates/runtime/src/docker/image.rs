//! Looks for images and pulls them.

use super::{
    Docker,
    fault::{bounded, found, reason},
};
use crate::{OnProgress, Progress};
use bollard::{
    errors::Error as Fault, models::CreateImageInfo, query_parameters::CreateImageOptions,
};
use futures_util::TryStreamExt;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
};
use std::{collections::HashMap, time::Duration};

/// How long a registry may take for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// How long the registry may be silent while an image is pulled.
const SILENCE: Duration = Duration::from_secs(60);

impl Docker {
    /// Whether the engine has the image. No registry is asked.
    pub async fn image_present(&self, image: &str) -> Result<bool> {
        let seen = found(bounded(self.api.inspect_image(image)).await);
        seen.map(|seen| seen.is_some())
            .map_err(|fault| self.fault(format!("looking for image {image}"), &fault))
    }

    /// Pulls the image if the engine does not have it. `true`: it was pulled.
    pub async fn ensure_image(&self, image: &str, progress: OnProgress<'_>) -> Result<bool> {
        if self.image_present(image).await? {
            return Ok(false);
        }
        self.pull(image, progress).await?;
        Ok(true)
    }

    /// Pulls the image. An error (exit 5) if no registry gives it in time.
    pub async fn pull(&self, image: &str, progress: OnProgress<'_>) -> Result<()> {
        let options = CreateImageOptions {
            from_image: Some(tagged(image)),
            ..CreateImageOptions::default()
        };
        let mut events = std::pin::pin!(self.api.create_image(Some(options), None, None));
        let mut layers = Layers::default();
        let mut patience = FIRST_ANSWER;
        loop {
            match tokio::time::timeout(patience, events.try_next()).await {
                Ok(Ok(Some(event))) => {
                    if let Some((done, total)) = layers.note(event) {
                        progress(Progress::Pull {
                            image: image.to_owned(),
                            done,
                            total,
                        });
                    }
                    patience = SILENCE;
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(fault)) => return Err(not_pulled(image, &fault)),
                Err(_) => {
                    return Err(not_pulled_because(
                        image,
                        &format!("the registry was silent for {} s", patience.as_secs()),
                    ));
                }
            }
        }
    }
}

/// The image with a tag: without one, the API would pull every tag.
fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || last.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// The error for an image that vanished after it was seen.
pub(super) fn absent(image: &str) -> Error {
    with_hint(
        image,
        Error::missing(format!("image {image} is not on this engine")),
    )
}

fn not_pulled(image: &str, fault: &Fault) -> Error {
    not_pulled_because(image, &reason(fault))
}

fn not_pulled_because(image: &str, why: &str) -> Error {
    let message = format!("image {image} is not on this engine and cannot be pulled: {why}");
    with_hint(image, Error::missing(message))
}

fn with_hint(image: &str, error: Error) -> Error {
    error.hint(hint![
        "without a registry, ", Verb::Image.with(format!("build --tag {image}")), " packs this host's redis-server";
        format!("with a private one, `docker pull {image}` first");
        "or `--runtime process`"
    ])
}

/// How many bytes of each layer have arrived, and of how many.
#[derive(Debug, Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    /// Takes in an event; returns the new sums if it was about bytes.
    fn note(&mut self, event: CreateImageInfo) -> Option<(u64, u64)> {
        let id = event.id?;
        let status = event.status.unwrap_or_default();
        let detail = event.progress_detail.unwrap_or_default();
        let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let layer = self.0.entry(id).or_default();
        match status.as_str() {
            "Downloading" => {
                layer.0 = bytes(detail.current).unwrap_or(layer.0);
                layer.1 = bytes(detail.total).unwrap_or(layer.1).max(layer.0);
            }
            "Download complete" | "Pull complete" => layer.0 = layer.1,
            _ => return None,
        }
        let sum = |pick: fn(&(u64, u64)) -> u64| self.0.values().map(pick).sum();
        Some((sum(|layer| layer.0), sum(|layer| layer.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    #[test]
    fn one_tag_is_pulled() {
        assert_eq!(tagged("redis"), "redis:latest");
        assert_eq!(tagged("redis:7"), "redis:7");
        assert_eq!(tagged("host:5000/redis"), "host:5000/redis:latest");
        assert_eq!(tagged("redis@sha256:00"), "redis@sha256:00");
    }

    #[test]
    fn layers_add_up() {
        let event = |id: &str, status: &str, current, total| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current, total }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        let mut note = |id, status, current, total| layers.note(event(id, status, current, total));
        assert_eq!(note("7", "Pulling from library/redis", None, None), None);
        assert_eq!(
            note("a", "Downloading", Some(10), Some(100)),
            Some((10, 100))
        );
        assert_eq!(note("b", "Downloading", Some(5), Some(50)), Some((15, 150)));
        assert_eq!(note("a", "Download complete", None, None), Some((105, 150)));
    }
}
