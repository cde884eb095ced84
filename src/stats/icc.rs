//! How alike collections of one cluster are.

use super::Refusal;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Icc {
    /// May be negative; report it as it is.
    pub icc: f64,
    pub between: f64,
    pub within: f64,
    pub n0: f64,
    /// 1 + (mean cluster size − 1) icc.
    pub design_effect: f64,
}

/// ANOVA estimator with arm means removed (Donner and Klar 2000): MSB on k − p degrees of freedom, MSW on N − k,
/// n0 = (N − Σ_a (Σ n_i² / n_a)) / (k − p), icc = (MSB − MSW) / (MSB + (n0 − 1) MSW).
/// `clusters`: arm, n, Σy, Σy² of each of the k clusters; p arms. Refuses k ≤ p, N ≤ k and an outcome that does not vary.
pub fn anova(clusters: &[(usize, f64, f64, f64)]) -> Result<Icc, Refusal> {
    let used: Vec<_> = clusters.iter().filter(|c| c.1 > 0.0).collect();
    let mut arms: std::collections::BTreeMap<usize, (f64, f64, f64)> = std::collections::BTreeMap::new();
    for (arm, n, y, _) in used.iter().copied() {
        let sums = arms.entry(*arm).or_default();
        *sums = (sums.0 + n, sums.1 + y, sums.2 + n * n);
    }
    let (k, p) = (used.len() as f64, arms.len() as f64);
    let rows: f64 = used.iter().map(|c| c.1).sum();
    if used.is_empty() {
        return Err(Refusal::NoData);
    }
    if k <= p || rows <= k {
        return Err(Refusal::NoResidual);
    }
    let mean = |arm: &usize| arms.get(arm).map_or(0.0, |(n, y, _)| y / n);
    let between = used.iter().map(|(arm, n, y, _)| n * (y / n - mean(arm)).powi(2)).sum::<f64>() / (k - p);
    let within = used.iter().map(|(_, n, y, yy)| yy - y * y / n).sum::<f64>() / (rows - k);
    let n0 = (rows - arms.values().map(|(n, _, nn)| nn / n).sum::<f64>()) / (k - p);
    let below = between + (n0 - 1.0) * within;
    if below.is_nan() || below <= 1e-15 {
        return Err(Refusal::NoVariation);
    }
    let icc = (between - within) / below;
    Ok(Icc { icc, between, within, n0, design_effect: 1.0 + (rows / k - 1.0) * icc })
}
