//! How things are painted. Without colour, weight says what colour would have.

use crate::grid::Tone;
use ratatui::style::{Color, Modifier, Style};
use rcluster_core::monitor::told::Level;

/// Whether to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    /// Whether to.
    pub(super) colour: bool,
}

impl Theme {
    /// As it should be.
    pub(super) fn good(self) -> Style {
        self.paint(Color::Green, Modifier::empty())
    }

    /// Worth a look.
    pub(super) fn warning(self) -> Style {
        self.paint(Color::Yellow, Modifier::BOLD)
    }

    /// Broken.
    pub(super) fn bad(self) -> Style {
        self.paint(Color::Red, Modifier::BOLD)
    }

    /// A heading.
    pub(super) fn title(self) -> Style {
        self.paint(Color::Cyan, Modifier::BOLD)
    }

    /// What is only there to guide the eye.
    pub(super) fn dim(self) -> Style {
        self.paint(Color::DarkGray, Modifier::DIM)
    }

    /// The chosen row.
    pub(super) fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A curve.
    pub(super) fn curve(self) -> Style {
        self.paint(Color::Cyan, Modifier::empty())
    }

    /// By the cluster's verdict.
    pub(super) fn verdict(self, word: &str) -> Style {
        match word {
            "ok" => self.good().add_modifier(Modifier::BOLD),
            "degraded" => self.warning(),
            _ => self.bad(),
        }
    }

    /// By a cell's tone.
    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Good => self.good(),
            Tone::Warning => self.warning(),
            Tone::Bad => self.bad(),
        }
    }

    /// By an event's level.
    pub(super) fn level(self, level: Level) -> Style {
        match level {
            Level::Good => self.good(),
            Level::Info => Style::new(),
            Level::Warning => self.warning(),
            Level::Error => self.bad(),
        }
    }

    fn paint(self, colour: Color, weight: Modifier) -> Style {
        if self.colour {
            // DIM on top of gray is unreadable on dark terminals.
            Style::new().fg(colour).add_modifier(weight - Modifier::DIM)
        } else {
            Style::new().add_modifier(weight)
        }
    }
}
