//! One file per operation; each reads as observe → plan → check → apply → verify.
//!
//! Operations return data and emit one stream of events; they never print, ask or exit.

pub mod apply;
pub mod choose;
pub mod context;
pub mod doctor;
pub mod down;
pub mod drill;
pub mod event;
pub mod image;
pub mod init;
pub mod lifecycle;
pub mod list;
pub mod observe;
pub mod reset;
pub mod restart;
pub mod rolling;
pub mod session;
pub mod settings;
pub mod start;
pub mod status;
pub mod stop;
pub mod up;
pub mod verify;
