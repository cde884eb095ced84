//! Generalised linear models by exact maximum likelihood, from cells.
//!
//! β solves Σ x d (y − μ) / V = 0 by Newton's steps: δ = (X'CX)⁻¹ X'u with the score u = (y − μ) d / V and its slope −C, which for canonical
//! links is that of iterated weighted least squares (Nelder and Wedderburn 1972). A step is halved while the likelihood falls; it is
//! taken in an orthonormal basis of the columns, until no linear predictor moves by 1e-12.
//!
//! Separation (Albert and Anderson 1984): a direction γ with x'γ ≥ 0 in cells of ones only, ≤ 0 in cells of zeros only and 0 elsewhere
//! makes the likelihood rise without end. Its limit is the fit without the cells where x'γ ≠ 0 (Geyer 2009; Correia, Guimarães and
//! Zylkin 2019), in which every coefficient that still can be told from the others is right. A 0/1 column whose rows all have one
//! outcome is such a direction and is seen at once; any other is proved on the way, from the cells that are fitted perfectly.

use super::Refusal;
use super::cells::Cells;
use super::family::{Family, Link, Point};
use super::orthonormal::{Basis, mirror};
use nalgebra::{Cholesky, DMatrix, DVector};

/// A fitted model. `beta` and `m` are in the columns `kept`; `mu` to `e` have one entry for each of the cells `used`.
#[derive(Debug, Clone)]
pub struct Fit {
    /// As asked for.
    pub family: Family,
    /// As asked for.
    pub link: Link,
    /// Columns that have a coefficient.
    pub kept: Vec<usize>,
    /// One for each of them.
    pub beta: DVector<f64>,
    /// Columns that carry nothing beyond those before them.
    pub collinear: Vec<usize>,
    /// Columns whose coefficient is infinite. One may also stand in `kept`, where it only fits the others: `position` refuses it.
    pub separated: Vec<usize>,
    /// Cells in the fit; those that are separated or empty are not.
    pub used: Vec<usize>,
    /// The fitted means.
    pub mu: Vec<f64>,
    /// dμ/dη
    pub d: Vec<f64>,
    /// V(μ)
    pub v: Vec<f64>,
    /// Σ (y − μ) over the rows of the cell, and Σ (y − μ)².
    pub e: Vec<f64>,
    /// Σ (y − μ)² over the rows of the cell.
    pub ee: Vec<f64>,
    /// (X'WX)⁻¹ with W = n d² / V, that is without the dispersion.
    pub m: DMatrix<f64>,
    /// 1, or for gaussian Σ (y − μ)² / (n − K); none where n ≤ K.
    pub dispersion: Option<f64>,
    /// Without constants that do not depend on μ (`Family::log_constant`); for gaussian at the maximum over the variance, with all.
    pub log_likelihood: f64,
    /// Rows in the fit.
    pub rows: f64,
}

/// The fit as a sandwich wants it, on the response scale: rows D X, W = 1 / V and Φ = V, one entry for each used cell of n rows.
#[derive(Debug, Clone)]
pub struct Working {
    /// One row of `kept.len()` numbers a cell.
    pub x: Vec<f64>,
    /// Rows of each cell.
    pub n: Vec<f64>,
    /// 1 / V.
    pub weight: Vec<f64>,
    /// V.
    pub phi: Vec<f64>,
    /// Σ (y − μ) over the rows of the cell.
    pub e: Vec<f64>,
    /// Σ (y − μ)² over the rows of the cell.
    pub ee: Vec<f64>,
    /// Of each cell.
    pub cluster: Vec<u32>,
}

/// Fits Σ y of the cells on their columns. Refuses no data, outcomes the family cannot have, a link that is not the family's, an
/// outcome without variation, and complete separation.
///
/// ```
/// # use vecino_stats::cells::Cells;
/// # use vecino_stats::family::{Family, Link};
/// # use vecino_stats::generalised::fit;
/// let mut cells = Cells::new(2);
/// cells.push(0, &[1.0, 0.0], 40.0, 10.0, 10.0); // 10 of 40
/// cells.push(1, &[1.0, 1.0], 50.0, 30.0, 30.0); // 30 of 50
/// let fit = fit(&cells, Family::Binomial, Link::Logit)?;
/// assert!((fit.beta[1] - 4.5_f64.ln()).abs() < 1e-13); // the log odds ratio
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn fit(cells: &Cells, family: Family, link: Link) -> Result<Fit, Refusal> {
    prepared(cells, family, link).map(|(fit, _, _)| fit)
}

