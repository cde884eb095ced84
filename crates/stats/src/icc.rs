//! How alike collections of one cluster are: the intracluster correlation, icc = σ²_between / (σ²_between + σ²_within).
//!
//! ANOVA with arm means removed (Donner and Klar 2000): MSB on k − p degrees of freedom, MSW on N − k,
//! n0 = (N − Σ_a (Σ n_i² / n_a)) / (k − p), icc = (MSB − MSW) / (MSB + (n0 − 1) MSW).
//! REML (Patterson and Thompson 1971): with ρ the icc and λ_i = 1 + (n_i − 1) ρ, the deviance, up to a constant, is
//! (N − p) ln Q + Σ [(n_i − 1) ln(1 − ρ) + ln λ_i] + Σ_a ln Σ n_i/λ_i, Q = SSW/(1 − ρ) + Σ n_i/λ_i (ȳ_i − μ_a)², μ_a the mean weighted by n_i/λ_i.

use super::Refusal;
use super::distribution::{critical, f_quantile};

/// (MSB − MSW) / (MSB + (n0 − 1) MSW) with its parts; a share without unit, mean squares in squared units of the outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Icc {
    /// May be negative; report it as it is.
    pub icc: f64,
    /// Mean square between clusters (of REML: the variance).
    pub between: f64,
    /// Mean square within clusters (of REML: the variance).
    pub within: f64,
    /// What stands for the size of a cluster.
    pub n0: f64,
    /// 1 + (mean cluster size − 1) icc.
    pub design_effect: f64,
}

/// The table of the analysis of variance; it exists also where the correlation does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSquares {
    /// Mean square between clusters (of REML: the variance).
    pub between: f64,
    /// Mean square within clusters (of REML: the variance).
    pub within: f64,
    /// What stands for the size of a cluster.
    pub n0: f64,
    /// k
    pub clusters: f64,
    /// p
    pub arms: f64,
    /// N
    pub rows: f64,
    /// Whether the outcome varies beyond rounding once the arm means are removed.
    pub varies: bool,
}

/// Mean squares between and within clusters. `clusters`: arm, n, Σy, Σy² of each; centre an outcome far from 0 first, or Σy² rounds.
/// Refuses k ≤ p and N ≤ k.
///
/// ```
/// # use vecino_stats::icc::{mean_squares, reml};
/// let clusters = [(0, 2.0, 3.0, 5.0), (0, 2.0, 8.0, 34.0), (0, 2.0, 13.0, 97.0)]; // (1, 2), (3, 5), (4, 9)
/// let table = mean_squares(&clusters)?;
/// assert!((table.between - 12.5).abs() < 1e-12 && (table.within - 5.0).abs() < 1e-12);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn mean_squares(clusters: &[(usize, f64, f64, f64)]) -> Result<MeanSquares, Refusal> {
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
    let between = used.iter().map(|(arm, n, y, _)| n * (y / n - mean(arm)).powi(2)).sum::<f64>();
    let within = used.iter().map(|(_, n, y, yy)| yy - y * y / n).sum::<f64>().max(0.0);
    let squares = used.iter().map(|c| c.3).sum::<f64>();
    let n0 = (rows - arms.values().map(|(n, _, nn)| nn / n).sum::<f64>()) / (k - p);
    if !(between.is_finite() && within.is_finite() && squares.is_finite() && n0.is_finite()) {
        return Err(Refusal::NotFinite);
    }
    let varies = between + within > 1e-12 * squares;
    let (between, within) = (between / (k - p), within / (rows - k));
    Ok(MeanSquares { between, within, n0, clusters: k, arms: p, rows, varies })
}

