//! The pre-registered estimates: the linear probability model over observed collections, the same by segment, and the replayed draw.
//!
//! Columns: intercept, arms (see [`Coding`]), strata, weeks, centred baseline of the segment. A contrast Σ w_a μ_a over arms is the same
//! Σ over the arms' columns of (Σ_a w_a code_a) β, since its weights sum to 0.

use super::findings::{Contrast, Design, FamilyAnswer, Warning};
use super::load::{Data, Tally};
use super::replay::{Replayed, Replays};
use crate::id::seeded_random;
use crate::stats::cells::Cells;
use crate::stats::distribution::critical;
use crate::stats::ols::{Df, EffectCount, Estimate, Fit, Variance, fit};
use crate::stats::randomisation::monte_carlo_error;
use crate::stats::sandwich::Sandwich;
use crate::stats::wild::{Plan, Weights, bootstrap};
use crate::stats::{Refusal, icc, multiple};
use crate::trial::protocol::{Adjust, Analysis, Family, Measure};

pub use super::coding::Coding;

/// The rows of the primary model: one cell for each segment and week with observed collections.
pub(super) struct Rows {
    /// Segment, covariates without the arms (the intercept first), n, y.
    pub(super) cells: Vec<(usize, Vec<f64>, f64, f64)>,
    pub(super) width: usize,
    /// Which of the covariates are weeks; all others are the same in all cells of a segment.
    pub(super) weeks: std::ops::Range<usize>,
}

/// What is counted of a segment's week.
pub(super) fn counted(measure: Measure, tally: &Tally) -> f64 {
    match measure {
        Measure::Complied => tally.complied,
        Measure::SetOut => tally.set_out,
        Measure::Separated => tally.separated,
        Measure::Contaminated => tally.contaminated,
    }
}

/// Of what it is counted: every observed collection, or those set out of which it is known.
pub(super) fn known(measure: Measure, tally: &Tally) -> f64 {
    match measure {
        Measure::Separated => tally.separation_seen,
        Measure::Complied | Measure::SetOut | Measure::Contaminated => tally.observed,
    }
}

pub(super) fn rows(data: &Data, measure: Measure, weeks: (i64, i64), by_segment: bool) -> Rows {
    let used = |segment: usize| data.baseline(segment);
    let baselines: Vec<f64> = (0..data.segments.len()).filter_map(used).collect();
    let centre = if baselines.is_empty() { 0.0 } else { baselines.iter().sum::<f64>() / baselines.len() as f64 };
    let strata = data.strata.len().saturating_sub(1);
    let columns = if by_segment { 0 } else { (weeks.1 - weeks.0).max(0) as usize };
    let width = 1 + strata + columns + 1;
    let covariates = |segment: usize, week: Option<i64>| {
        let mut x = vec![0.0; width];
        x[0] = 1.0;
        let stratum = data.segments[segment].stratum;
        if stratum > 0 {
            x[stratum] = 1.0;
        }
        if let Some(week) = week.filter(|w| *w > weeks.0) {
            x[strata + (week - weeks.0) as usize] = 1.0;
        }
        x[width - 1] = used(segment).unwrap_or(centre) - centre;
        x
    };
    let mut cells = Vec::new();
    if by_segment {
        let mut sums = vec![(0.0, 0.0); data.segments.len()];
        for tally in data.between(weeks) {
            sums[tally.segment].0 += known(measure, tally);
            sums[tally.segment].1 += counted(measure, tally);
        }
        for (segment, (n, y)) in sums.into_iter().enumerate().filter(|(_, (n, _))| *n > 0.0) {
            cells.push((segment, covariates(segment, None), 1.0, y / n));
        }
    } else {
        for tally in data.between(weeks).filter(|t| known(measure, t) > 0.0) {
            cells.push((tally.segment, covariates(tally.segment, Some(tally.week)), known(measure, tally), counted(measure, tally)));
        }
    }
    Rows { cells, width, weeks: 1 + strata..1 + strata + columns }
}

