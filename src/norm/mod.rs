//! Shares of homes, which wording is allowed, plans, campaigns, outbox.
pub mod gateway;
