//! Asks before data is deleted: on a terminal for the cluster's name; elsewhere `--yes` is needed.

use super::args::Global;
use rcluster_core::{
    error::{Error, Result},
    hint::Hint,
    node::NodeName,
    plan::step::names,
    spec::ClusterName,
    text::count::count,
};
use rcluster_ops::{cluster::handle::Cluster, unsaved};
use std::io::{IsTerminal, Write};

/// Asks before nodes are ended that hold keys and save nothing. Nodes that do not answer are taken
/// to hold none.
pub(super) async fn unsaved(
    global: &Global,
    cluster: &Cluster,
    verb: &str,
    only: &[NodeName],
) -> Result<()> {
    let keys = unsaved::keys(cluster, only).await.unwrap_or_default();
    if keys == 0 {
        return Ok(());
    }
    let name = &cluster.launch.name;
    let what = format!(
        "`{verb}` loses {} of cluster {name}: its nodes save nothing (`appendonly: \"no\"`, no save points)",
        count(usize::try_from(keys).unwrap_or(usize::MAX), "key")
    );
    confirm(global, name, &what).await
}

/// Asks before nodes are removed that the spec asks for no more. What was confirmed and begun is not
/// asked about again.
pub(super) async fn leaving(global: &Global, cluster: &Cluster) -> Result<()> {
    let launch = &cluster.launch;
    let placed = cluster.runtime.list(&launch.name).await?;
    let leaving = placed.into_iter().map(|placed| placed.node);
    let leaving: Vec<NodeName> = leaving
        .filter(|name| launch.leaving.nodes.contains(name))
        .collect();
    if leaving.is_empty() || cluster.is_begun() {
        return Ok(());
    }
    let data = if launch.leaving.keep_data {
        "; their data stays on disk"
    } else {
        " and what is on their disks"
    };
    let what = format!(
        "this removes {} of cluster {}{data}. Their slots and keys move to the other nodes before",
        names(&leaving, ", "),
        launch.name
    );
    confirm(global, &launch.name, &what).await
}

/// What `verb` deletes, with the number of keys, as far as nodes answer.
pub(super) async fn deletes(cluster: &Cluster, verb: &str) -> String {
    let what = format!(
        "`{verb}` deletes all data of cluster {}",
        cluster.launch.name
    );
    match unsaved::all_keys(cluster).await {
        Ok(keys) if keys > 0 => {
            let keys = usize::try_from(keys).unwrap_or(usize::MAX);
            format!("{what} ({})", count(keys, "key"))
        }
        _ => what,
    }
}

/// Asks for a confirmation of `what`.
pub(super) async fn confirm(global: &Global, name: &ClusterName, what: &str) -> Result<()> {
    if global.yes || global.dry_run {
        return Ok(());
    }
    let hint = "add --yes to confirm it without being asked";
    ask(global, name, what, hint.into()).await
}

/// Asks for a confirmation of `what` in any case; `hint` says what else confirms it.
pub(super) async fn ask(global: &Global, name: &ClusterName, what: &str, hint: Hint) -> Result<()> {
    let asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if global.no_input || !asked {
        return Err(Error::refused(format!("not confirmed: {what}")).hint(hint));
    }
    let prompt = format!("{what}.\nType the cluster's name ({name}) to confirm: ");
    // On a thread of its own, so that Ctrl-C works meanwhile.
    let typed = tokio::task::spawn_blocking(move || {
        let mut stderr = std::io::stderr();
        write!(stderr, "{prompt}").and_then(|()| stderr.flush())?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok::<_, std::io::Error>(line)
    })
    .await
    .map_err(|error| Error::failed("asking").source(error))?
    .map_err(|error| Error::failed("asking").source(error))?;
    if typed.trim() == name.as_str() {
        return Ok(());
    }
    Err(Error::refused("that is not its name; nothing was touched"))
}
