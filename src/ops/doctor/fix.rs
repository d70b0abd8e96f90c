//! `--fix`: what can be put right without risk. Everything else stays a command to be typed.

use super::{Wanted, cluster};
use crate::{
    error::{Error, Result},
    ops::{
        event::{Event, Listener},
        session::Session,
        settings,
    },
    plan::doctor::{Finding, Id, Remedy, Verdict},
    runtime::{Progress, docker::Docker, host},
    wait::{Look, wait_until},
};
use serde_json::json;
use std::time::Duration;

/// How long gossip may take to carry a name to every node.
const GOSSIP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Tries every remedy; says of each what was done, or why nothing was.
pub(super) async fn all(
    checks: &[Finding],
    session: Option<&Session>,
    wanted: Wanted,
    listener: &dyn Listener,
) -> Vec<(Id, Result<String, String>)> {
    let mut outcomes = Vec::new();
    for finding in checks {
        let wrong = matches!(finding.verdict, Verdict::Warn | Verdict::Fail);
        let Some(remedy) = finding.remedy.as_ref().filter(|_| wrong) else {
            continue;
        };
        let outcome = match remedy {
            Remedy::Kernel { file, value } => kernel(file, value, wanted),
            Remedy::Pull { image } => pull(image, listener).await.map_err(|error| error.cause()),
            Remedy::Announce { .. } => match session {
                Some(session) => announce(session).await.map_err(|error| error.cause()),
                None => Err("the cluster does not run".to_owned()),
            },
        };
        outcomes.push((finding.id, outcome));
    }
    outcomes
}

fn kernel(file: &str, value: &str, wanted: Wanted) -> Result<String, String> {
    if !host::is_root() {
        return Err("only root may change it".to_owned());
    }
    if !wanted.confirmed {
        return Err("it concerns the whole host: add --yes to confirm it".to_owned());
    }
    host::set_kernel(file, value)?;
    Ok(format!(
        "wrote {value} to {file}: until the next boot, so put it into /etc/sysctl.d or the boot scripts"
    ))
}

async fn pull(image: &str, listener: &dyn Listener) -> Result<String> {
    let progress = |progress| {
        if let Progress::Pull { image, done, total } = progress {
            listener.hear(Event::Pull { image, done, total });
        }
    };
    Docker::connect().await?.pull(image, &progress).await?;
    Ok(format!("pulled {image}"))
}

/// Sets on every node that runs what the spec says clients are to be told, and waits until all
/// have heard of it.
async fn announce(session: &Session) -> Result<String> {
    let launch = &session.launch;
    let own: Vec<(String, String)> = settings::own(launch)
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.config_set()?)))
        .collect();
    let placed = session.runtime.list(&launch.name).await?;
    let wire = session.live();
    let mut seen = super::ours(session, placed).await;
    // Nodes that others added are left alone.
    seen.retain(|seen| launch.node(&seen.node).is_some());
    let mut set = 0;
    for (dial, _) in seen.iter().filter_map(cluster::Seen::answers) {
        let failed = |error| Error::failed(format!("announcing again: {error}"));
        session.wire.config_set(dial, &own).await.map_err(failed)?;
        set += 1;
    }
    let settled = wait_until(POLL, GOSSIP, async || {
        let told = cluster::told(&wire, &seen).await;
        let dialled = cluster::dial(&wire, &seen, &told, true).await;
        let right = |told: &crate::plan::doctor::cluster::Told| {
            told.dialled == crate::plan::doctor::cluster::Dialled::Right
        };
        Ok::<_, Error>(if dialled.iter().all(right) {
            Look::Ready(())
        } else {
            Look::Pending(())
        })
    })
    .await?;
    session
        .journal()
        .write("done", json!({ "fixed": "endpoints", "nodes": set }))?;
    match settled {
        Ok(()) => Ok(format!("announced again what the spec says on {set} nodes")),
        Err(_) => Err(Error::deadline(format!(
            "announced again on {set} nodes, and not every endpoint leads to its node after {} s",
            GOSSIP.as_secs()
        ))),
    }
}
