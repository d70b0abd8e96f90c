//! `doctor` for a person: a line for each check, and more only where something is to be done.

use crate::{
    model::count::count,
    ops::doctor::Report,
    plan::doctor::{Finding, Group, Tally, Verdict},
};
use console::style;
use std::fmt::Write as _;

/// Before the second column: `  FAIL  `.
const INDENT: &str = "        ";

/// All checks, by group, and how many came out how. `all`: with what is wanted, and why, of all.
pub fn report(report: &Report, all: bool) -> String {
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
            one(&mut text, finding, width, all);
        }
    }
    let _ = writeln!(text, "\n{}", tally(&report.summary));
    text
}

/// Its group is above it.
fn name(finding: &Finding) -> &'static str {
    let text = finding.id.text();
    text.rsplit('.').next().unwrap_or(text)
}

fn one(text: &mut String, finding: &Finding, width: usize, all: bool) {
    let word = finding.verdict.word();
    let word = match finding.verdict {
        Verdict::Pass => style(word).green(),
        Verdict::Warn => style(word).yellow().bold(),
        Verdict::Fail => style(word).red().bold(),
        Verdict::Skip => style(word).dim(),
        Verdict::CouldNotCheck => style(word).magenta().bold(),
    };
    // Padded by hand: the width of a styled word counts its colours.
    let pad = " ".repeat(6usize.saturating_sub(finding.verdict.word().len()));
    let wanting = !matches!(finding.verdict, Verdict::Pass | Verdict::Skip);
    let measured = match (finding.verdict, &finding.why) {
        (Verdict::Skip | Verdict::CouldNotCheck, Some(why)) => why,
        _ => &finding.measured,
    };
    let _ = writeln!(text, "  {word}{pad}{:width$}  {measured}", name(finding));
    let mut more = |what: &str, line: &str| {
        let _ = writeln!(text, "{INDENT}{what} {line}");
    };
    if wanting || all {
        more("want:", &finding.wanted);
    }
    if let Some(why) = &finding.why
        && (wanting || all)
        && why != measured
    {
        more("why: ", why);
    }
    if let Some(fix) = &finding.fix {
        more("do:  ", fix);
    }
    if let Some(did) = &finding.fixed {
        more("did: ", did);
    }
    if let Some(declined) = &finding.declined {
        more("not done:", declined);
    }
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
