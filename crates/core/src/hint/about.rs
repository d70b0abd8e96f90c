//! For whose nodes a hint is written out, so that its commands can be typed as they stand.

use super::{Command, Elsewhere, Hint, Next, Part, START_THEM, Target};
use crate::spec::RuntimeKind;

/// The cluster that commands are about if nothing else is said.
const DEFAULT: &str = "rcluster";

/// What goes before every command.
const PROGRAM: &str = "`rcluster ";

/// What only whoever started the nodes can do: how a clause begins, and what to say instead.
const ELSEWHERE: [(&str, &str); 2] = [
    (
        "`rcluster up` applies",
        "set it with CONFIG SET and in the redis.conf of each node",
    ),
    (
        "`rcluster up`",
        "start or thaw what is down where it runs: rcluster did not start it",
    ),
];

/// How a setting gets to nodes that a spec describes, and to others.
const SETTING: (&str, &str) = (
    "under `redis:` in the spec, then `rcluster up`",
    "with CONFIG SET and in the redis.conf of each node",
);

/// What is about no cluster, or about one of its own.
const FOR_NONE: [&str; 7] = [
    "completions",
    "image",
    "list",
    "man",
    "new",
    "run ",
    "schema",
];

/// What takes seeds.
const FOR_SEEDS: [&str; 6] = ["status", "monitor", "test", "doctor`", "env", "key"];

/// Whose nodes a hint is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Those of the cluster of that name, which rcluster started.
    Ours(String),
    /// Those of the cluster that a spec describes.
    File(String),
    /// Those behind a seed.
    Seed(String),
}

impl Default for About {
    fn default() -> Self {
        About::Ours(DEFAULT.to_owned())
    }
}

impl About {
    /// The cluster that is called so, or was asked through it.
    pub fn of(name: &str, runtime: RuntimeKind) -> Self {
        if runtime.capabilities().start {
            About::Ours(name.to_owned())
        } else {
            About::Seed(name.to_owned())
        }
    }

    /// Everything that can be done about these nodes, in one line.
    pub fn line(&self, hint: &Hint) -> String {
        let lines: Vec<String> = hint.iter().filter_map(|next| self.next(next)).collect();
        lines.join("; ")
    }

    /// One thing to do, in commands that are about these nodes; none if only whoever started them
    /// can do it.
    pub fn next(&self, next: &Next) -> Option<String> {
        if let About::Seed(_) = self {
            match &next.elsewhere {
                Elsewhere::Nothing => return None,
                Elsewhere::Instead(text) => return Some(text.to_string()),
                Elsewhere::Same if matches!(&next.parts[..], [Part::Text(_)]) => {}
                Elsewhere::Same if next.takes_seeds() => {}
                Elsewhere::Same => return next.begins_with_up().then(|| START_THEM.to_owned()),
            }
        }
        let written = next.parts.iter().map(|part| match part {
            Part::Text(text) => self.hint(text),
            Part::Command(command) => format!("`{}`", self.typed(command)),
        });
        Some(written.collect()).filter(|text: &String| !text.is_empty())
    }

    /// What is typed for this command about these nodes: `rcluster -c demo env`.
    pub fn typed(&self, command: &Command) -> String {
        let mut words = vec!["rcluster".to_owned()];
        let is_default = |about: &About| matches!(about, About::Ours(name) if name == DEFAULT);
        match command.about.as_ref().unwrap_or(self) {
            _ if command.verb.target() == Target::Nothing => {}
            about if command.about.is_none() && is_default(about) => {}
            About::Ours(name) => words.push(format!("-c {name}")),
            About::File(path) => words.push(format!("-f {path}")),
            About::Seed(seed) => words.push(format!("--seed {seed}")),
        }
        words.push(command.verb.word().to_owned());
        if !command.args.is_empty() {
            words.push(command.args.to_string());
        }
        words.join(" ")
    }

    /// The hint, in commands that are about these nodes. Goes when no command is written into a
    /// text any more.
    fn hint(&self, text: &str) -> String {
        match self {
            About::Ours(name) if name == DEFAULT => text.to_owned(),
            About::Ours(name) => with(text, &format!("-c {name}")),
            About::File(path) => with(text, &format!("-f {path}")),
            About::Seed(seed) => with(&elsewhere(text), &format!("--seed {seed}")),
        }
    }
}

/// Every command of a hint with these words, but for those that say whom they are about, or are
/// about nobody.
fn with(text: &str, words: &str) -> String {
    let mut parts = text.split(PROGRAM);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let command = part.split('`').next().unwrap_or_default();
        let named = [" -c ", "--cluster", " -f ", "--seed"]
            .iter()
            .any(|flag| command.contains(flag));
        whole.push_str(PROGRAM);
        let about_none = FOR_NONE.iter().any(|verb| command.starts_with(verb));
        if !named && !about_none {
            whole.push_str(words);
            whole.push(' ');
        }
        whole.push_str(part);
    }
    whole
}

