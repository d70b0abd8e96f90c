//! `status --wait`: waits until the cluster is healthy, and says meanwhile why it is not.

use super::Status;
use crate::cluster::{
    event::{Event, Listener},
    handle::Cluster,
};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::{Hint, Verb},
    judge::Problem,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{sync::Mutex, time::Duration};

/// How far apart two looks are.
const EVERY: Duration = Duration::from_millis(500);

/// Why it is not healthy, and what to do.
struct Unwell {
    why: String,
    hint: Hint,
}

/// Waits until the cluster is healthy. Exit 7 if it is not in time. A wrong password, or a cluster
/// that does not exist, ends the wait at once.
pub async fn wait(
    cluster: &Cluster,
    deadline: Duration,
    listener: &dyn Listener,
) -> Result<Status> {
    let said = Mutex::new(String::new());
    let outcome = wait_until(EVERY, deadline, || async {
        let unwell = match tokio::time::timeout(deadline, super::of(cluster)).await {
            Ok(Ok(status)) if status.is_ok() => return Ok(Look::Ready(status)),
            Ok(Ok(status)) => unwell(&status),
            Ok(Err(error)) if matches!(error.kind(), Kind::Missing | Kind::Failed) => Unwell {
                why: error.cause(),
                hint: error.next().clone(),
            },
            Ok(Err(error)) => return Err(error),
            Err(_) => Unwell {
                why: "nobody says anything".to_owned(),
                hint: "look at the engine: `docker info`".into(),
            },
        };
        tell(&said, &unwell.why, listener);
        Ok(Look::Pending(unwell))
    })
    .await?;
    outcome.map_err(|timed_out| {
        let Unwell { why, hint } = timed_out.last;
        let waited = timed_out.waited.as_secs();
        Error::deadline(format!("not healthy after {waited} s: {why}")).hint(hint)
    })
}

/// Tells a reason, unless it is the one that was told last.
fn tell(said: &Mutex<String>, why: &str, listener: &dyn Listener) {
    listener.hear(Event::Waiting {
        title: "wait until healthy".to_owned(),
        last: why.to_owned(),
    });
    let mut said = said
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if *said != why {
        why.clone_into(&mut said);
        listener.hear(Event::Note {
            text: format!("not healthy: {why}"),
        });
    }
}

fn unwell(status: &Status) -> Unwell {
    let shown = status.problems.iter().take(2);
    let mut reasons: Vec<String> = shown.map(Problem::headline).collect();
    let more = status.problems.len().saturating_sub(reasons.len());
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    if reasons.is_empty() {
        reasons.push(format!("it is {}", status.cluster.state.word()));
    }
    let hint = status.problems.first().map(|problem| problem.hint.clone());
    Unwell {
        why: reasons.join("; "),
        hint: hint.map_or_else(|| hint![Verb::Status, " says more"], Hint::from),
    }
}
