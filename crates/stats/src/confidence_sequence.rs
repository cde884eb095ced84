//! Intervals that stay valid however often one looks: the radius round an estimate at any time, planned or not.
//!
//! Normal mixture: a sum with variance process v stays within √((v + ρ) ln((v + ρ)/(ρ α²))) of its mean at all times with probability
//! 1 − α (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021). Asymptotic: a mean of t increments stays within
//! σ √(2 (t ρ² + 1)/(t² ρ²) ln(√(t ρ² + 1)/α)) (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024). The increments must be independent:
//! clusters, not rows.

/// Radius of the sum at variance `v`. Refuses v < 0, rho ≤ 0 and alpha outside (0, 1).
///
/// ```
/// # use vecino_stats::confidence_sequence::normal_mixture;
/// let radius = normal_mixture(1.0, 1.0, 0.05).unwrap(); // √(2 ln 800)
/// assert!((radius - (2.0 * 800.0_f64.ln()).sqrt()).abs() < 1e-12);
/// ```
pub fn normal_mixture(v: f64, rho: f64, alpha: f64) -> Option<f64> {
    let spread = v + rho;
    let radius = (spread * ((spread / rho).ln() - 2.0 * alpha.ln())).sqrt();
    (v >= 0.0 && rho > 0.0 && alpha > 0.0 && alpha < 1.0 && radius.is_finite()).then_some(radius)
}

/// Radius of the mean of `t` increments, in their standard deviations. Refuses t ≤ 0, rho ≤ 0 and alpha outside (0, 1).
///
/// ```
/// # use vecino_stats::confidence_sequence::{asymptotic, normal_mixture};
/// // The mixture of a sum of 25 increments of variance 1, a mean.
/// let radius = asymptotic(25.0, 1.0, 0.05).unwrap();
/// assert!((radius - normal_mixture(25.0, 1.0, 0.05).unwrap() / 25.0).abs() < 1e-12);
/// ```
pub fn asymptotic(t: f64, rho: f64, alpha: f64) -> Option<f64> {
    let spread = t * rho * rho;
    let radius = (2.0 * (spread + 1.0) / spread * (spread.ln_1p() / 2.0 - alpha.ln()) / t).sqrt();
    (t > 0.0 && rho > 0.0 && alpha > 0.0 && alpha < 1.0 && radius.is_finite()).then_some(radius)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_radii_are_the_closed_forms() {
        assert!((normal_mixture(100.0, 25.0, 0.05).unwrap() - 30.82389993889).abs() < 1e-10);
        assert!((asymptotic(50.0, 0.3, 0.05).unwrap() - 0.4337391408383).abs() < 1e-12);
        assert_eq!(normal_mixture(-1.0, 1.0, 0.05), None);
        assert_eq!(asymptotic(0.0, 1.0, 0.05), None);
    }

    // The mean of t increments is their sum over t, whose variance is t.
    #[test]
    fn the_two_are_one_family() {
        let (t, rho, alpha) = (40.0, 0.2, 0.1);
        let as_sum = normal_mixture(t, 1.0 / (rho * rho), alpha).unwrap() / t;
        assert!((as_sum - asymptotic(t, rho, alpha).unwrap()).abs() < 1e-12);
    }
}
