//! Tallies and the frozen assignment → the report. Pages and the command line read stored reports; nothing here is computed for a page.

pub mod command;
pub mod describe;
pub mod effects;
pub mod lasting;
pub mod load;
pub mod model;
pub mod operating;
pub mod operating_report;
pub mod page;
pub mod parameters;
mod pilot;
pub mod replay;
pub mod report;
pub mod sections;
pub mod simulate;
pub mod simulate_command;
pub mod stop_rules;

pub use page::routes;

/// Part of every report's source hash: a report computed by older rules is computed again.
pub const CODE_VERSION: &str = concat!("vecino ", env!("CARGO_PKG_VERSION"), " analysis 3");
