//! The end of a command: a few lines for a person, a document for a program.

use super::{
    progress::Progress,
    screen::{Screen, print, seconds},
    table,
};
use console::style;
use rcluster_core::{
    error::{Error, Result},
    node::Endpoint,
    plan::step::Plan,
    spec::{Access, launch::Launch},
    text::{count::count, human},
};
use rcluster_ops::{image, init, up::Outcome};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Prints text, or the document with `--json`.
pub fn show(screen: Screen, text: &str, document: &impl Serialize) -> Result<()> {
    if screen.json {
        return json(document);
    }
    if screen.quiet {
        return Ok(());
    }
    put(text)
}

/// Prints a document.
pub fn json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Error::failed("writing JSON").source(error))?;
    put(&(text + "\n"))
}

/// Prints text as it is.
pub fn put(text: &str) -> Result<()> {
    print(text).map_err(|error| Error::failed("writing to stdout").source(error))
}

/// The end of `up`, `start`, `init`, `restart`, `reset`.
pub fn up(
    screen: Screen,
    launch: &Launch,
    outcome: &Outcome,
    progress: &Progress,
    verb: &str,
) -> Result<()> {
    progress.finish();
    let elapsed = progress.elapsed();
    let document = json!({
        "schema": 1,
        "cluster": launch.name,
        "runtime": launch.runtime,
        "changes": outcome.changes,
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "masters": outcome.masters,
        "endpoints": outcome.endpoints,
        "formed": outcome.formed,
        "phases": progress.phases(),
    });
    let mut text = match (verb, outcome.changes) {
        ("up", 0) => format!("{} already up, 0 changes\n", style(&launch.name).bold()),
        _ => format!(
            "{} {}: {} of {} in {}\n",
            style(&launch.name).bold(),
            style(past(verb, outcome.formed)).green(),
            count(usize::from(launch.shards), "shard"),
            count(usize::from(launch.replicas) + 1, "node"),
            seconds(elapsed),
        ),
    };
    if !outcome.masters.is_empty() {
        let _ = writeln!(text, "  endpoints  {}", joined(&reach(launch, outcome)));
    }
    if screen.verbose > 0 {
        text.push_str(&table::phases(&progress.phases(), elapsed));
    }
    if outcome.changes > 0 || verb != "up" {
        text.push_str(&next(launch, outcome, verb));
    }
    show(screen, &text, &document)
}

fn past(verb: &str, formed: bool) -> &'static str {
    match verb {
        "start" if formed => "started",
        "start" => "started, not formed",
        "init" => "formed",
        "restart" => "restarted",
        "reset" => "reset",
        _ => "up",
    }
}

/// The endpoints that clients are told.
fn reach(launch: &Launch, outcome: &Outcome) -> Vec<Endpoint> {
    match launch.access {
        Access::Host => outcome.endpoints.clone(),
        _ => outcome.masters.clone(),
    }
}

fn joined(endpoints: &[Endpoint]) -> String {
    let shown: Vec<String> = endpoints.iter().take(12).map(ToString::to_string).collect();
    let more = endpoints.len().saturating_sub(shown.len());
    match more {
        0 => shown.join(" "),
        _ => format!("{} and {more} more", shown.join(" ")),
    }
}

fn next(launch: &Launch, outcome: &Outcome, verb: &str) -> String {
    let name = named(launch);
    if verb == "start" {
        let next = if outcome.formed { "status" } else { "init" };
        return format!("\nnext: rcluster {next}{name}\n");
    }
    let mut text = "\nnext:\n".to_owned();
    if let Some(first) = reach(launch, outcome).first() {
        let _ = writeln!(text, "  redis-cli -c -h {} -p {}", first.host, first.port);
    }
    let _ = writeln!(text, "  rcluster status{name}");
    let _ = writeln!(text, "  rcluster down{name} --volumes");
    text
}

