//! The draw: units dealt into arms within their groups, from a recorded ChaCha20 stream. Pure: the same rule and stream give the same draw.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// Draws of which none is balanced enough before a rule of re-randomisation is given up.
pub const PATIENCE: u32 = 100_000;

/// How units are drawn into arms.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The group unit `i` is dealt in: its stratum, or its block within it.
    pub groups: Vec<usize>,
    /// Units of each arm in a round of dealing.
    pub ratio: Vec<u32>,
    pub left_over: LeftOver,
    pub balance: Option<Balance>,
}

/// Where the units of a group go that are fewer than a round of dealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOver {
    /// Each group by itself, so that sums over groups may differ by as many as there are groups. Trials drawn by the first release.
    ByGroup,
    /// So that the sums over groups are each arm's share too, to within one unit.
    Together,
}

/// No two arms may differ in the mean of a covariate by more than so many of its standard deviations over units.
#[derive(Debug, Clone)]
pub struct Balance {
    /// By covariate, standardised; a unit that has none is left out.
    covariates: Vec<Vec<Option<f64>>>,
    largest_difference: f64,
}

impl Balance {
    pub fn new(covariates: Vec<Vec<Option<f64>>>, largest_difference: f64) -> Balance {
        let standardised = |values: Vec<Option<f64>>| {
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let n = known.len() as f64;
            let mean = known.iter().sum::<f64>() / n.max(1.0);
            let deviation = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
            // What does not vary is always alike.
            values.into_iter().map(|value| value.filter(|_| deviation > 1e-12).map(|value| (value - mean) / deviation)).collect()
        };
        Balance { covariates: covariates.into_iter().map(standardised).collect(), largest_difference }
    }

    fn accepts(&self, assigned: &[usize], arms: usize) -> bool {
        self.covariates.iter().all(|values| {
            let mut sums = vec![(0.0, 0.0); arms];
            for (value, arm) in values.iter().zip(assigned).filter_map(|(value, arm)| Some((value.as_ref()?, arm))) {
                sums[*arm] = (sums[*arm].0 + 1.0, sums[*arm].1 + value);
            }
            let means = sums.iter().filter(|(n, _)| *n > 0.0).map(|(n, sum)| sum / n);
            let (low, high) = means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
            low > high || high - low <= self.largest_difference + 1e-10
        })
    }
}

impl Rule {
    /// Equal allocation within groups.
    pub fn equal(groups: Vec<usize>, arms: usize) -> Rule {
        Rule { groups, ratio: vec![1; arms], left_over: LeftOver::Together, balance: None }
    }

    /// The arm of each unit, which must come in a fixed order (by code). `None` when no draw of [`PATIENCE`] is balanced enough.
    pub fn draw(&self, random: &mut ChaCha20Rng) -> Option<Vec<usize>> {
        let Some(balance) = &self.balance else { return Some(self.deal(random)) };
        (0..PATIENCE).map(|_| self.deal(random)).find(|assigned| balance.accepts(assigned, self.ratio.len()))
    }

    /// In each group (in ascending order) the units are shuffled and dealt in turn, and the order of the arms is shuffled too.
    fn deal(&self, random: &mut ChaCha20Rng) -> Vec<usize> {
        let once: Vec<usize> = self.ratio.iter().enumerate().flat_map(|(arm, times)| std::iter::repeat_n(arm, *times as usize)).collect();
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); self.groups.iter().max().map_or(0, |last| last + 1)];
        self.groups.iter().enumerate().for_each(|(unit, group)| groups[*group].push(unit));
        let mut assigned = vec![0; self.groups.len()];
        for units in &mut groups {
            let mut order = once.clone();
            units.shuffle(random);
            order.shuffle(random);
            for (place, unit) in units.iter().enumerate() {
                assigned[*unit] = order[place % order.len()];
            }
        }
        if self.left_over == LeftOver::Together {
            let left: Vec<usize> = groups.iter().map(|units| units.len() % once.len()).collect();
            for (units, counts) in groups.iter().zip(rounded(&left, &self.ratio, random)) {
                let arms = counts.iter().enumerate().flat_map(|(arm, times)| std::iter::repeat_n(arm, *times as usize));
                // The last units of a shuffled group are any of it.
                units.iter().rev().zip(arms).for_each(|(unit, arm)| assigned[*unit] = arm);
            }
        }
        assigned
    }
}

