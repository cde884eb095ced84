//! Generalised linear models with random intercepts, by maximum likelihood.
//!
//! ℓ(β, σ) = log ∫ Π p(y | η = xβ + Σ_t σ_t b_t,g(t)) φ(b) db, the integral by Laplace's approximation, for one term also by adaptive
//! Gauss-Hermite quadrature (`mixed_likelihood`); exact for gaussian. The maximum over coefficients and standard deviations together is
//! found by quasi-Newton steps (Broyden, Fletcher, Goldfarb and Shanno 1970) that start from and end with the Hessian; standard errors
//! come from that Hessian, differences of the exact gradient with Richardson's extrapolation. ℓ is even in σ_t, so that σ_t = 0 is an
//! ordinary maximum where it is one.

use super::Refusal;
use super::cells::Cells;
use super::family::Family;
use super::generalised::{self, position};
use super::mixed_likelihood::Model;
use super::random_levels::Effects;
use nalgebra::{DMatrix, DVector};

/// The most quadrature points.
pub const POINTS: usize = 100;
/// A standard deviation below this share of the unit (1, or the residual one for gaussian) is tried as 0.
const NEAR_ZERO: f64 = 1e-3;

/// A fitted model; `beta` and the covariance are in the columns `kept`.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// Columns that have a coefficient.
    pub kept: Vec<usize>,
    /// One for each of them.
    pub beta: DVector<f64>,
    /// Columns that carry nothing beyond those before them.
    pub collinear: Vec<usize>,
    /// Columns whose coefficient is infinite (see `generalised::Fit`).
    pub separated: Vec<usize>,
    /// Of β, or why there is none.
    pub covariance: Result<DMatrix<f64>, Refusal>,
    /// Of each term's intercepts, in the order given; 0 at the border.
    pub sd: Vec<f64>,
    /// For gaussian.
    pub residual_sd: Option<f64>,
    /// At the maximum.
    pub log_likelihood: f64,
    /// Rows in the fit.
    pub rows: f64,
}

impl Mixed {
    /// Where column `column` stands in `beta`. Refuses a collinear and a separated one.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::Family;
    /// # use vecino_stats::mixed::fit;
    /// let mut cells = Cells::new(1);
    /// for y in [1.0, 3.0, 5.0, 7.0, 0.0, 2.0] {
    ///     cells.push(0, &[1.0], 1.0, y, y * y);
    /// }
    /// // Three groups of two: MSW 2, MSB 14; the variance between is (2/3 · 14 − 2)/2.
    /// let mixed = fit(&cells, &[vec![0, 0, 1, 1, 2, 2]], Family::Gaussian, 1, 0.0)?;
    /// assert_eq!(mixed.position(0), Ok(0));
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn position(&self, column: usize) -> Result<usize, Refusal> {
        position(&self.kept, &self.separated, column)
    }

    /// The standard error of entry `i` of `beta`.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::Family;
    /// # use vecino_stats::mixed::fit;
    /// let mut cells = Cells::new(1);
    /// for y in [1.0, 3.0, 5.0, 7.0, 0.0, 2.0] {
    ///     cells.push(0, &[1.0], 1.0, y, y * y);
    /// }
    /// // Three groups of two: MSW 2, MSB 14; the variance between is (2/3 · 14 − 2)/2.
    /// let mixed = fit(&cells, &[vec![0, 0, 1, 1, 2, 2]], Family::Gaussian, 1, 0.0)?;
    /// let between = (2.0 / 3.0 * 14.0 - 2.0) / 2.0;
    /// assert!((mixed.se(0)? - (2.0 / 6.0 + between / 3.0_f64).sqrt()).abs() < 1e-7);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn se(&self, i: usize) -> Result<f64, Refusal> {
        let variance = self.covariance.as_ref().map_err(|refusal| *refusal)?[(i, i)];
        if variance > 0.0 { Ok(variance.sqrt()) } else { Err(Refusal::NotFinite) }
    }
}

