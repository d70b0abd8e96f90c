//! What is drawn: each file has one block, which is a function of the state.

mod footer;
mod help;
mod log;
mod node;
mod nodes;
mod problems;
mod totals;
mod verdict;

use super::state::{Behind, Mode, State};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::Line,
    widgets::{Block, Borders},
};

/// The smallest screen on which anything can be read.
const SMALLEST: (u16, u16) = (40, 10);

pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!("{} by {} at least, please", SMALLEST.0, SMALLEST.1);
        frame.render_widget(Line::raw(text), area);
        return;
    }
    let drill = matches!(state.mode, Mode::Drill | Mode::Help(Behind::Drill));
    if drill {
        let [verdict, node, footer] = Layout::vertical([
            Constraint::Length(verdict::HEIGHT),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        verdict::draw(frame, verdict, state);
        node::draw(frame, node, state);
        footer::draw(frame, footer, state);
    } else {
        overview(frame, area, state);
    }
    if let Mode::Help(_) = state.mode {
        help::draw(frame, area, state);
    }
}

fn overview(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let wanted = nodes::wanted_height(state);
    let problems = problems::wanted_height(state, area.height);
    // A small screen has no totals.
    let totals = if area.height >= 20 { totals::HEIGHT } else { 0 };
    let [top, sums, table, reasons, events, keys] = Layout::vertical([
        Constraint::Length(verdict::HEIGHT),
        Constraint::Length(totals),
        Constraint::Length(
            wanted.min(
                area.height
                    .saturating_sub(verdict::HEIGHT + totals + 1 + problems + 3),
            ),
        ),
        Constraint::Length(problems),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    verdict::draw(frame, top, state);
    totals::draw(frame, sums, state);
    nodes::draw(frame, table, state);
    problems::draw(frame, reasons, state);
    log::draw(frame, events, state);
    footer::draw(frame, keys, state);
}

/// A rule with a title. It takes half the lines of a box.
fn titled(title: &str, style: Style, dim: Style) -> Block<'static> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(dim)
        .title(Line::styled(format!(" {title} "), style))
}