impl MeanSquares {
    /// (MSB − MSW) / (MSB + (n0 − 1) MSW), and 1 + (mean size − 1) icc. Refuses an outcome that does not vary.
    ///
    /// ```
    /// # use vecino_stats::icc::{mean_squares, reml};
    /// let clusters = [(0, 2.0, 3.0, 5.0), (0, 2.0, 8.0, 34.0), (0, 2.0, 13.0, 97.0)]; // (1, 2), (3, 5), (4, 9)
    /// let found = mean_squares(&clusters)?.icc()?;
    /// assert!((found.icc - 7.5 / 17.5).abs() < 1e-12 && (found.design_effect - (1.0 + 7.5 / 17.5)).abs() < 1e-12);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn icc(&self) -> Result<Icc, Refusal> {
        let below = self.between + (self.n0 - 1.0) * self.within;
        if !self.varies || !below.is_finite() || below <= 0.0 {
            return Err(Refusal::NoVariation);
        }
        let icc = (self.between - self.within) / below;
        let design_effect = 1.0 + (self.rows / self.clusters - 1.0) * icc;
        Ok(Icc { icc, between: self.between, within: self.within, n0: self.n0, design_effect })
    }

    /// Interval for the icc: (F/f − 1)/(F/f + n0 − 1) with F = MSB/MSW and f the quantiles of F on k − p and N − k (Searle 1971). Exact for
    /// normal outcomes and equal clusters, approximate otherwise. `None` where the outcome does not vary within or between clusters.
    ///
    /// ```
    /// # use vecino_stats::icc::{mean_squares, reml};
    /// let clusters = [(0, 2.0, 3.0, 5.0), (0, 2.0, 8.0, 34.0), (0, 2.0, 13.0, 97.0)]; // (1, 2), (3, 5), (4, 9)
    /// # use vecino_stats::distribution::f_quantile;
    /// // F = 12.5/5 on 2 and 3; the lower end has the upper quantile below it.
    /// let (low, high) = mean_squares(&clusters)?.interval(0.9).unwrap();
    /// let f = 2.5 / f_quantile(0.05, 2.0, 3.0).unwrap();
    /// assert!((low - (f - 1.0) / (f + 1.0)).abs() < 1e-9 && high < 1.0);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn interval(&self, level: f64) -> Option<(f64, f64)> {
        let ratio = self.between / self.within;
        if !(self.varies && ratio > 0.0 && ratio.is_finite()) {
            return None;
        }
        let tail = (1.0 - level) / 2.0;
        let end = |tail| {
            let f = ratio / f_quantile(tail, self.clusters - self.arms, self.rows - self.clusters)?;
            Some(((f - 1.0) / (f + self.n0 - 1.0)).clamp(-1.0, 1.0))
        };
        Some((end(tail)?, end(1.0 - tail)?))
    }
}

/// σ²_between / (σ²_between + σ²_within) at the restricted maximum; variances in squared units of the outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reml {
    /// From 0, where a negative correlation is cut, to 1.
    pub icc: f64,
    /// Mean square between clusters (of REML: the variance).
    pub between: f64,
    /// Mean square within clusters (of REML: the variance).
    pub within: f64,
    /// k
    pub clusters: f64,
    /// N
    pub rows: f64,
    /// Where the profile deviance exceeds its least by no more than χ²(1).
    pub interval: Option<(f64, f64)>,
}

