//! A client on the minority's side: it runs beside the node that is cut off, and counts up a key of
//! its shard, so that the last number it heard and the number that is there afterwards say how many
//! acknowledged writes are gone.

use super::{preflight::Target, scene::Scene};
use crate::{
    error::{Error, Result},
    model::{
        drill::Class,
        node::{Endpoint, NodeName},
    },
    ops::{
        context::{Context, wire_failure},
        session::Session,
    },
    wire::drill::DrillWire,
};
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, time::timeout};

/// How long it goes on at most: 20 ms apart.
const WRITES: u32 = 90_000;

/// What it heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// The key it counted up.
    pub(super) key: String,
    /// Each acknowledgement: when it came, and the number.
    pub(super) acked: Vec<(Instant, u64)>,
    /// What it was told instead, first.
    pub(super) refused: Option<(Instant, Class)>,
}

/// A client at work.
pub(super) struct Minority {
    lines: mpsc::UnboundedReceiver<String>,
    heard: Heard,
}

impl Minority {
    /// Starts it beside the victim.
    pub(super) async fn start(
        context: &Context<'_>,
        session: &Session,
        target: &Target,
    ) -> Result<Self> {
        let victim = &target.seats.master;
        let launch = &session.launch;
        let port = launch.node(victim).map_or(6379, |node| node.port);
        let tag = super::canary::tag(&target.seats.slots);
        let key = format!("rcluster:drill:{{{tag}}}:{}:minority", std::process::id());
        let (port, writes) = (port.to_string(), WRITES.to_string());
        let argv: Vec<String> = [
            "redis-cli",
            "-p",
            &port,
            "-r",
            &writes,
            "-i",
            "0.02",
            "INCR",
            &key,
        ]
        .into_iter()
        .map(str::to_owned)
        .collect();
        let secrets: Vec<(String, String)> = session
            .password()
            .map(|secret| ("REDISCLI_AUTH".to_owned(), secret.reveal().to_owned()))
            .into_iter()
            .collect();
        let lines = context
            .runtime
            .beside(&launch.name, victim, &argv, &secrets)
            .await?;
        let mut minority = Minority {
            lines,
            heard: Heard {
                key,
                acked: Vec::new(),
                refused: None,
            },
        };
        // It has to write before the cut, or there would be nothing to compare with.
        let first = timeout(Duration::from_secs(5), minority.lines.recv()).await;
        match first {
            Ok(Some(line)) => minority.heard.hear(&line),
            _ => {
                return Err(
                    Error::failed(format!("the client beside {victim} does not write"))
                        .hint("the image has to have redis-cli: `rcluster image check`"),
                );
            }
        }
        if minority.heard.acked.is_empty() {
            return Err(Error::failed(format!(
                "the client beside {victim} is refused"
            )));
        }
        Ok(minority)
    }

    /// Hears what has come so far.
    pub(super) fn listen(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.heard.hear(&line);
        }
    }

    /// All that it heard; it ends.
    pub(super) async fn end(mut self) -> Heard {
        // What it says after the return is of the new master's making.
        self.listen();
        self.heard
    }
}

impl Heard {
    fn hear(&mut self, line: &str) {
        let now = Instant::now();
        let line = line.trim();
        if let Ok(number) = line.trim_start_matches("(integer) ").parse() {
            self.acked.push((now, number));
        } else if !line.is_empty() && self.refused.is_none() {
            let class = match line.trim_start_matches("(error) ").split(' ').next() {
                Some("MOVED") => Class::Moved,
                Some("CLUSTERDOWN") => Class::ClusterDown,
                Some("NOREPLICAS") => Class::NoReplicas,
                _ => Class::Other,
            };
            self.refused = Some((now, class));
        }
    }

    /// How many acknowledged numbers are not there now; the key is removed.
    pub(super) async fn lost(
        &self,
        scene: &Scene,
        session: &Session,
        target: &Target,
    ) -> Result<u64> {
        let seats = scene
            .seats
            .iter()
            .find(|seats| seats.slots == target.seats.slots);
        let Some(seats) = seats else {
            return Err(Error::failed("the shard has no master"));
        };
        let at: &Endpoint = &scene.member(&seats.master)?.dial;
        let failed = |name: &NodeName, error| wire_failure(name, &error);
        let keys = [self.key.clone()];
        let values = session.wire.values(at, &keys).await;
        let values = values.map_err(|error| failed(&seats.master, error))?;
        let there = values.into_iter().flatten().next();
        let there: u64 = there.and_then(|value| value.parse().ok()).unwrap_or(0);
        let discarded = session.wire.discard(at, &keys).await;
        discarded.map_err(|error| failed(&seats.master, error))?;
        let last = self
            .acked
            .iter()
            .map(|(_, number)| *number)
            .max()
            .unwrap_or(0);
        Ok(last.saturating_sub(there))
    }
}
