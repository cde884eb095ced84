//! Which cells of a published table stay hidden. Pure: counts in, a verdict per area and for the total out.
//!
//! 1. A cell with fewer than 10 homes is hidden; so is one in which all or none complied (or set out) and that has fewer than 20 homes.
//! 2. Both measures share their counts, so a cell is hidden in both or in none.
//! 3. Where the total is published, the hidden cells that hold anything are at least two, have 10 homes together (one that was observed in
//!    two of them is one home), and neither all nor none of their collections comply: otherwise the next cell is hidden too, first one that the table before had hidden, then the smallest.
//!    When no cell is left to hide, the total is hidden.
//! 4. What was hidden in a week is hidden in every longer period that holds the week, the total included (`forced`).
//!
//! 5. Between the looks of a trial nobody is told the rate of one arm: [`blind`] hides beside what these rules hide, until the last look.
//!
//! A cell in which nobody was observed is written as hidden, protects nobody, and therefore neither asks for company nor carries over.

use crate::id::choice;
use std::collections::{BTreeMap, BTreeSet};

pub const FEWEST_HOMES: i64 = 10;
pub const FEWEST_HOMES_ALL_ALIKE: i64 = 20;

choice!(
    /// Why a cell is hidden.
    Why {
        /// It tells of few homes, or would let others be worked out that do.
        FewHomes = "few_homes",
        /// A running trial alone forbids it: its number, or another by subtraction, would tell of one arm before the last look.
        OneArm = "one_arm"
    }
);

/// Of one trial whose arms may not be told apart yet: the observed homes of each arm, by area.
pub type ArmsOf = BTreeMap<String, BTreeMap<usize, i64>>;

/// Whether some trial has homes of one arm in these areas together, and fewer than 10 of all its others.
pub fn one_arm<'a>(arms: &[ArmsOf], areas: impl Iterator<Item = &'a str> + Clone) -> bool {
    arms.iter().any(|of| {
        let mut homes: BTreeMap<usize, i64> = BTreeMap::new();
        areas.clone().filter_map(|area| of.get(area)).flatten().for_each(|(arm, n)| *homes.entry(*arm).or_default() += n);
        let most = homes.values().copied().max().unwrap_or(0);
        most > 0 && homes.values().sum::<i64>() - most < FEWEST_HOMES
    })
}

/// One area of one period: distinct homes, collections, and how many of these complied and were set out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area<'a> {
    pub code: &'a str,
    pub homes: i64,
    pub n: i64,
    pub y: [i64; 2],
    /// Hidden in a week this period holds, or in an earlier revision of it.
    pub forced: bool,
    /// Hidden for a running trial in a week this period holds.
    pub blind: bool,
    /// Hidden in the table before: the first choice when company is needed, so that few areas are ever hidden.
    pub before: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    pub areas: Vec<bool>,
    pub total: bool,
}

impl Area<'_> {
    pub(super) fn alike(&self) -> bool {
        self.y.iter().any(|y| *y == 0 || *y == self.n)
    }

    pub(super) fn small(&self) -> bool {
        self.homes < FEWEST_HOMES || (self.alike() && self.homes < FEWEST_HOMES_ALL_ALIKE)
    }
}

