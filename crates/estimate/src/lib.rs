//! The statistics of `vecino-stats` on any CSV or Parquet file, in a small language of formulas and keys.
//!
//! Data flow down this list: a spec names a file and a method; the file's columns are read, derived, filtered and collapsed; a formula
//! makes a design of them; the method answers with rows, every missing number with its reason.

pub mod error;
pub mod answer;
mod forms;
pub mod spec;
mod spelling;
mod column;
mod dictionary;
pub mod table;
mod doubts;
mod file;
mod blocks;
mod separated;
mod parquet;
pub mod read;
pub mod expression;
pub mod evaluate;
pub mod rows;
pub mod formula;
mod uses;
pub mod grouping;
mod emptied;
pub mod design;
mod compress;
mod linear;
mod difference;
mod units;
pub mod recorded;
mod replayed;
mod randomised;
mod generalised;
mod survival;
mod association;
mod planning;
mod absent;
pub mod run;
