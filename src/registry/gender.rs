//! Gender activities: building assets, leadership, dialogue, masculinities. Sees pseudonyms and counts, no names.

use super::consent::Purpose;
use super::enrolment::{Detail, Module, statements};
use crate::account::Role;

pub const MODULE: Module = Module {
    name: "gender",
    purpose: Some(Purpose::Gender),
    details: &[Detail { name: "activity", choices: &["asset_building", "leadership", "dialogue", "masculinities"] }],
    sql: statements!("gender_enrolment": "activity", "''", "''"; columns "activity", values "$8"),
    role: Role::Gender,
    names: false,
    check: |_, _| Ok(()),
};
