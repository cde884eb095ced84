//! Power of a two-arm cluster trial with a share as its outcome.
//!
//! deff = (1 + ((cv² + 1) size − 1) icc) · (1 + (T − 1) r)/T · (1 − R²): unequal cluster sizes (Eldridge, Ashby and Kerry 2006), the mean of
//! T rounds whose cluster means correlate by r, and a baseline that explains R² of the cluster means (Teerenstra et al. 2012; Hemming
//! et al. 2017). se² = deff (p0(1 − p0) + p1(1 − p1))/(clusters size); power = P(|T| ≥ t_(1−α/2)), T noncentral t on 2 (clusters − 1)
//! with ncp |p1 − p0|/se; mde = (t_(1−α/2) + t_power) √(2 deff p0(1 − p0)/(clusters size)).

use super::Refusal;
use super::distribution::{critical, noncentral_t_two_sided, normal_quantile, normal_tail, t_quantile};

/// `clusters` an arm, `size` rows a cluster and round on average, `cv` the coefficient of variation of the sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Share without treatment.
    pub p0: f64,
    /// Share with it.
    pub p1: f64,
    /// An arm.
    pub clusters: f64,
    /// Rows a cluster and round, on average.
    pub size: f64,
    /// Intracluster correlation.
    pub icc: f64,
    /// Of the cluster sizes.
    pub cv: f64,
    /// Two-sided level.
    pub alpha: f64,
    /// The power the smallest detectable difference is for.
    pub power: f64,
    /// Rounds after the start whose mean is the outcome.
    pub periods: f64,
    /// Correlation of a cluster's means in two rounds; see `mean_correlation`.
    pub autocorrelation: f64,
    /// Share of the variance of the cluster means that the baseline explains; see `baseline_r2`.
    pub baseline_r2: f64,
}

impl Default for Design {
    fn default() -> Design {
        let (p0, p1, clusters, size, icc) = (0.5, 0.5, 2.0, 1.0, 0.0);
        let (cv, alpha, power, periods, autocorrelation, baseline_r2) = (0.0, 0.05, 0.8, 1.0, 1.0, 0.0);
        Design { p0, p1, clusters, size, icc, cv, alpha, power, periods, autocorrelation, baseline_r2 }
    }
}

/// P(reject), the design effect, se and mde as shares from 0 to 1, ncp = |p1 − p0| / se.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// P(reject).
    pub power: f64,
    /// With the normal distribution instead of t.
    pub power_z: f64,
    /// Design effect.
    pub deff: f64,
    /// Of the difference.
    pub se: f64,
    /// 2 (clusters − 1)
    pub df: f64,
    /// |p1 − p0|/se
    pub ncp: f64,
    /// Smallest difference found as often as the design asks.
    pub mde: f64,
}

/// P(|T| ≥ t_(1−α/2)) with T noncentral t on 2 (clusters − 1), and the smallest difference found `power` of the time; shares from 0 to 1,
/// `clusters` an arm. Refuses fewer than two clusters an arm (`OneCluster`), a design whose variance is zero, and numbers outside their range.
///
/// ```
/// # use vecino_stats::power::{Design, power};
/// let design = Design { p0: 0.3, p1: 0.4, clusters: 6.0, size: 60.0, icc: 0.1, cv: 0.4, ..Design::default() };
/// let found = power(&design)?; // 1 + ((0.4² + 1) 60 − 1) 0.1
/// assert!((found.deff - 7.86).abs() < 1e-12 && (found.power - 0.1499498209797).abs() < 1e-11);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn power(design: &Design) -> Result<Power, Refusal> {
    let Design { p0, p1, clusters, size, icc, cv, alpha, power, periods, autocorrelation, baseline_r2 } = *design;
    let share = |p: f64| (0.0..=1.0).contains(&p);
    let inside = |p: f64| p > 0.0 && p < 1.0;
    let fits = share(p0) && share(p1) && share(baseline_r2) && inside(alpha) && inside(power);
    if !(fits && size > 0.0 && cv >= 0.0 && (-1.0..=1.0).contains(&icc) && periods >= 1.0 && (-1.0..=1.0).contains(&autocorrelation)) {
        return Err(Refusal::NotFinite);
    }
    if clusters.is_nan() || clusters < 2.0 {
        return Err(Refusal::OneCluster);
    }
    let repeated = (1.0 + (periods - 1.0) * autocorrelation) / periods;
    let deff = (1.0 + ((cv * cv + 1.0) * size - 1.0) * icc) * repeated * (1.0 - baseline_r2);
    let se = (deff * (p0 * (1.0 - p0) + p1 * (1.0 - p1)) / (clusters * size)).sqrt();
    if !(deff > 0.0 && se > 0.0) {
        return Err(Refusal::NoVariance);
    }
    let df = 2.0 * (clusters - 1.0);
    let ncp = (p1 - p0).abs() / se;
    let of_t = || {
        let t = critical(1.0 - alpha, Some(df))?;
        let z = normal_quantile(alpha / 2.0)?;
        let mde = (t + t_quantile(power, df)?) * (2.0 * deff * p0 * (1.0 - p0) / (clusters * size)).sqrt();
        let power_z = (normal_tail(z - ncp) + normal_tail(z + ncp)).min(1.0);
        Some(Power { power: noncentral_t_two_sided(t, df, ncp)?, power_z, deff, se, df, ncp, mde })
    };
    of_t().filter(|found| found.mde.is_finite() && found.ncp.is_finite()).ok_or(Refusal::NotFinite)
}