/// The warning for a random intercept without variance.
///
/// ```
/// # use vecino_stats::mixed::zero_warning;
/// assert!(zero_warning("segment").contains("segment"));
/// ```
pub fn zero_warning(group: &str) -> String {
    format!(
        "the standard deviation of the intercepts of {group} is 0: the groups differ no more than chance, and the fit is as if the term were not there"
    )
}

/// Fits the cells' outcome with the canonical link and an intercept for each level of each term: `groups[t]` has the level of every cell.
/// `points` is 1 for Laplace; more need a single term. `log_constant` is what the rows as given add to the log-likelihood whatever
/// the parameters (`Family::log_constant` of each; for 0/1 rows and gaussian 0). Refuses what `generalised::fit` refuses, no term, a
/// gaussian term with a level for each row, and a likelihood without a maximum inside the parameters' range.
///
/// ```
/// # use vecino_stats::cells::Cells;
/// # use vecino_stats::family::Family;
/// # use vecino_stats::mixed::fit;
/// let mut cells = Cells::new(1);
/// for y in [1.0, 3.0, 5.0, 7.0, 0.0, 2.0] {
///     cells.push(0, &[1.0], 1.0, y, y * y);
/// }
/// // Three groups of two: MSW 2, MSB 14; the variance between is (2/3 · 14 − 2)/2.
/// let mixed = fit(&cells, &[vec![0, 0, 1, 1, 2, 2]], Family::Gaussian, 1, 0.0)?;
/// assert!((mixed.beta[0] - 3.0).abs() < 1e-12 && (mixed.residual_sd.unwrap() - 2.0_f64.sqrt()).abs() < 1e-8);
/// assert!((mixed.sd[0] - ((2.0 / 3.0 * 14.0 - 2.0) / 2.0_f64).sqrt()).abs() < 1e-8);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn fit(cells: &Cells, groups: &[Vec<u32>], family: Family, points: usize, log_constant: f64) -> Result<Mixed, Refusal> {
    if points == 0 || points > POINTS || points > 1 && (groups.len() != 1 || family == Family::Gaussian) {
        return Err(Refusal::NotOffered);
    }
    if groups.is_empty() || groups.iter().any(|term| term.len() != cells.len()) {
        return Err(Refusal::NoData);
    }
    let (start, basis, theta) = generalised::prepared(cells, family, family.canonical())?;
    let model = Model::new(cells, &basis, family, groups, points)?;
    if family == Family::Gaussian && model.levels.most_levels() as f64 >= model.rows {
        return Err(Refusal::NoResidual);
    }
    let k = model.width;
    let unit = if family == Family::Gaussian { start.dispersion.ok_or(Refusal::NoResidual)?.sqrt() } else { 1.0 };
    let mut search =
        Search { effects: model.levels.effects(), scale: DVector::zeros(model.parameters()), free: (0..model.parameters()).collect(), model: &model };
    let mut best: Option<(f64, DVector<f64>)> = None;
    for share in [0.3, 1.0, 2.0] {
        let mut psi = DVector::zeros(model.parameters());
        psi.rows_mut(0, k).copy_from(&theta);
        psi.rows_mut(k, model.terms).fill(share * unit);
        if family == Family::Gaussian {
            psi[k + model.terms] = unit.ln();
        }
        if let Ok((value, _)) = search.at(&psi)
            && best.as_ref().is_none_or(|(before, _)| value > *before)
        {
            best = Some((value, psi));
        }
    }
    let (_, mut psi) = best.ok_or(Refusal::NotConverged)?;
    let weight: f64 = start.d.iter().zip(&start.v).zip(&start.used).map(|((d, v), c)| cells.n[*c] * d * d / v).sum::<f64>() / start.rows;
    search.scale.rows_mut(0, k).fill(unit / weight.max(1e-6).sqrt());
    search.scale.rows_mut(k, model.terms).fill(0.1 * unit);
    if family == Family::Gaussian {
        search.scale[k + model.terms] = (2.0 * start.rows).powf(-0.5);
    }
    let (mut value, mut information) = search.climb(&mut psi)?;
    for t in (0..model.terms).map(|t| k + t) {
        let mut without = psi.clone();
        without[t] = 0.0;
        if psi[t].abs() < NEAR_ZERO * unit && search.at(&without)?.0 >= value - 1e-7 {
            psi = without;
            search.free.retain(|j| *j != t);
            (value, information) = search.climb(&mut psi)?;
        }
    }
    let variance = inverse(&information).map(|all| basis.covariance(&all.view((0, 0), (k, k)).into_owned()));
    let normal = if family == Family::Gaussian { -0.5 * model.rows * std::f64::consts::TAU.ln() } else { 0.0 };
    Ok(Mixed {
        kept: start.kept,
        beta: &basis.back * psi.rows(0, k),
        collinear: start.collinear,
        separated: start.separated,
        covariance: variance.ok_or(Refusal::NotFinite),
        sd: psi.rows(k, model.terms).iter().map(|sd| sd.abs()).collect(),
        residual_sd: (family == Family::Gaussian).then(|| psi[k + model.terms].exp()),
        log_likelihood: value + log_constant + normal,
        rows: start.rows,
    })
}

