//! Cox regression: how covariates multiply the hazard of an event, whatever the baseline.
//!
//! Partial log-likelihood, d events tied at a time, R = Σ over those at risk of e^(x'β), D the same over those with the event:
//! Σ over event times of Σ_events x'β − Σ_(j<d) ln(R − f_j D), f_j = j/d (Efron 1977) or 0 (Breslow 1974); sums within baseline strata.
//! With m_j = (Σ x e^(x'β) − f_j Σ_events x e^(x'β))/(R − f_j D), the score of person i is event_i (x_i − mean of m_j at t_i) less
//! e^(x_i'β) Σ over event times t ≤ t_i of Σ_j (1 − f_j [event at t]) (x_i − m_j)/(R − f_j D). Robust covariance: I⁻¹ (Σ s_g s_g') I⁻¹ with
//! s_g the scores summed by cluster (Lin and Wei 1989), no factor. The d terms of a time enter through five scalars: Σ 1/(R − f_j D), the
//! same times f_j, and the squares times 1, f_j and f_j².

use super::Refusal;
pub use super::risk_sets::{Person, Ties};
use super::risk_sets::{RiskSets, Tied};
use nalgebra::{Cholesky, DMatrix, DVector};

/// Why a column has no coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Nothing beyond the strata and the columns before it, or nothing that an event could tell.
    Collinear,
    /// The likelihood rises for ever as the coefficient does: a level without events, or one that always comes first.
    Monotone,
}

/// β̂ (log hazard ratios a unit of the column), I⁻¹ and I⁻¹ (Σ s_g s_g') I⁻¹, both kept × kept in the columns as given.
#[derive(Debug, Clone, PartialEq)]
pub struct Cox {
    /// One a column.
    pub beta: Vec<Result<f64, Missing>>,
    /// Columns that were fitted; the covariances are in them.
    pub kept: Vec<usize>,
    /// Inverse of the information.
    pub model: DMatrix<f64>,
    /// By cluster; `None` for fewer than two.
    pub robust: Option<DMatrix<f64>>,
    /// Number of clusters.
    pub clusters: usize,
    /// Partial, at the maximum.
    pub log_likelihood: f64,
    /// Number of events.
    pub events: f64,
}

/// Fits the hazard on `width` columns, `x` row after row beside `people`. Refuses no event (`NoVariation`), nobody, numbers that are not
/// finite, and steps that do not end.
///
/// ```
/// # use vecino_stats::cox::{Person, Ties, cox};
/// let person = |(time, event)| Person { time, event, n: 1.0, stratum: 0, cluster: 0 };
/// let people = [(1.0, true), (1.0, false), (6.0, true), (6.0, true), (8.0, false), (9.0, true)].map(person);
/// // In closed form r = e^β solves r² − 3 r − 6 = 0.
/// let found = cox(&people, &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], 1, Ties::Breslow)?;
/// assert!((found.beta[0].unwrap() - ((3.0 + 33.0_f64.sqrt()) / 2.0).ln()).abs() < 1e-9);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn cox(people: &[Person], x: &[f64], width: usize, ties: Ties) -> Result<Cox, Refusal> {
    if people.is_empty() || width == 0 || x.len() != people.len() * width {
        return Err(Refusal::NoData);
    }
    if !(x.iter().all(|v| v.is_finite()) && people.iter().all(|p| p.time.is_finite() && p.n >= 0.0 && p.n.is_finite())) {
        return Err(Refusal::NotFinite);
    }
    let mut sets = RiskSets::new(people, x, width, ties);
    let events: f64 = sets.people.iter().filter(|p| p.event).map(|p| p.n).sum();
    if events == 0.0 {
        return Err(Refusal::NoVariation);
    }
    let scale = sets.standardise();
    let mut beta: Vec<Result<f64, Missing>> = vec![Err(Missing::Collinear); width];
    let mut at = DVector::zeros(width);
    let mut kept = sets.told(&at, sets.independent(), events);
    let mut value = Err(Refusal::NotConverged);
    for _ in 0..=2 * width {
        match sets.newton(&mut at, &kept)? {
            Ok(found) => {
                value = Ok(found);
                break;
            }
            // Where columns run away the likelihood has a limit: rows that fall behind are at risk no more. What the others tell of these
            // columns' contrasts is still fitted beside the rest, unless the columns run on alone.
            Err(runaway) => {
                let again = runaway.iter().all(|(column, _)| beta[*column] == Err(Missing::Monotone));
                sets.run_away(&runaway);
                for (column, _) in &runaway {
                    beta[*column] = Err(Missing::Monotone);
                }
                kept.retain(|k| !again || runaway.iter().all(|(column, _)| column != k));
                at = DVector::zeros(width);
                kept = sets.told(&at, kept, events);
            }
        }
    }
    let value = value?;
    let covariance = inverse(&value.information).ok_or(Refusal::NotFinite)?;
    let units = DMatrix::from_diagonal(&DVector::from_iterator(kept.len(), kept.iter().map(|k| 1.0 / scale[*k])));
    let (meat, clusters) = sets.meat(&at, &kept);
    let robust = (clusters > 1).then(|| &units * &covariance * meat * &covariance * &units);
    for column in &kept {
        if beta[*column] != Err(Missing::Monotone) {
            beta[*column] = Ok(at[*column] / scale[*column]);
        }
    }
    let model = &units * covariance * &units;
    let finite = model.iter().chain(robust.iter().flat_map(|m| m.iter())).chain(beta.iter().flatten()).all(|v| v.is_finite());
    if !finite {
        return Err(Refusal::NotFinite);
    }
    Ok(Cox { beta, kept, model, robust, clusters, log_likelihood: value.log_likelihood, events })
}

