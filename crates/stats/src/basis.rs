//! An orthonormal basis of a model's columns, from their cross-products.
//!
//! Z = X T with Z'WZ = I, T upper triangular: T is the inverse of the Cholesky factor of X'WX. Where a column is nearly explained by those
//! before it, the cross-products are taken again in the basis found so far (Cholesky QR twice: Yamamoto, Nakatsukasa, Yanagisawa and
//! Fukaya 2015), which makes the factor as exact as one from the rows. Columns enter from left to right.

use super::Refusal;
use super::absorb::{Absorbed, mass};
use super::cells::Rows;
use super::passes;
use nalgebra::{DMatrix, DVector};

/// A column whose part orthogonal to those before it is below this share of its norm is dropped.
const COLLINEAR: f64 = 1e-7;
/// Shares of squares: above the first a factor is exact at once, below the second is rounding.
const PLAIN: f64 = 1e-6;
const ROUNDING: f64 = 1e-15;
/// Below this share of its square the cross-products say little of a column's part of its own.
const DOUBT: f64 = 1e-12;

#[derive(Debug, Clone)]
pub struct Basis {
    /// Kept columns, in order.
    pub kept: Vec<usize>,
    /// kept × kept, upper triangular: z = x T.
    pub t: DMatrix<f64>,
    /// Z'Wy, the first approximation of the coefficients in the basis.
    pub gamma: DVector<f64>,
}

/// Finds the basis of the rows' covariates after absorption. Refuses a model without columns and numbers that are not finite.
///
/// A column that the cross-products take for collinear stays out, so that nothing is made orthogonal to rounding, until the basis of the
/// others shows what it really has.
pub fn basis(rows: &impl Rows, absorbed: &Absorbed) -> Result<Basis, Refusal> {
    let (first, norm) = raw_products(rows, absorbed);
    if first.iter().chain(&norm).any(|value| !value.is_finite()) {
        return Err(Refusal::NotFinite);
    }
    let side = rows.width() + 1;
    let swept_away = |column: &usize| first[column * side + column] < COLLINEAR * COLLINEAR * norm[*column];
    let mut usable: Vec<usize> = (0..rows.width()).filter(|column| norm[*column] > 0.0 && !swept_away(column)).collect();
    let mut trusted: Vec<usize> = Vec::new();
    loop {
        let doubted = doubtful(&usable, &trusted, &first, &norm, side);
        let kept: Vec<usize> = usable.iter().copied().filter(|column| !doubted.contains(column)).collect();
        let (t, gamma) = match factor(rows, absorbed, &kept, &first, &norm)? {
            Factored::Basis(t, gamma) => (t, gamma),
            Factored::Collinear(column) => {
                usable.retain(|own| *own != column);
                continue;
            }
        };
        let left = if doubted.is_empty() { Vec::new() } else { residual_norms(rows, absorbed, &kept, &t, &doubted) };
        match doubted.iter().zip(left).find(|(column, left)| left.sqrt() >= COLLINEAR * norm[**column].sqrt()) {
            Some((column, _)) => trusted.push(*column),
            None => return Ok(Basis { kept, t, gamma }),
        }
    }
}

/// Columns that the cross-products alone cannot tell from combinations of those before them.
fn doubtful(usable: &[usize], trusted: &[usize], first: &[f64], norm: &[f64], side: usize) -> Vec<usize> {
    let mut upper: Vec<Vec<f64>> = Vec::new();
    let mut basis: Vec<usize> = Vec::new();
    let mut doubted = Vec::new();
    for &j in usable {
        let scaled = |i: usize| first[i.min(j) * side + i.max(j)] / (norm[i].sqrt() * norm[j].sqrt());
        let mut column: Vec<f64> = Vec::with_capacity(basis.len() + 1);
        for (place, &i) in basis.iter().enumerate() {
            let already: f64 = column.iter().zip(&upper[place]).map(|(a, b)| a * b).sum();
            column.push((scaled(i) - already) / upper[place][place]);
        }
        let left = scaled(j) - column.iter().map(|v| v * v).sum::<f64>();
        if left < DOUBT * scaled(j) {
            if !trusted.contains(&j) {
                doubted.push(j);
            }
            continue;
        }
        column.push(left.sqrt());
        upper.push(column);
        basis.push(j);
    }
    doubted
}

/// Σ w r² of each doubted column, r being what the basis of the columns before it leaves.
fn residual_norms(rows: &impl Rows, absorbed: &Absorbed, kept: &[usize], t: &DMatrix<f64>, doubted: &[usize]) -> Vec<f64> {
    let (k, m) = (kept.len(), doubted.len());
    let before: Vec<usize> = doubted.iter().map(|column| kept.iter().take_while(|own| *own < column).count()).collect();
    let shares = turned_sum(rows, absorbed, kept, t, m * k, |values, z, mass, sums| {
        for (column, sums) in doubted.iter().zip(sums.chunks_mut(k.max(1))) {
            let own = mass * values[*column];
            sums.iter_mut().zip(z).for_each(|(sum, z)| *sum += own * z);
        }
    });
    turned_sum(rows, absorbed, kept, t, m, |values, z, mass, sums| {
        for (i, column) in doubted.iter().enumerate() {
            let along: f64 = shares[i * k..i * k + before[i]].iter().zip(z).map(|(share, z)| share * z).sum();
            sums[i] += mass * (values[*column] - along).powi(2);
        }
    })
}

