//! The treatment's t under any assignment of clusters, with everything but the treatment partialled out once.
//!
//! With Z an orthonormal basis of the covariates, e0 what they leave of y, and d the treatment: d̃ = d − Z Z'd, τ = d̃'d̃, β = d'e0 / τ,
//! e = e0 − β d̃ and t = β / √V, V = c Σ (d̃_g' A_g e_g)² / τ² (Frisch, Waugh and Lovell). The leverage of a cluster is
//! H_gg = Z_gZ_g' + d̃_gd̃_g'/τ, so that CR2's root A_g = (I − H_gg)^(−1/2) needs a small matrix per cluster; where H_gg is small its power
//! series Σ c_j H^j is summed to 1e-15 instead of taking eigenvalues.
//! d is constant within a unit, so under a clustered variance a draw costs a few numbers a unit whatever its rows.

use super::Refusal;
use super::block::Adjustment;
use super::cells::Rows;
use super::leverage::by_cluster;
use super::ols::{Fit, Variance};
use nalgebra::{DMatrix, DVector};

/// A cluster's rows (z, 1), at most k + 1 of them, and e0.
#[derive(Debug)]
struct Cluster {
    m: usize,
    /// m × (k + 1), row by row: the covariates' basis and √n.
    rows: Vec<f64>,
    residual: Vec<f64>,
    /// Z_gZ_g', m × m, and a bound of its eigenvalues.
    hat: Vec<f64>,
    bound: f64,
    /// Z_g'1, Σ n, Σ e0 n.
    sum: Vec<f64>,
    n: f64,
    score: f64,
}

/// Clusters ready for any assignment.
#[derive(Debug)]
pub struct Studentised {
    k: usize,
    variance: Variance,
    /// The c of the variance.
    factor: f64,
    /// What the variance takes for independent: the units that are assigned, or under HC and classical errors their single rows.
    clusters: Vec<Cluster>,
    /// The unit of each.
    unit: Vec<usize>,
    units: usize,
    n: f64,
    /// Σ e0².
    total: f64,
}

/// An effect that explains less than this share of Σ e0² is rounding.
const SHARE: f64 = 1e-12;

/// Up to this bound of H the series is shorter than an eigenvalue decomposition.
const SERIES: f64 = 0.55;

impl Studentised {
    /// From the fit of the outcome on the covariates alone, without absorbed effects; the rows' clusters are the units. Under HC and
    /// classical errors each row must be one row. Refuses an outcome that the covariates explain whole, one cluster and no residual degrees
    /// of freedom.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # let mut cells = Cells::new(1);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0], 10.0, y, y);
    /// # }
    /// # use vecino_stats::{ols::{Variance, fit}, studentised::Studentised};
    /// let fitted = fit(&cells)?; // eight clusters of ten, without the treatment
    /// let engine = Studentised::new(&fitted, &cells, Variance::Cr2)?;
    /// let t = engine.statistic(&[false, false, false, false, true, true, true, true]).unwrap();
    /// assert!((t - 0.175 / (0.2275_f64 / 12.0).sqrt()).abs() < 1e-10); // Welch on the cluster means
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn new<R: Rows>(fit: &Fit<'_, R>, rows: &R, variance: Variance) -> Result<Studentised, Refusal> {
        let k = fit.kept.len();
        if fit.residual == 0.0 {
            return Err(Refusal::NoVariance);
        }
        let (mut values, mut z) = (vec![0.0; rows.width() + 1], vec![0.0; k]);
        let mut total = 0.0;
        let members = by_cluster(rows);
        let units = members.len();
        let groups: Vec<(usize, Vec<u32>)> = match variance.is_clustered() {
            true => members.into_iter().enumerate().collect(),
            false => members.into_iter().enumerate().flat_map(|(unit, rows)| rows.into_iter().map(move |row| (unit, vec![row]))).collect(),
        };
        let clusters: Vec<Cluster> = groups
            .iter()
            .map(|(_, members)| {
                let mut matrix = DMatrix::zeros(members.len(), k + 1);
                let mut residual = DVector::zeros(members.len());
                for (i, row) in members.iter().enumerate() {
                    let (left, squares) = fit.row(*row as usize, &mut values, &mut z);
                    let root = rows.sums(*row as usize).0.sqrt();
                    z.iter().enumerate().for_each(|(j, z)| matrix[(i, j)] = root * z);
                    matrix[(i, k)] = root;
                    residual[i] = root * left;
                    total += squares;
                }
                Cluster::new(matrix, residual, k)
            })
            .collect();
        Studentised::of(clusters, groups.into_iter().map(|(unit, _)| unit).collect(), units, k, variance, total)
    }

