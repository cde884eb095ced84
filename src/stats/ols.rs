//! Least squares from sums by cluster, with classical and cluster-robust errors.
//!
//! β = M Σ b_g with M = (Σ A_g)⁻¹; scores s_g = b_g − A_g β; V = c M (Σ T_g s_g s_g' T_g') M.
//! CR2 (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018) has X_g'(I − X_g M X_g')^(−1/2) e_g = (I − A_g M)^(−1/2) s_g. Its symmetric
//! form is used: with M = L L' and L' A_g L = U diag(w) U', the adjusted score in rotated coordinates is U diag(h(w)) U' L' s_g where
//! h(w) = (1 − w)^(−1/2), the Moore-Penrose root being 0 at w = 1. CR3 has h(w) = (1 − w)⁻¹, CR0 and CR1 h = 1.

use super::Refusal;
use super::distribution::{critical, two_sided};
use super::satterthwaite;
use super::sums::Sums;
use nalgebra::{Cholesky, DMatrix, DVector};

/// Which variance; `c` and the adjustment as above, G clusters, n rows, K coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    /// s² M with n − K.
    Classical,
    Cr0,
    /// c = G/(G−1)
    Cr1,
    /// c = G/(G−1) · (n−1)/(n−K): Stata's, and what fixest and statsmodels call CR1.
    Cr1s,
    Cr2,
    Cr3,
}

/// Columns whose part orthogonal to those before is below this share of their own squared length are dropped. A sum of squares is
/// good to about 1e-15, so the limit is 1e-6 of the length, a little above the 1e-7 that rows would allow.
const COLLINEAR: f64 = 1e-12;

/// A fitted model; its matrices are in the kept columns.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Kept columns, in order; the others were collinear.
    pub kept: Vec<usize>,
    pub beta: DVector<f64>,
    /// (X'X)⁻¹ and its lower Cholesky factor.
    pub m: DMatrix<f64>,
    pub l: DMatrix<f64>,
    pub sums: Sums,
    pub scores: Vec<DVector<f64>>,
    pub rows: f64,
    /// Σ e².
    pub residual: f64,
}

/// One coefficient or contrast with its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub estimate: f64,
    pub se: f64,
    pub statistic: f64,
    pub df: f64,
    pub p: f64,
    pub low: f64,
    pub high: f64,
}

/// Which degrees of freedom the t distribution gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Df {
    Satterthwaite,
    /// G − 1
    Clusters,
    /// n − K
    Residual,
    Given(f64),
}

/// Fits y on the columns of `sums`. Columns enter from left to right; one that carries nothing beyond those before it is dropped
/// (`kept` says which stayed). Refuses no data, no column, an outcome that does not vary, and sums that are not finite.
pub fn fit(sums: &Sums) -> Result<Fit, Refusal> {
    if sums.clusters.is_empty() || sums.width == 0 {
        return Err(Refusal::NoData);
    }
    if sums.is_flat() {
        return Err(Refusal::NoVariation);
    }
    let (total, _) = sums.total();
    if total.iter().any(|v| !v.is_finite()) {
        return Err(Refusal::NotFinite);
    }
    let kept = independent(&total);
    if kept.is_empty() {
        return Err(Refusal::NoData);
    }
    let sums = sums.columns(&kept);
    let (a, b) = sums.total();
    let m = inverse(&a).ok_or(Refusal::NotFinite)?;
    let l = Cholesky::new(m.clone()).ok_or(Refusal::NotFinite)?.l();
    let beta = &m * &b;
    let scores: Vec<DVector<f64>> = sums.clusters.iter().map(|c| &c.b - &c.a * &beta).collect();
    let residual = sums.clusters.iter().map(|c| c.yy - 2.0 * beta.dot(&c.b) + beta.dot(&(&c.a * &beta))).sum::<f64>().max(0.0);
    let rows = sums.rows();
    Ok(Fit { kept, beta, m, l, sums, scores, rows, residual })
}

