//! Simultaneous bands for several coefficients of one model.
//!
//! sup-t: the c such that P(max_j |t_j| ≤ c) = level for t multivariate with the coefficients' correlations and the smallest of their
//! degrees of freedom: t = z √(df / χ²) with z ~ N(0, R), from seeded draws (Montiel Olea and Plagborg-Møller 2019).

use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// The critical value for coefficients of this covariance (q × q); `df` `None` is normal. `None` for a variance of zero or no draw.
///
/// ```
/// # use vecino_stats::{bands::critical, nalgebra::DMatrix, random::seeded};
/// // Five independent coefficients: Šidák's 2.568886, to the error of the draws.
/// let c = critical(&DMatrix::identity(5, 5), None, 0.95, 50_000, &mut seeded(1, "bands")).unwrap();
/// assert!((c - 2.568886).abs() < 0.03);
/// ```
pub fn critical(covariance: &DMatrix<f64>, df: Option<f64>, level: f64, draws: u32, random: &mut ChaCha20Rng) -> Option<f64> {
    let q = covariance.nrows();
    let scale: Vec<f64> = covariance.diagonal().iter().map(|v| 1.0 / v.sqrt()).collect();
    if q == 0 || draws == 0 || scale.iter().any(|s| !s.is_finite()) || !(level > 0.0 && level < 1.0) {
        return None;
    }
    let correlation = DMatrix::from_fn(q, q, |i, j| covariance[(i, j)] * scale[i] * scale[j]);
    let eigen = correlation.symmetric_eigen();
    let root = &eigen.eigenvectors * DMatrix::from_diagonal(&eigen.eigenvalues.map(|v| v.max(0.0).sqrt()));
    let mut greatest: Vec<f64> = (0..draws)
        .map(|_| {
            let z = &root * DVector::from_fn(q, |_, _| normal(random));
            let spread = df.map_or(1.0, |df| (chi_squared(df, random) / df).sqrt());
            z.iter().fold(0.0_f64, |most, z| most.max(z.abs())) / spread
        })
        .collect();
    greatest.sort_unstable_by(f64::total_cmp);
    let at = (level * f64::from(draws)).ceil() as usize;
    greatest.get(at.clamp(1, greatest.len()) - 1).copied().filter(|c| c.is_finite())
}

fn uniform(random: &mut ChaCha20Rng) -> f64 {
    ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Box and Muller (1958).
fn normal(random: &mut ChaCha20Rng) -> f64 {
    (-2.0 * uniform(random).ln()).sqrt() * (std::f64::consts::TAU * uniform(random)).cos()
}

/// 2 × gamma(df/2) by Marsaglia and Tsang (2000); below shape 1 by the boost U^(1/shape).
fn chi_squared(df: f64, random: &mut ChaCha20Rng) -> f64 {
    let shape = df / 2.0;
    let (raised, boost) = if shape < 1.0 { (shape + 1.0, uniform(random).powf(1.0 / shape)) } else { (shape, 1.0) };
    let d = raised - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform(random).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return 2.0 * d * v * boost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn one_coefficient_has_the_pointwise_value_and_independent_ones_sidaks() {
        let mut random = ChaCha20Rng::from_seed([7; 32]);
        let one = critical(&DMatrix::identity(1, 1), Some(9.0), 0.95, 200_000, &mut random).unwrap();
        assert!((one - 2.262157).abs() < 0.02, "{one}");
        // 1 − 0.95^(1/5) in both tails of the normal.
        let five = critical(&DMatrix::identity(5, 5), None, 0.95, 200_000, &mut random).unwrap();
        assert!((five - 2.568886).abs() < 0.02, "{five}");
        assert_eq!(critical(&DMatrix::zeros(1, 1), None, 0.95, 100, &mut random), None);
    }
}
