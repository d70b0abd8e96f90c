//! Whose nodes a hint is about, so that its commands can be typed as they stand.

use super::{Command, Elsewhere, Hint, Next, Part, START_THEM, Target};
use crate::spec::RuntimeKind;

/// The cluster that a command is about if it names none.
const DEFAULT: &str = "rcluster";

/// Whose nodes a hint is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The nodes of the cluster of that name, which rcluster started.
    Ours(String),
    /// The nodes of the cluster that this spec file describes.
    File(String),
    /// The nodes behind this seed.
    Seed(String),
}

impl Default for About {
    fn default() -> Self {
        About::Ours(DEFAULT.to_owned())
    }
}

impl About {
    /// The cluster of that name; with a foreign runtime, the name is the seed.
    pub fn of(name: &str, runtime: RuntimeKind) -> Self {
        if runtime.capabilities().start {
            About::Ours(name.to_owned())
        } else {
            About::Seed(name.to_owned())
        }
    }

    /// The whole hint for these nodes, in one line.
    pub fn line(&self, hint: &Hint) -> String {
        let lines: Vec<String> = hint.iter().filter_map(|next| self.next(next)).collect();
        lines.join("; ")
    }

    /// One thing to do, with commands that are about these nodes; `None` if only those who started
    /// the nodes can do it.
    pub fn next(&self, next: &Next) -> Option<String> {
        if let About::Seed(_) = self {
            match &next.elsewhere {
                Elsewhere::Nothing => return None,
                Elsewhere::Instead(text) => return Some(text.to_string()),
                Elsewhere::Same if next.takes_seeds() => {}
                Elsewhere::Same => return next.begins_with_up().then(|| START_THEM.to_owned()),
            }
        }
        let written = next.parts.iter().map(|part| match part {
            Part::Text(text) => text.to_string(),
            Part::Command(command) => format!("`{}`", self.typed(command)),
        });
        Some(written.collect()).filter(|text: &String| !text.is_empty())
    }

    /// The command as it is typed for these nodes: `rcluster -c demo env`.
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
}
