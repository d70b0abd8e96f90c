//! The command line: arguments as typed, settings decided once, a file for each command.

mod args;
mod command;
mod confirm;
mod settings;

use crate::output::{
    failure,
    screen::{Colour, ProgressForm, Screen, reader_gone, tell},
};
use args::{Cli, ColourArg, Global, ProgressArg};
use clap::FromArgMatches;
pub use command::Facts;
use command::Interrupt;
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::About,
    hint::Verb,
    text::typed,
};
use rcluster_ops::{drill::Stop, signals::Signals};
use std::{ffi::OsString, process::ExitCode};

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Exit 0: all is well.
    Fine,
    /// Exit 4: a check found something wrong.
    Wanting,
    /// Exit 130 without a message: the command ends by Ctrl-C.
    Interrupted,
    /// The exit code of a command that was run.
    Exit(u8),
}

/// Every command, by group, in the order of `--help`.
pub fn groups() -> &'static [(&'static str, &'static [Facts])] {
    command::GROUPS
}

/// Parses, runs, reports; returns the exit code.
pub fn main() -> ExitCode {
    let typed = args::command().try_get_matches_from(followed(std::env::args_os().collect()));
    let cli = match typed.and_then(|typed| Cli::from_arg_matches(&typed)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; everything else is a usage error (2). It is no error if
            // nobody reads them.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                Kind::Usage.exit_code()
            } else {
                0
            });
        }
    };
    let screen = screen(&cli);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            failure::report(&Error::failed("starting").source(error), screen);
            return ExitCode::from(Kind::Failed.exit_code());
        }
    };
    let interrupt = cli.command.interrupt();
    let about = about(&cli.global);
    let outcome = runtime.block_on(interruptible(
        interrupt,
        cli.command.run(&cli.global, screen),
    ));
    // A prompt may still be waiting for a line.
    runtime.shutdown_background();
    match outcome {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Wanting) => ExitCode::from(Kind::Unhealthy.exit_code()),
        Ok(Verdict::Exit(code)) => ExitCode::from(code),
        Ok(Verdict::Interrupted) => ExitCode::from(Kind::Interrupted.exit_code()),
        Err(error) => {
            let error = match about {
                Some(about) => error.about(&about),
                None => error,
            };
            failure::report(&error, screen);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// The cluster that was named on the command line; hints are for that one.
fn about(global: &Global) -> Option<About> {
    let seed = global.seed.first().cloned().map(About::Seed);
    let name = || {
        global
            .cluster
            .as_ref()
            .map(|name| About::Ours(name.to_string()))
    };
    let file = || {
        global
            .file
            .as_ref()
            .map(|file| About::File(file.display().to_string()))
    };
    seed.or_else(name).or_else(file)
}

/// After `logs`, `-f` means `--follow`, as in tail and docker compose; before it, it is the spec.
fn followed(mut words: Vec<OsString>) -> Vec<OsString> {
    let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let logs = typed::command(&text).filter(|at| text[*at] == "logs");
    if let Some(logs) = logs {
        for word in words.iter_mut().skip(logs).filter(|word| *word == "-f") {
            *word = "--follow".into();
        }
    }
    words
}

/// A signal ends the work at once, since every operation can be run again. Only commands that leave
/// something behind that running them again would not remove handle signals themselves.
async fn interruptible(
    interrupt: Interrupt,
    work: impl Future<Output = Result<Verdict>>,
) -> Result<Verdict> {
    if interrupt == Interrupt::Own {
        return work.await;
    }
    let mut signals = Signals::listen()?;
    tokio::select! {
        outcome = work => return outcome,
        _ = signals.next() => {}
        () = reader_gone(), if interrupt == Interrupt::Ends => return Ok(Verdict::Fine),
    }
    if interrupt == Interrupt::Ends {
        return Ok(Verdict::Interrupted);
    }
    Err(Error::new(Kind::Interrupted, "interrupted")
        .hint("nothing is lost: run the same command again and it goes on from here"))
}

/// The first signal asks the work to restore what it broke; the second one ends it at once.
async fn attended(
    screen: Screen,
    work: impl AsyncFnOnce(Stop) -> Result<Verdict>,
) -> Result<Verdict> {
    let (word, heard) = tokio::sync::watch::channel(false);
    let mut signals = Signals::listen()?;
    let interrupts = async {
        signals.next().await;
        let _ = word.send(true);
        say(
            screen,
            "interrupted: bringing everything back (once more: leave it as it is)",
        );
        signals.next().await;
    };
    tokio::select! {
        outcome = work(Stop::new(heard)) => outcome,
        () = interrupts => Err(Error::new(Kind::Interrupted, "interrupted before everything was back")
            .hint(hint![Verb::Up, " finishes it"])),
    }
}

fn screen(cli: &Cli) -> Screen {
    let progress = match cli.global.progress {
        ProgressArg::Auto => ProgressForm::Auto,
        ProgressArg::Tty => ProgressForm::Tty,
        ProgressArg::Plain => ProgressForm::Plain,
        ProgressArg::Json => ProgressForm::Json,
        ProgressArg::Quiet => ProgressForm::Quiet,
    };
    let colour = match cli.global.color {
        ColourArg::Auto => Colour::Auto,
        ColourArg::Always => Colour::Always,
        ColourArg::Never => Colour::Never,
    };
    Screen::new(
        cli.global.json,
        progress,
        colour,
        cli.global.verbose,
        cli.global.quiet,
    )
}

/// Prints a line to stderr that is neither progress nor a failure.
fn say(screen: Screen, text: &str) {
    if !screen.quiet {
        tell(text);
    }
}