fn elsewhere(text: &str) -> String {
    let text = text.replace(SETTING.0, SETTING.1);
    let clauses = text.split("; ").filter_map(|clause| {
        let mut table = ELSEWHERE.iter();
        match table.find(|(ours, _)| clause.starts_with(ours)) {
            Some((_, theirs)) => Some(*theirs),
            None => takes_seeds(clause).then_some(clause),
        }
    });
    clauses.collect::<Vec<_>>().join("; ")
}

/// Whether nothing in it is for clusters with a spec only.
fn takes_seeds(clause: &str) -> bool {
    let mut commands = clause.split(PROGRAM).skip(1);
    commands.all(|command| FOR_SEEDS.iter().any(|verb| command.starts_with(verb)))
        && !clause.contains("in the spec")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hint, hint::Verb, next};

    #[test]
    fn a_hint_is_written_for_the_cluster_that_was_looked_at() {
        use Verb::{Down, Init, List, Status, Stop, Up};
        let both = hint![Status, " shows which"; Up, " brings back the others"];
        let table: [(About, Hint, &str); 9] = [
            (
                About::Ours("rcluster".into()),
                both.clone(),
                "`rcluster status` shows which; `rcluster up` brings back the others",
            ),
            (
                About::Ours("demo".into()),
                both.clone(),
                "`rcluster -c demo status` shows which; `rcluster -c demo up` brings back the others",
            ),
            (
                About::File("a.yaml".into()),
                Up.with("--port auto").into(),
                "`rcluster -f a.yaml up --port auto`",
            ),
            (
                About::Seed("h:1".into()),
                both,
                "`rcluster --seed h:1 status` shows which; start or thaw what is down where it runs: \
                 rcluster did not start it",
            ),
            (
                About::Seed("h:1".into()),
                Hint::from(next![Init, " forms new nodes"].ours())
                    .or("of an old cluster `redis-cli --cluster fix` helps"),
                "of an old cluster `redis-cli --cluster fix` helps",
            ),
            (
                About::Ours("rcluster".into()),
                Next::set("`maxmemory: 512mb`").into(),
                "set `maxmemory: 512mb` under `redis:` in the spec, then `rcluster up`",
            ),
            (
                About::Seed("h:1".into()),
                Next::set("`maxmemory: 512mb`").into(),
                "set `maxmemory: 512mb` with CONFIG SET and in the redis.conf of each node",
            ),
            (
                About::Seed("h:1".into()),
                hint![
                    "stop a replica (",
                    Stop.with("NODE"),
                    "), see that the alert arrives"
                ],
                "",
            ),
            (
                About::Ours("other".into()),
                hint![Down.of("demo"), " keeps the data, ", List, " shows it"],
                "`rcluster -c demo down` keeps the data, `rcluster list` shows it",
            ),
        ];
        for (about, hint, wanted) in table {
            assert_eq!(about.line(&hint), wanted);
        }
    }

    #[test]
    fn commands_are_about_the_cluster_that_was_looked_at() {
        let both = "`rcluster status` shows which; `rcluster up` brings back the others";
        let table = [
            (About::Ours("rcluster".into()), both, both),
            (
                About::Ours("demo".into()),
                both,
                "`rcluster -c demo status` shows which; `rcluster -c demo up` brings back the others",
            ),
            (
                About::Seed("h:1".into()),
                both,
                "`rcluster --seed h:1 status` shows which; start or thaw what is down where it runs: \
                 rcluster did not start it",
            ),
            (
                About::Seed("h:1".into()),
                "`rcluster init` forms new nodes; of an old cluster `redis-cli --cluster fix` helps",
                "of an old cluster `redis-cli --cluster fix` helps",
            ),
            (
                About::Seed("h:1".into()),
                "set `maxmemory: 512mb` under `redis:` in the spec, then `rcluster up`",
                "set `maxmemory: 512mb` with CONFIG SET and in the redis.conf of each node",
            ),
            (
                About::Seed("h:1".into()),
                "stop a replica (`rcluster stop NODE`), see that the alert arrives",
                "",
            ),
            (
                About::Ours("demo".into()),
                "`rcluster down -c demo` keeps the data, `rcluster list` shows it",
                "`rcluster down -c demo` keeps the data, `rcluster list` shows it",
            ),
        ];
        for (about, text, wanted) in table {
            assert_eq!(about.hint(text), wanted);
        }
        let demo = About::Ours("demo".into());
        assert_eq!(demo.typed(&Verb::Env.with("")), "rcluster -c demo env");
    }
}
