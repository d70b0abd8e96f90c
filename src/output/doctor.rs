//! `doctor` for a person: a line for each check, and more where something has to be done.

use console::style;
use rcluster_core::{
    doctor::{Finding, Group, Tally, Verdict},
    text::count::count,
};
use rcluster_ops::doctor::Report;
use std::fmt::Write as _;

/// The width of the first column: `  FAIL  `.
const INDENT: usize = 8;

/// On a narrower terminal, lines are not folded.
const NARROW: usize = 50;

/// All checks by group, and how many came out how. With `all`, each check has what is wanted, and
/// why. `columns` is the width of the terminal.
pub fn report(report: &Report, all: bool, columns: Option<usize>) -> String {
    let cluster = &report.cluster;
    let running = match cluster.running {
        0 => "no node runs".to_owned(),
        1 => "1 node runs".to_owned(),
        running => format!("{running} nodes run"),
    };
    let mut text = format!(
        "{}  {running}  ({})\n",
        style(&cluster.name).bold(),
        cluster.runtime
    );
    let width = |finding: &Finding| name(finding).len();
    let width = report.checks.iter().map(width).max().unwrap_or(0);
    for group in [Group::Host, Group::Cluster, Group::Production] {
        let title = match group {
            Group::Host => "this host",
            Group::Cluster => "the nodes",
            Group::Production => "before production",
        };
        let mut checks = report
            .checks
            .iter()
            .filter(|finding| finding.group == group)
            .peekable();
        if checks.peek().is_some() {
            let _ = writeln!(text, "\n{}", style(title).bold());
        }
        for finding in checks {
            let lines = one(finding, width, all);
            for (line, indent) in lines {
                text.push_str(&folded(&line, indent, columns));
                text.push('\n');
            }
        }
    }
    let _ = writeln!(text, "\n{}", tally(&report.summary));
    text
}

/// The id without its group, which stands above.
fn name(finding: &Finding) -> &'static str {
    let text = finding.id.text();
    text.rsplit('.').next().unwrap_or(text)
}

/// The lines of a finding, each with the indent for its continuation.
fn one(finding: &Finding, width: usize, all: bool) -> Vec<(String, usize)> {
    let word = finding.verdict.word();
    let word = match finding.verdict {
        Verdict::Pass => style(word).green(),
        Verdict::Warn => style(word).yellow().bold(),
        Verdict::Fail => style(word).red().bold(),
        Verdict::Skip => style(word).dim(),
        Verdict::CouldNotCheck => style(word).magenta().bold(),
    };
    // Padded here, because the width of a styled word would count its colour codes.
    let pad = " ".repeat(6usize.saturating_sub(finding.verdict.word().len()));
    let wanting = !matches!(finding.verdict, Verdict::Pass | Verdict::Skip);
    let measured = match (finding.verdict, &finding.why) {
        (Verdict::Skip | Verdict::CouldNotCheck, Some(why)) => why,
        _ => &finding.measured,
    };
    let first = format!("  {word}{pad}{:width$}  {measured}", name(finding));
    let mut lines = vec![(first, INDENT + width + 2)];
    let mut more = |what: &str, line: Option<&String>| {
        if let Some(line) = line {
            let text = format!("{}{what} {line}", " ".repeat(INDENT));
            lines.push((text, INDENT + what.len() + 1));
        }
    };
    more("want:", Some(&finding.wanted).filter(|_| wanting || all));
    let why = finding.why.as_ref();
    more(
        "why: ",
        why.filter(|why| (wanting || all) && *why != measured),
    );
    let fix = finding.fix.as_ref().map(ToString::to_string);
    more("do:  ", fix.as_ref());
    more("would:", finding.would.as_ref());
    more("did: ", finding.fixed.as_ref());
    more("not done:", finding.declined.as_ref());
    lines
}

/// Folds a line between words; its continuation is indented.
fn folded(line: &str, indent: usize, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|columns| *columns >= NARROW) else {
        return line.to_owned();
    };
    let mut text = String::new();
    let mut used = 0;
    for (i, word) in line.split(' ').enumerate() {
        let wide = console::measure_text_width(word);
        if i > 0 && used + 1 + wide > columns && used > indent && wide > 0 {
            let _ = write!(text, "\n{}", " ".repeat(indent));
            used = indent;
        } else if i > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += wide;
    }
    text
}

fn tally(tally: &Tally) -> String {
    let Tally {
        pass,
        warn,
        fail,
        skip,
        could_not_check,
    } = *tally;
    let parts = [
        (fail, style(format!("{fail} failed")).red().bold()),
        (warn, style(count(warn, "warning")).yellow().bold()),
        (
            could_not_check,
            style(format!("{could_not_check} could not be checked")).magenta(),
        ),
        (pass, style(format!("{pass} passed")).green()),
        (skip, style(format!("{skip} skipped")).dim()),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(_, text)| text.to_string())
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_core::{
        doctor::{Id, production},
        hint::Verb,
        node::NodeName,
        spec::RuntimeKind,
    };
    use rcluster_ops::doctor::{SCHEMA, Subject};

    fn some() -> Report {
        let mut overcommit = Finding::new(
            Id::Overcommit,
            Verdict::Warn,
            "vm.overcommit_memory = 0",
            "1",
        )
        .why("the fork of a snapshot is refused")
        .fix("sudo sysctl -w vm.overcommit_memory=1");
        overcommit.declined = Some("only root may change it".to_owned());
        let checks = vec![
            Finding::skip(Id::Engine, "Docker", "nodes run as processes"),
            Finding::new(Id::Ports, Verdict::Pass, "12 ports free", "free"),
            overcommit,
            Finding::new(
                Id::Endpoints,
                Verdict::Fail,
                "node-2 announces no-such-host.invalid:7001",
                "each leads from here to the node that it names",
            )
            .why("from here, no-such-host.invalid:7001 does not answer (failed to lookup address information)")
            .fix(Verb::Doctor.with("--fix"))
            .nodes(vec![NodeName::new("node-2")]),
            production::alerting(),
        ];
        Report {
            schema: SCHEMA,
            cluster: Subject {
                name: "mine".to_owned(),
                runtime: RuntimeKind::Process,
                running: 6,
            },
            ok: false,
            summary: Tally::of(&checks),
            checks,
        }
    }

    #[test]
    fn only_what_is_wanting_has_more_than_a_line() {
        console::set_colors_enabled(false);
        insta::assert_snapshot!(report(&some(), false, None));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        console::set_colors_enabled(false);
        let text = report(&some(), true, Some(80));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            report(&some(), true, None)
                .split_whitespace()
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_document_is_the_one_that_is_promised() {
        insta::assert_json_snapshot!(some());
    }
}
