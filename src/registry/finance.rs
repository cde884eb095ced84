//! Financial advice, savings, credit, digital wallets and entrepreneurship, with four partners. Amounts never reach the registry.

use super::birth::Majority;
use super::consent::Purpose;
use super::enrolment::{Detail, Module, statements};
use crate::account::Role;
use crate::error::Error;

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
    check: |details, majority| match majority {
        _ if details[0] != "credit" => Ok(()),
        Majority::Adult => Ok(()),
        Majority::Minor => Err(Error::refused("finance-minor", "credit is for adults; choose another service")),
        Majority::Unknown => {
            Err(Error::refused("finance-age", "credit is for adults and this person's age is not known; write a birth date, a year, an age, or 18+"))
        }
    },
};