/// The fit with its basis and the basis coefficients, for models that start from it.
pub(super) fn prepared(cells: &Cells, family: Family, link: Link) -> Result<(Fit, Basis, DVector<f64>), Refusal> {
    if !family.allows(link) {
        return Err(Refusal::NotOffered);
    }
    family.check(cells)?;
    if cells.is_flat() {
        return Err(Refusal::NoVariation);
    }
    let all: Vec<usize> = (0..cells.len()).filter(|c| cells.n[*c] > 0.0).collect();
    let columns: Vec<usize> = (0..cells.width).collect();
    let mut whole = Basis::of(cells, all.clone(), &columns);
    whole.dropped.clear();
    let entered = whole.kept.clone();
    if entered.is_empty() {
        return Err(Refusal::NoData);
    }
    let collinear = columns.into_iter().filter(|j| !entered.contains(j)).collect();
    let used = without_pure_columns(cells, family, all.clone(), &entered);
    let mut basis = if used.len() == all.len() { whole } else { Basis::of(cells, used, &entered) };
    // Which cells are separated does not depend on the link; the logit shows them best. Each round takes some away.
    let mut tried = if family == Family::Binomial { Link::Logit } else { link };
    let (theta, points) = loop {
        if basis.used.is_empty() {
            return Err(Refusal::Separated);
        }
        match maximise(cells, &basis, family, tried)? {
            Outcome::Maximum(theta, points) if tried == link => break (theta, points),
            Outcome::Maximum(..) => tried = link,
            Outcome::Separated(leave) => {
                let stay = basis.used.iter().zip(&leave).filter(|(_, leave)| !**leave).map(|(c, _)| *c).collect();
                let stay = without_pure_columns(cells, family, stay, &entered);
                basis = Basis::of(cells, stay, &entered);
            }
        }
    };
    let lost = |j: &usize| !basis.kept.contains(j) || basis.dropped.iter().any(|(_, made_of)| made_of.iter().any(|(i, _)| i == j));
    let separated: Vec<usize> = entered.iter().copied().filter(lost).collect();
    if separated.len() == entered.len() {
        return Err(Refusal::Separated);
    }
    let w: Vec<f64> = basis.used.iter().zip(&points).map(|(c, p)| cells.n[*c] * p.d * p.d / p.v).collect();
    let information = Cholesky::new(gram(&basis, &w)).ok_or(Refusal::NotFinite)?.inverse();
    let at = |f: &dyn Fn(&Point, usize) -> f64| basis.used.iter().zip(&points).map(|(c, p)| f(p, *c)).collect::<Vec<f64>>();
    let ee = at(&|p, c| family.residual_squares(p, cells.n[c], cells.y[c], cells.within[c]));
    let rows: f64 = basis.used.iter().map(|c| cells.n[*c]).sum();
    let (spare, squares) = (rows - basis.width() as f64, ee.iter().sum::<f64>());
    let fit = Fit {
        family,
        link,
        kept: basis.kept.clone(),
        beta: &basis.back * &theta,
        collinear,
        separated,
        mu: at(&|p, _| p.mu),
        d: at(&|p, _| p.d),
        v: at(&|p, _| p.v),
        e: at(&|p, c| family.residual(p, cells.n[c], cells.y[c])),
        ee,
        m: basis.covariance(&information),
        dispersion: if family == Family::Gaussian { (spare > 0.0).then(|| squares / spare) } else { Some(1.0) },
        log_likelihood: match family {
            Family::Gaussian => -0.5 * rows * ((std::f64::consts::TAU * (squares / rows).max(f64::MIN_POSITIVE)).ln() + 1.0),
            _ => likelihood(cells, &basis, family, &points),
        },
        used: basis.used.clone(),
        rows,
    };
    let finite = fit.beta.iter().chain(fit.m.iter()).all(|v| v.is_finite());
    if finite { Ok((fit, basis, theta)) } else { Err(Refusal::NotFinite) }
}

