//! Whether groups differ in their time to an event: the log-rank test, and one that is valid when whole clusters were randomised.
//!
//! At each event time d of n at risk have the event, d_g of n_g in group g. With the weight w = S(t−)^ρ of the stratum's own Kaplan-Meier
//! curve (Harrington and Fleming 1982; ρ = 0: Mantel 1966): O_g = Σ w d_g, E_g = Σ w d n_g/n and
//! V_gh = Σ w² d (n − d)/(n − 1) (n_g/n) ([g = h] − n_h/n), summed over strata; χ² = (O − E)' V⁻ (O − E) with the pseudo-inverse.
//!
//! Under cluster randomisation V is too small. But if only the labels of clusters move, the people at risk stay the same people, and
//! O_g − E_g = Σ over clusters c of group g of R_c, R_c = Σ over the people i of c of (w(t_i) event_i − Σ over event times t ≤ t_i of
//! w d/n): each cluster's sum of martingale residuals. R_c does not depend on the labels, so a permutation costs one sum over clusters.
//! The labels are permuted within strata; the statistic is (O − E)' P⁻ (O − E) with P the exact covariance over permutations,
//! P_gh = Σ over strata of Σ R_c²/(m − 1) · m_g ([g = h] − m_h/m), m clusters, m_g of them in g. With two groups it orders as |O − E|.

use super::Refusal;
use super::distribution::chi_squared_tail;
use super::survival::Spell;
use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// Observed and expected events of each group, and the test of their difference.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRank {
    /// Events of each group, weighted.
    pub observed: Vec<f64>,
    /// As many as there would be if the groups were alike.
    pub expected: Vec<f64>,
    /// The diagonal of V.
    pub variance: Vec<f64>,
    /// χ² and its p; `None` where no group is ever at risk beside another when an event happens.
    pub statistic: Option<f64>,
    /// Its tail.
    pub p: Option<f64>,
    /// The rank of V: groups less one, unless some were never at risk beside others.
    pub df: usize,
}

/// Compares groups 0..`groups` of tallied spells.
///
/// ```
/// # use vecino_stats::survival::{Spell, tally};
/// // One person a group, each a cluster; the first has the event first.
/// let spell = |time, group| Spell { time, event: true, n: 1.0, group, stratum: 0, cluster: group };
/// let spells = tally(vec![spell(1.0, 0), spell(2.0, 1)]);
/// # use vecino_stats::log_rank::log_rank;
/// let found = log_rank(&spells, 2, 0.0);
/// assert_eq!((found.observed[0], found.expected[0], found.variance[0]), (1.0, 0.5, 0.25));
/// assert!((found.statistic.unwrap() - 1.0).abs() < 1e-14);
/// ```
pub fn log_rank(spells: &[Spell], groups: usize, rho: f64) -> LogRank {
    let (mut observed, mut expected) = (DVector::zeros(groups), DVector::zeros(groups));
    let mut covariance = DMatrix::zeros(groups, groups);
    walk(spells, groups, rho, |now| {
        let n: f64 = now.at_risk.iter().sum();
        let d: f64 = now.events.iter().sum();
        let spread = if n > 1.0 { now.weight * now.weight * d * (n - d) / (n - 1.0) } else { 0.0 };
        for (g, (own, events)) in now.at_risk.iter().zip(now.events).enumerate().filter(|(_, (own, _))| **own > 0.0) {
            observed[g] += now.weight * events;
            expected[g] += now.weight * d * own / n;
            for (h, other) in now.at_risk.iter().enumerate() {
                covariance[(g, h)] += spread * own / n * (f64::from(u8::from(g == h)) - other / n);
            }
        }
    });
    let (inverse, df) = pseudo_inverse(&covariance);
    let statistic = (df > 0).then(|| form(&(&observed - &expected), &inverse));
    let p = statistic.and_then(|statistic| chi_squared_tail(statistic, df as f64));
    let list = |v: DVector<f64>| v.as_slice().to_vec();
    LogRank { observed: list(observed), expected: list(expected), variance: list(covariance.diagonal()), statistic, p, df }
}

/// What the test needs to know of one event time.
struct Moment<'a> {
    stratum: u32,
    time: f64,
    at_risk: &'a [f64],
    events: &'a [f64],
    weight: f64,
}

