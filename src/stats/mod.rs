//! stats

pub mod interval;
