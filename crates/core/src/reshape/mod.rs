//! Which slots go from which master to which, and how that is told.
//!
//! [`moves`] says what is to move, [`share`] chooses the slots so that little data moves, and
//! [`budget`] decides how much one MIGRATE may carry. The engine in `rcluster_ops::reshape` carries
//! it out.

pub mod budget;
pub mod moves;
pub mod share;
