//! Who is at risk beside whom: people by baseline stratum and falling time, and the sums of a Cox regression over them.
//!
//! Going from the last time to the first, those at risk only ever grow, so that Σ e^(x'β), Σ x e^(x'β) and Σ x x' e^(x'β) are added up and
//! never subtracted. People who share stratum, time, event, cluster and covariates are counted once.

use nalgebra::{DMatrix, DVector};

/// f_j = j/d for the j-th of d tied events (Efron 1977), or 0 (Breslow 1974).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Efron (1977).
    Efron,
    /// Breslow (1974).
    Breslow,
}

/// `n` people alike; their covariates stand beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person {
    /// Until the event, or until lost from sight.
    pub time: f64,
    /// Whether it ended in the event.
    pub event: bool,
    /// A whole number.
    pub n: f64,
    /// Its own baseline.
    pub stratum: u32,
    /// What the robust variance sums by.
    pub cluster: u32,
}

pub(super) struct RiskSets {
    /// By stratum, within it by falling time, alike people together.
    pub(super) people: Vec<Person>,
    pub(super) x: Vec<f64>,
    pub(super) width: usize,
    pub(super) ties: Ties,
    /// Added to x'β of each row: how far columns have run away.
    pub(super) offset: Vec<f64>,
    /// Greatest less least value of each standardised column.
    pub(super) range: Vec<f64>,
    /// Root mean square of each column as it came, in its standard deviations.
    length: Vec<f64>,
}

/// Sums over the d tied terms of one time, a_j = 1/(R − f_j D).
#[derive(Default)]
pub(super) struct Tied {
    pub(super) logs: f64,
    pub(super) a: f64,
    pub(super) fa: f64,
    pub(super) aa: f64,
    pub(super) faa: f64,
    pub(super) ffaa: f64,
}

impl Tied {
    pub(super) fn new(d: f64, risk: f64, dying: f64, ties: Ties) -> Tied {
        let mut sums = Tied::default();
        if ties == Ties::Breslow {
            return Tied { logs: d * risk.ln(), a: d / risk, aa: d / (risk * risk), ..sums };
        }
        for j in 0..d.round() as u64 {
            let f = j as f64 / d;
            let below = risk - f * dying;
            let a = 1.0 / below;
            sums.logs += below.ln();
            sums.a += a;
            sums.fa += f * a;
            sums.aa += a * a;
            sums.faa += f * a * a;
            sums.ffaa += f * f * a * a;
        }
        sums
    }
}