/// The model's cells with the arms as they are, segments as clusters.
pub(super) fn cells(data: &Data, rows: &Rows, binary: bool) -> Cells {
    let mut cells = Cells::new(rows.width + data.coding.columns());
    let mut number = vec![None; data.segments.len()];
    for (segment, x, n, y) in &rows.cells {
        let mut all = vec![x[0]];
        all.extend(data.coding.arm(data.segments[*segment].arm));
        all.extend(&x[1..]);
        let next = cells.clusters as u32;
        let cluster = *number[*segment].get_or_insert(next);
        cells.push(cluster, &all, *n, *y, if binary { *y } else { n * y * y });
    }
    cells
}

/// Refuses an outcome without variation before anything is fitted to rounding.
fn vary(cells: &Cells) -> Result<&Cells, Refusal> {
    if cells.is_flat() { Err(Refusal::NoVariation) } else { Ok(cells) }
}

/// Everything the looks are for.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub primary: Vec<Contrast>,
    pub secondary: Vec<Contrast>,
    pub ancova: Vec<Contrast>,
    pub families: Vec<FamilyAnswer>,
    pub design: Option<Design>,
    pub warnings: Vec<Warning>,
}

/// Fits everything. What cannot be computed stays empty with a warning.
pub fn answer(data: &Data, replays: &Replays) -> Answer {
    let mut out = Answer::default();
    // Taken apart whole: a key that nothing here obeys does not compile.
    let Analysis { families, level, randomisation_draws: _, wild_draws } = &data.protocol.analysis;
    let (level, wild_draws) = (*level, *wild_draws);
    let Some((primary, rest)) = families.split_first() else { return out };
    let (secondary, more) = rest.split_first().map_or((None, rest), |(secondary, more)| (Some(secondary), more));
    let empty = |contrast: &crate::trial::protocol::Contrast| Contrast::named(&contrast.id);
    out.primary = primary.contrasts.iter().map(empty).collect();
    out.secondary = secondary.map_or(Vec::new(), |family| family.contrasts.iter().map(empty).collect());
    out.ancova = primary.contrasts.iter().map(empty).collect();
    let Some(weeks) = data.weeks(primary.phase) else {
        let phase = primary.phase.name();
        out.warnings.push(Warning::new(
            if phase == "messages" { "no-messages-data" } else { "no-phase-data" },
            &format!("no week of the {phase} phase is published yet: nothing is estimated"),
            &[],
        ));
        return out;
    };
    out.families = more.iter().map(|family| family_answer(data, family, &mut out.warnings)).collect();
    let rows_of_primary = rows(data, data.protocol.outcome.measure, weeks, false);
    let primary_cells = cells(data, &rows_of_primary, true);
    match vary(&primary_cells)
        .and_then(fit)
        .and_then(|fitted| Ok((fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?, fitted.unadjusted()?, fitted)))
    {
        Err(why) => out.refuse("primary model", why),
        Ok((sandwich, clusters, fitted)) => {
            let registered = primary.contrasts.iter().chain(secondary.iter().flat_map(|family| &family.contrasts));
            let counts = counts(data, data.protocol.outcome.measure, weeks);
            for (contrast, registered) in out.primary.iter_mut().chain(&mut out.secondary).zip(registered) {
                contrast.count(counts);
                match estimate(data, &fitted, &sandwich, &registered.weights, Df::Satterthwaite, level) {
                    Ok(found) => contrast.take(&found),
                    Err(why) => out.warnings.push(Warning::refused(&contrast.contrast, why)),
                }
            }
            let adjusted = adjust(primary.adjust, &out.primary);
            let by_design = Replayed::new(data, &rows_of_primary, &fitted.kept, &primary.contrasts);
            let by_design =
                by_design.map_or(Vec::new(), |replayed| replays.compare(data, &replayed.observed, |arms| replayed.statistics(data, arms)));
            for (at, ((contrast, adjusted), registered)) in out.primary.iter_mut().zip(adjusted).zip(&primary.contrasts).enumerate() {
                contrast.p_adjusted = adjusted;
                if contrast.estimate.is_none() {
                    continue;
                }
                if let Some(found) = by_design.get(at).copied().flatten() {
                    contrast.p_randomisation = Some(found.p);
                    contrast.p_randomisation_error = Some(monte_carlo_error(found.p, found.draws));
                }
                // Each contrast has a stream of its own, so that its p does not depend on the order of contrasts.
                let mut random = seeded_random(data.protocol.seed, &format!("wild {} {STREAM} {}", data.protocol.id, contrast.contrast));
                let weights = if fitted.clusters() < 10.0 { Weights::Webb } else { Weights::Rademacher };
                let plan = Plan { weights, impose_null: true, leave_out: false, draws: wild_draws };
                contrast.p_wild = fitted
                    .contrast(&in_model(data, &registered.weights))
                    .and_then(|a| {
                        let factor = Variance::Cr1s.factor(fitted.clusters(), fitted.n, fitted.coefficients(EffectCount::Nested))?;
                        bootstrap(&fitted, &clusters, &a, 0.0, factor, plan, &mut random)
                    })
                    .ok()
                    .map(|w| w.p);
                contrast.p_wild_error = contrast.p_wild.map(|p| monte_carlo_error(p, wild_draws));
            }
            let registered = secondary.map_or(&[] as &[_], |family| family.contrasts.as_slice());
            for (contrast, _) in out.secondary.iter_mut().zip(registered).filter(|(_, registered)| data.coding.is_interaction(&registered.weights)) {
                // The effect found 80 times in 100: (t_{1−α/2} + t_0.8) × se.
                let reach = critical(level, contrast.df).zip(critical(0.6, contrast.df));
                contrast.minimum_detectable = reach.zip(contrast.se).map(|((a, b), se)| (a + b) * se);
            }
            let least = out.primary.iter().filter_map(|c| c.df).fold(f64::INFINITY, f64::min);
            if least < 10.0 {
                let df = format!("{least:.1}");
                let text = format!("only {df} degrees of freedom: do not quote a p without the randomisation p beside it");
                out.warnings.push(Warning::new("few-degrees", &text, &[("df", &df)]));
            }
        }
    }
    let means = cells(data, &rows(data, data.protocol.outcome.measure, weeks, true), false);
    match vary(&means).and_then(fit).and_then(|fitted| Ok((fitted.sandwich(Variance::Classical, EffectCount::Nested, false)?, fitted))) {
        Err(why) => out.refuse("segment means", why),
        Ok((sandwich, fitted)) => {
            for (contrast, registered) in out.ancova.iter_mut().zip(&primary.contrasts) {
                contrast.count(counts(data, data.protocol.outcome.measure, weeks));
                match estimate(data, &fitted, &sandwich, &registered.weights, Df::Residual, level) {
                    Ok(found) => contrast.take(&found),
                    Err(why) => out.warnings.push(Warning::refused(&format!("{} by segment means", contrast.contrast), why)),
                }
            }
        }
    }
    let mut by_segment = vec![(0, 0.0, 0.0, 0.0); data.segments.len()];
    for tally in data.between(weeks) {
        let arm = data.segments[tally.segment].arm;
        let sums = &mut by_segment[tally.segment];
        *sums = (arm, sums.1 + tally.observed, sums.2 + tally.complied, sums.3 + tally.complied);
    }
    out.design = icc::mean_squares(&by_segment).ok().and_then(|table| {
        let found = table.icc().ok()?;
        Some(Design { icc: found.icc, icc_interval: table.interval(level), design_effect: found.design_effect })
    });
    out
}

