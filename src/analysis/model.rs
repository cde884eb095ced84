//! The pre-registered estimates: the linear probability model over observed collections, the same by segment, and the replayed draw.
//!
//! Columns: intercept, norm ± ½, plan ± ½, their product, strata, weeks, centred baseline of the segment. An effect-coded main effect is
//! the mean of its two simple effects; the product's coefficient is the interaction.

use super::load::Data;
use super::replay::Replayed;
use super::report::{Contrast, Design, Warning};
use crate::id::seeded_random;
use crate::stats::cells::Cells;
use crate::stats::distribution::critical;
use crate::stats::ols::{Df, EffectCount, Estimate, Fit, Variance, fit};
use crate::stats::sandwich::Sandwich;
use crate::stats::wild::{Plan, Weights, bootstrap};
use crate::stats::{Refusal, icc, multiple};
use crate::trial::protocol::Phase;

pub(super) const NORM: usize = 1;
pub(super) const PLAN: usize = 2;
pub(super) const PRODUCT: usize = 3;

/// What a contrast is in the columns of the model. `None` for a name this design does not know.
fn weights(contrast: &str) -> Option<Vec<(usize, f64)>> {
    Some(match contrast {
        "norm" => vec![(NORM, 1.0)],
        "plan" => vec![(PLAN, 1.0)],
        "norm:plan" => vec![(PRODUCT, 1.0)],
        // At plan −½ (or norm −½) the product moves by −½.
        "norm_alone" => vec![(NORM, 1.0), (PRODUCT, -0.5)],
        "plan_alone" => vec![(PLAN, 1.0), (PRODUCT, -0.5)],
        "norm_and_plan" => vec![(NORM, 1.0), (PLAN, 1.0)],
        _ => return None,
    })
}

/// norm, plan and their product for an arm, effect-coded.
pub(super) fn codes(data: &Data, arm: usize) -> [f64; 3] {
    let half = |on: bool| if on { 0.5 } else { -0.5 };
    let (norm, plan) = data.protocol.arms.get(arm).map_or((-0.5, -0.5), |a| (half(a.norm), half(a.plan)));
    [norm, plan, norm * plan]
}

/// The rows of the primary model: one cell for each segment and week with observed collections.
pub(super) struct Rows {
    /// Segment, covariates without norm, plan and product (the intercept first), n, y.
    pub(super) cells: Vec<(usize, Vec<f64>, f64, f64)>,
    pub(super) width: usize,
    /// Which of the covariates are weeks; all others are the same in all cells of a segment.
    pub(super) weeks: std::ops::Range<usize>,
}

pub(super) fn rows(data: &Data, weeks: (i64, i64), by_segment: bool) -> Rows {
    let used = |segment: usize| data.baseline(segment);
    let known: Vec<f64> = (0..data.segments.len()).filter_map(used).collect();
    let centre = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
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
            sums[tally.segment].0 += tally.observed;
            sums[tally.segment].1 += tally.complied;
        }
        for (segment, (n, y)) in sums.into_iter().enumerate().filter(|(_, (n, _))| *n > 0.0) {
            cells.push((segment, covariates(segment, None), 1.0, y / n));
        }
    } else {
        for tally in data.between(weeks).filter(|t| t.observed > 0.0) {
            cells.push((tally.segment, covariates(tally.segment, Some(tally.week)), tally.observed, tally.complied));
        }
    }
    Rows { cells, width, weeks: 1 + strata..1 + strata + columns }
}

