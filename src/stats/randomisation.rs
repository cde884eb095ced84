//! Randomisation inference: how often the recorded rule of assignment would have given as much by chance.

/// The answer; `p` counts |statistic| ≥ |observed| with ties within 1e-10, relative to max(1, |observed|).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Randomised {
    pub p: f64,
    pub p_greater: f64,
    pub p_less: f64,
    /// Draws whose statistic exists.
    pub draws: u32,
    pub extreme: u32,
    pub greater: u32,
    pub less: u32,
    pub exact: bool,
    /// Root mean square of the statistic over the draws.
    pub spread: f64,
}

/// Compares `observed` with the statistic of each replayed assignment. `statistics` gives one value a draw, `None` where it does not
/// exist (left out of the count). `exact`: the draws are all assignments, p = extreme / draws; otherwise p = (1 + extreme)/(1 + draws),
/// which is never 0 (Phipson and Smyth 2010). Refuses an observed value that is not finite, and no draw.
pub fn compare(observed: f64, statistics: impl IntoIterator<Item = Option<f64>>, exact: bool) -> Option<Randomised> {
    if !observed.is_finite() {
        return None;
    }
    let tie = 1e-10 * observed.abs().max(1.0);
    let (mut draws, mut extreme, mut greater, mut less, mut squares) = (0u32, 0u32, 0u32, 0u32, 0.0);
    for value in statistics.into_iter().flatten().filter(|v| v.is_finite()) {
        draws += 1;
        extreme += u32::from(value.abs() >= observed.abs() - tie);
        greater += u32::from(value >= observed - tie);
        less += u32::from(value <= observed + tie);
        squares += value * value;
    }
    if draws == 0 {
        return None;
    }
    let share = |count: u32| if exact { f64::from(count) / f64::from(draws) } else { (1.0 + f64::from(count)) / (1.0 + f64::from(draws)) };
    Some(Randomised {
        p: share(extreme),
        p_greater: share(greater),
        p_less: share(less),
        draws,
        extreme,
        greater,
        less,
        exact,
        spread: (squares / f64::from(draws)).sqrt(),
    })
}

/// All assignments that keep the number treated in each block: `blocks[i]` and `treated[i]` of unit i. `None` above `most`.
pub fn assignments(blocks: &[usize], treated: &[bool], most: usize) -> Option<Vec<Vec<bool>>> {
    let mut all = vec![vec![false; blocks.len()]];
    let mut names: Vec<usize> = blocks.to_vec();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let units: Vec<usize> = (0..blocks.len()).filter(|i| blocks[*i] == name).collect();
        let chosen = units.iter().filter(|i| treated[**i]).count();
        let choices = combinations(units.len(), chosen, most / all.len().max(1))?;
        all = all
            .iter()
            .flat_map(|before| {
                let units = &units;
                choices.iter().map(move |choice| {
                    let mut next = before.clone();
                    for place in choice {
                        next[units[*place]] = true;
                    }
                    next
                })
            })
            .collect();
    }
    Some(all)
}

fn combinations(n: usize, k: usize, most: usize) -> Option<Vec<Vec<usize>>> {
    let mut count = 1u128;
    for i in 0..k {
        count = count * (n - i) as u128 / (i + 1) as u128;
        if count > u128::from(u64::MAX) {
            return None;
        }
    }
    if count > most as u128 {
        return None;
    }
    let mut out = Vec::new();
    let mut current: Vec<usize> = (0..k).collect();
    loop {
        out.push(current.clone());
        let Some(i) = (0..k).rev().find(|i| current[*i] != i + n - k) else { return Some(out) };
        current[i] += 1;
        for j in i + 1..k {
            current[j] = current[j - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_have_four_assignments_and_ties_count() {
        let all = assignments(&[0, 0, 1, 1], &[true, false, false, true], 100).unwrap();
        assert_eq!(all.len(), 4);
        let y = [1.0, 0.0, 0.0, 1.0];
        let statistic = |z: &Vec<bool>| Some(z.iter().zip(y).map(|(z, y)| if *z { y } else { -y }).sum::<f64>());
        let found = compare(2.0, all.iter().map(statistic), true).unwrap();
        assert_eq!((found.extreme, found.greater, found.p), (2, 1, 0.5));
        assert!(assignments(&[0; 40], &[true; 40].map(|_| true), 10).is_some());
        let half: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
        assert!(assignments(&[0; 40], &half, 10_000).is_none());
    }

    #[test]
    fn a_sampled_p_is_never_zero_and_nothing_is_not_an_answer() {
        assert_eq!(compare(3.0, (0..9).map(|_| Some(0.0)), false).unwrap().p, 0.1);
        assert_eq!(compare(3.0, [None], false), None);
        assert_eq!(compare(f64::NAN, [Some(1.0)], false), None);
    }
}
