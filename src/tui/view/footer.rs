//! The last line: the keys that can be used, or the filter while it is typed.

use crate::tui::state::{Mode, State};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let theme = state.theme;
    if state.mode == Mode::Filter {
        let line = Line::from(vec![
            Span::styled("filter: ", theme.title()),
            Span::raw(state.filter.as_str()),
            Span::styled("▏", theme.title()),
            Span::styled(
                "  name, address, role, state, shard2 · enter keeps, esc clears",
                theme.dim(),
            ),
        ]);
        frame.render_widget(line, area);
        return;
    }
    let keys: &[(&str, &str)] = match state.mode {
        Mode::Drill => &[
            ("esc", "back"),
            ("tab", "next page"),
            ("↑↓", "scroll"),
            ("space", "pause"),
            ("?", "help"),
            ("q", "quit"),
        ],
        _ => &[
            ("↑↓", "choose"),
            ("enter", "open"),
            ("s", "sort"),
            ("r", "reverse"),
            ("/", "filter"),
            ("space", "pause"),
            ("?", "help"),
            ("q", "quit"),
        ],
    };
    let spans = keys.iter().flat_map(|(key, what)| {
        [
            Span::styled(*key, theme.title()),
            Span::styled(format!(" {what}  "), theme.dim()),
        ]
    });
    frame.render_widget(Line::from(spans.collect::<Vec<_>>()), area);
}