/// A plan, for `--dry-run`.
pub fn plan(screen: Screen, plan: &Plan) -> Result<()> {
    let mut text = String::new();
    if plan.is_empty() {
        text.push_str("nothing to do\n");
    }
    text.push_str(&stages(plan));
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let mut document = serde_json::to_value(plan).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut document {
        fields.insert("schema".to_owned(), json!(1));
    }
    show(screen, &text, &document)
}

/// The stages of a plan with their steps and goals.
pub fn stages(plan: &Plan) -> String {
    let mut text = String::new();
    for stage in &plan.stages {
        let _ = writeln!(text, "{}", style(&stage.title).bold());
        for step in &stage.steps {
            let _ = writeln!(text, "  {step}");
        }
        if let Some(what) = stage.until.words() {
            let _ = writeln!(text, "  wait: {what}");
        }
    }
    text
}

/// The end of `init --seed`.
pub fn formed(screen: Screen, outcome: &init::Outcome, progress: &Progress) -> Result<()> {
    progress.finish();
    let elapsed = progress.elapsed();
    let document = json!({
        "schema": 1,
        "changes": outcome.changes,
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "masters": outcome.masters,
        "phases": progress.phases(),
    });
    let mut text = match outcome.changes {
        0 => "already formed, 0 changes\n".to_owned(),
        _ => format!("{} in {}\n", style("formed").green(), seconds(elapsed)),
    };
    let _ = writeln!(text, "  masters  {}", joined(&outcome.masters));
    if screen.verbose > 0 {
        text.push_str(&table::phases(&progress.phases(), elapsed));
    }
    if let Some(first) = outcome.masters.first() {
        let _ = write!(text, "\nnext:\n  rcluster status --seed {first}\n");
    }
    show(screen, &text, &document)
}

/// The end of `stop`.
pub fn stopped(screen: Screen, launch: &Launch, nodes: usize, progress: &Progress) -> Result<()> {
    progress.finish();
    let text = match nodes {
        0 => format!("{} already stopped, 0 changes\n", launch.name),
        _ => format!(
            "{} stopped: {} in {}\n\nnext: rcluster up{}\n",
            launch.name,
            count(nodes, "node"),
            seconds(progress.elapsed()),
            named(launch)
        ),
    };
    show(
        screen,
        &text,
        &json!({"schema": 1, "cluster": launch.name, "changes": nodes}),
    )
}

/// The end of `down`.
pub fn removed(
    screen: Screen,
    launch: &Launch,
    nodes: usize,
    volumes: bool,
    progress: &Progress,
) -> Result<()> {
    progress.finish();
    let data = if volumes {
        "data deleted".to_owned()
    } else {
        format!("data kept: `rcluster up{}` brings it back", named(launch))
    };
    let text = format!(
        "{} down: {} removed, {data}\n",
        launch.name,
        count(nodes, "node")
    );
    let document =
        json!({"schema": 1, "cluster": launch.name, "changes": nodes, "data_deleted": volumes});
    show(screen, &text, &document)
}

fn named(launch: &Launch) -> String {
    match launch.name.as_str() {
        "rcluster" => String::new(),
        name => format!(" -c {name}"),
    }
}

/// The end of `image build`.
pub fn image_built(screen: Screen, built: &image::BuiltImage) -> Result<()> {
    let text = format!(
        "{} built: Redis {}, {}\n\nnext:\n  rcluster up --runtime docker --image {0}\n",
        built.image,
        built.redis_version,
        human::bytes(built.size_bytes)
    );
    show(screen, &text, &json!({"schema": 1, "image": built}))
}

/// The end of `image check`.
pub fn image_checked(screen: Screen, check: &image::ImageCheck) -> Result<()> {
    let version = check.redis_version.as_deref().unwrap_or("not known");
    let text = match (check.present, check.usable()) {
        (false, _) => format!("{}: not on this engine\n", check.image),
        (true, true) => format!(
            "{}: ok, Redis {version}, {}\n",
            check.image,
            human::bytes(check.size_bytes)
        ),
        (true, false) => format!(
            "{}: Redis {version}, lacks {}\n",
            check.image,
            check.lacks.join(", ")
        ),
    };
    show(screen, &text, &json!({"schema": 1, "check": check}))
}
