//! Wild cluster bootstrap of one coefficient, from scores by cluster.
//!
//! WCR (Cameron, Gelbach and Miller 2008) draws y* = Xβ̃ + v_g ẽ_g from the fit under the null θ = r. In an orthonormal basis, with a the
//! contrast and S_g = Z_g'WZ_g: s̃_g = s_g + S_g a (θ̂ − r)/a'a, W = Σ v_h s̃_h, θ* − r = a'W and the scores of the draw are
//! a'(v_g s̃_g − S_g W), so each t* costs G k and no row is touched. Errors are CR1S.
//! "31" (MacKinnon, Nielsen and Webb 2023) takes s̃_g at the coefficients fitted without cluster g, which adds S_g P (P(I − S_g)P)⁺ P s̃_g
//! with P the projection off a (the identity where the null is not imposed); where the fit without g drops columns, theirs are 0.

use super::Refusal;
use super::block::Block;
use super::cells::Rows;
use super::ols::{Fit, not_zero};
use super::sandwich::Sandwich;
use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// The distribution of v_g: mean 0, variance 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// ±1
    Rademacher,
    /// ±√½, ±1, ±√1.5 (Webb 2023), for fewer than ten clusters.
    Webb,
}

/// How draws are made: their weights, null imposed (WCR) or not (WCU), "11" or "31", and how many.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Distribution of v_g.
    pub weights: Weights,
    /// WCR, else WCU.
    pub impose_null: bool,
    /// Scores at coefficients fitted without their own cluster ("31" instead of "11").
    pub leave_out: bool,
    /// All 2^G Rademacher draws are made instead when there are not more than this.
    pub draws: u32,
}

/// θ̂, its CR1S error, t = (θ̂ − r) / se, and how the draws' t* stand to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wild {
    /// θ̂
    pub estimate: f64,
    /// CR1S.
    pub se: f64,
    /// (θ̂ − r) / se
    pub statistic: f64,
    /// Share of draws with |t*| ≥ |t|, ties counted; undefined draws take no part.
    pub p: f64,
    /// That are defined.
    pub draws: u32,
    /// Whether all sign vectors were made.
    pub exact: bool,
    /// |t*| above, and equal to |t| within 1e-9 max(1, |t|).
    pub greater: u32,
    /// Equal to |t|.
    pub tied: u32,
    /// Without a variance.
    pub undefined: u32,
    /// Signed: t* > t, t* < t.
    pub above: u32,
    /// t* < t.
    pub below: u32,
}

