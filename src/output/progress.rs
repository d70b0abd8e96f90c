//! Listeners that show events as a spinner, as plain lines, as JSON lines, or not at all.

use super::{
    harmless::harmless,
    screen::{ProgressForm, Screen, seconds, tell},
};
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use rcluster_core::text::{count::count, human};
use rcluster_ops::cluster::event::{Event, Listener};
use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A stage that is over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Phase {
    /// What it was for.
    pub title: String,
    /// How long it took.
    pub millis: u64,
}

/// Shows events as they come, and remembers how long each stage took.
pub struct Progress {
    screen: Screen,
    start: Instant,
    phases: Mutex<Vec<Phase>>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A listener of the form that was asked for.
    pub fn new(screen: Screen) -> Self {
        let bar = (screen.progress == ProgressForm::Tty).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(80));
            bar
        });
        Progress {
            screen,
            start: Instant::now(),
            phases: Mutex::default(),
            bar,
        }
    }

    /// The time since it began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The stages that are over.
    pub fn phases(&self) -> Vec<Phase> {
        self.phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Removes the spinner from the screen.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(text)),
            None => tell(text),
        }
    }

    fn show(&self, event: &Event) {
        let verbose = self.screen.verbose;
        match event {
            Event::Note { text } => self.line(text),
            Event::Warning { text } => {
                self.line(&format!(
                    "{} {text}",
                    style("warning:").for_stderr().yellow().bold()
                ));
            }
            Event::Planned { .. } => {}
            Event::Stage { title, steps } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{title} ({})", count(*steps, "step")));
                }
            }
            Event::Done { step } => {
                if verbose > 1 {
                    self.line(&format!("  {step}"));
                }
            }
            Event::Waiting { title, last } => match &self.bar {
                Some(bar) => {
                    bar.set_message(harmless(&format!("{title}: {last}"), false).into_owned());
                }
                None if verbose > 0 => self.line(&format!("{title}: {last}")),
                None => {}
            },
            Event::Passed { title, millis } => {
                if self.bar.is_none() || verbose > 0 {
                    self.line(&format!(
                        "{title}: {}",
                        seconds(Duration::from_millis(*millis))
                    ));
                }
            }
            Event::Moved {
                slots, of_slots, ..
            } => match &self.bar {
                Some(bar) => bar.set_message(moved(event)),
                None if slots == of_slots => self.line(&moved(event)),
                None => {}
            },
            Event::Pull { image, done, total } => {
                let text = match total {
                    0 => format!("pulling {image}"),
                    _ => format!(
                        "pulling {image}: {} of {} MB",
                        done / 1_000_000,
                        total / 1_000_000
                    ),
                };
                match &self.bar {
                    Some(bar) => bar.set_message(text),
                    None if *done == *total => self.line(&text),
                    None => {}
                }
            }
        }
    }
}

/// How far slots and keys have moved, how fast, and for how long still.
fn moved(event: &Event) -> String {
    let Event::Moved {
        slots,
        of_slots,
        keys,
        of_keys,
        bytes,
        keys_per_second,
        left_seconds,
        ..
    } = event
    else {
        return String::new();
    };
    let mut text = format!("{slots} of {of_slots} slots");
    if *of_keys > 0 {
        let bytes = human::bytes(*bytes);
        let _ = write!(
            text,
            ", {keys} of {of_keys} keys ({bytes}), {keys_per_second} a second"
        );
    }
    match left_seconds {
        Some(left) if slots < of_slots => text + &format!(", {left} s left"),
        _ => text,
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Listener for Progress {
    fn hear(&self, event: Event) {
        if let Event::Passed { title, millis } = &event {
            let phase = Phase {
                title: title.clone(),
                millis: *millis,
            };
            self.phases
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(phase);
        }
        match self.screen.progress {
            ProgressForm::Quiet => {}
            ProgressForm::Json => {
                if let Ok(line) = serde_json::to_string(&event) {
                    tell(&line);
                }
            }
            _ => self.show(&event),
        }
    }
}
