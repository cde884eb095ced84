//! Tails and quantiles. Tails come straight from the incomplete beta and gamma functions, so that tiny ones stay exact.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::{beta_reg, ln_beta};
use statrs::function::erf::erfc;
use statrs::function::gamma::gamma_ur;

/// P(|T| ≥ |t|) for Student's t: I(df / (df + t²); df/2, 1/2). `None` for the normal distribution. Refuses df ≤ 0.
pub fn two_sided(t: f64, df: Option<f64>) -> Option<f64> {
    if !t.is_finite() {
        return None;
    }
    match df {
        None => Some(erfc(t.abs() / std::f64::consts::SQRT_2)),
        Some(df) if df > 0.0 && df.is_finite() => Some(beta_reg(df / 2.0, 0.5, (df / (df + t * t)).clamp(0.0, 1.0))),
        Some(_) => None,
    }
}

/// The q such that P(|T| ≤ q) = level, by Newton's steps on the exact tail. Refuses a level outside (0, 1) and df ≤ 0.
pub fn critical(level: f64, df: Option<f64>) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let tail = (1.0 - level) / 2.0;
    let normal = Normal::new(0.0, 1.0).ok()?.inverse_cdf(1.0 - tail);
    let Some(df) = df else { return Some(normal) };
    if !(df > 0.0 && df.is_finite()) {
        return None;
    }
    let mut q = StudentsT::new(0.0, 1.0, df).ok()?.inverse_cdf(1.0 - tail);
    if !q.is_finite() || q <= 0.0 {
        q = normal;
    }
    let constant = -ln_beta(df / 2.0, 0.5) - 0.5 * df.ln();
    for _ in 0..20 {
        let density = (constant - (df + 1.0) / 2.0 * (q * q / df).ln_1p()).exp();
        let step = (two_sided(q, Some(df))? / 2.0 - tail) / density;
        q = (q + step).max(q / 2.0);
        if step.abs() < 1e-14 * q {
            break;
        }
    }
    q.is_finite().then_some(q)
}

/// P(F ≥ f) for F on `upper` and `lower` degrees of freedom. Refuses f < 0 and degrees of freedom ≤ 0.
pub fn f_tail(f: f64, upper: f64, lower: f64) -> Option<f64> {
    (f >= 0.0 && f.is_finite() && upper > 0.0 && lower > 0.0)
        .then(|| beta_reg(lower / 2.0, upper / 2.0, (lower / (lower + upper * f)).clamp(0.0, 1.0)))
}

/// P(χ² ≥ x) on `df` degrees of freedom. Refuses x < 0 and df ≤ 0.
pub fn chi_squared_tail(x: f64, df: f64) -> Option<f64> {
    match () {
        _ if !(x >= 0.0 && x.is_finite() && df > 0.0) => None,
        _ if x == 0.0 => Some(1.0),
        _ => Some(gamma_ur(df / 2.0, x / 2.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_and_quantiles_agree_with_each_other() {
        for df in [0.7, 1.0, 2.12, 3.35, 30.0, 719.0, 1e6] {
            for level in [0.5, 0.9, 0.95, 0.999] {
                let q = critical(level, Some(df)).unwrap();
                let within = if df < 1e3 { 1e-11 } else { 1e-8 };
                assert!((two_sided(q, Some(df)).unwrap() - (1.0 - level)).abs() < within, "{df} {level}");
            }
        }
        assert!((critical(0.95, None).unwrap() - 1.959963984540054).abs() < 1e-9);
        assert!((critical(0.95, Some(1.0)).unwrap() - 12.706204736432).abs() < 1e-8);
        let t: f64 = 1.7;
        assert!((f_tail(t * t, 1.0, 9.0).unwrap() - two_sided(t, Some(9.0)).unwrap()).abs() < 1e-12);
        assert!((chi_squared_tail(t * t, 1.0).unwrap() - two_sided(t, None).unwrap()).abs() < 1e-9);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(two_sided(f64::NAN, None), None);
        assert_eq!(two_sided(1.0, Some(0.0)), None);
        assert_eq!(critical(1.0, None), None);
        assert_eq!(f_tail(-1.0, 1.0, 1.0), None);
    }
}
