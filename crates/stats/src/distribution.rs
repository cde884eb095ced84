//! Tails and quantiles of the normal, t, F and χ² distributions and of the noncentral t.
//!
//! Normal: P(|Z| ≥ z) = Q(1/2, z²/2), Q the incomplete gamma function. Student: I_x(df/2, 1/2) at x = df/(df + t²), I the incomplete
//! beta function by its continued fraction behind x^a y^b / B(a, b) written with Stirling's remainder, which does not cancel for large
//! a and b (Loader 2000); above 5,000 degrees of freedom Hill's normal equivalent of t (1970). Tails are computed as tails, never as
//! one less something, so that tiny ones stay exact: about 13 digits throughout.

use statrs::function::erf::erfc_inv;
use statrs::function::gamma::gamma_ur;
use std::f64::consts::{PI, SQRT_2};

/// P(|T| ≥ |t|) for Student's t on `df` degrees of freedom; `None` for the normal distribution. Refuses df ≤ 0.
///
/// ```
/// # use vecino_stats::distribution::two_sided;
/// assert!((two_sided(1.959963984540054, None).unwrap() - 0.05).abs() < 1e-14);
/// assert!((two_sided(1.0, Some(1.0)).unwrap() - 0.5).abs() < 1e-14); // Cauchy
/// ```
pub fn two_sided(t: f64, df: Option<f64>) -> Option<f64> {
    if !t.is_finite() {
        return None;
    }
    // Further out the square would not be finite.
    let t = t.abs().min(1e150);
    match df {
        None => Some(normal_two_sided(t)),
        Some(df) if df > 5e3 && df.is_finite() => {
            let df = df.min(1e12);
            let a = df - 0.5;
            // Beyond 40 the tail is 0, and the series has lost its way.
            let w = (a * (t * t / df).ln_1p()).sqrt().min(40.0);
            let (b, ww) = (48.0 * a * a, w * w);
            Some(normal_two_sided(w + w * (ww + 3.0) / b - w * (((4.0 * ww + 33.0) * ww + 240.0) * ww + 855.0) / (10.0 * b * b)))
        }
        Some(df) if df > 0.0 => incomplete_beta(df / 2.0, 0.5, df / (df + t * t), t * t / (df + t * t)),
        Some(_) => None,
    }
}

/// The q such that P(|T| ≤ q) = level. Refuses a level outside (0, 1) and df ≤ 0.
///
/// ```
/// # use vecino_stats::distribution::critical;
/// assert!((critical(0.95, None).unwrap() - 1.959963984540054).abs() < 1e-12);
/// assert!((critical(0.5, Some(1.0)).unwrap() - 1.0).abs() < 1e-12); // Cauchy
/// ```
pub fn critical(level: f64, df: Option<f64>) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let tail = 1.0 - level;
    let mut q = SQRT_2 * erfc_inv(tail);
    let Some(df) = df else { return Some(q) };
    if !(df > 0.0 && df.is_finite()) {
        return None;
    }
    // ln P(|T| ≥ e^x) falls ever faster in x, so that Newton's steps in x come home from anywhere.
    let constant = stirling((df + 1.0) / 2.0) - stirling(df / 2.0) + df / 2.0 * (1.0 / df).ln_1p() - 0.5 - 0.5 * (2.0 * PI).ln();
    for _ in 0..200 {
        let now = two_sided(q, Some(df))?;
        let density = (constant - (df + 1.0) / 2.0 * (q * q / df).ln_1p()).exp();
        let step = (now / tail).ln() * now / (2.0 * q * density);
        let next = q * step.exp();
        if !(next.is_finite() && next > 0.0) {
            return None;
        }
        q = next;
        if step.abs() < 1e-14 {
            break;
        }
    }
    Some(q)
}

/// P(Z > z).
///
/// ```
/// # use vecino_stats::distribution::normal_tail;
/// assert!((normal_tail(1.959963984540054) - 0.025).abs() < 1e-14);
/// ```
pub fn normal_tail(z: f64) -> f64 {
    if z >= 0.0 { normal_two_sided(z) / 2.0 } else { 1.0 - normal_two_sided(z) / 2.0 }
}

/// The z with P(Z > z) = tail. Refuses a tail outside (0, 1).
///
/// ```
/// # use vecino_stats::distribution::normal_quantile;
/// assert!((normal_quantile(0.025).unwrap() - 1.959963984540054).abs() < 1e-12);
/// ```
pub fn normal_quantile(tail: f64) -> Option<f64> {
    (tail > 0.0 && tail < 1.0).then(|| SQRT_2 * erfc_inv(2.0 * tail))
}

/// The q with P(T ≤ q) = share; negative below one half. Refuses a share outside (0, 1) and df ≤ 0.
///
/// ```
/// # use vecino_stats::distribution::t_quantile;
/// assert!((t_quantile(0.25, 1.0).unwrap() + 1.0).abs() < 1e-12); // Cauchy
/// ```
pub fn t_quantile(share: f64, df: f64) -> Option<f64> {
    match share {
        _ if !(share > 0.0 && share < 1.0 && df > 0.0) => None,
        0.5 => Some(0.0),
        _ => Some(critical((2.0 * share - 1.0).abs(), Some(df))?.copysign(share - 0.5)),
    }
}

