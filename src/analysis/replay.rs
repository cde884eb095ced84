//! Randomisation inference: the recorded draw made again, and what each assignment would have given.

use super::load::Data;
use super::model::{Rows, STREAM};
use crate::id::seeded_random;
use crate::stats::cells::Cells;
use crate::stats::ols::fit;
use crate::stats::randomisation::{Comparison, Randomised};
use crate::trial::protocol::Contrast;
use nalgebra::{DMatrix, DVector};

/// Assignments drawn again by the recorded rule, from one stream for each trial: every look and every statistic sees the same ones. They are
/// made as they are needed and never held.
pub struct Replays {
    draws: u32,
}

impl Replays {
    pub fn of(data: &Data) -> Replays {
        let possible = !data.segments.is_empty() && data.arms() > 0;
        Replays { draws: if possible { data.protocol.analysis.randomisation_draws } else { 0 } }
    }

    /// Each of `observed` beside its value under every assignment, which `statistics` gives in the same order.
    pub fn compare(
        &self,
        data: &Data,
        observed: &[Option<f64>],
        mut statistics: impl FnMut(&[usize]) -> Vec<Option<f64>>,
    ) -> Vec<Option<Randomised>> {
        let mut comparisons: Vec<Option<Comparison>> = observed.iter().map(|observed| observed.and_then(Comparison::of)).collect();
        let mut random = seeded_random(data.protocol.seed, &format!("randomisation inference {} {STREAM}", data.protocol.id));
        for _ in 0..self.draws {
            let Some(arms) = data.rule.draw(&mut random) else { break };
            for (comparison, value) in comparisons.iter_mut().zip(statistics(&arms)) {
                if let Some(comparison) = comparison {
                    comparison.add(value);
                }
            }
        }
        comparisons.into_iter().map(|comparison| comparison?.answer(false)).collect()
    }
}

/// The replayed statistic: the CR1 t of a contrast in the whole model, with everything but the arms partialled out once
/// (Frisch, Waugh and Lovell). With D = M X'Z a draw's residualised arms are z − x'D in each cell, so a draw costs a few sums over
/// segment-weeks whatever the number of collections. CR1's factor is the same in every draw and left out.
pub(super) struct Replayed {
    segments: Vec<Vec<ReplayCell>>,
    /// Covariates of a segment that are not zero and not weeks.
    constant: Vec<Vec<(usize, f64)>>,
    /// Σ n x by segment, k each, and Σ of residuals.
    x: Vec<Vec<f64>>,
    n: Vec<f64>,
    residual: Vec<f64>,
    /// (X'X)⁻¹ of the covariates, row by row.
    m: Vec<f64>,
    k: usize,
    /// One column of the arms' weights for each contrast.
    contrasts: Vec<DVector<f64>>,
    pub(super) observed: Vec<Option<f64>>,
}

/// A segment-week: its week's column (none for the first), n, and the sum of what the covariates leave of y.
struct ReplayCell {
    week: Option<usize>,
    n: f64,
    residual: f64,
}