/// Adds up over rows; `work` gets the values after absorption, z = x T and the row's weight.
fn turned_sum(
    rows: &impl Rows,
    absorbed: &Absorbed,
    kept: &[usize],
    t: &DMatrix<f64>,
    width: usize,
    work: impl Fn(&[f64], &[f64], f64, &mut [f64]) + Sync,
) -> Vec<f64> {
    passes::sum(rows.len(), width, |range, sums| {
        let mut values = vec![0.0; rows.width() + 1];
        let mut z = vec![0.0; kept.len()];
        for row in range {
            absorbed.read(rows, row, &mut values, |_| {});
            rotate(t, kept, &values, &mut z);
            work(&values, &z, mass(rows, row), sums);
        }
    })
}

enum Factored {
    Basis(DMatrix<f64>, DVector<f64>),
    /// The first column that those before it explain.
    Collinear(usize),
}

fn factor(rows: &impl Rows, absorbed: &Absorbed, kept: &[usize], first: &[f64], norm: &[f64]) -> Result<Factored, Refusal> {
    let k = kept.len();
    let mut t = DMatrix::from_diagonal(&DVector::from_iterator(k, kept.iter().map(|column| 1.0 / norm[*column].sqrt())));
    // A column's part orthogonal to those before it is this times its length in the present basis.
    let mut scale = vec![1.0; k];
    for pass in 0..8 {
        let (gram, cross) = if pass == 0 {
            let side = rows.width() + 1;
            let gram = DMatrix::from_fn(k, k, |i, j| first[kept[i.min(j)] * side + kept[i.max(j)]] * t[(i, i)] * t[(j, j)]);
            (gram, DVector::from_fn(k, |i, _| first[kept[i] * side + side - 1] * t[(i, i)]))
        } else {
            cross_products(rows, absorbed, kept, &t)
        };
        if gram.iter().chain(cross.iter()).any(|v| !v.is_finite()) {
            return Err(Refusal::NotFinite);
        }
        let mut upper = DMatrix::<f64>::zeros(k, k);
        let mut plain = true;
        for j in 0..k {
            for i in 0..j {
                let already: f64 = (0..i).map(|r| upper[(r, i)] * upper[(r, j)]).sum();
                upper[(i, j)] = (gram[(i, j)] - already) / upper[(i, i)];
            }
            let left = gram[(j, j)] - (0..j).map(|r| upper[(r, j)] * upper[(r, j)]).sum::<f64>();
            plain &= left > PLAIN * gram[(j, j)];
            if pass > 0 && scale[j] * left.max(0.0).sqrt() < COLLINEAR {
                return Ok(Factored::Collinear(kept[j]));
            }
            // A column that looks collinear gets its direction from rounding; the next pass shows what it really has.
            upper[(j, j)] = left.max(ROUNDING * gram[(j, j)]).max(f64::MIN_POSITIVE).sqrt();
            scale[j] *= upper[(j, j)];
        }
        let inverse = upper.solve_upper_triangular(&DMatrix::identity(k, k)).ok_or(Refusal::NotFinite)?;
        t *= &inverse;
        if plain {
            return Ok(Factored::Basis(t, inverse.transpose() * cross));
        }
    }
    Err(Refusal::NotFinite)
}

/// The upper half of (X, y)'W(X, y) after absorption, k + 1 numbers a row, and Σ w x² of the columns as they came.
fn raw_products(rows: &impl Rows, absorbed: &Absorbed) -> (Vec<f64>, Vec<f64>) {
    let side = rows.width() + 1;
    let mut sums = passes::sum(rows.len(), side * (side + 1), |range, sums| {
        let (sums, norm) = sums.split_at_mut(side * side);
        let mut values = vec![0.0; side];
        for row in range {
            let mass = mass(rows, row);
            absorbed.read(rows, row, &mut values, |raw| {
                norm.iter_mut().zip(raw).for_each(|(sum, x)| *sum += mass * x * x);
            });
            for i in (0..side).filter(|i| values[*i] != 0.0) {
                let own = mass * values[i];
                sums[i * side + i..(i + 1) * side].iter_mut().zip(&values[i..]).for_each(|(sum, value)| *sum += own * value);
            }
        }
    });
    let norm = sums.split_off(side * side);
    (sums, norm)
}

/// Z'WZ and Z'Wy in the columns x T.
fn cross_products(rows: &impl Rows, absorbed: &Absorbed, kept: &[usize], t: &DMatrix<f64>) -> (DMatrix<f64>, DVector<f64>) {
    let (k, width) = (kept.len(), rows.width());
    let side = k + 1;
    let sums = turned_sum(rows, absorbed, kept, t, side * side, |values, z, mass, sums| {
        for (i, own) in z.iter().enumerate() {
            let own = mass * own;
            let (products, cross) = sums[i * side..(i + 1) * side].split_at_mut(k);
            products[i..].iter_mut().zip(&z[i..]).for_each(|(sum, z)| *sum += own * z);
            cross[0] += own * values[width];
        }
    });
    (DMatrix::from_fn(k, k, |i, j| sums[i.min(j) * side + i.max(j)]), DVector::from_fn(k, |i, _| sums[i * side + k]))
}

/// z = x T for the kept columns of `values`.
#[inline]
pub fn rotate(t: &DMatrix<f64>, kept: &[usize], values: &[f64], z: &mut [f64]) {
    // Column by column as nalgebra holds them, of each only what stands above the diagonal.
    for ((j, z), column) in z.iter_mut().enumerate().zip(t.as_slice().chunks_exact(kept.len().max(1))) {
        *z = column[..=j].iter().zip(kept).map(|(t, place)| t * values[*place]).sum();
    }
}
