//! What `check` and `fix` show.

use super::{
    result::show,
    screen::{Screen, tell},
    table,
};
use rcluster_core::{error::Result, plan::step::Plan, text::count::count};
use rcluster_ops::{
    fix::run::{Done, Outline},
    status::Status,
};
use std::fmt::Write as _;

/// The verdict, and what was found.
pub fn check(status: &Status) -> String {
    let mut text = table::verdict(status) + "\n";
    if status.problems.is_empty() {
        text.push_str("nothing found\n");
    } else {
        text.push_str(&table::problems(&status.problems));
        text.push('\n');
    }
    text
}

/// What would be done.
pub fn outline(screen: Screen, outline: &Outline) -> Result<()> {
    let mut text = plan(&outline.plan);
    for note in &outline.plan.notes {
        let _ = writeln!(text, "{note}");
    }
    if let Some(loss) = &outline.loss {
        let _ = writeln!(text, "asks first: {loss}");
    }
    show(screen, &text, outline)
}

/// What is about to be done.
pub fn announce(screen: Screen, outline: &Outline) {
    if !screen.quiet && !screen.json && !outline.plan.is_empty() {
        tell(plan(&outline.plan).trim_end());
    }
}

fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.is_empty() {
        text.push_str("nothing to fix\n");
    }
    for stage in &plan.stages {
        let _ = writeln!(text, "{}", stage.title);
        for step in &stage.steps {
            let _ = writeln!(text, "  {step}");
        }
    }
    text
}

/// What was done, and what is left.
pub fn done(screen: Screen, done: &Done) -> Result<()> {
    let number = |keys: u64| count(usize::try_from(keys).unwrap_or(usize::MAX), "key");
    let mut text = match done.changes {
        0 => "nothing to fix\n".to_owned(),
        changes => format!("{} done\n", count(changes, "step")),
    };
    if done.keys_moved > 0 {
        let _ = writeln!(
            text,
            "  {} went to the owners of their slots",
            number(done.keys_moved)
        );
    }
    if done.keys_equal > 0 {
        let _ = writeln!(
            text,
            "  {} lay in two nodes, with equal values",
            number(done.keys_equal)
        );
    }
    if let Some(path) = &done.kept_in {
        let _ = writeln!(
            text,
            "  {} lay in two nodes, with different values; those that clients were not served are in {}",
            number(done.keys_differing),
            path.display()
        );
    }
    if let Some(command) = &done.given_up {
        let _ = writeln!(
            text,
            "  `{command}`, which was begun before, is given up: none of its slots is open any more"
        );
    }
    if !done.problems.is_empty() {
        let _ = write!(text, "left:{}", table::problems(&done.problems));
        text.push('\n');
    }
    show(screen, &text, done)
}
