//! `ri`: randomisation inference by the recorded design, and `wild`: the wild cluster bootstrap.

use super::answer::{Answer, Row};
use super::compress::Compressed;
use super::design::Design;
use super::difference::contrasts;
use super::formula::{Outcome, Quantity};
use super::linear::adjust;
use super::recorded::Trials;
use super::replayed::replayed;
use super::spec::{Spec, refused};
use super::units::{Statistic, Units, push, statistics, units};
use crate::error::Result;
use nalgebra::DVector;
use std::path::Path;
use vecino_stats::cells::Rows;
use vecino_stats::ols::{EffectCount, Variance, fit};
use vecino_stats::passes;
use vecino_stats::random::seeded;
use vecino_stats::randomisation::{Assignments, Balance};
use vecino_stats::wild::{Plan, Weights, bootstrap};

/// Draws of one answer may not need more than this many statistics in memory.
const MOST: u64 = 5_000_000;

/// The draws of a spec, at most `MOST` of them. Refuses none.
fn draws(spec: &Spec, default: u64, answer: &mut Answer) -> Result<u64> {
    match spec.draws.unwrap_or(default) {
        0 => Err(refused("draws 0: give at least 1, such as 10000")),
        draws if draws > MOST => {
            answer.warnings.push(format!("draws {draws}: {MOST} is the most that is made, or enumerated"));
            Ok(MOST)
        }
        draws => Ok(draws),
    }
}

pub fn ri(
    spec: &Spec,
    design: &Design,
    outcome: &Outcome,
    treatment: &Quantity,
    factor: bool,
    (folder, trials): (&Path, Trials<'_>),
) -> Result<Answer> {
    let mut answer = design.answer(&spec.method);
    if spec.cluster.len() > 1 {
        return Err(refused("method ri: takes one cluster column, the one that was assigned"));
    }
    let draws = draws(spec, 10_000, &mut answer)?;
    let names: Vec<&str> = match outcome {
        Outcome::Pair(several) => several.iter().map(|y| y.text.as_str()).collect(),
        _ => Vec::new(),
    };
    let studentised = spec.word("statistic", &spec.statistic, "difference", &["difference", "t"])? == "t";
    // The step-down goes by assignments, the others by the p alone.
    let by_p: Vec<String> = spec.adjust.iter().filter(|method| *method != "maxt").cloned().collect();
    if !studentised && design.terms.len() > design.treatment.len() + 1 {
        answer.warnings.push("only the treatment counts in a difference of means; statistic t uses the whole formula".to_string());
    }
    let all = contrasts(spec, design, treatment, factor, &mut answer)?;
    if let Some(trial) = &spec.trial {
        if !spec.balance.is_empty() || spec.balance_limit.is_some() {
            return Err(refused("trial: its own rule is replayed, which knows no balance; leave balance and balance_limit out"));
        }
        let mut answer = replayed(spec, design, answer, &all, &names, draws, studentised.then_some(treatment), &folder.join(trial), trials)?;
        adjust(&mut answer, &by_p)?;
        return Ok(answer);
    }
    for (number, contrast) in all.iter().enumerate() {
        let units = units(design, contrast)?;
        let mut assignments = Assignments::new(&units.block, &units.treated, draws);
        if let Some(rule) = rule(spec, design, &units, &contrast.term, &mut answer)? {
            assignments = assignments.with_rule(rule);
        }
        let mut random = seeded(spec.seed.unwrap_or(1), "randomisation inference");
        let (observed, drawn) = if studentised {
            by_t(&statistics(spec, design, contrast, number, &units, treatment)?, &units.treated, &assignments, &mut random)
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
    adjust(&mut answer, &by_p)?;
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

fn by_t(statistics: &[Statistic], assigned: &[bool], assignments: &Assignments, random: &mut rand_chacha::ChaCha20Rng) -> Drawn {
    let observed = statistics.iter().map(|statistic| statistic.at(assigned)).collect();
    let mut drawn: Vec<Vec<Option<f64>>> = vec![Vec::new(); statistics.len()];
    let mut batch: Vec<Vec<bool>> = Vec::new();
    let finish = |batch: &mut Vec<Vec<bool>>, drawn: &mut Vec<Vec<Option<f64>>>| {
        for (statistic, all) in statistics.iter().zip(drawn.iter_mut()) {
            let worth = statistic.engine.is_none() || batch.len() * assigned.len() > 20_000;
            let parts = passes::parts_when(batch.len(), worth, |range| batch[range].iter().map(|treated| statistic.at(treated)).collect::<Vec<_>>());
            all.extend(parts.into_iter().flatten());
        }
        batch.clear();
    };
    assignments.each(random, |z| {
        batch.push(z.to_vec());
        if batch.len() * assigned.len() >= 1 << 21 {
            finish(&mut batch, &mut drawn);
        }
    });
    finish(&mut batch, &mut drawn);
    (observed, drawn)
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
    let draws = draws(spec, 9_999, &mut answer)? as u32;
    if design.treatment.is_empty() && !design.absent.iter().any(|absent| absent.treatment) {
        return Err(refused("method wild: the first term on the right is the treatment, and there is none"));
    }
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
        let mut random = seeded(spec.seed.unwrap_or(1), "wild cluster bootstrap");
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
