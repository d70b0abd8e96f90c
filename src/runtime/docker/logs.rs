//! What a container wrote.

use super::{Docker, fault::bounded};
use crate::error::Result;
use bollard::{errors::Error as Fault, query_parameters::LogsOptions};
use futures_util::TryStreamExt;
use std::time::Duration;

/// What redis-server says once it serves ("Ready to accept connections", networking started).
const READY: &str = "Ready to accept connections";

/// How long a start is watched. It dies within this of a wrong redis.conf; a node with much data
/// to load is left to it.
const WATCH: Duration = Duration::from_millis(400);

impl Docker {
    /// Its last lines, oldest first.
    pub(super) async fn tail(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        bounded(self.read_tail(id, lines))
            .await
            .map_err(|fault| self.fault("reading the log of a container", &fault))
    }

    async fn read_tail(&self, id: &str, lines: usize) -> Result<Vec<String>, Fault> {
        let mut text = Vec::new();
        let mut chunks = std::pin::pin!(self.api.logs(id, Some(options(lines, false))));
        while let Some(chunk) = chunks.try_next().await? {
            text.extend_from_slice(&chunk.into_bytes());
        }
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        let skipped = all.len().saturating_sub(lines);
        let line = |line: &&str| line.trim_end().to_owned();
        Ok(all.iter().skip(skipped).map(line).collect())
    }

    /// Follows a container that was just started until it serves, ends or has been watched for
    /// long enough. Lines of an earlier run only cut this short.
    pub(super) async fn watch_start(&self, id: &str) {
        let watching = async {
            let mut chunks = std::pin::pin!(self.api.logs(id, Some(options(20, true))));
            while let Ok(Some(chunk)) = chunks.try_next().await {
                if String::from_utf8_lossy(&chunk.into_bytes()).contains(READY) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(WATCH, watching).await;
    }
}

fn options(lines: usize, follow: bool) -> LogsOptions {
    LogsOptions {
        follow,
        stdout: true,
        stderr: true,
        tail: lines.to_string(),
        ..LogsOptions::default()
    }
}