impl Replayed {
    /// `None` where the model dropped a column of the arms: such a model has no replay either.
    pub(super) fn new(data: &Data, rows: &Rows, kept: &[usize], contrasts: &[Contrast]) -> Option<Replayed> {
        let columns = data.coding.columns();
        if (1..=columns).any(|column| !kept.contains(&column)) {
            return None;
        }
        let mut covariates = Cells::new(rows.width);
        rows.cells.iter().for_each(|(segment, x, n, y)| covariates.push(*segment as u32, x, *n, *y, *y));
        let base = fit(&covariates).ok()?;
        let k = base.kept.len();
        let count = data.segments.len();
        let weights = |contrast: &Contrast| {
            let mut column = DVector::zeros(columns);
            data.coding.weights(&contrast.weights).into_iter().for_each(|(at, weight)| column[at] = weight);
            column
        };
        let mut out = Replayed {
            segments: (0..count).map(|_| Vec::new()).collect(),
            constant: vec![Vec::new(); count],
            x: vec![vec![0.0; k]; count],
            n: vec![0.0; count],
            residual: vec![0.0; count],
            m: (&base.t * base.t.transpose()).iter().copied().collect(),
            k,
            contrasts: contrasts.iter().map(weights).collect(),
            observed: Vec::new(),
        };
        for (segment, x, n, y) in &rows.cells {
            let entries: Vec<(usize, f64)> = base.kept.iter().map(|column| x[*column]).enumerate().filter(|(_, v)| *v != 0.0).collect();
            let residual = y - n * entries.iter().map(|(i, v)| v * base.beta[*i]).sum::<f64>();
            for (i, v) in &entries {
                out.x[*segment][*i] += n * v;
            }
            out.n[*segment] += n;
            out.residual[*segment] += residual;
            let (weeks, constant): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(i, _)| rows.weeks.contains(&base.kept[*i]));
            out.constant[*segment] = constant;
            out.segments[*segment].push(ReplayCell { week: weeks.first().map(|(i, _)| *i), n: *n, residual });
        }
        let arms: Vec<usize> = data.segments.iter().map(|s| s.arm).collect();
        out.observed = out.statistics(data, &arms);
        Some(out)
    }

    /// t of each contrast (without the constant factor) under an assignment; `None` where it does not identify them.
    pub(super) fn statistics(&self, data: &Data, arms: &[usize]) -> Vec<Option<f64>> {
        self.all(data, arms).unwrap_or_else(|| vec![None; self.contrasts.len()])
    }

    fn all(&self, data: &Data, arms: &[usize]) -> Option<Vec<Option<f64>>> {
        let (k, columns) = (self.k, data.coding.columns());
        let mut cross = vec![0.0; k * columns];
        let mut gram = DMatrix::<f64>::zeros(columns, columns);
        let mut y = DVector::<f64>::zeros(columns);
        for (segment, arm) in arms.iter().enumerate().filter(|(segment, _)| self.n[*segment] > 0.0) {
            let codes = data.coding.arm(*arm);
            for (i, a) in codes.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                for (j, b) in codes.iter().enumerate() {
                    gram[(i, j)] += a * b * self.n[segment];
                }
                y[i] += a * self.residual[segment];
            }
            for (sums, x) in cross.chunks_exact_mut(columns).zip(&self.x[segment]).filter(|(_, x)| **x != 0.0) {
                for (sum, code) in sums.iter_mut().zip(codes) {
                    *sum += x * code;
                }
            }
        }
        let mut d = vec![0.0; k * columns];
        for (own, row) in d.chunks_exact_mut(columns).zip(self.m.chunks(k)) {
            for (m, c) in row.iter().zip(cross.chunks_exact(columns)) {
                for (sum, c) in own.iter_mut().zip(c) {
                    *sum += m * c;
                }
            }
        }
        let scale = gram.trace() / columns as f64;
        for (c, d) in cross.chunks_exact(columns).zip(d.chunks_exact(columns)) {
            for (i, c) in c.iter().enumerate() {
                for (j, d) in d.iter().enumerate() {
                    gram[(i, j)] -= c * d;
                }
            }
        }
        let determinant = gram.determinant();
        if determinant.is_nan() || determinant <= 1e-9 * scale.powi(columns as i32) {
            return None;
        }
        let inverse = gram.try_inverse()?;
        let beta = &inverse * y;
        let directions: Vec<DVector<f64>> = self.contrasts.iter().map(|contrast| &inverse * contrast).collect();
        // x'D β and x'D w for each contrast, from one weight per covariate.
        let weigh = |w: &DVector<f64>| -> Vec<f64> { d.chunks_exact(columns).map(|d| d.iter().zip(w.iter()).map(|(d, w)| d * w).sum()).collect() };
        let fitted = weigh(&beta);
        let moved: Vec<Vec<f64>> = directions.iter().map(weigh).collect();
        let along = |codes: &[f64], w: &DVector<f64>| codes.iter().zip(w.iter()).map(|(code, w)| code * w).sum::<f64>();
        let mut squares = vec![0.0; directions.len()];
        let (mut ways, mut scores) = (vec![0.0; directions.len()], vec![0.0; directions.len()]);
        for ((cells, constant), arm) in self.segments.iter().zip(&self.constant).zip(arms) {
            let codes = data.coding.arm(*arm);
            let effect = along(codes, &beta) - constant.iter().map(|(i, v)| v * fitted[*i]).sum::<f64>();
            for ((way, direction), moved) in ways.iter_mut().zip(&directions).zip(&moved) {
                *way = along(codes, direction) - constant.iter().map(|(i, v)| v * moved[*i]).sum::<f64>();
            }
            scores.fill(0.0);
            for cell in cells {
                let left = cell.residual - cell.n * cell.week.map_or(effect, |i| effect - fitted[i]);
                for ((score, way), moved) in scores.iter_mut().zip(&ways).zip(&moved) {
                    *score += cell.week.map_or(*way, |i| way - moved[i]) * left;
                }
            }
            squares.iter_mut().zip(&scores).for_each(|(square, score)| *square += score * score);
        }
        let t = self.contrasts.iter().zip(&squares).map(|(contrast, square)| contrast.dot(&beta) / square.sqrt());
        Some(t.map(|t| t.is_finite().then_some(t)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Segment, Tally};
    use super::super::model::{Coding, cells, estimate, rows};
    use super::*;
    use crate::id::MunicipalityId;
    use crate::stats::ols::{Df, EffectCount, Variance};
    use crate::trial::protocol::{Measure, Protocol};
    use crate::trial::randomise::Rule;

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
                Tally { segment, week, due: 25.0, observed, set_out: observed, complied, ..Tally::default() }
            })
            .collect();
        Data {
            coding: Coding::of(&protocol),
            rule: Rule::equal((0..24).map(|i| i / 8).collect(), 4),
            protocol,
            segments,
            strata: vec!["a".into(), "b".into(), "c".into()],
            left_out: Vec::new(),
            tallies,
            homes: Vec::new(),
            messages: Vec::new(),
            since: Vec::new(),
            pauses: Vec::new(),
            through: 18,
        }
    }

    #[test]
    fn the_replayed_statistic_of_the_real_assignment_is_the_models_own_t() {
        let data = data();
        let primary = rows(&data, Measure::Complied, (7, 18), false);
        let cells = cells(&data, &primary, true);
        let fitted = fit(&cells).unwrap();
        let sandwich = fitted.sandwich(Variance::Cr0, EffectCount::Nested, false).unwrap();
        let contrasts: Vec<Contrast> = data.protocol.analysis.contrasts().cloned().collect();
        let replayed = Replayed::new(&data, &primary, &fitted.kept, &contrasts).unwrap();
        assert_eq!(contrasts.len(), 6);
        for (contrast, observed) in contrasts.iter().zip(&replayed.observed) {
            let t = estimate(&data, &fitted, &sandwich, &contrast.weights, Df::Clusters, 0.95).unwrap().statistic;
            assert!((observed.unwrap() / t - 1.0).abs() < 1e-8, "{}: {observed:?} {t}", contrast.id);
        }
    }
}
