//! The command line: arguments as typed, settings resolved once, one thin file per command.

mod args;
mod command;
mod confirm;
mod settings;

use crate::{
    error::{Error, Kind, Result},
    ops::drill::Stop,
    output::{
        failure,
        screen::{Colour, ProgressForm, Screen, tell},
    },
};
use args::{Cli, ColourArg, Command, ProgressArg};
use clap::Parser;
use std::process::ExitCode;

/// The exit code of a check that found something wanting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Exit 0.
    Fine,
    /// Exit 4.
    Wanting,
}

/// Parses, runs, reports; returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; everything else is a usage error (2). A reader that
            // went away is not worth a word.
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
    let outcome = runtime.block_on(async {
        match cli.command {
            // What it broke is brought back before it ends.
            Command::Failover(args) => {
                let global = cli.global;
                attended(screen, async |stop| {
                    command::failover::run(&global, &args, screen, &stop).await
                })
                .await
            }
            _ => Box::pin(interruptible(run(cli, screen))).await,
        }
    });
    // A prompt may still be waiting for a line; nobody needs it any more.
    runtime.shutdown_background();
    match outcome {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Wanting) => ExitCode::from(Kind::Unhealthy.exit_code()),
        Err(error) => {
            failure::report(&error, screen);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Ctrl-C and SIGTERM end the work where it stands: every operation is made to be run again.
async fn interruptible(work: impl Future<Output = Result<Verdict>>) -> Result<Verdict> {
    tokio::select! {
        outcome = work => return outcome,
        heard = interrupted() => heard?,
    }
    Err(Error::new(Kind::Interrupted, "interrupted")
        .hint("nothing is lost: run the same command again and it goes on from here"))
}

/// The first Ctrl-C or SIGTERM asks the work to end in its own way; a second one ends it where it
/// stands.
async fn attended(
    screen: Screen,
    work: impl AsyncFnOnce(Stop) -> Result<Verdict>,
) -> Result<Verdict> {
    let (word, heard) = tokio::sync::watch::channel(false);
    let work = work(Stop::new(heard));
    let interrupts = async {
        interrupted().await?;
        let _ = word.send(true);
        say(
            screen,
            "interrupted: bringing everything back (once more: leave it as it is)",
        );
        interrupted().await
    };
    tokio::select! {
        outcome = work => outcome,
        outcome = interrupts => {
            outcome?;
            Err(Error::new(Kind::Interrupted, "interrupted before everything was back")
                .hint("`rcluster up` finishes it"))
        }
    }
}

/// Returns at the next Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen =
        |kind| signal(kind).map_err(|error| Error::failed("listening for signals").source(error));
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn run(cli: Cli, screen: Screen) -> Result<Verdict> {
    let global = &cli.global;
    match cli.command {
        Command::Up(args) => command::up::run(global, &args, screen).await,
        Command::Start(args) => command::start::run(global, &args, screen).await,
        Command::Init(args) => command::init::run(global, &args, screen).await,
        Command::Stop(args) => command::stop::run(global, &args, screen).await,
        Command::Restart(args) => command::restart::run(global, &args, screen).await,
        // It is attended: see `main`.
        Command::Failover(_) => Ok(Verdict::Fine),
        Command::Down(args) => command::down::run(global, &args, screen).await,
        Command::Reset(args) => command::reset::run(global, &args, screen).await,
        Command::List => command::list::run(screen).await,
        Command::Status => command::status::run(global, screen).await,
        Command::Doctor(args) => command::doctor::run(global, &args, screen).await,
        Command::New(args) => command::new::run(&args, screen),
        Command::Render(args) => command::render::run(global, &args, screen),
        Command::Schema => command::schema::run(),
        Command::Image(args) => command::image::run(global, &args.command, screen).await,
        Command::Completions(args) => command::completions::run(&args),
        Command::Man(args) => command::man::run(&args, screen),
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

/// A line to stderr that is neither progress nor a failure.
fn say(screen: Screen, text: &str) {
    if !screen.quiet {
        tell(text);
    }
}
