//! What `call` shows: the answers side by side if they are short, else one below the other.

use super::{result::show, screen::Screen};
use console::style;
use rcluster_core::{
    call::{Answers, Outcome},
    error::Result,
    node::NodeName,
};
use serde_json::json;
use std::fmt::Write as _;

/// The longest answer that stands beside others.
const SHORT: usize = 60;

/// What would be sent, and to whom.
pub fn outline(screen: Screen, command: &str, nodes: &[String], asks: Option<&str>) -> Result<()> {
    let mut text = format!("would send `{command}` to {}\n", nodes.join(", "));
    if let Some(why) = asks {
        let _ = writeln!(text, "it would be asked for first: {why}");
    }
    let document = json!({
        "schema": 1,
        "command": command,
        "nodes": nodes,
        "asks": asks,
    });
    show(screen, &text, &document)
}

/// What was answered.
pub fn answers(screen: Screen, answers: &Answers) -> Result<()> {
    show(screen, &text(answers), answers)
}

fn text(answers: &Answers) -> String {
    let all = answers.answers.len();
    let groups: Vec<(String, String, bool)> = answers
        .groups()
        .into_iter()
        .map(|(nodes, outcome)| (named(&nodes, all), said(outcome), outcome.is_fine()))
        .collect();
    let short = |text: &str| !text.contains('\n') && text.chars().count() <= SHORT;
    let mut text = String::new();
    if groups.iter().all(|(_, said, _)| short(said)) {
        let width = groups.iter().map(|(nodes, ..)| nodes.chars().count());
        let width = width.max().unwrap_or(0);
        for (nodes, said, fine) in groups {
            let _ = writeln!(text, "{nodes:<width$}  {}", painted(&said, fine));
        }
        return text;
    }
    for (i, (nodes, said, fine)) in groups.iter().enumerate() {
        let gap = if i == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{}", style(format!("{nodes}:")).bold());
        let _ = writeln!(text, "{}", painted(said, *fine));
    }
    text
}

/// `node-1, node-2`, or `all 6 nodes`.
fn named(nodes: &[&NodeName], all: usize) -> String {
    if nodes.len() == all && all > 1 {
        return format!("all {all} nodes");
    }
    let names: Vec<&str> = nodes.iter().map(|node| node.as_str()).collect();
    names.join(", ")
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(reply) => reply.text(),
        Outcome::Silent(why) => format!("no answer: {why}"),
    }
}

fn painted(said: &str, fine: bool) -> String {
    if fine {
        said.to_owned()
    } else {
        style(said).red().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_core::call::{Answer, reply::Reply};

    fn answers(said: &[(&str, Outcome)]) -> Answers {
        let answer = |(node, value): &(&str, Outcome)| Answer {
            node: NodeName::new(*node),
            ok: value.is_fine(),
            value: value.clone(),
        };
        Answers {
            schema: 1,
            cluster: "a".into(),
            command: vec!["X".into()],
            answers: said.iter().map(answer).collect(),
        }
    }

    #[test]
    fn short_answers_are_side_by_side_and_long_ones_below_headings() {
        console::set_colors_enabled(false);
        let bulk = |text: &str| Outcome::Answered(Reply::Bulk(text.into()));
        let short = answers(&[
            ("node-1", bulk("a")),
            ("node-2", Outcome::Silent("it is stopped".into())),
            ("node-3", bulk("a")),
        ]);
        assert_eq!(
            text(&short),
            "node-1, node-3  a\nnode-2          no answer: it is stopped\n"
        );
        let long = answers(&[("node-1", bulk("a\nb")), ("node-2", bulk("c"))]);
        assert_eq!(text(&long), "node-1:\na\nb\n\nnode-2:\nc\n");
        let same = answers(&[("node-1", bulk("a")), ("node-2", bulk("a"))]);
        assert_eq!(text(&same), "all 2 nodes  a\n");
    }
}