    fn of(clusters: Vec<Cluster>, unit: Vec<usize>, units: usize, k: usize, variance: Variance, total: f64) -> Result<Studentised, Refusal> {
        let n = clusters.iter().map(|cluster| cluster.n).sum();
        let factor = variance.factor(units as f64, n, k as f64 + 1.0)?;
        Ok(Studentised { k, variance, factor, clusters, unit, units, n, total })
    }

    /// The engine of some of the units alone, in that order, as if only they had been fitted: with M = Σ Z_g'Z_g over them and T T' = M⁺, their basis is
    /// Z T and the covariates leave e0 − Z M⁺ Σ Z_g'e0 of y.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # let mut cells = Cells::new(1);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0], 10.0, y, y);
    /// # }
    /// # use vecino_stats::{ols::{Variance, fit}, studentised::Studentised};
    /// let fitted = fit(&cells)?; // eight clusters of ten, without the treatment
    /// let engine = Studentised::new(&fitted, &cells, Variance::Cr2)?;
    /// let four = engine.among(&[0, 1, 4, 5])?; // means 0.3, 0.5 against 0.6, 0.7
    /// assert!((four.statistic(&[false, false, true, true]).unwrap() - 5.0_f64.sqrt()).abs() < 1e-10);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn among(&self, chosen: &[usize]) -> Result<Studentised, Refusal> {
        let (mut gram, mut cross) = (DMatrix::zeros(self.k, self.k), DVector::zeros(self.k));
        let mut place = vec![None; self.units];
        chosen.iter().enumerate().for_each(|(at, unit)| place[*unit] = Some(at));
        let (unit, used): (Vec<usize>, Vec<&Cluster>) =
            self.unit.iter().zip(&self.clusters).filter_map(|(unit, cluster)| Some((place[*unit]?, cluster))).unzip();
        let parts: Vec<(DMatrix<f64>, DVector<f64>)> = used
            .into_iter()
            .map(|cluster| (DMatrix::from_row_slice(cluster.m, self.k + 1, &cluster.rows), DVector::from_column_slice(&cluster.residual)))
            .collect();
        for (rows, residual) in &parts {
            let z = rows.columns(0, self.k);
            gram += z.tr_mul(&z);
            cross += z.tr_mul(residual);
        }
        let eigen = gram.symmetric_eigen();
        let used: Vec<usize> = (0..self.k).filter(|i| eigen.eigenvalues[*i] > 1e-12).collect();
        let turn = DMatrix::from_fn(self.k, used.len(), |i, j| eigen.eigenvectors[(i, used[j])] / eigen.eigenvalues[used[j]].sqrt());
        let beta = turn.tr_mul(&cross);
        let mut total = 0.0;
        let clusters = parts.into_iter().map(|(rows, residual)| {
            let mut matrix = (rows.columns(0, self.k) * &turn).insert_column(used.len(), 0.0);
            let left = residual - matrix.columns(0, used.len()) * &beta;
            total += left.norm_squared();
            matrix.set_column(used.len(), &rows.column(self.k));
            Cluster::new(matrix, left, used.len())
        });
        let clusters = clusters.collect();
        Studentised::of(clusters, unit, chosen.len(), used.len(), self.variance, total)
    }

    /// Number of units, and of flags that an assignment has.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # let mut cells = Cells::new(1);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0], 10.0, y, y);
    /// # }
    /// # use vecino_stats::{ols::{Variance, fit}, studentised::Studentised};
    /// let fitted = fit(&cells)?; // eight clusters of ten, without the treatment
    /// let engine = Studentised::new(&fitted, &cells, Variance::Cr2)?;
    /// assert_eq!(engine.units(), 8);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn units(&self) -> usize {
        self.units
    }

    /// t of an assignment, one flag a unit; infinite where the assignment explains what the covariates leave and nothing is left to scatter.
    /// `None` where the covariates leave nothing of it, or it explains nothing and has no variance.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # let mut cells = Cells::new(1);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0], 10.0, y, y);
    /// # }
    /// # use vecino_stats::{ols::{Variance, fit}, studentised::Studentised};
    /// let fitted = fit(&cells)?; // eight clusters of ten, without the treatment
    /// let engine = Studentised::new(&fitted, &cells, Variance::Cr2)?;
    /// let [one, other] = [[true, false, true, false], [false, true, false, true]].map(|half| engine.statistic(&[half, half].concat()).unwrap());
    /// assert!((one + other).abs() < 1e-10); // the same groups the other way round
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn statistic(&self, treated: &[bool]) -> Option<f64> {
        let k = self.k;
        // v = (−Z'd, d): d̃_g = rows_g v.
        let mut v = vec![0.0; k + 1];
        let (mut size, mut effect) = (0.0, 0.0);
        for (cluster, _) in self.clusters.iter().zip(&self.unit).filter(|(_, unit)| treated[**unit]) {
            v.iter_mut().zip(&cluster.sum).for_each(|(v, sum)| *v -= sum);
            size += cluster.n;
            effect += cluster.score;
        }
        let tau = size - v[..k].iter().map(|v| v * v).sum::<f64>();
        if tau.is_nan() || tau <= 1e-10 * self.n {
            return None;
        }
        let beta = effect / tau;
        let explained = beta * beta * tau;
        let squares = if self.variance == Variance::Classical {
            tau * (self.total - explained).max(0.0) / (self.n - k as f64 - 1.0)
        } else {
            let mut room = Room::default();
            let adjustment = self.variance.adjustment();
            let scores = self.clusters.iter().zip(&self.unit).map(|(cluster, unit)| {
                v[k] = f64::from(u8::from(treated[*unit]));
                cluster.score(&v, beta, tau, adjustment, &mut room).powi(2)
            });
            scores.sum()
        };
        let t = beta * tau / (self.factor * squares).sqrt();
        if t.is_finite() && squares > 1e-18 * tau * self.total {
            return Some(t);
        }
        (explained > SHARE * self.total).then_some(f64::INFINITY.copysign(beta))
    }
}

