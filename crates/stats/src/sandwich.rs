//! The middle of a robust variance and the degrees of freedom that go with it, in an orthonormal basis.
//!
//! With Z'WZ = I, H = Z Z'W, scores s_g = Z_g'W_g A_g e_g and V = c Σ s_g s_g' (in the basis; T V T' in the columns):
//! A_g = I for CR0 and CR1; for CR2 D_g' G_g^(+1/2) D_g with G_g = D_g [(I−H) Φ (I−H)']_gg D_g, D_g = Φ_g^(1/2), the power being the
//! Moore-Penrose root of the inverse (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018); for CR3 (I − H_gg)⁻¹.
//! For a contrast with a = T'c: p_g = A_g W_g Z_g a, B_gh = p_g' [(I−H) Φ (I−H)']_gh p_h, df = tr(B)² / tr(BB) (Satterthwaite).
//! With u = Z'p, v = Z'WΦp and Q = Z'WΦWZ: B_gh = [g=h] p'Φp − u_g'v_h − v_g'u_h + u_g'Q u_h, so the cost is G k², whatever the rows.

use super::Refusal;
use super::block::Block;
use super::distribution::{chi_squared_tail, f_tail};
use nalgebra::{Cholesky, DMatrix, DVector};
use std::collections::HashMap;

/// Σ_gh B_gh^st B_gh^uv for contrasts, from sums over clusters.
struct Traces {
    q: usize,
    /// Per cluster D^st = p_s'Φp_t, K^st = u_s'v_t + v_s'u_t − u_s'Q u_t, and its copies.
    own: Vec<(DMatrix<f64>, DMatrix<f64>, f64)>,
    /// Σ_g q_g^s q_g^t' in the coordinates (levels, basis), doubled to (u, v) under weights.
    outer: Outer,
}

/// Sums of outer products, dense while the coordinates are few.
enum Outer {
    Dense { side: usize, middle: Option<DMatrix<f64>>, sums: Vec<DMatrix<f64>> },
    Sparse { side: usize, sums: Vec<HashMap<(u32, u32), f64>> },
}

/// Numbers up to which sums of outer products are kept in full, and, where levels reach over clusters, at all.
const DENSE: usize = 10_000_000;
const HELD: usize = 50_000_000;

impl Traces {
    fn new<'a>(blocks: impl Iterator<Item = &'a Block>, a: &DMatrix<f64>, q: Option<&DMatrix<f64>>, levels: usize) -> Traces {
        let (k, count) = a.shape();
        let weighted = q.is_some();
        let side = if weighted { 2 * k } else { levels + k };
        let middle = q.map(|q| {
            // B_gh = −(u, v)_g' S (u, v)_h with S = (−Q, I; I, 0).
            let mut s = DMatrix::zeros(2 * k, 2 * k);
            s.view_mut((0, 0), (k, k)).copy_from(&(-q));
            for i in 0..k {
                s[(i, k + i)] = 1.0;
                s[(k + i, i)] = 1.0;
            }
            s
        });
        let mut outer = if levels == 0 || side * side * count * count <= DENSE {
            Outer::Dense { side, middle: middle.clone(), sums: vec![DMatrix::zeros(side, side); count * count] }
        } else {
            Outer::Sparse { side, sums: vec![HashMap::new(); count * count] }
        };
        let mut own = Vec::new();
        for block in blocks {
            let (u, v, d) = block.moments(a);
            let (stacked, cross) = match (&middle, v) {
                (Some(s), v) => {
                    let v = v.unwrap_or_else(|| u.clone());
                    let mut stacked = DMatrix::zeros(2 * k, count);
                    stacked.rows_mut(0, k).copy_from(&u);
                    stacked.rows_mut(k, k).copy_from(&v);
                    let cross = stacked.transpose() * s * &stacked;
                    (stacked, cross)
                }
                (None, _) => {
                    let cross = u.transpose() * &u;
                    (u, cross)
                }
            };
            let at: Vec<usize> =
                if weighted { (0..2 * k).collect() } else { block.levels.iter().map(|level| *level as usize).chain(levels..levels + k).collect() };
            outer.add(&stacked, &at, block.copies);
            own.push((d, cross, block.copies));
        }
        Traces { q: count, own, outer }
    }

    /// Σ_g B_gg^ss
    fn trace(&self, s: usize) -> f64 {
        self.own.iter().map(|(d, cross, copies)| copies * (d[(s, s)] - cross[(s, s)])).sum()
    }

    /// Σ_gh B_gh^ab B_gh^cd
    fn product(&self, a: usize, b: usize, c: usize, d: usize) -> f64 {
        let diagonal: f64 = self
            .own
            .iter()
            .map(|(own, cross, copies)| copies * (own[(a, b)] * own[(c, d)] - own[(a, b)] * cross[(c, d)] - own[(c, d)] * cross[(a, b)]))
            .sum();
        // Σ_gh (q_g^a'S q_h^b)(q_g^c'S q_h^d) = tr(S P^bd S P^ca).
        diagonal + self.outer.trace(b * self.q + d, c * self.q + a)
    }
}

