//! Financial advice, savings, credit, digital wallets and entrepreneurship, with four partners. Amounts never reach the registry.

use super::consent::Purpose;
use super::enrolment::{Detail, Module, statements};
use crate::account::Role;

/// The programme's financial partners.
pub const PARTNERS: &[&str] = &["Airpak", "Banrural", "Banco Industrial", "Micoope"];

pub const MODULE: Module = Module {
    name: "finance",
    purpose: Some(Purpose::Finance),
    details: &[
        Detail { name: "service", choices: &["advice", "savings", "credit", "digital_wallet", "entrepreneurship"] },
        Detail { name: "partner", choices: PARTNERS },
    ],
    sql: statements!("finance_enrolment": "service", "partner", "''"; columns "service, partner", values "$8, $9"),
    role: Role::Finance,
    names: true,
    check: |details, minor| {
        let credit = details[0] == "credit";
        if credit && minor {
            return Err(crate::error::Error::refused("finance-minor", "credit is for adults; choose another service"));
        }
        Ok(())
    },
};