/// The search for the maximum over the parameters `free`; `scale` is about a standard error of each parameter.
struct Search<'a> {
    model: &'a Model,
    effects: Effects,
    scale: DVector<f64>,
    free: Vec<usize>,
}

impl Search<'_> {
    fn at(&mut self, psi: &DVector<f64>) -> Result<(f64, DVector<f64>), Refusal> {
        self.model.evaluate(psi, &mut self.effects)
    }

    /// Climbs from ψ until a step would be below 1e-9 standard errors; gives the maximum and the information (free × free).
    fn climb(&mut self, psi: &mut DVector<f64>) -> Result<(f64, DMatrix<f64>), Refusal> {
        let mut information = self.information(psi, false)?;
        for _ in 0..20 {
            let value = self.ascend(psi, positive(&information)?)?;
            information = self.information(psi, true)?;
            let gradient = self.at(psi)?.1.select_rows(&self.free);
            if let Some(step) = inverse(&information).map(|covariance| covariance * &gradient)
                && step.dot(&gradient) < 1e-16
            {
                return Ok((value, information));
            }
        }
        Err(Refusal::NotConverged)
    }

    /// Quasi-Newton steps from an approximate covariance of the parameters.
    fn ascend(&mut self, psi: &mut DVector<f64>, mut covariance: DMatrix<f64>) -> Result<f64, Refusal> {
        let (mut value, gradient) = self.at(psi)?;
        let mut gradient = gradient.select_rows(&self.free);
        let terms = self.model.width..self.model.width + self.model.terms;
        for _ in 0..200 {
            let mut step = &covariance * &gradient;
            let gain = step.dot(&gradient);
            if gain.is_nan() || gain <= 1e-18 {
                break;
            }
            // No standard deviation more than doubles or leaves 0 by more than its unit in one step.
            let bound = |(i, j): (usize, &usize)| if terms.contains(j) { step[i].abs() / psi[*j].abs().max(10.0 * self.scale[*j]) } else { 0.0 };
            let excess = self.free.iter().enumerate().map(bound).fold(1.0_f64, f64::max);
            step /= excess;
            let mut moved = None;
            for _ in 0..40 {
                let mut next = psi.clone();
                self.free.iter().zip(step.iter()).for_each(|(j, by)| next[*j] += by);
                if let Ok((there, slope)) = self.at(&next)
                    && there >= value + 1e-4 * step.dot(&gradient) - 1e-12 * (1.0 + value.abs())
                {
                    moved = Some((next, there, slope.select_rows(&self.free)));
                    break;
                }
                step *= 0.4;
            }
            let Some((next, there, slope)) = moved else { break };
            let change = &gradient - &slope;
            let product = change.dot(&step);
            let stalled = there <= value && slope.norm() >= gradient.norm();
            if product > 0.0 {
                let along = &covariance * &change;
                let factor = (1.0 + change.dot(&along) / product) / product;
                covariance += factor * &step * step.transpose() - (&along * step.transpose() + &step * along.transpose()) / product;
            }
            (*psi, value, gradient) = (next, there, slope);
            if stalled {
                break;
            }
        }
        Ok(value)
    }

    /// Minus the Hessian over the free parameters: central differences of the gradient, extrapolated if `fine`.
    fn information(&mut self, psi: &DVector<f64>, fine: bool) -> Result<DMatrix<f64>, Refusal> {
        let count = self.free.len();
        let mut out = DMatrix::zeros(count, count);
        for i in 0..count {
            let j = self.free[i];
            let step = 5e-3 * self.scale[j];
            let mut slope = |step: f64| -> Result<DVector<f64>, Refusal> {
                let (mut up, mut down) = (psi.clone(), psi.clone());
                up[j] += step;
                down[j] -= step;
                Ok((self.at(&down)?.1 - self.at(&up)?.1).select_rows(&self.free) / (2.0 * step))
            };
            let column = if fine { (slope(step)? * 4.0 - slope(2.0 * step)?) / 3.0 } else { slope(step)? };
            out.set_column(i, &column);
        }
        let out = (&out + out.transpose()) * 0.5;
        for (i, j) in self.free.iter().enumerate() {
            let own = 1.0 / out[(i, i)].abs().sqrt();
            if own.is_finite() {
                self.scale[*j] = own.clamp(0.01 * self.scale[*j], 100.0 * self.scale[*j]);
            }
        }
        Ok(out)
    }
}