#[derive(Default)]
struct Room {
    along: Vec<f64>,
    left: Vec<f64>,
    term: Vec<f64>,
    next: Vec<f64>,
}

impl Cluster {
    fn new(matrix: DMatrix<f64>, residual: DVector<f64>, k: usize) -> Cluster {
        let ones = matrix.column(k).into_owned();
        let sum: Vec<f64> = matrix.columns(0, k).tr_mul(&ones).iter().copied().collect();
        let (n, score) = (ones.norm_squared(), ones.dot(&residual));
        // Rows that say the same as others are folded: all that counts is (z, 1, e0)'(z, 1, e0).
        let (matrix, residual) = fold(matrix, residual);
        let m = matrix.nrows();
        let z = matrix.columns(0, k);
        let hat = z * z.transpose();
        let bound = (0..m).map(|i| hat.row(i).iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max).min(hat.trace());
        let flat = |matrix: &DMatrix<f64>| matrix.transpose().iter().copied().collect::<Vec<f64>>();
        Cluster { m, rows: flat(&matrix), residual: residual.iter().copied().collect(), hat: flat(&hat), bound, sum, n, score }
    }

    /// d̃_g' A_g e_g
    fn score(&self, v: &[f64], beta: f64, tau: f64, adjustment: Adjustment, room: &mut Room) -> f64 {
        let m = self.m;
        room.along.clear();
        room.along.extend(self.rows.chunks(v.len()).map(|row| row.iter().zip(v).map(|(row, v)| row * v).sum::<f64>()));
        room.left.clear();
        room.left.extend(self.residual.iter().zip(&room.along).map(|(e, d)| e - beta * d));
        let plain = dot(&room.along, &room.left);
        if adjustment == Adjustment::None {
            return plain;
        }
        let own = dot(&room.along, &room.along) / tau;
        if m == 1 {
            return plain * power(self.hat[0] + own, adjustment);
        }
        if self.bound + own > SERIES {
            let hat = DMatrix::from_fn(m, m, |i, j| self.hat[i * m + j] + room.along[i] * room.along[j] / tau);
            let eigen = hat.symmetric_eigen();
            let along = eigen.eigenvectors.tr_mul(&DVector::from_column_slice(&room.along));
            let left = eigen.eigenvectors.tr_mul(&DVector::from_column_slice(&room.left));
            return (0..m).map(|i| along[i] * power(eigen.eigenvalues[i], adjustment) * left[i]).sum();
        }
        // (1 − h)^(−1/2) = Σ c_j h^j with c_j = c_{j−1} (2j − 1)/2j; (1 − h)^(−1) = Σ h^j.
        let mut total = plain;
        let mut coefficient = 1.0;
        room.term.clear();
        room.term.extend_from_slice(&room.left);
        for j in 1..80 {
            let pull = dot(&room.along, &room.term) / tau;
            room.next.clear();
            room.next.extend((0..m).map(|i| dot(&self.hat[i * m..(i + 1) * m], &room.term) + pull * room.along[i]));
            std::mem::swap(&mut room.term, &mut room.next);
            if adjustment == Adjustment::Root {
                coefficient *= (2 * j - 1) as f64 / (2 * j) as f64;
            }
            let add = coefficient * dot(&room.along, &room.term);
            total += add;
            let scale = dot(&room.term, &room.term).sqrt() * (own * tau).sqrt();
            if coefficient * scale <= 1e-15 * total.abs() {
                break;
            }
        }
        total
    }
}

