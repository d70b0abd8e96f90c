//! What `config` shows.

use super::{
    result::show,
    screen::{Screen, tell},
};
use rcluster_core::{
    config::table::{Apart, Differences, Directive, Held, Listing, Silent},
    error::Result,
    node::NodeName,
    text::count::count,
};
use rcluster_ops::config::Outcome;
use std::fmt::Write as _;

/// `config get`.
pub fn listing(screen: Screen, listing: &Listing) -> Result<()> {
    show(screen, &table(&listing.directives), listing)?;
    silent(screen, &listing.silent);
    Ok(())
}

/// `config diff`.
pub fn differences(screen: Screen, found: &Differences) -> Result<()> {
    show(screen, &compared(found), found)?;
    silent(screen, &found.silent);
    Ok(())
}

/// `config set`.
pub fn set(screen: Screen, outcome: &Outcome) -> Result<()> {
    show(screen, &done(outcome), outcome)
}

fn silent(screen: Screen, nodes: &[Silent]) {
    for Silent { node, why } in nodes.iter().filter(|_| !screen.json) {
        tell(&format!("no answer from {node}: {why}"));
    }
}

fn done(outcome: &Outcome) -> String {
    let Outcome {
        name,
        value,
        nodes,
        changes,
        remembered,
        lasts,
        ..
    } = outcome;
    let mut text = match changes {
        0 => format!("{name} is {} already, 0 changes\n", quoted(value)),
        _ => {
            let all = count(nodes.len(), "node");
            format!("{name} is {} on {all}, {changes} changed\n", quoted(value))
        }
    };
    let mut changed: Vec<(String, Vec<NodeName>)> = Vec::new();
    for node in nodes.iter().filter(|node| node.before != node.after) {
        let change = format!("{} → {}", quoted(&node.before), quoted(&node.after));
        match changed.iter_mut().find(|(known, _)| *known == change) {
            Some((_, nodes)) => nodes.push(node.node.clone()),
            None => changed.push((change, vec![node.node.clone()])),
        }
    }
    for (change, nodes) in changed {
        let _ = writeln!(text, "  {change}  {}", named(&nodes));
    }
    if let Some(place) = remembered {
        let _ = writeln!(text, "remembered in {place}");
    }
    if let Some(lasts) = lasts {
        let _ = writeln!(text, "{lasts}");
    }
    text
}

fn compared(found: &Differences) -> String {
    let mut text = String::new();
    if !found.between.is_empty() {
        text.push_str("between nodes\n");
        text.push_str(&indented(&table(&found.between)));
    }
    match &found.from_spec {
        Some(apart) if !apart.is_empty() => {
            text.push_str("from the spec\n");
            text.push_str(&indented(&from_spec(apart)));
        }
        _ if found.between.is_empty() => {
            let spec = found
                .from_spec
                .as_ref()
                .map_or("", |_| " nor from the spec");
            return format!("nothing differs between nodes{spec}\n");
        }
        _ => {}
    }
    let _ = writeln!(text, "do: {}", found.hint);
    text
}

fn from_spec(apart: &[Apart]) -> String {
    let row = |it: &Apart| {
        let wants = it.wants.as_ref();
        let wants = wants.map_or_else(|| "Redis's default".to_owned(), |value| quoted(value));
        let restart = if it.restart { " (restart)" } else { "" };
        [
            it.name.clone(),
            it.has.as_ref().map_or("?".to_owned(), |has| quoted(has)),
            wants + restart,
            named(&it.nodes),
        ]
    };
    rows(["DIRECTIVE", "HAS", "SPEC", "NODES"], apart.iter().map(row))
}

/// A row for each directive, or for each value of it.
fn table(directives: &[Directive]) -> String {
    let row = |directive: &Directive, held: &Held| {
        let value = held.value.as_ref();
        let nodes = if directive.agree && held.nodes.len() > 1 {
            format!("all {}", count(held.nodes.len(), "node"))
        } else {
            named(&held.nodes)
        };
        let value = value.map_or("not known there".to_owned(), |value| quoted(value));
        [directive.name.clone(), value, nodes]
    };
    let all = directives.iter().flat_map(|directive| {
        directive
            .values
            .iter()
            .map(move |held| row(directive, held))
    });
    rows(["DIRECTIVE", "VALUE", "NODES"], all)
}

/// Columns that are as wide as they have to be.
fn rows<const N: usize>(head: [&str; N], all: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(all);
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn named(nodes: &[NodeName]) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(", ")
}

/// An empty value, and one with a line end, are seen for what they are.
fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains(char::is_control) {
        format!("{value:?}")
    } else {
        value.to_owned()
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .fold(String::new(), |all, line| all + "  " + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_directive_or_for_each_value() {
        let held = |value: Option<&str>, nodes: &[&str]| Held {
            value: value.map(str::to_owned),
            nodes: nodes.iter().map(|node| NodeName::new(*node)).collect(),
        };
        let directive = |name: &str, values: Vec<Held>| Directive {
            name: name.to_owned(),
            agree: values.len() == 1,
            secret: false,
            values,
        };
        let all = ["node-1", "node-2", "node-3"];
        let text = table(&[
            directive("hz", vec![held(Some("10"), &all)]),
            directive(
                "save",
                vec![held(Some(""), &all[..2]), held(None, &all[2..])],
            ),
        ]);
        assert_eq!(
            text,
            "DIRECTIVE  VALUE            NODES\n\
             hz         10               all 3 nodes\n\
             save       \"\"               node-1, node-2\n\
             save       not known there  node-3\n"
        );
    }
}
