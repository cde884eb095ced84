//! `ri`: randomisation inference by the recorded design, and `wild`: the wild cluster bootstrap.

use super::answer::{Answer, Row};
use super::compress::Compressed;
use super::design::Design;
use super::difference::{Contrast, check_clusters, contrasts};
use super::formula::{Outcome, Quantity};
use super::grouping::Grouping;
use super::linear::variance;
use super::spec::{Spec, refused};
use crate::error::{Error, Result};
use crate::id::seeded_random;
use crate::stats::cells::Rows;
use crate::stats::multiple::max_t;
use crate::stats::ols::{EffectCount, Variance, fit};
use crate::stats::randomisation::{Assignments, Balance, compare};
use crate::stats::studentised::{Studentised, statistics};
use crate::stats::wild::{Plan, Weights, bootstrap};
use crate::trial::protocol::Protocol;
use crate::trial::randomise::draw;
use nalgebra::DVector;
use std::path::Path;

/// Draws of one answer may not need more than this many statistics in memory.
const MOST: u64 = 20_000_000;

/// The units of a contrast: which arm, which block, and for each outcome n and Σy.
struct Units {
    treated: Vec<bool>,
    block: Vec<usize>,
    n: Vec<f64>,
    /// Outcome by outcome.
    y: Vec<Vec<f64>>,
    rows: Vec<u32>,
    /// Unit of each of `rows`.
    unit: Vec<usize>,
}

pub fn ri(spec: &Spec, design: &Design, outcome: &Outcome, treatment: &Quantity, factor: bool, folder: &Path) -> Result<Answer> {
    let mut answer = design.answer(&spec.method);
    let draws = spec.draws.unwrap_or(10_000).clamp(1, MOST);
    let names: Vec<&str> = match outcome {
        Outcome::Pair(several) => several.iter().map(|y| y.text.as_str()).collect(),
        _ => Vec::new(),
    };
    let studentised = spec.word("statistic", &spec.statistic, "difference", &["difference", "t"])? == "t";
    if let Some(other) = spec.adjust.iter().find(|method| *method != "maxt") {
        return Err(refused(format!("adjust \"{other}\": ri adjusts by maxt; take its p to method adjust for {other}")));
    }
    if !studentised && design.terms.len() > design.treatment.len() + 1 {
        answer.warnings.push("only the treatment counts in a difference of means; statistic t uses the whole formula".to_string());
    }
    let all = contrasts(spec, design, treatment, factor)?;
    if spec.trial.is_some() {
        return replayed(spec, design, answer, &all, &names, draws, studentised, folder);
    }
    for contrast in &all {
        let units = units(design, contrast)?;
        let mut assignments = Assignments::new(&units.block, &units.treated, draws);
        if let Some(rule) = rule(spec, design, &units, &contrast.term, &mut answer)? {
            assignments = assignments.with_rule(rule);
        }
        let mut random = seeded_random(spec.seed.unwrap_or(1), "randomisation inference");
        let (observed, drawn) = if studentised {
            by_t(spec, design, &units, &assignments, &mut random, treatment)?
        } else {
            by_difference(&units, |visit| assignments.each(&mut random, visit))
        };
        let made = drawn.first().map_or(0, Vec::len) as u64;
        if !assignments.exact && made < assignments.draws {
            let term = &contrast.term;
            answer.warnings.push(format!("{term}: only {made} of {} draws: hardly any assignment meets balance_limit", assignments.draws));
        }
        push(&mut answer, spec, contrast, &names, &observed, &drawn, assignments.exact);
    }
    Ok(answer)
}

/// The rule of re-randomisation over unit means, where one is given. Warns where the assignment itself breaks it.
fn rule(spec: &Spec, design: &Design, units: &Units, term: &str, answer: &mut Answer) -> Result<Option<Balance>> {
    let limit = match (spec.balance.is_empty(), spec.balance_limit) {
        (true, None) => return Ok(None),
        (false, Some(limit)) if limit >= 0.0 && limit.is_finite() => limit,
        _ => return Err(refused("balance and balance_limit: give the columns and the largest accepted distance together")),
    };
    let mut means = vec![vec![0.0; spec.balance.len()]; units.n.len()];
    for (row, unit) in units.rows.iter().zip(&units.unit) {
        means[*unit].iter_mut().zip(design.balance(*row as usize)).for_each(|(mean, x)| *mean += x / units.n[*unit]);
    }
    let rule = Balance::new(&means, limit).map_err(|why| refused(format!("balance: {}", why.why())))?;
    if !rule.accepts(&units.treated) {
        let distance = rule.distance(&units.treated);
        answer
            .warnings
            .push(format!("{term}: the assignment's own distance {distance:.4} is above balance_limit {limit}: this is not the rule that made it"));
    }
    Ok(Some(rule))
}

/// Observed statistic and drawn ones, outcome by outcome.
type Drawn = (Vec<Option<f64>>, Vec<Vec<Option<f64>>>);

