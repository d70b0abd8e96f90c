//! All nodes together: memory, hits, traffic, skew; and two curves, of commands and of probes.

use super::titled;
use crate::{grid::whole, tui::state::State};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Paragraph, Sparkline},
};
use rcluster_core::text::human;
use rcluster_ops::monitor::sample::Sample;

/// How many lines it takes.
pub(super) const HEIGHT: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let Some(sample) = &state.sample else {
        return;
    };
    if area.height < 2 {
        return;
    }
    let [left, middle, right] = Layout::horizontal([
        Constraint::Length(35),
        Constraint::Fill(2),
        Constraint::Fill(3),
    ])
    .spacing(2)
    .areas(area);
    sums(frame, left, state, sample);
    let ops = sample.totals.rates.map_or_else(
        || "ops/s -".to_owned(),
        |rates| format!("ops/s {}", human::number(whole(rates.ops_per_sec))),
    );
    let points =
        |of: fn(&crate::tui::state::Point) -> u64| state.history.iter().map(of).collect::<Vec<_>>();
    curve(frame, middle, state, &ops, &points(|point| point.ops));
    let probe = sample.totals.probe.map_or_else(
        || "ping -".to_owned(),
        |probe| {
            format!(
                "p50 {} p99 {} ms",
                human::millis(probe.p50_us),
                human::millis(probe.p99_us)
            )
        },
    );
    let slowest = points(|point| point.slowest_us);
    curve(frame, right, state, &probe, &slowest);
}

fn sums(frame: &mut Frame<'_>, area: Rect, state: &State, sample: &Sample) {
    let theme = state.theme;
    let block = titled("all nodes", theme.title(), theme.dim());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let totals = &sample.totals;
    let label = |text: &'static str| Span::styled(format!("{text:<7}"), theme.dim());
    let memory = match totals.memory_max_bytes {
        0 => human::bytes(totals.memory_used_bytes),
        max => {
            let share = ratio(totals.memory_used_bytes, max);
            format!(
                "{}/{} ({share}), {} key{}",
                human::bytes(totals.memory_used_bytes),
                human::bytes(max),
                human::number(totals.keys),
                if totals.keys == 1 { "" } else { "s" }
            )
        }
    };
    let rates = totals.rates;
    let dash = || "-".to_owned();
    let hits = rates
        .and_then(|rates| rates.hit_ratio)
        .map_or_else(dash, human::percent);
    let net = rates.map_or_else(dash, |rates| {
        format!(
            "in {}/s out {}/s",
            human::bytes(whole(rates.net_in_bytes_per_sec)),
            human::bytes(whole(rates.net_out_bytes_per_sec))
        )
    });
    let skew = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.2}"));
    let lag = match (totals.lag_bytes, totals.lag_seconds) {
        (Some(bytes), Some(seconds)) => {
            format!("{} {}", human::bytes(bytes), human::age(seconds))
        }
        (Some(bytes), None) => human::bytes(bytes),
        _ => dash(),
    };
    let lines = vec![
        Line::from(vec![label("memory"), Span::raw(memory)]),
        Line::from(vec![
            label("hits"),
            Span::raw(format!("{hits:<7}")),
            Span::styled("lag ≤ ", theme.dim()),
            Span::raw(lag),
        ]),
        Line::from(vec![label("net"), Span::raw(net)]),
        Line::from(vec![
            label("skew"),
            Span::raw(format!(
                "mem {} keys {} ops {}",
                skew(sample.skew.memory),
                skew(sample.skew.keys),
                skew(sample.skew.ops)
            )),
        ]),
    ];
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Draws the last points, as many as fit, the newest on the right.
fn curve(frame: &mut Frame<'_>, area: Rect, state: &State, title: &str, points: &[u64]) {
    let block = titled(title, state.theme.title(), state.theme.dim());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width);
    let skip = points.len().saturating_sub(width);
    let empty = width.saturating_sub(points.len());
    let mut shown = vec![0; empty];
    shown.extend(&points[skip..]);
    frame.render_widget(
        Sparkline::default().data(shown).style(state.theme.curve()),
        inner,
    );
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn ratio(part: u64, whole: u64) -> String {
    format!("{:.0}%", part as f64 * 100.0 / whole as f64)
}
