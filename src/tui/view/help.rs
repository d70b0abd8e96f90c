//! Explains the keys and the words, over whatever is shown.

use crate::tui::state::State;
use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

/// What each key does and what each word means.
const LINES: [(&str, &str); 19] = [
    ("↑ ↓ j k", "choose a node; scroll"),
    ("enter", "look into it: INFO, slow log, clients"),
    ("tab 1 2 3", "turn the pages of a node"),
    ("esc", "back; clear the filter"),
    ("s", "order by the next column; at last by shard again"),
    ("r", "reverse the order"),
    ("/", "only rows that contain a text"),
    ("[ ]", "scroll the events back and forth"),
    ("space", "hold the screen still; events are kept"),
    ("q ctrl-c", "leave"),
    ("", ""),
    ("OPS/S", "commands per second, less our own four"),
    ("HIT", "of the look-ups since the sample before"),
    ("P50 P99", "ms of our own PINGs, of the last 120"),
    ("LAG", "bytes behind, and since the master was heard"),
    ("curves", "all commands; the slowest PING of each sample"),
    ("skew", "the fullest master over the mean; 1 is even"),
    ("PFAIL", "one node cannot reach it"),
    ("FAIL", "a majority of masters cannot"),
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let theme = state.theme;
    let height = u16::try_from(LINES.len()).unwrap_or(u16::MAX) + 2;
    let panel = area.centered(
        Constraint::Length(68.min(area.width)),
        Constraint::Length(height.min(area.height)),
    );
    let lines: Vec<Line<'_>> = LINES
        .iter()
        .map(|(key, what)| {
            Line::from(vec![
                Span::styled(format!(" {key:<10}"), theme.title()),
                Span::raw(*what),
            ])
        })
        .collect();
    frame.render_widget(Clear, panel);
    let block = Block::bordered()
        .border_style(theme.dim())
        .title(Line::styled(" help: any key closes ", theme.title()));
    frame.render_widget(Paragraph::new(lines).block(block), panel);
}
