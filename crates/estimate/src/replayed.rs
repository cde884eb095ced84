//! `ri --trial`: the recorded trial's own rule, all its arms drawn together.

use super::answer::Answer;
use super::design::Design;
use super::difference::Contrast;
use super::formula::Quantity;
use super::linear::variance;
use super::recorded::Trials;
use super::spec::{Spec, refused};
use super::units::{engines, push, units};
use crate::error::Result;
use std::path::Path;
use vecino_stats::passes;
use vecino_stats::random::seeded;
use vecino_stats::studentised::Studentised;

/// Strata are from `block`, one level of the treatment stands for each arm. A contrast is computed on the units that an assignment puts into
/// its two arms: the difference of row means or, with the treatment given as `studentised`, its t in the whole formula.
#[allow(clippy::too_many_arguments)]
pub fn replayed(
    spec: &Spec,
    design: &Design,
    mut answer: Answer,
    all: &[Contrast],
    names: &[&str],
    draws: u64,
    studentised: Option<&Quantity>,
    file: &Path,
    trials: Trials<'_>,
) -> Result<Answer> {
    let trial = trials(file).map_err(refused)?;
    if trial.arms != all.len() + 1 {
        let (place, arms, levels) = (file.display(), trial.arms, all.len() + 1);
        return Err(refused(format!("trial {place}: has {arms} arms and the treatment {levels} levels; give the column of arms")));
    }
    // Every row belongs to some contrast or to the reference of all.
    let whole = Contrast { term: String::new(), arm: vec![Some(true); design.n] };
    let units = units(design, &whole)?;
    let mut arm: Vec<Option<usize>> = vec![None; units.n.len()];
    for (row, unit) in units.unit.iter().enumerate() {
        let own = all.iter().position(|contrast| contrast.arm[row] == Some(true)).map_or(0, |at| at + 1);
        if arm[*unit].replace(own).is_some_and(|before| before != own) {
            let name = design.clusters.first().map_or("", |clusters| &clusters.names[clusters.at(row) as usize]);
            return Err(refused(format!("the arm varies within cluster {name}; give the column that was assigned")));
        }
    }
    let arm: Vec<usize> = arm.into_iter().flatten().collect();
    let variance = variance(spec, if spec.cluster.is_empty() { "hc2" } else { "cr2" })?;
    let engines = studentised.map(|treatment| engines(design, &units, treatment, variance)).transpose()?;
    let engines: Option<Vec<Studentised>> = match engines.map(|engines| engines.into_iter().collect::<Option<Vec<_>>>()) {
        Some(None) => {
            return Err(refused(
                "statistic t by a trial's rule: the outcome does not vary, or the treatment is interacted or stands without an intercept",
            ));
        }
        found => found.flatten(),
    };
    let statistic = |arms: &[usize], contrast: usize, outcome: usize| -> Option<f64> {
        let chosen: Vec<usize> = (0..arms.len()).filter(|unit| arms[*unit] == 0 || arms[*unit] == contrast + 1).collect();
        let treated: Vec<bool> = chosen.iter().map(|unit| arms[*unit] != 0).collect();
        if let Some(engines) = &engines {
            return engines[outcome].among(&chosen).ok()?.statistic(&treated);
        }
        let mut sums = [(0.0, 0.0); 2];
        for (unit, treated) in chosen.iter().zip(&treated) {
            let side = &mut sums[usize::from(*treated)];
            *side = (side.0 + units.n[*unit], side.1 + units.y[outcome][*unit]);
        }
        Some(sums[1].1 / sums[1].0 - sums[0].1 / sums[0].0).filter(|value| value.is_finite())
    };
    let mut random = seeded(spec.seed.unwrap_or(trial.seed), "randomisation inference by the trial's rule");
    let outcomes = units.y.len();
    let mut values: Vec<Vec<Vec<Option<f64>>>> = vec![vec![Vec::new(); outcomes]; all.len()];
    let batch = (1 << 21) / arm.len().max(1) as u64 + 1;
    let mut made = 0;
    while made < draws {
        let count = batch.min(draws - made);
        let drawn: Vec<Vec<usize>> = (0..count).filter_map(|_| (trial.rule)(&units.block, &mut random)).collect();
        for (number, outcome) in (0..all.len()).flat_map(|number| (0..outcomes).map(move |outcome| (number, outcome))) {
            let parts = passes::parts_when(drawn.len(), drawn.len() * arm.len() > 20_000, |range| {
                drawn[range].iter().map(|arms| statistic(arms, number, outcome)).collect::<Vec<_>>()
            });
            values[number][outcome].extend(parts.into_iter().flatten());
        }
        made += count;
    }
    for (number, (contrast, drawn)) in all.iter().zip(&values).enumerate() {
        let observed: Vec<Option<f64>> = (0..outcomes).map(|outcome| statistic(&arm, number, outcome)).collect();
        push(&mut answer, spec, contrast, names, &observed, drawn, false);
    }
    Ok(answer)
}
