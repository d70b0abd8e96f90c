//! Reads a container's log and follows it across restarts.

use super::{
    Docker,
    fault::bounded,
    find::{Container, Phase},
};
use crate::log_line::{LogLine, LogLines};
use bollard::{container::LogOutput, errors::Error as Fault, query_parameters::LogsOptions};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use rcluster_core::{error::Result, node::NodeName, spec::ClusterName};
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a container that ended is looked at, to see whether it was started or made again.
const AGAIN: Duration = Duration::from_millis(500);

/// A container's log that is being read.
struct Reader<'a> {
    docker: &'a Docker,
    cluster: ClusterName,
    node: NodeName,
    chunks: Option<BoxStream<'a, Result<LogOutput, Fault>>>,
    /// What was read after the last line break.
    rest: Vec<u8>,
    lines: VecDeque<LogLine>,
    /// The time of the last line.
    last: Option<Timestamp>,
    /// Lines up to this time were read before the connection was made again; they are skipped.
    seen: Option<Timestamp>,
    /// Ticks when it is time to look again; `None` if the log is not followed.
    again: Option<Interval>,
}

impl Docker {
    /// See [`crate::Runtime::log_lines`].
    pub(super) fn read_lines(
        &self,
        cluster: &ClusterName,
        found: Container,
        tail: Option<usize>,
        follow: bool,
    ) -> LogLines<'_> {
        let tail = tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
        let again = follow.then(|| {
            let mut again = interval(AGAIN);
            again.set_missed_tick_behavior(MissedTickBehavior::Delay);
            again
        });
        let reader = Reader {
            chunks: Some(self.chunks(&found.id, follow, tail, None)),
            docker: self,
            cluster: cluster.clone(),
            node: found.node,
            rest: Vec::new(),
            lines: VecDeque::new(),
            last: None,
            seen: None,
            again,
        };
        stream::try_unfold(reader, Reader::step).boxed()
    }

    fn chunks(
        &self,
        id: &str,
        follow: bool,
        tail: String,
        since: Option<Timestamp>,
    ) -> BoxStream<'_, Result<LogOutput, Fault>> {
        let since = since.and_then(|since| i32::try_from(since.as_second()).ok());
        let options = LogsOptions {
            follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: since.unwrap_or_default(),
            tail,
            ..LogsOptions::default()
        };
        self.api.logs(id, Some(options)).boxed()
    }
}

impl Reader<'_> {
    /// The next line, and the reader for the one after it.
    async fn step(mut self) -> Result<Option<(LogLine, Self)>> {
        let line = self.next().await?;
        Ok(line.map(|line| (line, self)))
    }

    async fn next(&mut self) -> Result<Option<LogLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                self.last = line.at.or(self.last);
                return Ok(Some(line));
            }
            match self.chunk().await? {
                Some(bytes) => self.take(&bytes),
                None if !self.rest.is_empty() => self.take(b"\n"),
                None => {
                    self.chunks = None;
                    if !self.reopen().await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(chunks) = &mut self.chunks else {
            return Ok(None);
        };
        let chunk = match &self.again {
            // A followed node may have nothing to say for any length of time.
            Some(_) => chunks.next().await.transpose(),
            None => bounded(async { chunks.next().await.transpose() }).await,
        };
        match chunk {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.into_bytes().to_vec())),
            // The connection broke; the next look says whether the engine is still there.
            Err(_) if self.again.is_some() => Ok(None),
            Err(fault) => Err(self
                .docker
                .fault(format!("reading the log of {}", self.node), &fault)),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = LogLine::of_engine(String::from_utf8_lossy(&line).trim_end());
            let repeated = line.at.is_some() && line.at <= self.seen;
            if !repeated {
                self.lines.push_back(line);
            }
        }
    }

    /// Waits until the node runs again. `false`: it is gone, or its log is not followed.
    async fn reopen(&mut self) -> Result<bool> {
        let Some(again) = &mut self.again else {
            return Ok(false);
        };
        loop {
            again.tick().await;
            match self.docker.node(&self.cluster, &self.node).await? {
                None => return Ok(false),
                Some(found) if found.phase == Phase::Running => {
                    let all = "all".to_owned();
                    self.seen = self.last;
                    self.chunks = Some(self.docker.chunks(&found.id, true, all, self.last));
                    return Ok(true);
                }
                Some(_) => {}
            }
        }
    }
}
