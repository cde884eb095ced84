//! Least squares with classical, heteroskedasticity-robust and cluster-robust errors.
//!
//! β = (X'WX)⁻¹ X'Wy, in the orthonormal basis Z = X T of `basis`: γ = Z'Wy, β = T γ, cov β = T V T'. Rows may stand for many (cells) and
//! effects may be absorbed; both give the numbers of the full table with dummies. c of each variance, with G clusters, n rows and K
//! coefficients: CR1 G/(G−1); CR1P G/(G−K); CR1S G/(G−1)·(n−1)/(n−K) (Stata; what fixest and statsmodels call CR1); HC1 n/(n−K).
//! Two clusterings: V₁ + V₂ − V₁₂ with the smaller G in each c (Cameron, Gelbach and Miller 2011).

use super::Refusal;
use super::absorb::{Absorbed, absorb, is_nested, mass};
use super::basis::{Basis, basis, rotate};
use super::block::Adjustment;
use super::cells::{PERFECT, Rows};
use super::distribution::{critical, two_sided};
use super::sandwich::{Joint, Sandwich};
use super::{leverage, passes};
use nalgebra::{DMatrix, DVector};

/// Which variance: s² (X'WX)⁻¹; HC0 to HC3 with rows as clusters (White 1980; MacKinnon and White 1985); CR0 to CR3 (Liang and Zeger 1986;
/// Bell and McCaffrey 2002). `block` has A_g, the head of this file c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    Classical,
    Hc0,
    Hc1,
    Hc2,
    Hc3,
    Cr0,
    Cr1,
    Cr1p,
    Cr1s,
    Cr2,
    Cr3,
}

impl Variance {
    /// Whether it sums scores by cluster.
    pub fn is_clustered(self) -> bool {
        matches!(self, Variance::Cr0 | Variance::Cr1 | Variance::Cr1p | Variance::Cr1s | Variance::Cr2 | Variance::Cr3)
    }

    /// A_g: 1, (I − H)^(−1/2) or (I − H)⁻¹.
    pub fn adjustment(self) -> Adjustment {
        match self {
            Variance::Hc2 | Variance::Cr2 => Adjustment::Root,
            Variance::Hc3 | Variance::Cr3 => Adjustment::Inverse,
            _ => Adjustment::None,
        }
    }

    /// c for G clusters, n rows and K coefficients. Refuses one cluster and n ≤ K (G ≤ K) where they divide.
    pub fn factor(self, clusters: f64, rows: f64, coefficients: f64) -> Result<f64, Refusal> {
        if self.is_clustered() && clusters < 2.0 {
            return Err(Refusal::OneCluster);
        }
        let left = match self {
            Variance::Classical | Variance::Hc1 | Variance::Cr1s => rows - coefficients,
            Variance::Cr1p => clusters - coefficients,
            _ => 1.0,
        };
        if left <= 0.0 {
            return Err(Refusal::NoResidual);
        }
        Ok(match self {
            Variance::Cr1 => clusters / (clusters - 1.0),
            Variance::Cr1p => clusters / left,
            Variance::Cr1s => clusters / (clusters - 1.0) * (rows - 1.0) / left,
            Variance::Hc1 => rows / left,
            _ => 1.0,
        })
    }
}

/// What K counts for an absorbed effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectCount {
    /// An effect nested in a cluster counts 1 (fixest, xtreg).
    Nested,
    /// Every level counts (areg, estimatr).
    Full,
    /// Effects do not count.
    None,
}

/// Which degrees of freedom the t distribution gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Df {
    Satterthwaite,
    /// G − 1
    Clusters,
    /// n − K
    Residual,
    Normal,
    Given(f64),
}

/// One coefficient or contrast with its error. `df` is `None` for the normal distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub estimate: f64,
    pub se: f64,
    pub statistic: f64,
    pub df: Option<f64>,
    pub p: f64,
    pub low: f64,
    pub high: f64,
}

