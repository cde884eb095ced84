//! Shares of homes, which wording is allowed, plans, campaigns, outbox.

pub mod campaign;
pub mod command;
pub mod draft;
pub mod gateway;
pub mod gsm7;
pub mod hours;
pub mod outbox;
pub mod preview;
pub mod prove;
pub mod record;
pub mod rule;
pub mod share;
pub mod wording;
