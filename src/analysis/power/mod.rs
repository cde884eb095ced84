//! What a trial under a protocol would find: by formula and by simulation, for exactly the contrasts the protocol registers.

pub mod answer;
pub mod baseline;
pub mod command;
pub mod formula;
pub mod inputs;
pub mod simulated;
mod told;

pub use command::doubts;
