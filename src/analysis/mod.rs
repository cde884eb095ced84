//! Tallies and the frozen assignment → the report. Pages and the command line read stored reports; nothing here is computed for a page.

mod coding;
pub mod command;
mod departures;
pub mod describe;
pub mod designs;
pub mod effects;
pub mod findings;
pub mod lasting;
pub mod load;
pub mod model;
pub mod operating;
pub mod operating_report;
pub mod page;
pub mod parameters;
mod pilot;
pub mod power;
pub mod replay;
mod replicate;
pub mod report;
pub mod sections;
pub mod simulate;
pub mod simulate_command;
pub mod stop_rules;
mod visit;

pub use findings::CODE_VERSION;
pub use page::routes;