/// Correlation of a cluster's means in two rounds (Teerenstra et al. 2012): (size icc c + (1 − icc) s)/(1 + (size − 1) icc), c the
/// correlation of the cluster's level over time and s that of a person seen again (0 when others are seen each time). `None` outside [−1, 1].
///
/// ```
/// # use vecino_stats::power::mean_correlation;
/// assert!((mean_correlation(30.0, 0.05, 0.8, 0.0).unwrap() - 1.2 / 2.45).abs() < 1e-12);
/// ```
pub fn mean_correlation(size: f64, icc: f64, cluster_autocorrelation: f64, person_autocorrelation: f64) -> Option<f64> {
    let r = (size * icc * cluster_autocorrelation + (1.0 - icc) * person_autocorrelation) / (1.0 + (size - 1.0) * icc);
    (-1.0..=1.0).contains(&r).then_some(r)
}

/// Share of the variance of the mean of `after` rounds that the mean of `before` baseline rounds explains, when any two rounds correlate
/// by r: r² / ((1 + (after − 1) r)/after · (1 + (before − 1) r)/before) (Frison and Pocock 1992). No baseline explains nothing; `None` for
/// a share that cannot be.
///
/// ```
/// # use vecino_stats::power::baseline_r2;
/// assert_eq!(baseline_r2(0.5, 1.0, 1.0), Some(0.25)); // one round before, one after: r²
/// ```
pub fn baseline_r2(r: f64, before: f64, after: f64) -> Option<f64> {
    if before == 0.0 {
        return Some(0.0);
    }
    let variance = |rounds: f64| (1.0 + (rounds - 1.0) * r) / rounds;
    let share = r * r / (variance(before) * variance(after));
    (before >= 1.0 && after >= 1.0 && (0.0..=1.0 + 1e-12).contains(&share)).then(|| share.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: design effect, se, noncentral t with both tails and the two-quantile approximation of the difference.
    #[test]
    fn the_plain_design_is_the_reference_one() {
        let found = power(&Design { p0: 0.3, p1: 0.4, clusters: 6.0, size: 60.0, icc: 0.1, cv: 0.4, ..Design::default() }).unwrap();
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-11 * want.max(1.0), "{got} {want}");
        near(found.deff, 7.86);
        near(found.se, 0.099121138008);
        near(found.power, 0.1499498209797);
        near(found.power_z, 0.1722721341657);
        near(found.mde, 0.2975455175428);
    }

    #[test]
    fn without_a_difference_power_is_the_level() {
        let found = power(&Design { p0: 0.4, p1: 0.4, clusters: 5.0, size: 20.0, icc: 0.05, ..Design::default() }).unwrap();
        assert!((found.power - 0.05).abs() < 1e-12 && (found.power_z - 0.05).abs() < 1e-14);
    }

    #[test]
    fn rounds_and_a_baseline_buy_what_they_explain() {
        let plain = Design { p0: 0.3, p1: 0.4, clusters: 10.0, size: 30.0, icc: 0.05, ..Design::default() };
        let repeated = power(&Design { periods: 4.0, autocorrelation: 0.5, ..plain }).unwrap();
        let single = power(&plain).unwrap();
        assert!((repeated.deff - single.deff * 2.5 / 4.0).abs() < 1e-12);
        assert_eq!(power(&Design { periods: 4.0, autocorrelation: 1.0, ..plain }).unwrap().deff, single.deff);
        let r = mean_correlation(30.0, 0.05, 0.8, 0.0).unwrap();
        assert!((r - 1.2 / 2.45).abs() < 1e-12);
        assert!((baseline_r2(r, 1.0, 1.0).unwrap() - r * r).abs() < 1e-15);
        assert!(baseline_r2(r, 4.0, 4.0).unwrap() > r * r && baseline_r2(r, 0.0, 1.0) == Some(0.0));
    }

    #[test]
    fn impossible_designs_are_refused() {
        let plain = Design { p0: 0.3, p1: 0.4, clusters: 10.0, size: 30.0, icc: 0.05, ..Design::default() };
        assert_eq!(power(&Design { clusters: 1.0, ..plain }), Err(Refusal::OneCluster));
        assert_eq!(power(&Design { p0: 0.0, p1: 1.0, ..plain }), Err(Refusal::NoVariance));
        assert_eq!(power(&Design { alpha: 0.0, ..plain }), Err(Refusal::NotFinite));
    }
}
