//! Pure nouns: what a cluster is made of, what a spec wants, what a node says.
//!
//! Nothing here does input or output, knows a clock, or knows how nodes are started or asked.
//! Everything that comes from outside is parsed at this border into types that cannot spell a
//! wrong state.

pub mod container;
pub mod count;
pub mod data;
pub mod decimal;
pub mod directive;
pub mod drill;
pub mod hint;
pub mod human;
pub mod info;
pub mod key;
pub mod launch;
pub mod node;
pub mod nodes_text;
pub mod report;
pub mod secret;
pub mod slot;
pub mod smoke;
pub mod spec;
pub mod spec_check;
pub mod topology;
pub mod typed;
pub mod watch;
