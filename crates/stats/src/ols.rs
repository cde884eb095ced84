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
use super::passes;
use super::sandwich::{Joint, Sandwich};
use nalgebra::{DMatrix, DVector};

/// Which variance: s² (X'WX)⁻¹; HC0 to HC3 with rows as clusters (White 1980; MacKinnon and White 1985); CR0 to CR3 (Liang and Zeger 1986;
/// Bell and McCaffrey 2002). `block` has A_g, the head of this file c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    /// s² (X'WX)⁻¹
    Classical,
    /// Rows as clusters, c = 1.
    Hc0,
    /// Rows as clusters, c = n/(n−K).
    Hc1,
    /// Rows as clusters, leverage to the power ½.
    Hc2,
    /// Rows as clusters, leverage to the power 1.
    Hc3,
    /// c = 1
    Cr0,
    /// c = G/(G−1)
    Cr1,
    /// c = G/(G−K)
    Cr1p,
    /// c = G/(G−1)·(n−1)/(n−K)
    Cr1s,
    /// (I − H)^(−1/2)
    Cr2,
    /// (I − H)⁻¹
    Cr3,
}

impl Variance {
    /// Whether it sums scores by cluster.
    ///
    /// ```
    /// # use vecino_stats::ols::Variance;
    /// assert!(Variance::Cr2.is_clustered() && !Variance::Hc2.is_clustered());
    /// ```
    pub fn is_clustered(self) -> bool {
        matches!(self, Variance::Cr0 | Variance::Cr1 | Variance::Cr1p | Variance::Cr1s | Variance::Cr2 | Variance::Cr3)
    }

    /// A_g: 1, (I − H)^(−1/2) or (I − H)⁻¹.
    ///
    /// ```
    /// # use vecino_stats::{block::Adjustment, ols::Variance};
    /// assert_eq!(Variance::Cr2.adjustment(), Adjustment::Root);
    /// ```
    pub fn adjustment(self) -> Adjustment {
        match self {
            Variance::Hc2 | Variance::Cr2 => Adjustment::Root,
            Variance::Hc3 | Variance::Cr3 => Adjustment::Inverse,
            _ => Adjustment::None,
        }
    }

    /// c for G clusters, n rows and K coefficients. Refuses one cluster and n ≤ K (G ≤ K) where they divide.
    ///
    /// ```
    /// # use vecino_stats::{Refusal, ols::Variance};
    /// assert!((Variance::Cr1s.factor(10.0, 100.0, 2.0)? - 10.0 / 9.0 * 99.0 / 98.0).abs() < 1e-15);
    /// assert_eq!(Variance::Cr1.factor(1.0, 100.0, 2.0), Err(Refusal::OneCluster));
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
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
    /// tr(B)²/tr(BB), of each contrast its own.
    Satterthwaite,
    /// G − 1
    Clusters,
    /// n − K
    Residual,
    /// None: the normal distribution.
    Normal,
    /// As given.
    Given(f64),
}

/// One coefficient or contrast with its error. `df` is `None` for the normal distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// c'β
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// estimate / se
    pub statistic: f64,
    /// Degrees of freedom of the t distribution.
    pub df: Option<f64>,
    /// Two-sided.
    pub p: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A fitted model. Matrices are in the kept columns; the others were collinear.
pub struct Fit<'a, R: Rows> {
    pub(super) rows: &'a R,
    absorbed: Absorbed,
    /// Columns that have a coefficient.
    pub kept: Vec<usize>,
    /// T: columns to basis.
    pub t: DMatrix<f64>,
    /// Coefficients in the basis.
    pub gamma: DVector<f64>,
    /// One for each kept column.
    pub beta: DVector<f64>,
    /// Number of rows, Σ n.
    pub n: f64,
    /// Σ w e²; 0 where what is left of the outcome is rounding.
    pub residual: f64,
}

