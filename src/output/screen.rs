//! Where output goes, and in which form.

use super::harmless::harmless;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    time::Duration,
};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR`, TERM=dumb or CI say otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressForm {
    /// A spinner on a terminal, plain lines elsewhere.
    Auto,
    /// A spinner.
    Tty,
    /// Plain lines.
    Plain,
    /// One JSON document per line.
    Json,
    /// Nothing.
    Quiet,
}

/// How output is shown, decided once for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Results as JSON.
    pub json: bool,
    /// How progress is shown; never [`ProgressForm::Auto`].
    pub progress: ProgressForm,
    /// 0: the result; 1: where the time went; 2: every step.
    pub verbose: u8,
    /// Only errors.
    pub quiet: bool,
    /// Columns of the terminal at stdout; `None` in a pipe, where nothing has to fit.
    pub width: Option<usize>,
    /// Whether a person is at stderr.
    pub person: bool,
}

impl Screen {
    /// Decides from what was asked for and what there is; switches colour on or off for the whole
    /// run.
    pub fn new(
        json: bool,
        progress: ProgressForm,
        colour: Colour,
        verbose: u8,
        quiet: bool,
    ) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let person = io::stderr().is_terminal() && !dumb && !set("CI");
        let paint = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && person && !set("NO_COLOR"),
        };
        console::set_colors_enabled(paint(io::stdout().is_terminal()) && !json);
        console::set_colors_enabled_stderr(paint(true));
        let progress = match progress {
            _ if quiet => ProgressForm::Quiet,
            ProgressForm::Auto if person => ProgressForm::Tty,
            ProgressForm::Auto => ProgressForm::Plain,
            form => form,
        };
        Screen {
            json,
            progress,
            verbose,
            quiet,
            width: io::stdout()
                .is_terminal()
                .then(|| usize::from(console::Term::stdout().size().1)),
            person,
        }
    }
}

/// The width of the terminal at stdout, if there is one.
pub fn columns() -> Option<usize> {
    let size = console::Term::stdout().size_checked();
    size.map(|(_, columns)| usize::from(columns))
}

impl Screen {
    /// Whether there is a terminal with a person at it that can be drawn on.
    pub fn can_be_drawn_on(self) -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        !self.json && !dumb && io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// Whether stdout is to have colour.
    pub fn colour(self) -> bool {
        console::colors_enabled()
    }
}

/// Whether somebody still reads stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Somebody does.
    There,
    /// The pipe is closed.
    Gone,
}

/// Writes to stdout. If the reader is gone, that is no error.
pub fn print(text: &str) -> io::Result<()> {
    print_to(text).map(drop)
}

/// Writes to stdout, and says whether anybody still reads it.
pub fn print_to(text: &str) -> io::Result<Reader> {
    write(&harmless(text, console::colors_enabled()))
}

/// Draws a frame, which may contain escapes that move the cursor; its lines are `harmless` already.
pub fn draw(frame: &str) -> io::Result<Reader> {
    write(frame)
}

fn write(text: &str) -> io::Result<Reader> {
    let mut stdout = io::stdout().lock();
    let outcome = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match outcome {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}

/// Writes a line to stderr; an error is ignored, because there is nobody to tell.
pub fn tell(text: &str) {
    let text = harmless(text, console::colors_enabled_stderr());
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `0.12 s`, `2.1 s`, `74 s`.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        _ if seconds < 1.0 => format!("{seconds:.2} s"),
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// Ends when nobody reads stdout any more. A command that prints seldom would not notice by itself.
pub async fn reader_gone() {
    let gone = || {
        let stdout = io::stdout();
        let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        let ends = PollFlags::POLLERR | PollFlags::POLLHUP;
        let heard = poll(&mut asked, PollTimeout::ZERO);
        heard.is_ok() && asked[0].revents().is_some_and(|it| it.intersects(ends))
    };
    while !gone() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_digits_that_matter() {
        let text = |millis| seconds(Duration::from_millis(millis));
        assert_eq!(
            (text(42), text(2140), text(74_300)),
            ("0.04 s".into(), "2.1 s".into(), "74 s".into())
        );
    }
}