fn units(design: &Design, contrast: &Contrast) -> Result<Units> {
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

fn by_difference(units: &Units, each: impl FnOnce(&mut dyn FnMut(&[bool]))) -> Drawn {
    let (n, totals): (f64, Vec<f64>) = (units.n.iter().sum(), units.y.iter().map(|y| y.iter().sum()).collect());
    let differences = |z: &[bool]| -> Vec<Option<f64>> {
        let treated: f64 = units.n.iter().zip(z).map(|(n, z)| if *z { *n } else { 0.0 }).sum();
        units
            .y
            .iter()
            .zip(&totals)
            .map(|(y, total)| {
                let sum: f64 = y.iter().zip(z).map(|(y, z)| if *z { *y } else { 0.0 }).sum();
                Some(sum / treated - (total - sum) / (n - treated)).filter(|difference| difference.is_finite())
            })
            .collect()
    };
    let observed = differences(&units.treated);
    let mut drawn = vec![Vec::new(); units.y.len()];
    each(&mut |z| drawn.iter_mut().zip(differences(z)).for_each(|(all, value)| all.push(value)));
    (observed, drawn)
}

fn by_t(
    spec: &Spec,
    design: &Design,
    units: &Units,
    assignments: &Assignments,
    random: &mut rand_chacha::ChaCha20Rng,
    treatment: &Quantity,
) -> Result<Drawn> {
    let (engines, scale) = engines(spec, design, units, treatment)?;
    let observed = engines.iter().map(|engine| engine.statistic(&units.treated).map(|t| t * scale)).collect();
    let mut drawn: Vec<Vec<Option<f64>>> = vec![Vec::new(); engines.len()];
    let mut batch: Vec<Vec<bool>> = Vec::new();
    let finish = |batch: &mut Vec<Vec<bool>>, drawn: &mut Vec<Vec<Option<f64>>>| {
        for (engine, all) in engines.iter().zip(drawn.iter_mut()) {
            all.extend(statistics(engine, batch).into_iter().map(|t| t.map(|t| t * scale)));
        }
        batch.clear();
    };
    assignments.each(random, |z| {
        batch.push(z.to_vec());
        if batch.len() * units.n.len() >= 1 << 21 {
            finish(&mut batch, &mut drawn);
        }
    });
    finish(&mut batch, &mut drawn);
    Ok((observed, drawn))
}

/// The engine of each outcome, and the root of 1/c of the variance.
fn engines(spec: &Spec, design: &Design, units: &Units, treatment: &Quantity) -> Result<(Vec<Studentised>, f64)> {
    let variance = variance(spec, if spec.cluster.is_empty() { "hc2" } else { "cr2" })?;
    if variance == Variance::Classical {
        return Err(refused("statistic t: the classical variance is not a studentised one; give hc0 to hc3, or cr0 to cr3 with a cluster"));
    }
    let mut covariates = design.without_treatment(&units.rows, &units.unit, treatment)?;
    let mut engines = Vec::new();
    let mut scale = 1.0;
    for column in design.outcome.iter() {
        covariates.outcome = vec![*column];
        let stuck = |why: crate::stats::Refusal| refused(format!("statistic t: {}", why.why()));
        let fitted = fit(&covariates).map_err(stuck)?;
        let clusters = units.n.len() as f64;
        let c = variance.factor(clusters, covariates.n as f64, fitted.kept.len() as f64 + 1.0).map_err(stuck)?;
        scale = 1.0 / c.sqrt();
        engines.push(Studentised::new(&fitted, &covariates, variance));
    }
    Ok((engines, scale))
}

fn push(answer: &mut Answer, spec: &Spec, contrast: &Contrast, names: &[&str], observed: &[Option<f64>], drawn: &[Vec<Option<f64>>], exact: bool) {
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

/// The recorded trial's own rule, all arms drawn together: strata from `block`, one level of the treatment for each arm.
#[allow(clippy::too_many_arguments)]
fn replayed(
    spec: &Spec,
    design: &Design,
    mut answer: Answer,
    all: &[Contrast],
    names: &[&str],
    draws: u64,
    studentised: bool,
    folder: &Path,
) -> Result<Answer> {
    let file = folder.join(spec.trial.as_deref().unwrap_or_default());
    let place = file.display().to_string();
    let text =
        std::fs::read_to_string(&file).map_err(|e| refused(format!("trial {place}: cannot be read ({e}); give the experiment's TOML file")))?;
    let protocol = Protocol::parse(&text, &place).map_err(|e: Error| refused(e.lines.join("\n")))?;
    if protocol.arms.len() != all.len() + 1 {
        let (arms, levels) = (protocol.arms.len(), all.len() + 1);
        return Err(refused(format!("trial {place}: has {arms} arms and the treatment {levels} levels; give the column of arms")));
    }
    if studentised {
        return Err(refused("trial: replays a difference of means; for a studentised p of the registered contrasts see  vecino trial analyse"));
    }
    // Every row belongs to some contrast or to the reference of all.
    let whole = Contrast { term: String::new(), arm: vec![Some(true); design.n] };
    let units = units(design, &whole)?;
    let mut arm = vec![0usize; units.n.len()];
    for (row, unit) in units.unit.iter().enumerate() {
        let own = all.iter().position(|contrast| contrast.arm[row] == Some(true)).map_or(0, |at| at + 1);
        arm[*unit] = own;
    }
    for contrast in all {
        if let Some(clusters) = design.clusters.first() {
            check_clusters(contrast, clusters)?;
        }
    }
    let statistic = |arms: &[usize], contrast: usize, y: &[f64]| -> Option<f64> {
        let mut sums = [(0.0, 0.0); 2];
        for (unit, own) in arms.iter().enumerate() {
            let side = match *own {
                0 => 0,
                own if own == contrast + 1 => 1,
                _ => continue,
            };
            sums[side] = (sums[side].0 + units.n[unit], sums[side].1 + y[unit]);
        }
        Some(sums[1].1 / sums[1].0 - sums[0].1 / sums[0].0).filter(|value| value.is_finite())
    };
    let mut random = seeded_random(spec.seed.unwrap_or(protocol.seed), "randomisation inference by the trial's rule");
    let drawn: Vec<Vec<usize>> = (0..draws).map(|_| draw(&units.block, protocol.arms.len(), &mut random)).collect();
    for (number, contrast) in all.iter().enumerate() {
        let observed: Vec<Option<f64>> = units.y.iter().map(|y| statistic(&arm, number, y)).collect();
        let values: Vec<Vec<Option<f64>>> = units.y.iter().map(|y| drawn.iter().map(|arms| statistic(arms, number, y)).collect()).collect();
        push(&mut answer, spec, contrast, names, &observed, &values, false);
    }
    Ok(answer)
}

pub fn wild(spec: &Spec, design: &Design) -> Result<Answer> {
    spec.needs_cluster()?;
    match Compressed::new(design) {
        Some(cells) => wild_rows(spec, design, &cells),
        None => wild_rows(spec, design, design),
    }
}

fn wild_rows<R: Rows>(spec: &Spec, design: &Design, rows: &R) -> Result<Answer> {
    let mut answer = design.answer(&spec.method);
    let weights = match spec.word("weights_type", &spec.weights_type, "rademacher", &["rademacher", "webb"])? {
        "webb" => Weights::Webb,
        _ => Weights::Rademacher,
    };
    let leave_out = spec.word("bootstrap", &spec.bootstrap, "11", &["11", "31"])? == "31";
    let draws = spec.draws.unwrap_or(9_999).clamp(1, MOST) as u32;
    let plan = Plan { weights, impose_null: spec.impose_null.unwrap_or(true), leave_out, draws };
    let null = spec.null.unwrap_or(0.0);
    let flat = design.only_outcome();
    let fitted = fit(rows);
    for at in &design.treatment {
        let name = &design.terms[*at].name;
        let refuse = |why: &str, answer: &mut Answer, estimate: Option<f64>| {
            answer.warnings.push(format!("{name}: no p, {why}"));
            let row = Row::new(name.clone()).with("estimate", estimate);
            let empty = ["se", "statistic", "p", "draws", "exact", "n_greater", "n_tied", "n_undefined", "n_above", "n_below"];
            let row = empty.iter().fold(row, |row, name| row.with(name, None));
            answer.rows.push(row.with("n_clusters", answer.clusters.unwrap_or(0)));
        };
        if flat.is_some() {
            refuse("the outcome does not vary", &mut answer, Some(0.0));
            continue;
        }
        let fitted = match &fitted {
            Ok(fitted) => fitted,
            Err(why) => {
                refuse(why.why(), &mut answer, None);
                continue;
            }
        };
        let mut random = seeded_random(spec.seed.unwrap_or(1), "wild cluster bootstrap");
        let contrast: DVector<f64> = match fitted.contrast(&[(*at, 1.0)]) {
            Ok(contrast) => contrast,
            Err(why) => {
                refuse(why.why(), &mut answer, None);
                continue;
            }
        };
        let theta = contrast.dot(&fitted.gamma);
        let factor = Variance::Cr1s.factor(fitted.clusters(), fitted.n, fitted.coefficients(EffectCount::Nested));
        let found = factor.and_then(|factor| {
            let clusters = fitted.unadjusted()?;
            bootstrap(fitted, &clusters, &contrast, null, factor, plan, &mut random)
        });
        match found {
            Ok(found) => answer.rows.push(
                Row::new(name.clone())
                    .with("estimate", found.estimate)
                    .with("se", found.se)
                    .with("statistic", found.statistic)
                    .with("p", found.p)
                    .with("draws", u64::from(found.draws))
                    .with("exact", found.exact)
                    .with("n_greater", u64::from(found.greater))
                    .with("n_tied", u64::from(found.tied))
                    .with("n_undefined", u64::from(found.undefined))
                    .with("n_above", u64::from(found.above))
                    .with("n_below", u64::from(found.below))
                    .with("n_clusters", fitted.clusters() as u64),
            ),
            Err(why) => refuse(why.why(), &mut answer, Some(theta)),
        }
    }
    Ok(answer)
}
