//! `--fix`: puts right what can be put right without risk. For the rest there is a command to type.

use super::{Wanted, cluster};
use crate::cluster::{
    event::{Event, Listener},
    handle::Cluster,
    settings,
};
use rcluster_core::{
    doctor::{Finding, Id, Remedy, Verdict},
    error::{Error, Result},
    node::NodeName,
};
use rcluster_runtime::{
    Progress,
    docker::Docker,
    host,
    wait::{Look, wait_until},
};
use serde_json::json;
use std::time::Duration;

/// How long gossip may take to carry a name to every node.
const GOSSIP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Tries every remedy; notes what was done, or why nothing was.
pub(super) async fn all(
    checks: &[Finding],
    session: Option<&Cluster>,
    wanted: Wanted,
    listener: &dyn Listener,
) -> Vec<(Id, Result<String, String>)> {
    let mut outcomes = Vec::new();
    for finding in checks {
        let Some(remedy) = remedy(finding) else {
            continue;
        };
        let outcome = match (may(remedy, session.is_some(), wanted), remedy, session) {
            (Err(why), ..) => Err(why),
            (_, Remedy::Kernel { file, value }, _) => kernel(file, value),
            (_, Remedy::Announce { .. }, Some(session)) => {
                announce(session).await.map_err(|error| error.cause())
            }
            (_, Remedy::Pull { image }, _) => {
                pull(image, listener).await.map_err(|error| error.cause())
            }
            (_, Remedy::Announce { .. }, None) => continue,
        };
        outcomes.push((finding.id, outcome));
    }
    outcomes
}

/// Notes for each remedy what it would do, or why it would not be tried.
pub(super) fn say(checks: &mut [Finding], runs: bool, wanted: Wanted) {
    for finding in checks {
        let Some(remedy) = remedy(finding) else {
            continue;
        };
        match may(remedy, runs, wanted) {
            Ok(()) => finding.would = Some(intent(remedy)),
            Err(why) => finding.declined = Some(why),
        }
    }
}

/// The remedy of a check that did not come out well.
fn remedy(finding: &Finding) -> Option<&Remedy> {
    let wrong = matches!(finding.verdict, Verdict::Warn | Verdict::Fail);
    finding.remedy.as_ref().filter(|_| wrong)
}

/// Whether a remedy may be tried; else why not.
fn may(remedy: &Remedy, runs: bool, wanted: Wanted) -> Result<(), String> {
    let why = match remedy {
        Remedy::Kernel { .. } if !host::is_root() => "only root may change it",
        Remedy::Kernel { .. } if !wanted.confirmed => {
            "it concerns the whole host: add --yes to confirm it"
        }
        Remedy::Announce { .. } if !runs => "the cluster does not run",
        _ => return Ok(()),
    };
    Err(why.to_owned())
}

fn intent(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Kernel { file, value } => format!("write {value} to {file}, until the next boot"),
        Remedy::Pull { image } => format!("pull {image}"),
        Remedy::Announce { nodes } => {
            let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
            let names = names.join(", ");
            format!("announce again what the spec says on every node that runs, for {names}")
        }
    }
}

fn kernel(file: &str, value: &str) -> Result<String, String> {
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

/// Sets on every running node what the spec says that clients are told, and waits until all nodes
/// have heard of it.
async fn announce(session: &Cluster) -> Result<String> {
    let launch = &session.launch;
    let own: Vec<(String, String)> = settings::own(launch)
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.config_set()?)))
        .collect();
    let wire = &*session.wire;
    let mut seen = session.look().await?;
    // Nodes that are not in the spec are left alone.
    seen.nodes.retain(|node| launch.node(&node.name).is_some());
    let mut set = 0;
    for (dial, _) in seen.nodes.iter().filter_map(cluster::answers) {
        let failed = |error| Error::failed(format!("announcing again: {error}"));
        wire.config_set(dial, &own).await.map_err(failed)?;
        set += 1;
    }
    let settled = wait_until(POLL, GOSSIP, async || {
        let told = cluster::told(wire, &seen).await;
        let dialled = cluster::dial(wire, &seen, &told, true).await;
        let right = |told: &rcluster_core::doctor::cluster::Told| {
            told.dialled == rcluster_core::doctor::cluster::Dialled::Right
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
