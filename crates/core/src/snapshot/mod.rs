//! What the nodes of a cluster say of themselves and of each other, parsed and never merged.

pub mod answer;
pub mod capability;
pub mod info;
pub mod nodes_text;
pub mod place;
pub mod refusal;
pub mod report;
pub mod topology;