/// Random intercept by restricted maximum likelihood, arm means as fixed effects; `level` of the profile interval. Takes and refuses what
/// `anova` does.
///
/// ```
/// # use vecino_stats::icc::{mean_squares, reml};
/// let clusters = [(0, 2.0, 3.0, 5.0), (0, 2.0, 8.0, 34.0), (0, 2.0, 13.0, 97.0)]; // (1, 2), (3, 5), (4, 9)
/// let found = reml(&clusters, 0.95)?; // with equal clusters that of the analysis of variance
/// assert!((found.icc - 7.5 / 17.5).abs() < 1e-12 && (found.within - 5.0).abs() < 1e-11);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn reml(clusters: &[(usize, f64, f64, f64)], level: f64) -> Result<Reml, Refusal> {
    let table = mean_squares(clusters)?;
    if !table.varies {
        return Err(Refusal::NoVariation);
    }
    let (count, rows) = (table.clusters, table.rows);
    if table.within <= 1e-14 * table.between {
        // Clusters without any spread within: the limit weighs their means alike.
        let mut means: std::collections::BTreeMap<usize, Vec<f64>> = std::collections::BTreeMap::new();
        clusters.iter().filter(|c| c.1 > 0.0).for_each(|(arm, n, y, _)| means.entry(*arm).or_default().push(y / n));
        let squares = |own: &Vec<f64>| {
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            own.iter().map(|own| (own - mean).powi(2)).sum::<f64>()
        };
        let between = means.values().map(squares).sum::<f64>() / (count - table.arms);
        return Ok(Reml { icc: 1.0, between, within: 0.0, clusters: count, rows, interval: None });
    }
    let profile = Profile::new(clusters, table);
    // The least of the deviance over 1 − ρ, which keeps its digits where clusters hardly vary within: the best of a grid that is fine at
    // both ends, then its slope's root beside it.
    let fine = (-18..-3).map(|power| 10.0_f64.powi(power));
    let grid: Vec<f64> = fine.chain((1..=60).map(|i| (f64::from(i) / 60.0 * std::f64::consts::FRAC_PI_2).sin().powi(2))).collect();
    let best = (0..grid.len()).min_by(|a, b| profile.at(grid[*a]).0.total_cmp(&profile.at(grid[*b]).0)).unwrap_or(0);
    let falls = profile.at(grid[best]).1 < 0.0;
    let rest = match best {
        0 if !falls => grid[0],
        last if falls && last + 1 == grid.len() => 1.0,
        _ if falls => root(grid[best], grid[best + 1], |rest| profile.at(rest).1),
        _ => root(grid[best - 1], grid[best], |rest| profile.at(rest).1),
    };
    let (least, _, squares) = profile.at(rest);
    let total = squares / (rows - table.arms);
    let limit = critical(level, None).ok_or(Refusal::NotFinite)?.powi(2);
    let above = |rest: f64| profile.at(rest).0 - least - limit;
    let start = if above(1.0) <= 0.0 { 0.0 } else { 1.0 - root(rest, 1.0, above) };
    let end = if above(grid[0]) <= 0.0 { 1.0 } else { 1.0 - root(grid[0], rest, |rest| -above(rest)) };
    if !total.is_finite() {
        return Err(Refusal::NotFinite);
    }
    Ok(Reml { icc: 1.0 - rest, between: (1.0 - rest) * total, within: rest * total, clusters: count, rows, interval: Some((start, end)) })
}

/// Clusters of one arm and one size, whose means enter the deviance by their number, mean and squares alone.
struct Alike {
    n: f64,
    clusters: f64,
    mean: f64,
    squares: f64,
}

struct Profile {
    arms: Vec<Vec<Alike>>,
    table: MeanSquares,
}

impl Profile {
    fn new(clusters: &[(usize, f64, f64, f64)], table: MeanSquares) -> Profile {
        let mut found: std::collections::BTreeMap<usize, std::collections::BTreeMap<u64, Alike>> = std::collections::BTreeMap::new();
        for (arm, n, y, _) in clusters.iter().filter(|c| c.1 > 0.0) {
            let sizes = found.entry(*arm).or_default();
            let alike = sizes.entry(n.to_bits()).or_insert(Alike { n: *n, clusters: 0.0, mean: 0.0, squares: 0.0 });
            let apart = y / n - alike.mean;
            alike.clusters += 1.0;
            alike.mean += apart / alike.clusters;
            alike.squares += apart * (y / n - alike.mean);
        }
        Profile { arms: found.into_values().map(|sizes| sizes.into_values().collect()).collect(), table }
    }

    /// The deviance at rest = 1 − ρ, its slope there, and Q. λ = n − (n − 1) rest.
    fn at(&self, rest: f64) -> (f64, f64, f64) {
        let MeanSquares { rows, clusters, arms, within, .. } = self.table;
        let inside = rows - clusters;
        let (mut q, mut q_slope) = (within * inside / rest, -within * inside / (rest * rest));
        let (mut logs, mut slope) = (inside * rest.ln(), inside / rest);
        for arm in &self.arms {
            let (mut weight, mut weighted, mut weight_slope) = (0.0, 0.0, 0.0);
            for Alike { n, clusters, mean, .. } in arm {
                let lambda = n - (n - 1.0) * rest;
                let w = clusters * n / lambda;
                (weight, weighted, weight_slope) = (weight + w, weighted + w * mean, weight_slope + w * (n - 1.0) / lambda);
                (logs, slope) = (logs + clusters * lambda.ln(), slope - clusters * (n - 1.0) / lambda);
            }
            let mu = weighted / weight;
            for Alike { n, clusters, mean, squares } in arm {
                let lambda = n - (n - 1.0) * rest;
                let square = n / lambda * (squares + clusters * (mean - mu).powi(2));
                (q, q_slope) = (q + square, q_slope + square * (n - 1.0) / lambda);
            }
            (logs, slope) = (logs + weight.ln(), slope + weight_slope / weight);
        }
        ((rows - arms) * q.ln() + logs, (rows - arms) * q_slope / q + slope, q)
    }
}

