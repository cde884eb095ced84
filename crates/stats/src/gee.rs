//! Generalised estimating equations for clustered outcomes.
//!
//! β solves Σ_g D_g'V_g⁻¹ (y_g − μ_g) = 0, V_g = φ A^½ R(α) A^½ (Liang and Zeger 1986), by Fisher scoring in turn with φ = Σ r² / N and the
//! moment α of `working_correlation`. With Q_g = D'V⁻¹D, U_g = D'V⁻¹(y − μ), M = (Σ Q_g)⁻¹ = L L' the covariance is M (Σ Ũ Ũ') M:
//! CR0 Ũ = U; CR2 Ũ = (I − Q_g M)^(−1/2) U (Kauermann and Carroll 2001); CR3 Ũ = (I − Q_g M)⁻¹ U (Mancl and DeRouen 2001), both from the
//! eigenvectors of L'Q_gL, an eigenvalue of 1 giving 0. The jackknife refits without each cluster: (G − P)/G Σ (β₋g − β)(β₋g − β)', P the
//! number of coefficients, correlations and scales (Yan and Fine 2004).
//!
//! Exchangeable: R⁻¹ = (I − α/(1 + (n−1)α) J)/(1 − α), so that sums over cells suffice.

use super::cells::{Cells, PERFECT};
use super::family::{Family, Link, Point};
use super::generalised::{self, position};
use super::orthonormal::{Basis, add_outer, mirror};
use super::working_correlation::Times;
use super::{Refusal, passes};
use nalgebra::{Cholesky, DMatrix, DVector};

/// How rows of one cluster go together. `Ar1` wants cells of one row; its times have one entry a cell, and without them the order of the
/// cells within a cluster counts.
#[derive(Debug, Clone, Copy)]
pub enum Correlation<'a> {
    /// As if each row stood alone.
    Independence,
    /// One correlation α for every pair.
    Exchangeable,
    /// α to the power of the gap in time.
    Ar1(Option<&'a [f64]>),
}

/// Which covariance of β.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    /// M, right only if the working model is.
    Classical,
    /// Sums of scores by cluster.
    Cr0,
    /// Those, each turned by (I − H)^(−1/2).
    Cr2,
    /// Those, each turned by (I − H)⁻¹.
    Cr3,
    /// From the solutions without each cluster.
    Jackknife,
}

/// A solution; `beta` and the covariance are in the columns `kept`.
#[derive(Debug, Clone)]
pub struct Gee {
    /// Columns that have a coefficient.
    pub kept: Vec<usize>,
    /// One for each of them.
    pub beta: DVector<f64>,
    /// Columns that carry nothing beyond those before them.
    pub collinear: Vec<usize>,
    /// Columns whose coefficient is infinite (see `generalised::Fit`).
    pub separated: Vec<usize>,
    /// None under independence, and where no cluster has two rows.
    pub alpha: Option<f64>,
    /// φ
    pub scale: f64,
    /// Whether α gives every cluster a positive definite correlation.
    pub valid: bool,
    /// The equations do not converge with α, so that the estimates are those of independence.
    pub fell_back: bool,
    /// Of β, or why there is none.
    pub covariance: Result<DMatrix<f64>, Refusal>,
    /// M
    pub model_based: DMatrix<f64>,
    /// Number of clusters.
    pub clusters: usize,
    /// Rows in the fit.
    pub rows: f64,
}

