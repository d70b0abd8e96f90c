//! `monitor` without a screen: a line or a JSON document for each sample, with its events.

use super::screen::{Reader, Screen, print_to};
use console::style;
use rcluster_core::{
    error::{Error, Result},
    judge as health,
    monitor::told::Level,
    slot::SLOTS,
    text::human,
};
use rcluster_ops::monitor::sample::Sample;
use std::fmt::Write as _;

/// Shows a sample.
pub fn show(screen: Screen, sample: &Sample) -> Result<Reader> {
    if screen.json {
        let mut line = serde_json::to_string(sample)
            .map_err(|error| Error::failed("writing JSON").source(error))?;
        line.push('\n');
        return put(&line);
    }
    put(&text(sample, &jiff::tz::TimeZone::system()))
}

fn put(text: &str) -> Result<Reader> {
    print_to(text).map_err(|error| Error::failed("writing to stdout").source(error))
}

/// The line, and the events below it.
pub fn text(sample: &Sample, zone: &jiff::tz::TimeZone) -> String {
    let cluster = &sample.cluster;
    let totals = &sample.totals;
    let word = match cluster.state.word() {
        "ok" => style("ok").green(),
        "degraded" => style("degraded").yellow().bold(),
        word => style(word).red().bold(),
    };
    let time = sample.at.to_zoned(zone.clone()).strftime("%H:%M:%S");
    let mut text = format!(
        "{time} {word} {}/{SLOTS} slots, {}/{} nodes, epoch {}, {}",
        cluster.slots_ok,
        totals.up,
        sample.nodes.len(),
        cluster.epoch,
        human::bytes(totals.memory_used_bytes),
    );
    if let Some(rates) = totals.rates {
        let hits = rates.hit_ratio.map_or("-".to_owned(), human::percent);
        let _ = write!(
            text,
            ", {:.0} ops/s, hit {hits}, in {}/s out {}/s",
            rates.ops_per_sec,
            human::bytes(whole(rates.net_in_bytes_per_sec)),
            human::bytes(whole(rates.net_out_bytes_per_sec)),
        );
    }
    if let Some(probe) = totals.probe {
        let _ = write!(
            text,
            ", ping p50 {} p99 {} ms",
            human::millis(probe.p50_us),
            human::millis(probe.p99_us)
        );
    }
    if let Some(bytes) = totals.lag_bytes {
        let _ = write!(text, ", lag {}", human::bytes(bytes));
    }
    if let Some(worst) = health::worst(&sample.problems) {
        let _ = write!(text, ": {worst}");
    }
    text.push('\n');
    for event in &sample.events {
        let kind = event.kind.word();
        let kind = match event.level {
            Level::Good => style(kind).green(),
            Level::Info => style(kind),
            Level::Warning => style(kind).yellow(),
            Level::Error => style(kind).red(),
        };
        let _ = writeln!(text, "{time} * {kind}: {}", event.text);
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^63"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}
