//! Degrees of freedom for cluster-robust errors under the working model of independent rows.
//!
//! For a contrast c, with a = L'c and r_g = U h U' S_g a, d_g = a' U h² U' S_g a (notation of `ols`), B_gh = [g = h] d_g − r_g'r_h and
//! df = tr(B)² / Σ B_gh² (Bell and McCaffrey 2002; Imbens and Kolesár 2016; Pustejovsky and Tipton 2018). Exact from sums, cost G k².

use super::Refusal;
use super::distribution::{chi_squared_tail, f_tail};
use super::ols::{Fit, Rotated};
use nalgebra::{Cholesky, DMatrix, DVector};

/// Degrees of freedom of one contrast; never above G. Refuses one cluster and a contrast without variance.
pub fn df(fit: &Fit, rotated: &Rotated, contrast: &DVector<f64>) -> Result<f64, Refusal> {
    if fit.clusters() < 2 {
        return Err(Refusal::OneCluster);
    }
    let a = fit.l.transpose() * DMatrix::from_column_slice(contrast.len(), 1, contrast.as_slice());
    let k = a.nrows();
    let (mut trace, mut squares) = (0.0, 0.0);
    let mut rr = DMatrix::zeros(k, k);
    for cluster in &rotated.clusters {
        let r = cluster.h(&cluster.s(&a));
        let d = a.dot(&cluster.h(&r));
        let own = r.dot(&r);
        trace += d - own;
        squares += d * d - 2.0 * d * own;
        rr += &r * r.transpose();
    }
    // Σ_gh (r_g'r_h)² = ‖Σ r r'‖².
    squares += rr.norm_squared();
    if !(trace > 1e-14 && squares > 0.0) {
        return Err(Refusal::NoVariance);
    }
    Ok(trace * trace / squares)
}

/// A joint test that q contrasts are zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Joint {
    /// Wald Q and its χ² tail on q degrees of freedom.
    pub wald: f64,
    pub q: f64,
    pub p_chi_squared: f64,
    /// Q/q on q and G − 1.
    pub p_f: f64,
    /// Approximate Hotelling's T² (HTZ): (η − q + 1)/(η q) Q on q and η − q + 1. `None` when η is too small for q contrasts.
    pub htz: Option<(f64, f64, f64)>,
}

/// Tests C'β = 0 for the q columns of `contrasts` (k × q): Wald, naive F and HTZ (Pustejovsky and Tipton 2018, sec. 3.2).
/// Refuses contrasts that depend on each other or have no variance.
pub fn joint(fit: &Fit, rotated: &Rotated, contrasts: &DMatrix<f64>) -> Result<Joint, Refusal> {
    let q = contrasts.ncols();
    let covariance = fit.covariance(rotated, contrasts)?;
    let effects = contrasts.transpose() * &fit.beta;
    let solved = Cholesky::new(covariance).ok_or(Refusal::NoVariance)?.solve(&effects);
    let wald = effects.dot(&solved);
    let clusters = fit.clusters() as f64;
    let width = q as f64;
    let p_chi_squared = chi_squared_tail(wald, width).ok_or(Refusal::NotFinite)?;
    let p_f = f_tail(wald / width, width, clusters - 1.0).ok_or(Refusal::NotFinite)?;
    let a = fit.l.transpose() * contrasts;
    let root = Cholesky::new(a.transpose() * &a).ok_or(Refusal::Collinear)?.l();
    // Columns of `a` become orthonormal: C'MC = I.
    let a = root.solve_lower_triangular(&a.transpose()).ok_or(Refusal::Collinear)?.transpose();
    // Σ_gh of products of B^st_gh = [g = h] d_g^st − r_g^s·r_h^t, from P^st = Σ_g r_g^s r_g^t' and the diagonal.
    let k = a.nrows();
    let mut outer = vec![DMatrix::<f64>::zeros(k, k); q * q];
    let mut below = 0.0;
    for cluster in &rotated.clusters {
        let r = cluster.h(&cluster.s(&a));
        let d = a.transpose() * cluster.h(&r);
        let own = r.transpose() * &r;
        for s in 0..q {
            for t in 0..q {
                outer[s * q + t] += r.column(s) * r.column(t).transpose();
                below += d[(s, s)] * d[(t, t)] - d[(s, s)] * own[(t, t)] - d[(t, t)] * own[(s, s)];
                below += d[(s, t)] * d[(t, s)] - d[(s, t)] * own[(t, s)] - d[(t, s)] * own[(s, t)];
            }
        }
    }
    for p in &outer {
        below += p.norm_squared() + p.dot(&p.transpose());
    }
    let eta = width * (width + 1.0) / below;
    let lower = eta - width + 1.0;
    let htz = (lower > 0.0 && eta.is_finite()).then(|| {
        let f = lower / (eta * width) * wald;
        Some((f, lower, f_tail(f, width, lower)?))
    });
    Ok(Joint { wald, q: width, p_chi_squared, p_f, htz: htz.flatten() })
}
