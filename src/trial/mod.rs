//! A trial's life: protocol, freeze, draw, looks. The baseline is an argument of the draw, never read by it.

pub mod protocol;
pub mod randomise;