/// Where `f`, below 0 at `low` and above it at `high`, is 0: the secant's step where it shrinks the bracket well, else the middle.
fn root(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut at_low, mut at_high) = (f(low), f(high));
    for turn in 0..200 {
        let cut = low - at_low * (high - low) / (at_high - at_low);
        let middle = (low + high) / 2.0;
        let next = if turn % 3 == 2 || !(cut > low && cut < high) { middle } else { cut };
        let value = f(next);
        if value <= 0.0 {
            (low, at_low) = (next, value)
        } else {
            (high, at_high) = (next, value)
        }
        if value == 0.0 || high - low < 1e-15 * high {
            return if value == 0.0 { next } else { (low + high) / 2.0 };
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    // Three clusters of two, (1, 2) (3, 5) (4, 9), worked by hand: MSB 12.5, MSW 5, n0 2, icc 7.5/17.5.
    const PAIRS: [(usize, f64, f64, f64); 3] = [(0, 2.0, 3.0, 5.0), (0, 2.0, 8.0, 34.0), (0, 2.0, 13.0, 97.0)];

    #[test]
    fn anova_is_the_one_worked_by_hand() {
        let found = mean_squares(&PAIRS).and_then(|table| table.icc()).unwrap();
        assert!((found.between - 12.5).abs() < 1e-12 && (found.within - 15.0 / 3.0).abs() < 1e-12, "{found:?}");
        assert!((found.icc - 7.5 / 17.5).abs() < 1e-12 && found.n0 == 2.0);
    }

    // With equal clusters and MSB > MSW, REML is ANOVA.
    #[test]
    fn reml_is_anova_where_clusters_are_equal() {
        let found = reml(&PAIRS, 0.95).unwrap();
        assert!((found.icc - 7.5 / 17.5).abs() < 1e-12 && (found.within - 5.0).abs() < 1e-11, "{found:?}");
        let (low, high) = found.interval.unwrap();
        assert!(low == 0.0 && high > found.icc && high < 1.0);
        let negative = [(0, 2.0, 10.0, 100.0), (0, 2.0, 10.5, 90.0), (0, 2.0, 9.5, 80.0)];
        assert_eq!(reml(&negative, 0.95).unwrap().icc, 0.0);
    }

    // Cluster means 1, 2 and 6 of unequal clusters: without spread within, the variance between is that of the means, 7.
    #[test]
    fn reml_weighs_means_alike_where_clusters_do_not_vary_within() {
        let with = |spread: f64| [(0, 2.0, 2.0, 2.0 + spread), (0, 3.0, 6.0, 12.0 + spread), (0, 7.0, 42.0, 252.0 + spread)];
        let flat = reml(&with(0.0), 0.95).unwrap();
        assert!((flat.between - 7.0).abs() < 1e-12 && flat.within == 0.0 && flat.icc == 1.0);
        let near = reml(&with(1e-9), 0.95).unwrap();
        assert!((near.between - 7.0).abs() < 1e-8 && (near.within / (3e-9 / 9.0) - 1.0).abs() < 1e-4, "{near:?}");
    }

    // Searle's interval is exact for equal clusters: its ends are where F of the data is the quantile.
    #[test]
    fn the_interval_holds_the_estimate() {
        let table = mean_squares(&PAIRS).unwrap();
        let (low, high) = table.interval(0.9).unwrap();
        assert!(low < table.icc().unwrap().icc && high > table.icc().unwrap().icc);
    }

    #[test]
    fn an_outcome_that_does_not_vary_has_mean_squares_but_no_correlation() {
        let flat = [(0, 2.0, 2.0, 2.0), (0, 3.0, 3.0, 3.0)];
        assert_eq!(mean_squares(&flat).unwrap().between, 0.0);
        assert_eq!(mean_squares(&flat).and_then(|table| table.icc()), Err(Refusal::NoVariation));
        assert_eq!(reml(&flat, 0.95), Err(Refusal::NoVariation));
        assert_eq!(mean_squares(&[(0, 3.0, 1.0, 1.0)]).and_then(|table| table.icc()), Err(Refusal::NoResidual));
    }
}
