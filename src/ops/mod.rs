//! One file per operation; each reads as observe → plan → check → apply → verify.
//!
//! Operations return data and emit one stream of events; they never print, ask or exit.

pub mod apply;
pub mod choose;
pub mod context;
pub mod doctor;
pub mod down;
pub mod drill;
pub mod env;
pub mod event;
pub mod evidence;
pub mod history;
pub mod image;
pub mod init;
pub mod key;
pub mod lifecycle;
pub mod list;
pub mod logs;
pub mod monitor;
pub mod observe;
pub mod reset;
pub mod restart;
pub mod rolling;
pub mod run;
pub mod session;
pub mod settings;
pub mod signals;
pub mod start;
pub mod status;
pub mod stop;
mod survey;
pub mod test;
pub mod up;
pub mod verify;