/// Columns of a Gram matrix that are independent of the kept ones before them, by one Cholesky pass.
fn independent(gram: &DMatrix<f64>) -> Vec<usize> {
    let k = gram.nrows();
    let mut kept: Vec<usize> = Vec::new();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for j in 0..k {
        let mut projection: Vec<f64> = Vec::with_capacity(kept.len());
        for (i, column) in kept.iter().enumerate() {
            let already: f64 = (0..i).map(|t| rows[i][t] * projection[t]).sum();
            projection.push((gram[(*column, j)] - already) / rows[i][i]);
        }
        let left = gram[(j, j)] - projection.iter().map(|v| v * v).sum::<f64>();
        if left > COLLINEAR * gram[(j, j)] && left > 0.0 {
            projection.push(left.sqrt());
            rows.push(projection);
            kept.push(j);
        }
    }
    kept
}

/// The inverse of a positive definite matrix, scaled to a unit diagonal first and refined by one Newton step.
pub(super) fn inverse(a: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let scale = DVector::from_iterator(a.nrows(), a.diagonal().iter().map(|d| 1.0 / d.sqrt()));
    let scaled = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * scale[i] * scale[j]);
    let rough = Cholesky::new(scaled.clone())?.inverse();
    let fine = &rough * 2.0 - &rough * scaled * &rough;
    let out = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| (fine[(i, j)] + fine[(j, i)]) / 2.0 * scale[i] * scale[j]);
    out.iter().all(|v| v.is_finite()).then_some(out)
}

/// What CR0 to CR3 and their degrees of freedom share: L'A_gL with its eigenvectors, by cluster.
#[derive(Debug, Clone)]
pub struct Rotated {
    pub clusters: Vec<RotatedCluster>,
    pub variance: Variance,
    /// Σ z_g z_g' in rotated coordinates; the covariance is L · this · L', times c.
    pub meat: DMatrix<f64>,
}

/// L'A_gL = W W' has the rank of the cluster's own columns, mostly far below k; h(w) − 1 is zero outside its span.
#[derive(Debug, Clone)]
pub struct RotatedCluster {
    w: DMatrix<f64>,
    u: DMatrix<f64>,
    shift: DVector<f64>,
}

impl RotatedCluster {
    fn new(fit: &Fit, a: &DMatrix<f64>, variance: Variance) -> RotatedCluster {
        let support: Vec<usize> = (0..a.nrows()).filter(|i| a[(*i, *i)] > 0.0).collect();
        let own = a.select_rows(&support).select_columns(&support).symmetric_eigen();
        let largest = own.eigenvalues.iter().copied().fold(0.0, f64::max);
        let ranks: Vec<usize> = (0..support.len()).filter(|i| own.eigenvalues[*i] > 1e-14 * largest).collect();
        let root = DVector::from_iterator(ranks.len(), ranks.iter().map(|i| own.eigenvalues[*i].sqrt()));
        let w = fit.l.select_rows(&support).transpose() * own.eigenvectors.select_columns(&ranks) * DMatrix::from_diagonal(&root);
        let power = match variance {
            Variance::Cr2 => -0.5,
            Variance::Cr3 => -1.0,
            _ => return RotatedCluster { u: DMatrix::zeros(w.nrows(), 0), shift: DVector::zeros(0), w },
        };
        let gram = (w.transpose() * &w).symmetric_eigen();
        let used: Vec<usize> = (0..ranks.len()).filter(|i| gram.eigenvalues[*i] > 1e-15).collect();
        let eigenvalues = gram.eigenvalues.select_rows(&used);
        let u = &w * gram.eigenvectors.select_columns(&used) * DMatrix::from_diagonal(&eigenvalues.map(|v| 1.0 / v.sqrt()));
        let shift = eigenvalues.map(|v| if 1.0 - v > 1e-10 { (1.0 - v).powf(power) - 1.0 } else { -1.0 });
        RotatedCluster { w, u, shift }
    }

    /// S_g v
    pub fn s(&self, v: &DMatrix<f64>) -> DMatrix<f64> {
        &self.w * (self.w.transpose() * v)
    }

    /// U diag(h) U' v
    pub fn h(&self, v: &DMatrix<f64>) -> DMatrix<f64> {
        let mut inner = self.u.transpose() * v;
        for (mut row, shift) in inner.row_iter_mut().zip(self.shift.iter()) {
            row *= *shift;
        }
        v + &self.u * inner
    }
}