/// Visits the event times of each stratum in order.
fn walk(spells: &[Spell], groups: usize, rho: f64, mut visit: impl FnMut(Moment)) {
    for stratum in spells.chunk_by(|a, b| a.stratum == b.stratum) {
        let mut at_risk = vec![0.0; groups];
        for spell in stratum {
            at_risk[spell.group as usize] += spell.n;
        }
        let (mut survival, mut events) = (1.0_f64, vec![0.0; groups]);
        for now in stratum.chunk_by(|a, b| a.time == b.time) {
            events.fill(0.0);
            for spell in now.iter().filter(|spell| spell.event) {
                events[spell.group as usize] += spell.n;
            }
            let d: f64 = events.iter().sum();
            if d > 0.0 {
                let weight = if rho == 0.0 { 1.0 } else { survival.powf(rho) };
                visit(Moment { stratum: now[0].stratum, time: now[0].time, at_risk: &at_risk, events: &events, weight });
                survival *= (1.0 - d / at_risk.iter().sum::<f64>()).max(0.0);
            }
            for spell in now {
                at_risk[spell.group as usize] -= spell.n;
            }
        }
    }
}

/// A generalised inverse of V, which is scaled to a unit diagonal first, and the rank of V. For u in the column space of V every generalised
/// inverse gives the same u' V⁻ u.
fn pseudo_inverse(v: &DMatrix<f64>) -> (DMatrix<f64>, usize) {
    let largest = v.diagonal().iter().copied().fold(0.0, f64::max);
    let scale = v.diagonal().map(|own| if own > 1e-14 * largest { 1.0 / own.sqrt() } else { 0.0 });
    let own = DMatrix::from_fn(v.nrows(), v.ncols(), |g, h| v[(g, h)] * scale[g] * scale[h]).symmetric_eigen();
    let used: Vec<usize> = (0..v.nrows()).filter(|i| own.eigenvalues[*i] > 1e-10).collect();
    let half = DMatrix::from_diagonal(&scale)
        * own.eigenvectors.select_columns(&used)
        * DMatrix::from_diagonal(&own.eigenvalues.select_rows(&used).map(|value| 1.0 / value.sqrt()));
    (&half * half.transpose(), used.len())
}

fn form(u: &DVector<f64>, inverse: &DMatrix<f64>) -> f64 {
    u.dot(&(inverse * u)).max(0.0)
}

/// A cluster's sum of residuals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Where it stands.
    pub stratum: u32,
    /// Which one.
    pub cluster: u32,
    /// Its label.
    pub group: u32,
    /// Its sum.
    pub residual: f64,
}

/// R_c of every cluster, by stratum. `None` if a cluster stands in two groups or in two strata: then it was not randomised as one.
///
/// ```
/// # use vecino_stats::survival::{Spell, tally};
/// // One person a group, each a cluster; the first has the event first.
/// let spell = |time, group| Spell { time, event: true, n: 1.0, group, stratum: 0, cluster: group };
/// let spells = tally(vec![spell(1.0, 0), spell(2.0, 1)]);
/// # use vecino_stats::log_rank::scores;
/// let scores = scores(&spells, 2, 0.0).unwrap(); // O − E of each cluster
/// assert!((scores[0].residual - 0.5).abs() < 1e-14 && (scores[1].residual + 0.5).abs() < 1e-14);
/// ```
pub fn scores(spells: &[Spell], groups: usize, rho: f64) -> Option<Vec<Score>> {
    let mut hazards: Vec<(u32, f64, f64, f64)> = Vec::new();
    walk(spells, groups, rho, |now| {
        let (d, n): (f64, f64) = (now.events.iter().sum(), now.at_risk.iter().sum());
        let before = hazards.last().filter(|last| last.0 == now.stratum).map_or(0.0, |last| last.2);
        hazards.push((now.stratum, now.time, before + now.weight * d / n, now.weight));
    });
    let mut found: std::collections::BTreeMap<u32, Score> = std::collections::BTreeMap::new();
    let mut last = None;
    let mut place = 0;
    for spell in spells {
        let Spell { stratum, cluster, group, .. } = *spell;
        while hazards.get(place).is_some_and(|now| (now.0, now.1) <= (stratum, spell.time)) {
            last = Some(hazards[place]);
            place += 1;
        }
        let (hazard, weight) = last.filter(|now| now.0 == stratum).map_or((0.0, 0.0), |now| (now.2, now.3));
        let score = found.entry(cluster).or_insert(Score { stratum, cluster, group, residual: 0.0 });
        if (score.stratum, score.group) != (stratum, group) {
            return None;
        }
        score.residual += spell.n * (if spell.event { weight } else { 0.0 } - hazard);
    }
    let mut out: Vec<Score> = found.into_values().collect();
    out.sort_by_key(|score| score.stratum);
    Some(out)
}

/// How the statistic stands among relabellings of whole clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Permuted {
    /// As observed.
    pub statistic: f64,
    /// Its tail.
    pub p: f64,
    /// Relabellings that were made.
    pub draws: u32,
    /// Whether they are all there are.
    pub exact: bool,
}

