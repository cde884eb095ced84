//! The pre-registered estimates: the linear probability model over observed collections, the same by segment, and the replayed draw.
//!
//! Columns: intercept, norm ± ½, plan ± ½, their product, strata, weeks, centred baseline of the segment. An effect-coded main effect is
//! the mean of its two simple effects; the product's coefficient is the interaction.

use super::load::Data;
use super::report::{Contrast, Design, Warning};
use crate::id::seeded_random;
use crate::stats::distribution::critical;
use crate::stats::ols::{Df, Estimate, Fit, Variance, fit};
use crate::stats::randomisation::{Randomised, compare};
use crate::stats::sums::{Cell, Sums};
use crate::stats::wild::{Plan, Weights, bootstrap};
use crate::stats::{Refusal, icc, multiple};
use crate::trial::protocol::Phase;
use crate::trial::randomise::draw;
use nalgebra::{DMatrix, DVector};

const NORM: usize = 1;
const PLAN: usize = 2;
const PRODUCT: usize = 3;

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
fn codes(data: &Data, arm: usize) -> [f64; 3] {
    let half = |on: bool| if on { 0.5 } else { -0.5 };
    let (norm, plan) = data.protocol.arms.get(arm).map_or((-0.5, -0.5), |a| (half(a.norm), half(a.plan)));
    [norm, plan, norm * plan]
}

/// The rows of the primary model: one cell for each segment and week with observed collections.
struct Rows {
    /// Segment, covariates without norm, plan and product (the intercept first), n, y.
    cells: Vec<(usize, Vec<f64>, f64, f64)>,
    width: usize,
}

fn rows(data: &Data, weeks: (i64, i64), by_segment: bool) -> Rows {
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
    Rows { cells, width }
}

