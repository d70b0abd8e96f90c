//! What to do next, as data: commands with their arguments. [`About`] writes them out for a
//! cluster, so that they can be typed as they stand.
//!
//! `.hint(hint![Verb::Status, " shows which"; Verb::Up, " starts what is stopped"])` is two
//! [`Next`]s; a plain `&str` or `String` is a hint without a command.

mod about;

pub use about::About;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt};
use strum::{EnumIter, IntoStaticStr};

/// The commands of rcluster. A hint can only name a command that is here, and a test fails if one
/// of these is not on the command line.
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
    Reshard,
    Rebalance,
    Scale,
    Replace,
    Check,
    Fix,
    Config,
    Call,
}

/// The nodes that a command can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// None, or those of a cluster that the command makes itself.
    Nothing,
    /// Nodes that rcluster started.
    Ours,
    /// Nodes that rcluster started, or with `--seed` any others.
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
            | Verb::Scale
            | Verb::Replace
            | Verb::Logs
            | Verb::History => Target::Ours,
            Verb::Init
            | Verb::Status
            | Verb::Monitor
            | Verb::Env
            | Verb::Key
            | Verb::Doctor
            | Verb::Test
            | Verb::Failover
            | Verb::Reshard
            | Verb::Rebalance
            | Verb::Check
            | Verb::Fix
            | Verb::Config
            | Verb::Call => Target::Any,
        }
    }

    /// This command with arguments: `Verb::Up.with("--port auto")`.
    pub fn with(self, args: impl Into<Cow<'static, str>>) -> Command {
        Command {
            verb: self,
            args: args.into(),
            about: None,
        }
    }

    /// This command about the cluster of that name, whatever cluster the reader asked about.
    pub fn of(self, cluster: impl fmt::Display) -> Command {
        self.with("").of(cluster)
    }
}

/// A command to type: its verb, its arguments, and its cluster if that is another than the one that
/// the reader asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    verb: Verb,
    args: Cow<'static, str>,
    about: Option<About>,
}

impl Command {
    /// This command about the cluster of that name.
    #[must_use]
    pub fn of(mut self, cluster: impl fmt::Display) -> Self {
        self.about = Some(About::Ours(cluster.to_string()));
        self
    }

    /// This command about the nodes behind that seed.
    #[must_use]
    pub fn at(mut self, seed: impl fmt::Display) -> Self {
        self.about = Some(About::Seed(seed.to_string()));
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

impl From<&String> for Part {
    fn from(text: &String) -> Self {
        Part::Text(text.clone().into())
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

/// What can be done about nodes that rcluster did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Elsewhere {
    /// The same commands, if all of them take seeds.
    Same,
    /// Nothing: the hint is about the spec, or about nodes that rcluster started.
    Nothing,
    /// This text.
    Instead(Cow<'static, str>),
}

/// What to do instead of `rcluster up` about nodes that rcluster did not start.
const START_THEM: &str = "start or thaw what is down where it runs: rcluster did not start it";

/// One thing to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    parts: Vec<Part>,
    elsewhere: Elsewhere,
}

impl Next {
    /// Marks it as being for nodes that rcluster started only; readers with others do not see it.
    #[must_use]
    pub fn ours(mut self) -> Self {
        self.elsewhere = Elsewhere::Nothing;
        self
    }

    /// Sets the text for nodes that rcluster did not start.
    #[must_use]
    pub fn elsewhere(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.elsewhere = Elsewhere::Instead(text.into());
        self
    }

    /// Setting these directives: in the spec if there is one, else on each node.
    pub fn set(directives: impl fmt::Display) -> Self {
        let text = format!("set {directives} under `redis:` in the spec, then ");
        let each = format!("set {directives} with CONFIG SET and in the redis.conf of each node");
        Next::from_iter([Part::from(text), Part::from(Verb::Up)]).elsewhere(each)
    }

    /// The commands in it.
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

/// Makes a [`Next`] of texts and commands, in the order in which they are read.
#[macro_export]
macro_rules! next {
    ($($part:expr),+ $(,)?) => {
        <$crate::hint::Next as ::std::iter::FromIterator<$crate::hint::Part>>::from_iter(
            [$($crate::hint::Part::from($part)),+]
        )
    };
}

/// Makes a [`Hint`] of one or more [`Next`]s, with `;` between them.
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
    /// The hint, with one more thing that may be done.
    #[must_use]
    pub fn or(mut self, next: impl Into<Hint>) -> Self {
        self.0.extend(next.into().0);
        self
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hint as text for these nodes, without what only those who started them can do.
    #[must_use]
    pub fn about(&self, about: &About) -> Hint {
        let texts = self.iter().filter_map(|next| about.next(next));
        Hint(texts.map(|text| next![text]).collect())
    }

    /// Each thing that may be done.
    pub fn iter(&self) -> std::slice::Iter<'_, Next> {
        self.0.iter()
    }
}

/// Written for the cluster that commands are about if they name none.
impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&About::default().line(self))
    }
}

/// One line of text; call [`Hint::about`] first.
impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Hint::from)
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
        Hint(vec![next![verb]])
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