/// The share of relabellings whose statistic is at least the one observed, ties within 1e-10 counted: of all of them if they are no more
/// than `draws`, otherwise (1 + count)/(1 + draws) of so many drawn. Refuses fewer than two clusters, and labels that cannot move.
///
/// ```
/// # use vecino_stats::survival::{Spell, tally};
/// // One person a group, each a cluster; the first has the event first.
/// let spell = |time, group| Spell { time, event: true, n: 1.0, group, stratum: 0, cluster: group };
/// let spells = tally(vec![spell(1.0, 0), spell(2.0, 1)]);
/// # use vecino_stats::{log_rank::{permute, scores}, random::seeded};
/// let found = permute(&scores(&spells, 2, 0.0).unwrap(), 2, 100, &mut seeded(1, "log-rank"))?;
/// assert_eq!((found.draws, found.exact, found.p), (2, true, 1.0)); // either way round says as much
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn permute(scores: &[Score], groups: usize, draws: u32, random: &mut ChaCha20Rng) -> Result<Permuted, Refusal> {
    if scores.len() < 2 {
        return Err(Refusal::OneCluster);
    }
    let strata: Vec<Stratum> = scores.chunk_by(|a, b| a.stratum == b.stratum).map(|own| Stratum::new(own, groups)).collect();
    let mut covariance = DMatrix::zeros(groups, groups);
    for stratum in &strata {
        stratum.add_covariance(&mut covariance);
    }
    let (inverse, rank) = pseudo_inverse(&covariance);
    if rank == 0 {
        return Err(Refusal::NoVariance);
    }
    let mut observed = DVector::zeros(groups);
    strata.iter().for_each(|stratum| stratum.add(&stratum.labels, &mut observed));
    let statistic = form(&observed, &inverse);
    let reaches = |u: &DVector<f64>| u32::from(form(u, &inverse) >= statistic - 1e-10 * statistic.max(1.0));
    let all = strata.iter().fold(1.0, |all, stratum| all * stratum.assignments());
    if all <= f64::from(draws) {
        let mut totals = vec![DVector::zeros(groups)];
        for stratum in &strata {
            let own = stratum.all(groups);
            totals = totals.iter().flat_map(|total| own.iter().map(move |sum| total + sum)).collect();
        }
        let count: u32 = totals.iter().map(reaches).sum();
        return Ok(Permuted { statistic, p: f64::from(count) / totals.len() as f64, draws: totals.len() as u32, exact: true });
    }
    let mut labels: Vec<Vec<u32>> = strata.iter().map(|stratum| stratum.labels.clone()).collect();
    let mut count = 0;
    for _ in 0..draws {
        let mut total = DVector::zeros(groups);
        for (stratum, own) in strata.iter().zip(&mut labels) {
            shuffle(own, random);
            stratum.add(own, &mut total);
        }
        count += reaches(&total);
    }
    Ok(Permuted { statistic, p: (1.0 + f64::from(count)) / (1.0 + f64::from(draws)), draws, exact: false })
}

struct Stratum {
    residuals: Vec<f64>,
    labels: Vec<u32>,
    sizes: Vec<usize>,
}

impl Stratum {
    fn new(scores: &[Score], groups: usize) -> Stratum {
        let mut sizes = vec![0; groups];
        scores.iter().for_each(|score| sizes[score.group as usize] += 1);
        Stratum { residuals: scores.iter().map(|s| s.residual).collect(), labels: scores.iter().map(|s| s.group).collect(), sizes }
    }

    fn add(&self, labels: &[u32], sums: &mut DVector<f64>) {
        for (residual, label) in self.residuals.iter().zip(labels) {
            sums[*label as usize] += residual;
        }
    }

    /// The residuals of a stratum sum to 0, so that their mean need not be taken off.
    fn add_covariance(&self, covariance: &mut DMatrix<f64>) {
        let m = self.residuals.len() as f64;
        if m < 2.0 {
            return;
        }
        let spread = self.residuals.iter().map(|r| r * r).sum::<f64>() / (m - 1.0);
        for (g, own) in self.sizes.iter().enumerate().filter(|(_, own)| **own > 0) {
            for (h, other) in self.sizes.iter().enumerate() {
                let diagonal = if g == h { 1.0 } else { 0.0 };
                covariance[(g, h)] += spread * *own as f64 * (diagonal - *other as f64 / m);
            }
        }
    }

    /// m! / Π m_g!
    fn assignments(&self) -> f64 {
        let (mut count, mut placed) = (1.0, 0);
        for size in &self.sizes {
            for i in 1..=*size {
                placed += 1;
                count = (count * placed as f64 / i as f64).min(1e300);
            }
        }
        count.round()
    }

    /// The sums of every assignment, in the lexicographic order of its labels.
    fn all(&self, groups: usize) -> Vec<DVector<f64>> {
        let mut labels = self.labels.clone();
        labels.sort_unstable();
        let mut out = Vec::new();
        loop {
            let mut sums = DVector::zeros(groups);
            self.add(&labels, &mut sums);
            out.push(sums);
            let Some(i) = labels.windows(2).rposition(|pair| pair[0] < pair[1]) else { return out };
            let j = labels.iter().rposition(|label| *label > labels[i]).unwrap_or(i);
            labels.swap(i, j);
            labels[i + 1..].reverse();
        }
    }
}