impl Gee {
    /// Where column `column` stands in `beta`. Refuses a collinear and a separated one.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::{Family, Link};
    /// # use vecino_stats::gee::{Correlation, Variance, fit};
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 2.0, 4.0, 10.0); // outcomes 1 and 3
    /// cells.push(1, &[1.0], 2.0, 12.0, 74.0); // outcomes 5 and 7
    /// let gee = fit(&cells, Family::Gaussian, Link::Identity, Correlation::Exchangeable, Variance::Cr0)?;
    /// assert_eq!(gee.position(0), Ok(0));
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn position(&self, column: usize) -> Result<usize, Refusal> {
        position(&self.kept, &self.separated, column)
    }

    /// The standard error of entry `i` of `beta`. Refuses one cluster, and a variance of zero: as many coefficients as clusters.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::{Family, Link};
    /// # use vecino_stats::gee::{Correlation, Variance, fit};
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 2.0, 4.0, 10.0); // outcomes 1 and 3
    /// cells.push(1, &[1.0], 2.0, 12.0, 74.0); // outcomes 5 and 7
    /// let gee = fit(&cells, Family::Gaussian, Link::Identity, Correlation::Exchangeable, Variance::Cr0)?;
    /// assert!((gee.se(0)? - 2.0_f64.sqrt()).abs() < 1e-10);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn se(&self, i: usize) -> Result<f64, Refusal> {
        let variance = self.covariance.as_ref().map_err(|refusal| *refusal)?[(i, i)];
        if variance > 1e-14 * self.model_based[(i, i)].abs() { Ok(variance.sqrt()) } else { Err(Refusal::NoVariance) }
    }
}

/// The warning for a working correlation that is not positive definite.
///
/// ```
/// # use vecino_stats::gee::correlation_warning;
/// assert!(correlation_warning(-0.75).contains("-0.75"));
/// ```
pub fn correlation_warning(alpha: f64) -> String {
    format!("the working correlation {alpha:.4} is outside the range in which it is positive definite: prefer corstr independence")
}

/// The warning where the fit fell back on independence.
pub const FELL_BACK: &str = "the equations do not converge with the working correlation; the fit is that of independence";

/// The warning where no pair of rows shares a cluster.
pub const NO_PAIRS: &str = "no cluster has two rows, so there is no working correlation; the fit is that of independence";

/// Clusters × cells × K² that a jackknife may take on.
const JACKKNIFE: f64 = 1e12;

struct Model<'a> {
    cells: &'a Cells,
    basis: &'a Basis,
    family: Family,
    link: Link,
    /// Positions in `basis.used`, by cluster; by time under ar1.
    members: Vec<Vec<usize>>,
    times: Option<Times>,
    exchangeable: bool,
    /// Whether α weighs the rows or is only told.
    weighs: bool,
}

#[derive(Clone)]
struct State {
    theta: DVector<f64>,
    /// Under ar1 at the smallest gap.
    alpha: Option<f64>,
    scale: f64,
    inside: bool,
    points: Vec<Point>,
}

/// Solves for the cells' outcome by `cells.cluster`. Refuses what `generalised::fit` refuses, under ar1 cells of several rows and two
/// rows of a cluster at one time. Where the equations do not converge with the correlation, the fit is that of independence
/// (`fell_back`). The covariance has refusals of its own.
///
/// ```
/// # use vecino_stats::cells::Cells;
/// # use vecino_stats::family::{Family, Link};
/// # use vecino_stats::gee::{Correlation, Variance, fit};
/// let mut cells = Cells::new(1);
/// cells.push(0, &[1.0], 2.0, 4.0, 10.0); // outcomes 1 and 3
/// cells.push(1, &[1.0], 2.0, 12.0, 74.0); // outcomes 5 and 7
/// let gee = fit(&cells, Family::Gaussian, Link::Identity, Correlation::Exchangeable, Variance::Cr0)?;
/// // Clusters of one size: β is the mean, its variance (4² + 4²)/4².
/// assert!((gee.beta[0] - 4.0).abs() < 1e-10 && (gee.se(0)? - 2.0_f64.sqrt()).abs() < 1e-10);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn fit(cells: &Cells, family: Family, link: Link, correlation: Correlation, variance: Variance) -> Result<Gee, Refusal> {
    let (start, basis, theta) = generalised::prepared(cells, family, link)?;
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); cells.clusters];
    basis.used.iter().enumerate().for_each(|(i, c)| members[cells.cluster[*c] as usize].push(i));
    members.retain(|rows| !rows.is_empty());
    let times = match correlation {
        Correlation::Ar1(time) => Some(in_time(cells, &basis, &mut members, time)?),
        _ => None,
    };
    let exchangeable = matches!(correlation, Correlation::Exchangeable);
    let mut model = Model { cells, basis: &basis, family, link, members, times, exchangeable, weighs: true };
    let state = match model.solve(None, &theta, None) {
        // With few clusters α easily falls to where R is singular.
        Err(Refusal::NotConverged | Refusal::NotFinite) => {
            model.weighs = false;
            model.solve(None, &theta, None)?
        }
        other => other?,
    };
    let parts: Vec<(DMatrix<f64>, DVector<f64>)> = (0..model.members.len()).map(|g| model.sums(g, &state)).collect();
    let mut q = DMatrix::zeros(basis.width(), basis.width());
    parts.iter().for_each(|(own, _)| q += own);
    let m = q.try_inverse().ok_or(Refusal::NotFinite)?;
    let covariance = model.covariance(variance, &state, &parts, &m).map(|v| basis.covariance(&v));
    let covariance = covariance.and_then(|v| if v.iter().all(|x| x.is_finite()) { Ok(v) } else { Err(Refusal::NotFinite) });
    let alpha = state.alpha.map(|alpha| model.times.as_ref().map_or(alpha, |times| times.alpha(alpha)));
    Ok(Gee {
        kept: start.kept,
        beta: &basis.back * &state.theta,
        collinear: start.collinear,
        separated: start.separated,
        alpha,
        scale: state.scale,
        valid: state.inside,
        fell_back: !model.weighs,
        covariance,
        model_based: basis.covariance(&m),
        clusters: model.members.len(),
        rows: start.rows,
    })
}

