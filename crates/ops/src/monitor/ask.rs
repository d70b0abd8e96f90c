//! Asking everybody: first how fast, then what.
//!
//! PINGs go out a few at a time and before the long answers, so that what is measured is the node
//! and not our own reading of the others' answers.

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

/// How many PINGs are under way at a time.
const PINGS: usize = 8;

/// What a node answered.
pub(super) struct Answer {
    /// What it said.
    pub(super) report: snapshot::Answer,
    /// How long a PING took.
    pub(super) ping: Option<Duration>,
    /// When it answered: a silent node lets the others' answers wait, and rates are by time.
    pub(super) at: Instant,
    /// What of the node's traffic was ours when it counted its own.
    pub(super) own: Traffic,
}

/// Asks all members, in their order.
pub(super) async fn all(wire: &dyn Wire, members: &[Member]) -> Vec<Answer> {
    let numbered = || members.iter().enumerate();
    // Who was silent is asked beside the others: waiting for it again would delay them.
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

/// A node that is loading answers no PING, but has something to say.
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
