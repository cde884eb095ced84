//! Gauss-Hermite quadrature.

use nalgebra::DMatrix;

/// Nodes x and weights w e^(x²)/√π of Gauss-Hermite quadrature: eigenvalues of the Jacobi matrix (Golub and Welsch 1969), and the inverse
/// of Σ ψ_j(x)² over the first Hermite functions, which stays exact far out. E[f(Z)] of a standard normal Z is Σ w e^(−x²) f(√2 x).
///
/// ```
/// let second: f64 = vecino_stats::quadrature::hermite(5).iter().map(|(x, w)| w * (-x * x).exp() * 2.0 * x * x).sum();
/// assert!((second - 1.0).abs() < 1e-12);
/// ```
pub fn hermite(points: usize) -> Vec<(f64, f64)> {
    let jacobi = DMatrix::from_fn(points, points, |i, j| if i.abs_diff(j) == 1 { (i.max(j) as f64 / 2.0).sqrt() } else { 0.0 });
    let mut nodes: Vec<f64> = jacobi.symmetric_eigenvalues().iter().copied().collect();
    nodes.sort_by(f64::total_cmp);
    let root_pi = std::f64::consts::PI.sqrt();
    let weight = |x: f64| {
        let (mut before, mut now) = (0.0, (-x * x / 2.0).exp() / root_pi.sqrt());
        let mut sum = 0.0;
        for j in 0..points {
            sum += now * now;
            let next = (2.0 / (j + 1) as f64).sqrt() * x * now - (j as f64 / (j + 1) as f64).sqrt() * before;
            (before, now) = (now, next);
        }
        1.0 / (sum * root_pi)
    };
    nodes.into_iter().map(|x| (x, weight(x))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_normal_are_exact_up_to_twice_the_points() {
        for points in [1, 2, 5, 20, 100] {
            let moment =
                |power: i32| hermite(points).iter().map(|(x, w)| w * (-x * x).exp() * (x * std::f64::consts::SQRT_2).powi(power)).sum::<f64>();
            let wanted = [(0, 1.0), (2, 1.0), (4, 3.0), (8, 105.0)];
            for (power, want) in wanted.into_iter().filter(|(power, _)| *power < 2 * points as i32) {
                assert!((moment(power) / want - 1.0).abs() < 1e-12, "{points} {power} {}", moment(power));
            }
        }
    }
}