impl Fit {
    /// Where column `column` of the cells stands in `beta`. Refuses a collinear and a separated one.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::{Family, Link};
    /// # use vecino_stats::generalised::fit;
    /// let mut cells = Cells::new(2);
    /// cells.push(0, &[1.0, 0.0], 40.0, 10.0, 10.0); // 10 of 40
    /// cells.push(1, &[1.0, 1.0], 50.0, 30.0, 30.0); // 30 of 50
    /// let fit = fit(&cells, Family::Binomial, Link::Logit)?;
    /// assert_eq!(fit.position(1), Ok(1));
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn position(&self, column: usize) -> Result<usize, Refusal> {
        position(&self.kept, &self.separated, column)
    }

    /// φ (X'WX)⁻¹, kept × kept. Refuses n ≤ K where φ is estimated.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::{Family, Link};
    /// # use vecino_stats::generalised::fit;
    /// let mut cells = Cells::new(2);
    /// cells.push(0, &[1.0, 0.0], 40.0, 10.0, 10.0); // 10 of 40
    /// cells.push(1, &[1.0, 1.0], 50.0, 30.0, 30.0); // 30 of 50
    /// let fit = fit(&cells, Family::Binomial, Link::Logit)?;
    /// let variance = fit.classical()?[(1, 1)];
    /// assert!((variance - (1.0 / 10.0 + 1.0 / 30.0 + 1.0 / 30.0 + 1.0 / 20.0)).abs() < 1e-13);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn classical(&self) -> Result<DMatrix<f64>, Refusal> {
        self.dispersion.map(|phi| &self.m * phi).ok_or(Refusal::NoResidual)
    }

    /// The working rows; `cells` are those of the fit.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::family::{Family, Link};
    /// # use vecino_stats::generalised::fit;
    /// let mut cells = Cells::new(2);
    /// cells.push(0, &[1.0, 0.0], 40.0, 10.0, 10.0); // 10 of 40
    /// cells.push(1, &[1.0, 1.0], 50.0, 30.0, 30.0); // 30 of 50
    /// let fit = fit(&cells, Family::Binomial, Link::Logit)?;
    /// let working = fit.working(&cells);
    /// assert!((working.phi[0] - 0.25 * 0.75).abs() < 1e-13 && working.cluster == [0, 1]);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn working(&self, cells: &Cells) -> Working {
        let of = |all: &[f64]| self.used.iter().map(|c| all[*c]).collect::<Vec<f64>>();
        Working {
            x: self.used.iter().zip(&self.d).flat_map(|(c, d)| self.kept.iter().map(move |j| d * cells.x[c * cells.width + j])).collect(),
            n: of(&cells.n),
            weight: self.v.iter().map(|v| 1.0 / v).collect(),
            phi: self.v.clone(),
            e: self.e.clone(),
            ee: self.ee.clone(),
            cluster: self.used.iter().map(|c| cells.cluster[*c]).collect(),
        }
    }
}

pub(super) fn position(kept: &[usize], separated: &[usize], column: usize) -> Result<usize, Refusal> {
    if separated.contains(&column) {
        return Err(Refusal::Separated);
    }
    kept.iter().position(|k| *k == column).ok_or(Refusal::Collinear)
}

/// The warning for a coefficient that is infinite.
///
/// ```
/// # use vecino_stats::generalised::separation_warning;
/// assert!(separation_warning("arm[plan]").contains("arm[plan]"));
/// ```
pub fn separation_warning(term: &str) -> String {
    format!(
        "{term}: its rows all have one outcome or are perfectly predicted, so the coefficient is infinite; the others are fitted without those rows"
    )
}

/// Drops the cells of 0/1 columns whose rows all have one outcome, until there are none.
fn without_pure_columns(cells: &Cells, family: Family, mut used: Vec<usize>, columns: &[usize]) -> Vec<usize> {
    if family == Family::Gaussian {
        return used;
    }
    let x = |c: usize, j: usize| cells.x[c * cells.width + j];
    let mut open: Vec<usize> = columns.iter().copied().filter(|j| used.iter().all(|c| x(*c, *j) == 0.0 || x(*c, *j) == 1.0)).collect();
    loop {
        let pure = |j: usize| {
            let mut pulls = used.iter().filter(|c| x(**c, j) == 1.0).map(|c| family.pull(cells.n[*c], cells.y[*c]));
            pulls.next().is_some_and(|first| first != 0 && pulls.all(|pull| pull == first))
        };
        let Some(j) = open.iter().copied().find(|j| pure(*j)) else { return used };
        used.retain(|c| x(*c, j) == 0.0);
        open.retain(|other| *other != j);
    }
}

