//! `rcluster doctor`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{
        doctor as table,
        progress::Progress,
        result,
        screen::{Screen, columns},
    },
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb};
use rcluster_ops::doctor::{self, Fix, Wanted};

const AFTER: &str = "\
A check passes, warns, fails, is skipped where it does not apply, or could not be made (`?`): what
is not known never passes. `up` checks ports, redis-server, disk and memory by itself.

Exit codes: 0 nothing failed (there may be warnings), 4 a check failed.

Examples:
  rcluster doctor                          this host, and the nodes if they run
  rcluster doctor --production             the checklist before production as well
  rcluster doctor --fix -n                 what --fix would do
  rcluster doctor --seed 10.0.0.5:6379     nodes that rcluster did not start";

/// Check this host and the nodes: what is wrong, and what to type (exit 4: a check failed)
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Doctor {
    /// Judge the checklist before production as well
    #[arg(long)]
    production: bool,
    /// Put right what is safe to; kernel settings need root and --yes; with -n only say what would be
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    spec: SpecFlags,
}

impl Execute for Doctor {
    const FACTS: Facts = Facts::json(Verb::Doctor);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let wanted = Wanted {
            production: self.production,
            fix: match (self.fix, global.dry_run) {
                (false, _) => Fix::No,
                (true, true) => Fix::Say,
                (true, false) => Fix::Do,
            },
            confirmed: global.yes,
        };
        let progress = Progress::new(screen);
        let request = settings::request(global, &self.spec)?;
        let report = doctor::of_request(request, wanted, &progress).await?;
        progress.finish();
        result::show(
            screen,
            &table::report(&report, screen.verbose > 0, columns()),
            &report,
        )?;
        Ok(if report.ok {
            Verdict::Fine
        } else {
            Verdict::Wanting
        })
    }
}
