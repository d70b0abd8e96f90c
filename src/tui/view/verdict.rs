//! The first two lines: the cluster's state, and the counts behind it.

use crate::tui::state::{Source, State};
use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    text::{Line, Span},
    widgets::Paragraph,
};
use rcluster_core::{
    slot::SLOTS,
    text::{count::part, human},
};
use rcluster_ops::status::expected;

/// How many lines it takes.
pub(super) const HEIGHT: u16 = 2;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let theme = state.theme;
    let Some(sample) = &state.sample else {
        frame.render_widget(Line::styled("asking every node…", theme.dim()), area);
        return;
    };
    let cluster = &sample.cluster;
    let mut first = vec![
        Span::styled(cluster.name.clone(), theme.title()),
        Span::raw("  "),
        Span::styled(cluster.state.word(), theme.verdict(cluster.state.word())),
        Span::raw(format!("  {}/{SLOTS} slots served", cluster.slots_ok)),
    ];
    if state.paused {
        first.push(Span::styled("  paused", theme.warning()));
    }
    if state.source == Source::Ended {
        first.push(Span::styled("  end of the recording", theme.warning()));
    }
    let views = if cluster.views_agree {
        Span::raw("views agree")
    } else {
        Span::styled("views differ", theme.bad())
    };
    let quiet = state
        .last_change()
        .map(|then| {
            sample
                .at
                .duration_since(then)
                .as_secs()
                .max(0)
                .unsigned_abs()
        })
        .map(|seconds| format!(", unchanged for {}", human::age(seconds)))
        .unwrap_or_default();
    let nodes = sample.nodes.len();
    let up = Span::styled(
        format!("{}/{nodes} nodes up", sample.totals.up),
        if sample.totals.up < nodes {
            theme.bad()
        } else {
            ratatui::style::Style::new()
        },
    );
    let (masters, replicas) = expected(&sample.shards);
    let second = Line::from(vec![
        up,
        Span::raw(format!(
            ": {}, {}; epoch {}, ",
            part(cluster.masters, masters, "master"),
            part(cluster.replicas, replicas, "replica"),
            cluster.epoch,
        )),
        views,
        Span::raw(quiet),
    ]);
    frame.render_widget(Paragraph::new(vec![Line::from(first), second]), area);
    let clock = sample
        .at
        .to_zoned(state.zone.clone())
        .strftime("%H:%M:%S")
        .to_string();
    let mode = match state.source {
        Source::Live => "",
        Source::Replay | Source::Ended => "replay ",
    };
    let right = Line::styled(format!("{mode}{} {clock}", cluster.runtime), theme.dim());
    let line = Rect { height: 1, ..area };
    let width = u16::try_from(right.width()).unwrap_or(0).min(area.width);
    let corner = Rect {
        x: line.right().saturating_sub(width),
        width,
        ..line
    };
    frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), corner);
}
