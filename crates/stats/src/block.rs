//! One cluster of a robust variance: its rows, and A_g of its adjustment applied to them (`sandwich` has the formulas).
//!
//! Without weights a cluster's rows count only through Z_g'Z_g, so a cluster with more rows than columns is replaced by as many rows as
//! columns. A row may stand for n equal ones: it enters multiplied by √n.

use super::root;
use nalgebra::{DMatrix, DVector};

/// What A_g is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// The identity: CR0, CR1, HC0, HC1.
    None,
    /// CR2, HC2
    Root,
    /// CR3, HC3
    Inverse,
}

/// A cluster's rows before adjustment: z (m × k), weights, working variances Φ, residuals. `levels` are the coordinates of the first
/// columns of z: absorbed levels that reach over several clusters, scaled to unit length; the other k columns are the basis.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Which absorbed level each of the first columns is.
    pub levels: Vec<u32>,
    /// m × k.
    pub z: DMatrix<f64>,
    /// One a row.
    pub residual: DVector<f64>,
    /// W and Φ of each row; `None`: both 1.
    pub working: Option<(DVector<f64>, DVector<f64>)>,
}

/// A cluster after adjustment: rows z, p = B a for any a, and the adjusted score Z'WAe.
#[derive(Debug, Clone)]
pub struct Block {
    pub(super) levels: Vec<u32>,
    /// m × k.
    pub z: DMatrix<f64>,
    b: DMatrix<f64>,
    working: Option<(DVector<f64>, DVector<f64>)>,
    /// Z'WAe, the levels' coordinates before the basis's.
    pub score: DVector<f64>,
    /// How many equal clusters this one stands for.
    pub copies: f64,
}

/// Eigenvalues of I − H below this are the zero that an effect of the cluster's own leaves.
const UNIT: f64 = 1e-10;
/// Rows above which a weighted cluster is adjusted by its low-rank parts.
const LARGE: usize = 60;

impl Block {
    /// Adjusts a cluster. `q` is Z'WΦWZ, which only weights need; it is the identity for least squares and likelihoods.
    ///
    /// ```
    /// # use vecino_stats::{block::{Adjustment, Block, Raw}, nalgebra::{DMatrix, DVector}};
    /// // H = 0.36, so that the residual 2 becomes 2/√0.64.
    /// let raw = Raw { levels: Vec::new(), z: DMatrix::from_element(1, 1, 0.6), residual: DVector::from_element(1, 2.0), working: None };
    /// assert!((Block::new(raw, Adjustment::Root, None).score[0] - 0.6 * 2.0 / 0.8).abs() < 1e-14);
    /// ```
    pub fn new(raw: Raw, adjustment: Adjustment, q: Option<&DMatrix<f64>>) -> Block {
        let Raw { levels, z, residual, working } = raw;
        let Some((w, phi)) = &working else { return Block::plain(levels, z, residual, adjustment) };
        let m = z.nrows();
        let wz = DMatrix::from_fn(m, z.ncols(), |i, j| w[i] * z[(i, j)]);
        let many = adjustment != Adjustment::None && m > LARGE && m > 3 * z.ncols();
        let large = many.then(|| Block::large(&z, &wz, (w, phi), adjustment, q)).flatten();
        let b = large.unwrap_or_else(|| Block::exact(&z, wz, (w, phi), adjustment, q));
        let score = b.transpose() * &residual;
        Block { levels, z, b, working, score, copies: 1.0 }
    }

    /// B of a cluster of many rows, by what its matrices have of low rank. `None` where the cluster fits a part of itself.
    fn large(
        z: &DMatrix<f64>,
        wz: &DMatrix<f64>,
        working: (&DVector<f64>, &DVector<f64>),
        adjustment: Adjustment,
        q: Option<&DMatrix<f64>>,
    ) -> Option<DMatrix<f64>> {
        let (w, phi) = working;
        let (m, k) = z.shape();
        if adjustment == Adjustment::Inverse {
            // W^½ (I − Z̃Z̃')⁻¹ Z̃ = W Z (I − Z'WZ)⁻¹.
            let free = DMatrix::identity(k, k) - z.tr_mul(wz);
            let least = free.clone().symmetric_eigenvalues().min();
            return (least > UNIT.sqrt()).then(|| free.cholesky().map(|free| free.solve(&wz.transpose()).transpose())).flatten();
        }
        match q {
            Some(q) if phi.iter().all(|phi| *phi == 1.0) => {
                // I − Z (WZ)' − (WZ) Z' + Z Q Z'.
                let u = DMatrix::from_fn(m, 2 * k, |i, j| if j < k { z[(i, j)] } else { wz[(i, j - k)] });
                let middle = DMatrix::from_fn(2 * k, 2 * k, |i, j| match (i < k, j < k) {
                    (true, true) => q[(i, j)],
                    (false, false) => 0.0,
                    _ => -f64::from(u8::from(i % k == j % k)),
                });
                root::identity_and(&u, &middle, wz)
            }
            None if w.iter().zip(phi.iter()).all(|(w, phi)| (w * phi - 1.0).abs() < 1e-12) => {
                // With W Φ = I it is D (Φ − Z Z') D.
                let d = phi.map(f64::sqrt);
                let scaled = |matrix: &DMatrix<f64>| DMatrix::from_fn(m, k, |i, j| d[i] * matrix[(i, j)]);
                root::diagonal_less(phi, &scaled(z), &scaled(wz)).map(|found| scaled(&found))
            }
            _ => None,
        }
    }

