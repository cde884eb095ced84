//! Intervals of shares. Repeated looks at one home are not independent: a share over collections is clustered by home (or segment).

use super::distribution::critical;
use serde::{Deserialize, Serialize};

/// A share with its interval, all between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share.
    pub rate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Wilson (1927): (p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n), for `k` of `n` independent units.
/// Refuses n ≤ 0, k outside 0 … n and a level outside (0, 1).
///
/// ```
/// # use vecino_stats::interval::wilson;
/// let share = wilson(81.0, 263.0, 0.95).unwrap(); // Newcombe (1998), table I
/// assert!((share.low - 0.2553).abs() < 5e-5 && (share.high - 0.3662).abs() < 5e-5);
/// ```
pub fn wilson(k: f64, n: f64, level: f64) -> Option<Share> {
    let z = critical(level, None)?;
    if !(n > 0.0 && k >= 0.0 && k <= n) {
        return None;
    }
    let p = k / n;
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some(Share { rate: p, low: ((centre - half) / scale).clamp(0.0, p), high: ((centre + half) / scale).clamp(p, 1.0) })
}

/// The sums a clustered ratio needs: H clusters (homes, segments) with n_h collections of which y_h complied.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RatioSums {
    /// How many.
    pub clusters: f64,
    /// Σn
    pub n: f64,
    /// Σy
    pub y: f64,
    /// Σn² (of two windows: Σn₂n₁).
    pub nn: f64,
    /// Σny (of two windows: Σn₂y₁).
    pub ny: f64,
    /// Σy² (of two windows: Σy₂y₁).
    pub yy: f64,
}

impl RatioSums {
    /// Adds one cluster; one without collections does not count.
    ///
    /// ```
    /// # use vecino_stats::interval::RatioSums;
    /// let mut sums = RatioSums::default();
    /// sums.add(4.0, 1.0);
    /// sums.add(0.0, 0.0);
    /// assert_eq!((sums.clusters, sums.n, sums.y, sums.nn, sums.ny, sums.yy), (1.0, 4.0, 1.0, 16.0, 4.0, 1.0));
    /// ```
    pub fn add(&mut self, n: f64, y: f64) {
        if n > 0.0 && n.is_finite() && y.is_finite() {
            self.clusters += 1.0;
            self.n += n;
            self.y += y;
            self.nn += n * n;
            self.ny += n * y;
            self.yy += y * y;
        }
    }

    /// From each cluster's n and y.
    ///
    /// ```
    /// # use vecino_stats::interval::RatioSums;
    /// let sums = RatioSums::of([(2.0, 1.0), (2.0, 2.0), (4.0, 1.0)]);
    /// assert_eq!((sums.clusters, sums.n, sums.y), (3.0, 8.0, 4.0));
    /// ```
    pub fn of(clusters: impl IntoIterator<Item = (f64, f64)>) -> RatioSums {
        let mut sums = RatioSums::default();
        for (n, y) in clusters {
            sums.add(n, y);
        }
        sums
    }
}

/// Ratio estimator clustered by home: r = Σy / Σn, var = H/(H−1) Σ(y_h − r n_h)² / (Σn)² (Cochran 1977, ch. 6), t interval on H−1.
/// `sums` holds Σ over clusters; the interval is cut at 0 and 1. Where every cluster agrees the variance is zero and says nothing:
/// then the interval is Wilson's with the clusters as units. Refuses no data; one cluster alone gets Wilson's interval for one unit.
///
/// ```
/// # use vecino_stats::distribution::critical;
/// # use vecino_stats::interval::{RatioSums, ratio};
/// // Homes (2, 1), (2, 2), (4, 1): r = 4/8, residuals 0, 1, −1, variance 3/2 · 2/64.
/// let share = ratio(&RatioSums::of([(2.0, 1.0), (2.0, 2.0), (4.0, 1.0)]), 0.8).unwrap();
/// let half = critical(0.8, Some(2.0)).unwrap() * (3.0_f64 / 64.0).sqrt();
/// assert!((share.rate - 0.5).abs() < 1e-15 && (share.low - (0.5 - half)).abs() < 1e-12);
/// ```
pub fn ratio(sums: &RatioSums, level: f64) -> Option<Share> {
    if !(sums.n > 0.0 && sums.clusters >= 1.0 && sums.y >= 0.0 && sums.y <= sums.n) {
        return None;
    }
    let h = sums.clusters;
    let rate = sums.y / sums.n;
    let squares = (sums.yy - 2.0 * rate * sums.ny + rate * rate * sums.nn).max(0.0);
    if h < 2.0 || squares <= 1e-12 * sums.nn {
        let share = wilson(rate * h, h, level)?;
        return Some(Share { rate, ..share });
    }
    let half = critical(level, Some(h - 1.0))? * (h / (h - 1.0) * squares).sqrt() / sums.n;
    Some(Share { rate, low: (rate - half).max(0.0), high: (rate + half).min(1.0) })
}

