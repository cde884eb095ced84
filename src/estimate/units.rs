//! What an assignment moves: the units of a contrast, the engine of their t, and the rows of an answer.

use super::answer::{Answer, Row};
use super::design::Design;
use super::difference::{Contrast, check_clusters};
use super::formula::Quantity;
use super::grouping::Grouping;
use super::linear::variance;
use super::spec::{Spec, refused};
use crate::error::Result;
use crate::stats::multiple::max_t;
use crate::stats::ols::{Variance, fit};
use crate::stats::randomisation::compare;
use crate::stats::studentised::Studentised;

/// The units of a contrast: which arm, which block, and for each outcome n and Σy.
pub struct Units {
    pub treated: Vec<bool>,
    pub block: Vec<usize>,
    pub n: Vec<f64>,
    /// Outcome by outcome.
    pub y: Vec<Vec<f64>>,
    pub rows: Vec<u32>,
    /// Unit of each of `rows`.
    pub unit: Vec<usize>,
}

pub fn units(design: &Design, contrast: &Contrast) -> Result<Units> {
    let rows: Vec<u32> = (0..design.n as u32).filter(|row| contrast.arm[*row as usize].is_some()).collect();
    let clusters = design.clusters.first();
    if let Some(clusters) = clusters {
        check_clusters(contrast, clusters)?;
    }
    let count = clusters.map_or(design.n, Grouping::count);
    let mut number = vec![usize::MAX; count];
    let mut units = Units {
        treated: Vec::new(),
        block: Vec::new(),
        n: Vec::new(),
        y: vec![Vec::new(); design.outcome.len()],
        unit: Vec::with_capacity(rows.len()),
        rows: Vec::new(),
    };
    for row in &rows {
        let row = *row as usize;
        let key = clusters.map_or(row, |clusters| clusters.at(row) as usize);
        let block = design.block.as_ref().map_or(0, |block| block.at(row) as usize);
        if number[key] == usize::MAX {
            number[key] = units.n.len();
            units.treated.push(contrast.arm[row] == Some(true));
            units.block.push(block);
            units.n.push(0.0);
            units.y.iter_mut().for_each(|y| y.push(0.0));
        }
        let unit = number[key];
        if units.block[unit] != block {
            let name = clusters.map_or(String::new(), |clusters| clusters.names[clusters.at(row) as usize].clone());
            return Err(refused(format!("block: cluster {name} lies in two blocks; a unit is assigned within one")));
        }
        units.n[unit] += 1.0;
        for (y, column) in units.y.iter_mut().zip(&design.outcome) {
            y[unit] += design.value(*column, row);
        }
        units.unit.push(unit);
    }
    units.rows = rows;
    Ok(units)
}

/// The engine of each outcome.
pub fn engines(spec: &Spec, design: &Design, units: &Units, treatment: &Quantity) -> Result<Vec<Studentised>> {
    let variance = variance(spec, if spec.cluster.is_empty() { "hc2" } else { "cr2" })?;
    if variance == Variance::Classical {
        return Err(refused("statistic t: the classical variance is not a studentised one; give hc0 to hc3, or cr0 to cr3 with a cluster"));
    }
    let mut covariates = design.without_treatment(&units.rows, &units.unit, treatment)?;
    let outcomes = design.outcome.iter().map(|column| {
        covariates.outcome = vec![*column];
        fit(&covariates)
            .and_then(|fitted| Studentised::new(&fitted, &covariates, variance))
            .map_err(|why| refused(format!("statistic t: {}", why.why())))
    });
    outcomes.collect()
}

pub fn push(
    answer: &mut Answer,
    spec: &Spec,
    contrast: &Contrast,
    names: &[&str],
    observed: &[Option<f64>],
    drawn: &[Vec<Option<f64>>],
    exact: bool,
) {
    let term = |outcome: usize| match names.get(outcome) {
        Some(name) => format!("{name}: {}", contrast.term),
        None => contrast.term.clone(),
    };
    let start = answer.rows.len();
    let mut ratios: Vec<Option<f64>> = Vec::new();
    let mut spreads: Vec<Option<f64>> = Vec::new();
    for (outcome, (observed, drawn)) in observed.iter().zip(drawn).enumerate() {
        let found = observed.and_then(|observed| compare(observed, drawn.iter().copied(), exact).map(|found| (observed, found)));
        let flat = found.is_some_and(|(_, found)| found.spread <= 1e-14);
        match found.filter(|_| !flat) {
            Some((observed, found)) => {
                ratios.push(Some(observed / found.spread));
                spreads.push(Some(found.spread));
                answer.rows.push(
                    Row::new(term(outcome))
                        .with("estimate", observed)
                        .with("se", found.spread)
                        .with("statistic", observed / found.spread)
                        .with("p", found.p)
                        .with("p_greater", found.p_greater)
                        .with("p_less", found.p_less)
                        .with("draws", u64::from(found.draws))
                        .with("exact", found.exact)
                        .with("n_extreme", u64::from(found.extreme))
                        .with("n_greater", u64::from(found.greater))
                        .with("n_less", u64::from(found.less)),
                );
                if exact && found.draws < 40 {
                    let floor = 1.0 / f64::from(found.draws);
                    answer.warnings.push(format!("{}: the design has {} assignments: no p below {floor:.3} exists", term(outcome), found.draws));
                }
            }
            None => {
                ratios.push(None);
                spreads.push(None);
                let why =
                    if flat { "no assignment would change it: the outcome or the treatment does not vary" } else { "the statistic does not exist" };
                answer.warnings.push(format!("{}: {why}", term(outcome)));
                let row = Row::new(term(outcome)).with("estimate", observed.filter(|_| flat));
                answer.rows.push(
                    ["se", "statistic", "p", "p_greater", "p_less", "draws", "exact", "n_extreme", "n_greater", "n_less"]
                        .iter()
                        .fold(row, |row, name| row.with(name, None)),
                );
            }
        }
    }
    if spec.adjust.iter().any(|method| method == "maxt") {
        let draws = drawn.iter().map(Vec::len).min().unwrap_or(0);
        let used: Vec<usize> = (0..ratios.len()).filter(|outcome| ratios[*outcome].is_some()).collect();
        let observed: Vec<Option<f64>> = used.iter().map(|outcome| ratios[*outcome].map(f64::abs)).collect();
        let matrix: Vec<f64> = (0..draws)
            .flat_map(|at| used.iter().map(move |outcome| (outcome, at)))
            .map(|(outcome, at)| drawn[*outcome][at].zip(spreads[*outcome]).map_or(0.0, |(value, spread)| (value / spread).abs()))
            .collect();
        let adjusted = max_t(&observed, &matrix, exact);
        let mut by_outcome = vec![None; ratios.len()];
        used.iter().zip(adjusted).for_each(|(outcome, p)| by_outcome[*outcome] = p);
        for (row, p) in answer.rows[start..].iter_mut().zip(by_outcome) {
            row.fields.push(("p_maxt".to_string(), p.into()));
        }
    }
}
