//! Moment estimators of a working correlation.
//!
//! Exchangeable: α = Σ r_i r_j over pairs of a cluster / (φ · pairs). First-order autoregressive: R_ij = α^l with l = |t_i − t_j|, α solves
//! Σ over pairs of l α^(l−1) (r_i r_j / φ − α^l) = 0, least squares on the correlations (Yan and Fine 2004); of several roots the one
//! with the least squares. r are Pearson residuals, φ = Σ r² / N.

use super::Refusal;

/// Pairs of rows that a pass may look at.
const PAIRS: f64 = 3e8;
/// Pairs that are held one by one, where lags are not whole.
const SINGLE_PAIRS: f64 = 3e6;
/// Lags, in units of the smallest gap, that are looked at before α shows whether more are needed.
const REACH: f64 = 450.0;
const MANY: usize = 2_000;

/// Times of the rows of each cluster, ascending, in units of the smallest gap.
#[derive(Debug, Clone)]
pub struct Times {
    pub clusters: Vec<Vec<f64>>,
    unit: f64,
    /// All gaps are whole numbers of units.
    whole: bool,
    longest: f64,
}

impl Times {
    /// From ascending times in each cluster. Refuses two rows of a cluster at one time, and more pairs than can be looked at.
    pub fn new(mut clusters: Vec<Vec<f64>>) -> Result<Times, Refusal> {
        let gaps =
            |clusters: &[Vec<f64>]| clusters.iter().flat_map(|t| t.windows(2).map(|w| w[1] - w[0]).collect::<Vec<f64>>()).collect::<Vec<f64>>();
        let all = gaps(&clusters);
        if all.iter().any(|gap| !(gap.is_finite() && *gap > 0.0)) {
            return Err(Refusal::Times);
        }
        let unit = all.iter().copied().fold(f64::INFINITY, f64::min);
        let multiple = |unit: f64| all.iter().all(|gap| (gap / unit - (gap / unit).round()).abs() < 1e-6);
        // Gaps that are whole numbers without being multiples of the smallest are counted one by one.
        let unit = if unit.is_finite() && (multiple(unit) || !multiple(1.0)) { unit } else { 1.0 };
        for times in &mut clusters {
            let first = times.first().copied().unwrap_or(0.0);
            times.iter_mut().for_each(|t| *t = (*t - first) / unit);
        }
        let whole = clusters.iter().flatten().all(|t| (t - t.round()).abs() < 1e-6);
        if whole {
            clusters.iter_mut().flatten().for_each(|t| *t = t.round());
        }
        let longest = clusters.iter().filter_map(|t| t.last()).fold(0.0_f64, |most, t| most.max(*t));
        let pairs: f64 = clusters.iter().map(|t| t.len() as f64 * if whole { REACH.min(t.len() as f64) } else { t.len() as f64 }).sum();
        if pairs > if whole { PAIRS } else { SINGLE_PAIRS } { Err(Refusal::TooLarge) } else { Ok(Times { clusters, unit, whole, longest }) }
    }

    /// The correlation at one unit of time of the data, from that at one gap.
    pub fn alpha(&self, base: f64) -> f64 {
        base.signum() * base.abs().powf(1.0 / self.unit)
    }

    /// The correlation at the smallest gap from standardised residuals of each cluster, and whether it lies inside (−1, 1). `skip` leaves
    /// a cluster out; `near` is where it was before. None without pairs.
    pub fn estimate(&self, residuals: &[Vec<f64>], skip: Option<usize>, near: Option<f64>) -> Option<(f64, bool)> {
        let mut reach = if self.whole { REACH.min(self.longest) } else { self.longest };
        loop {
            let lags = self.lags(residuals, skip, reach);
            let found = least_squares(&lags, self.negative(), near)?;
            let needed = (1e-18_f64.ln() / found.0.abs().max(1e-3).ln()).ceil();
            if needed <= reach || reach >= self.longest {
                return Some(found);
            }
            reach = (2.0 * needed).min(self.longest);
        }
    }

    /// A negative correlation at one gap means something at all others only if they are odd numbers of time units.
    fn negative(&self) -> bool {
        self.whole && (self.unit % 2.0 - 1.0).abs() < 1e-9
    }

    /// (lag, Σ r_i r_j, pairs) of each lag up to `reach`; of each pair where lags are not whole.
    fn lags(&self, residuals: &[Vec<f64>], skip: Option<usize>, reach: f64) -> Vec<(f64, f64, f64)> {
        let mut found: Vec<(f64, f64, f64)> = if self.whole { (0..=reach as usize).map(|l| (l as f64, 0.0, 0.0)).collect() } else { Vec::new() };
        for (g, (t, r)) in self.clusters.iter().zip(residuals).enumerate() {
            if skip == Some(g) {
                continue;
            }
            for i in 0..t.len() {
                for j in i + 1..t.len() {
                    let lag = t[j] - t[i];
                    if lag > reach {
                        break;
                    }
                    if self.whole {
                        let sum = &mut found[lag as usize];
                        sum.1 += r[i] * r[j];
                        sum.2 += 1.0;
                    } else {
                        found.push((lag, r[i] * r[j], 1.0));
                    }
                }
            }
        }
        found.retain(|(_, _, pairs)| *pairs > 0.0);
        found
    }
}

