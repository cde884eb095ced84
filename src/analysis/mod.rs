//! analysis

pub mod simulate;
