//! `vecino estimate`: the command in front of the language in `crates/estimate`, and the trials that it may replay.

pub mod trials;
pub mod command;