/// Left-over units of each group by arm: whole numbers next to left × share, whose sums over groups are next to theirs too, each as often
/// the higher one as makes it right on average (unbiased controlled rounding: L. H. Cox 1987, JASA 82).
///
/// Shares of a unit are moved round a cycle of cells that are not whole, up in one cell and down in the next of the same row or column, one
/// way or the other by chance, until some cell is whole; rows and columns keep their sums.
fn rounded(left: &[usize], ratio: &[u32], random: &mut ChaCha20Rng) -> Vec<Vec<u32>> {
    let whole: u64 = ratio.iter().map(|times| u64::from(*times)).sum();
    let exact = |left: usize, times: u32| left as u64 * u64::from(times);
    let down: Vec<Vec<u32>> = left.iter().map(|n| ratio.iter().map(|times| (exact(*n, *times) / whole) as u32).collect()).collect();
    // Parts of a unit, in units of 1 ÷ whole; a last row makes the columns whole.
    let mut parts: Vec<Vec<u64>> = left.iter().map(|n| ratio.iter().map(|times| exact(*n, *times) % whole).collect()).collect();
    let slack = (0..ratio.len()).map(|arm| (whole - parts.iter().map(|row| row[arm]).sum::<u64>() % whole) % whole).collect();
    parts.push(slack);
    while let Some(cycle) = cycle(&parts, whole) {
        let room = |up: bool| cycle.iter().map(|(row, arm, plus)| if *plus == up { whole - parts[*row][*arm] } else { parts[*row][*arm] }).min();
        let (Some(up), Some(back)) = (room(true), room(false)) else { break };
        // Up with probability back ÷ (up + back), so that nothing moves on average.
        let forward = below(up + back, random) < back;
        for (row, arm, plus) in cycle {
            let cell = &mut parts[row][arm];
            match forward {
                true if plus => *cell += up,
                true => *cell -= up,
                false if plus => *cell -= back,
                false => *cell += back,
            }
        }
    }
    down.into_iter().zip(parts).map(|(down, parts)| down.into_iter().zip(parts).map(|(n, part)| n + (part / whole) as u32).collect()).collect()
}

/// A closed walk over cells that are not whole, along rows and columns in turn: row, column, and whether it moves with the walk.
fn cycle(parts: &[Vec<u64>], whole: u64) -> Option<Vec<(usize, usize, bool)>> {
    let open = |row: usize, arm: usize| !parts[row][arm].is_multiple_of(whole);
    let arms = parts.first()?.len();
    let mut row = (0..parts.len()).find(|row| (0..arms).any(|arm| open(*row, arm)))?;
    let (mut rows, mut columns): (Vec<usize>, Vec<usize>) = (vec![row], Vec::new());
    loop {
        // Every row and column that holds one open cell holds another: their sums are whole.
        let column = (0..arms).find(|arm| open(row, *arm) && columns.last() != Some(arm))?;
        columns.push(column);
        row = (0..parts.len()).find(|other| *other != row && open(*other, column))?;
        let Some(start) = rows.iter().position(|seen| *seen == row) else {
            rows.push(row);
            continue;
        };
        rows.push(row);
        let steps = (start..columns.len()).flat_map(|at| [(rows[at], columns[at], true), (rows[at + 1], columns[at], false)]);
        let mut cells: Vec<(usize, usize, bool)> = steps.collect();
        // A walk that comes back by the cell it left by passes it twice, and leaves it as it is.
        let twice: Vec<(usize, usize)> =
            cells.iter().filter(|a| cells.iter().any(|b| (a.0, a.1) == (b.0, b.1) && a.2 != b.2)).map(|cell| (cell.0, cell.1)).collect();
        cells.retain(|cell| !twice.contains(&(cell.0, cell.1)));
        return Some(cells);
    }
}

/// A whole number below `n`, each equally likely to within 2⁻⁶⁰.
fn below(n: u64, random: &mut ChaCha20Rng) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(n)) >> 64) as u64
}
