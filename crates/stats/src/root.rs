//! Inverse square roots of matrices that differ from a diagonal by a low rank, applied to a few columns, so that a cluster of m rows costs
//! m k² and not m³. Each gives `None` where the matrix is singular, or nearly: those are for eigenvectors.

use nalgebra::{Cholesky, DMatrix, DVector};

/// Eigenvalues below this share of what they would be alone are zero.
const SINGULAR: f64 = 1e-8;
/// Step of the trapezium rule and how far it goes beyond the spectrum: the error of both is about 1e-14.
const STEP: f64 = 0.3;
const BEYOND: f64 = 33.0;

/// (I + U M U')^(−1/2) X for U (m × r) and a symmetric M (r × r): with U = Q R and R M R' = V Λ V' it is
/// X + Q V ((1 + Λ)^(−1/2) − 1) V' Q' X.
pub fn identity_and(u: &DMatrix<f64>, middle: &DMatrix<f64>, x: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let (q, r) = u.clone().qr().unpack();
    let eigen = (&r * middle * r.transpose()).symmetric_eigen();
    if eigen.eigenvalues.iter().any(|value| 1.0 + value < SINGULAR) {
        return None;
    }
    let turned = q * eigen.eigenvectors;
    let mut inner = turned.tr_mul(x);
    for (mut row, value) in inner.row_iter_mut().zip(eigen.eigenvalues.iter()) {
        row *= (1.0 + value).powf(-0.5) - 1.0;
    }
    Some(x + turned * inner)
}

/// (F² − L L')^(−1/2) X for a positive diagonal F (m) and L (m × k): (2/π) ∫ e^u (F² − L L' + e^(2u))⁻¹ X du by the trapezium rule, which
/// converges geometrically (Hale, Higham and Trefethen 2008), each term by Woodbury's identity.
pub fn diagonal_less(f: &DVector<f64>, l: &DMatrix<f64>, x: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let k = l.ncols();
    let (low, high) = f.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), f| (low.min(*f), high.max(*f)));
    let over = |t: f64| f.map(|f| 1.0 / (f * f + t * t));
    let core = |inverse: &DVector<f64>| {
        let mut inner = DMatrix::identity(k, k);
        for (row, inverse) in l.row_iter().zip(inverse.iter()) {
            inner.ger(-inverse, &row.transpose(), &row.transpose(), 1.0);
        }
        inner
    };
    let least = core(&over(0.0)).symmetric_eigenvalues().min();
    if !(low > 0.0 && least > SINGULAR) {
        return None;
    }
    let (start, end) = ((low * least.sqrt()).ln() - BEYOND, high.ln() + BEYOND);
    let steps = ((end - start) / STEP).ceil() as usize;
    let mut total = DMatrix::zeros(x.nrows(), x.ncols());
    for step in 0..=steps {
        let t = (start + STEP * step as f64).exp();
        let inverse = over(t);
        let scaled = |matrix: &DMatrix<f64>| DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| inverse[i] * matrix[(i, j)]);
        let (dx, dl) = (scaled(x), scaled(l));
        let inner = Cholesky::new(core(&inverse))?.solve(&l.tr_mul(&dx));
        total += (dx + dl * inner) * t;
    }
    Some(total * (STEP * std::f64::consts::FRAC_2_PI))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(g: &DMatrix<f64>, x: &DMatrix<f64>) -> DMatrix<f64> {
        let eigen = g.clone().symmetric_eigen();
        let power = DMatrix::from_diagonal(&eigen.eigenvalues.map(|value| value.powf(-0.5)));
        &eigen.eigenvectors * power * eigen.eigenvectors.transpose() * x
    }

    fn matrix(m: usize, k: usize, scale: f64) -> DMatrix<f64> {
        DMatrix::from_fn(m, k, |i, j| scale * (((i * 7 + j * 13) % 17) as f64 / 8.0 - 1.0))
    }

    #[test]
    fn both_are_the_root_that_eigenvectors_give() {
        let (u, x) = (matrix(23, 4, 0.2), matrix(23, 3, 1.0));
        let middle = DMatrix::from_fn(4, 4, |i, j| if i == j { -0.3 + i as f64 } else { 0.1 });
        let whole = DMatrix::identity(23, 23) + &u * &middle * u.transpose();
        assert!((identity_and(&u, &middle, &x).unwrap() - root(&whole, &x)).amax() < 1e-12);

        let f = DVector::from_fn(23, |i, _| 0.01 + ((i * 5) % 11) as f64 / 40.0);
        let l = DMatrix::from_fn(23, 4, |i, j| f[i] * matrix(23, 4, 0.25)[(i, j)]);
        let whole = DMatrix::from_diagonal(&f.map(|f| f * f)) - &l * l.transpose();
        let wanted = root(&whole, &x);
        assert!((diagonal_less(&f, &l, &x).unwrap() - &wanted).amax() < 1e-12 * wanted.amax());
    }

    #[test]
    fn what_has_no_root_is_left_to_eigenvectors() {
        let u = DMatrix::from_element(4, 1, 0.5);
        assert_eq!(identity_and(&u, &DMatrix::from_element(1, 1, -1.0), &u), None);
        assert_eq!(diagonal_less(&DVector::repeat(4, 1.0), &u, &u), None);
    }
}
