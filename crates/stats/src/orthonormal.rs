//! Columns that enter a model from left to right, and an orthonormal basis of those that carry something.
//!
//! X_kept = Q R with Σ n q q' = I over cells of n rows, by Gram-Schmidt done twice (Giraud, Langou and Rozložník 2005: twice is enough).
//! A column is dropped when its part orthogonal to those before it is below 1e-7 of its norm. Iterating in Q keeps every sum of squares
//! near the identity whatever the scale of the columns.

use super::cells::Cells;
use nalgebra::{DMatrix, DVector};

const COLLINEAR: f64 = 1e-7;

/// The basis over some cells. `q` holds one row of `kept.len()` numbers a cell, in the order of `used`.
#[derive(Debug, Clone)]
pub struct Basis {
    pub used: Vec<usize>,
    pub kept: Vec<usize>,
    pub q: Vec<f64>,
    /// R⁻¹: coefficients of the columns are R⁻¹ times coefficients of the basis.
    pub back: DMatrix<f64>,
    /// Dropped columns, each with the kept columns and coefficients that make it up; a column of zeros has none.
    pub dropped: Vec<(usize, Vec<(usize, f64)>)>,
}

impl Basis {
    /// Over the cells `used`, with the columns `columns` in that order.
    pub fn of(cells: &Cells, used: Vec<usize>, columns: &[usize]) -> Basis {
        let weight: Vec<f64> = used.iter().map(|c| cells.n[*c]).collect();
        let norm = |column: &[f64]| column.iter().zip(&weight).map(|(x, n)| n * x * x).sum::<f64>().sqrt();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let mut r: Vec<Vec<f64>> = Vec::new();
        let (mut kept, mut norms, mut left_over) = (Vec::new(), Vec::new(), Vec::new());
        for column in columns {
            let mut x: Vec<f64> = used.iter().map(|c| cells.x[c * cells.width + column]).collect();
            let length = norm(&x);
            let mut projection = vec![0.0; basis.len()];
            for _ in 0..2 {
                for (q, onto) in basis.iter().zip(&mut projection) {
                    let share: f64 = q.iter().zip(&x).zip(&weight).map(|((q, x), n)| n * q * x).sum();
                    *onto += share;
                    x.iter_mut().zip(q).for_each(|(x, q)| *x -= share * q);
                }
            }
            let left = norm(&x);
            if left > COLLINEAR * length && left > 0.0 {
                x.iter_mut().for_each(|x| *x /= left);
                projection.push(left);
                basis.push(x);
                kept.push(*column);
                r.push(projection);
                norms.push(length);
            } else {
                left_over.push((*column, length, projection));
            }
        }
        let k = kept.len();
        let upper = DMatrix::from_fn(k, k, |i, j| if i <= j { r[j][i] } else { 0.0 });
        let back = upper.clone().solve_upper_triangular(&DMatrix::identity(k, k)).unwrap_or_else(|| DMatrix::identity(k, k));
        let dropped = left_over.into_iter().map(|(column, length, projection)| {
            let m = projection.len();
            let made_of = back.view((0, 0), (m, m)) * DVector::from_vec(projection);
            let counts = |i: &usize| (made_of[*i] * norms[*i]).abs() > COLLINEAR * length;
            (column, (0..m).filter(counts).map(|i| (kept[i], made_of[i])).collect())
        });
        let dropped = dropped.collect();
        let q = (0..used.len()).flat_map(|c| basis.iter().map(move |column| column[c])).collect();
        Basis { used, kept, q, back, dropped }
    }

    pub fn width(&self) -> usize {
        self.kept.len()
    }

    /// The basis row of the i-th used cell.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.q[i * self.kept.len()..(i + 1) * self.kept.len()]
    }

    /// Q θ.
    pub fn times(&self, theta: &DVector<f64>) -> Vec<f64> {
        (0..self.used.len()).map(|i| self.row(i).iter().zip(theta.iter()).map(|(q, t)| q * t).sum()).collect()
    }

    /// Adds Σ w q q' over the used cells to the upper half of `a` and Σ u q to `b`.
    pub fn accumulate(&self, w: &[f64], u: &[f64], a: &mut DMatrix<f64>, b: &mut DVector<f64>) {
        for i in 0..self.used.len() {
            add_outer(a, self.row(i), w[i]);
            b.iter_mut().zip(self.row(i)).for_each(|(b, q)| *b += u[i] * q);
        }
    }

    /// A covariance of basis coefficients as one of column coefficients: R⁻¹ V R⁻ᵀ.
    pub fn covariance(&self, v: &DMatrix<f64>) -> DMatrix<f64> {
        let out = &self.back * v * self.back.transpose();
        (&out + out.transpose()) * 0.5
    }
}

/// a += w x x', upper half only.
pub fn add_outer(a: &mut DMatrix<f64>, x: &[f64], w: f64) {
    let all = a.as_mut_slice();
    for (j, right) in x.iter().enumerate() {
        let scaled = w * right;
        all[j * x.len()..=j * x.len() + j].iter_mut().zip(x).for_each(|(a, left)| *a += scaled * left);
    }
}

/// Copies the upper half onto the lower one.
pub fn mirror(a: &mut DMatrix<f64>) {
    a.fill_lower_triangle_with_upper_triangle();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(rows: &[[f64; 4]]) -> Cells {
        let mut cells = Cells::new(4);
        rows.iter().for_each(|x| cells.push(0, x, 2.0, 0.0, 0.0));
        cells
    }

    #[test]
    fn a_sum_of_earlier_columns_is_dropped_and_a_sliver_is_kept() {
        let exact = cells(&[[1.0, 1.0, 0.0, 2.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 2.0], [1.0, 0.0, 1.0, 1.0]]);
        let basis = Basis::of(&exact, vec![0, 1, 2, 3], &[0, 1, 2, 3]);
        assert_eq!(basis.kept, [0, 1]);
        let made_of: Vec<Vec<(usize, f64)>> =
            basis.dropped.iter().map(|(_, all)| all.iter().map(|(j, c)| (*j, (c * 1e9).round() / 1e9)).collect()).collect();
        assert_eq!(made_of, [vec![(0, 1.0), (1, -1.0)], vec![(0, 1.0), (1, 1.0)]]);
        let sliver = cells(&[[1.0, 0.0, 1e6, 0.0], [1.0, 1.0, 1e6 + 1.0, 0.0], [1.0, 2.0, 1e6 - 1.0, 0.0]]);
        assert_eq!(Basis::of(&sliver, vec![0, 1, 2], &[0, 1, 2, 3]).kept, [0, 1, 2]);
    }

    #[test]
    fn the_basis_is_orthonormal_and_leads_back_to_the_columns() {
        let odd = cells(&[[1.0, 3.0, 1e8, 0.1], [1.0, 4.0, 3e8, 0.7], [1.0, -2.0, 2e8, 0.4], [1.0, 0.5, 1e7, 0.2], [1.0, 0.0, 0.0, 0.9]]);
        let basis = Basis::of(&odd, (0..5).collect(), &[0, 1, 2, 3]);
        let (mut gram, mut none) = (DMatrix::zeros(4, 4), DVector::zeros(4));
        basis.accumulate(&[2.0; 5], &[0.0; 5], &mut gram, &mut none);
        mirror(&mut gram);
        assert!((gram - DMatrix::identity(4, 4)).amax() < 1e-14);
        let x = DMatrix::from_row_slice(5, 4, &odd.x);
        let q = DMatrix::from_row_slice(5, 4, &basis.q);
        assert!((x * &basis.back - q).amax() < 1e-12);
    }
}
