//! Proves that a cluster is well: every node reports ok, all views agree, every replica link is up,
//! one write for each shard is acknowledged and read back through the endpoint that a client would
//! use, and every node tells clients of every replica.

use super::{apply::Applier, context::Context, listed::listed, look};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::Verb,
    judge::{self, Verdict, Wanted},
    next,
    node::Endpoint,
    plan::step::Goal,
    slot::{Slot, SlotRange, SlotSet},
    snapshot::{Member, Seen, Snapshot, answer::WireError},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::Duration;

/// How long a shard may answer CLUSTERDOWN or MOVED, or not at all, before that counts.
const SETTLE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The endpoint of each master, in the order of the slots.
    pub masters: Vec<Endpoint>,
}

/// Waits until the cluster has converged, writes and reads on every shard, and asks the judge for
/// anything else that is wrong.
pub async fn verify(
    context: &Context<'_>,
    applier: &mut Applier<'_>,
    wanted: Wanted<'_>,
) -> Result<Proof> {
    let proof = prove(context, applier, Some(wanted)).await?;
    judged(context, applier, wanted).await?;
    Ok(proof)
}

/// The same without the judge: for a shape that is meant, and that the judge would have another word
/// about (a master that was asked to give all its slots).
pub async fn serves(context: &Context<'_>, applier: &mut Applier<'_>) -> Result<Proof> {
    prove(context, applier, None).await
}

/// Converged, writable, and every replica told. The judge of `wanted` explains a write that failed.
async fn prove(
    context: &Context<'_>,
    applier: &mut Applier<'_>,
    wanted: Option<Wanted<'_>>,
) -> Result<Proof> {
    applier
        .reach(Goal::Converged, "wait for every node to agree")
        .await?;
    let any = applier.snapshot().members().find_map(Seen::member);
    let Some(any) = &any else {
        return Err(Error::failed("there is no node to ask"));
    };
    let announced = wait_until(POLL, SETTLE, async || {
        match context.wire.announced(&any.dial).await {
            Ok(announced) => Ok(Look::Ready(announced)),
            Err(error) if error.is_transient() => Ok(Look::Pending(error)),
            Err(error) => Err(error.failure(&any.name)),
        }
    });
    let announced = announced
        .await?
        .map_err(|late| late.last.failure(&any.name))?;
    let mut masters: Vec<(Endpoint, Vec<SlotRange>)> = Vec::new();
    for row in announced {
        match masters
            .iter_mut()
            .find(|(endpoint, _)| *endpoint == row.master)
        {
            Some((_, ranges)) => ranges.push(row.range),
            None => masters.push((row.master, vec![row.range])),
        }
    }
    let probes = masters.iter().map(|(endpoint, ranges)| {
        let slots: SlotSet = ranges.iter().copied().collect();
        probe(context, any, endpoint.clone(), slots)
    });
    let proved: Result<Vec<()>> = join_all(probes).await.into_iter().collect();
    if let Err(error) = proved {
        // A node that has just ended, or what the judge finds, explains more than a write that failed.
        applier.dead().await?;
        let Some(wanted) = wanted else {
            return Err(error);
        };
        let verdict = judge::judge(&everything(context, applier, wanted).await?, wanted);
        let mut findings = verdict.findings.iter();
        let stays = findings.any(|finding| !finding.id.may_pass());
        return Err(if stays {
            unhealthy(&verdict, Kind::Unhealthy)
        } else {
            error
        });
    }
    listed(context, applier.snapshot()).await?;
    Ok(Proof {
        masters: masters.into_iter().map(|(endpoint, _)| endpoint).collect(),
    })
}

/// Asks the judge, as `status` does, with strangers included.
async fn judged(context: &Context<'_>, applier: &Applier<'_>, wanted: Wanted<'_>) -> Result<()> {
    let outcome = wait_until(POLL, context.deadline, async || {
        let verdict = judge::judge(&everything(context, applier, wanted).await?, wanted);
        match verdict.passing() {
            _ if verdict.is_ok() => Ok(Look::Ready(())),
            Some(_) => {
                // No wait brings back a node that has ended.
                applier.dead().await?;
                Ok(Look::Pending(verdict))
            }
            None => Err(unhealthy(&verdict, Kind::Unhealthy)),
        }
    })
    .await?;
    outcome.map_err(|late| unhealthy(&late.last, Kind::Deadline))
}

/// What every node says now, and every node that one of them names.
async fn everything(
    context: &Context<'_>,
    applier: &Applier<'_>,
    wanted: Wanted<'_>,
) -> Result<Snapshot> {
    match wanted.launch {
        Some(launch) => look::everybody(context, launch).await,
        None => Ok(look::with_strangers(context.wire, applier.snapshot().clone()).await),
    }
}

/// The first finding, as an error.
fn unhealthy(verdict: &Verdict, kind: Kind) -> Error {
    let Some(first) = verdict.findings.first() else {
        return Error::new(kind, "the cluster is not healthy");
    };
    let more = match verdict.findings.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Error::new(kind, format!("{}{more} ({})", first.headline(), first.why)).hint(first.hint.clone())
}

async fn probe(
    context: &Context<'_>,
    asked: &Member,
    endpoint: Endpoint,
    slots: SlotSet,
) -> Result<()> {
    let Some(key) = key_in(&slots) else {
        return Ok(());
    };
    let value = format!("{}-{}", std::process::id(), endpoint.port);
    let outcome = wait_until(POLL, SETTLE, async || {
        match context
            .wire
            .probe(&endpoint, key.as_bytes(), value.as_bytes())
            .await
        {
            Ok(()) => Ok(Look::Ready(())),
            Err(
                error @ (WireError::ClusterDown { .. }
                | WireError::Loading { .. }
                | WireError::Silent { .. }
                | WireError::Moved { .. }),
            ) => Ok(Look::Pending(error)),
            Err(error) => Err(unreachable_endpoint(asked, &endpoint, &error)),
        }
    })
    .await?;
    outcome.map_err(|late| unreachable_endpoint(asked, &endpoint, &late.last))
}

fn unreachable_endpoint(asked: &Member, endpoint: &Endpoint, error: &WireError) -> Error {
    let error_text = error.to_string();
    let message = format!(
        "a write through {endpoint}, which {} names to clients, failed: {error_text}",
        asked.name
    );
    match error {
        WireError::Unreachable { .. } | WireError::Silent { .. } => Error::failed(message).hint(
            next!["the nodes are formed, but clients on this host cannot dial what they are told: see `access:` in the spec"]
                .elsewhere("the nodes are formed, but clients on this host cannot dial what they are told: see what each node announces (`cluster-announce-ip`)"),
        ),
        _ => Error::failed(message).hint(hint![Verb::Status, " shows what each node says"]),
    }
}

/// A key of rcluster's own in one of these slots. Its prefix keeps it apart from users' keys.
pub(crate) fn key_in(slots: &SlotSet) -> Option<String> {
    if slots.is_empty() {
        return None;
    }
    // With at least one of 16384 slots in the set, this many tries miss with odds below 1e-8.
    (0..330_000)
        .map(|i| format!("rcluster:probe:{i}"))
        .find(|key| slots.contains(Slot::of_key(key.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_a_key() {
        for (from, to) in [(0, 5460), (16383, 16383), (0, 0)] {
            let slots: SlotSet = SlotRange::new(from, to).into_iter().collect();
            let key = key_in(&slots).expect("a key");
            assert!(slots.contains(Slot::of_key(key.as_bytes())));
        }
        assert_eq!(key_in(&SlotSet::default()), None);
    }
}