/// Partial log-likelihood with its first two derivatives in the kept columns.
struct Value {
    log_likelihood: f64,
    score: DVector<f64>,
    information: DMatrix<f64>,
}

impl RiskSets {
    /// Adds columns at a distance to every row's x'β, once and for all.
    fn run_away(&mut self, columns: &[(usize, f64)]) {
        for i in 0..self.people.len() {
            self.offset[i] += columns.iter().map(|(column, far)| self.row(i)[*column] * far).sum::<f64>();
        }
    }

    /// Of the kept columns, those of which the events tell something beyond the others before them.
    fn told(&self, at: &DVector<f64>, kept: Vec<usize>, events: f64) -> Vec<usize> {
        let information = self.value(at, &kept).information;
        let mut told: Vec<usize> = Vec::new();
        for i in 0..kept.len() {
            told.push(i);
            let own = information.select_rows(&told).select_columns(&told);
            let last = told.len() - 1;
            let tells = information[(i, i)] > 1e-12 * events && inverse(&own).is_some_and(|v| v[(last, last)] * information[(i, i)] < 1e12);
            if !tells {
                told.pop();
            }
        }
        told.into_iter().map(|i| kept[i]).collect()
    }

    /// Newton's steps to the top, halved where they overshoot. The inner error names the columns that run away, with a step far out.
    fn newton(&self, at: &mut DVector<f64>, kept: &[usize]) -> Result<Result<Value, Vec<(usize, f64)>>, Refusal> {
        let (mut value, mut before) = (self.value(at, kept), f64::INFINITY);
        for _ in 0..100 {
            // Where columns run away together the information decays to rounding; with a ridge the step still leads up.
            let ridged =
                |ridge: f64| inverse(&(&value.information + DMatrix::from_diagonal(&value.information.diagonal().map(|d| ridge * d.max(1e-12)))));
            let covariance = [0.0, 1e-9, 1e-6, 1e-3].into_iter().find_map(ridged).ok_or(Refusal::NotFinite)?;
            let step = covariance * &value.score;
            let gain = step.dot(&value.score);
            if !gain.is_finite() {
                return Err(Refusal::NotFinite);
            }
            // Down to rounding: as small as can be, or small and no longer shrinking.
            if gain < 1e-22 || (gain < 1e-14 && gain > 0.1 * before) {
                return Ok(Ok(value));
            }
            before = gain;
            let moved = |size: f64| {
                let mut to = at.clone();
                kept.iter().zip(step.iter()).for_each(|(k, s)| to[*k] += size * s);
                to
            };
            let reach = |i: usize| step[i].abs() * self.range[kept[i]];
            let furthest = (0..kept.len()).map(reach).fold(0.0, f64::max);
            // Nothing left to gain, yet far to go: what has a top is at it. The likelihood is concave: if it is no lower far out, it
            // never falls.
            if gain < 1e-10 && furthest > 0.3 {
                let size = 40.0 / furthest;
                if self.value(&moved(size), kept).log_likelihood >= value.log_likelihood - 1e-9 {
                    let far = (0..kept.len()).filter(|i| reach(*i) > 0.1);
                    return Ok(Err(far.map(|i| (kept[i], at[kept[i]] + size * step[i])).collect()));
                }
            }
            let slack = 1e-11 * (1.0 + value.log_likelihood.abs());
            let better = (0..40).map(|halvings| moved(0.5_f64.powi(halvings))).find_map(|to| {
                let next = self.value(&to, kept);
                (next.log_likelihood >= value.log_likelihood - slack).then_some((to, next))
            });
            let Some((to, next)) = better else { break };
            (*at, value) = (to, next);
        }
        Err(Refusal::NotConverged)
    }