/// P(|T| ≥ t) for T = (Z + δ)/√(χ²/df), both tails: ∫ [P(Z > t s − δ) + P(Z > t s + δ)] f(s) ds over s = √(χ²/df), by the trapezium
/// rule in ln s, where it converges faster than any power of the step. Refuses t < 0 and df < 0.01.
///
/// ```
/// # use vecino_stats::distribution::{noncentral_t_two_sided, two_sided};
/// let central = noncentral_t_two_sided(2.0, 7.0, 0.0).unwrap();
/// assert!((central - two_sided(2.0, Some(7.0)).unwrap()).abs() < 1e-12);
/// assert!(noncentral_t_two_sided(2.0, 7.0, 3.0).unwrap() > 0.7);
/// ```
pub fn noncentral_t_two_sided(t: f64, df: f64, delta: f64) -> Option<f64> {
    if !(t >= 0.0 && t.is_finite() && df >= 0.01 && df.is_finite() && delta.is_finite()) {
        return None;
    }
    let log_density = |u: f64| match u.abs() < 1e-4 {
        true => -df * u * u * (1.0 + 2.0 * u / 3.0 + u * u / 3.0),
        false => -df / 2.0 * ((2.0 * u).exp_m1() - 2.0 * u),
    };
    let end = |sign: f64| {
        let mut end = sign / (2.0 * df).sqrt();
        while log_density(end) > -45.0 && end.abs() < 1e6 {
            end *= 1.25;
        }
        end
    };
    let (low, high) = (end(-1.0), end(1.0));
    let step = (0.2 / (2.0 * df).sqrt()).min(0.25 / (1.0 + delta.abs())).min(0.05).max((high - low) / 1e6);
    let (mut mass, mut beyond, mut u) = (0.0, 0.0, low);
    while u <= high {
        let (density, s) = (log_density(u).exp(), u.exp());
        mass += density;
        beyond += density * (normal_tail(t * s - delta) + normal_tail(t * s + delta));
        u += step;
    }
    (mass > 0.0).then(|| (beyond / mass).clamp(0.0, 1.0))
}

/// P(F ≥ f) for F on `upper` and `lower` degrees of freedom. Refuses f < 0 and degrees of freedom ≤ 0.
///
/// ```
/// # use vecino_stats::distribution::f_tail;
/// assert!((f_tail(3.0, 2.0, 2.0).unwrap() - 0.25).abs() < 1e-14); // 1/(1 + f)
/// ```
pub fn f_tail(f: f64, upper: f64, lower: f64) -> Option<f64> {
    if !(f >= 0.0 && f.is_finite() && upper > 0.0 && lower > 0.0 && upper.is_finite() && lower.is_finite()) {
        return None;
    }
    let whole = lower + upper * f;
    if whole.is_finite() { incomplete_beta(lower / 2.0, upper / 2.0, lower / whole, upper * f / whole) } else { Some(0.0) }
}

/// The f with P(F ≥ f) = tail. Refuses a tail outside (0, 1) and degrees of freedom ≤ 0.
///
/// ```
/// # use vecino_stats::distribution::f_quantile;
/// assert!((f_quantile(0.25, 2.0, 2.0).unwrap() - 3.0).abs() < 1e-12);
/// ```
pub fn f_quantile(tail: f64, upper: f64, lower: f64) -> Option<f64> {
    if !(tail > 0.0 && tail < 1.0) {
        return None;
    }
    let above = |x: f64| f_tail(x.exp(), upper, lower).map(|now| now > tail);
    let (mut low, mut high) = (-1.0, 1.0);
    while !above(low)? && low > -700.0 {
        low *= 2.0;
    }
    while above(high)? && high < 700.0 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if above(middle)? { low = middle } else { high = middle }
    }
    Some(((low + high) / 2.0).exp())
}

/// P(χ² ≥ x) on `df` degrees of freedom. Refuses x < 0 and df ≤ 0.
///
/// ```
/// # use vecino_stats::distribution::chi_squared_tail;
/// assert!((chi_squared_tail(4.0, 2.0).unwrap() - (-2.0_f64).exp()).abs() < 1e-14);
/// ```
pub fn chi_squared_tail(x: f64, df: f64) -> Option<f64> {
    match () {
        _ if !(x >= 0.0 && x.is_finite() && df > 0.0 && df.is_finite()) => None,
        _ if x == 0.0 => Some(1.0),
        // Wilson and Hilferty (1931); the series would be long.
        _ if df > 1e6 => Some(normal_tail(((x / df).cbrt() - 1.0 + 2.0 / (9.0 * df)) * (4.5 * df).sqrt())),
        _ => Some(gamma_ur(df / 2.0, x / 2.0)),
    }
}

