//! Spec → the text of every file. Touches no disk and starts nothing.
//!
//! The hard part is quoting: a password and a path must reach Redis, docker compose and a shell
//! as they were typed, so every value goes through the quoting of the format it lands in
//! (`directive::quote` for redis.conf, the `yaml` filter for compose, `dotenv::quote` for .env) and
//! the templates themselves quote nothing. What a container is comes from `model::container`
//! alone, so that the compose file and the Docker runtime can take over each other's nodes.

mod compose;
mod conf;
mod dotenv;
mod drill_page;
pub mod env;
mod presets;
mod template;

pub use compose::compose;
pub use conf::{Place, redis_conf};
pub use dotenv::{dotenv, endpoints};
pub use drill_page::drill_page;
pub use presets::{Preset, presets};

use crate::{error::Result, secret::Secret, spec::launch::Launch};
use std::path::Path;

/// The compose file's name.
pub const COMPOSE_FILE: &str = "docker-compose.yml";

/// The name of the file with the variables for docker compose and for applications.
pub const DOTENV_FILE: &str = ".env";

/// A rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without folders.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// It holds the password: to be written readable by its owner only.
    pub secret: bool,
}

/// What `rcluster render -o DIR` writes: one redis.conf per node, .env, and for containers a
/// compose file.
///
/// The process runtime's files keep each node in a folder named after it, beside its redis.conf.
pub fn files(launch: &Launch, password: Option<&Secret>) -> Result<Vec<File>> {
    let secret = password.is_some();
    let mut files = Vec::with_capacity(launch.nodes.len() + 2);
    for node in &launch.nodes {
        let place = if launch.can.containers {
            Place::Container
        } else {
            Place::Folder(Path::new(node.name.as_str()))
        };
        files.push(File {
            name: launch.conf_name(node),
            text: redis_conf(launch, node, place, password)?,
            secret,
        });
    }
    if launch.can.containers {
        files.push(File {
            name: COMPOSE_FILE.to_owned(),
            text: compose(launch)?,
            secret: false,
        });
    }
    files.push(File {
        name: DOTENV_FILE.to_owned(),
        text: dotenv(launch, password)?,
        secret,
    });
    Ok(files)
}
