//! The table of nodes: by shard, or in the order that was chosen.

use super::titled;
use crate::{
    grid::{Grid, Row as Facts, View},
    tui::{state::State, theme::Theme},
};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Rect},
    text::{Line, Text},
    widgets::{Cell, Row, Table, TableState},
};
use std::fmt::Write as _;

/// How many lines it needs: a title, a heading, a row for each node.
pub(super) fn wanted_height(state: &State) -> u16 {
    let nodes = state.sample.as_ref().map_or(0, |sample| sample.nodes.len());
    u16::try_from(nodes).unwrap_or(u16::MAX).saturating_add(2)
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let Some(sample) = &state.sample else {
        return;
    };
    let theme = state.theme;
    let rows = state.rows();
    let mut title = match rows.len() {
        all if all == sample.nodes.len() => format!("nodes {all}"),
        some => format!("nodes {some} of {}", sample.nodes.len()),
    };
    if let Some(column) = state.sort {
        let _ = write!(title, ", by {}", column.name.to_lowercase());
    }
    if state.reversed {
        title.push_str(", reversed");
    }
    if !state.filter.is_empty() {
        let _ = write!(title, ", filter \"{}\"", state.filter);
    }
    let block = titled(&title, theme.title(), theme.dim());
    let facts = |node| Facts::of_sample(node, &sample.shards);
    let facts: Vec<Facts<'_>> = rows.into_iter().map(facts).collect();
    let grid = Grid::new(View::Monitor, &facts, Some(usize::from(area.width)));
    let header = grid.columns.iter().map(|(column, _)| {
        let sorts = state.sort.is_some_and(|sort| sort.name == column.name);
        let style = if sorts { theme.title() } else { theme.dim() };
        Cell::from(aligned(column.name.to_owned(), column.number)).style(style)
    });
    let body = facts.iter().zip(&grid.rows).map(|(facts, texts)| {
        let cells = grid.columns.iter().zip(texts).map(|((column, _), text)| {
            let tone = theme.tone((column.tone)(facts.node));
            Cell::from(aligned(text.clone(), column.number)).style(tone)
        });
        let row = Row::new(cells);
        if facts.node.up {
            row
        } else {
            row.style(theme.dim())
        }
    });
    let widths = grid.columns.iter().map(|(_, width)| *width);
    let widths = widths.map(|width| u16::try_from(width).unwrap_or(u16::MAX));
    let table = Table::new(body, widths.map(Constraint::Length))
        .header(Row::new(header))
        .column_spacing(1)
        .row_highlight_style(Theme::chosen())
        .block(block);
    let mut chosen = TableState::new().with_selected(state.position());
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn aligned(text: String, number: bool) -> Text<'static> {
    let side = if number {
        Alignment::Right
    } else {
        Alignment::Left
    };
    Text::from(Line::raw(text)).alignment(side)
}
