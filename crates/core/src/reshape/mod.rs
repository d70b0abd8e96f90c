//! Which slots go from which master to which, and how that is told.
//!
//! [`moves`] says what is to move, [`wish`] is what was asked for, [`share`] chooses the slots so that
//! little data moves, [`huge`] knows keys that are felt, [`outline`] shows it, [`budget`] decides how
//! much one MIGRATE may carry, and [`gauge`] whether clients can bear it. The engine in `rcluster_ops::reshape` carries it out.

pub mod budget;
pub mod gauge;
pub mod huge;
pub mod moves;
pub mod outline;
pub mod share;
pub mod wish;