/// The number in the names of the streams of Monte Carlo draws: one data set has the same draws at every look.
pub(super) const STREAM: i32 = 1;

fn adjust(how: Adjust, contrasts: &[Contrast]) -> Vec<Option<f64>> {
    let p: Vec<Option<f64>> = contrasts.iter().map(|c| c.p).collect();
    match how {
        Adjust::Holm => multiple::holm(&p),
        Adjust::None => p,
    }
}

/// A family beside the primary and secondary one: every contrast of every outcome of its phase, adjusted together.
fn family_answer(data: &Data, family: &Family, warnings: &mut Vec<Warning>) -> FamilyAnswer {
    let Family { id, contrasts, measures, phase, adjust: how } = family;
    let mut out = FamilyAnswer { family: id.clone(), phase: phase.name().to_owned(), adjust: how.name().to_owned(), contrasts: Vec::new() };
    let Some(weeks) = data.weeks(*phase) else { return out };
    for measure in measures {
        if *measure == Measure::Separated {
            let (set_out, seen) = data.between(weeks).fold((0.0, 0.0), |sums, tally| (sums.0 + tally.set_out, sums.1 + tally.separation_seen));
            let (set_out, seen) = (format!("{set_out:.0}"), format!("{seen:.0}"));
            let text = format!(
                "{id}, separated: told of what was set out alone, which messages may change; {seen} of the {set_out} collections set out tell it"
            );
            warnings.push(Warning::new("separated-conditional", &text, &[("seen", &seen), ("out", &set_out)]));
        }
        let cells = cells(data, &rows(data, *measure, weeks, false), true);
        let fitted = vary(&cells).and_then(fit).and_then(|fitted| Ok((fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?, fitted)));
        if let Err(why) = &fitted {
            warnings.push(Warning::refused(&format!("{id}, {}", measure.name()), *why));
        }
        for registered in contrasts {
            let mut contrast = Contrast { outcome: Some(measure.name().to_owned()), ..Contrast::named(&registered.id) };
            contrast.count(counts(data, *measure, weeks));
            if let Ok((sandwich, fitted)) = &fitted {
                match estimate(data, fitted, sandwich, &registered.weights, Df::Satterthwaite, data.protocol.analysis.level) {
                    Ok(found) => contrast.take(&found),
                    Err(why) => warnings.push(Warning::refused(&format!("{id}, {}, {}", measure.name(), registered.id), why)),
                }
            }
            out.contrasts.push(contrast);
        }
    }
    let adjusted = adjust(*how, &out.contrasts);
    out.contrasts.iter_mut().zip(adjusted).for_each(|(contrast, p)| contrast.p_adjusted = p);
    out
}

