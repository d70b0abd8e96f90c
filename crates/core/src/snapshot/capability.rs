//! What a server can do, as it says itself. Versions are not compared, because forks have their own
//! versions, and a command may have been renamed away.

use std::collections::BTreeSet;

/// Something that not every server in cluster mode can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// CLUSTER ADDSLOTSRANGE (Redis 7.0).
    AddSlotsRange,
    /// CONFIG, to read and change settings of a running server; managed services rename it away.
    Config,
}

impl Capability {
    /// All of them, in the order in which servers are asked for them.
    pub const ALL: [Capability; 2] = [Capability::AddSlotsRange, Capability::Config];

    /// The name in COMMAND INFO. A server older than 7.0 knows no subcommand in this form, and has
    /// no ADDSLOTSRANGE either.
    pub fn name(self) -> &'static str {
        match self {
            Capability::AddSlotsRange => "cluster|addslotsrange",
            Capability::Config => "config",
        }
    }

    /// The command as a person types it.
    pub fn command(self) -> &'static str {
        match self {
            Capability::AddSlotsRange => "CLUSTER ADDSLOTSRANGE",
            Capability::Config => "CONFIG",
        }
    }
}

/// What one server can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// All capabilities except these.
    pub fn all_but(lacking: &[Capability]) -> Self {
        let all = Capability::ALL.into_iter();
        all.filter(|one| !lacking.contains(one)).collect()
    }

    /// Those of `needed` that the server does not have.
    pub fn lacks(&self, needed: &[Capability]) -> Vec<Capability> {
        let missing = |one: &Capability| !self.0.contains(one);
        needed.iter().copied().filter(missing).collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(all: I) -> Self {
        Capabilities(all.into_iter().collect())
    }
}
