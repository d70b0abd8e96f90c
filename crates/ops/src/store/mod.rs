//! What is remembered on disk: the spec and where it is found, the state folder with what was
//! resolved, the lock that is held per change, the audit journal.

pub mod audit;
mod bounded;
pub mod dotenv;
pub mod drill;
pub mod kept;
pub mod lock;
pub mod moves;
pub mod spec_file;
pub mod spec_size;
pub mod state;
