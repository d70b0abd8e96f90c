//! Before data is deleted: the cluster's name is typed on a terminal; elsewhere `--yes` is needed.

use super::args::Global;
use rcluster_core::{
    error::{Error, Result},
    spec::ClusterName,
};
use std::io::{IsTerminal, Write};

/// Proof that a destruction was confirmed: operations that destroy cannot be reached without it.
pub(super) struct Confirmed(());

/// Asks for a confirmation of `what`.
pub(super) async fn confirm(global: &Global, name: &ClusterName, what: &str) -> Result<Confirmed> {
    if global.yes || global.dry_run {
        return Ok(Confirmed(()));
    }
    let asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if global.no_input || !asked {
        return Err(Error::refused(format!("not confirmed: {what}"))
            .hint("add --yes to confirm it without being asked"));
    }
    let prompt = format!("{what}.\nType the cluster's name ({name}) to confirm: ");
    // On a thread of its own, so that Ctrl-C is answered meanwhile.
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
        return Ok(Confirmed(()));
    }
    Err(Error::refused("that is not its name; nothing was touched"))
}
