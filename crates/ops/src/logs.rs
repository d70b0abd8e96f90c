//! `logs`: merges what the nodes wrote by time, and follows what they write.

use crate::cluster::handle::Cluster;
use crate::cluster::handle::no_such_cluster;
use futures_util::StreamExt;
use rcluster_core::{
    error::{Error, Kind, Result},
    node::NodeName,
};
use rcluster_runtime::log_line::{LogLine, LogLines};
use std::{
    future::poll_fn,
    ops::ControlFlow,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

/// How far apart the lines of two nodes may arrive and still be put in order. A node that is silent
/// for longer is not waited for.
const SETTLE: Duration = Duration::from_millis(150);

/// The nodes whose logs can be read: those that are named, or all. A stopped one has a log too.
pub async fn nodes(session: &Cluster, only: &[NodeName]) -> Result<Vec<NodeName>> {
    let name = &session.launch.name;
    let placed = session.runtime.list(name).await?;
    if placed.is_empty() {
        return Err(no_such_cluster(name));
    }
    let all: Vec<NodeName> = placed.into_iter().map(|placed| placed.node).collect();
    if let Some(unknown) = only.iter().find(|node| !all.contains(node)) {
        let names: Vec<&str> = all.iter().map(NodeName::as_str).collect();
        return Err(
            Error::new(Kind::Usage, format!("cluster {name} has no node {unknown}"))
                .hint(format!("its nodes are {}", names.join(", "))),
        );
    }
    Ok(match only {
        [] => all,
        _ => all.into_iter().filter(|node| only.contains(node)).collect(),
    })
}

/// Reads the last `tail` lines of each node (`None`: all) and, with `follow`, all that come later.
/// Ends when `show` says so, or when no node has any more lines.
pub async fn read(
    session: &Cluster,
    nodes: &[NodeName],
    tail: Option<usize>,
    follow: bool,
    show: &mut (dyn FnMut(&NodeName, &LogLine) -> Result<ControlFlow<()>> + Send),
) -> Result<()> {
    let mut sources = Vec::new();
    for node in nodes {
        let lines = session
            .runtime
            .log_lines(&session.launch.name, node, tail, follow);
        sources.push(Source::new(lines.await?));
    }
    let mut merge = Merge { sources };
    while let Some((i, line)) = merge.next().await? {
        if show(&nodes[i], &line)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The lines of one node, and the first one that was not shown yet.
struct Source<'a> {
    lines: LogLines<'a>,
    head: Option<(LogLine, Instant)>,
    /// Since when its next line is waited for.
    quiet: Instant,
    ended: bool,
    /// The time of the last line, for lines without one.
    last: Option<jiff::Timestamp>,
}

impl<'a> Source<'a> {
    fn new(lines: LogLines<'a>) -> Self {
        Source {
            lines,
            head: None,
            quiet: Instant::now(),
            ended: false,
            last: None,
        }
    }

    fn is_awaited(&self) -> bool {
        self.head.is_none() && !self.ended
    }
}

/// The lines of several nodes in time order. At most one line of each node is held.
struct Merge<'a> {
    sources: Vec<Source<'a>>,
}

impl Merge<'_> {
    async fn next(&mut self) -> Result<Option<(usize, LogLine)>> {
        loop {
            let Some(first) = self.first() else {
                if self.sources.iter().all(|source| source.ended) {
                    return Ok(None);
                }
                poll_fn(|cx| self.fill(cx)).await?;
                continue;
            };
            let due = self.due(first);
            if due <= Instant::now() {
                let source = &mut self.sources[first];
                source.quiet = Instant::now();
                return Ok(source.head.take().map(|(line, _)| (first, line)));
            }
            let filling = tokio::time::timeout_at(due.into(), poll_fn(|cx| self.fill(cx)));
            // No line came in time: the oldest one that is held is shown.
            if let Ok(filled) = filling.await {
                filled?;
            }
        }
    }

    /// Asks every node of which no line is held. Ready when something new has come.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut news = !self.sources.iter().any(Source::is_awaited);
        for source in self.sources.iter_mut().filter(|source| source.is_awaited()) {
            match source.lines.poll_next_unpin(cx) {
                Poll::Ready(Some(line)) => {
                    let mut line = line?;
                    line.at = line.at.or(source.last);
                    source.last = line.at;
                    source.head = Some((line, Instant::now()));
                    news = true;
                }
                Poll::Ready(None) => {
                    source.ended = true;
                    news = true;
                }
                Poll::Pending => {}
            }
        }
        if news {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// The node whose line is the oldest of those that are held.
    fn first(&self) -> Option<usize> {
        let held = |(i, source): (usize, &Source<'_>)| {
            let (line, _) = source.head.as_ref()?;
            Some((line.at, i))
        };
        let held = self.sources.iter().enumerate().filter_map(held);
        held.min().map(|(_, i)| i)
    }

    /// When a line may be shown although another node might still send an earlier one: at once if a
    /// line of every node is held, else after the others have been silent for [`SETTLE`], and the
    /// line is that old.
    fn due(&self, first: usize) -> Instant {
        let now = Instant::now();
        let awaited = self.sources.iter().filter(|source| source.is_awaited());
        let Some(quiet) = awaited.map(|source| source.quiet).max() else {
            return now;
        };
        let settled = match &self.sources[first].head {
            Some((line, arrived)) => {
                let age = line.at.and_then(|at| {
                    let at = SystemTime::from(at);
                    SystemTime::now().duration_since(at).ok()
                });
                let age = age.unwrap_or_default().max(arrived.elapsed());
                now + SETTLE.saturating_sub(age)
            }
            None => now,
        };
        settled.max(quiet + SETTLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};

    fn line(second: i64, text: &str) -> LogLine {
        LogLine {
            at: (second >= 0)
                .then(|| jiff::Timestamp::from_second(second).ok())
                .flatten(),
            text: text.to_owned(),
        }
    }

    fn source<'a>(lines: &[(i64, &str)]) -> LogLines<'a> {
        let lines: Vec<_> = lines.iter().map(|(at, text)| Ok(line(*at, text))).collect();
        stream::iter(lines).boxed()
    }

    async fn merged(sources: Vec<LogLines<'_>>, most: usize) -> Vec<String> {
        let sources = sources.into_iter().map(Source::new).collect();
        let mut merge = Merge { sources };
        let mut texts = Vec::new();
        while texts.len() < most {
            match merge.next().await.expect("read") {
                Some((i, line)) => texts.push(format!("{i}{}", line.text)),
                None => break,
            }
        }
        texts
    }

    #[tokio::test]
    async fn lines_come_in_time_order_and_one_without_a_time_stays_with_its_own() {
        let texts = merged(
            vec![
                source(&[(1, "a"), (4, "b"), (-1, "c"), (9, "d")]),
                source(&[(2, "e"), (5, "f")]),
                source(&[]),
                source(&[(-1, "g"), (3, "h")]),
            ],
            usize::MAX,
        )
        .await;
        assert_eq!(texts, ["3g", "0a", "1e", "3h", "0b", "0c", "1f", "0d"]);
    }

    #[tokio::test]
    async fn a_quiet_node_does_not_hold_up_the_others() {
        let many: Vec<(i64, &str)> = (0..2000).map(|second| (second, "x")).collect();
        let start = Instant::now();
        let texts = merged(vec![source(&many), stream::pending().boxed()], 2000).await;
        assert_eq!(texts.len(), 2000);
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn lines_of_the_same_moment_are_put_in_order() {
        let now = jiff::Timestamp::now();
        let at = |millis: i64, text: &str| LogLine {
            at: Some(now + jiff::SignedDuration::from_millis(millis)),
            text: text.to_owned(),
        };
        let late = at(0, "first");
        let late = stream::once(async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Ok(late)
        });
        let early = at(10, "second");
        let early = stream::once(async move { Ok(early) }).chain(stream::pending());
        let sources: Vec<LogLines<'_>> = vec![early.boxed(), late.chain(stream::pending()).boxed()];
        assert_eq!(merged(sources, 2).await, ["1first", "0second"]);
    }
}