/// Cross sums over clusters seen in either of two windows: how many, Σy₂y₁, Σy₂n₁, Σn₂y₁, Σn₂n₁.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CrossSums {
    /// How many.
    pub clusters: f64,
    /// Σy² (of two windows: Σy₂y₁).
    pub yy: f64,
    /// Σy₂n₁
    pub yn: f64,
    /// Σny (of two windows: Σn₂y₁).
    pub ny: f64,
    /// Σn² (of two windows: Σn₂n₁).
    pub nn: f64,
}

/// A difference of two shares with its interval, between −1 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `now` − `before`.
    pub difference: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The difference of two clustered shares, `now` − `before`, paired by cluster: with u_h = (y₂ − r₂n₂)/N₂ − (y₁ − r₁n₁)/N₁ over the H
/// clusters seen in either window, variance H/(H−1) Σu_h² (Cochran 1977, ch. 6), t interval on H−1.
/// Refuses a window with fewer than two clusters, and two windows in which nothing deviates.
///
/// ```
/// # use vecino_stats::distribution::critical;
/// # use vecino_stats::interval::{CrossSums, RatioSums, ratio_change};
/// // One collection a home and window, 1000 before and 1110 now: the paired t interval of 0, 1, 1, 0.
/// let before = RatioSums::of([1.0, 0.0, 0.0, 0.0].map(|y| (1.0, y)));
/// let now = RatioSums::of([1.0, 1.0, 1.0, 0.0].map(|y| (1.0, y)));
/// let cross = CrossSums { clusters: 4.0, yy: 1.0, yn: 3.0, ny: 1.0, nn: 4.0 };
/// let change = ratio_change(&now, &before, &cross, 0.95).unwrap();
/// let half = critical(0.95, Some(3.0)).unwrap() * (1.0_f64 / 3.0 / 4.0).sqrt();
/// assert!((change.difference - 0.5).abs() < 1e-15 && (change.low - (0.5 - half)).abs() < 1e-12);
/// ```
pub fn ratio_change(now: &RatioSums, before: &RatioSums, cross: &CrossSums, level: f64) -> Option<Change> {
    if cross.clusters < 2.0 || now.clusters < 2.0 || before.clusters < 2.0 || now.n <= 0.0 || before.n <= 0.0 {
        return None;
    }
    let (r2, r1, h) = (now.y / now.n, before.y / before.n, cross.clusters);
    let residual = |sums: &RatioSums, r: f64| (sums.yy - 2.0 * r * sums.ny + r * r * sums.nn).max(0.0) / (sums.n * sums.n);
    let shared = cross.yy - r2 * cross.ny - r1 * cross.yn + r1 * r2 * cross.nn;
    let squares = residual(now, r2) + residual(before, r1) - 2.0 * shared / (now.n * before.n);
    if squares <= 1e-15 {
        return None;
    }
    let half = critical(level, Some(h - 1.0))? * (h / (h - 1.0) * squares).sqrt();
    let difference = r2 - r1;
    Some(Change { difference, low: (difference - half).max(-1.0), high: (difference + half).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611.
    #[test]
    fn wilson_gives_newcombes_printed_values() {
        let share = wilson(81.0, 263.0, 0.95).unwrap();
        assert!((share.low - 0.2553).abs() < 5e-5 && (share.high - 0.3662).abs() < 5e-5, "{share:?}");
        let none = wilson(0.0, 20.0, 0.95).unwrap();
        assert!(none.low == 0.0 && (none.high - 0.1611).abs() < 5e-5);
    }

    // By hand: homes (2,1) (2,2) (4,1); r = 4/8; residuals 0, 1, −1; var = 3/2 · 2 / 64 = 0.046875; t(2) = 4.302653.
    #[test]
    fn a_ratio_by_home_is_the_one_worked_by_hand() {
        let share = ratio(&RatioSums::of([(2.0, 1.0), (2.0, 2.0), (4.0, 1.0)]), 0.9).unwrap();
        let half = 2.919985580 * 0.046875_f64.sqrt();
        assert!((share.rate - 0.5).abs() < 1e-15 && (share.high - (0.5 + half).min(1.0)).abs() < 1e-8);
    }

    #[test]
    fn repeated_visits_to_a_home_do_not_narrow_the_interval() {
        let once = ratio(&RatioSums::of([(1.0, 1.0), (1.0, 0.0), (1.0, 1.0), (1.0, 0.0), (1.0, 1.0)]), 0.95).unwrap();
        let often = ratio(&RatioSums::of([(9.0, 9.0), (9.0, 0.0), (9.0, 9.0), (9.0, 0.0), (9.0, 9.0)]), 0.95).unwrap();
        assert!((once.low - often.low).abs() < 1e-12 && (once.high - often.high).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_share_stays_inside_its_interval(homes in prop::collection::vec((0u8..6, 0u8..6), 0..40)) {
            let sums = RatioSums::of(homes.iter().map(|(a, b)| (f64::from(a + b), f64::from(*a))));
            if let Some(share) = ratio(&sums, 0.95) {
                prop_assert!(0.0 <= share.low && share.low <= share.rate && share.rate <= share.high && share.high <= 1.0, "{share:?}");
                prop_assert!(share.high > share.low, "{share:?}");
            } else {
                prop_assert!(sums.n == 0.0);
            }
        }

        #[test]
        fn a_change_from_sums_is_the_one_from_the_homes_one_by_one(homes in prop::collection::vec(((0u8..5, 0u8..5), (0u8..5, 0u8..5)), 3..40)) {
            let fix = |(n, y): (u8, u8)| (f64::from(n), f64::from(y.min(n)));
            let homes: Vec<_> = homes.into_iter().map(|(a, b)| (fix(a), fix(b))).filter(|(a, b)| a.0 + b.0 > 0.0).collect();
            let (now, before) = (RatioSums::of(homes.iter().map(|h| h.1)), RatioSums::of(homes.iter().map(|h| h.0)));
            let cross = homes.iter().fold(CrossSums::default(), |c, ((n1, y1), (n2, y2))| CrossSums {
                clusters: c.clusters + 1.0, yy: c.yy + y2 * y1, yn: c.yn + y2 * n1, ny: c.ny + n2 * y1, nn: c.nn + n2 * n1 });
            if let Some(change) = ratio_change(&now, &before, &cross, 0.95) {
                let (r2, r1) = (now.y / now.n, before.y / before.n);
                let direct: f64 = homes.iter().map(|((n1, y1), (n2, y2))| {
                    let u = (y2 - r2 * n2) / now.n - (y1 - r1 * n1) / before.n;
                    u * u
                }).sum();
                let h = homes.len() as f64;
                let half = critical(0.95, Some(h - 1.0)).unwrap() * (h / (h - 1.0) * direct).sqrt();
                prop_assert!((change.difference - (r2 - r1)).abs() < 1e-12);
                prop_assert!((change.high - (change.difference + half).min(1.0)).abs() < 1e-9);
            }
        }
    }
}
