//! Whether a node answers within its container: the container's own health check, made now.

use super::{Docker, find::Container};
use bollard::{
    exec::StartExecResults, models::ExecConfig, query_parameters::InspectContainerOptions,
};
use futures_util::StreamExt;
use rcluster_core::error::Result;
use std::time::Duration;

/// A PING takes milliseconds, starting a program in a container some hundred.
const DEADLINE: Duration = Duration::from_secs(5);

/// The program of a health check, as an engine reads it; `None`: there is none.
fn argv(test: &[String]) -> Option<Vec<String>> {
    let (kind, rest) = test.split_first()?;
    match kind.as_str() {
        "CMD" => Some(rest.to_vec()),
        "CMD-SHELL" => Some(
            ["sh", "-c"]
                .map(str::to_owned)
                .into_iter()
                .chain(rest.first().cloned())
                .collect(),
        ),
        _ => None,
    }
}

impl Docker {
    /// `false` also where the container has no health check.
    pub(super) async fn answers_inside(&self, found: &Container) -> Result<bool> {
        let asked = tokio::time::timeout(DEADLINE, self.health_check(found));
        asked.await.unwrap_or(Ok(false))
    }

    async fn health_check(&self, found: &Container) -> Result<bool> {
        let what = format!("asking {} in its container", found.node);
        let options = None::<InspectContainerOptions>;
        let seen = self.api.inspect_container(&found.id, options);
        let config = self.call(&what, seen).await?.config;
        let test = config.and_then(|config| config.healthcheck?.test);
        let Some(argv) = test.as_deref().and_then(argv) else {
            return Ok(false);
        };
        let config = ExecConfig {
            attach_stdout: Some(true),
            cmd: Some(argv),
            ..ExecConfig::default()
        };
        let exec = self
            .call(&what, self.api.create_exec(&found.id, config))
            .await?;
        let started = self
            .call(&what, self.api.start_exec(&exec.id, None))
            .await?;
        if let StartExecResults::Attached { mut output, .. } = started {
            // It ends with the program.
            while let Some(Ok(_)) = output.next().await {}
        }
        let ended = self.call(&what, self.api.inspect_exec(&exec.id)).await?;
        Ok(ended.exit_code == Some(0))
    }
}
