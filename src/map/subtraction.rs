//! What a reader who keeps every revision could subtract. Pure: the states a week was published in and the one that would come next in, a
//! verdict by area out.
//!
//! A longer period shows nothing but sums of weeks, and weeks share no collection, so one week at a time is judged. Within a week, what may
//! be read apart from all else are the areas that are shown, each by itself, and the hidden ones together (as the total less the shown
//! ones). This division never changes: an area that was shown is shown in every later revision, one that was hidden while somebody was
//! observed there stays hidden. For each part the rule is: no combination of the revisions' sums, whatever it adds and subtracts, rests on
//! fewer than 10 homes; and where a part changes by fewer than 20 homes, these neither all comply nor all fail to, added or taken away.
//! Parts between which a home moved change together or not at all; a part that may not change yet keeps the sums it was published with.

use super::hiding::{Area, FEWEST_HOMES, FEWEST_HOMES_ALL_ALIKE};
use crate::id::HouseholdId;
use std::collections::{BTreeMap, BTreeSet};

/// Collections of one home in one area and week: observed, set out, complied.
pub type Sums = [i64; 3];

/// What a home had in an area from one published revision of the week to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub home: HouseholdId,
    pub area: String,
    pub from: i32,
    pub to: Option<i32>,
    pub sums: Sums,
}

/// How an area stood in the revisions so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Shown,
    Hidden,
    /// Nobody was ever observed there.
    Empty,
}

/// Why a change is not published yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// It would tell of fewer than 10 homes.
    FewHomes,
    /// What is shown would fall below 10 homes, or the hidden areas would no longer cover one another.
    SmallCell,
    /// All or none of the homes it would tell of complied.
    AllAlike,
    /// There are so many revisions that what they tell together is not worked out.
    ManyRevisions,
}

impl Waiting {
    pub fn name(self) -> &'static str {
        match self {
            Waiting::FewHomes => "few_homes",
            Waiting::SmallCell => "small_cell",
            Waiting::AllAlike => "all_alike",
            Waiting::ManyRevisions => "many_revisions",
        }
    }

    pub fn parse(name: &str) -> Option<Waiting> {
        [Waiting::FewHomes, Waiting::SmallCell, Waiting::AllAlike, Waiting::ManyRevisions].into_iter().find(|waiting| waiting.name() == name)
    }

    /// For the command line; pages say it in their own words.
    pub fn why(self) -> &'static str {
        match self {
            Waiting::FewHomes => "fewer than 10 homes changed in a place",
            Waiting::SmallCell => "a place would be left with too few homes",
            Waiting::AllAlike => "the homes that changed are all alike",
            Waiting::ManyRevisions => "it was revised too often to tell what one more would give away",
        }
    }
}

/// What the next revision of a week may take in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Areas whose current sums are taken in; all others keep the published ones.
    pub taken: BTreeSet<String>,
    /// Areas that were empty and are now shown.
    pub newly_shown: BTreeSet<String>,
    pub waiting: BTreeSet<Waiting>,
}

/// The part of a week that an area is read in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Shown(String),
    Hidden,
}

type Now = BTreeMap<(HouseholdId, String), Sums>;