/// Applies the rules above to one table. `several`: of each home that was observed in more than one area, the areas.
pub fn hide(areas: &[Area<'_>], total: &Area<'_>, several: &[BTreeSet<String>]) -> Hidden {
    let hidden = areas.iter().map(|area| area.small() || area.forced).collect();
    covered(Hidden { areas: hidden, total: total.small() || total.forced }, areas, several, &[])
}

/// What a running trial hides beside what was hidden for `few` homes: every area wholly of one arm, and others where the hidden ones together,
/// which are the total less the shown ones, are wholly of one. Weeks share no collection and longer periods show sums of weeks: where each
/// part of each week has several arms or none, so has every combination of them.
pub fn blind(few: &Hidden, areas: &[Area<'_>], total: &Area<'_>, several: &[BTreeSet<String>], arms: &[ArmsOf]) -> Hidden {
    let own = areas.iter().zip(&few.areas).map(|(area, few)| *few || area.blind || one_arm(arms, std::iter::once(area.code)));
    let all = few.total || total.blind || one_arm(arms, areas.iter().map(|area| area.code));
    covered(Hidden { areas: own.collect(), total: all }, areas, several, arms)
}

/// Hides more until the hidden areas cover one another, or the total.
fn covered(found: Hidden, areas: &[Area<'_>], several: &[BTreeSet<String>], arms: &[ArmsOf]) -> Hidden {
    let Hidden { areas: mut hidden, total } = found;
    if total {
        return Hidden { areas: hidden, total };
    }
    let lone = |hidden: &[bool], more: Option<usize>| {
        one_arm(arms, areas.iter().enumerate().filter(|(i, _)| hidden[*i] || more == Some(*i)).map(|(_, area)| area.code))
    };
    loop {
        let group =
            areas.iter().zip(&hidden).filter(|(area, hidden)| **hidden && area.homes > 0).fold((0, Area::default()), |(count, sum), (area, _)| {
                let y = [sum.y[0] + area.y[0], sum.y[1] + area.y[1]];
                (count + 1, Area { homes: sum.homes + area.homes, n: sum.n + area.n, y, ..sum })
            });
        let (count, mut group) = group;
        for own in several {
            let within = areas.iter().zip(&hidden).filter(|(area, hidden)| **hidden && own.contains(area.code)).count() as i64;
            group.homes -= (within - 1).max(0);
        }
        if count == 0 || (count >= 2 && group.homes >= FEWEST_HOMES && !group.alike() && !lone(&hidden, None)) {
            return Hidden { areas: hidden, total: false };
        }
        let next = areas.iter().enumerate().filter(|(i, _)| !hidden[*i]);
        let next = next.min_by_key(|(i, area)| (lone(&hidden, Some(*i)), !area.before, area.homes, area.code));
        match next {
            Some((i, _)) => hidden[i] = true,
            None => return Hidden { areas: hidden, total: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(code: &str, homes: i64) -> Area<'_> {
        Area { code, homes, n: homes * 2, y: [homes, homes + 1], ..Area::default() }
    }

    fn sum<'a>(areas: &[Area<'a>]) -> Area<'a> {
        areas.iter().fold(Area::default(), |s, a| Area { homes: s.homes + a.homes, n: s.n + a.n, y: [s.y[0] + a.y[0], s.y[1] + a.y[1]], ..s })
    }

    #[test]
    fn one_small_place_takes_the_smallest_other_with_it() {
        let areas = [area("a", 40), area("b", 4), area("c", 15), area("d", 30)];
        assert_eq!(hide(&areas, &sum(&areas), &[]), Hidden { areas: vec![false, true, true, false], total: false });
    }

    #[test]
    fn the_place_hidden_before_keeps_company_again() {
        let mut areas = [area("a", 40), area("b", 4), area("c", 15), area("d", 30)];
        areas[3].before = true;
        assert_eq!(hide(&areas, &sum(&areas), &[]).areas, [false, true, false, true]);
    }

    #[test]
    fn all_alike_is_hidden_below_twenty_homes_and_nine_homes_always() {
        let alike = |homes| Area { y: [homes * 2, homes], ..area("b", homes) };
        for (cell, hidden) in [(alike(19), true), (alike(20), false), (area("b", 9), true), (area("b", 10), false)] {
            let areas = [area("a", 50), cell, area("c", 60), area("d", 70)];
            assert_eq!(hide(&areas, &sum(&areas), &[]).areas[1], hidden, "{cell:?}");
        }
    }

    #[test]
    fn a_place_where_nobody_was_seen_asks_for_no_company_and_gives_none() {
        let areas = [area("a", 40), Area { code: "b", ..Area::default() }, area("c", 15)];
        assert_eq!(hide(&areas, &sum(&areas), &[]).areas, [false, true, false]);
        let areas = [area("a", 40), Area { code: "b", ..Area::default() }, area("c", 5)];
        assert_eq!(hide(&areas, &sum(&areas), &[]).areas, [true, true, true]);
    }

    #[test]
    fn homes_that_were_observed_in_two_hidden_places_are_counted_once() {
        let areas = [area("a", 40), area("b", 6), area("c", 5), area("d", 30)];
        assert_eq!(hide(&areas, &sum(&areas), &[]).areas, [false, true, true, false]);
        let both = BTreeSet::from(["b".to_owned(), "c".to_owned()]);
        // One home in both leaves ten; another in a place that is shown leaves them ten.
        let other = BTreeSet::from(["b".to_owned(), "d".to_owned()]);
        assert_eq!(hide(&areas, &sum(&areas), &[both.clone(), other]).areas, [false, true, true, false]);
        assert_eq!(hide(&areas, &sum(&areas), &[both.clone(), both]).areas, [false, true, true, true]);
    }

    #[test]
    fn hidden_places_have_ten_homes_together_and_do_not_all_comply() {
        for (homes, hidden) in [(5, [false, true, true, false]), (4, [false, true, true, true])] {
            let areas = [area("a", 40), area("b", 5), area("c", homes), area("d", 30)];
            assert_eq!(hide(&areas, &sum(&areas), &[]), Hidden { areas: hidden.to_vec(), total: false }, "{homes}");
        }
        for all in [|homes| [homes * 2, homes], |homes| [homes, homes * 2]] {
            let areas = [area("a", 40), Area { y: all(8), ..area("b", 8) }, Area { y: all(9), ..area("c", 9) }, area("d", 30)];
            assert_eq!(hide(&areas, &sum(&areas), &[]).areas, [false, true, true, true]);
        }
    }

    #[test]
    fn without_company_the_total_is_hidden() {
        let areas = [Area { forced: true, ..area("a", 40) }];
        assert_eq!(hide(&areas, &sum(&areas), &[]), Hidden { areas: vec![true], total: true });
    }

    /// Is the unit vector of `unknown` a combination of the published sums (each a set of unknowns)?
    fn follows(published: &[Vec<f64>], unknown: usize) -> bool {
        let width = published.first().map_or(0, Vec::len);
        if width == 0 {
            return false;
        }
        let mut target = vec![0.0; width];
        target[unknown] = 1.0;
        rank(published) == rank(&[published, &[target]].concat())
    }

    fn rank(rows: &[Vec<f64>]) -> usize {
        let mut rows = rows.to_vec();
        let (mut rank, width) = (0, rows.first().map_or(0, Vec::len));
        for column in 0..width {
            let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][column].abs() > 1e-9) else { continue };
            rows.swap(rank, pivot);
            let (above, below) = rows.split_at_mut(rank + 1);
            for row in below {
                let factor = row[column] / above[rank][column];
                row.iter_mut().zip(&above[rank]).for_each(|(cell, pivot)| *cell -= factor * pivot);
            }
            rank += 1;
        }
        rank
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        /// Eight weeks, two blocks and a phase of six weeks across both, over a few places: from everything published, no hidden count of a
        /// place in which somebody was seen follows, for any of the three sums (collections and both measures).
        #[test]
        fn no_hidden_number_follows_from_the_published_ones(
            places in 1usize..6,
            raw in prop::collection::vec((0i64..24, 0i64..4, 0i64..101, 0i64..101), 48),
        ) {
            const WEEKS: usize = 8;
            let names = ["a", "b", "c", "d", "e"];
            // Distinct homes of a longer period: at least the most of any week; here the homes are the same ones each week.
            let cell = |p: usize, w: usize| {
                let (homes, more, c, s) = raw[(p * WEEKS + w) % raw.len()];
                let n = homes + more.min(homes);
                Area { code: names[p], homes, n, y: [n * c / 100, n * s / 100], ..Area::default() }
            };
            let join = |p: usize, weeks: std::ops::Range<usize>| {
                let homes = weeks.clone().map(|w| cell(p, w).homes).max().unwrap_or(0);
                Area { homes, ..sum(&weeks.map(|w| cell(p, w)).collect::<Vec<_>>()) }
            };
            let mut week_hidden: Vec<(Vec<Area<'_>>, Hidden)> = Vec::new();
            for w in 0..WEEKS {
                let areas: Vec<_> = (0..places).map(|p| Area { before: week_hidden.last().is_some_and(|(_, h)| h.areas[p]), ..cell(p, w) }).collect();
                let total = sum(&areas);
                let hidden = hide(&areas, &total, &[]);
                week_hidden.push((areas, hidden));
            }
            let mut tables: Vec<(std::ops::Range<usize>, Hidden)> = (0..WEEKS).map(|w| (w..w + 1, week_hidden[w].1.clone())).collect();
            for weeks in [0..4, 4..8, 1..7] {
                let forced = |p: usize| weeks.clone().any(|w| week_hidden[w].1.areas[p] && week_hidden[w].0[p].homes > 0);
                let areas: Vec<_> = (0..places).map(|p| Area { code: names[p], forced: forced(p), ..join(p, weeks.clone()) }).collect();
                let total_forced = weeks.clone().any(|w| week_hidden[w].1.total && sum(&week_hidden[w].0).homes > 0);
                let total = Area { forced: total_forced, ..sum(&areas) };
                tables.push((weeks, hide(&areas, &total, &[])));
            }
            // Unknowns: one count per place and week (the argument is the same for n and both y); published: shown cells and shown totals.
            let at = |p: usize, w: usize| p * WEEKS + w;
            let mut published = Vec::new();
            for (weeks, hidden) in &tables {
                for p in 0..places {
                    if !hidden.areas[p] {
                        let mut row = vec![0.0; places * WEEKS];
                        weeks.clone().for_each(|w| row[at(p, w)] = 1.0);
                        published.push(row);
                    }
                }
                if !hidden.total {
                    let mut row = vec![0.0; places * WEEKS];
                    weeks.clone().for_each(|w| (0..places).for_each(|p| row[at(p, w)] = 1.0));
                    published.push(row);
                }
            }
            // A place in which nobody was seen is known to be empty.
            for p in 0..places {
                for w in (0..WEEKS).filter(|w| cell(p, *w).homes == 0) {
                    let mut row = vec![0.0; places * WEEKS];
                    row[at(p, w)] = 1.0;
                    published.push(row);
                }
            }
            for (w, (areas, hidden)) in week_hidden.iter().enumerate() {
                for p in (0..places).filter(|p| hidden.areas[*p] && areas[*p].homes > 0) {
                    prop_assert!(!follows(&published, at(p, w)), "place {p} of week {w} follows");
                }
                // Nor does it follow because nobody or everybody of the hidden ones complied.
                let group = sum(&areas.iter().zip(&hidden.areas).filter(|(a, h)| **h && a.homes > 0).map(|(a, _)| *a).collect::<Vec<_>>());
                prop_assert!(hidden.total || group.homes == 0 || !group.alike());
            }
            for (weeks, hidden) in &tables[WEEKS..] {
                for p in (0..places).filter(|p| hidden.areas[*p] && join(*p, weeks.clone()).homes > 0) {
                    let mut target = vec![0.0; places * WEEKS];
                    weeks.clone().for_each(|w| target[at(p, w)] = 1.0);
                    prop_assert!(published.is_empty() || rank(&published) < rank(&[published.clone(), vec![target]].concat()), "place {p} of {weeks:?} follows");
                }
                if hidden.total && (0..places).any(|p| join(p, weeks.clone()).homes > 0) {
                    let mut target = vec![0.0; places * WEEKS];
                    weeks.clone().for_each(|w| (0..places).for_each(|p| target[at(p, w)] = 1.0));
                    prop_assert!(published.is_empty() || rank(&published) < rank(&[published.clone(), vec![target]].concat()), "the total of {weeks:?} follows");
                }
            }
        }
    }
}
