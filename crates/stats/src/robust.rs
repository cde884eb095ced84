//! Robust errors of a generalised linear model, on the response scale.
//!
//! With D = dμ/dη, W = 1/V(μ), Φ = V(μ) and M = (X'DWDX)⁻¹ the model is a least-squares one in the rows D X (McCullagh and Nelder 1989,
//! section 9.2; the convention of clubSandwich), so that every variance of `ols` and Satterthwaite's degrees of freedom follow from
//! `sandwich`. M = L L', Z = D X L.

use super::Refusal;
use super::block::{Block, Raw};
use super::generalised::{Fit, Working};
use super::ols::Variance;
use super::sandwich::Sandwich;
use nalgebra::{Cholesky, DMatrix, DVector};

/// A variance in the basis Z, and the turn between basis and coefficients: β = L γ, a = L'c.
#[derive(Debug, Clone)]
pub struct Robust {
    /// In the basis.
    pub sandwich: Sandwich,
    /// L
    pub turn: DMatrix<f64>,
    /// Coefficients in the basis.
    pub gamma: DVector<f64>,
}

/// The variance of a fit; `working.cluster` numbers below the first of `clusters`, the second of which are in the fit; `degrees` keeps what
/// degrees of freedom need.
/// Refuses what `Variance::factor` refuses and an information matrix that has no root.
///
/// ```
/// # use vecino_stats::{cells::Cells, family::{Family, Link}, generalised::fit, ols::Variance, robust::robust};
/// // 2 and 6 of 10: the information is 20 · 0.24, the scores −2 and 2.
/// let mut cells = Cells::new(1);
/// cells.push(0, &[1.0], 10.0, 2.0, 2.0);
/// cells.push(1, &[1.0], 10.0, 6.0, 6.0);
/// let fit = fit(&cells, Family::Binomial, Link::Logit)?;
/// let found = robust(&fit, &fit.working(&cells), (2, 2), Variance::Cr0, false)?;
/// let variance = &found.turn * &found.sandwich.middle * found.turn.transpose();
/// assert!((variance[(0, 0)] - 8.0 / 4.8_f64.powi(2)).abs() < 1e-12);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn robust(fit: &Fit, working: &Working, clusters: (usize, usize), variance: Variance, degrees: bool) -> Result<Robust, Refusal> {
    let k = fit.kept.len();
    let turn = Cholesky::new(fit.m.clone()).ok_or(Refusal::NotFinite)?.l();
    let gamma = turn.solve_lower_triangular(&fit.beta).ok_or(Refusal::NotFinite)?;
    if variance == Variance::Classical {
        let middle = DMatrix::identity(k, k) * fit.dispersion.ok_or(Refusal::NoResidual)?;
        return Ok(Robust { sandwich: Sandwich::of(middle), turn, gamma });
    }
    let c = variance.factor(clusters.1 as f64, fit.rows, k as f64)?;
    let row = |i: usize| turn.tr_mul(&DVector::from_column_slice(&working.x[i * k..(i + 1) * k]));
    let adjustment = variance.adjustment();
    let raw = |members: &[usize], per_row: bool| -> Raw {
        let mut z = DMatrix::zeros(members.len(), k);
        let mut residual = DVector::zeros(members.len());
        for (at, i) in members.iter().enumerate() {
            let root = if per_row { 1.0 } else { working.n[*i].sqrt() };
            z.row_mut(at).copy_from(&(row(*i) * root).transpose());
            residual[at] = if per_row { 1.0 } else { working.e[*i] / root };
        }
        let of = |values: &[f64]| DVector::from_iterator(members.len(), members.iter().map(|i| values[*i]));
        Raw { levels: Vec::new(), z, residual, working: Some((of(&working.weight), of(&working.phi))) }
    };
    if variance.is_clustered() {
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); clusters.0];
        working.cluster.iter().enumerate().for_each(|(i, cluster)| members[*cluster as usize].push(i));
        members.retain(|rows| !rows.is_empty());
        let blocks = members.iter().map(|rows| Block::new(raw(rows, false), adjustment, None)).collect();
        return Ok(Robust { sandwich: Sandwich::new(blocks, k, c, None, 0), turn, gamma });
    }
    let mut sandwich = Sandwich::of(DMatrix::zeros(k, k));
    for i in 0..working.n.len() {
        let mut block = Block::new(raw(&[i], true), adjustment, None);
        let score = block.own_score();
        sandwich.middle.ger(c * working.ee[i], &score, &score, 1.0);
        if degrees {
            block.copies = working.n[i];
            sandwich.blocks.push(block);
        }
    }
    Ok(Robust { sandwich, turn, gamma })
}
