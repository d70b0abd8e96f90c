//! The nodes: a row each, replicas under their master unless another order was chosen.

use super::titled;
use crate::tui::{
    column::{Column, fitting, node_cell},
    state::State,
    theme::Theme,
};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Rect},
    style::Style,
    text::{Line, Text},
    widgets::{Cell, Row, Table, TableState},
};
use rcluster_ops::monitor::sample::{NodeSample, Sample};
use std::fmt::Write as _;

/// How many lines it would like: a title, a heading, a row per node.
pub(super) fn wanted_height(state: &State) -> u16 {
    let nodes = state.sample.as_ref().map_or(0, |sample| sample.nodes.len());
    u16::try_from(nodes).unwrap_or(u16::MAX).saturating_add(2)
}

/// Draws it.
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
        let _ = write!(title, ", by {}", column.title().to_lowercase());
    }
    if state.reversed {
        title.push_str(", reversed");
    }
    if !state.filter.is_empty() {
        let _ = write!(title, ", filter \"{}\"", state.filter);
    }
    let block = titled(&title, theme.title(), theme.dim());
    let names = sample
        .nodes
        .iter()
        .map(|node| node_cell(node).chars().count());
    let names = u16::try_from(names.max().unwrap_or(8))
        .unwrap_or(30)
        .clamp(8, 30);
    let columns = fitting(area.width, names);
    let header = columns.iter().map(|(column, _)| {
        let style = if state.sort == Some(*column) {
            theme.title()
        } else {
            theme.dim()
        };
        Cell::from(aligned(column.title().to_owned(), *column)).style(style)
    });
    let position = state.position();
    let body = rows.iter().map(|node| row(node, sample, state, &columns));
    let table = Table::new(
        body,
        columns.iter().map(|(_, width)| Constraint::Length(*width)),
    )
    .header(Row::new(header))
    .column_spacing(1)
    .row_highlight_style(Theme::chosen())
    .block(block);
    let mut chosen = TableState::new().with_selected(position);
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn row<'a>(
    node: &NodeSample,
    sample: &Sample,
    state: &State,
    columns: &[(Column, u16)],
) -> Row<'a> {
    let theme = state.theme;
    let cells = columns.iter().map(|(column, _)| {
        let text = column.cell(node, sample);
        let style = match column {
            Column::State if text == "pfail" || text == "syncing" => theme.warning(),
            Column::State if text == "no link" => theme.bad(),
            Column::State => theme.state(node.status.state),
            Column::Link if text == "down" => theme.bad(),
            Column::Link if text == "syncing" => theme.warning(),
            _ => Style::new(),
        };
        Cell::from(aligned(text, *column)).style(style)
    });
    let row = Row::new(cells.collect::<Vec<_>>());
    if node.status.up {
        row
    } else {
        row.style(theme.dim())
    }
}

fn aligned(text: String, column: Column) -> Text<'static> {
    let alignment = if column.is_number() {
        Alignment::Right
    } else {
        Alignment::Left
    };
    Text::from(Line::raw(text)).alignment(alignment)
}
