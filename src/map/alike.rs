//! Whether parts of a week, any of them together, change by homes that are all alike: then a reader of two revisions knows what each of them
//! did. Pure.

use super::combination::Course;
use super::hiding::FEWEST_HOMES_ALL_ALIKE;
use super::subtraction::{Sums, Waiting};
use std::collections::{BTreeMap, BTreeSet};

/// So many parts between which few homes moved are tried in every union.
const MOST_PARTS_AT_ONCE: usize = 12;

pub(super) fn plus(a: &Sums, b: &Sums) -> Sums {
    std::array::from_fn(|i| a[i] + b[i])
}

/// How much some homes change in each part.
type Change = (BTreeMap<usize, Sums>, i64);

/// Whether parts change, from what any revision showed of them, by fewer than 20 homes that are all alike.
pub(super) fn all_alike(courses: &BTreeMap<Course, i64>, columns: &[(usize, i32)], known: usize) -> Option<Waiting> {
    let fresh: BTreeSet<usize> = columns[known..].iter().map(|(part, _)| *part).collect();
    let revisions: BTreeSet<i32> = columns[..known].iter().map(|(_, begin)| *begin).collect();
    for revision in revisions {
        let (mut then, mut now) = (BTreeSet::new(), BTreeSet::new());
        for part in columns.iter().map(|(part, _)| *part).collect::<BTreeSet<_>>() {
            let of = |until: i32| (0..columns.len()).rfind(|at| columns[*at].0 == part && columns[*at].1 <= until);
            then.extend(of(revision));
            now.extend(of(i32::MAX));
        }
        let mut changes: Vec<Change> = Vec::new();
        for (course, homes) in courses {
            let mut own: BTreeMap<usize, Sums> = BTreeMap::new();
            for (column, sums) in course {
                let sign = i64::from(now.contains(column)) - i64::from(then.contains(column));
                let change = own.entry(columns[*column].0).or_default();
                *change = plus(change, &sums.map(|n| sign * n));
            }
            own.retain(|_, change| *change != [0; 3]);
            if !own.is_empty() {
                changes.push((own, *homes));
            }
        }
        if let Some(told) = alike_together(changes, &fresh) {
            return Some(told);
        }
    }
    None
}

/// Parts that twenty homes moved between have no sum of few homes but together, and a part with twenty changes of its own has none at all:
/// what is left is tried in every union.
fn alike_together(mut changes: Vec<Change>, fresh: &BTreeSet<usize>) -> Option<Waiting> {
    let mut fresh = fresh.clone();
    let mut within: BTreeMap<BTreeSet<usize>, i64>;
    loop {
        within = BTreeMap::new();
        for (own, homes) in &changes {
            *within.entry(own.keys().copied().collect()).or_default() += homes;
        }
        let pair = within.iter().find(|(parts, homes)| parts.len() == 2 && **homes >= FEWEST_HOMES_ALL_ALIKE);
        let Some((kept, gone)) = pair.and_then(|(parts, _)| Some((*parts.first()?, *parts.last()?))) else { break };
        for (own, _) in &mut changes {
            if let Some(change) = own.remove(&gone) {
                let sum = own.entry(kept).or_default();
                *sum = plus(sum, &change);
            }
            own.retain(|_, change| *change != [0; 3]);
        }
        changes.retain(|(own, _)| !own.is_empty());
        if fresh.remove(&gone) {
            fresh.insert(kept);
        }
    }
    let many: BTreeSet<usize> =
        within.iter().filter(|(parts, homes)| parts.len() == 1 && **homes >= FEWEST_HOMES_ALL_ALIKE).flat_map(|(parts, _)| parts).copied().collect();
    let mut near: Vec<BTreeSet<usize>> = Vec::new();
    for parts in within.into_keys() {
        let mut own: BTreeSet<usize> = parts.difference(&many).copied().collect();
        let (touching, apart): (Vec<_>, Vec<_>) = near.into_iter().partition(|other| !other.is_disjoint(&own));
        own.extend(touching.into_iter().flatten());
        near = apart;
        near.push(own);
    }
    for parts in near.into_iter().filter(|parts| !parts.is_disjoint(&fresh)) {
        let parts: Vec<usize> = parts.into_iter().collect();
        if parts.len() > MOST_PARTS_AT_ONCE {
            return Some(Waiting::ManyRevisions);
        }
        for chosen in 1u32..1 << parts.len() {
            let chosen: Vec<usize> = parts.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, part)| *part).collect();
            if !chosen.iter().any(|part| fresh.contains(part)) {
                continue;
            }
            let (mut homes, mut sums) = (0, [0; 3]);
            for (own, count) in &changes {
                let net = chosen.iter().filter_map(|part| own.get(part)).fold([0; 3], |sum, change| plus(&sum, change));
                if net != [0; 3] {
                    homes += count;
                    sums = plus(&sums, &net.map(|n| n * count));
                }
            }
            let [observed, set_out, complied] = sums;
            if homes < FEWEST_HOMES_ALL_ALIKE && observed != 0 && [set_out, complied].iter().any(|y| *y == 0 || *y == observed) {
                return Some(Waiting::AllAlike);
            }
        }
    }
    None
}
