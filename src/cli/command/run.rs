//! `rcluster run -- CMD…`

use super::{Execute, Facts, Interrupt, refuse_seeds};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        say, settings,
    },
    output::{failure, progress::Progress, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
};
use rcluster_ops::{
    run::{self, Ended, Wish},
    signals::Signals,
};
use std::{ffi::OsString, io::IsTerminal, path::PathBuf};

const AFTER: &str = "\
Examples:
  rcluster run -- pytest                                     tests with a cluster of their own
  rcluster run --replicas 0 --evidence out -- ./check.sh     logs and status in out/ if it fails";

/// A cluster for the length of a command, whose exit code is returned
///
/// It has a name and free ports of its own and goes when the command ends, also by Ctrl-C or
/// SIGTERM; a command that fails leaves logs and status. Only SIGKILL of rcluster leaves the
/// cluster behind: `rcluster list` and the next `run` name it. The command finds it by
/// `REDIS_CLUSTER_NODES`, `REDIS_PASSWORD` and, for rcluster itself, `RCLUSTER_CLUSTER`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Run {
    #[command(flatten)]
    spec: SpecFlags,
    /// Where to leave logs and status when the command fails; else under the state folder
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Leave logs and status also when it succeeds
    #[arg(long)]
    keep: bool,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

impl Execute for Run {
    const FACTS: Facts = Facts::text(Verb::Run);

    fn interrupt(&self) -> Interrupt {
        Interrupt::Own
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        refuse_seeds(global, Verb::Run)?;
        if global.dry_run {
            return Err(
                Error::usage("`run` has no --dry-run: its command could not run").hint(hint![
                    Verb::Up.with("--port auto --dry-run"),
                    " shows how its cluster is brought up"
                ]),
            );
        }
        if let Err(ended) = run::check(&self.command) {
            return Ok(finish(&ended, screen));
        }
        let mut signals = Signals::listen()?;
        let wish = Wish {
            folder: self.evidence.clone(),
            always: self.keep,
        };
        let request = settings::fresh(global, &self.spec, &self.command)?;
        // Each part has its own spinner, because the terminal belongs to the command while it runs.
        let progress = Progress::new(screen);
        let up = Box::pin(run::Run::start(request, &wish, &mut signals, &progress)).await;
        progress.finish();
        let mut run = up?;
        let nodes: Vec<String> = run.endpoints().iter().map(ToString::to_string).collect();
        say(
            screen,
            &format!("cluster {} is up: {}", run.name(), nodes.join(" ")),
        );
        let ended = run
            .command(&self.command, on_terminal(), &mut signals)
            .await;
        let progress = Progress::new(screen);
        let code = ended.as_ref().map_or(1, |ended| ended.code);
        let kept = run.end(code, &wish, &mut signals, &progress).await;
        progress.finish();
        match kept {
            Ok(Some(folder)) => {
                let place = folder.display();
                say(screen, &format!("logs and status of the cluster: {place}"));
            }
            Ok(None) => {}
            // The command's exit code matters more than our error.
            Err(error) if code != 0 => failure::report(&error, screen),
            Err(error) => return Err(error),
        }
        Ok(finish(&ended?, screen))
    }
}

fn finish(ended: &Ended, screen: Screen) -> Verdict {
    if let Some(error) = &ended.error {
        failure::report(error, screen);
    }
    Verdict::Exit(ended.code)
}

/// Whether Ctrl-C is typed at a terminal that the command shares with us.
fn on_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}