/// Judges one published week: `standing` of its areas, whether its total is shown, all it was published with, and what the tallies say now.
pub fn judge(standing: &BTreeMap<String, Standing>, total_shown: bool, past: &[Published], now: &Now) -> Verdict {
    let last: Now = past.iter().filter(|row| row.to.is_none()).map(|row| ((row.home, row.area.clone()), row.sums)).collect();
    let mut changed: BTreeMap<HouseholdId, BTreeSet<&str>> = BTreeMap::new();
    for key in last.keys().chain(now.keys()) {
        if last.get(key) != now.get(key) {
            changed.entry(key.0).or_default().insert(&key.1);
        }
    }
    let mut verdict = Verdict::default();
    let mut newly = BTreeSet::new();
    let mut part_of = |area: &str| match standing.get(area).copied().unwrap_or(Standing::Empty) {
        Standing::Shown => Part::Shown(area.to_owned()),
        Standing::Hidden => Part::Hidden,
        Standing::Empty if sum(now, |code| code == area).small() => Part::Hidden,
        Standing::Empty => {
            newly.insert(area.to_owned());
            Part::Shown(area.to_owned())
        }
    };
    // Parts that a moved home joins, each with the areas that change in it.
    let mut joined: Vec<BTreeMap<Part, BTreeSet<String>>> = Vec::new();
    for areas in changed.values() {
        let mut own: BTreeMap<Part, BTreeSet<String>> = BTreeMap::new();
        for area in areas {
            own.entry(part_of(area)).or_default().insert((*area).to_owned());
        }
        let (touching, apart): (Vec<_>, Vec<_>) = joined.into_iter().partition(|other| other.keys().any(|part| own.contains_key(part)));
        for other in touching {
            for (part, areas) in other {
                own.entry(part).or_default().extend(areas);
            }
        }
        joined = apart;
        joined.push(own);
    }
    let hidden = |area: &str| standing.get(area).copied().unwrap_or(Standing::Empty) != Standing::Shown && !newly.contains(area);
    for parts in joined {
        let refused: BTreeSet<Waiting> = parts
            .keys()
            .filter_map(|part| match part {
                Part::Shown(area) => shown(past, now, area),
                Part::Hidden if total_shown => covered(past, now, &hidden),
                Part::Hidden => None,
            })
            .collect();
        if refused.is_empty() {
            let areas = parts.into_values().flatten();
            verdict.taken.extend(areas);
        } else {
            verdict.waiting.extend(refused);
        }
    }
    verdict.newly_shown = newly.into_iter().filter(|area| verdict.taken.contains(area)).collect();
    verdict
}

/// What stands against new sums of an area that is shown.
fn shown(past: &[Published], now: &Now, area: &str) -> Option<Waiting> {
    if sum(now, |code| code == area).small() {
        return Some(Waiting::SmallCell);
    }
    tells(&states(past, now, |code| code == area))
}

/// What stands against new sums of the hidden areas where the total is shown.
fn covered(past: &[Published], now: &Now, hidden: &impl Fn(&str) -> bool) -> Option<Waiting> {
    let group = sum(now, hidden);
    let areas: BTreeSet<&str> = now.keys().map(|(_, area)| area.as_str()).filter(|area| hidden(area)).collect();
    if group.homes > 0 && (areas.len() < 2 || group.homes < FEWEST_HOMES || group.alike()) {
        return Some(Waiting::SmallCell);
    }
    tells(&states(past, now, hidden))
}

fn sum(now: &Now, within: impl Fn(&str) -> bool) -> Area<'static> {
    let mut homes = BTreeSet::new();
    let mut area = Area::default();
    for ((home, code), [observed, set_out, complied]) in now {
        if within(code) {
            homes.insert(home);
            area.n += observed;
            area.y = [area.y[0] + complied, area.y[1] + set_out];
        }
    }
    Area { homes: homes.len() as i64, ..area }
}

/// The sums of every home of a part in each state it was published in, the one to come last.
fn states(past: &[Published], now: &Now, within: impl Fn(&str) -> bool) -> Vec<Vec<Sums>> {
    let rows: Vec<&Published> = past.iter().filter(|row| within(&row.area)).collect();
    let begins: BTreeSet<i32> = rows.iter().flat_map(|row| [Some(row.from), row.to.map(|to| to + 1)]).flatten().collect();
    let begins: Vec<i32> = begins.into_iter().collect();
    let mut homes: BTreeMap<HouseholdId, Vec<Sums>> = BTreeMap::new();
    let mut add = |home: HouseholdId, at: usize, sums: Sums| {
        let state = &mut homes.entry(home).or_insert_with(|| vec![[0; 3]; begins.len() + 1])[at];
        state.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
    };
    for row in rows {
        for (at, begin) in begins.iter().enumerate() {
            if row.from <= *begin && row.to.is_none_or(|to| to >= *begin) {
                add(row.home, at, row.sums);
            }
        }
    }
    for ((home, _), sums) in now.iter().filter(|((_, area), _)| within(area)) {
        add(*home, begins.len(), *sums);
    }
    homes.into_values().collect()
}

