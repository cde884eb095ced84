//! After-school education in four schools. Minors' data: never shared with another module.

use super::consent::Purpose;
use super::enrolment::{Detail, Module, statements};
use crate::account::Role;
use crate::error::Error;

/// The four schools of the programme sheet, as written there (one letter mended: «Educación»).
pub const SCHOOLS: &[&str] = &[
    "Instituto Nacional de Educación Básica San Cristóbal Cucho",
    "Instituto de Educación Básica Por Cooperativa Palo Gordo",
    "Instituto de Educación Básica Por Cooperativa San José El Rodeo",
    "Instituto Nacional Experimental de Educación Básica",
];

pub const MODULE: Module = Module {
    name: "school",
    purpose: Some(Purpose::School),
    details: &[
        Detail { name: "school", choices: SCHOOLS },
        Detail { name: "grade", choices: &["1", "2", "3"] },
        Detail { name: "school_year", choices: &[] },
    ],
    sql: statements!("school_enrolment": "school", "grade", "CAST(school_year AS TEXT)";
        columns "school, grade, school_year", values "$8, $9, CAST($10 AS SMALLINT)"),
    role: Role::School,
    names: true,
    check: |details, _| match details[2].parse::<i16>() {
        Ok(2020..=2100) => Ok(()),
        _ => Err(Error::refused("school-year", "the school year must be a year such as 2026")),
    },
};