/// β = (X'WX)⁻¹X'Wy over n rows and k columns, absorbed effects swept out of both (Frisch and Waugh 1933); β in units of the outcome a unit
/// of the column. `kept` says which columns stayed. Refuses no data, no column that carries anything, effects that do not converge, and
/// numbers that are not finite; an outcome without variation is for the caller to see.
///
/// ```
/// # use vecino_stats::cells::Cells;
/// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
/// # let mut cells = Cells::new(2);
/// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
/// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
/// # }
/// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
/// assert!((fitted.beta[0] - 0.5).abs() < 1e-14 && (fitted.beta[1] - 0.175).abs() < 1e-14);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
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
    ///
    /// ```
    /// # use vecino_stats::{Refusal, cells::Cells, ols::fit};
    /// let mut cells = Cells::new(3);
    /// for (i, y) in [1.0, 2.0, 2.0, 4.0].into_iter().enumerate() {
    ///     cells.push(i as u32, &[1.0, 2.0, i as f64], 1.0, y, y * y);
    /// }
    /// let fitted = fit(&cells)?; // the second column says what the first does
    /// assert_eq!((fitted.position(2), fitted.position(1)), (Ok(1), Err(Refusal::Collinear)));
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn position(&self, column: usize) -> Result<usize, Refusal> {
        self.kept.iter().position(|k| *k == column).ok_or(Refusal::Collinear)
    }

    /// A contrast given in the caller's columns, in the basis: T'c. Refuses one that touches a dropped column.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// let treated = fitted.contrast(&[(0, 1.0), (1, 1.0)])?;
    /// assert!((treated.dot(&fitted.gamma) - 0.675).abs() < 1e-14);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn contrast(&self, weights: &[(usize, f64)]) -> Result<DVector<f64>, Refusal> {
        let mut c = DVector::zeros(self.kept.len());
        for (column, weight) in weights.iter().filter(|(_, w)| *w != 0.0) {
            c[self.position(*column)?] += weight;
        }
        Ok(self.t.transpose() * c)
    }

    /// K: kept columns and what the effects count.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// assert_eq!(fitted.coefficients(EffectCount::Nested), 2.0);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
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
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// assert_eq!(fitted.clusters(), 8.0);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn clusters(&self) -> f64 {
        self.rows.clusters().iter().take(2).copied().min().unwrap_or(0) as f64
    }

    /// Scores Z_g'W_g e_g of a clustering, G × k row by row.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// let scores = fitted.scores(0);
    /// let summed = (0..2).map(|j| scores.iter().skip(j).step_by(2).sum::<f64>());
    /// assert!(scores.len() == 16 && summed.into_iter().all(|sum| sum.abs() < 1e-12)); // the normal equations
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn scores(&self, clustering: usize) -> Vec<f64> {
        let k = self.kept.len();
        self.sum(self.rows.clusters()[clustering] * k, |row, z, y, sums| {
            let left = mass(self.rows, row) * (y - dot(z, &self.gamma));
            let at = self.rows.cluster(clustering, row) as usize * k;
            sums[at..at + k].iter_mut().zip(z).for_each(|(sum, z)| *sum += z * left);
        })
    }

    pub(super) fn middle(&self, clustering: usize) -> DMatrix<f64> {
        let k = self.kept.len();
        let mut middle = DMatrix::zeros(k, k);
        for score in self.scores(clustering).chunks(k.max(1)) {
            let score = DVector::from_column_slice(score);
            middle.ger(1.0, &score, &score, 1.0);
        }
        middle
    }

    /// Σ w² e² z z' over single rows.
    pub(super) fn row_middle(&self) -> DMatrix<f64> {
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
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// let sandwich = fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?;
    /// let found = fitted.estimate(&sandwich, &fitted.contrast(&[(1, 1.0)])?, Df::Satterthwaite, EffectCount::Nested, 0.95)?;
    /// // With clusters of one size this is Welch's test of their means.
    /// assert!((found.estimate - 0.175).abs() < 1e-14 && (found.se - (0.2275_f64 / 12.0).sqrt()).abs() < 1e-14);
    /// assert!((found.df.unwrap() - 6.0).abs() < 1e-9);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
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
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// # use vecino_stats::nalgebra::DMatrix;
    /// let sandwich = fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?;
    /// let a = fitted.contrast(&[(1, 1.0)])?;
    /// let one = fitted.joint(&sandwich, &DMatrix::from_columns(&[a.clone()]), Some(6.0))?;
    /// let t = fitted.estimate(&sandwich, &a, Df::Given(6.0), EffectCount::Nested, 0.95)?;
    /// assert!((one.wald - t.statistic.powi(2)).abs() < 1e-10 && (one.p_f.unwrap() - t.p).abs() < 1e-12);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn joint(&self, sandwich: &Sandwich, a: &DMatrix<f64>, lower: Option<f64>) -> Result<Joint, Refusal> {
        if self.residual == 0.0 {
            return Err(Refusal::NoVariance);
        }
        sandwich.joint(a, &self.gamma, self.residual / self.n, lower)
    }
}

/// A variance, unless it is zero beside `working`: exact zeros come as rounding.
pub(crate) fn not_zero(variance: f64, working: f64) -> Result<f64, Refusal> {
    if variance.is_finite() && variance > 1e-14 * working && variance > 0.0 { Ok(variance) } else { Err(Refusal::NoVariance) }
}

/// An estimate of given variance: se = √variance, t = estimate / se, its two-sided p and interval on `df` degrees of freedom (normal:
/// none); `working` is what the variance would be without clusters. Refuses a variance that is zero beside it, and df ≤ 0.
///
/// ```
/// # use vecino_stats::ols::estimate;
/// let found = estimate(1.959963984540054, 1.0, 1.0, None, 0.95)?;
/// assert!((found.p - 0.05).abs() < 1e-14 && found.low.abs() < 1e-12);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn estimate(estimate: f64, variance: f64, working: f64, df: Option<f64>, level: f64) -> Result<Estimate, Refusal> {
    let se = not_zero(variance, working)?.sqrt();
    let statistic = estimate / se;
    let half = critical(level, df).ok_or(Refusal::NoResidual)? * se;
    let p = two_sided(statistic, df).ok_or(Refusal::NotFinite)?;
    Ok(Estimate { estimate, se, statistic, df, p, low: estimate - half, high: estimate + half })
}