impl RiskSets {
    pub(super) fn new(people: &[Person], x: &[f64], width: usize, ties: Ties) -> RiskSets {
        let row = |i: usize| &x[i * width..(i + 1) * width];
        let mut order: Vec<usize> = (0..people.len()).filter(|i| people[*i].n > 0.0).collect();
        let place = |i: usize| (people[i].stratum, people[i].cluster, people[i].event);
        order.sort_unstable_by(|&i, &j| {
            let times = people[j].time.total_cmp(&people[i].time);
            let covariates = || row(i).iter().zip(row(j)).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal);
            people[i].stratum.cmp(&people[j].stratum).then(times).then_with(|| place(i).cmp(&place(j))).then_with(covariates)
        });
        let mut sets = RiskSets { people: Vec::new(), x: Vec::new(), width, ties, offset: Vec::new(), range: Vec::new(), length: Vec::new() };
        let mut before = None;
        for i in order {
            let alike = before.is_some_and(|b: usize| place(b) == place(i) && people[b].time == people[i].time && row(b) == row(i));
            match sets.people.last_mut() {
                Some(last) if alike => last.n += people[i].n,
                _ => {
                    sets.people.push(people[i]);
                    sets.x.extend_from_slice(row(i));
                }
            }
            before = Some(i);
        }
        sets.offset = vec![0.0; sets.people.len()];
        sets
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.x[i * self.width..(i + 1) * self.width]
    }

    /// x'β of a row, with what ran away.
    pub(super) fn index(&self, i: usize, at: &DVector<f64>) -> f64 {
        self.offset[i] + self.row(i).iter().zip(at.iter()).map(|(x, b)| x * b).sum::<f64>()
    }

    /// Centres each column and divides it by its standard deviation, which it gives.
    pub(super) fn standardise(&mut self) -> Vec<f64> {
        let total: f64 = self.people.iter().map(|p| p.n).sum();
        let mut scale = Vec::with_capacity(self.width);
        for k in 0..self.width {
            let column = |sets: &RiskSets, i: usize| sets.x[i * sets.width + k];
            let mean = (0..self.people.len()).map(|i| self.people[i].n * column(self, i)).sum::<f64>() / total;
            let spread = (0..self.people.len()).map(|i| self.people[i].n * (column(self, i) - mean).powi(2)).sum::<f64>() / total;
            let unit = if spread > 0.0 { spread.sqrt() } else { 1.0 };
            for i in 0..self.people.len() {
                self.x[i * self.width + k] = (self.x[i * self.width + k] - mean) / unit;
            }
            let (low, high) = (0..self.people.len()).map(|i| column(self, i)).fold((0.0_f64, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
            self.range.push(high - low);
            self.length.push((mean * mean + spread).sqrt() / unit);
            scale.push(unit);
        }
        scale
    }

    /// Columns whose part orthogonal to the strata and the columns before them is at least 1e-7 of their own length.
    pub(super) fn independent(&self) -> Vec<usize> {
        let mut kept: Vec<usize> = Vec::new();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for k in 0..self.width {
            let mut column: Vec<f64> = (0..self.people.len()).map(|i| self.x[i * self.width + k]).collect();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(&self.people).map(|((a, b), p)| p.n * a * b).sum::<f64>();
            let total: f64 = self.people.iter().map(|p| p.n).sum();
            let mut start = 0;
            for stratum in self.people.chunk_by(|a, b| a.stratum == b.stratum) {
                let own = &mut column[start..start + stratum.len()];
                let n: f64 = stratum.iter().map(|p| p.n).sum();
                let mean = own.iter().zip(stratum).map(|(v, p)| p.n * v).sum::<f64>() / n;
                own.iter_mut().for_each(|v| *v -= mean);
                start += stratum.len();
            }
            for _ in 0..2 {
                for before in &basis {
                    let share = dot(before, &column);
                    column.iter_mut().zip(before).for_each(|(v, b)| *v -= share * b);
                }
            }
            let length = dot(&column, &column).sqrt();
            if length > 1e-7 * total.sqrt() * self.length[k] {
                column.iter_mut().for_each(|v| *v /= length);
                basis.push(column);
                kept.push(k);
            }
        }
        kept
    }

    /// Visits each event time, from the last of a stratum to its first, with the sums over those at risk and the rows of that time.
    pub(super) fn walk(&self, at: &DVector<f64>, kept: &[usize], mut visit: impl FnMut(&Sums, std::ops::Range<usize>)) {
        let mut start = 0;
        for stratum in self.people.chunk_by(|a, b| a.stratum == b.stratum) {
            let index: Vec<f64> = (start..start + stratum.len()).map(|i| self.index(i, at)).collect();
            let mut sums = Sums::new(kept.len());
            let mut from = start;
            for now in stratum.chunk_by(|a, b| a.time == b.time) {
                sums.next_time();
                for (i, person) in now.iter().enumerate() {
                    sums.add(person, index[from + i - start], self.row(from + i), kept);
                }
                if sums.d > 0.0 {
                    visit(&sums, from..from + now.len());
                }
                from += now.len();
            }
            start += stratum.len();
        }
    }
}

/// Sums over those at risk and over those with the event now; risks are relative to the largest among those at risk.
pub(super) struct Sums {
    pub(super) largest: f64,
    pub(super) risk: f64,
    pub(super) first: DVector<f64>,
    pub(super) second: DMatrix<f64>,
    /// Of those with the event now: how many, Σ x'β, Σ x, and the risk sums.
    pub(super) d: f64,
    pub(super) index: f64,
    pub(super) events: DVector<f64>,
    pub(super) dying: f64,
    pub(super) dying_first: DVector<f64>,
    pub(super) dying_second: DMatrix<f64>,
}

impl Sums {
    fn new(k: usize) -> Sums {
        let (vector, matrix) = (DVector::zeros(k), DMatrix::zeros(k, k));
        let (first, second, events) = (vector.clone(), matrix.clone(), vector.clone());
        let largest = f64::NEG_INFINITY;
        Sums { largest, risk: 0.0, first, second, d: 0.0, index: 0.0, events, dying: 0.0, dying_first: vector, dying_second: matrix }
    }

    fn next_time(&mut self) {
        (self.d, self.index, self.dying) = (0.0, 0.0, 0.0);
        self.events.fill(0.0);
        self.dying_first.fill(0.0);
        self.dying_second.fill(0.0);
    }

    fn add(&mut self, person: &Person, index: f64, row: &[f64], kept: &[usize]) {
        if index > self.largest {
            let shrink = (self.largest - index).exp();
            self.risk *= shrink;
            self.first *= shrink;
            self.second *= shrink;
            self.dying *= shrink;
            self.dying_first *= shrink;
            self.dying_second *= shrink;
            self.largest = index;
        }
        let risk = person.n * (index - self.largest).exp();
        self.risk += risk;
        if person.event {
            self.d += person.n;
            self.index += person.n * index;
            self.dying += risk;
        }
        for (i, left) in kept.iter().map(|k| row[*k]).enumerate() {
            self.first[i] += risk * left;
            for (j, right) in kept[..=i].iter().map(|k| row[*k]).enumerate() {
                self.second[(i, j)] += risk * left * right;
            }
            if person.event {
                self.events[i] += person.n * left;
                self.dying_first[i] += risk * left;
                for (j, right) in kept[..=i].iter().map(|k| row[*k]).enumerate() {
                    self.dying_second[(i, j)] += risk * left * right;
                }
            }
        }
    }
}