    fn exact(
        z: &DMatrix<f64>,
        wz: DMatrix<f64>,
        working: (&DVector<f64>, &DVector<f64>),
        adjustment: Adjustment,
        q: Option<&DMatrix<f64>>,
    ) -> DMatrix<f64> {
        let (w, phi) = working;
        let m = z.nrows();
        match adjustment {
            Adjustment::None => wz,
            Adjustment::Inverse => {
                // A'W Z = W A Z = W^½ (I − Z̃Z̃')⁻¹ Z̃ with Z̃ = W^½ Z; 0 where a cluster fits itself.
                let root = w.map(f64::sqrt);
                let turned = DMatrix::from_fn(m, z.ncols(), |i, j| root[i] * z[(i, j)]);
                let eigen = (&turned * turned.transpose()).symmetric_eigen();
                let mut inner = eigen.eigenvectors.tr_mul(&turned);
                for (mut row, share) in inner.row_iter_mut().zip(eigen.eigenvalues.iter()) {
                    row *= if 1.0 - share < UNIT { 0.0 } else { 1.0 / (1.0 - share) };
                }
                let solved = &eigen.eigenvectors * inner;
                DMatrix::from_fn(m, z.ncols(), |i, j| root[i] * solved[(i, j)])
            }
            Adjustment::Root => {
                // [(I−H)Φ(I−H)']_gg = Φ − Z (WΦZ)' − (WΦZ) Z' + Z Q Z'.
                let wpz = DMatrix::from_fn(m, z.ncols(), |i, j| phi[i] * wz[(i, j)]);
                let cross = z * wpz.transpose();
                let quadratic = match q {
                    Some(q) => z * q * z.transpose(),
                    None => z * z.transpose(),
                };
                let d = phi.map(f64::sqrt);
                let g = DMatrix::from_fn(m, m, |i, j| {
                    let middle = if i == j { phi[i] } else { 0.0 } - cross[(i, j)] - cross[(j, i)] + quadratic[(i, j)];
                    d[i] * middle * d[j]
                });
                let largest = phi.iter().fold(0.0_f64, |most, phi| most.max(phi * phi));
                let eigen = g.symmetric_eigen();
                let power = eigen.eigenvalues.map(|value| if value > UNIT * largest { value.powf(-0.5) } else { 0.0 });
                let dwz = DMatrix::from_fn(m, z.ncols(), |i, j| d[i] * wz[(i, j)]);
                let inner = eigen.eigenvectors.transpose() * dwz;
                let turned = &eigen.eigenvectors * DMatrix::from_fn(m, z.ncols(), |i, j| power[i] * inner[(i, j)]);
                DMatrix::from_fn(m, z.ncols(), |i, j| d[i] * turned[(i, j)])
            }
        }
    }

    /// Equal weights and working variances: A_g is a power of I − Z_gZ_g'.
    fn plain(levels: Vec<u32>, z: DMatrix<f64>, residual: DVector<f64>, adjustment: Adjustment) -> Block {
        let power = |share: f64| match adjustment {
            Adjustment::None => 1.0,
            _ if 1.0 - share < UNIT => 0.0,
            Adjustment::Root => (1.0 - share).powf(-0.5),
            Adjustment::Inverse => 1.0 / (1.0 - share),
        };
        let (m, k) = z.shape();
        if m == 1 {
            let f = power(z.norm_squared());
            let b = &z * f;
            let score = b.transpose() * &residual;
            return Block { levels, z, b, working: None, score, copies: 1.0 };
        }
        if m <= k {
            if adjustment == Adjustment::None {
                let score = z.transpose() * &residual;
                return Block { levels, b: z.clone(), z, working: None, score, copies: 1.0 };
            }
            let eigen = (&z * z.transpose()).symmetric_eigen();
            let mut inner = eigen.eigenvectors.transpose() * &z;
            for (mut row, share) in inner.row_iter_mut().zip(eigen.eigenvalues.iter()) {
                row *= power(*share);
            }
            let b = &eigen.eigenvectors * inner;
            let score = b.transpose() * &residual;
            return Block { levels, z, b, working: None, score, copies: 1.0 };
        }
        // Rows √λ u' have the same cross-products; the scores are turned directly, so that nothing is divided by a small λ.
        let score = z.transpose() * &residual;
        let eigen = (z.transpose() * &z).symmetric_eigen();
        let roots = eigen.eigenvalues.map(|share| share.max(0.0).sqrt());
        let powers = eigen.eigenvalues.map(power);
        let rows = DMatrix::from_fn(k, k, |i, j| roots[i] * eigen.eigenvectors[(j, i)]);
        let b = DMatrix::from_fn(k, k, |i, j| powers[i] * rows[(i, j)]);
        let turned = (eigen.eigenvectors.transpose() * score).component_mul(&powers);
        Block { levels, z: rows, b, working: None, score: eigen.eigenvectors * turned, copies: 1.0 }
    }