enum Outcome {
    Maximum(DVector<f64>, Vec<Point>),
    /// Which of the basis's cells lie on the far side.
    Separated(Vec<bool>),
}

fn maximise(cells: &Cells, basis: &Basis, family: Family, link: Link) -> Result<Outcome, Refusal> {
    let pulls: Vec<i8> = basis.used.iter().map(|c| family.pull(cells.n[*c], cells.y[*c])).collect();
    let points_at = |eta: &[f64]| eta.iter().map(|eta| family.at(link, *eta)).collect::<Vec<Point>>();
    // Least squares on the cells' own means, drawn half a row towards the middle.
    let own = basis.used.iter().map(|c| (cells.y[*c] + 0.5) / (cells.n[*c] + 1.0));
    let own: Vec<f64> = match (family, link) {
        (Family::Gaussian, Link::Identity) => vec![0.0; basis.used.len()],
        (Family::Gaussian, _) => own.map(|mean| mean.max(1e-3)).collect(),
        _ => own.collect(),
    };
    let start: Vec<f64> = own.iter().map(|mean| link.of(*mean).unwrap_or(0.0)).collect();
    let w: Vec<f64> = basis.used.iter().zip(points_at(&start)).map(|(c, p)| cells.n[*c] * p.d * p.d / p.v).collect();
    let target: Vec<f64> = w.iter().zip(&start).map(|(w, eta)| w * eta).collect();
    let mut theta = step(basis, &w, &target)?;
    let mut eta = basis.times(&theta);
    let mut points = points_at(&eta);
    let mut reached = likelihood(cells, basis, family, &points);
    let mut halted = 0;
    for round in 0..200 {
        let at = || basis.used.iter().zip(&points).map(|(c, p)| (cells.n[*c], cells.y[*c], p));
        let w: Vec<f64> = at().map(|(n, y, p)| family.curvature(link, p, n, y)).collect();
        let u: Vec<f64> = at().map(|(n, y, p)| family.score(p, n, y)).collect();
        let mut delta = step(basis, &w, &u)?;
        let mut moved = basis.times(&delta);
        if round > 3
            && let Some(leave) = recession(cells, basis, &pulls, (&points, &theta), 1e-4, true)
        {
            return Ok(Outcome::Separated(leave));
        }
        for halving in 0.. {
            let next: Vec<f64> = eta.iter().zip(&moved).map(|(eta, by)| eta + by).collect();
            let there = points_at(&next);
            let value = likelihood(cells, basis, family, &there);
            if value >= reached - 1e-11 * (1.0 + reached.abs()) || halving == 40 {
                theta += &delta;
                (eta, points, reached) = (next, there, value);
                break;
            }
            delta *= 0.5;
            moved.iter_mut().for_each(|by| *by *= 0.5);
        }
        let size = eta.iter().fold(1.0_f64, |most, eta| most.max(eta.abs()));
        let motion = moved.iter().fold(0.0_f64, |most, by| most.max(by.abs())) / size;
        halted = if motion < 1e-9 { halted + 1 } else { 0 };
        if motion < 1e-12 || halted >= 5 && round > 20 {
            return Ok(Outcome::Maximum(theta, points));
        }
    }
    // A maximum so far out that the likelihood is flat around it is no better than none.
    recession(cells, basis, &pulls, (&points, &theta), 1e-9, false).map(Outcome::Separated).ok_or(Refusal::NotConverged)
}

