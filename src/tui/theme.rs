//! Colours. Without colour, bold and dim letters say the same.

use crate::grid::Tone;
use ratatui::style::{Color, Modifier, Style};
use rcluster_core::monitor::told::Level;

/// Which colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    /// Whether colours are used at all.
    pub(super) colour: bool,
}

impl Theme {
    /// Something that is as it should be.
    pub(super) fn good(self) -> Style {
        self.paint(Color::Green, Modifier::empty())
    }

    /// Something that is worth a look.
    pub(super) fn warning(self) -> Style {
        self.paint(Color::Yellow, Modifier::BOLD)
    }

    /// Something that is broken.
    pub(super) fn bad(self) -> Style {
        self.paint(Color::Red, Modifier::BOLD)
    }

    /// A heading.
    pub(super) fn title(self) -> Style {
        self.paint(Color::Cyan, Modifier::BOLD)
    }

    /// Something that only guides the eye.
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

    /// For the cluster's state.
    pub(super) fn verdict(self, word: &str) -> Style {
        match word {
            "ok" => self.good().add_modifier(Modifier::BOLD),
            "degraded" => self.warning(),
            _ => self.bad(),
        }
    }

    /// For a cell.
    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Good => self.good(),
            Tone::Warning => self.warning(),
            Tone::Bad => self.bad(),
        }
    }

    /// For an event.
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
            // DIM together with gray cannot be read on dark terminals.
            Style::new().fg(colour).add_modifier(weight - Modifier::DIM)
        } else {
            Style::new().add_modifier(weight)
        }
    }
}
