//! Discrete-time hazard: how soon something happens, in whole periods.
//!
//! A unit with time t stands for a 0/1 row in each period 1…t, 1 only in the last and only if the event came; a dummy for each period;
//! binomial likelihood with cloglog (a proportional hazard in continuous time: Prentice and Gloeckler 1978) or logit (Cox 1972). The rows
//! are never made: units alike in covariates and cluster give one cell a period, n at risk with y events.
//!
//! A period without events, or with an event for everybody at risk, has an infinite dummy: its rows leave the fit and the covariates stay
//! right (see `generalised`).

use super::Refusal;
use super::cells::Cells;
use super::family::{Family, Link};
use super::generalised::{self, Fit};
use std::collections::HashMap;

/// Periods beyond this are no periods but dates or seconds.
const LONGEST: f64 = 10_000.0;
/// Numbers the expanded cells may hold.
const LARGEST: usize = 50_000_000;

/// The fit over units and periods. Column `i` of `cells` is the dummy of `periods[i]`; covariate `j` is column `periods.len() + j`.
#[derive(Debug, Clone)]
pub struct Hazard {
    /// One for each period a unit was at risk in.
    pub cells: Cells,
    /// Of these cells.
    pub fit: Fit,
    /// In the order of their dummies.
    pub periods: Vec<u32>,
    /// Periods that left the fit, with the rows (units at risk) that left with them.
    pub left_out: Vec<(u32, f64)>,
}

impl Hazard {
    /// Where covariate `j` stands in `fit.beta`. Refuses a collinear and a separated one.
    ///
    /// ```
    /// # use vecino_stats::{cells::Cells, family::Link, hazard::fit};
    /// # let mut spells = Cells::new(1);
    /// # spells.push(0, &[0.0], 40.0, 10.0, 10.0);
    /// # spells.push(1, &[1.0], 50.0, 30.0, 30.0);
    /// let hazard = fit(&spells, &[1.0, 1.0], Link::Logit)?;
    /// assert_eq!(hazard.position(0), Ok(1)); // behind the dummy of the one period
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn position(&self, j: usize) -> Result<usize, Refusal> {
        self.fit.position(self.periods.len() + j)
    }
}

/// Units of a group whose time ends in a period, and their events.
struct Ended {
    period: usize,
    n: f64,
    y: f64,
}

/// Fits spells: cells of units with `n` units, `y` of them with the event, without an intercept among their columns, and
/// their `time`, one entry a cell. Refuses times that are not whole numbers from 1 to 10,000, more expanded cells than memory should
/// hold, no event at all, and what `generalised::fit` refuses.
///
/// ```
/// # use vecino_stats::{cells::Cells, family::Link, hazard::fit};
/// // All in one period: 10 of 40 and 30 of 50 have the event, so the coefficient is their log odds ratio.
/// let mut spells = Cells::new(1);
/// spells.push(0, &[0.0], 40.0, 10.0, 10.0);
/// spells.push(1, &[1.0], 50.0, 30.0, 30.0);
/// let hazard = fit(&spells, &[1.0, 1.0], Link::Logit)?;
/// assert!((hazard.fit.beta[hazard.position(0)?] - 4.5_f64.ln()).abs() < 1e-12);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn fit(spells: &Cells, time: &[f64], link: Link) -> Result<Hazard, Refusal> {
    if spells.is_empty() || spells.rows() <= 0.0 {
        return Err(Refusal::NoData);
    }
    if time.len() != spells.len() || time.iter().any(|t| t.fract() != 0.0 || !(1.0..=LONGEST).contains(t)) {
        return Err(Refusal::Periods);
    }
    Family::Binomial.check(spells).map_err(|_| Refusal::OutsideFamily)?;
    let last = time.iter().fold(0.0_f64, |most, t| most.max(*t)) as usize;
    // By period: units whose time ends there, and events.
    let mut ends = vec![(0.0, 0.0); last + 1];
    let mut alike: HashMap<(u32, Vec<u64>), usize> = HashMap::new();
    let mut groups: Vec<(usize, Vec<Ended>)> = Vec::new();
    for c in (0..spells.len()).filter(|c| spells.n[*c] > 0.0) {
        let key = (spells.cluster[c], spells.row(c).iter().map(|x| (x + 0.0).to_bits()).collect());
        let group = *alike.entry(key).or_insert_with(|| {
            groups.push((c, Vec::new()));
            groups.len() - 1
        });
        let (period, n, y) = (time[c] as usize, spells.n[c], spells.y[c]);
        groups[group].1.push(Ended { period, n, y });
        ends[period] = (ends[period].0 + n, ends[period].1 + y);
    }
    let (mut periods, mut left_out, mut at_risk) = (Vec::new(), Vec::new(), 0.0);
    for period in (1..=last).rev() {
        let (n, events) = ends[period];
        at_risk += n;
        if events > 0.0 && events < at_risk { periods.push(period as u32) } else { left_out.push((period as u32, at_risk)) }
    }
    periods.reverse();
    left_out.reverse();
    if periods.is_empty() {
        let events: f64 = spells.y.iter().sum();
        return Err(if events == 0.0 || last == 1 { Refusal::NoVariation } else { Refusal::Separated });
    }
    let width = periods.len() + spells.width;
    let reach = |group: &[Ended]| group.iter().map(|ended| ended.period).max().unwrap_or(0);
    let count: usize = groups.iter().map(|(_, group)| periods.partition_point(|p| *p as usize <= reach(group))).sum();
    if count.saturating_mul(width) > LARGEST {
        return Err(Refusal::TooLarge);
    }
    let mut cells = Cells::new(width);
    cells.clusters = spells.clusters;
    let mut row = vec![0.0; width];
    for (first, group) in &mut groups {
        group.sort_unstable_by_key(|ended| ended.period);
        row[periods.len()..].copy_from_slice(spells.row(*first));
        let mut n: f64 = group.iter().map(|ended| ended.n).sum();
        let mut next = 0;
        for (i, period) in periods.iter().enumerate() {
            while next < group.len() && group[next].period < *period as usize {
                n -= group[next].n;
                next += 1;
            }
            if n < 0.5 {
                break;
            }
            let events: f64 = group[next..].iter().take_while(|ended| ended.period == *period as usize).map(|ended| ended.y).sum();
            row[i] = 1.0;
            cells.push(spells.cluster[*first], &row, n, events, events);
            row[i] = 0.0;
        }
    }
    let fit = generalised::fit(&cells, Family::Binomial, link)?;
    Ok(Hazard { cells, fit, periods, left_out })
}

