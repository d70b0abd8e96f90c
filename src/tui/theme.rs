//! Colours. Without colour, bold and dim letters say the same.

use crate::grid::Tone;
use ratatui::style::{Color, Modifier, Style};
use rcluster_core::monitor::told::Level;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    /// Whether colours are used at all.
    pub(super) colour: bool,
}

impl Theme {
    pub(super) fn good(self) -> Style {
        self.paint(Color::Green, Modifier::empty())
    }

    pub(super) fn warning(self) -> Style {
        self.paint(Color::Yellow, Modifier::BOLD)
    }

    pub(super) fn bad(self) -> Style {
        self.paint(Color::Red, Modifier::BOLD)
    }

    pub(super) fn title(self) -> Style {
        self.paint(Color::Cyan, Modifier::BOLD)
    }

    /// Something that only guides the eye.
    pub(super) fn dim(self) -> Style {
        self.paint(Color::DarkGray, Modifier::DIM)
    }

    pub(super) fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn curve(self) -> Style {
        self.paint(Color::Cyan, Modifier::empty())
    }

    pub(super) fn verdict(self, word: &str) -> Style {
        match word {
            "ok" => self.good().add_modifier(Modifier::BOLD),
            "degraded" => self.warning(),
            _ => self.bad(),
        }
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Good => self.good(),
            Tone::Warning => self.warning(),
            Tone::Bad => self.bad(),
        }
    }

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
