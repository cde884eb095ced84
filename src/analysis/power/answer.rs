//! Both answers, family by family, as `trial power --json` prints them. Effects are fractions.

use super::inputs::Inputs;
use super::{formula, simulated};
use serde::Serialize;

/// One test a family registers.
#[derive(Debug, Clone, Serialize)]
pub struct Test {
    pub contrast: String,
    pub outcome: &'static str,
    /// The effect on what is recorded, as a fraction; 0 where the parameters assume none.
    pub assumed: f64,
    pub formula: Option<formula::Found>,
    pub simulation: Option<simulated::Found>,
    /// Why the two differ, where they do.
    pub parts: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FamilyPower {
    pub family: String,
    pub phase: &'static str,
    pub adjust: &'static str,
    pub contrasts: Vec<Test>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub trial: String,
    pub level: f64,
    pub power: f64,
    pub seed: u64,
    pub replicates: u32,
    pub inputs: Inputs,
    pub families: Vec<FamilyPower>,
}