/// A fitted model. Matrices are in the kept columns; the others were collinear.
pub struct Fit<'a, R: Rows> {
    rows: &'a R,
    absorbed: Absorbed,
    pub kept: Vec<usize>,
    pub t: DMatrix<f64>,
    pub gamma: DVector<f64>,
    pub beta: DVector<f64>,
    /// Number of rows, Σ n.
    pub n: f64,
    /// Σ w e²; 0 where what is left of the outcome is rounding.
    pub residual: f64,
}

/// β = (X'WX)⁻¹X'Wy over n rows and k columns, absorbed effects swept out of both (Frisch and Waugh 1933); β in units of the outcome a unit
/// of the column. `kept` says which columns stayed. Refuses no data, no column that carries anything, effects that do not converge, and
/// numbers that are not finite; an outcome without variation is for the caller to see.
pub fn fit<R: Rows>(rows: &R) -> Result<Fit<'_, R>, Refusal> {
    if rows.is_empty() || rows.width() == 0 {
        return Err(Refusal::NoData);
    }
    let absorbed = absorb(rows)?;
    let Basis { kept, t, mut gamma } = basis(rows, &absorbed)?;
    if kept.is_empty() {
        return Err(Refusal::Collinear);
    }
    let mut fit = Fit { rows, absorbed, kept, t, beta: DVector::zeros(0), n: 0.0, residual: 0.0, gamma: gamma.clone() };
    for pass in 0..3 {
        let sums = fit.sum(fit.kept.len() + 4, |row, z, y, sums| {
            let k = z.len();
            let (n, total, within) = fit.rows.sums(row);
            let fitted = dot(z, &fit.gamma);
            let weight = fit.rows.weight(row);
            let left = weight * n * (y - fitted);
            sums[..k].iter_mut().zip(z).for_each(|(sum, z)| *sum += z * left);
            sums[k] += n;
            sums[k + 1] += weight * (within + n * (y - fitted) * (y - fitted));
            sums[k + 2] += weight * n * y * y;
            sums[k + 3] += weight * (within + total * total / n);
        });
        let k = fit.kept.len();
        let gradient = DVector::from_column_slice(&sums[..k]);
        (fit.n, fit.residual) = (sums[k], if sums[k + 1] > PERFECT * sums[k + 3] { sums[k + 1] } else { 0.0 });
        // What is left of Z'We is rounding of the cross-products; a step of γ removes it.
        if pass == 2 || gradient.norm() <= 1e-13 * sums[k + 2].sqrt() {
            break;
        }
        gamma += gradient;
        fit.gamma.copy_from(&gamma);
    }
    if !fit.residual.is_finite() || fit.gamma.iter().any(|v| !v.is_finite()) {
        return Err(Refusal::NotFinite);
    }
    fit.beta = &fit.t * &fit.gamma;
    Ok(fit)
}

#[inline]
fn dot(z: &[f64], gamma: &DVector<f64>) -> f64 {
    z.iter().zip(gamma.iter()).map(|(z, g)| z * g).sum()
}

