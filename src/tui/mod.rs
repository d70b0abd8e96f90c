//! The live monitor: a state, a pure update, and views of it.
//!
//! `state` knows everything that is shown, `update` is the only thing that changes it, and a view
//! is a function of it: no view asks a node, no update draws. Only `terminal` touches the terminal.

pub mod run;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;
