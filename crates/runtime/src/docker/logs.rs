//! Reads what a container has written.

use super::{Docker, fault::bounded};
use bollard::{errors::Error as Fault, query_parameters::LogsOptions};
use futures_util::TryStreamExt;
use rcluster_core::error::Result;
use std::time::Duration;

/// The line that redis-server writes once it serves.
const READY: &str = "Ready to accept connections";

/// How long a start is watched. With a wrong redis.conf, the node dies within this time; a node
/// that loads much data is not waited for.
const WATCH: Duration = Duration::from_millis(400);

/// How much of the end of a log is kept.
const WINDOW: usize = 64 * 1024;

impl Docker {
    /// The last lines, the oldest first.
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
            // A line may be as long as the node likes.
            let old = text.len().saturating_sub(WINDOW);
            text.drain(..old);
        }
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        let skipped = all.len().saturating_sub(lines);
        let line = |line: &&str| line.trim_end().to_owned();
        Ok(all.iter().skip(skipped).map(line).collect())
    }

    /// Follows a container that was started at `since` until it serves, ends or has been watched
    /// for long enough.
    pub(super) async fn watch_start(&self, id: &str, since: &str) {
        let follow = LogsOptions {
            timestamps: true,
            ..options(20, true)
        };
        let watching = async {
            let mut chunks = std::pin::pin!(self.api.logs(id, Some(follow)));
            while let Ok(Some(chunk)) = chunks.try_next().await {
                let line = chunk.into_bytes();
                if serves(&String::from_utf8_lossy(&line), since) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(WATCH, watching).await;
    }
}

/// Whether a line with a timestamp says that the server is ready, and is not of an earlier run.
/// Both times are RFC 3339 in UTC with up to nine decimals; without the `Z` they sort as text.
fn serves(line: &str, since: &str) -> bool {
    let at = line.split(' ').next().unwrap_or_default();
    at.trim_end_matches('Z') >= since.trim_end_matches('Z') && line.contains(READY)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_run_does_not_count() {
        let line = "2026-11-20T08:11:48.748000000Z 1:M * Ready to accept connections";
        assert!(serves(line, "2026-11-20T08:11:48.748Z"));
        assert!(serves(line, "2026-11-20T08:11:48.7Z"));
        assert!(!serves(line, "2026-11-20T08:11:48.9Z"));
        assert!(!serves(
            "2026-11-20T08:11:49.0Z loading",
            "2026-11-20T08:11:48.7Z"
        ));
    }
}