impl Outer {
    fn add(&mut self, stacked: &DMatrix<f64>, at: &[usize], copies: f64) {
        let count = stacked.ncols();
        for s in 0..count {
            for t in 0..count {
                match self {
                    Outer::Dense { side, sums, .. } if at.len() == *side => {
                        sums[s * count + t].ger(copies, &stacked.column(s), &stacked.column(t), 1.0);
                    }
                    Outer::Dense { sums, .. } => {
                        let sum = &mut sums[s * count + t];
                        for (i, row) in at.iter().enumerate() {
                            for (j, column) in at.iter().enumerate() {
                                sum[(*row, *column)] += copies * stacked[(i, s)] * stacked[(j, t)];
                            }
                        }
                    }
                    Outer::Sparse { sums, .. } => {
                        for (i, row) in at.iter().enumerate() {
                            for (j, column) in at.iter().enumerate() {
                                *sums[s * count + t].entry((*row as u32, *column as u32)).or_insert(0.0) +=
                                    copies * stacked[(i, s)] * stacked[(j, t)];
                            }
                        }
                    }
                }
            }
        }
    }

    fn trace(&self, left: usize, right: usize) -> f64 {
        match self {
            Outer::Dense { middle: None, sums, .. } => sums[left].dot(&sums[right].transpose()),
            Outer::Dense { middle: Some(s), sums, .. } => (s * &sums[left]).dot(&(s * &sums[right]).transpose()),
            // Sorted, so that rounding does not depend on the map's order.
            Outer::Sparse { side, sums } => {
                let mut products: Vec<(usize, f64)> = sums[left]
                    .iter()
                    .filter_map(|((i, j), value)| Some((*i as usize * side + *j as usize, value * sums[right].get(&(*j, *i))?)))
                    .collect();
                products.sort_unstable_by_key(|(at, _)| *at);
                products.iter().map(|(_, product)| product).sum()
            }
        }
    }
}

/// Everything that contrasts need of a variance: its middle and the adjusted clusters.
#[derive(Debug, Clone)]
pub struct Sandwich {
    /// k × k in the basis, the factor c included.
    pub middle: DMatrix<f64>,
    /// Empty where only the variance was asked for.
    pub blocks: Vec<Block>,
    /// Z'WΦWZ under weights.
    pub q: Option<DMatrix<f64>>,
    /// Number of absorbed levels that reach over clusters.
    pub levels: usize,
    /// Whether the variance is unbiased under the working model: CR2 and HC2 without weights.
    pub unbiased: bool,
    /// Columns of the blocks' basis before those of the caller's: dummies of absorbed effects.
    pub front: usize,
    /// T and γ of the fit in the blocks' basis, for the bootstrap.
    pub fit: Option<(DMatrix<f64>, DVector<f64>)>,
}

impl Sandwich {
    /// A variance without clusters behind it.
    ///
    /// ```
    /// # use vecino_stats::{nalgebra::DMatrix, sandwich::Sandwich};
    /// let sandwich = Sandwich::of(DMatrix::identity(2, 2));
    /// assert!(sandwich.middle.is_identity(0.0) && sandwich.blocks.is_empty());
    /// ```
    pub fn of(middle: DMatrix<f64>) -> Sandwich {
        Sandwich { middle, blocks: Vec::new(), q: None, levels: 0, unbiased: false, front: 0, fit: None }
    }

