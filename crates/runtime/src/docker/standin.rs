//! Packs an image from the host's own redis-server, for machines without a registry.
//!
//! The image behaves as the official one does, so that a cluster can move to that one later.

use super::{
    Docker,
    binary::locate,
    fault::{bounded, found, within},
    inspect_image::version,
    labels::STANDIN,
    rootfs::RootFs,
};
use crate::{OnProgress, Progress};
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions};
use futures_util::TryStreamExt;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
};
use serde::Serialize;
use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The label with the version of the packed redis-server.
const VERSION: &str = "rcluster.redis-version";

/// How long the engine may take to unpack the image of some 20 MB.
const IMPORT: Duration = Duration::from_secs(120);

/// What to pack, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// The image's name, `redis:7`.
    pub tag: String,
    /// The server: a name in PATH or a path.
    pub redis_server: String,
    /// The client: a name in PATH or a path.
    pub redis_cli: String,
    /// Whether an image of that name may be replaced that is no stand-in.
    pub force: bool,
}

impl Default for StandIn {
    fn default() -> Self {
        StandIn {
            tag: "redis:7".to_owned(),
            redis_server: "redis-server".to_owned(),
            redis_cli: "redis-cli".to_owned(),
            force: false,
        }
    }
}

/// An image that was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuiltImage {
    /// Its name.
    pub image: String,
    /// Its id.
    pub id: String,
    /// Its size, unpacked.
    pub size_bytes: u64,
    /// The version of its redis-server.
    pub redis_version: String,
}

impl Docker {
    /// Packs the host's redis-server and redis-cli, with what they need to run, into an image.
    pub async fn build_standin(
        &self,
        wanted: &StandIn,
        progress: OnProgress<'_>,
    ) -> Result<BuiltImage> {
        let (repo, tag) = split(&wanted.tag)?;
        self.same_architecture()?;
        let replaced = self.may_replace(wanted).await?;
        let server = program(&wanted.redis_server)?;
        let cli = program(&wanted.redis_cli)?;
        let redis_version = version_of(&wanted.redis_server, &server)?;
        progress(Progress::Note(format!(
            "packing {} ({redis_version}) as {}",
            wanted.redis_server, wanted.tag
        )));
        let packing = tokio::task::spawn_blocking(move || RootFs::of(&server, &cli)?.tar());
        let tar = packing
            .await
            .map_err(|error| Error::failed("packing the image").source(error))??;
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repo),
            tag: Some(tag),
            message: Some("packed by rcluster".to_owned()),
            changes: changes(&redis_version),
            ..CreateImageOptions::default()
        };
        let body = bollard::body_full(tar.into());
        let events = self.api.create_image(Some(options), Some(body), None);
        within(IMPORT, events.try_collect::<Vec<_>>())
            .await
            .map_err(|fault| self.fault(format!("importing image {}", wanted.tag), &fault))?;
        let made = self
            .call(
                format!("looking at image {}", wanted.tag),
                self.api.inspect_image(&wanted.tag),
            )
            .await?;
        // The image that it replaces has no name any more. Containers that run it keep it.
        if let Some(old) = replaced.filter(|old| Some(old) != made.id.as_ref()) {
            let options = None::<RemoveImageOptions>;
            let _ = bounded(self.api.remove_image(&old, options, None)).await;
        }
        Ok(BuiltImage {
            image: wanted.tag.clone(),
            id: made.id.unwrap_or_default(),
            size_bytes: made.size.and_then(|size| size.try_into().ok()).unwrap_or(0),
            redis_version,
        })
    }

    /// Refuses an engine with another architecture, where this host's programs do not run.
    fn same_architecture(&self) -> Result<()> {
        if !cfg!(target_os = "linux") {
            return Err(Error::missing(
                "only a Linux host has a redis-server that a container can run",
            )
            .hint("run this on Linux, and `docker save`/`docker load` the image"));
        }
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        if self.arch.is_empty() || self.arch == here {
            return Ok(());
        }
        Err(Error::missing(format!(
            "this host is {here} and the engine at {} is {}",
            self.place, self.arch
        ))
        .hint("build the image on a host of the engine's architecture"))
    }

    /// The id of the stand-in that will be replaced, if there is one.
    async fn may_replace(&self, wanted: &StandIn) -> Result<Option<String>> {
        let tag = &wanted.tag;
        let seen = found(bounded(self.api.inspect_image(tag)).await)
            .map_err(|fault| self.fault(format!("looking for image {tag}"), &fault))?;
        let Some(seen) = seen else {
            return Ok(None);
        };
        let labels = seen.config.and_then(|config| config.labels);
        let ours = labels.is_some_and(|labels| labels.contains_key(STANDIN));
        if ours {
            return Ok(seen.id);
        }
        if wanted.force {
            return Ok(None);
        }
        Err(Error::refused(format!(
            "there is an image {tag} already, and rcluster did not pack it"
        ))
        .hint(hint![
            "use it as it is, or another name: ", Verb::Image.with(format!("build --tag local/{tag}"));
            "`--force` replaces it"
        ]))
    }
}

/// The image's settings, as lines of a Dockerfile.
fn changes(redis_version: &str) -> Vec<String> {
    vec![
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        format!("ENV REDIS_VERSION={redis_version}"),
        format!("LABEL {STANDIN}=1 {VERSION}={redis_version}"),
        "VOLUME /data".to_owned(),
        "WORKDIR /data".to_owned(),
        "EXPOSE 6379".to_owned(),
        "ENTRYPOINT [\"docker-entrypoint.sh\"]".to_owned(),
        "CMD [\"redis-server\"]".to_owned(),
    ]
}

/// `redis:7` → `redis` and `7`.
fn split(image: &str) -> Result<(String, String)> {
    let (repo, tag) = match image.rsplit_once(':') {
        Some((repo, tag)) if !tag.contains('/') => (repo, tag),
        _ => (image, "latest"),
    };
    if repo.is_empty() || tag.is_empty() || image.contains(['@', ' ']) {
        return Err(
            Error::usage(format!("'{image}' is not a name for an image"))
                .hint("for example `--tag redis:7`"),
        );
    }
    Ok((repo.to_owned(), tag.to_owned()))
}

fn program(name: &str) -> Result<PathBuf> {
    locate(name).ok_or_else(|| {
        Error::missing(format!("{name} is not on this host"))
            .hint("`sudo apt-get install redis-server redis-tools` (7.0 or newer)")
    })
}

/// The version of the server; an error if it is older than rcluster needs.
fn version_of(shown: &str, server: &Path) -> Result<String> {
    // Debian's redis-server is a link to redis-check-rdb, which decides by the name that it is
    // called by.
    let output = Command::new(server)
        .arg0("redis-server")
        .arg("--version")
        .output()
        .map_err(|error| Error::missing(format!("{shown} does not run")).source(error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = version(&text)
        .ok_or_else(|| Error::missing(format!("{shown} does not say a Redis version")))?;
    let major: u32 = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0);
    if major < 7 {
        return Err(
            Error::missing(format!("{shown} is Redis {version}, and 7.0 is needed"))
                .hint("name a newer one: `--redis-server PATH`"),
        );
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_tag() {
        let parts = |image: &str| split(image).ok();
        assert_eq!(parts("redis:7"), Some(("redis".into(), "7".into())));
        assert_eq!(
            parts("host:5000/redis"),
            Some(("host:5000/redis".into(), "latest".into()))
        );
        assert_eq!(parts("redis@sha256:0"), None);
        assert_eq!(parts(":7"), None);
    }
}