fn normal_two_sided(z: f64) -> f64 {
    let half = z * z / 2.0;
    match () {
        _ if half == 0.0 => 1.0,
        _ if half > 745.0 => 0.0,
        _ => gamma_ur(0.5, half),
    }
}

/// ln Γ(x) less Stirling's formula: the remainder δ with Γ(x) = √(2π/x) (x/e)^x e^δ.
fn stirling(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 16.0 {
        shift += (x + 0.5) * (1.0 / x).ln_1p() - 1.0;
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    shift + (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r * (1.0 / 1188.0 - r * 691.0 / 360_360.0))))) / x
}

/// u ln(u/v) + v − u with apart = u − v given beside v, without cancellation where v is near u.
fn deviance(u: f64, v: f64, apart: f64) -> f64 {
    if apart.abs() >= 0.1 * (u + v) {
        return u * (u / v).ln() - apart;
    }
    let ratio = apart / (u + v);
    let (mut sum, mut term) = (apart * ratio, 2.0 * u * ratio);
    for j in 1..200 {
        term *= ratio * ratio;
        let next = sum + term / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// I_x(a, b) with y = 1 − x given beside x, so that neither is lost to rounding. `None` if the fraction does not converge.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> Option<f64> {
    if x <= 0.0 || y <= 0.0 {
        return Some(if x <= 0.0 { 0.0 } else { 1.0 });
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return Some(1.0 - lower_beta(b, a, y, x)?);
    }
    lower_beta(a, b, x, y)
}

/// The continued fraction by Lentz's method, for x below the mean.
fn lower_beta(a: f64, b: f64, x: f64, y: f64) -> Option<f64> {
    let apart = a * y - b * x;
    let power = stirling(a + b) - stirling(a) - stirling(b) - deviance(a, (a + b) * x, apart) - deviance(b, (a + b) * y, -apart);
    let front = (a * b / (2.0 * PI * (a + b))).sqrt() * power.exp() / a;
    let safe = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..20_000 {
        let m = f64::from(m);
        for term in [m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)), -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))] {
            d = 1.0 / safe(1.0 + term * d);
            c = safe(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 4e-16 {
            return Some((front * fraction).clamp(0.0, 1.0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Option<f64>, want: f64, within: f64) {
        let got = got.unwrap();
        assert!((got - want).abs() <= within * want.abs(), "{got:e} {want:e}");
    }

    #[test]
    fn tails_and_quantiles_agree_with_each_other() {
        for df in [0.1, 0.7, 1.0, 2.12, 3.35, 30.0, 719.0, 1e6, 1e9] {
            for level in [0.01, 0.5, 0.9, 0.95, 0.999, 1.0 - 1e-9] {
                let q = critical(level, Some(df)).unwrap();
                near(two_sided(q, Some(df)), 1.0 - level, 1e-11);
            }
        }
        near(critical(0.95, None), 1.959963984540054, 1e-15);
        near(critical(0.95, Some(1.0)), 12.70620473617471, 1e-13);
        near(f_quantile(0.05, 4.0, 7.0), 4.120_311_726_897_635, 1e-14);
        near(normal_quantile(1e-20), 9.262340089798408, 1e-14);
        near(t_quantile(0.2, 22.0).map(|q| -q), 0.8582660516582043, 1e-14);
        let t: f64 = 1.7;
        near(f_tail(t * t, 1.0, 9.0), two_sided(t, Some(9.0)).unwrap(), 1e-13);
        near(chi_squared_tail(t * t, 1.0), two_sided(t, None).unwrap(), 1e-13);
    }

    // Fifty-digit arithmetic.
    #[test]
    fn tiny_and_crowded_tails_keep_their_digits() {
        near(two_sided(8.0, None), 1.2441921148543568e-15, 1e-14);
        near(two_sided(2.0, Some(1e5)), 0.045502963457506463, 1e-13);
        near(two_sided(20.0, Some(5000.0)), 1.14059878476245e-85, 1e-12);
    }

    // With no shift it is Student's; with huge df it is normal; the last is a published power, 0.3841020493.
    #[test]
    fn the_noncentral_t_has_its_limits() {
        near(noncentral_t_two_sided(2.1, 7.0, 0.0), two_sided(2.1, Some(7.0)).unwrap(), 1e-12);
        near(noncentral_t_two_sided(2.0, 1e9, 1.0), normal_tail(1.0) + normal_tail(3.0), 1e-8);
        near(noncentral_t_two_sided(critical(0.95, Some(22.0)).unwrap(), 22.0, 1.740776559556786), 0.3841020492828, 1e-11);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(two_sided(f64::NAN, None), None);
        assert_eq!(two_sided(1.0, Some(0.0)), None);
        assert_eq!(critical(1.0, None), None);
        assert_eq!(f_tail(-1.0, 1.0, 1.0), None);
        assert_eq!(noncentral_t_two_sided(1.0, 0.0, 1.0), None);
    }
}