/// Puts the rows of each cluster in the order of their times.
fn in_time(cells: &Cells, basis: &Basis, members: &mut [Vec<usize>], time: Option<&[f64]>) -> Result<Times, Refusal> {
    let known = time.is_none_or(|time| time.len() == cells.len() && time.iter().all(|t| t.is_finite()));
    if !known || basis.used.iter().any(|c| cells.n[*c] != 1.0) {
        return Err(Refusal::Times);
    }
    let Some(time) = time else {
        return Times::new(members.iter().map(|rows| (0..rows.len()).map(|i| i as f64).collect()).collect());
    };
    members.iter_mut().for_each(|rows| rows.sort_by(|i, j| time[basis.used[*i]].total_cmp(&time[basis.used[*j]])));
    Times::new(members.iter().map(|rows| rows.iter().map(|i| time[basis.used[*i]]).collect()).collect())
}

impl Model<'_> {
    /// Scoring and moments in turn, without cluster `skip`, from θ and α until neither moves by 1e-11.
    fn solve(&self, skip: Option<usize>, theta: &DVector<f64>, alpha: Option<f64>) -> Result<State, Refusal> {
        let k = self.basis.width();
        let points = self.points(theta);
        let mut state = State { theta: theta.clone(), alpha, scale: 1.0, inside: true, points };
        self.moments(&mut state, skip, 1.0)?;
        for round in 0..150 {
            let (mut q, mut u) = (DMatrix::zeros(k, k), DVector::zeros(k));
            (0..self.members.len()).filter(|g| Some(*g) != skip).for_each(|g| self.add(g, &state, &mut q, &mut u));
            mirror(&mut q);
            // Outside the range of α the sum need not be positive definite; inside, a small pivot means a column that nothing tells.
            let mut delta = match Cholesky::new(q.clone()).filter(|root| root.l().diagonal().min() > 1e-7 * root.l().diagonal().max()) {
                Some(root) => root.solve(&u),
                None if !state.inside && self.weighs => q.lu().solve(&u).ok_or(Refusal::NotFinite)?,
                None => return Err(Refusal::NotFinite),
            };
            let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
            let motion = largest(&self.basis.times(&delta));
            if !motion.is_finite() {
                return Err(Refusal::NotFinite);
            }
            // A step of more than 5 on the scale of the link is no step of a converging fit with such a link.
            if self.link != Link::Identity && motion > 5.0 {
                delta *= 5.0 / motion;
            }
            state.theta += delta;
            let size = 1.0 + largest(&self.basis.times(&state.theta));
            state.points = self.points(&state.theta);
            let before = state.alpha.unwrap_or(0.0);
            self.moments(&mut state, skip, if round < 60 { 1.0 } else { 0.5 })?;
            let shift = if self.weighs { (state.alpha.unwrap_or(0.0) - before).abs() } else { 0.0 };
            if motion < 1e-11 * size && shift < 1e-11 {
                return Ok(state);
            }
        }
        Err(Refusal::NotConverged)
    }

    fn points(&self, theta: &DVector<f64>) -> Vec<Point> {
        self.basis.times(theta).into_iter().map(|eta| self.family.at(self.link, eta)).collect()
    }

    /// n, Σ r, Σ r² of a cell, r = (y − μ)/√V.
    fn pearson(&self, i: usize, p: &Point) -> (f64, f64, f64) {
        let c = self.basis.used[i];
        let (n, y, within) = (self.cells.n[c], self.cells.y[c], self.cells.within[c]);
        (n, self.family.residual(p, n, y) / p.v.sqrt(), self.family.residual_squares(p, n, y, within) / p.v)
    }

    /// φ and α at the state's means; α goes the share `pace` of its way.
    fn moments(&self, state: &mut State, skip: Option<usize>, pace: f64) -> Result<(), Refusal> {
        let (mut rows, mut squares, mut whole, mut products, mut pairs, mut most) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0_f64);
        let mut residuals: Vec<Vec<f64>> = Vec::new();
        for (g, members) in self.members.iter().enumerate() {
            let own = members.iter().map(|i| self.pearson(*i, &state.points[*i]));
            if self.times.is_some() {
                residuals.push(own.clone().map(|(_, r, _)| r).collect());
            }
            if skip != Some(g) {
                let (n, r, rr) = own.fold((0.0, 0.0, 0.0), |(n, r, rr), (m, s, ss)| (n + m, r + s, rr + ss));
                rows += n;
                squares += rr;
                let square = |c: usize| self.cells.within[c] + self.cells.y[c] * self.cells.y[c] / self.cells.n[c];
                whole += members.iter().map(|i| square(self.basis.used[*i]) / state.points[*i].v).sum::<f64>();
                products += (r * r - rr) / 2.0;
                pairs += n * (n - 1.0) / 2.0;
                most = most.max(n);
            }
        }
        state.scale = squares / rows;
        if !(state.scale.is_finite() && squares > PERFECT * whole) {
            return Err(Refusal::NoVariance);
        }
        let found = if let Some(times) = &self.times {
            let root = state.scale.sqrt();
            residuals.iter_mut().flatten().for_each(|r| *r /= root);
            times.estimate(&residuals, skip, state.alpha)
        } else if self.exchangeable && pairs > 0.0 {
            let alpha = products / (state.scale * pairs);
            Some((alpha, alpha < 1.0 - 1e-8 && alpha > -1.0 / (most - 1.0) + 1e-8))
        } else {
            None
        };
        state.inside = found.is_none_or(|(_, inside)| inside);
        state.alpha = found.map(|(alpha, _)| state.alpha.map_or(alpha, |before| before + pace * (alpha - before)));
        Ok(())
    }

    /// Q_g and U_g.
    fn sums(&self, g: usize, state: &State) -> (DMatrix<f64>, DVector<f64>) {
        let k = self.basis.width();
        let (mut q, mut u) = (DMatrix::zeros(k, k), DVector::zeros(k));
        self.add(g, state, &mut q, &mut u);
        mirror(&mut q);
        (q, u)
    }

    /// Adds Q_g, its upper half only, and U_g.
    fn add(&self, g: usize, state: &State, q: &mut DMatrix<f64>, u: &mut DVector<f64>) {
        let k = self.basis.width();
        let alpha = state.alpha.filter(|_| self.weighs).unwrap_or(0.0);
        // Keeps a correlation at the very edge of its range from dividing by zero.
        let away = |x: f64| if x.abs() < 1e-8 { 1e-8_f64.copysign(x) } else { x };
        let mut z = vec![0.0; k];
        let (mut total, mut rows, mut residual) = (vec![0.0; k], 0.0, 0.0);
        let within = if self.times.is_some() { 1.0 } else { 1.0 / away(1.0 - alpha) } / state.scale;
        for (at, i) in self.members[g].iter().enumerate() {
            let p = &state.points[*i];
            let (n, mut r, _) = self.pearson(*i, p);
            let slope = p.d / p.v.sqrt();
            z.iter_mut().zip(self.basis.row(*i)).for_each(|(z, q)| *z = slope * q);
            if let Some(times) = &self.times {
                // The row less what the one before it tells, to unit variance.
                let own = (z.clone(), r);
                if at > 0 {
                    let rho = if alpha == 0.0 { 0.0 } else { power(alpha, times.clusters[g][at] - times.clusters[g][at - 1]) };
                    let left = (1.0 - rho * rho).max(1e-12).sqrt();
                    z.iter_mut().zip(&total).for_each(|(z, before)| *z = (*z - rho * before) / left);
                    r = (r - rho * residual) / left;
                }
                (total, residual) = own;
            } else {
                total.iter_mut().zip(&z).for_each(|(total, z)| *total += n * z);
                residual += r;
                rows += n;
            }
            add_outer(q, &z, n * within);
            u.iter_mut().zip(&z).for_each(|(u, z)| *u += within * r * z);
        }
        if self.times.is_none() && alpha != 0.0 {
            let between = within * alpha / away(1.0 + (rows - 1.0) * alpha);
            add_outer(q, &total, -between);
            u.iter_mut().zip(&total).for_each(|(u, total)| *u -= between * residual * total);
        }
    }

    /// In the basis.
    fn covariance(
        &self,
        variance: Variance,
        state: &State,
        parts: &[(DMatrix<f64>, DVector<f64>)],
        m: &DMatrix<f64>,
    ) -> Result<DMatrix<f64>, Refusal> {
        let k = m.nrows();
        let clusters = parts.len() as f64;
        if variance == Variance::Classical {
            return Ok(m.clone());
        }
        if parts.len() < 2 {
            return Err(Refusal::OneCluster);
        }
        let mut middle = DMatrix::zeros(k, k);
        match variance {
            Variance::Cr2 | Variance::Cr3 => {
                let l = Cholesky::new((m + m.transpose()) * 0.5).ok_or(Refusal::NotFinite)?.l();
                for (q, u) in parts {
                    let eigen = (l.transpose() * q * &l).symmetric_eigen();
                    let power = if variance == Variance::Cr2 { -0.5 } else { -1.0 };
                    let adjusted = eigen.eigenvalues.map(|w| if 1.0 - w > 1e-10 { (1.0 - w).powf(power) } else { 0.0 });
                    let turned = (eigen.eigenvectors.transpose() * (l.transpose() * u)).component_mul(&adjusted);
                    let score = &eigen.eigenvectors * turned;
                    middle.ger(1.0, &score, &score, 1.0);
                }
                Ok(&l * middle * l.transpose())
            }
            Variance::Jackknife => {
                let parameters = k as f64 + 1.0 + f64::from(u8::from(state.alpha.is_some()));
                if clusters <= parameters {
                    return Err(Refusal::NoResidual);
                }
                if clusters * (self.basis.used.len() * k * k) as f64 > JACKKNIFE {
                    return Err(Refusal::TooLarge);
                }
                let refits = passes::parts_when(parts.len(), true, |range| {
                    range.map(|g| self.solve(Some(g), &state.theta, state.alpha).map(|without| without.theta - &state.theta)).collect::<Vec<_>>()
                });
                for change in refits.into_iter().flatten() {
                    let change = change?;
                    middle.ger((clusters - parameters) / clusters, &change, &change, 1.0);
                }
                Ok(middle)
            }
            _ => {
                parts.iter().for_each(|(_, u)| middle.ger(1.0, u, u, 1.0));
                Ok(m * middle * m.transpose())
            }
        }
    }
}