    /// From here on the rows' working variances are 1, for degrees of freedom under the identity.
    pub(crate) fn vary_alike(&mut self) {
        if let Some((_, phi)) = &mut self.working {
            phi.fill(1.0);
        }
    }

    /// Z'WZ of the cluster.
    ///
    /// ```
    /// # use vecino_stats::{block::{Adjustment, Block, Raw}, nalgebra::{DMatrix, DVector}};
    /// # let raw = Raw { levels: Vec::new(), z: DMatrix::from_element(1, 1, 0.6), residual: DVector::from_element(1, 2.0), working: None };
    /// assert!((Block::new(raw, Adjustment::None, None).gram()[(0, 0)] - 0.36).abs() < 1e-14);
    /// ```
    pub fn gram(&self) -> DMatrix<f64> {
        self.z.transpose() * self.weighted(self.z.clone())
    }

    /// Z'WZ a.
    pub(crate) fn gram_times(&self, a: &DVector<f64>) -> DVector<f64> {
        let along = &self.z * a;
        self.z.transpose() * self.weighted(DMatrix::from_column_slice(along.len(), 1, along.as_slice())).column(0)
    }

    fn weighted(&self, mut rows: DMatrix<f64>) -> DMatrix<f64> {
        if let Some((w, _)) = &self.working {
            rows.row_iter_mut().zip(w.iter()).for_each(|(mut row, w)| row *= *w);
        }
        rows
    }

    /// The score in the basis alone.
    pub(crate) fn own_score(&self) -> DVector<f64> {
        self.score.rows(self.levels.len(), self.score.len() - self.levels.len()).into_owned()
    }

    /// For contrasts a (k × q): u = Z'p, v = Z'WΦp (`None` where it is u) and p'Φp (q × q).
    pub(super) fn moments(&self, a: &DMatrix<f64>) -> (DMatrix<f64>, Option<DMatrix<f64>>, DMatrix<f64>) {
        let own = self.b.columns(self.levels.len(), a.nrows());
        let p = own * a;
        let u = self.z.transpose() * &p;
        match &self.working {
            None => (u, None, p.transpose() * &p),
            Some((w, phi)) => {
                let scaled = DMatrix::from_fn(p.nrows(), p.ncols(), |i, j| phi[i] * p[(i, j)]);
                let weighted = DMatrix::from_fn(p.nrows(), p.ncols(), |i, j| w[i] * scaled[(i, j)]);
                (u, Some(self.z.transpose() * weighted), p.transpose() * scaled)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster of many weighted rows is adjusted without its m × m matrices.
    #[test]
    fn low_rank_adjustments_are_the_exact_ones() {
        let (m, k) = (90, 3);
        let z = DMatrix::from_fn(m, k, |i, j| (((i * (3 + j) + 5 * j) % 19) as f64 / 9.0 - 1.0) / 9.0);
        let w = DVector::from_fn(m, |i, _| 0.5 + (i % 7) as f64 / 4.0);
        let wz = DMatrix::from_fn(m, k, |i, j| w[i] * z[(i, j)]);
        let q = z.transpose() * DMatrix::from_diagonal(&w.map(|w| w * w)) * &z;
        let one = DVector::repeat(m, 1.0);
        let inverse = w.map(|w| 1.0 / w);
        for (phi, adjustment, q) in [
            (&one, Adjustment::Root, Some(&q)),
            (&one, Adjustment::Inverse, Some(&q)),
            (&inverse, Adjustment::Root, None),
            (&inverse, Adjustment::Inverse, None),
        ] {
            let exact = Block::exact(&z, wz.clone(), (&w, phi), adjustment, q);
            let large = Block::large(&z, &wz, (&w, phi), adjustment, q).unwrap();
            assert!((large - &exact).amax() < 1e-12 * exact.amax(), "{adjustment:?}");
        }
    }
}