/// Which cells lie in a direction in which the likelihood only rises. The suspects are cells of one outcome that are fitted to `within`; if
/// the columns of all others depend on each other, the share of β in their null space moves the suspects alone, and it is such a direction
/// if it moves each towards its outcome. Suspects that it does not are taken off the list, unless there is no `proof` wanted.
fn recession(cells: &Cells, basis: &Basis, pulls: &[i8], (points, theta): (&[Point], &DVector<f64>), within: f64, proof: bool) -> Option<Vec<bool>> {
    let fitted = |i: usize| if pulls[i] < 0 { points[i].mu } else { points[i].other };
    let mut suspect: Vec<bool> = (0..pulls.len()).map(|i| pulls[i] != 0 && fitted(i) < within).collect();
    let beta = &basis.back * theta;
    while suspect.contains(&true) {
        let others = basis.used.iter().zip(&suspect).filter(|(_, suspect)| !**suspect).map(|(c, _)| *c).collect();
        let others = Basis::of(cells, others, &basis.kept);
        if others.dropped.is_empty() {
            return None;
        }
        let mut direction = vec![0.0; cells.width];
        for (column, made_of) in &others.dropped {
            let share = basis.kept.iter().position(|j| j == column).map_or(0.0, |at| beta[at]);
            direction[*column] += share;
            made_of.iter().for_each(|(j, coefficient)| direction[*j] -= share * coefficient);
        }
        let towards = |i: usize| {
            let parts = || cells.row(basis.used[i]).iter().zip(&direction).map(|(x, d)| x * d);
            f64::from(pulls[i]) * parts().sum::<f64>() > 1e-9 * parts().map(f64::abs).sum::<f64>()
        };
        let astray: Vec<usize> = (0..pulls.len()).filter(|i| proof && suspect[*i] && !towards(*i)).collect();
        if astray.is_empty() {
            return Some(suspect);
        }
        astray.into_iter().for_each(|i| suspect[i] = false);
    }
    None
}

fn likelihood(cells: &Cells, basis: &Basis, family: Family, points: &[Point]) -> f64 {
    basis.used.iter().zip(points).map(|(c, p)| family.log_likelihood(p, cells.n[*c], cells.y[*c], cells.within[*c])).sum()
}

fn gram(basis: &Basis, w: &[f64]) -> DMatrix<f64> {
    let k = basis.width();
    let (mut a, mut none) = (DMatrix::zeros(k, k), DVector::zeros(k));
    basis.accumulate(w, &vec![0.0; w.len()], &mut a, &mut none);
    mirror(&mut a);
    a
}

