//! What the engine says about itself.

use super::{Docker, fault::bounded};
use rcluster_core::error::Result;

/// Versions and the folder of images and volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// `20.10.24`.
    pub version: String,
    /// `1.41`.
    pub api: String,
    /// The folder on the engine's host under which it keeps everything.
    pub root: Option<String>,
}

impl Docker {
    /// Asks for versions and folders.
    pub async fn about(&self) -> Result<About> {
        let fault = |fault| self.fault("asking the engine about itself", &fault);
        let version = bounded(self.api.version()).await.map_err(fault)?;
        let info = bounded(self.api.info()).await.map_err(fault)?;
        let unknown = || "of unknown version".to_owned();
        Ok(About {
            version: version.version.unwrap_or_else(unknown),
            api: version.api_version.unwrap_or_else(unknown),
            root: info.docker_root_dir,
        })
    }
}
