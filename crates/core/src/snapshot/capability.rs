//! What a server can do, as it says itself. Versions are not compared: a fork counts in its own
//! way, and a command may have been renamed away.

use std::collections::BTreeSet;

/// Something that not every server that runs in cluster mode can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Slots are given to a node by ranges (Redis 7.0).
    AddSlotsRange,
    /// Settings are read and changed while it runs; managed services rename CONFIG away.
    Config,
}

impl Capability {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Capability; 2] = [Capability::AddSlotsRange, Capability::Config];

    /// As COMMAND INFO names it. A server from before 7.0 knows no subcommand in this form, and
    /// has no ADDSLOTSRANGE either.
    pub fn name(self) -> &'static str {
        match self {
            Capability::AddSlotsRange => "cluster|addslotsrange",
            Capability::Config => "config",
        }
    }

    /// As a person types it.
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
    /// Everything but these.
    pub fn all_but(lacking: &[Capability]) -> Self {
        let all = Capability::ALL.into_iter();
        all.filter(|one| !lacking.contains(one)).collect()
    }

    /// What is missing of that which is needed.
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
