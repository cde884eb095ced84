//! analysis

pub mod simulate;
pub mod simulate_command;