fn power(share: f64, adjustment: Adjustment) -> f64 {
    match adjustment {
        _ if 1.0 - share < 1e-10 => 0.0,
        Adjustment::Root => (1.0 - share).powf(-0.5),
        _ => 1.0 / (1.0 - share),
    }
}

#[inline]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// As few rows as the matrix has rank, with the same products among its columns and with the residual.
fn fold(matrix: DMatrix<f64>, residual: DVector<f64>) -> (DMatrix<f64>, DVector<f64>) {
    if matrix.nrows() == 1 {
        return (matrix, residual);
    }
    let cross = matrix.tr_mul(&residual);
    let eigen = matrix.tr_mul(&matrix).symmetric_eigen();
    let largest = eigen.eigenvalues.iter().copied().fold(0.0, f64::max);
    let used: Vec<usize> = (0..eigen.eigenvalues.len()).filter(|i| eigen.eigenvalues[*i] > 1e-13 * largest).collect();
    if used.len() >= matrix.nrows() {
        return (matrix, residual);
    }
    let roots: Vec<f64> = used.iter().map(|i| eigen.eigenvalues[*i].sqrt()).collect();
    let rows = DMatrix::from_fn(used.len(), matrix.ncols(), |i, j| roots[i] * eigen.eigenvectors[(j, used[i])]);
    let left = DVector::from_fn(used.len(), |i, _| eigen.eigenvectors.column(used[i]).dot(&cross) / roots[i]);
    (rows, left)
}
