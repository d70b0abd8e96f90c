//! `rcluster run -- CMD…`

use super::refuse_seeds;
use crate::{
    cli::{Verdict, args::Global, args_look::RunArgs, say, settings},
    output::{failure, progress::Progress, screen::Screen},
};
use rcluster_core::error::{Error, Result};
use rcluster_ops::{
    run::{self, Ended, Run, Wish},
    signals::Signals,
};
use std::io::IsTerminal;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &RunArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "run")?;
    if global.dry_run {
        return Err(
            Error::usage("`run` has no --dry-run: its command could not run")
                .hint("`rcluster up --port auto --dry-run` shows how its cluster is brought up"),
        );
    }
    if let Err(ended) = run::check(&args.command) {
        return Ok(finish(&ended, screen));
    }
    let mut signals = Signals::listen()?;
    let wish = Wish {
        folder: args.evidence.clone(),
        always: args.keep,
    };
    let request = settings::fresh(global, &args.spec, &args.command)?;
    // Each part has a spinner of its own: while the command runs the terminal is its.
    let progress = Progress::new(screen);
    let up = Box::pin(Run::start(request, &wish, &mut signals, &progress)).await;
    progress.finish();
    let mut run = up?;
    let nodes: Vec<String> = run.endpoints().iter().map(ToString::to_string).collect();
    say(
        screen,
        &format!("cluster {} is up: {}", run.name(), nodes.join(" ")),
    );
    let ended = run
        .command(&args.command, on_terminal(), &mut signals)
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
        // The command's own word is worth more than ours.
        Err(error) if code != 0 => failure::report(&error, screen),
        Err(error) => return Err(error),
    }
    Ok(finish(&ended?, screen))
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
