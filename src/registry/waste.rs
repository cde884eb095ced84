//! Waste service: who has collection, was visited, or attended a session. Needs no consent and shows no name.

use super::enrolment::{Detail, Module, statements};
use crate::account::Role;

pub const MODULE: Module = Module {
    name: "waste",
    purpose: None,
    details: &[Detail { name: "service", choices: &["collection", "visit", "training"] }],
    sql: statements!("waste_enrolment": "service", "''", "''"; columns "service", values "$8"),
    role: Role::Coordinator,
    names: false,
    check: |_, _| Ok(()),
};
