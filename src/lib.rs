//! Vecino, module by module in reading order: a module may use only those above it (kept by `tests/order.rs`).
//!
//! Three crates under `crates/` know nothing of the house: tables as offices save them, estimators, and the language of `vecino estimate`.

pub use vecino_sheet as sheet;
pub use vecino_stats as stats;

pub mod error;
pub mod seal;
pub mod db;
pub mod clock;
pub mod id;
pub mod gsm7;
pub mod language;
pub mod page;
pub mod app;
pub mod account;
pub mod territory;
pub mod registry;
pub mod trial;
pub mod estimate;
pub mod observation;
pub mod norm;
pub mod analysis;
pub mod map;
pub mod web;
pub mod demo;