/// (Q'WQ)⁻¹ Q'u, held back where all weights have all but vanished: there only separation leads.
fn step(basis: &Basis, w: &[f64], u: &[f64]) -> Result<DVector<f64>, Refusal> {
    let k = basis.width();
    let (mut a, mut b) = (DMatrix::zeros(k, k), DVector::zeros(k));
    basis.accumulate(w, u, &mut a, &mut b);
    mirror(&mut a);
    let ridge = 1e-11 * a.diagonal().iter().fold(f64::MIN_POSITIVE, |most, v| most.max(*v));
    a.iter_mut().step_by(k + 1).for_each(|v| *v += ridge);
    let solved = Cholesky::new(a).ok_or(Refusal::NotFinite)?.solve(&b);
    if solved.iter().all(|v| v.is_finite()) { Ok(solved) } else { Err(Refusal::NotFinite) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(width: usize, rows: &[(&[f64], f64, f64)]) -> Cells {
        let mut cells = Cells::new(width);
        rows.iter().for_each(|(x, n, y)| cells.push(0, x, *n, *y, *y));
        cells
    }

    #[test]
    fn two_shares_give_their_log_odds_ratio_and_its_classical_variance() {
        let fit = fit(&cells(2, &[(&[1.0, 0.0], 40.0, 10.0), (&[1.0, 1.0], 50.0, 30.0)]), Family::Binomial, Link::Logit).unwrap();
        assert!((fit.beta[0] - (10.0_f64 / 30.0).ln()).abs() < 1e-13);
        assert!((fit.beta[1] - (30.0_f64 / 20.0 * 3.0).ln()).abs() < 1e-13);
        assert!((fit.classical().unwrap()[(1, 1)] - (1.0 / 10.0 + 1.0 / 30.0 + 1.0 / 30.0 + 1.0 / 20.0)).abs() < 1e-13);
    }

    #[test]
    fn cells_and_their_rows_give_the_same_numbers() {
        let tallies = cells(2, &[(&[1.0, 0.3], 3.0, 1.0), (&[1.0, 1.2], 4.0, 3.0), (&[1.0, -0.4], 5.0, 1.0)]);
        let mut rows = Cells::new(2);
        for c in 0..3 {
            (0..tallies.n[c] as usize).for_each(|i| {
                let y = f64::from(u8::from((i as f64) < tallies.y[c]));
                rows.push(0, tallies.row(c), 1.0, y, y);
            });
        }
        for link in [Link::Logit, Link::Cloglog] {
            let (one, other) = (fit(&tallies, Family::Binomial, link).unwrap(), fit(&rows, Family::Binomial, link).unwrap());
            assert!((one.beta - other.beta).amax() < 1e-12 && (one.m - other.m).amax() < 1e-12);
            assert!((one.log_likelihood - other.log_likelihood).abs() < 1e-12);
        }
    }

    #[test]
    fn an_arm_of_one_outcome_leaves_the_others_as_they_are_without_it() {
        let arms: [(&[f64], f64, f64); 3] = [(&[1.0, 0.0, 0.0], 40.0, 10.0), (&[1.0, 1.0, 0.0], 50.0, 30.0), (&[1.0, 0.0, 1.0], 30.0, 0.0)];
        let fit = fit(&cells(3, &arms), Family::Binomial, Link::Logit).unwrap();
        assert_eq!((fit.separated.as_slice(), fit.kept.as_slice(), fit.rows), (&[2][..], &[0, 1][..], 90.0));
        assert!((fit.beta[1] - 4.5_f64.ln()).abs() < 1e-13);
    }

    #[test]
    fn a_reference_of_one_outcome_makes_all_its_contrasts_infinite_but_not_the_covariate() {
        let rows: Vec<(Vec<f64>, f64, f64)> = (0..12)
            .map(|i| {
                let (arm, z) = (i % 3, f64::from(i / 3));
                (
                    vec![1.0, f64::from(u8::from(arm == 1)), f64::from(u8::from(arm == 2)), z],
                    10.0,
                    if arm == 0 { 0.0 } else { 2.0 + z + f64::from(arm) },
                )
            })
            .collect();
        let all = rows.iter().map(|(x, n, y)| (x.as_slice(), *n, *y)).collect::<Vec<_>>();
        let whole = fit(&cells(4, &all), Family::Binomial, Link::Logit).unwrap();
        assert_eq!(whole.separated, [0, 1, 2]);
        let rest: Vec<_> = all.iter().filter(|(x, ..)| x[1] + x[2] > 0.0).copied().collect();
        let alone = fit(&cells(4, &rest), Family::Binomial, Link::Logit).unwrap();
        let slope = |fit: &Fit| fit.beta[fit.position(3).unwrap()];
        assert!((slope(&whole) - slope(&alone)).abs() < 1e-12);
        assert_eq!(whole.position(1), Err(Refusal::Separated));
    }

    #[test]
    fn a_continuous_column_that_splits_the_outcome_is_refused_whatever_the_link() {
        let rows: Vec<(Vec<f64>, f64)> = (0..10).map(|i| (vec![1.0, f64::from(i).powi(2)], f64::from(u8::from(i > 4)))).collect();
        let rows: Vec<_> = rows.iter().map(|(x, y)| (x.as_slice(), 1.0, *y)).collect();
        for link in [Link::Logit, Link::Cloglog] {
            assert_eq!(fit(&cells(2, &rows), Family::Binomial, link).unwrap_err(), Refusal::Separated);
        }
    }

    #[test]
    fn a_far_row_that_agrees_is_no_separation() {
        let rows: [(&[f64], f64, f64); 5] =
            [(&[1.0, -1.0], 10.0, 2.0), (&[1.0, 0.0], 10.0, 5.0), (&[1.0, 1.0], 10.0, 8.0), (&[1.0, 90.0], 1.0, 1.0), (&[1.0, -70.0], 1.0, 0.0)];
        let fit = fit(&cells(2, &rows), Family::Binomial, Link::Logit).unwrap();
        assert!(fit.separated.is_empty());
        assert!((fit.beta[1] - 4.0_f64.ln()).abs() < 1e-12, "{}", fit.beta[1]);
    }

    #[test]
    fn one_outcome_everywhere_and_impossible_outcomes_are_refused() {
        let flat: [(&[f64], f64, f64); 2] = [(&[1.0, 0.0], 4.0, 0.0), (&[1.0, 1.0], 4.0, 0.0)];
        assert_eq!(fit(&cells(2, &flat), Family::Binomial, Link::Logit).unwrap_err(), Refusal::NoVariation);
        let two: [(&[f64], f64, f64); 2] = [(&[1.0, 0.0], 1.0, 2.0), (&[1.0, 1.0], 4.0, 0.0)];
        assert_eq!(fit(&cells(2, &two), Family::Binomial, Link::Logit).unwrap_err(), Refusal::OutsideFamily);
        assert_eq!(fit(&cells(2, &two), Family::Poisson, Link::Cloglog).unwrap_err(), Refusal::NotOffered);
    }
}
