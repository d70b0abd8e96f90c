//! Saves what is known of a cluster before it is removed: logs, status, journal. No secret is
//! saved.

use super::status;
use crate::cluster::handle::Cluster;
use crate::store::state::{create_private, write_private};
use futures_util::{StreamExt, future::join_all};
use rcluster_core::error::{Error, Result};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How many folders of evidence are kept in the state folder; the oldest goes first.
const KEPT: usize = 10;

/// Writes `run.json`, `status.json`, `audit.jsonl` and one log for each node into `folder`.
pub async fn collect(
    session: &Cluster,
    folder: &Path,
    started: jiff::Timestamp,
    code: u8,
) -> Result<()> {
    let runs = session.request.state.runs();
    if folder.starts_with(&runs) {
        make_room(&runs);
    }
    create_private(folder)?;
    let run = json!({
        "schema": 1,
        "cluster": session.launch.name,
        "runtime": session.launch.runtime,
        "argv": session.request.argv,
        "started": started,
        "ended": jiff::Timestamp::now(),
        "exit_code": code,
    });
    write_private(&folder.join("run.json"), format!("{run:#}\n").as_bytes())?;
    let state = &session.request.state;
    if let Ok(journal) = fs::read(state.cluster(&session.launch.name).join("audit.jsonl")) {
        write_private(&folder.join("audit.jsonl"), &journal)?;
    }
    let asked = async { tokio::join!(write_status(session, folder), write_logs(session, folder)) };
    match tokio::time::timeout(DEADLINE, asked).await {
        Ok((status, logs)) => status.and(logs),
        Err(_) => Err(Error::deadline("the nodes did not say everything in time")),
    }
}

async fn write_status(session: &Cluster, folder: &Path) -> Result<()> {
    let status = status::of(session).await?;
    let text = serde_json::to_vec_pretty(&status)
        .map_err(|error| Error::failed("writing status.json").source(error))?;
    write_private(&folder.join("status.json"), &text)
}

async fn write_logs(session: &Cluster, folder: &Path) -> Result<()> {
    let name = &session.launch.name;
    let placed = session.runtime.list(name).await?;
    let written = placed.iter().map(async |placed| {
        let node = &placed.node;
        let mut lines = session.runtime.log_lines(name, node, None, false).await?;
        let mut text = String::new();
        while let Some(line) = lines.next().await {
            text.push_str(&line?.text);
            text.push('\n');
        }
        write_private(&folder.join(format!("{node}.log")), text.as_bytes())
    });
    join_all(written).await.into_iter().collect()
}

/// Removes the oldest folders.
fn make_room(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else {
        return;
    };
    let mut folders: Vec<(std::time::SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    folders.sort();
    for (_, folder) in folders.iter().rev().skip(KEPT - 1) {
        // A folder that cannot be removed does no harm.
        let _ = fs::remove_dir_all(folder);
    }
}