/// The warning for periods that leave the fit; none if none does.
///
/// ```
/// # use vecino_stats::hazard::periods_warning;
/// assert!(periods_warning(&[(2, 8.0)]).unwrap().contains('2'));
/// assert_eq!(periods_warning(&[]), None);
/// ```
pub fn periods_warning(left_out: &[(u32, f64)]) -> Option<String> {
    let names: Vec<String> = left_out.iter().take(10).map(|(period, _)| period.to_string()).collect();
    let more = if left_out.len() > 10 { ", …" } else { "" };
    let list = names.join(", ");
    (!left_out.is_empty()).then(|| format!("periods in which nobody or everybody at risk had the event are left out: {list}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spells (x, time, event) of single units, by turns in two clusters.
    const SPELLS: [(f64, f64, f64); 12] = [
        (0.0, 1.0, 1.0),
        (0.0, 4.0, 0.0),
        (1.0, 3.0, 1.0),
        (1.0, 1.0, 1.0),
        (1.0, 1.0, 0.0),
        (0.0, 3.0, 0.0),
        (0.0, 3.0, 1.0),
        (1.0, 4.0, 1.0),
        (0.0, 4.0, 1.0),
        (1.0, 3.0, 1.0),
        (0.0, 1.0, 0.0),
        (1.0, 4.0, 0.0),
    ];

    fn spells(rows: &[(f64, f64, f64)]) -> (Cells, Vec<f64>) {
        let mut cells = Cells::new(1);
        rows.iter().enumerate().for_each(|(i, (x, _, event))| cells.push((i % 2) as u32, &[*x], 1.0, *event, *event));
        (cells, rows.iter().map(|(_, t, _)| *t).collect())
    }

    #[test]
    fn cells_give_what_a_row_for_each_period_gives() {
        let (cells, time) = spells(&SPELLS);
        let mut rows = Cells::new(5);
        for (x, time, event) in SPELLS {
            for period in 1..=time as usize {
                let mut row = [0.0, 0.0, 0.0, 0.0, x];
                row[period - 1] = 1.0;
                let y = if period == time as usize { event } else { 0.0 };
                rows.push(0, &row, 1.0, y, y);
            }
        }
        for link in [Link::Cloglog, Link::Logit] {
            let short = fit(&cells, &time, link).unwrap();
            let long = generalised::fit(&rows, Family::Binomial, link).unwrap();
            assert_eq!((short.periods.as_slice(), short.left_out.as_slice()), (&[1, 3, 4][..], &[(2, 8.0)][..]));
            let (i, j) = (short.position(0).unwrap(), long.position(4).unwrap());
            assert!((short.fit.beta[i] - long.beta[j]).abs() < 1e-12);
            assert!((short.fit.m[(i, i)] - long.m[(j, j)]).abs() < 1e-12);
        }
    }

    #[test]
    fn absurd_times_and_no_event_are_refused() {
        for time in [0.0, 1.5, 20_000.0, -3.0, f64::NAN] {
            let (cells, _) = spells(&SPELLS[..1]);
            assert_eq!(fit(&cells, &[time], Link::Cloglog).unwrap_err(), Refusal::Periods);
        }
        let (cells, time) = spells(&[(0.0, 3.0, 0.0), (1.0, 2.0, 0.0)]);
        assert_eq!(fit(&cells, &time, Link::Cloglog).unwrap_err(), Refusal::NoVariation);
    }
}