/// Whether the last of some states of a part tells of too few homes, with all the states before it. `homes`: each home's sums, state by state.
fn tells(homes: &[Vec<Sums>]) -> Option<Waiting> {
    let count = homes.first().map_or(0, Vec::len);
    for earlier in 0..count.saturating_sub(1) {
        let changed: Vec<[i64; 3]> = homes
            .iter()
            .map(|states| std::array::from_fn(|i| states[count - 1][i] - states[earlier][i]))
            .filter(|difference: &[i64; 3]| *difference != [0; 3])
            .collect();
        if !changed.is_empty() && (changed.len() as i64) < FEWEST_HOMES {
            return Some(Waiting::FewHomes);
        }
        let [observed, set_out, complied] = changed.iter().fold([0; 3], |sum, own| std::array::from_fn(|i| sum[i] + own[i]));
        let alike = observed != 0 && [set_out, complied].iter().any(|y| *y == 0 || *y == observed);
        if alike && (changed.len() as i64) < FEWEST_HOMES_ALL_ALIKE {
            return Some(Waiting::AllAlike);
        }
    }
    if count > 64 {
        return Some(Waiting::ManyRevisions);
    }
    // A combination of the states reads nothing of a home when it cancels each of the values the home had. Homes with the same course are
    // read together or not at all.
    let mut courses: BTreeMap<Vec<u64>, i64> = BTreeMap::new();
    for states in homes {
        let mut values: BTreeMap<Sums, u64> = BTreeMap::new();
        for (at, sums) in states.iter().enumerate().filter(|(_, sums)| **sums != [0; 3]) {
            *values.entry(*sums).or_default() |= 1 << at;
        }
        let mut masks: Vec<u64> = values.into_values().collect();
        masks.sort_unstable();
        *courses.entry(masks).or_default() += 1;
    }
    courses.remove(&Vec::new());
    let courses: Vec<(Vec<u64>, i64)> = courses.into_iter().collect();
    let mut many = Span::default();
    for masks in courses.iter().filter(|(_, homes)| *homes >= FEWEST_HOMES).flat_map(|(masks, _)| masks) {
        many.add(*masks, count);
    }
    let few: Vec<&(Vec<u64>, i64)> = courses.iter().filter(|(_, homes)| *homes < FEWEST_HOMES).collect();
    let mut whole = many.clone();
    few.iter().flat_map(|(masks, _)| masks).for_each(|mask| whole.add(*mask, count));
    let mut budget = 2_000;
    reads_few(&many, whole.rank(), &few, 0, count, &mut budget)
}

/// Whether a combination that cancels `span` and is not nothing reads fewer than 10 homes: those whose course lies outside.
fn reads_few(span: &Span, whole: usize, few: &[&(Vec<u64>, i64)], from: usize, width: usize, budget: &mut i32) -> Option<Waiting> {
    if span.rank() == whole {
        return None;
    }
    *budget -= 1;
    if *budget < 0 {
        return Some(Waiting::ManyRevisions);
    }
    let outside: Vec<usize> = (0..few.len()).filter(|at| few[*at].0.iter().any(|mask| !span.holds(*mask, width))).collect();
    if outside.iter().map(|at| few[*at].1).sum::<i64>() < FEWEST_HOMES {
        return Some(Waiting::FewHomes);
    }
    for at in outside.into_iter().filter(|at| *at >= from) {
        let mut larger = span.clone();
        few[at].0.iter().for_each(|mask| larger.add(*mask, width));
        if let Some(told) = reads_few(&larger, whole, few, at + 1, width, budget) {
            return Some(told);
        }
    }
    None
}

/// Vectors of zeros and ones in echelon form, over a prime field so large that no determinant of theirs vanishes by chance.
#[derive(Debug, Clone, Default)]
struct Span {
    rows: Vec<(usize, Vec<u64>)>,
}

const PRIME: u64 = (1 << 61) - 1;

fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64
}

fn inverse(a: u64) -> u64 {
    let (mut base, mut exponent, mut result) = (a, PRIME - 2, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base);
        }
        base = times(base, base);
        exponent >>= 1;
    }
    result
}

impl Span {
    fn rank(&self) -> usize {
        self.rows.len()
    }

