//! Asks all nodes for a sample: first a PING, then the rest.
//!
//! PINGs are sent a few at a time and before the commands with long answers, so that they measure
//! the node and not the time that it takes to read the others' answers.

use super::roster::Member;
use crate::cluster::look;
use futures_util::{
    StreamExt,
    future::{join, join_all},
    stream,
};
use rcluster_core::{
    monitor::told::Traffic,
    snapshot::{self, answer::WireError},
};
use rcluster_wire::Wire;
use std::time::{Duration, Instant};

/// How many PINGs are sent at the same time.
const PINGS: usize = 8;

pub(super) struct Answer {
    pub(super) report: snapshot::Answer,
    /// How long a PING took.
    pub(super) ping: Option<Duration>,
    /// When it answered. It is noted because a sample waits for silent nodes, and rates depend on
    /// the time.
    pub(super) at: Instant,
    /// What of the node's traffic was ours when it counted its own.
    pub(super) own: Traffic,
}

/// Asks all members, in their order.
pub(super) async fn all(wire: &dyn Wire, members: &[Member]) -> Vec<Answer> {
    let numbered = || members.iter().enumerate();
    // Nodes that were silent are asked separately: waiting for them again would delay the others.
    let (lively, doubtful): (Vec<_>, Vec<_>) = numbered().partition(|(_, member)| member.answered);
    let lively = async {
        let pings = stream::iter(lively)
            .map(async |(i, member)| (i, member, ping(wire, member).await))
            .buffer_unordered(PINGS)
            .collect::<Vec<_>>()
            .await;
        join_all(pings.into_iter().map(async |(i, member, ping)| match ping {
            Ok(ping) => (i, observe(wire, member, ping).await),
            Err(error) => (
                i,
                Answer {
                    report: Some(Err(error)),
                    ping: None,
                    at: Instant::now(),
                    own: Traffic::default(),
                },
            ),
        }))
        .await
    };
    let doubtful = join_all(
        doubtful
            .into_iter()
            .map(async |(i, member)| (i, observe(wire, member, None).await)),
    );
    let (mut answers, others) = join(lively, doubtful).await;
    answers.extend(others);
    answers.sort_by_key(|(i, _)| *i);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A node that is loading its data answers no PING, but has something to say.
async fn ping(wire: &dyn Wire, member: &Member) -> Result<Option<Duration>, WireError> {
    match &member.node.dial {
        Some(dial) if !member.node.is_frozen() => match wire.ping(dial).await {
            Ok(took) => Ok(Some(took)),
            Err(WireError::Loading { .. }) => Ok(None),
            Err(error) => Err(error),
        },
        _ => Ok(None),
    }
}

async fn observe(wire: &dyn Wire, member: &Member, ping: Option<Duration>) -> Answer {
    let traffic = || {
        let dial = member.node.dial.as_ref();
        dial.map(|dial| wire.traffic(dial)).unwrap_or_default()
    };
    // A node has counted a question when it answers it, and an answer once it has left.
    let received = traffic().received;
    let report = look::observe(wire, &member.node).await;
    let at = Instant::now();
    let sent = traffic().sent;
    Answer {
        report,
        ping,
        at,
        own: Traffic { sent, received },
    }
}
