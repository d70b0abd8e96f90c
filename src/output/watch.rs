//! `status --watch`: on a terminal it is redrawn in place, elsewhere it prints lines or documents.

use super::{
    failure,
    harmless::harmless,
    screen::{Reader, Screen, draw, print_to},
    table,
};
use console::Term;
use rcluster_core::{
    error::{Error, Result},
    judge as health,
};
use rcluster_ops::status::Status;
use serde_json::json;
use std::{fmt::Write as _, time::Duration};

/// Shows one status after the other.
pub struct Watch {
    screen: Screen,
    every: Duration,
    /// The terminal to redraw; `None`: there is none.
    term: Option<Term>,
    drawn: bool,
}

impl Watch {
    /// For a status at this interval.
    pub fn new(screen: Screen, every: Duration) -> Self {
        let term = Term::stdout();
        let redraw = term.is_term() && screen.person && !screen.json;
        Watch {
            screen,
            every,
            term: redraw.then_some(term),
            drawn: false,
        }
    }

    /// Shows a status, or why there is none. Returns whether anybody still looks.
    pub fn show(&mut self, status: &Result<Status>) -> Result<Reader> {
        let shown = match (&self.term, self.screen.json) {
            (_, true) => print_to(&(document(status)? + "\n")),
            (None, false) => print_to(&line(status)),
            (Some(term), false) => {
                let (rows, columns) = term.size();
                let clear = if self.drawn { "" } else { "\x1b[2J" };
                self.drawn = true;
                draw(&format!(
                    "{clear}{}",
                    frame(status, self.every, rows, columns)
                ))
            }
        };
        shown.map_err(|error| Error::failed("writing to stdout").source(error))
    }
}

fn document(status: &Result<Status>) -> Result<String> {
    let text = match status {
        Ok(status) => serde_json::to_string(status),
        Err(error) => serde_json::to_string(&json!({
            "schema": 1,
            "error": {
                "kind": error.kind().word(),
                "cause": error.cause(),
                "hint": error.hint_text(),
            },
        })),
    };
    text.map_err(|error| Error::failed("writing JSON").source(error))
}

/// A line with the verdict and the worst problem.
fn line(status: &Result<Status>) -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    match status {
        Ok(status) => {
            let mut text = format!("{now}  {}", table::verdict(status));
            if let Some(worst) = health::worst(&status.problems) {
                let _ = write!(text, ": {worst}");
            }
            text + "\n"
        }
        Err(error) => format!("{now}  {}\n", error.cause().replace('\n', "; ")),
    }
}

/// A screenful. Each line ends with the code that clears the rest of it, so that nothing flickers.
fn frame(status: &Result<Status>, every: Duration, rows: u16, columns: u16) -> String {
    let now = jiff::Zoned::now().strftime("%H:%M:%S");
    let room = usize::from(rows.max(4)) - 1;
    let body = match status {
        Ok(status) => table::status_within(status, usize::from(columns), room - 2),
        Err(error) => failure::text(error).lines().map(str::to_owned).collect(),
    };
    let mut lines = vec![
        format!("{now}  every {} s, Ctrl-C ends", every.as_secs_f64()),
        String::new(),
    ];
    lines.extend(body);
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(format!("({hidden} more lines: this terminal has {rows})"));
    }
    let mut text = "\x1b[H".to_owned();
    for line in &lines {
        let line = harmless(line, console::colors_enabled());
        let line = console::truncate_str(&line, usize::from(columns), "…");
        let _ = write!(text, "{line}\x1b[K\r\n");
    }
    text + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_its_terminal() {
        console::set_colors_enabled(false);
        let cause = vec!["a long cause that goes on and on"; 40].join("\n");
        let status = Err(Error::failed(cause));
        let text = frame(&status, Duration::from_secs(2), 10, 20);
        let lines: Vec<&str> = text.split("\x1b[K\r\n").collect();
        assert_eq!(lines.len(), 10, "nine lines and the end");
        let plain = |line: &str| console::strip_ansi_codes(line).chars().count();
        assert!(lines.iter().all(|line| plain(line) <= 20), "{lines:?}");
        assert!(lines[8].contains("more"));
    }
}
