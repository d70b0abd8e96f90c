//! What to do next, as data: which command, with which arguments, and for whose nodes. [`About`]
//! writes it out, so that a command can be typed as it stands.
//!
//! `.hint(hint![Verb::Status, " shows which"; Verb::Up, " starts what is stopped"])` is two
//! [`Next`]s; a plain `&str` or `String` is a hint without a command.

use super::spec::RuntimeKind;
use std::{borrow::Cow, fmt};
use strum::{EnumIter, IntoStaticStr};

/// The commands of rcluster. A command that is not here has no place in a hint, and one that is
/// here and not on the command line fails a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the word that is typed")]
pub enum Verb {
    Up,
    Start,
    Init,
    Stop,
    Restart,
    Down,
    Reset,
    List,
    New,
    Render,
    Schema,
    Image,
    Completions,
    Man,
    Status,
    Monitor,
    Logs,
    Env,
    Key,
    Doctor,
    History,
    Test,
    Failover,
    Run,
}

/// Which nodes a command can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// None, or those of a cluster that the command makes itself.
    Nothing,
    /// Those that rcluster started.
    Ours,
    /// Those that rcluster started, and with `--seed` any others.
    Any,
}

impl Verb {
    /// The word that is typed.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Which nodes it can be about.
    pub fn target(self) -> Target {
        match self {
            Verb::List
            | Verb::New
            | Verb::Schema
            | Verb::Image
            | Verb::Completions
            | Verb::Man
            | Verb::Run => Target::Nothing,
            Verb::Up
            | Verb::Start
            | Verb::Stop
            | Verb::Restart
            | Verb::Down
            | Verb::Reset
            | Verb::Render
            | Verb::Logs
            | Verb::History => Target::Ours,
            Verb::Init
            | Verb::Status
            | Verb::Monitor
            | Verb::Env
            | Verb::Key
            | Verb::Doctor
            | Verb::Test
            | Verb::Failover => Target::Any,
        }
    }

    /// This command with arguments: `Verb::Up.with("--port auto")`.
    pub fn with(self, args: impl Into<Cow<'static, str>>) -> Command {
        Command {
            verb: self,
            args: args.into(),
            cluster: None,
        }
    }

    /// This command about the cluster of that name, whichever a reader asked about.
    pub fn of(self, cluster: impl fmt::Display) -> Command {
        self.with("").of(cluster)
    }
}

/// A command to type: its verb, its arguments, and its cluster if that is another than the one
/// that a reader asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    verb: Verb,
    args: Cow<'static, str>,
    cluster: Option<String>,
}

impl Command {
    /// This command about the cluster of that name.
    #[must_use]
    pub fn of(mut self, cluster: impl fmt::Display) -> Self {
        self.cluster = Some(cluster.to_string());
        self
    }

    /// Which command it is.
    pub fn verb(&self) -> Verb {
        self.verb
    }
}

/// A piece of a [`Next`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Words around the commands.
    Text(Cow<'static, str>),
    /// A command, written between backticks.
    Command(Command),
}

impl From<&'static str> for Part {
    fn from(text: &'static str) -> Self {
        Part::Text(text.into())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Part::Text(text.into())
    }
}

impl From<Verb> for Part {
    fn from(verb: Verb) -> Self {
        Part::Command(verb.with(""))
    }
}

impl From<Command> for Part {
    fn from(command: Command) -> Self {
        Part::Command(command)
    }
}

/// What can be done by whoever started the nodes himself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Elsewhere {
    /// The same, if all of its commands take seeds.
    Same,
    /// Nothing: it is about the spec, or about nodes that rcluster started.
    Nothing,
    /// This.
    Instead(Cow<'static, str>),
}

/// What to do in place of `rcluster up` where rcluster did not start the nodes.
const START_THEM: &str = "start or thaw what is down where it runs: rcluster did not start it";

/// One thing to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    parts: Vec<Part>,
    elsewhere: Elsewhere,
}

impl Next {
    /// Only for nodes that rcluster started: nothing is said to the others.
    #[must_use]
    pub fn ours(mut self) -> Self {
        self.elsewhere = Elsewhere::Nothing;
        self
    }

    /// What is said of nodes that rcluster did not start.
    #[must_use]
    pub fn elsewhere(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.elsewhere = Elsewhere::Instead(text.into());
        self
    }