fn shuffle(labels: &mut [u32], random: &mut ChaCha20Rng) {
    for i in (1..labels.len()).rev() {
        let j = (u128::from(random.next_u64()) * (i as u128 + 1)) >> 64;
        labels.swap(i, j as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::super::survival::{tally, tests::spell};
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-10 * want.abs().max(1.0), "{got} {want}");
    }

    // Freireich et al. (1963): remission under placebo against 6-MP; expected 10.75 and 19.25, chi-squared 16.79, in every textbook.
    #[test]
    fn the_textbook_test_comes_out() {
        let placebo = [1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.0, 8.0, 8.0, 8.0, 8.0, 11.0, 11.0, 12.0, 12.0, 15.0, 17.0, 22.0, 23.0];
        let events = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let lost = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
        let rows = placebo.iter().map(|t| (*t, 1, 1.0, 0, 0, 0)).chain(events.iter().map(|t| (*t, 1, 1.0, 1, 0, 0)));
        let spells = tally(rows.chain(lost.iter().map(|t| (*t, 0, 1.0, 1, 0, 0))).map(spell).collect());
        let found = log_rank(&spells, 3, 0.0);
        assert!((found.expected[0] - 10.75).abs() < 5e-3 && (found.statistic.unwrap() - 16.79).abs() < 5e-3, "{found:?}");
        assert_eq!((found.observed[0], found.df, found.variance[2]), (21.0, 1, 0.0));
    }

    // Two strata of four clusters, two a group: 36 assignments, each recomputed from scratch.
    #[test]
    fn residual_sums_give_every_permutation_of_whole_clusters() {
        let rows: Vec<_> =
            (0..48).map(|i| (f64::from(1 + (i * 7 + i / 5) % 9), u8::from(i % 4 != 0), 1.0, i % 4 / 2, i / 24, i / 24 * 4 + i % 4)).collect();
        let test = |relabel: &dyn Fn(u32) -> u32| {
            let spells = tally(rows.iter().map(|row| Spell { group: relabel(row.5), ..spell(*row) }).collect());
            let found = log_rank(&spells, 2, 1.0);
            (found.observed[0] - found.expected[0], spells)
        };
        let (observed, spells) = test(&|c| c % 4 / 2);
        let scores = scores(&spells, 2, 1.0).unwrap();
        near(scores.iter().filter(|s| s.group == 0).map(|s| s.residual).sum(), observed);
        let pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
        let all = pairs.iter().flat_map(|a| pairs.iter().map(move |b| [a[0], a[1], b[0] + 4, b[1] + 4]));
        let count = all.filter(|zero| test(&|c| u32::from(!zero.contains(&c))).0.abs() >= observed.abs() - 1e-10).count();
        let found = permute(&scores, 2, 10_000, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
        assert_eq!((found.draws, found.exact, found.p), (36, true, count as f64 / 36.0));
        let drawn = permute(&scores, 2, 35, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
        assert!(!drawn.exact && drawn.p >= 1.0 / 36.0 && drawn.statistic == found.statistic);
    }

    // Over all assignments of three groups the statistic has mean (groups − 1): its covariance is the exact one.
    #[test]
    fn the_covariance_is_the_exact_one() {
        let rows = (0..30).map(|i| (f64::from(1 + i * i % 11), u8::from(i % 3 != 1), 1.0 + f64::from(i % 2), i % 6 / 2, 0, i % 6));
        let spells = tally(rows.map(spell).collect());
        let scores = scores(&spells, 3, 0.0).unwrap();
        let stratum = Stratum::new(&scores, 3);
        let mut covariance = DMatrix::zeros(3, 3);
        stratum.add_covariance(&mut covariance);
        let all = stratum.all(3);
        assert_eq!(all.len(), 90);
        near(all.iter().map(|u| form(u, &pseudo_inverse(&covariance).0)).sum::<f64>() / 90.0, 2.0);
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        let alone = tally(vec![spell((1.0, 1, 5.0, 0, 0, 0)), spell((2.0, 1, 5.0, 1, 1, 1))]);
        assert_eq!(log_rank(&alone, 2, 0.0).statistic, None);
        let mut random = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(permute(&scores(&alone, 2, 0.0).unwrap(), 2, 99, &mut random), Err(Refusal::NoVariance));
        let divided = tally(vec![spell((1.0, 1, 5.0, 0, 0, 0)), spell((2.0, 1, 5.0, 1, 0, 0))]);
        assert_eq!(scores(&divided, 2, 0.0), None);
    }
}
