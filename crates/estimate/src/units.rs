//! What an assignment moves: the units of a contrast, the engine of their t, and the rows of an answer.

use super::answer::{Answer, Row};
use super::design::Design;
use super::difference::{Contrast, check_clusters};
use super::formula::Quantity;
use super::grouping::Grouping;
use super::linear::variance;
use super::spec::{Spec, refused};
use crate::error::Result;
use vecino_stats::multiple::max_t;
use vecino_stats::ols::{Df, EffectCount, Variance, fit};
use vecino_stats::randomisation::compare;
use vecino_stats::studentised::Studentised;

/// The units of a contrast: which arm, which block, n, and for each outcome Σ (y − c) with one c for all units.
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
    // A whole number near the mean is taken off, so that sums of large outcomes keep the digits that ties are told by.
    let mean = |column: &usize| rows.iter().map(|row| design.value(*column, *row as usize)).sum::<f64>() / rows.len().max(1) as f64;
    let centres: Vec<f64> = design.outcome.iter().map(|column| mean(column).round()).collect();
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
        for ((y, column), centre) in units.y.iter_mut().zip(&design.outcome).zip(&centres) {
            y[unit] += design.value(*column, row) - centre;
        }
        units.unit.push(unit);
    }
    units.rows = rows;
    Ok(units)
}

/// The treatment's t of an outcome in the whole formula under any assignment: by the engine that partials out the rest once, or, where that
/// has no answer, by the formula's own fit, in which a covariate that repeats the assignment is the one that goes.
pub struct Statistic<'a> {
    pub engine: Option<Studentised>,
    rows: Design,
    /// A row of each arm, the treatment among the columns, its term.
    arms: [usize; 2],
    treatment: &'a Quantity,
    term: usize,
    unit: &'a [usize],
    variance: Variance,
    /// Σ (y − ȳ)²; 0 for an outcome that does not vary, whose t is 0 whatever is assigned.
    squares: f64,
}

impl Statistic<'_> {
    /// Infinite where the assignment explains the outcome whole; `None` where it explains nothing, or is itself explained.
    pub fn at(&self, treated: &[bool]) -> Option<f64> {
        if self.squares == 0.0 {
            return Some(0.0);
        }
        self.engine.as_ref().and_then(|engine| engine.statistic(treated)).or_else(|| self.by_formula(treated))
    }

    fn by_formula(&self, treated: &[bool]) -> Option<f64> {
        let rows = self.rows.assigned(self.treatment, |row| self.arms[usize::from(treated[self.unit[row]])]);
        let fitted = fit(&rows).ok()?;
        let contrast = fitted.contrast(&[(self.term, 1.0)]).ok()?;
        let sandwich = fitted.sandwich(self.variance, EffectCount::Nested, false).ok()?;
        let effect = contrast.dot(&fitted.gamma);
        match fitted.estimate(&sandwich, &contrast, Df::Normal, EffectCount::Nested, 0.95) {
            Ok(found) => Some(found.statistic),
            Err(_) => (effect * effect / contrast.norm_squared() > 1e-12 * self.squares).then_some(f64::INFINITY.copysign(effect)),
        }
    }
}

/// One for each outcome; `number` is the contrast's place among the treatment's. Refuses a term that moves with the treatment under another
/// name.
pub fn statistics<'a>(
    spec: &Spec,
    design: &Design,
    contrast: &Contrast,
    number: usize,
    units: &'a Units,
    treatment: &'a Quantity,
) -> Result<Vec<Statistic<'a>>> {
    let variance = variance(spec, if spec.cluster.is_empty() { "hc2" } else { "cr2" })?;
    let engines = engines(design, units, treatment, variance)?;
    let first = |arm: bool| contrast.arm.iter().flatten().position(|own| *own == arm).unwrap_or(0);
    let term = design.treatment.get(number).or(design.treatment.first()).copied().unwrap_or(0);
    let outcomes = design.outcome.iter().zip(engines);
    Ok(outcomes
        .map(|(column, engine)| {
            let mut rows = design.clone();
            rows.keep(&units.rows);
            rows.outcome = vec![*column];
            let squares = rows.squares();
            Statistic { engine, rows, arms: [first(false), first(true)], treatment, term, unit: &units.unit, variance, squares }
        })
        .collect())
}

/// The engine of each outcome; `None` where partialling out does not give the formula's t: the treatment is interacted, or coded so that a
/// formula without intercept feels it, or the covariates explain the outcome whole.
pub fn engines(design: &Design, units: &Units, treatment: &Quantity, variance: Variance) -> Result<Vec<Option<Studentised>>> {
    let Some(mut covariates) = design.without_treatment(&units.rows, &units.unit, treatment)? else {
        return Ok(design.outcome.iter().map(|_| None).collect());
    };
    let engine = |column: &usize| {
        covariates.outcome = vec![*column];
        if covariates.only_outcome().is_some() {
            return None;
        }
        fit(&covariates).and_then(|fitted| Studentised::new(&fitted, &covariates, variance)).ok()
    };
    Ok(design.outcome.iter().map(engine).collect())
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
        let lost = drawn.iter().filter(|value| value.is_none()).count();
        if found.is_some() && !flat && lost > 0 {
            let made = drawn.len();
            answer.warnings.push(format!("{}: {lost} of {made} assignments have no statistic and are left out", term(outcome)));
        }
        if found.is_some_and(|(_, found)| found.spread.is_infinite()) {
            let why = "some assignments explain the outcome whole, so their t is infinite: they count as extreme, and there is no se";
            answer.warnings.push(format!("{}: {why}", term(outcome)));
        }
        match found.filter(|_| !flat) {
            Some((observed, found)) => {
                let spread = Some(found.spread).filter(|spread| spread.is_finite());
                ratios.push(spread.map(|spread| observed / spread));
                spreads.push(spread);
                answer.rows.push(
                    Row::new(term(outcome))
                        .with("estimate", observed)
                        .with("se", spread)
                        .with("statistic", spread.map(|spread| observed / spread))
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
                let why = match observed {
                    _ if flat => "no assignment would change it: the outcome or the treatment does not vary",
                    Some(_) => "the assignment explains the outcome whole, so its t is infinite; use statistic difference",
                    None => "the statistic does not exist: the outcome does not vary, or the covariates explain it or the treatment whole",
                };
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
            .filter(|at| used.iter().all(|outcome| drawn[*outcome][*at].is_some()))
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
