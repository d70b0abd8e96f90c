//! What `reshard` and `rebalance` show: a line for each master, before and after.

use super::{
    result::show,
    screen::{Screen, seconds},
};
use rcluster_core::{
    error::Result,
    reshape::outline::{Done, Outline, Share},
    text::{count::count, human},
};
use std::{fmt::Write as _, time::Duration};

/// What would move.
pub fn outline(screen: Screen, outline: &Outline) -> Result<()> {
    let mut text = String::new();
    if outline.plan.is_empty() {
        text.push_str("nothing to move\n");
    } else {
        let slots = usize::try_from(outline.slots).unwrap_or(usize::MAX);
        let keys = usize::try_from(outline.keys).unwrap_or(usize::MAX);
        let _ = writeln!(
            text,
            "{} with {} (about {}) would move",
            count(slots, "slot"),
            count(keys, "key"),
            human::bytes(outline.bytes)
        );
    }
    for (before, after) in outline.before.iter().zip(&outline.after) {
        let _ = writeln!(
            text,
            "  {:<20} {:>5} → {:>5} slots  {:>9} → {:>9} keys",
            before.master.as_str(),
            before.slot_count,
            after.slot_count,
            before.keys,
            after.keys
        );
    }
    for step in outline.plan.stages.iter().flat_map(|stage| &stage.steps) {
        let _ = writeln!(text, "  {step}");
    }
    show(screen, &text, outline)
}

/// What has moved.
pub fn done(screen: Screen, done: &Done) -> Result<()> {
    let slots = usize::try_from(done.slots).unwrap_or(usize::MAX);
    let keys = usize::try_from(done.keys).unwrap_or(usize::MAX);
    let mut text = match (done.slots, done.complete) {
        (0, true) => "nothing to move\n".to_owned(),
        _ => format!(
            "{} with {} moved in {}\n",
            count(slots, "slot"),
            count(keys, "key"),
            seconds(Duration::from_millis(done.elapsed_ms))
        ),
    };
    if !done.complete {
        text.push_str("interrupted: the same command goes on from here\n");
    }
    for share in &done.after {
        let Share {
            master,
            slot_count,
            keys,
            ..
        } = share;
        let _ = writeln!(
            text,
            "  {:<20} {slot_count:>5} slots  {keys:>9} keys",
            master.as_str()
        );
    }
    show(screen, &text, done)
}