impl Answer {
    fn refuse(&mut self, what: &str, why: Refusal) {
        self.warnings.push(Warning::refused(what, why));
    }
}

/// A contrast over arms as weights of the model's columns.
pub(super) fn in_model(data: &Data, contrast: &[f64]) -> Vec<(usize, f64)> {
    data.coding.weights(contrast).into_iter().map(|(column, weight)| (column + 1, weight)).collect()
}

pub(super) fn estimate(data: &Data, fitted: &Fit<'_, Cells>, sandwich: &Sandwich, contrast: &[f64], df: Df, level: f64) -> Result<Estimate, Refusal> {
    let contrast = fitted.contrast(&in_model(data, contrast))?;
    // Where segments are fitted exactly a report would call nearly every pilot a success (experiments/README.md).
    if sandwich.told(&contrast) < 0.5 {
        return Err(Refusal::Saturated);
    }
    fitted.estimate(sandwich, &contrast, df, EffectCount::Nested, level)
}

/// Homes that were observed, and segments and collections that entered.
pub(super) fn counts(data: &Data, measure: Measure, weeks: (i64, i64)) -> (i64, i64, i64) {
    let homes = data.homes.iter().filter(|h| h.weeks.iter().any(|(week, _, _)| *week >= weeks.0 && *week <= weeks.1)).count();
    let mut seen = vec![false; data.segments.len()];
    let mut n = 0.0;
    for tally in data.between(weeks).filter(|t| known(measure, t) > 0.0) {
        seen[tally.segment] = true;
        n += known(measure, tally);
    }
    (homes as i64, seen.iter().filter(|s| **s).count() as i64, n as i64)
}