    fn value(&self, at: &DVector<f64>, kept: &[usize]) -> Value {
        let k = kept.len();
        let mut value = Value { log_likelihood: 0.0, score: DVector::zeros(k), information: DMatrix::zeros(k, k) };
        self.walk(at, kept, |sums, _| {
            let tied = Tied::new(sums.d, sums.risk, sums.dying, self.ties);
            value.log_likelihood += sums.index - tied.logs - sums.d * sums.largest;
            for i in 0..k {
                value.score[i] += sums.events[i] - (tied.a * sums.first[i] - tied.fa * sums.dying_first[i]);
                for j in 0..=i {
                    let (r, d) = ((sums.first[i], sums.first[j]), (sums.dying_first[i], sums.dying_first[j]));
                    let means = tied.aa * r.0 * r.1 - tied.faa * (r.0 * d.1 + d.0 * r.1) + tied.ffaa * d.0 * d.1;
                    value.information[(i, j)] += tied.a * sums.second[(i, j)] - tied.fa * sums.dying_second[(i, j)] - means;
                }
            }
        });
        value.information.fill_upper_triangle_with_lower_triangle();
        value
    }

    /// Σ s_g s_g' over clusters, and their number.
    fn meat(&self, at: &DVector<f64>, kept: &[usize]) -> (DMatrix<f64>, usize) {
        struct Time {
            rows: std::ops::Range<usize>,
            largest: f64,
            a: f64,
            fa: f64,
            /// Means of x over the terms: plain, weighted by a_j, weighted by f_j a_j.
            mean: DVector<f64>,
            am: DVector<f64>,
            fam: DVector<f64>,
        }
        let mut times: Vec<Time> = Vec::new();
        self.walk(at, kept, |sums, rows| {
            let tied = Tied::new(sums.d, sums.risk, sums.dying, self.ties);
            let (x, dying) = (&sums.first, &sums.dying_first);
            let (mean, am) = ((x * tied.a - dying * tied.fa) / sums.d, x * tied.aa - dying * tied.faa);
            times.push(Time { rows, largest: sums.largest, a: tied.a, fa: tied.fa, mean, am, fam: x * tied.faa - dying * tied.ffaa });
        });
        let mut scores: std::collections::BTreeMap<u32, DVector<f64>> = std::collections::BTreeMap::new();
        let (mut hazard, mut means, mut now) = (0.0, DVector::zeros(kept.len()), None::<Time>);
        let mut stratum = None;
        for (i, person) in self.people.iter().enumerate().rev() {
            if stratum != Some(person.stratum) {
                (hazard, means, now, stratum) = (0.0, DVector::zeros(kept.len()), None, Some(person.stratum));
            }
            if times.last().is_some_and(|time| time.rows.contains(&i)) {
                let before = now.map(|time| time.largest);
                now = times.pop();
                if let Some(time) = &now {
                    // The largest risk falls with time; what has been added up is kept relative to it.
                    let shrink = before.map_or(0.0, |before| (time.largest - before).exp());
                    hazard = hazard * shrink + time.a;
                    means = means * shrink + &time.am;
                }
            }
            let score = scores.entry(person.cluster).or_insert_with(|| DVector::zeros(kept.len()));
            let Some(time) = &now else { continue };
            let x = DVector::from_iterator(kept.len(), kept.iter().map(|k| self.row(i)[*k]));
            let risk = (self.index(i, at) - time.largest).exp();
            let mut own = (&means - &x * hazard) * risk;
            if person.event {
                own += &x - &time.mean + (&x * time.fa - &time.fam) * risk;
            }
            *score += own * person.n;
        }
        let mut meat = DMatrix::zeros(kept.len(), kept.len());
        scores.values().for_each(|score| meat += score * score.transpose());
        (meat, scores.len())
    }
}