/// The model's cells with the arms as they are, segments as clusters.
pub(super) fn cells(data: &Data, rows: &Rows, binary: bool) -> Cells {
    let mut cells = Cells::new(rows.width + 3);
    let mut number = vec![None; data.segments.len()];
    for (segment, x, n, y) in &rows.cells {
        let mut all = vec![x[0]];
        all.extend(codes(data, data.segments[*segment].arm));
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
    pub design: Option<Design>,
    pub warnings: Vec<Warning>,
}

/// Fits everything. What cannot be computed stays empty with a warning.
pub fn answer(data: &Data, look: i32, replays: &[Vec<usize>]) -> Answer {
    let mut out = Answer::default();
    let analysis = &data.protocol.analysis;
    let empty = |name: &String| Contrast { contrast: name.clone(), ..Contrast::default() };
    out.primary = analysis.primary.iter().map(empty).collect();
    out.secondary = analysis.secondary.iter().map(empty).collect();
    out.ancova = analysis.primary.iter().map(empty).collect();
    let Some(weeks) = data.weeks(Phase::Messages) else {
        out.warnings.push(Warning::new("no-messages-data", "no week of the messages phase is published yet: nothing is estimated", &[]));
        return out;
    };
    let primary = rows(data, weeks, false);
    let primary_cells = cells(data, &primary, true);
    match vary(&primary_cells)
        .and_then(fit)
        .and_then(|fitted| Ok((fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?, fitted.unadjusted()?, fitted)))
    {
        Err(why) => out.refuse("primary model", why),
        Ok((sandwich, clusters, fitted)) => {
            let estimate = |name: &str| estimate(&fitted, &sandwich, name, Df::Satterthwaite, analysis.level);
            let counts = counts(data, weeks);
            for contrast in out.primary.iter_mut().chain(&mut out.secondary) {
                contrast.count(counts);
                match estimate(&contrast.contrast) {
                    Ok(found) => contrast.take(&found),
                    Err(why) => out.warnings.push(Warning::refused(&contrast.contrast, why)),
                }
            }
            let p: Vec<Option<f64>> = out.primary.iter().map(|c| c.p).collect();
            let adjusted = if analysis.adjust == "holm" { multiple::holm(&p) } else { p };
            let by_design = Replayed::new(data, &primary, &fitted.kept).map_or([None; 2], |replayed| replayed.p(data, replays));
            for (contrast, adjusted) in out.primary.iter_mut().zip(adjusted) {
                contrast.p_adjusted = adjusted;
                let column = match contrast.contrast.as_str() {
                    "norm" => NORM,
                    "plan" => PLAN,
                    _ => continue,
                };
                if contrast.estimate.is_none() {
                    continue;
                }
                contrast.p_randomisation = by_design[column - NORM];
                // Each contrast has a stream of its own, so that its p does not depend on the order of contrasts.
                let mut random = seeded_random(data.protocol.seed, &format!("wild {} {look} {}", data.protocol.id, contrast.contrast));
                let weights = if fitted.clusters() < 10.0 { Weights::Webb } else { Weights::Rademacher };
                let plan = Plan { weights, impose_null: true, leave_out: false, draws: analysis.wild_draws };
                contrast.p_wild = fitted
                    .contrast(&[(column, 1.0)])
                    .and_then(|a| {
                        let factor = Variance::Cr1s.factor(fitted.clusters(), fitted.n, fitted.coefficients(EffectCount::Nested))?;
                        bootstrap(&fitted, &clusters, &a, 0.0, factor, plan, &mut random)
                    })
                    .ok()
                    .map(|w| w.p);
            }
            for contrast in out.secondary.iter_mut().filter(|c| c.contrast == "norm:plan") {
                // The effect found 80 times in 100: (t_{1−α/2} + t_0.8) × se.
                let reach = critical(analysis.level, contrast.df).zip(critical(0.6, contrast.df));
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
    let means = cells(data, &rows(data, weeks, true), false);
    match vary(&means).and_then(fit).and_then(|fitted| Ok((fitted.sandwich(Variance::Classical, EffectCount::Nested, false)?, fitted))) {
        Err(why) => out.refuse("segment means", why),
        Ok((sandwich, fitted)) => {
            for contrast in &mut out.ancova {
                contrast.count(counts(data, weeks));
                match estimate(&fitted, &sandwich, &contrast.contrast, Df::Residual, analysis.level) {
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
        Some(Design { icc: found.icc, icc_interval: table.interval(analysis.level), design_effect: found.design_effect })
    });
    out
}

impl Answer {
    fn refuse(&mut self, what: &str, why: Refusal) {
        self.warnings.push(Warning::refused(what, why));
    }
}

pub(super) fn estimate(fitted: &Fit<'_, Cells>, sandwich: &Sandwich, name: &str, df: Df, level: f64) -> Result<Estimate, Refusal> {
    let weights = weights(name).ok_or(Refusal::Collinear)?;
    let contrast = fitted.contrast(&weights)?;
    // Where segments are fitted exactly a report would call nearly every pilot a success (experiments/README.md).
    if sandwich.told(&contrast) < 0.5 {
        return Err(Refusal::Saturated);
    }
    fitted.estimate(sandwich, &contrast, df, EffectCount::Nested, level)
}

/// Homes, segments and observed collections that entered.
fn counts(data: &Data, weeks: (i64, i64)) -> (i64, i64, i64) {
    let homes = data.homes.iter().filter(|h| h.weeks.iter().any(|(week, _, _)| *week >= weeks.0 && *week <= weeks.1)).count();
    let mut seen = vec![false; data.segments.len()];
    let mut n = 0.0;
    for tally in data.between(weeks).filter(|t| t.observed > 0.0) {
        seen[tally.segment] = true;
        n += tally.observed;
    }
    (homes as i64, seen.iter().filter(|s| **s).count() as i64, n as i64)
}
