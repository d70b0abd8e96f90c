//! Looks into an image: whether nodes can be made of it.

use super::{
    Docker,
    fault::{bounded, found, reason},
    labels::{CHECK, STANDIN, filter},
};
use bollard::{
    errors::Error as Fault,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{ListContainersOptions, RemoveContainerOptions, WaitContainerOptions},
};
use futures_util::TryStreamExt;
use rcluster_core::error::{Error, Result};
use serde::Serialize;
use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a node's command, health check and redis.conf need to find in an image.
const NEEDED: &[&str] = &[
    "sh",
    "redis-server",
    "redis-cli",
    "docker-entrypoint.sh",
    "cp",
    "chown",
];

/// How long looking into an image may take.
const LOOK: Duration = Duration::from_secs(30);

/// A throw-away container older than this many seconds was left by a run that was killed.
const LEFT_OVER: u64 = 300;

/// What was found in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageCheck {
    /// Its name, as asked for.
    pub image: String,
    /// Whether the engine has it; if not, the other fields are empty.
    pub present: bool,
    /// Its id.
    pub id: String,
    /// Its size, unpacked.
    pub size_bytes: u64,
    /// Whether rcluster packed it from a host's redis-server.
    pub standin: bool,
    /// The version that its redis-server reports.
    pub redis_version: Option<String>,
    /// What nodes need and the image has not.
    pub lacks: Vec<String>,
}

impl ImageCheck {
    /// Whether nodes can be made of it: all is there, and its Redis is 7.0 or newer.
    pub fn usable(&self) -> bool {
        let major = self
            .redis_version
            .as_ref()
            .and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        self.present && self.lacks.is_empty() && major.is_some_and(|major| major >= 7)
    }

    /// `Ok` if nodes can be made of it, else why not (exit 5).
    pub fn verdict(&self) -> Result<()> {
        if !self.present {
            return Err(super::image::absent(&self.image));
        }
        if self.usable() {
            return Ok(());
        }
        let why = match &self.redis_version {
            _ if !self.lacks.is_empty() => format!("it has no {}", self.lacks.join(", no ")),
            Some(version) => format!("its Redis is {version}, and 7.0 is needed"),
            None => "its redis-server does not run".to_owned(),
        };
        Err(
            Error::missing(format!("image {} cannot be used: {why}", self.image))
                .hint("`image: redis:7` in the spec is known to work"),
        )
    }
}

impl Docker {
    /// Looks into an image with a throw-away container that has no network and is always removed.
    pub async fn image_check(&self, image: &str) -> Result<ImageCheck> {
        let what = format!("looking for image {image}");
        let seen = found(bounded(self.api.inspect_image(image)).await)
            .map_err(|fault| self.fault(&what, &fault))?;
        let mut check = ImageCheck {
            image: image.to_owned(),
            present: seen.is_some(),
            id: String::new(),
            size_bytes: 0,
            standin: false,
            redis_version: None,
            lacks: Vec::new(),
        };
        let Some(seen) = seen else {
            return Ok(check);
        };
        check.id = seen.id.unwrap_or_default();
        check.size_bytes = seen.size.and_then(|size| size.try_into().ok()).unwrap_or(0);
        let labels = seen.config.and_then(|config| config.labels);
        check.standin = labels.is_some_and(|labels| labels.contains_key(STANDIN));
        self.sweep().await;
        match self.ask(image, &script()).await {
            Ok(text) => {
                check.redis_version = version(&text);
                check.lacks = NEEDED
                    .iter()
                    .filter(|tool| !text.lines().any(|line| line == format!("has {tool}")))
                    .map(|&tool| tool.to_owned())
                    .collect();
            }
            // Without a shell, nothing can be asked of the image, and no node can run in it.
            Err(fault) if reason(&fault).contains("executable file not found") => {
                check.lacks = vec!["sh".to_owned()];
            }
            Err(fault) => return Err(self.fault(format!("looking into image {image}"), &fault)),
        }
        Ok(check)
    }

    /// Runs `script` in a container of the image and returns what it prints.
    async fn ask(&self, image: &str, script: &str) -> Result<String, Fault> {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()]),
            cmd: Some(Vec::new()),
            labels: Some(HashMap::from([(CHECK.to_owned(), "1".to_owned())])),
            network_disabled: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let id = bounded(self.api.create_container(None, body)).await?.id;
        let throwaway = Throwaway {
            api: Some(self.api.clone()),
            id: id.clone(),
        };
        let run = async {
            self.api.start_container(&id, None).await?;
            let ended = self
                .api
                .wait_container(&id, None::<WaitContainerOptions>)
                .try_collect::<Vec<_>>()
                .await;
            match ended {
                Ok(_) | Err(Fault::DockerContainerWaitError { .. }) => Ok(()),
                Err(fault) => Err(fault),
            }
        };
        let ran = super::fault::within(LOOK, run).await;
        let lines = match ran {
            Ok(()) => self.tail(&id, 100).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        throwaway.remove().await;
        ran.map(|()| lines.join("\n"))
    }

    /// Removes containers that a killed look left behind; errors are ignored.
    async fn sweep(&self) {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filter(&[(CHECK, "1")])),
            ..ListContainersOptions::default()
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let old = |created: Option<i64>| {
            let created = created
                .and_then(|at| u64::try_from(at).ok())
                .unwrap_or(u64::MAX);
            created.saturating_add(LEFT_OVER) < now.as_secs()
        };
        let all = bounded(self.api.list_containers(Some(options))).await;
        for container in all.into_iter().flatten() {
            if let (true, Some(id)) = (old(container.created), container.id) {
                remove(&self.api, &id).await;
            }
        }
    }
}

/// A container that is removed when this is dropped, also if its task is cancelled.
struct Throwaway {
    api: Option<bollard::Docker>,
    id: String,
}

impl Throwaway {
    async fn remove(mut self) {
        if let Some(api) = self.api.take() {
            remove(&api, &self.id).await;
        }
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if let (Some(api), Ok(tokio)) = (self.api.take(), tokio::runtime::Handle::try_current()) {
            let id = std::mem::take(&mut self.id);
            tokio.spawn(async move { remove(&api, &id).await });
        }
    }
}

async fn remove(api: &bollard::Docker, id: &str) {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    };
    let _ = bounded(api.remove_container(id, Some(options))).await;
}

fn script() -> String {
    format!(
        "redis-server --version; for tool in {}; do \
         command -v \"$tool\" >/dev/null && echo \"has $tool\"; done; exit 0",
        NEEDED.join(" ")
    )
}

/// The version in `Redis server v=7.0.15 sha=…`.
pub(super) fn version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("v=")?;
    let version = rest.split_whitespace().next()?;
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(version(text).as_deref(), Some("7.0.15"));
        assert_eq!(version("sh: redis-server: not found"), None);
    }
}
