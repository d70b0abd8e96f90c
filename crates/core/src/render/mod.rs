//! Makes the text of every file from a spec. Nothing is written to disk here.
//!
//! The hard part is quoting: a password or a path must reach Redis, docker compose and a shell as
//! it was typed. Every value is quoted for the format that it goes into (`directive::quote` for
//! redis.conf, the `yaml` filter for compose, `dotenv::quote` for .env); the templates themselves
//! quote nothing. What a container is comes from `spec::container` alone, so that the compose file
//! and the Docker runtime can take over each other's nodes.

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
    /// Its text.
    pub text: String,
    /// Whether it holds the password and must be readable by its owner only.
    pub secret: bool,
}

/// What `rcluster render -o DIR` writes: a redis.conf for each node, .env, and a compose file if
/// the nodes are containers.
///
/// For the process runtime, each redis.conf puts its node's data into a folder beside it that has
/// the node's name.
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
