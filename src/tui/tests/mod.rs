//! Screens, as they are drawn at 80×24 and 200×50, and what keys do to the state.

mod fixture;
mod keys;
mod screens;

use super::{
    state::{Source, State},
    theme::Theme,
    update::{Effect, Input, update},
    view,
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use rcluster_ops::monitor::sample::Sample;

/// A state that has seen these samples, on a terminal in UTC.
fn seen(samples: impl IntoIterator<Item = Sample>) -> State {
    let mut state = State::new(
        Theme { colour: false },
        jiff::tz::TimeZone::UTC,
        Source::Live,
    );
    for sample in samples {
        update(&mut state, Input::Sample(Box::new(sample)));
    }
    state
}

/// Presses keys; returns what the last one asks for.
fn press(state: &mut State, keys: impl IntoIterator<Item = KeyCode>) -> Effect {
    let mut effect = Effect::None;
    for code in keys {
        effect = update(state, Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    effect
}

/// The screen as text.
fn screen(state: &State, width: u16, height: u16) -> String {
    let mut terminal =
        Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal
        .draw(|frame| view::draw(frame, state))
        .expect("it draws");
    let buffer = terminal.backend().buffer();
    let lines = (0..height).map(|y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
