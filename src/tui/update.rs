//! The only place that changes the state: a pure function of the state and of what came in.

use super::state::{Behind, Drill, Mode, Source, State, Tab};
use crate::grid::COLUMNS;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rcluster_core::{monitor::told::Details, node::NodeName};
use rcluster_ops::monitor::sample::Sample;

pub(super) enum Input {
    /// A key went down.
    Key(KeyEvent),
    /// The terminal has another size: draw again.
    Resized,
    Sample(Box<Sample>),
    /// The answer of the node that is looked into.
    Details(NodeName, Result<Details, String>),
    /// The recording is over.
    Ended,
}

/// What is to be done besides drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Quit,
    /// Ask the node that is looked into.
    Inspect,
}

/// How far a page is.
const PAGE: isize = 10;

/// Changes the state by what came in.
pub(super) fn update(state: &mut State, input: Input) -> Effect {
    match input {
        Input::Resized => Effect::None,
        Input::Key(key) => on_key(state, key),
        Input::Sample(sample) => {
            state.note(&sample);
            if state.paused {
                state.held = Some(sample);
                return Effect::None;
            }
            show(state, *sample);
            // The node that is looked into is asked again with every sample.
            match state.drill {
                Some(_) => Effect::Inspect,
                None => Effect::None,
            }
        }
        Input::Details(node, details) => {
            if let Some(drill) = state.drill.as_mut().filter(|drill| drill.node == node) {
                match (&mut drill.details, details) {
                    // The last answer stays; the node's state says that it is silent.
                    (Some(Ok(_)), Err(_)) => {}
                    (known, details) => *known = Some(details),
                }
            }
            Effect::None
        }
        Input::Ended => {
            state.source = Source::Ended;
            Effect::None
        }
    }
}

fn show(state: &mut State, sample: Sample) {
    state.sample = Some(sample);
    if state.position().is_none() {
        let first = state.rows().first().map(|node| node.status.name.clone());
        state.selected = first.or(state.selected.take());
    }
}

fn on_key(state: &mut State, key: KeyEvent) -> Effect {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Effect::Quit,
            _ => Effect::None,
        };
    }
    match state.mode {
        Mode::Help(behind) => {
            if key.code == KeyCode::Char('q') {
                return Effect::Quit;
            }
            state.mode = match behind {
                Behind::Nodes => Mode::Nodes,
                Behind::Drill => Mode::Drill,
            };
            Effect::None
        }
        Mode::Filter => on_filter(state, key.code),
        Mode::Drill => on_drill(state, key.code),
        Mode::Nodes => on_nodes(state, key.code),
    }
}

/// Keys that mean the same everywhere, except where text is typed.
fn anywhere(state: &mut State, code: KeyCode) -> Effect {
    match code {
        KeyCode::Char('q') => return Effect::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => {
            state.mode = Mode::Help(match state.mode {
                Mode::Drill => Behind::Drill,
                _ => Behind::Nodes,
            });
        }
        KeyCode::Char(' ' | 'p') => {
            state.paused = !state.paused;
            if let Some(sample) = state.held.take().filter(|_| !state.paused) {
                show(state, *sample);
            }
        }
        _ => {}
    }
    Effect::None
}

fn on_nodes(state: &mut State, code: KeyCode) -> Effect {
    match code {
        KeyCode::Down | KeyCode::Char('j') => choose(state, 1),
        KeyCode::Up | KeyCode::Char('k') => choose(state, -1),
        KeyCode::PageDown => choose(state, PAGE),
        KeyCode::PageUp => choose(state, -PAGE),
        KeyCode::Home => choose(state, isize::MIN),
        KeyCode::End => choose(state, isize::MAX),
        KeyCode::Char('s') => {
            let mut after = COLUMNS.iter().filter(|column| column.quantity.is_some());
            if let Some(sort) = state.sort {
                after.find(|column| column.name == sort.name);
            }
            state.sort = after.next();
        }
        KeyCode::Char('r') => state.reversed = !state.reversed,
        KeyCode::Char('/') => state.mode = Mode::Filter,
        KeyCode::Char('[') => {
            state.back = (state.back + 1).min(state.log.len().saturating_sub(1));
        }
        KeyCode::Char(']') => state.back = state.back.saturating_sub(1),
        KeyCode::Esc => {
            state.filter.clear();
            state.back = 0;
        }
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => {
            if let Some(node) = state.selected.clone() {
                state.mode = Mode::Drill;
                state.drill = Some(Drill {
                    node,
                    tab: Tab::Info,
                    scroll: 0,
                    details: None,
                });
                return Effect::Inspect;
            }
        }
        code => return anywhere(state, code),
    }
    Effect::None
}

fn on_filter(state: &mut State, code: KeyCode) -> Effect {
    match code {
        KeyCode::Enter => state.mode = Mode::Nodes,
        KeyCode::Esc => {
            state.filter.clear();
            state.mode = Mode::Nodes;
        }
        KeyCode::Backspace => {
            state.filter.pop();
        }
        KeyCode::Char(typed) => state.filter.push(typed),
        _ => {}
    }
    if state.position().is_none() {
        let first = state.rows().first().map(|node| node.status.name.clone());
        state.selected = first.or(state.selected.take());
    }
    Effect::None
}

fn on_drill(state: &mut State, code: KeyCode) -> Effect {
    let Some(drill) = &mut state.drill else {
        state.mode = Mode::Nodes;
        return Effect::None;
    };
    let lines = drill.lines();
    let mut scroll = |by: isize| {
        let most = lines.saturating_sub(1);
        drill.scroll = drill.scroll.saturating_add_signed(by).min(most);
    };
    match code {
        KeyCode::Esc | KeyCode::Backspace => {
            state.drill = None;
            state.mode = Mode::Nodes;
        }
        KeyCode::Down | KeyCode::Char('j') => scroll(1),
        KeyCode::Up | KeyCode::Char('k') => scroll(-1),
        KeyCode::PageDown => scroll(PAGE),
        KeyCode::PageUp => scroll(-PAGE),
        KeyCode::Home => scroll(isize::MIN),
        KeyCode::End => scroll(isize::MAX),
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => drill.turn(1),
        KeyCode::BackTab | KeyCode::Left => drill.turn(Tab::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='3') => {
            let wanted = digit.to_digit(10).unwrap_or(1) as usize - 1;
            (drill.tab, drill.scroll) = (Tab::ALL[wanted], 0);
        }
        code => return anywhere(state, code),
    }
    Effect::None
}

impl Drill {
    /// How many lines the page has.
    fn lines(&self) -> usize {
        match (&self.details, self.tab) {
            (Some(Ok(details)), Tab::Info) => details.info.len(),
            (Some(Ok(details)), Tab::Slow) => details.slow.len(),
            (Some(Ok(details)), Tab::Clients) => details.clients.len(),
            _ => 0,
        }
    }

    fn turn(&mut self, by: usize) {
        let now = Tab::ALL.iter().position(|tab| *tab == self.tab);
        self.tab = Tab::ALL[(now.unwrap_or(0) + by) % Tab::ALL.len()];
        self.scroll = 0;
    }
}

/// Chooses the row `by` rows further down, within the rows that there are.
fn choose(state: &mut State, by: isize) {
    let rows = state.rows();
    let now = state.position().unwrap_or(0);
    let most = rows.len().saturating_sub(1);
    let row = now.saturating_add_signed(by).min(most);
    state.selected = rows
        .get(row)
        .map(|node| node.status.name.clone())
        .or(state.selected.take());
}