    /// To set these directives: in the spec where there is one, else in each node.
    pub fn set(directives: impl fmt::Display) -> Self {
        let text = format!("set {directives} under `redis:` in the spec, then ");
        let each = format!("set {directives} with CONFIG SET and in the redis.conf of each node");
        Next::from_iter([Part::from(text), Part::from(Verb::Up)]).elsewhere(each)
    }

    /// The commands of it.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.parts.iter().filter_map(|part| match part {
            Part::Command(command) => Some(command),
            Part::Text(_) => None,
        })
    }

    fn takes_seeds(&self) -> bool {
        self.commands()
            .all(|command| command.verb.target() != Target::Ours)
    }

    fn begins_with_up(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Command(command)) if command.verb == Verb::Up)
    }
}

impl FromIterator<Part> for Next {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Next {
            parts: parts.into_iter().collect(),
            elsewhere: Elsewhere::Same,
        }
    }
}

/// One [`Next`]: texts and commands in the order in which they are read.
#[macro_export]
macro_rules! next {
    ($($part:expr),+ $(,)?) => {
        <$crate::hint::Next as ::std::iter::FromIterator<$crate::hint::Part>>::from_iter(
            [$($crate::hint::Part::from($part)),+]
        )
    };
}

/// A [`Hint`]: one or more [`Next`]s with `;` between them.
#[macro_export]
macro_rules! hint {
    ($($($part:expr),+);+ $(;)?) => {
        $crate::hint::Hint::from(::std::vec![$($crate::next![$($part),+]),+])
    };
}

/// What to do next, the best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint(Vec<Next>);

impl Hint {
    /// With one more thing that may be done.
    #[must_use]
    pub fn or(mut self, next: impl Into<Hint>) -> Self {
        self.0.extend(next.into().0);
        self
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each thing that may be done.
    pub fn iter(&self) -> std::slice::Iter<'_, Next> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Hint {
    type Item = &'a Next;
    type IntoIter = std::slice::Iter<'a, Next>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Next>> for Hint {
    fn from(nexts: Vec<Next>) -> Self {
        Hint(nexts)
    }
}

impl From<Next> for Hint {
    fn from(next: Next) -> Self {
        Hint(vec![next])
    }
}

impl From<Verb> for Hint {
    fn from(verb: Verb) -> Self {
        next![verb].into()
    }
}

impl From<Command> for Hint {
    fn from(command: Command) -> Self {
        next![command].into()
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        next![text].into()
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        next![text].into()
    }
}

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

impl About {
    /// The cluster that is called so, or was asked through it.
    pub fn of(name: &str, runtime: RuntimeKind) -> Self {
        if runtime.capabilities().start {
            About::Ours(name.to_owned())
        } else {
            About::Seed(name.to_owned())
        }
    }

    /// What is typed to look at these nodes: `rcluster -c demo env`.
    pub fn command(&self, verb: &str) -> String {
        let text = self.hint(&format!("{PROGRAM}{verb}`"));
        text.trim_matches('`').to_owned()
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
                Elsewhere::Same if next.takes_seeds() => {}
                Elsewhere::Same => return next.begins_with_up().then(|| START_THEM.to_owned()),
            }
        }
        let written = next.parts.iter().map(|part| match part {
            Part::Text(text) => text.to_string(),
            Part::Command(command) => format!("`{}`", self.typed(command)),
        });
        Some(written.collect())
    }

    /// What is typed for this command about these nodes: `rcluster -c demo env`.
    pub fn typed(&self, command: &Command) -> String {
        let mut words = vec!["rcluster".to_owned()];
        match (&command.cluster, self) {
            _ if command.verb.target() == Target::Nothing => {}
            (None, About::Ours(name)) if name == DEFAULT => {}
            (Some(name), _) | (None, About::Ours(name)) => words.push(format!("-c {name}")),
            (None, About::File(path)) => words.push(format!("-f {path}")),
            (None, About::Seed(seed)) => words.push(format!("--seed {seed}")),
        }
        words.push(command.verb.word().to_owned());
        if !command.args.is_empty() {
            words.push(command.args.to_string());
        }
        words.join(" ")
    }

    /// The hint, in commands that are about these nodes.
    pub fn hint(&self, text: &str) -> String {
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
        assert_eq!(demo.command("env"), "rcluster -c demo env");
    }
}