impl Fit {
    pub fn clusters(&self) -> usize {
        self.sums.clusters.len()
    }

    /// Where column `column` of the caller's design stands among the kept ones. Refuses a dropped one.
    pub fn position(&self, column: usize) -> Result<usize, Refusal> {
        self.kept.iter().position(|k| *k == column).ok_or(Refusal::Collinear)
    }

    /// A contrast given in the caller's columns, in the kept ones. Refuses one that touches a dropped column.
    pub fn contrast(&self, weights: &[(usize, f64)]) -> Result<DVector<f64>, Refusal> {
        let mut c = DVector::zeros(self.kept.len());
        for (column, weight) in weights.iter().filter(|(_, w)| *w != 0.0) {
            c[self.position(*column)?] += weight;
        }
        Ok(c)
    }

    /// The factor c of a variance. Refuses a clustered variance from one cluster, and n ≤ K where n − K divides.
    pub fn factor(&self, variance: Variance) -> Result<f64, Refusal> {
        let (g, n, k) = (self.clusters() as f64, self.rows, self.kept.len() as f64);
        if variance != Variance::Classical && g < 2.0 {
            return Err(Refusal::OneCluster);
        }
        if matches!(variance, Variance::Classical | Variance::Cr1s) && n <= k {
            return Err(Refusal::NoResidual);
        }
        Ok(match variance {
            Variance::Classical => self.residual / (n - k),
            Variance::Cr1 => g / (g - 1.0),
            Variance::Cr1s => g / (g - 1.0) * (n - 1.0) / (n - k),
            Variance::Cr0 | Variance::Cr2 | Variance::Cr3 => 1.0,
        })
    }

    /// Rotates all clusters once for a variance; cost G k³. Classical has no clusters and is treated as CR0 here.
    pub fn rotate(&self, variance: Variance) -> Rotated {
        let k = self.kept.len();
        let mut meat = DMatrix::zeros(k, k);
        let clusters = self
            .sums
            .clusters
            .iter()
            .zip(&self.scores)
            .map(|(cluster, score)| {
                let rotated = RotatedCluster::new(self, &cluster.a, variance);
                let turned = self.l.transpose() * score;
                let z = rotated.h(&DMatrix::from_column_slice(k, 1, turned.as_slice()));
                meat += &z * z.transpose();
                rotated
            })
            .collect();
        Rotated { clusters, variance, meat }
    }

    /// The covariance of contrasts C (k × q): C' V C, q × q.
    pub fn covariance(&self, rotated: &Rotated, contrasts: &DMatrix<f64>) -> Result<DMatrix<f64>, Refusal> {
        let c = self.factor(rotated.variance)?;
        if rotated.variance == Variance::Classical {
            return Ok(contrasts.transpose() * &self.m * contrasts * c);
        }
        let a = self.l.transpose() * contrasts;
        Ok(a.transpose() * &rotated.meat * a * c)
    }

    /// A contrast c'β with its error, two-sided p and interval of level `level`. Refuses a variance of zero.
    pub fn estimate(&self, rotated: &Rotated, contrast: &DVector<f64>, df: Df, level: f64) -> Result<Estimate, Refusal> {
        let variance = self.covariance(rotated, &DMatrix::from_column_slice(contrast.len(), 1, contrast.as_slice()))?[(0, 0)];
        let working = contrast.dot(&(&self.m * contrast)) * self.residual / self.rows;
        if variance <= 1e-14 * working || !variance.is_finite() {
            return Err(Refusal::NoVariance);
        }
        let df = match df {
            Df::Satterthwaite => satterthwaite::df(self, rotated, contrast)?,
            Df::Clusters => self.clusters() as f64 - 1.0,
            Df::Residual => self.rows - self.kept.len() as f64,
            Df::Given(df) => df,
        };
        let (estimate, se) = (contrast.dot(&self.beta), variance.sqrt());
        let statistic = estimate / se;
        let half = critical(level, Some(df)).ok_or(Refusal::NoResidual)? * se;
        let p = two_sided(statistic, Some(df)).ok_or(Refusal::NotFinite)?;
        Ok(Estimate { estimate, se, statistic, df, p, low: estimate - half, high: estimate + half })
    }
}
