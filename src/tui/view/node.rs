//! One node: its facts, and a page of what it says.

use super::titled;
use crate::{
    grid::{COLUMNS, Row},
    tui::{
        state::{Drill, Source, State, Tab},
        theme::Theme,
    },
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};
use rcluster_core::{monitor::told::Details, text::human};
use rcluster_ops::monitor::sample::NodeSample;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let theme = state.theme;
    let Some(drill) = &state.drill else {
        return;
    };
    let facts = state.drilled().map_or_else(
        || vec![Line::styled("no node knows it any more", theme.bad())],
        |node| facts(node, state, area.width),
    );
    let [top, page] = Layout::vertical([
        Constraint::Length(u16::try_from(facts.len()).unwrap_or(4) + 1),
        Constraint::Fill(1),
    ])
    .areas(area);
    let block = titled(drill.node.as_str(), theme.title(), theme.dim());
    frame.render_widget(Paragraph::new(facts).block(block), top);
    draw_page(frame, page, state, drill);
}

fn facts<'a>(node: &NodeSample, state: &State, width: u16) -> Vec<Line<'a>> {
    let theme = state.theme;
    let Some(sample) = &state.sample else {
        return Vec::new();
    };
    let row = Row::of_sample(node, &sample.shards);
    let mut parts = Vec::new();
    for column in COLUMNS.iter().filter(|column| column.name != "NODE") {
        let text = (column.cell)(row);
        if !text.is_empty() && text != "-" {
            let tone = theme.tone((column.tone)(row.node));
            parts.push((column.name.to_lowercase(), text, tone));
        }
        if let (Some(master), "ROLE") = (&node.master, column.name) {
            parts.push(("of".to_owned(), master.to_string(), Style::new()));
        }
    }
    if let Some(probe) = node.probe {
        let last = human::millis(probe.last_us);
        let text = format!("last {last} ms of {}", probe.samples);
        parts.push(("probe".to_owned(), text, Style::new()));
    }
    let mut lines = vec![Line::default()];
    for (label, text, style) in parts {
        let long = label.chars().count() + text.chars().count() + 4;
        let full = lines
            .last()
            .is_some_and(|line| line.width() > 0 && line.width() + long > usize::from(width));
        if full {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            line.push_span(Span::styled(format!("{label} "), theme.dim()));
            line.push_span(Span::styled(text, style));
            line.push_span(Span::raw("   "));
        }
    }
    lines
}

fn draw_page(frame: &mut Frame<'_>, area: Rect, state: &State, drill: &Drill) {
    let theme = state.theme;
    let mut tabs = vec![Span::raw(" ")];
    for (number, tab) in (1..).zip(Tab::ALL) {
        let style = if tab == drill.tab {
            Theme::chosen()
        } else {
            theme.dim()
        };
        tabs.push(Span::styled(format!(" {number} {} ", tab.title()), style));
        tabs.push(Span::raw(" "));
    }
    let block = ratatui::widgets::Block::new()
        .borders(ratatui::widgets::Borders::TOP)
        .border_style(theme.dim())
        .title(Line::from(tabs));
    let lines = match &drill.details {
        _ if state.source != Source::Live => {
            vec!["a recording has no answers of single nodes".to_owned()]
        }
        None => vec!["asking…".to_owned()],
        Some(Err(why)) => vec![why.clone()],
        Some(Ok(details)) => page(details, drill.tab, state),
    };
    let shown: Vec<Line<'_>> = lines
        .into_iter()
        .skip(drill.scroll)
        .take(usize::from(area.height.saturating_sub(1)))
        .map(|line| {
            if line.starts_with('#') {
                Line::styled(line, theme.title())
            } else {
                Line::raw(line)
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

fn page(details: &Details, tab: Tab, state: &State) -> Vec<String> {
    match tab {
        Tab::Info => details.info.clone(),
        Tab::Slow if details.slow.is_empty() => {
            vec!["no call was slower than slowlog-log-slower-than".to_owned()]
        }
        Tab::Slow => details
            .slow
            .iter()
            .map(|call| {
                let at = jiff::Timestamp::from_second(call.unix_seconds).map_or_else(
                    |_| "?".to_owned(),
                    |at| {
                        at.to_zoned(state.zone.clone())
                            .strftime("%m-%d %H:%M:%S")
                            .to_string()
                    },
                );
                let more = match call.arguments {
                    0 | 1 => String::new(),
                    many => format!(" (+{} arguments)", many - 1),
                };
                format!(
                    "{at}  {:>8} ms  {}{more}  {}",
                    human::millis(call.micros),
                    call.command,
                    call.client
                )
            })
            .collect(),
        Tab::Clients => details.clients.iter().map(|line| client(line)).collect(),
    }
}

/// The fields of a line of CLIENT LIST that a person looks for.
fn client(line: &str) -> String {
    let field = |name: &str| {
        let found = line
            .split(' ')
            .filter_map(|field| field.split_once('='))
            .find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value).to_owned()
    };
    format!(
        "{:<22} {:<12} age {:<7} idle {:<6} flags {:<3} mem {:<8} {}",
        field("addr"),
        field("name"),
        field("age"),
        field("idle"),
        field("flags"),
        field("tot-mem"),
        field("cmd")
    )
}
