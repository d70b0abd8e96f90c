//! The events, the newest last.

use super::titled;
use crate::tui::state::{Entry, State};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let theme = state.theme;
    let title = match state.back {
        0 => "events".to_owned(),
        back => format!("events, {back} back"),
    };
    let block = titled(&title, theme.title(), theme.dim());
    let inner = block.inner(area);
    let end = state.log.len().saturating_sub(state.back);
    let start = end.saturating_sub(usize::from(inner.height));
    let mut lines: Vec<Line<'_>> = state
        .log
        .range(start..end)
        .map(|entry| line(entry, state))
        .collect();
    if lines.is_empty() {
        lines.push(Line::styled("nothing happened yet", theme.dim()));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn line<'a>(entry: &'a Entry, state: &State) -> Line<'a> {
    let theme = state.theme;
    let time = entry
        .at
        .to_zoned(state.zone.clone())
        .strftime("%H:%M:%S")
        .to_string();
    let style = theme.level(entry.event.level);
    Line::from(vec![
        Span::styled(format!("{time} "), theme.dim()),
        Span::styled(format!("{:<9} ", entry.event.kind.word()), style),
        Span::raw(entry.event.text.as_str()),
    ])
}