/// α^l
fn power(alpha: f64, l: f64) -> f64 {
    if alpha < 0.0 { alpha.powi(l as i32) } else { alpha.powf(l) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Sixteen invented rows, clusters not together.
    const CLUSTER: [u32; 16] = [0, 1, 2, 0, 1, 3, 2, 0, 3, 4, 4, 1, 5, 5, 5, 2];
    const TIME: [f64; 16] = [1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 3.0, 4.0, 2.0, 1.0, 3.0, 4.0, 1.0, 2.0, 5.0, 4.0];
    const X: [f64; 16] = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0];
    const Y: [f64; 16] = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];

    fn cells() -> Cells {
        let mut cells = Cells::new(2);
        (0..16).for_each(|i| cells.push(CLUSTER[i], &[1.0, X[i]], 1.0, Y[i], Y[i]));
        cells
    }

    fn is_near(got: f64, want: f64) -> bool {
        (got - want).abs() < 1e-9 * (1.0 + want.abs())
    }

    #[test]
    fn dense_matrices_give_the_same_numbers() {
        // α, φ, β and the standard errors of x under CR0, CR2 (by a matrix square root), CR3 and the jackknife (exchangeable).
        let wanted = [
            (
                Correlation::Exchangeable,
                [0.080020491402341, 0.98311004219557, -0.47167005277769, 1.5180687984111],
                vec![0.85770121575669, 0.93336283896879, 1.0185006743452, 0.6068035321614166],
            ),
            (
                Correlation::Ar1(Some(&TIME)),
                [0.25630164754693, 1.0361714889383, -0.51120462081269, 1.7376114191386],
                vec![0.8129056376348, 0.86599334221622, 0.92325252570981],
            ),
        ];
        for (correlation, [alpha, scale, intercept, slope], errors) in wanted {
            for (variance, se) in [Variance::Cr0, Variance::Cr2, Variance::Cr3, Variance::Jackknife].into_iter().zip(errors) {
                let gee = fit(&cells(), Family::Binomial, Link::Logit, correlation, variance).unwrap();
                assert!(is_near(gee.alpha.unwrap(), alpha) && is_near(gee.scale, scale) && gee.valid && !gee.fell_back);
                assert!(is_near(gee.beta[0], intercept) && is_near(gee.beta[1], slope));
                assert!(is_near(gee.se(1).unwrap(), se), "{correlation:?} {variance:?} {}", gee.se(1).unwrap());
            }
        }
    }

    #[test]
    fn tallies_give_what_their_rows_give() {
        let mut tallies = Cells::new(2);
        for cluster in 0..6 {
            for x in [0.0, 1.0] {
                let own = || (0..16).filter(|i| (CLUSTER[*i], X[*i]) == (cluster, x));
                let y: f64 = own().map(|i| Y[i]).sum();
                tallies.push(cluster, &[1.0, x], own().count() as f64, y, y);
            }
        }
        for correlation in [Correlation::Independence, Correlation::Exchangeable] {
            let one = fit(&tallies, Family::Binomial, Link::Cloglog, correlation, Variance::Cr2).unwrap();
            let other = fit(&cells(), Family::Binomial, Link::Cloglog, correlation, Variance::Cr2).unwrap();
            assert!(is_near(one.beta[1], other.beta[1]) && is_near(one.se(1).unwrap(), other.se(1).unwrap()));
        }
        assert_eq!(fit(&tallies, Family::Binomial, Link::Logit, Correlation::Ar1(None), Variance::Cr0).unwrap_err(), Refusal::Times);
    }

    #[test]
    fn independence_is_the_likelihood_fit_and_a_lone_cluster_has_no_robust_error() {
        let glm = generalised::fit(&cells(), Family::Binomial, Link::Logit).unwrap();
        let gee = fit(&cells(), Family::Binomial, Link::Logit, Correlation::Independence, Variance::Classical).unwrap();
        assert!((&glm.beta - &gee.beta).amax() < 1e-12 && (&glm.m * gee.scale - &gee.model_based).amax() < 1e-12);
        let mut lone = cells();
        lone.cluster.fill(0);
        lone.clusters = 1;
        let gee = fit(&lone, Family::Binomial, Link::Logit, Correlation::Exchangeable, Variance::Cr0).unwrap();
        assert_eq!(gee.se(1), Err(Refusal::OneCluster));
    }
}
