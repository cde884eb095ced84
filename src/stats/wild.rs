//! Wild cluster bootstrap of one coefficient, from sums by cluster.
//!
//! WCR (Cameron, Gelbach and Miller 2008) draws y* = Xβ̃ + v_g ẽ_g from the fit under the null. With s̃_g = b_g − A_g β̃ and W = Σ v_h s̃_h:
//! β*_j − β̃_j = m_j'W and the scores of the draw are v_g s̃_g − A_g M W, so each t* costs G k and no rows are touched. Errors are CR1S.
//! "31" (MacKinnon, Nielsen and Webb 2023) takes s̃_g at the coefficients fitted without cluster g.

use super::Refusal;
use super::ols::{Fit, Variance, inverse};
use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// ±1
    Rademacher,
    /// ±√½, ±1, ±√1.5 (Webb 2023), for fewer than ten clusters.
    Webb,
}

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub weights: Weights,
    pub impose_null: bool,
    /// Scores at coefficients fitted without their own cluster ("31" instead of "11").
    pub leave_out: bool,
    /// All 2^G Rademacher draws are made instead when there are not more than this.
    pub draws: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wild {
    pub estimate: f64,
    pub se: f64,
    pub statistic: f64,
    /// Share of draws with |t*| ≥ |t|, ties counted; undefined draws take no part.
    pub p: f64,
    pub draws: u32,
    pub exact: bool,
    /// |t*| above, and equal to |t| within 1e-9 max(1, |t|).
    pub greater: u32,
    pub tied: u32,
    pub undefined: u32,
    /// Signed: t* > t, t* < t.
    pub above: u32,
    pub below: u32,
}

/// Bootstraps the coefficient of the caller's column `column` against 0. Refuses what CR1S refuses, and no defined draw.
pub fn bootstrap(fit: &Fit, column: usize, plan: Plan, random: &mut ChaCha20Rng) -> Result<Wild, Refusal> {
    let j = fit.position(column)?;
    let k = fit.kept.len();
    let factor = fit.factor(Variance::Cr1s)?;
    let mj: DVector<f64> = fit.m.column(j).into_owned();
    let se = (factor * fit.scores.iter().map(|s| mj.dot(s).powi(2)).sum::<f64>()).sqrt();
    if se <= 0.0 || !se.is_finite() {
        return Err(Refusal::NoVariance);
    }
    let statistic = fit.beta[j] / se;
    let scores = drawn_scores(fit, j, plan)?;
    let clusters = scores.len();
    // Row by row, so that a draw is two passes over plain slices.
    let flat: Vec<f64> = scores.iter().flat_map(|s| s.iter().copied()).collect();
    let own: Vec<f64> = scores.iter().map(|s| mj.dot(s)).collect();
    let pull: Vec<f64> = fit.sums.clusters.iter().flat_map(|c| (&fit.m * (&c.a * &mj)).iter().copied().collect::<Vec<_>>()).collect();
    let exact = plan.weights == Weights::Rademacher && clusters < 31 && (1u64 << clusters) <= u64::from(plan.draws);
    let draws = if exact { 1u32 << clusters } else { plan.draws };
    let tolerance = 1e-9 * statistic.abs().max(1.0);
    let mut out = Wild { estimate: fit.beta[j], se, statistic, p: 0.0, draws, exact, greater: 0, tied: 0, undefined: 0, above: 0, below: 0 };
    let mut v = vec![1.0; clusters];
    let mut sum = vec![0.0; k];
    for draw in 0..draws {
        if exact {
            for (g, weight) in v.iter_mut().enumerate() {
                *weight = if draw >> g & 1 == 1 { -1.0 } else { 1.0 };
            }
        } else {
            fill(&mut v, plan.weights, random);
        }
        sum.fill(0.0);
        let mut effect = 0.0;
        for (g, weight) in v.iter().enumerate() {
            effect += weight * own[g];
            for (total, score) in sum.iter_mut().zip(&flat[g * k..(g + 1) * k]) {
                *total += weight * score;
            }
        }
        let mut squares = 0.0;
        for (g, weight) in v.iter().enumerate() {
            let fitted: f64 = sum.iter().zip(&pull[g * k..(g + 1) * k]).map(|(total, z)| total * z).sum();
            squares += (weight * own[g] - fitted).powi(2);
        }
        let t = effect / (factor * squares).sqrt();
        if !t.is_finite() {
            out.undefined += 1;
            continue;
        }
        let beyond = t.abs() - statistic.abs();
        out.greater += u32::from(beyond > tolerance);
        out.tied += u32::from(beyond.abs() <= tolerance);
        out.above += u32::from(t - statistic > tolerance);
        out.below += u32::from(statistic - t > tolerance);
    }
    let defined = draws - out.undefined;
    if defined == 0 {
        return Err(Refusal::NoVariance);
    }
    out.p = f64::from(out.greater + out.tied) / f64::from(defined);
    Ok(out)
}

/// s̃_g for every cluster: at the restricted or unrestricted fit, with or without the cluster itself.
fn drawn_scores(fit: &Fit, j: usize, plan: Plan) -> Result<Vec<DVector<f64>>, Refusal> {
    let k = fit.kept.len();
    let free: Vec<usize> = (0..k).filter(|i| !plan.impose_null || *i != j).collect();
    let (a, b) = fit.sums.total();
    let solve = |a: &DMatrix<f64>, b: &DVector<f64>, pseudo: bool| -> Result<DVector<f64>, Refusal> {
        let mut beta = DVector::zeros(k);
        if free.is_empty() {
            return Ok(beta);
        }
        let (a, b) = (a.select_rows(&free).select_columns(&free), b.select_rows(&free));
        let inverted = match inverse(&a) {
            Some(inverse) => inverse,
            // Without a cluster a column may be empty (its own stratum): the least-norm solution.
            None if pseudo => a.pseudo_inverse(1e-10).map_err(|_| Refusal::NotFinite)?,
            None => return Err(Refusal::NotFinite),
        };
        for (place, value) in free.iter().zip((inverted * b).iter()) {
            beta[*place] = *value;
        }
        Ok(beta)
    };
    let whole = solve(&a, &b, false)?;
    fit.sums
        .clusters
        .iter()
        .map(|cluster| {
            let beta = if plan.leave_out { solve(&(&a - &cluster.a), &(&b - &cluster.b), true)? } else { whole.clone() };
            Ok(&cluster.b - &cluster.a * beta)
        })
        .collect()
}

fn fill(v: &mut [f64], weights: Weights, random: &mut ChaCha20Rng) {
    match weights {
        Weights::Rademacher => {
            for chunk in v.chunks_mut(64) {
                let bits = random.next_u64();
                for (i, weight) in chunk.iter_mut().enumerate() {
                    *weight = if bits >> i & 1 == 1 { -1.0 } else { 1.0 };
                }
            }
        }
        Weights::Webb => {
            const POINTS: [f64; 6] =
                [-1.224744871391589, -1.0, -std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::FRAC_1_SQRT_2, 1.0, 1.224744871391589];
            for weight in v.iter_mut() {
                // 2^32 is not a multiple of 6: the few numbers above the last multiple are drawn again.
                let number = std::iter::repeat_with(|| random.next_u32()).find(|n| *n < u32::MAX - u32::MAX % 6).unwrap_or(0);
                *weight = POINTS[(number % 6) as usize];
            }
        }
    }
}
