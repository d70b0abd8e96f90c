//! One file or folder per operation; each reads as observe → plan → check → apply → verify.
//!
//! Operations return data and emit one stream of events; they never print, ask or exit. They may use
//! [`cluster`], [`failover`] and [`store`], and never each other.

pub mod call;
pub mod cluster;
pub mod config;
pub mod doctor;
pub mod down;
pub mod drill;
pub mod env;
pub mod evidence;
pub mod failover;
pub mod fix;
pub mod history;
pub mod image;
pub mod init;
pub mod key;
pub mod lifecycle;
pub mod list;
pub mod logs;
pub mod monitor;
pub mod replace;
pub mod reset;
pub mod reshape;
pub mod resize;
pub mod restart;
pub mod rolling;
pub mod run;
pub mod signals;
pub mod start;
pub mod status;
pub mod stop;
pub mod store;
pub mod test;
pub mod unsaved;
pub mod up;