impl<R: Rows> Fit<'_, R> {
    /// Adds up over rows; `work` gets the row, z and the mean outcome after absorption.
    fn sum(&self, width: usize, work: impl Fn(usize, &[f64], f64, &mut [f64]) + Sync) -> Vec<f64> {
        passes::sum(self.rows.len(), width, |range, sums| {
            let mut values = vec![0.0; self.rows.width() + 1];
            let mut z = vec![0.0; self.kept.len()];
            for row in range {
                let y = self.read(row, &mut values, &mut z);
                work(row, &z, y, sums);
            }
        })
    }

    #[inline]
    fn read(&self, row: usize, values: &mut [f64], z: &mut [f64]) -> f64 {
        self.absorbed.read(self.rows, row, values, |_| {});
        rotate(&self.t, &self.kept, values, z);
        values[values.len() - 1]
    }

    /// Where column `column` of the caller's design stands among the kept ones. Refuses a dropped one.
    pub fn position(&self, column: usize) -> Result<usize, Refusal> {
        self.kept.iter().position(|k| *k == column).ok_or(Refusal::Collinear)
    }

    /// A contrast given in the caller's columns, in the basis: T'c. Refuses one that touches a dropped column.
    pub fn contrast(&self, weights: &[(usize, f64)]) -> Result<DVector<f64>, Refusal> {
        let mut c = DVector::zeros(self.kept.len());
        for (column, weight) in weights.iter().filter(|(_, w)| *w != 0.0) {
            c[self.position(*column)?] += weight;
        }
        Ok(self.t.transpose() * c)
    }

    /// K: kept columns and what the effects count.
    pub fn coefficients(&self, count: EffectCount) -> f64 {
        let levels = self.rows.levels();
        let clusterings = self.rows.clusters().len();
        let effects: usize = match count {
            EffectCount::None => 0,
            _ if levels.is_empty() => 0,
            _ => {
                let nested = |effect: usize| count == EffectCount::Nested && (0..clusterings.min(2)).any(|c| is_nested(self.rows, effect, c));
                let counted: usize = levels.iter().enumerate().map(|(effect, levels)| if nested(effect) { 1 } else { *levels }).sum();
                counted + 1 - levels.len()
            }
        };
        (self.kept.len() + effects) as f64
    }

    /// The smallest number of clusters among the first two clusterings; none: 0.
    pub fn clusters(&self) -> f64 {
        self.rows.clusters().iter().take(2).copied().min().unwrap_or(0) as f64
    }

    /// The variance and, if `degrees` is set, the adjusted clusters that Satterthwaite's degrees of freedom and HTZ stand on. With three
    /// clusterings the rows' third is the intersection of the first two. Refuses what `Variance::factor` refuses, two clusterings with
    /// leverage adjustment, and effects of too many levels to be held beside each other.
    pub fn sandwich(&self, variance: Variance, count: EffectCount, degrees: bool) -> Result<Sandwich, Refusal> {
        let k = self.kept.len();
        let c = variance.factor(self.clusters(), self.n, self.coefficients(count))?;
        if variance == Variance::Classical {
            let s2 = self.residual / (self.n - self.coefficients(count));
            return Ok(Sandwich::of(DMatrix::identity(k, k) * s2));
        }
        let two_way = self.rows.clusters().len() == 3;
        if two_way && variance.is_clustered() {
            if variance.adjustment() != Adjustment::None {
                return Err(Refusal::TwoWay);
            }
            let middle = self.middle(0) + self.middle(1) - self.middle(2);
            return Ok(Sandwich::of(middle * c));
        }
        if variance.adjustment() == Adjustment::None && !degrees {
            let middle = if variance.is_clustered() { self.middle(0) } else { self.row_middle() };
            return Ok(Sandwich::of(middle * c));
        }
        leverage::sandwich(self, self.rows, variance, c, degrees)
    }

    /// The clusters of the first clustering as they are, for the bootstrap.
    pub fn unadjusted(&self) -> Result<Sandwich, Refusal> {
        leverage::clusters(self, self.rows)
    }

    /// Scores Z_g'W_g e_g of a clustering, G × k row by row.
    pub fn scores(&self, clustering: usize) -> Vec<f64> {
        let k = self.kept.len();
        self.sum(self.rows.clusters()[clustering] * k, |row, z, y, sums| {
            let left = mass(self.rows, row) * (y - dot(z, &self.gamma));
            let at = self.rows.cluster(clustering, row) as usize * k;
            sums[at..at + k].iter_mut().zip(z).for_each(|(sum, z)| *sum += z * left);
        })
    }

    fn middle(&self, clustering: usize) -> DMatrix<f64> {
        let k = self.kept.len();
        let mut middle = DMatrix::zeros(k, k);
        for score in self.scores(clustering).chunks(k.max(1)) {
            let score = DVector::from_column_slice(score);
            middle.ger(1.0, &score, &score, 1.0);
        }
        middle
    }

    /// Σ w² e² z z' over single rows.
    fn row_middle(&self) -> DMatrix<f64> {
        let k = self.kept.len();
        let sums = self.sum(k * k, |row, z, y, sums| {
            let square = self.square(row, y, dot(z, &self.gamma));
            for (i, own) in z.iter().enumerate() {
                sums[i * k..(i + 1) * k].iter_mut().zip(z).for_each(|(sum, z)| *sum += own * z * square);
            }
        });
        DMatrix::from_row_slice(k, k, &sums)
    }

    /// Σ n w² z z', row by row.
    pub(super) fn weighted_square(&self) -> DMatrix<f64> {
        let k = self.kept.len();
        let sums = self.sum(k * k, |row, z, _, sums| {
            let square = mass(self.rows, row) * self.rows.weight(row);
            for (i, own) in z.iter().enumerate() {
                sums[i * k..(i + 1) * k].iter_mut().zip(z).for_each(|(sum, z)| *sum += own * z * square);
            }
        });
        DMatrix::from_row_slice(k, k, &sums)
    }

    /// w² Σ e² over the n rows that row stands for.
    pub(super) fn square(&self, row: usize, y: f64, fitted: f64) -> f64 {
        let (n, _, within) = self.rows.sums(row);
        let weight = self.rows.weight(row);
        weight * weight * (within + n * (y - fitted) * (y - fitted))
    }

    /// z, the residual of the mean outcome, and w² Σ e² of a row.
    pub(super) fn row(&self, row: usize, values: &mut [f64], z: &mut [f64]) -> (f64, f64) {
        let y = self.read(row, values, z);
        let fitted = dot(z, &self.gamma);
        (y - fitted, self.square(row, y, fitted))
    }

    /// c'β = a'γ for a contrast a (from `contrast`), se = √(a'Va), t = c'β / se, p = P(|T_df| ≥ |t|), c'β ± t_(level) se. Refuses a
    /// variance below 1e-14 of what it would be without clusters, and degrees of freedom that do not exist.
    pub fn estimate(&self, sandwich: &Sandwich, a: &DVector<f64>, df: Df, count: EffectCount, level: f64) -> Result<Estimate, Refusal> {
        let df = match df {
            Df::Satterthwaite => Some(sandwich.degrees(&DMatrix::from_column_slice(a.len(), 1, a.as_slice()))[0]?),
            Df::Clusters => Some(self.clusters() - 1.0),
            Df::Residual => Some(self.n - self.coefficients(count)),
            Df::Normal => None,
            Df::Given(df) => Some(df),
        };
        if self.residual == 0.0 {
            return Err(Refusal::NoVariance);
        }
        let variance = a.dot(&(&sandwich.middle * a));
        let working = a.norm_squared() * self.residual / self.n;
        estimate(a.dot(&self.gamma), variance, working, df, level)
    }

    /// Tests that contrasts (columns of `a`, from `contrast`) are zero; `lower` are the degrees of freedom below of F, none leaves its p
    /// empty. Refuses a perfect fit, contrasts that depend on each other, and one without variance.
    pub fn joint(&self, sandwich: &Sandwich, a: &DMatrix<f64>, lower: Option<f64>) -> Result<Joint, Refusal> {
        if self.residual == 0.0 {
            return Err(Refusal::NoVariance);
        }
        sandwich.joint(a, &self.gamma, self.residual / self.n, lower)
    }
}

/// A variance, unless it is zero beside `working`: exact zeros come as rounding.
pub fn not_zero(variance: f64, working: f64) -> Result<f64, Refusal> {
    if variance.is_finite() && variance > 1e-14 * working && variance > 0.0 { Ok(variance) } else { Err(Refusal::NoVariance) }
}

/// An estimate of given variance: se = √variance, t = estimate / se, its two-sided p and interval on `df` degrees of freedom (normal:
/// none); `working` is what the variance would be without clusters. Refuses a variance that is zero beside it, and df ≤ 0.
pub fn estimate(estimate: f64, variance: f64, working: f64, df: Option<f64>, level: f64) -> Result<Estimate, Refusal> {
    let se = not_zero(variance, working)?.sqrt();
    let statistic = estimate / se;
    let half = critical(level, df).ok_or(Refusal::NoResidual)? * se;
    let p = two_sided(statistic, df).ok_or(Refusal::NotFinite)?;
    Ok(Estimate { estimate, se, statistic, df, p, low: estimate - half, high: estimate + half })
}