    /// Σ s s' over adjusted clusters, times c.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// # use vecino_stats::sandwich::Sandwich;
    /// let blocks = fitted.unadjusted()?.blocks;
    /// let cr1 = Sandwich::new(blocks, 2, 8.0 / 7.0, None, 0);
    /// let same = fitted.sandwich(Variance::Cr1, EffectCount::Nested, false)?;
    /// assert!((cr1.middle - same.middle).amax() < 1e-14);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn new(blocks: Vec<Block>, k: usize, c: f64, q: Option<DMatrix<f64>>, levels: usize) -> Sandwich {
        let mut middle = DMatrix::zeros(k, k);
        for block in &blocks {
            let score = block.own_score();
            middle.ger(c, &score, &score, 1.0);
        }
        Sandwich { middle, blocks, q, levels, unbiased: false, front: 0, fit: None }
    }

    /// Contrasts of the caller's basis in that of the blocks.
    fn widen(&self, a: &DMatrix<f64>) -> DMatrix<f64> {
        a.clone().insert_rows(0, self.front, 0.0)
    }

    /// tr B / a'a: what the clusters can tell of the variance that a contrast `a` (in the basis) has under the working model. Under CR2 and
    /// HC2 without weights it is 1 but where clusters are fitted exactly, as one cluster in an arm is; other variances answer 1.
    ///
    /// ```
    /// # use vecino_stats::{cells::Cells, ols::{EffectCount, Variance, fit}};
    /// // One treated cluster: its mean is fitted exactly, and half of what the difference needs is unknown.
    /// let mut cells = Cells::new(2);
    /// for (cluster, treated, y) in [(0, 0.0, 0.0), (1, 0.0, 1.0), (2, 1.0, 1.0), (2, 1.0, 1.0)] {
    ///     cells.push(cluster, &[1.0, treated], 1.0, y, y);
    /// }
    /// let fitted = fit(&cells)?;
    /// let sandwich = fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?;
    /// assert!(sandwich.told(&fitted.contrast(&[(0, 1.0), (1, 1.0)])?) < 1e-9);
    /// assert!((sandwich.told(&fitted.contrast(&[(1, 1.0)])?) - 0.5).abs() < 1e-9);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn told(&self, a: &DVector<f64>) -> f64 {
        if !self.unbiased || self.blocks.is_empty() {
            return 1.0;
        }
        let wide = self.widen(&DMatrix::from_column_slice(a.len(), 1, a.as_slice()));
        let moments = self.blocks.iter().map(|block| (block.copies, block.moments(&wide)));
        let trace: f64 = moments.map(|(copies, (u, _, d))| copies * (d[(0, 0)] - u.norm_squared())).sum();
        trace / a.norm_squared()
    }

    /// Satterthwaite degrees of freedom of each column of `a` (k × q contrasts in the basis). Refuses a contrast without variance.
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
    /// let a = DMatrix::from_columns(&[fitted.contrast(&[(1, 1.0)])?]);
    /// assert!((sandwich.degrees(&a)[0]? - 6.0).abs() < 1e-9); // 2 (4 − 1)
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn degrees(&self, a: &DMatrix<f64>) -> Vec<Result<f64, Refusal>> {
        let wide = self.widen(a);
        (0..a.ncols())
            .map(|s| {
                let traces = Traces::new(self.blocks.iter(), &wide.columns(s, 1).into_owned(), self.q.as_ref(), self.levels);
                let (trace, square) = (traces.trace(0), traces.product(0, 0, 0, 0));
                let size = a.column(s).norm_squared();
                if self.blocks.is_empty() {
                    return Err(Refusal::NoDegrees);
                }
                match trace * trace / square {
                    df if trace > 1e-12 * size && df.is_finite() => Ok(df),
                    _ => Err(Refusal::NoVariance),
                }
            })
            .collect()
    }

    /// η of the approximate Hotelling test for contrasts a whose covariance under the working model is I (Pustejovsky and Tipton 2018, section 3.2).
    fn eta(&self, a: &DMatrix<f64>) -> f64 {
        let q = a.ncols();
        let traces = Traces::new(self.blocks.iter(), &self.widen(a), self.q.as_ref(), self.levels);
        let mut below = 0.0;
        for s in 0..q {
            for t in 0..q {
                below += traces.product(s, s, t, t) + traces.product(s, t, t, s);
            }
        }
        (q * (q + 1)) as f64 / below
    }

    /// Tests that the contrasts a (k × q) of the coefficients γ are zero, `working` being what the variance of one of unit length would be
    /// without clusters. Refuses contrasts that depend on each other or have no variance. HTZ is given when the clusters are there, η
    /// suffices and its sums can be held.
    ///
    /// ```
    /// # use vecino_stats::{nalgebra::{DMatrix, DVector}, sandwich::Sandwich};
    /// // Two coefficients, 1 and 2, of variance ½ and 2: Q = 1/½ + 4/2.
    /// let sandwich = Sandwich::of(DMatrix::from_diagonal(&DVector::from_vec(vec![0.5, 2.0])));
    /// let joint = sandwich.joint(&DMatrix::identity(2, 2), &DVector::from_vec(vec![1.0, 2.0]), 1.0, None)?;
    /// assert!((joint.wald - 4.0).abs() < 1e-12 && (joint.p_chi_squared - (-2.0_f64).exp()).abs() < 1e-12);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn joint(&self, a: &DMatrix<f64>, gamma: &DVector<f64>, working: f64, lower: Option<f64>) -> Result<Joint, Refusal> {
        let q = a.ncols();
        let covariance = a.transpose() * &self.middle * a;
        let effects = a.transpose() * gamma;
        let scale = DVector::from_iterator(q, covariance.diagonal().iter().map(|v| 1.0 / v.sqrt()));
        let vanishes = |at: usize| covariance[(at, at)] <= 1e-14 * working * a.column(at).norm_squared();
        if q == 0 || scale.iter().any(|s| !s.is_finite()) || (0..q).any(vanishes) {
            return Err(Refusal::NoVariance);
        }
        let unit = DMatrix::from_fn(q, q, |i, j| covariance[(i, j)] * scale[i] * scale[j]);
        // A rank below q shows as an eigenvalue at rounding.
        let eigen = unit.symmetric_eigen();
        if eigen.eigenvalues.iter().any(|value| *value < 1e-12 * q as f64) {
            return Err(Refusal::NoVariance);
        }
        let turned = eigen.eigenvectors.transpose() * effects.component_mul(&scale);
        let wald: f64 = turned.iter().zip(eigen.eigenvalues.iter()).map(|(t, value)| t * t / value).sum();
        let width = q as f64;
        let p_chi_squared = chi_squared_tail(wald, width).ok_or(Refusal::NotFinite)?;
        let p_f = lower.and_then(|lower| f_tail(wald / width, width, lower));
        // Contrasts turned so that their covariance under the working model is the identity: a'a, and a'Qa under weights.
        let wide = self.widen(a);
        let working = self.q.as_ref().map_or_else(|| wide.tr_mul(&wide), |q| wide.tr_mul(&(q * &wide)));
        let root = Cholesky::new(working).ok_or(Refusal::Collinear)?.l();
        let orthonormal = root.solve_lower_triangular(&a.transpose()).ok_or(Refusal::Collinear)?.transpose();
        let entries = (wide.nrows() * (1 + usize::from(self.q.is_some())) * q).pow(2);
        let htz = (!self.blocks.is_empty() && entries <= HELD).then(|| self.eta(&orthonormal)).and_then(|eta| {
            let lower = eta - width + 1.0;
            let f = lower / (eta * width) * wald;
            (eta.is_finite() && lower > 0.0).then(|| Some((f, lower, f_tail(f, width, lower)?))).flatten()
        });
        Ok(Joint { wald, q: width, p_chi_squared, p_f, htz })
    }
}

/// A joint test that q contrasts are zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Joint {
    /// Wald Q and its χ² tail on q degrees of freedom.
    pub wald: f64,
    /// Contrasts that are independent.
    pub q: f64,
    /// Tail of `wald`.
    pub p_chi_squared: f64,
    /// Q/q on q and the degrees of freedom below.
    pub p_f: Option<f64>,
    /// Approximate Hotelling's T² (HTZ): (η − q + 1)/(η q) Q, its lower degrees of freedom η − q + 1, and p.
    pub htz: Option<(f64, f64, f64)>,
}
