//! Randomisation inference for the primary contrasts: the recorded draw made again, and the model's t under each assignment.

use super::load::Data;
use super::model::{NORM, PLAN, PRODUCT, Rows, codes};
use crate::id::seeded_random;
use crate::stats::cells::Cells;
use crate::stats::ols::fit;
use crate::stats::randomisation::compare;
use crate::trial::randomise::draw;
use nalgebra::{Matrix3, Vector3};

/// Assignments drawn again by the recorded rule, one arm for each segment; the stream is named after trial and look.
pub fn replays(data: &Data, look: i32) -> Vec<Vec<usize>> {
    let strata: Vec<usize> = data.segments.iter().map(|s| s.stratum).collect();
    if strata.is_empty() || data.arms() == 0 {
        return Vec::new();
    }
    let mut random = seeded_random(data.protocol.seed, &format!("randomisation inference {} {look}", data.protocol.id));
    (0..data.protocol.analysis.randomisation_draws).map(|_| draw(&strata, data.arms(), &mut random)).collect()
}

/// The replayed statistic: the CR1 t of norm or plan in the whole model, with everything but the arms partialled out once
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
    observed: [f64; 2],
}

/// A segment-week: its week's column (none for the first), n, and the sum of what the covariates leave of y.
struct ReplayCell {
    week: Option<usize>,
    n: f64,
    residual: f64,
}

impl Replayed {
    pub(super) fn new(data: &Data, rows: &Rows, kept: &[usize]) -> Option<Replayed> {
        // A dropped column of the whole model has no replay either.
        if [NORM, PLAN, PRODUCT].iter().any(|column| !kept.contains(column)) {
            return None;
        }
        let mut covariates = Cells::new(rows.width);
        rows.cells.iter().for_each(|(segment, x, n, y)| covariates.push(*segment as u32, x, *n, *y, *y));
        let base = fit(&covariates).ok()?;
        let k = base.kept.len();
        let count = data.segments.len();
        let mut out = Replayed {
            segments: (0..count).map(|_| Vec::new()).collect(),
            constant: vec![Vec::new(); count],
            x: vec![vec![0.0; k]; count],
            n: vec![0.0; count],
            residual: vec![0.0; count],
            m: (&base.t * base.t.transpose()).iter().copied().collect(),
            k,
            observed: [0.0; 2],
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
        out.observed = out.statistics(data, &arms)?;
        Some(out)
    }

    /// p of norm and of plan.
    pub(super) fn p(&self, data: &Data, replays: &[Vec<usize>]) -> [Option<f64>; 2] {
        let drawn: Vec<Option<[f64; 2]>> = replays.iter().map(|arms| self.statistics(data, arms)).collect();
        [0, 1].map(|j| compare(self.observed[j], drawn.iter().map(|t| t.map(|t| t[j])), false).map(|found| found.p))
    }

    /// t of norm and of plan (without the constant factor) under an assignment; `None` where it does not identify them.
    fn statistics(&self, data: &Data, arms: &[usize]) -> Option<[f64; 2]> {
        let k = self.k;
        let coded: Vec<[f64; 3]> = (0..data.arms()).map(|arm| codes(data, arm)).collect();
        let mut cross = vec![[0.0; 3]; k];
        let mut gram = Matrix3::<f64>::zeros();
        let mut y = Vector3::<f64>::zeros();
        for (segment, arm) in arms.iter().enumerate().filter(|(segment, _)| self.n[*segment] > 0.0) {
            let t = coded.get(*arm)?;
            let column = Vector3::from(*t);
            gram += column * column.transpose() * self.n[segment];
            y += column * self.residual[segment];
            for (sums, x) in cross.iter_mut().zip(&self.x[segment]).filter(|(_, x)| **x != 0.0) {
                for (sum, code) in sums.iter_mut().zip(t) {
                    *sum += x * code;
                }
            }
        }
        let d: Vec<[f64; 3]> = self
            .m
            .chunks(k)
            .map(|row| {
                let mut out = [0.0; 3];
                for (m, c) in row.iter().zip(&cross) {
                    for (sum, c) in out.iter_mut().zip(c) {
                        *sum += m * c;
                    }
                }
                out
            })
            .collect();
        let scale = gram.trace();
        for (c, d) in cross.iter().zip(&d) {
            gram -= Vector3::from(*c) * Vector3::from(*d).transpose();
        }
        let determinant = gram.determinant();
        if determinant.is_nan() || determinant <= 1e-9 * scale.powi(3) / 27.0 {
            return None;
        }
        let inverse = gram.try_inverse()?;
        let beta = inverse * y;
        // x'D β and x'D w for norm and plan, from one weight per covariate.
        let weigh = |w: Vector3<f64>| -> Vec<f64> { d.iter().map(|d| d[0] * w[0] + d[1] * w[1] + d[2] * w[2]).collect() };
        let directions = [inverse.column(0).into_owned(), inverse.column(1).into_owned()];
        let (fitted, first, second) = (weigh(beta), weigh(directions[0]), weigh(directions[1]));
        let mut squares = [0.0; 2];
        for ((cells, constant), arm) in self.segments.iter().zip(&self.constant).zip(arms) {
            let t = Vector3::from(*coded.get(*arm)?);
            let (mut effect, mut w0, mut w1) = (t.dot(&beta), t.dot(&directions[0]), t.dot(&directions[1]));
            for (i, v) in constant {
                effect -= v * fitted[*i];
                w0 -= v * first[*i];
                w1 -= v * second[*i];
            }
            let mut scores = [0.0; 2];
            for cell in cells {
                let (own, z0, z1) = cell.week.map_or((effect, w0, w1), |i| (effect - fitted[i], w0 - first[i], w1 - second[i]));
                let left = cell.residual - cell.n * own;
                scores[0] += z0 * left;
                scores[1] += z1 * left;
            }
            squares[0] += scores[0] * scores[0];
            squares[1] += scores[1] * scores[1];
        }
        let t = [beta[0] / squares[0].sqrt(), beta[1] / squares[1].sqrt()];
        t.iter().all(|t| t.is_finite()).then_some(t)
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Segment, Tally};
    use super::super::model::{cells, estimate, rows};
    use super::*;
    use crate::id::MunicipalityId;
    use crate::stats::ols::{Df, EffectCount, Variance};
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
            since: Vec::new(),
            through: 18,
        }
    }

    #[test]
    fn the_replayed_statistic_of_the_real_assignment_is_the_models_own_t() {
        let data = data();
        let primary = rows(&data, (7, 18), false);
        let cells = cells(&data, &primary, true);
        let fitted = fit(&cells).unwrap();
        let sandwich = fitted.sandwich(Variance::Cr0, EffectCount::Nested, false).unwrap();
        let replayed = Replayed::new(&data, &primary, &fitted.kept).unwrap();
        for (j, name) in ["norm", "plan"].iter().enumerate() {
            let t = estimate(&fitted, &sandwich, name, Df::Clusters, 0.95).unwrap().statistic;
            assert!((replayed.observed[j] / t - 1.0).abs() < 1e-8, "{name}: {} {t}", replayed.observed[j]);
        }
    }
}