    /// What is left of a vector when the span is taken out of it.
    fn rest(&self, mask: u64, width: usize) -> Vec<u64> {
        let mut vector: Vec<u64> = (0..width).map(|at| mask >> at & 1).collect();
        for (pivot, row) in &self.rows {
            let factor = vector[*pivot];
            if factor != 0 {
                vector.iter_mut().zip(row).for_each(|(cell, own)| *cell = (*cell + PRIME - times(factor, *own)) % PRIME);
            }
        }
        vector
    }

    fn holds(&self, mask: u64, width: usize) -> bool {
        self.rest(mask, width).iter().all(|cell| *cell == 0)
    }

    fn add(&mut self, mask: u64, width: usize) {
        let mut vector = self.rest(mask, width);
        let Some(pivot) = vector.iter().position(|cell| *cell != 0) else { return };
        let scale = inverse(vector[pivot]);
        vector.iter_mut().for_each(|cell| *cell = times(*cell, scale));
        self.rows.push((pivot, vector));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn home(n: usize) -> HouseholdId {
        HouseholdId(Uuid::from_u128(n as u128))
    }

    /// Each home observed twice, set out once more than it complied, every third complying twice.
    fn usual(n: usize) -> Sums {
        if n.is_multiple_of(3) { [2, 2, 2] } else { [2, 1, (n % 2) as i64] }
    }

    fn one_state(area: &str, homes: std::ops::Range<usize>) -> Vec<Published> {
        homes.map(|n| Published { home: home(n), area: area.into(), from: 1, to: None, sums: usual(n) }).collect()
    }

    fn current(past: &[Published]) -> Now {
        past.iter().filter(|row| row.to.is_none()).map(|row| ((row.home, row.area.clone()), row.sums)).collect()
    }

    /// The next state is published as it is.
    fn publish(past: &mut Vec<Published>, now: &Now, revision: i32) {
        let last = current(past);
        for row in past.iter_mut().filter(|row| row.to.is_none()) {
            if now.get(&(row.home, row.area.clone())) != Some(&row.sums) {
                row.to = Some(revision - 1);
            }
        }
        for ((home, area), sums) in now {
            if last.get(&(*home, area.clone())) != Some(sums) {
                past.push(Published { home: *home, area: area.clone(), from: revision, to: None, sums: *sums });
            }
        }
    }

    fn all_shown(areas: &[&str]) -> BTreeMap<String, Standing> {
        areas.iter().map(|area| ((*area).to_owned(), Standing::Shown)).collect()
    }

    #[test]
    fn nine_homes_wait_and_ten_do_not() {
        let past = one_state("a", 0..40);
        for (homes, waits) in [(1, true), (9, true), (10, false)] {
            let mut now = current(&past);
            (0..homes).for_each(|n| {
                now.get_mut(&(home(n), "a".into())).unwrap().iter_mut().zip([2, 1, (n % 2) as i64]).for_each(|(sum, more)| *sum += more)
            });
            let verdict = judge(&all_shown(&["a"]), true, &past, &now);
            assert_eq!(verdict.waiting.contains(&Waiting::FewHomes), waits, "{homes}");
            assert_eq!(verdict.taken.is_empty(), waits);
        }
    }

    #[test]
    fn homes_that_all_comply_are_not_told_of_below_twenty() {
        let past = one_state("a", 0..60);
        for (homes, waits) in [(19, true), (20, false)] {
            let mut now = current(&past);
            (0..homes).for_each(|n| now.get_mut(&(home(n), "a".into())).unwrap().iter_mut().for_each(|sum| *sum += 1));
            assert_eq!(judge(&all_shown(&["a"]), true, &past, &now).waiting.contains(&Waiting::AllAlike), waits, "{homes}");
        }
    }

    #[test]
    fn two_revisions_of_ten_that_differ_by_two_homes_are_not_both_published() {
        let mut past = one_state("a", 0..60);
        let whole = current(&past);
        let without = |left: std::ops::Range<usize>| -> Now {
            whole.iter().filter(|((own, _), _)| !left.clone().any(|n| home(n) == *own)).map(|(k, v)| (k.clone(), *v)).collect()
        };
        let first = without(0..12);
        assert!(judge(&all_shown(&["a"]), true, &past, &first).waiting.is_empty());
        publish(&mut past, &first, 2);
        // Back again tells nothing new; then twelve others of whom eleven are the same: the difference of the differences is two homes.
        assert!(judge(&all_shown(&["a"]), true, &past, &whole).waiting.is_empty());
        publish(&mut past, &whole, 3);
        assert_eq!(judge(&all_shown(&["a"]), true, &past, &without(1..13)).waiting, BTreeSet::from([Waiting::FewHomes]));
        assert!(judge(&all_shown(&["a"]), true, &past, &without(12..24)).waiting.is_empty());
    }

    #[test]
    fn a_difference_of_differences_is_seen_where_every_pair_of_revisions_is_far_apart() {
        // Taken away: X, then X and Z, then Z and what X was but for one home: pairwise ten and more, (1 − 2) − (4 − 3) is two homes.
        let mut past = one_state("a", 0..90);
        let whole = current(&past);
        let without = |left: &[std::ops::Range<usize>]| -> Now {
            whole.iter().filter(|((own, _), _)| !left.iter().cloned().flatten().any(|n| home(n) == *own)).map(|(k, v)| (k.clone(), *v)).collect()
        };
        for (revision, left) in [(2, vec![0..6, 6..12]), (3, vec![0..12, 40..60])] {
            let now = without(&left);
            assert!(judge(&all_shown(&["a"]), true, &past, &now).waiting.is_empty());
            publish(&mut past, &now, revision);
        }
        assert!(judge(&all_shown(&["a"]), true, &past, &without(&[40..50, 50..60])).waiting.is_empty());
        let near = [1..13, 40..60];
        assert_eq!(judge(&all_shown(&["a"]), true, &past, &without(&near)).waiting, BTreeSet::from([Waiting::FewHomes]));
        let other = [14..27, 40..60, 70..71];
        assert!(judge(&all_shown(&["a"]), true, &past, &without(&other)).waiting.is_empty());
    }

    #[test]
    fn a_mover_holds_both_places_and_a_third_is_taken() {
        let past: Vec<Published> = [one_state("a", 0..40), one_state("b", 100..140), one_state("c", 200..240)].concat();
        let mut now = current(&past);
        let sums = now.remove(&(home(0), "a".into())).unwrap();
        now.insert((home(0), "b".into()), sums);
        (1..15)
            .for_each(|n| now.get_mut(&(home(n), "a".into())).unwrap().iter_mut().zip([1, 1, (n % 2) as i64]).for_each(|(sum, more)| *sum += more));
        (200..215)
            .for_each(|n| now.get_mut(&(home(n), "c".into())).unwrap().iter_mut().zip([2, 1, (n % 2) as i64]).for_each(|(sum, more)| *sum += more));
        let verdict = judge(&all_shown(&["a", "b", "c"]), true, &past, &now);
        assert_eq!(verdict.taken, BTreeSet::from(["c".to_owned()]), "b changes by one home, a with it");
        assert!(verdict.waiting.contains(&Waiting::FewHomes));
    }

    #[test]
    fn what_is_hidden_keeps_its_cover_and_what_was_empty_is_shown_when_it_is_large() {
        let past: Vec<Published> = [one_state("a", 0..40), one_state("b", 100..106), one_state("c", 200..214)].concat();
        let mut standing = all_shown(&["a"]);
        standing.insert("b".into(), Standing::Hidden);
        standing.insert("c".into(), Standing::Hidden);
        let whole = current(&past);
        // All of c gone: b alone would be the total less a.
        let now: Now = whole.iter().filter(|((_, area), _)| area != "c").map(|(k, v)| (k.clone(), *v)).collect();
        assert_eq!(judge(&standing, true, &past, &now).waiting, BTreeSet::from([Waiting::SmallCell]));
        assert_eq!(judge(&standing, false, &past, &now).taken, BTreeSet::from(["c".to_owned()]), "nothing of it was ever told");
        for (homes, newly) in [(5, false), (15, true)] {
            let mut now = whole.clone();
            now.extend((300..300 + homes).map(|n| ((home(n), "d".to_owned()), usual(n))));
            let verdict = judge(&standing, true, &past, &now);
            assert_eq!((verdict.newly_shown.contains("d"), verdict.taken.contains("d")), (newly, newly), "{homes}");
        }
    }
}