/// The inverse of a matrix, if it is positive definite.
fn inverse(a: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let scale = a.diagonal().map(|d| 1.0 / d.sqrt());
    let unit = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * scale[i] * scale[j]);
    let found = nalgebra::Cholesky::new(unit)?.inverse();
    let out = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| found[(i, j)] * scale[i] * scale[j]);
    out.iter().all(|v| v.is_finite()).then_some(out)
}

/// An inverse with the signs and sizes of the eigenvalues mended, to climb with.
fn positive(a: &DMatrix<f64>) -> Result<DMatrix<f64>, Refusal> {
    if a.iter().any(|v| !v.is_finite()) {
        return Err(Refusal::NotFinite);
    }
    let scale = a.diagonal().map(|d| 1.0 / d.abs().max(f64::MIN_POSITIVE).sqrt());
    let scale = scale.map(|s| s.min(1e8));
    let unit = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * scale[i] * scale[j]);
    let eigen = unit.symmetric_eigen();
    let powers = eigen.eigenvalues.map(|value| 1.0 / value.abs().max(1e-3));
    let mended = &eigen.eigenvectors * DMatrix::from_diagonal(&powers) * eigen.eigenvectors.transpose();
    Ok(DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| mended[(i, j)] * scale[i] * scale[j]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// n trials and y successes of five groups, by turns without and with x.
    const COUNTS: [(f64, f64); 10] =
        [(5.0, 1.0), (4.0, 2.0), (6.0, 4.0), (5.0, 4.0), (3.0, 0.0), (7.0, 2.0), (5.0, 3.0), (5.0, 4.0), (8.0, 2.0), (4.0, 1.0)];

    fn counts() -> (Cells, Vec<u32>) {
        let mut cells = Cells::new(2);
        COUNTS.iter().enumerate().for_each(|(i, (n, y))| cells.push(0, &[1.0, (i % 2) as f64], *n, *y, *y));
        (cells, (0..10).map(|i| i / 2).collect())
    }

    #[test]
    fn many_points_give_the_exact_integral() {
        // Maximum of the likelihood by adaptive integration to 1e-13.
        let (cells, group) = counts();
        let mixed = fit(&cells, &[group], Family::Binomial, 30, 0.0).unwrap();
        assert!((mixed.log_likelihood + 33.736298794672145).abs() < 1e-11);
        for (got, want) in [(mixed.beta[0], -0.63989887), (mixed.beta[1], 0.76816088), (mixed.sd[0], 0.83048888)] {
            assert!((got - want).abs() < 1e-7, "{got} {want}");
        }
        for (i, want) in [0.57638528, 0.62918913].into_iter().enumerate() {
            assert!((mixed.se(i).unwrap() - want).abs() < 2e-7, "{}", mixed.se(i).unwrap());
        }
    }

    #[test]
    fn balanced_normal_groups_have_their_closed_form() {
        // g groups of m rows: residual variance MSW, between ((1 − 1/g) MSB − MSW)/m.
        let values = [[1.0, 2.5, 2.0, 3.5], [4.0, 5.5, 4.5, 7.0], [0.5, 1.0, 3.0, 2.0]];
        let mut cells = Cells::new(1);
        values.iter().flatten().for_each(|y| cells.push(0, &[1.0], 1.0, *y, y * y));
        let mixed = fit(&cells, &[(0..12).map(|i| i / 4).collect()], Family::Gaussian, 1, 0.0).unwrap();
        let means = values.map(|group| group.iter().sum::<f64>() / 4.0);
        let mean = means.iter().sum::<f64>() / 3.0;
        let msb = 4.0 * means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 2.0;
        let msw = values.iter().zip(means).flat_map(|(group, m)| group.iter().map(move |y| (y - m).powi(2))).sum::<f64>() / 9.0;
        let between = (msb * 2.0 / 3.0 - msw) / 4.0;
        assert!((mixed.beta[0] - mean).abs() < 1e-12 && (mixed.residual_sd.unwrap() - msw.sqrt()).abs() < 1e-8);
        assert!((mixed.sd[0] - between.sqrt()).abs() < 1e-8);
        assert!((mixed.se(0).unwrap() - (msw / 12.0 + between / 3.0).sqrt()).abs() < 1e-8);
        let logs = 9.0 * msw.ln() + 3.0 * (msw + 4.0 * between).ln() + 12.0 * (std::f64::consts::TAU.ln() + 1.0);
        assert!((mixed.log_likelihood + logs / 2.0).abs() < 1e-10);
    }

    #[test]
    fn groups_that_do_not_differ_have_a_deviation_of_zero_and_the_fit_without_them() {
        let mut cells = Cells::new(2);
        for i in 0..12 {
            cells.push(0, &[1.0, f64::from(i % 2)], 10.0, f64::from(3 + 2 * (i % 2)), f64::from(3 + 2 * (i % 2)));
        }
        let mixed = fit(&cells, &[(0..12).map(|i| i / 2).collect()], Family::Binomial, 1, 0.0).unwrap();
        let plain = generalised::fit(&cells, Family::Binomial, Family::Binomial.canonical()).unwrap();
        assert_eq!(mixed.sd, [0.0]);
        assert!((&mixed.beta - &plain.beta).amax() < 1e-10 && (mixed.covariance.unwrap() - plain.m).amax() < 1e-8);
        assert!((mixed.log_likelihood - plain.log_likelihood).abs() < 1e-10);
    }

    #[test]
    fn quadrature_wants_a_single_term() {
        let (cells, group) = counts();
        assert_eq!(fit(&cells, &[group.clone(), group.clone()], Family::Binomial, 5, 0.0).unwrap_err(), Refusal::NotOffered);
        assert_eq!(fit(&cells, &[group], Family::Binomial, 0, 0.0).unwrap_err(), Refusal::NotOffered);
    }
}