/// The inverse of a positive definite matrix, scaled to a unit diagonal first.
fn inverse(a: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    if a.diagonal().iter().any(|d| d.is_nan() || *d <= 0.0) {
        return None;
    }
    let scale = DMatrix::from_diagonal(&a.diagonal().map(|d| 1.0 / d.sqrt()));
    let inverse = &scale * Cholesky::new(&scale * a * &scale)?.inverse() * &scale;
    inverse.iter().all(|v| v.is_finite()).then_some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(rows: &[(f64, u8)]) -> Vec<Person> {
        rows.iter().map(|(time, event)| Person { time: *time, event: *event == 1, n: 1.0, stratum: 0, cluster: 0 }).collect()
    }

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{got} {want}");
    }

    // In closed form with r = e^β: Breslow r² − 3 r − 6 = 0, Efron r³ − 23 r − 30 = 0.
    #[test]
    fn the_small_worked_example_comes_out_under_both_rules_for_ties() {
        let rows = people(&[(1.0, 1), (1.0, 0), (6.0, 1), (6.0, 1), (8.0, 0), (9.0, 1)]);
        let x = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        let breslow = cox(&rows, &x, 1, Ties::Breslow).unwrap();
        near(breslow.beta[0].unwrap(), ((3.0 + 33.0_f64.sqrt()) / 2.0).ln());
        let efron = cox(&rows, &x, 1, Ties::Efron).unwrap();
        let third = (15.0 / (23.0_f64 / 3.0).powf(1.5)).acos() / 3.0;
        near(efron.beta[0].unwrap(), (2.0 * (23.0_f64 / 3.0).sqrt() * third.cos()).ln());
    }

    #[test]
    fn tallies_are_the_same_people_one_by_one_and_each_its_own_cluster_is_robust() {
        let mut rows = people(&[(2.0, 1), (2.0, 1), (3.0, 1), (5.0, 0), (2.0, 1), (4.0, 1), (4.0, 1), (7.0, 0)]);
        let x = [1.0, 1.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0];
        let alone = cox(&rows, &x, 1, Ties::Efron).unwrap();
        assert!(alone.robust.is_none());
        let two: Vec<Person> = std::iter::once(Person { n: 2.0, ..rows[0] }).chain(rows[2..].iter().copied()).collect();
        let tallied = cox(&two, &x[1..], 1, Ties::Efron).unwrap();
        near(tallied.beta[0].unwrap(), alone.beta[0].unwrap());
        near(tallied.model[(0, 0)], alone.model[(0, 0)]);
        rows.iter_mut().zip(0..).for_each(|(row, i)| row.cluster = i);
        assert_eq!(cox(&rows, &x, 1, Ties::Efron).unwrap().clusters, 8);
    }

    // Columns: a level nobody of which has the event, a constant, a covariate, its double. The covariate's is the fit without that level.
    #[test]
    fn a_runaway_column_and_a_collinear_one_have_no_number_and_spare_the_rest() {
        let rows = people(&[(1.0, 1), (2.0, 1), (3.0, 1), (4.0, 1), (5.0, 0), (2.5, 0), (6.0, 0), (1.5, 1)]);
        let covariate = [1.0, 0.0, 2.0, 1.0, 3.0, 1.0, 0.0, 2.0];
        let x: Vec<f64> = covariate.iter().enumerate().flat_map(|(i, v)| [f64::from(u8::from((5..7).contains(&i))), 1.0, *v, 2.0 * v]).collect();
        let found = cox(&rows, &x, 4, Ties::Efron).unwrap();
        assert_eq!((found.beta[0], found.beta[1], found.beta[3]), (Err(Missing::Monotone), Err(Missing::Collinear), Err(Missing::Collinear)));
        let (rows, covariate): (Vec<Person>, Vec<f64>) = [0, 1, 2, 3, 4, 7].map(|i| (rows[i], covariate[i])).into_iter().unzip();
        let without = cox(&rows, &covariate, 1, Ties::Efron).unwrap();
        near(found.beta[2].unwrap(), without.beta[0].unwrap());
        near(found.model[(0, 0)], without.model[(0, 0)]);
    }

    #[test]
    fn no_event_is_refused_and_columns_without_content_leave_nothing() {
        let constant = cox(&people(&[(1.0, 1), (2.0, 1)]), &[3.0, 3.0], 1, Ties::Efron).unwrap();
        assert!(constant.kept.is_empty() && constant.beta == [Err(Missing::Collinear)]);
        assert_eq!(cox(&people(&[(1.0, 0), (2.0, 0)]), &[0.0, 1.0], 1, Ties::Efron), Err(Refusal::NoVariation));
        assert_eq!(cox(&[], &[], 1, Ties::Efron), Err(Refusal::NoData));
    }
}