/// The b that makes Σ (r_i r_j − b^l)² least, in (−1, 1) or [0, 1); the nearest b inside and `false` if it is at the border. A grid shows where
/// the least is; with very many lags, where that is slow, a root close to `near` is taken.
fn least_squares(lags: &[(f64, f64, f64)], negative: bool, near: Option<f64>) -> Option<(f64, bool)> {
    if lags.is_empty() {
        return None;
    }
    let power = |b: f64, l: f64| if b < 0.0 { b.powi(l as i32) } else { b.powf(l) };
    let square =
        |b: f64| lags.iter().map(|(l, sum, pairs)| (power(b, *l), sum, pairs)).map(|(p, sum, pairs)| p * (pairs * p - 2.0 * sum)).sum::<f64>();
    let slope = |b: f64| lags.iter().map(|(l, sum, pairs)| l * power(b, l - 1.0) * (pairs * power(b, *l) - sum)).sum::<f64>();
    let inside = 1.0 - 1e-8;
    let least = if negative { -inside } else { 0.0 };
    if let Some(near) = near.filter(|_| lags.len() > MANY) {
        let (low, high) = ((near - 0.02).max(least), (near + 0.02).min(inside));
        if let Some(root) = rising_root(slope, low, high) {
            return Some((root, true));
        }
    }
    // Finer towards the ends.
    let grid: Vec<f64> = (if negative { -64 } else { 0 }..=64).map(|i| (f64::from(i) * std::f64::consts::FRAC_PI_2 / 64.0).sin()).collect();
    let values: Vec<f64> = grid.iter().map(|b| square(*b)).collect();
    let best = (0..grid.len()).rev().min_by(|i, j| values[*i].total_cmp(&values[*j]))?;
    let (low, high) = (grid[best.saturating_sub(1)].max(least), grid[(best + 1).min(grid.len() - 1)].min(inside));
    match rising_root(slope, low, high) {
        Some(root) => Some((root, true)),
        None if slope(high) <= 0.0 => Some((high, high < inside)),
        None => Some((low, low > least || !negative)),
    }
}

/// Where a function crosses 0 from below, by false position with halved ends (Dowell and Jarratt 1971). None unless it does.
fn rising_root(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> Option<f64> {
    let (mut below, mut above) = (f(low), f(high));
    if !(below < 0.0 && above > 0.0) {
        return None;
    }
    let mut last = 0;
    for _ in 0..200 {
        if high - low <= 1e-15 * (1.0 + low.abs()) {
            break;
        }
        let cut = low + (high - low) * (below / (below - above));
        let at = if cut > low && cut < high { cut } else { (low + high) / 2.0 };
        let value = f(at);
        if value == 0.0 {
            return Some(at);
        }
        let side = if value < 0.0 { -1 } else { 1 };
        if value < 0.0 {
            (low, below) = (at, value)
        } else {
            (high, above) = (at, value)
        }
        if side == last {
            if value < 0.0 { above /= 2.0 } else { below /= 2.0 }
        }
        last = side;
    }
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_powers_are_found_at_any_spacing() {
        for (spacing, alpha) in [(1.0, 0.6), (1.0, -0.4), (3.0, 0.9), (7.0, 0.99), (0.25, 0.2)] {
            let times = Times::new(vec![vec![0.0, spacing, 3.0 * spacing, 4.0 * spacing]]).unwrap();
            let base = f64::signum(alpha) * f64::abs(alpha).powf(spacing);
            let lags: Vec<_> = [1.0, 2.0, 3.0, 4.0].map(|l: f64| (l, 3.0 * base.powi(l as i32), 3.0)).to_vec();
            let (found, valid) = least_squares(&lags, times.negative(), None).unwrap();
            assert!(valid && (times.alpha(found) - alpha).abs() < 1e-12, "{found} {alpha}");
        }
    }

    #[test]
    fn two_rows_at_one_time_are_refused_and_single_rows_have_no_correlation() {
        assert_eq!(Times::new(vec![vec![1.0, 1.0]]).unwrap_err(), Refusal::Times);
        assert_eq!(Times::new(vec![vec![1.0], vec![4.0]]).unwrap().estimate(&[vec![0.3], vec![1.0]], None, None), None);
    }

    #[test]
    fn a_correlation_of_one_is_held_inside_and_flagged() {
        let times = Times::new(vec![vec![0.0, 1.0, 2.0]]).unwrap();
        assert_eq!(times.estimate(&[vec![1.1, 1.1, 1.1]], None, None), Some((1.0 - 1e-8, false)));
    }
}