/// Bootstraps the contrast `a` (in the basis) of a fit against `null`. `clusters` are its clusters without adjustment and `factor` the c of
/// its CR1S. Refuses a variance of zero, and no defined draw.
///
/// ```
/// # use vecino_stats::cells::Cells;
/// # use vecino_stats::ols::{EffectCount, Variance, fit};
/// # use vecino_stats::{random::seeded, wild::{Plan, Weights, bootstrap}};
/// // Eight clusters: rows, ones, treated. Six of the 256 sign vectors go as far, two of them ties.
/// let rows = [(15.0, 11.0, 1.0), (154.0, 73.0, 0.0), (19.0, 6.0, 0.0), (44.0, 31.0, 1.0)];
/// let more = [(33.0, 22.0, 1.0), (103.0, 41.0, 0.0), (10.0, 7.0, 1.0), (72.0, 21.0, 0.0)];
/// let mut cells = Cells::new(2);
/// for (g, (n, y, treated)) in rows.into_iter().chain(more).enumerate() {
///     cells.push(g as u32, &[1.0, treated], n, y, y);
/// }
/// let fitted = fit(&cells)?;
/// let factor = Variance::Cr1s.factor(8.0, fitted.n, fitted.coefficients(EffectCount::Nested))?;
/// let plan = Plan { weights: Weights::Rademacher, impose_null: true, leave_out: false, draws: 9_999 };
/// let a = fitted.contrast(&[(1, 1.0)])?;
/// let found = bootstrap(&fitted, &fitted.unadjusted()?, &a, 0.0, factor, plan, &mut seeded(1, "wild"))?;
/// assert_eq!((found.draws, found.exact, found.p), (256, true, 6.0 / 256.0));
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn bootstrap<R: Rows>(
    fitted: &Fit<'_, R>,
    clusters: &Sandwich,
    a: &DVector<f64>,
    null: f64,
    factor: f64,
    plan: Plan,
    random: &mut ChaCha20Rng,
) -> Result<Wild, Refusal> {
    if fitted.residual == 0.0 {
        return Err(Refusal::NoVariance);
    }
    let theta = a.dot(&fitted.gamma);
    let working = a.norm_squared() * fitted.residual / fitted.n;
    let a = a.clone().insert_rows(0, clusters.front, 0.0);
    let k = a.len();
    let variance = factor * clusters.blocks.iter().map(|block| a.dot(&block.score).powi(2)).sum::<f64>();
    let se = not_zero(variance, working)?.sqrt();
    let statistic = (theta - null) / se;
    let of = clusters.fit.as_ref();
    let scores: Vec<DVector<f64>> = clusters.blocks.iter().map(|block| drawn_score(block, &a, theta - null, plan, of)).collect();
    let count = scores.len();
    // Row by row, so that a draw is two passes over plain slices.
    let flat: Vec<f64> = scores.iter().flat_map(|s| s.iter().copied()).collect();
    let own: Vec<f64> = scores.iter().map(|s| a.dot(s)).collect();
    let pull: Vec<f64> = clusters.blocks.iter().flat_map(|block| block.gram_times(&a).iter().copied().collect::<Vec<_>>()).collect();
    let exact = plan.weights == Weights::Rademacher && count < 31 && (1u64 << count) <= u64::from(plan.draws);
    let draws = if exact { 1u32 << count } else { plan.draws };
    let tolerance = 1e-9 * statistic.abs().max(1.0);
    let mut out = Wild { estimate: theta, se, statistic, p: 0.0, draws, exact, greater: 0, tied: 0, undefined: 0, above: 0, below: 0 };
    let mut v = vec![1.0; count];
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
        let mut size = 0.0;
        for (g, weight) in v.iter().enumerate() {
            effect += weight * own[g];
            size += own[g] * own[g];
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
        // 0/0 comes as rounding over rounding.
        if !t.is_finite() || squares <= 1e-24 * size {
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

/// s̃_g: at the restricted or unrestricted fit, with or without the cluster itself. `of` has T and γ of the fit.
fn drawn_score(block: &Block, a: &DVector<f64>, beyond: f64, plan: Plan, of: Option<&(DMatrix<f64>, DVector<f64>)>) -> DVector<f64> {
    let size = a.norm_squared();
    let mut score = block.score.clone();
    if plan.impose_null {
        score += block.gram_times(a) * (beyond / size);
    }
    if !plan.leave_out {
        return score;
    }
    let k = a.len();
    let project = |m: DMatrix<f64>| if plan.impose_null { &m - a * (a.transpose() * &m) / size } else { m };
    let gram = block.gram();
    let free = project(project(DMatrix::identity(k, k) - &gram).transpose());
    let eigen = ((&free + free.transpose()) / 2.0).symmetric_eigen();
    let turned = eigen.eigenvectors.transpose() * project(DMatrix::from_column_slice(k, 1, score.as_slice()));
    let solved = DMatrix::from_fn(k, 1, |i, _| if eigen.eigenvalues[i] > 1e-10 { turned[(i, 0)] / eigen.eigenvalues[i] } else { 0.0 });
    let mut moved: DVector<f64> = project(&eigen.eigenvectors * solved).column(0).into_owned();
    // Without the cluster some columns may repeat those before them: as in any fit they go, which puts their coefficients at 0.
    if let Some((t, gamma)) = of {
        let null: Vec<usize> = (0..k).filter(|i| eigen.eigenvalues[*i] <= 1e-10).collect();
        let fitted = if plan.impose_null { gamma - a * (beyond / size) } else { gamma.clone() };
        for (column, direction) in last_columns(t, project(eigen.eigenvectors.select_columns(&null))) {
            let beta = t.row(column).dot(&(&fitted - &moved).transpose());
            moved += direction * beta;
        }
    }
    score + gram * moved
}

/// Directions that span `null` (in the basis), one for each column that repeats columns before it there: that column's coefficient is 1 along
/// its direction and 0 along the others.
fn last_columns(t: &DMatrix<f64>, null: DMatrix<f64>) -> Vec<(usize, DVector<f64>)> {
    let mut left: Vec<DVector<f64>> = null.column_iter().map(|column| column.into_owned()).collect();
    let mut found: Vec<(usize, DVector<f64>)> = Vec::new();
    // Coefficients in units of their columns' lengths, so that one bound tells rounding from a part.
    let length: Vec<f64> = (0..t.nrows()).map(|row| t.row(row).norm()).collect();
    for row in (0..t.nrows()).rev() {
        let part = |direction: &DVector<f64>| t.row(row).dot(&direction.transpose());
        let Some(at) = (0..left.len()).max_by(|a, b| part(&left[*a]).abs().total_cmp(&part(&left[*b]).abs())) else { break };
        if part(&left[at]).abs() <= 1e-7 * length[row] {
            continue;
        }
        let own = left.swap_remove(at);
        let own = &own / part(&own);
        let shares: Vec<f64> = left.iter().map(part).collect();
        left.iter_mut().zip(shares).for_each(|(other, share)| *other -= &own * share);
        let shares: Vec<f64> = found.iter().map(|(_, other)| part(other)).collect();
        found.iter_mut().zip(shares).for_each(|((_, other), share)| *other -= &own * share);
        found.push((row, own));
        left.retain(|direction| direction.norm() > 1e-7);
    }
    found
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
