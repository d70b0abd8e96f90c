//! The problems with their reasons, the worst first.

use super::titled;
use crate::tui::state::State;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};
use rcluster_core::text::count::count;

/// How many lines it needs: one for each problem, but at most a quarter of the screen.
pub(super) fn wanted_height(state: &State, screen: u16) -> u16 {
    let problems = state
        .sample
        .as_ref()
        .map_or(0, |sample| sample.problems.len());
    match u16::try_from(problems).unwrap_or(u16::MAX) {
        0 => 0,
        lines => lines.saturating_add(1).min((screen / 6).max(3)),
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let Some(sample) = &state.sample else {
        return;
    };
    if area.height == 0 {
        return;
    }
    let theme = state.theme;
    let title = count(sample.problems.len(), "problem");
    let block = titled(&title, theme.bad(), theme.dim());
    let inner = block.inner(area);
    let lines: Vec<Line<'_>> = sample
        .problems
        .iter()
        .take(usize::from(inner.height))
        .map(|problem| {
            // A sentence that names the node needs no name in front of it, and a reason that
            // repeats the sentence is left out.
            let who = match &problem.node {
                Some(node)
                    if !problem.what.contains(node.as_str())
                        && !problem.what.starts_with("slots ") =>
                {
                    format!("{node} ")
                }
                _ => String::new(),
            };
            let what = format!("{who}{}", problem.what);
            if problem.why.starts_with(&what) {
                return Line::styled(problem.why.clone(), theme.bad());
            }
            let why = match &problem.node {
                Some(node) => problem.why.strip_prefix(&format!("{node} ")),
                None => None,
            };
            Line::from(vec![
                Span::styled(what, theme.bad()),
                Span::styled(format!(": {}", why.unwrap_or(&problem.why)), theme.dim()),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
