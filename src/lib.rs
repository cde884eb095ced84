//! Vecino, module by module in reading order: a module may use only those above it (kept by `tests/house.rs`).

pub mod account;
pub mod analysis;
pub mod app;
pub mod clock;
pub mod db;
pub mod demo;
pub mod error;
pub mod id;
pub mod language;
pub mod map;
pub mod norm;
pub mod observation;
pub mod page;
pub mod registry;
pub mod seal;
pub mod stats;
pub mod territory;
pub mod trial;
pub mod web;