/// The model's sums with the arms as they are.
fn sums(data: &Data, rows: &Rows, binary: bool) -> Sums {
    Sums::collect(
        rows.width + 3,
        rows.cells.iter().map(|(segment, x, n, y)| {
            let mut all = vec![x[0]];
            all.extend(codes(data, data.segments[*segment].arm));
            all.extend(&x[1..]);
            if binary { Cell::counts(*segment, all, *n, *y) } else { Cell { cluster: *segment, x: all, n: *n, y: *y, yy: n * y * y } }
        }),
    )
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

/// Assignments drawn again by the recorded rule, one arm for each segment; the stream is named after trial and look.
pub fn replays(data: &Data, look: i32) -> Vec<Vec<usize>> {
    let strata: Vec<usize> = data.segments.iter().map(|s| s.stratum).collect();
    if strata.is_empty() || data.arms() == 0 {
        return Vec::new();
    }
    let mut random = seeded_random(data.protocol.seed, &format!("randomisation inference {} {look}", data.protocol.id));
    (0..data.protocol.analysis.randomisation_draws).map(|_| draw(&strata, data.arms(), &mut random)).collect()
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
    let cells = rows(data, weeks, false);
    match fit(&sums(data, &cells, true)) {
        Err(why) => out.refuse("primary model", why),
        Ok(fitted) => {
            let rotated = fitted.rotate(Variance::Cr2);
            let estimate = |name: &str| estimate(&fitted, &rotated, name, Df::Satterthwaite, analysis.level);
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
            let replayed = Replayed::new(data, &cells, &fitted);
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
                contrast.p_randomisation = replayed.as_ref().and_then(|r| r.p(data, replays, column)).map(|r| r.p);
                // Each contrast has a stream of its own, so that its p does not depend on the order of contrasts.
                let mut random = seeded_random(data.protocol.seed, &format!("wild {} {look} {}", data.protocol.id, contrast.contrast));
                let weights = if fitted.clusters() < 10 { Weights::Webb } else { Weights::Rademacher };
                let plan = Plan { weights, impose_null: true, leave_out: false, draws: analysis.wild_draws };
                contrast.p_wild = bootstrap(&fitted, column, plan, &mut random).ok().map(|w| w.p);
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
    let means = rows(data, weeks, true);
    match fit(&sums(data, &means, false)) {
        Err(why) => out.refuse("segment means", why),
        Ok(fitted) => {
            let rotated = fitted.rotate(Variance::Classical);
            for contrast in &mut out.ancova {
                contrast.count(counts(data, weeks));
                match estimate(&fitted, &rotated, &contrast.contrast, Df::Residual, analysis.level) {
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
    out.design = icc::anova(&by_segment).ok().map(|found| Design { icc: found.icc, design_effect: found.design_effect });
    out
}

impl Answer {
    fn refuse(&mut self, what: &str, why: Refusal) {
        self.warnings.push(Warning::refused(what, why));
    }
}

fn estimate(fitted: &Fit, rotated: &crate::stats::ols::Rotated, name: &str, df: Df, level: f64) -> Result<Estimate, Refusal> {
    let weights = weights(name).ok_or(Refusal::Collinear)?;
    fitted.estimate(rotated, &fitted.contrast(&weights)?, df, level)
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

/// The replayed statistic: the CR1 t of norm or plan in the whole model, with everything but the arms partialled out once
/// (Frisch, Waugh and Lovell), so that a draw costs G k² and touches no rows. CR1's factor is the same in every draw and left out.
struct Replayed {
    /// By segment: n, Σy, Σx, Σxx', Σ of residuals after the covariates and Σ x·residual.
    segments: Vec<Option<Partial>>,
    /// (X'X)⁻¹ of the covariates.
    m: DMatrix<f64>,
    observed: [f64; 2],
}

struct Partial {
    n: f64,
    x: DVector<f64>,
    a: DMatrix<f64>,
    residual: f64,
    cross: DVector<f64>,
}

impl Replayed {
    fn new(data: &Data, rows: &Rows, fitted: &Fit) -> Option<Replayed> {
        let covariates = Sums::collect(rows.width, rows.cells.iter().map(|(segment, x, n, y)| Cell::counts(*segment, x.clone(), *n, *y)));
        let base = fit(&covariates).ok()?;
        let mut segments: Vec<Option<Partial>> = data.segments.iter().map(|_| None).collect();
        for ((name, cluster), score) in base.sums.names.iter().zip(&base.sums.clusters).zip(&base.scores) {
            let x = cluster.a.column(0).into_owned();
            segments[*name] = Some(Partial { n: cluster.n, residual: cluster.y - x.dot(&base.beta), cross: score.clone(), a: cluster.a.clone(), x });
        }
        let mut out = Replayed { segments, m: base.m.clone(), observed: [0.0; 2] };
        let arms: Vec<usize> = data.segments.iter().map(|s| s.arm).collect();
        // A dropped column of the whole model has no replay either.
        fitted.position(NORM).ok()?;
        fitted.position(PLAN).ok()?;
        fitted.position(PRODUCT).ok()?;
        out.observed = out.statistics(data, &arms)?;
        Some(out)
    }

    fn p(&self, data: &Data, replays: &[Vec<usize>], column: usize) -> Option<Randomised> {
        compare(self.observed[column - 1], replays.iter().map(|arms| Some(self.statistics(data, arms)?[column - 1])), false)
    }

    /// t of norm and of plan (without the constant factor) under an assignment; `None` where it does not identify them.
    fn statistics(&self, data: &Data, arms: &[usize]) -> Option<[f64; 2]> {
        let k = self.m.nrows();
        let codes: Vec<[f64; 3]> = (0..data.arms()).map(|arm| codes(data, arm)).collect();
        let mut cross = DMatrix::<f64>::zeros(k, 3);
        let mut own = nalgebra::Matrix3::<f64>::zeros();
        let mut y = nalgebra::Vector3::<f64>::zeros();
        let with = || self.segments.iter().zip(arms).filter_map(|(s, arm)| Some((s.as_ref()?, nalgebra::Vector3::from(*codes.get(*arm)?))));
        for (segment, t) in with() {
            own += t * t.transpose() * segment.n;
            for (j, code) in t.iter().enumerate() {
                cross.column_mut(j).axpy(*code, &segment.x, 1.0);
            }
            y += t * segment.residual;
        }
        // Z̃ = Z − X D with D = M X'Z.
        let d = &self.m * &cross;
        let through = cross.transpose() * &d;
        let gram = own - nalgebra::Matrix3::from_fn(|i, j| through[(i, j)]);
        let scale = own.trace();
        if !(gram.determinant() > 1e-9 * scale.powi(3) / 27.0) {
            return None;
        }
        let inverse = gram.try_inverse()?;
        let beta = inverse * y;
        let db = &d * DVector::from_column_slice(beta.as_slice());
        let mut out = [0.0; 2];
        let directions: Vec<(nalgebra::Vector3<f64>, DVector<f64>)> =
            (0..2).map(|j| inverse.column(j).into_owned()).map(|w| (w, &d * DVector::from_column_slice(w.as_slice()))).collect();
        let mut squares = [0.0; 2];
        for (segment, t) in with() {
            let effect = t.dot(&beta);
            let ones = segment.residual - segment.n * effect + segment.x.dot(&db);
            let inner = &segment.cross - &segment.x * effect + &segment.a * &db;
            for (j, (w, dw)) in directions.iter().enumerate() {
                squares[j] += (w.dot(&t) * ones - dw.dot(&inner)).powi(2);
            }
        }
        for j in 0..2 {
            out[j] = beta[j] / squares[j].sqrt();
        }
        out.iter().all(|t| t.is_finite()).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Segment, Tally};
    use super::*;
    use crate::id::MunicipalityId;
    use crate::trial::protocol::Protocol;

    fn data() -> Data {
        let protocol = Protocol::parse(include_str!("../../experiments/norma-y-plan-2026.toml"), "test").unwrap();
        let segments: Vec<Segment> = (0..24)
            .map(|i| Segment {
                municipality: MunicipalityId(1202),
                homes: 25.0,
                stratum: i / 8,
                arm: (i * 5 + i / 4) % 4,
                baseline: (100.0, 40.0 + (i * 7 % 13) as f64),
            })
            .collect();
        let tallies = (0..24)
            .flat_map(|s| (1..=18).map(move |w| (s, w)))
            .map(|(segment, week)| {
                let observed = 12.0 + ((segment * 3 + week as usize) % 9) as f64;
                let complied = (observed * (0.3 + 0.02 * (segment % 7) as f64 + 0.01 * (week % 5) as f64)).floor();
                Tally { segment, week, due: 25.0, observed, set_out: observed, complied }
            })
            .collect();
        Data {
            protocol,
            segments,
            strata: vec!["a".into(), "b".into(), "c".into()],
            left_out: Vec::new(),
            tallies,
            homes: Vec::new(),
            messages: Vec::new(),
            through: 18,
        }
    }

    #[test]
    fn the_replayed_statistic_of_the_real_assignment_is_the_models_own_t() {
        let data = data();
        let cells = rows(&data, (7, 18), false);
        let fitted = fit(&sums(&data, &cells, true)).unwrap();
        let rotated = fitted.rotate(Variance::Cr0);
        let replayed = Replayed::new(&data, &cells, &fitted).unwrap();
        for (j, name) in ["norm", "plan"].iter().enumerate() {
            let t = estimate(&fitted, &rotated, name, Df::Clusters, 0.95).unwrap().statistic;
            assert!((replayed.observed[j] / t - 1.0).abs() < 1e-8, "{name}: {} {t}", replayed.observed[j]);
        }
    }
}
