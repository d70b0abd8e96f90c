//! Which slots go from which master to which, and how that is told.
//!
//! [`moves`] says what is to move, [`wish`] is what was asked for, [`share`] chooses the slots so that
//! little data moves, [`outline`] shows it, and [`budget`] decides how much one MIGRATE may carry. The
//! engine in `rcluster_ops::reshape` carries it out.

pub mod budget;
pub mod moves;
pub mod outline;
pub mod share;
pub mod wish;
