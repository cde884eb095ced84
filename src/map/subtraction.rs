//! What a reader who keeps every revision could subtract. Pure: the states a week was published in and the one that would come next in, a
//! verdict by area out.
//!
//! A longer period shows nothing but sums of weeks, and weeks share no collection, so one week at a time is judged. Within a week, what may
//! be read are the areas that are shown, each by itself, and the hidden ones together (as the total less the shown ones). This division
//! changes once at most: an area that was shown is shown in every later revision, one that was hidden while somebody was observed there stays
//! hidden, but for what only a running trial hid, which is shown after its last look ([`released`]). The rule is: no combination of the sums of all parts in all revisions, whatever it adds and subtracts, rests on fewer than 10 homes
//! ([`super::combination`]); and where any parts together, their sum being a sum like any other, change by fewer than 20 homes, these neither
//! all comply nor all fail to, added or taken away ([`super::alike`]). Between the looks of a trial no combination tells of one arm alone. A home that moved cancels in the sum of its two places, so parts that ever shared a home
//! are judged side by side; parts that never did tell nothing together that each does not tell alone. Parts between which a home moved change
//! together or not at all; a part that may not change yet keeps the sums it was published with.

use super::alike::{all_alike, plus};
use super::combination::{Course, tells, tells_one_arm};
use super::hiding::{Area, ArmsOf, FEWEST_HOMES, one_arm};
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
    /// From that revision on; before it was among the hidden ones.
    Shown(i32),
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
    /// It would tell of one arm of a trial before its last look.
    OneArm,
    /// There are so many revisions, or so much moved between places, that what is told together is not worked out.
    ManyRevisions,
}

impl Waiting {
    pub fn name(self) -> &'static str {
        match self {
            Waiting::FewHomes => "few_homes",
            Waiting::SmallCell => "small_cell",
            Waiting::AllAlike => "all_alike",
            Waiting::OneArm => "one_arm",
            Waiting::ManyRevisions => "many_revisions",
        }
    }

    pub fn parse(name: &str) -> Option<Waiting> {
        let all = [Waiting::FewHomes, Waiting::SmallCell, Waiting::AllAlike, Waiting::OneArm, Waiting::ManyRevisions];
        all.into_iter().find(|waiting| waiting.name() == name)
    }

    /// For the command line; pages say it in their own words.
    pub fn why(self) -> &'static str {
        match self {
            Waiting::FewHomes => "fewer than 10 homes changed in a place",
            Waiting::SmallCell => "a place would be left with too few homes",
            Waiting::AllAlike => "the homes that changed are all alike",
            Waiting::OneArm => "it would tell of one arm of a trial before its last look",
            Waiting::ManyRevisions => "it was revised too often, or too much moved between places, to tell what one more would give away",
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
    /// Areas that were empty and that only a running trial hides.
    pub newly_blind: BTreeSet<String>,
    pub waiting: BTreeSet<Waiting>,
}

/// The part of a week that an area is read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Shown(&'a str),
    Hidden,
}

type Now = BTreeMap<(HouseholdId, String), Sums>;

/// The part each area is read in, and from which revision on; before it was read among the hidden ones.
type PartOf<'a> = BTreeMap<&'a str, (Part<'a>, i32)>;

/// Of a trial whose looks are not all open, the homes by arm.
pub type Arms = BTreeMap<HouseholdId, usize>;

/// The revision that would come next.
const NEXT: i32 = i32::MAX;

/// Judges one published week: `standing` of its areas, whether its total is shown, all it was published with, what the tallies say now, and
/// the arms that may not be told apart.
pub fn judge(standing: &BTreeMap<String, Standing>, total_shown: bool, past: &[Published], now: &Now, arms: &[Arms]) -> Verdict {
    let mut verdict = Verdict::default();
    let (mut newly, mut blind) = (BTreeSet::new(), BTreeSet::new());
    let mut part_of = PartOf::new();
    let current = by_area(now);
    let by_arm: Vec<ArmsOf> = arms.iter().map(|arms| homes_by_arm(now.keys().map(|(home, area)| (home, area.as_str())), arms)).collect();
    for area in past.iter().map(|row| row.area.as_str()).chain(current.keys().copied()) {
        part_of.entry(area).or_insert_with(|| match standing.get(area).copied().unwrap_or(Standing::Empty) {
            Standing::Shown(since) => (Part::Shown(area), since),
            Standing::Empty if current.get(area).is_some_and(|sums| !sums.small()) => {
                let lone = one_arm(&by_arm, std::iter::once(area));
                if lone {
                    blind.insert(area)
                } else {
                    newly.insert(area)
                };
                (if lone { Part::Hidden } else { Part::Shown(area) }, 1)
            }
            Standing::Hidden | Standing::Empty => (Part::Hidden, 1),
        });
    }
    let parts = Parts::gather(&part_of, total_shown, past, now, arms);
    let last: BTreeMap<(HouseholdId, &str), Sums> =
        past.iter().filter(|row| row.to.is_none()).map(|row| ((row.home, row.area.as_str()), row.sums)).collect();
    let next: BTreeMap<(HouseholdId, &str), Sums> = now.iter().map(|((home, area), sums)| ((*home, area.as_str()), *sums)).collect();
    let mut changed: BTreeMap<HouseholdId, BTreeSet<&str>> = BTreeMap::new();
    for key in last.keys().chain(next.keys()) {
        if last.get(key) != next.get(key) {
            changed.entry(key.0).or_default().insert(key.1);
        }
    }
    let mut accepted: BTreeSet<Part<'_>> = BTreeSet::new();
    for group in joined(changed.values(), &part_of) {
        let hidden = part_of.iter().filter(|(_, (part, _))| *part == Part::Hidden).filter_map(|(area, _)| Some((*area, *current.get(area)?)));
        let mut refused: BTreeSet<Waiting> = group
            .keys()
            .filter_map(|part| match part {
                Part::Shown(area) => current.get(area).is_none_or(Area::small).then_some(Waiting::SmallCell),
                Part::Hidden => (total_shown && !covered(hidden.clone(), now, &part_of)).then_some(Waiting::SmallCell),
            })
            .collect();
        let with: BTreeSet<Part<'_>> = accepted.iter().chain(group.keys()).copied().collect();
        if refused.is_empty() {
            refused.extend(parts.told(group.keys(), &with));
        }
        if refused.is_empty() {
            accepted = with;
            verdict.taken.extend(group.into_values().flatten().map(str::to_owned));
        } else {
            verdict.waiting.extend(refused);
        }
    }
    let taken = |areas: BTreeSet<&str>| areas.into_iter().filter(|area| verdict.taken.contains(*area)).map(str::to_owned).collect();
    (verdict.newly_shown, verdict.newly_blind) = (taken(newly), taken(blind));
    verdict
}

/// Of the areas that only a trial hid which has ended, those that may be shown from the next revision on: all, or what is left when the
/// smallest are taken out one after another until nothing told stands against it.
pub fn released(
    standing: &BTreeMap<String, Standing>,
    total_shown: bool,
    past: &[Published],
    hidden_by_trial: &BTreeSet<String>,
) -> BTreeSet<String> {
    let now: Now = past.iter().filter(|row| row.to.is_none()).map(|row| ((row.home, row.area.clone()), row.sums)).collect();
    let current = by_area(&now);
    let mut shown: BTreeSet<&str> =
        hidden_by_trial.iter().map(String::as_str).filter(|area| current.get(area).is_some_and(|sums| !sums.small())).collect();
    while !shown.is_empty() {
        let part = |area: &'_ str| match standing.get(area) {
            Some(Standing::Shown(since)) => Some(*since),
            _ => shown.contains(area).then_some(NEXT),
        };
        let part_of: PartOf<'_> = past
            .iter()
            .map(|row| row.area.as_str())
            .map(|area| (area, part(area).map_or((Part::Hidden, 1), |since| (Part::Shown(area), since))))
            .collect();
        let hidden = part_of.iter().filter(|(_, (part, _))| *part == Part::Hidden).filter_map(|(area, _)| Some((*area, *current.get(area)?)));
        let mut anew: BTreeSet<Part<'_>> = shown.iter().copied().map(Part::Shown).collect();
        anew.extend((total_shown && hidden.clone().next().is_some()).then_some(Part::Hidden));
        let parts = Parts::gather(&part_of, total_shown, past, &now, &[]);
        if (!total_shown || covered(hidden, &now, &part_of)) && parts.told(anew.iter(), &anew).is_none() {
            break;
        }
        let smallest = shown.iter().copied().min_by_key(|area| (current.get(area).map_or(0, |sums| sums.homes), *area));
        smallest.map(|area| shown.remove(area));
    }
    shown.into_iter().map(str::to_owned).collect()
}

/// The homes of each arm, by area.
pub fn homes_by_arm<'a>(homes: impl Iterator<Item = (&'a HouseholdId, &'a str)>, arms: &Arms) -> ArmsOf {
    let mut found = ArmsOf::new();
    for (home, area) in homes {
        if let Some(arm) = arms.get(home) {
            *found.entry(area.to_owned()).or_default().entry(*arm).or_default() += 1;
        }
    }
    found
}

/// Parts that a home which moved now joins, each with the areas that change in it.
fn joined<'a: 'b, 'b>(changed: impl Iterator<Item = &'b BTreeSet<&'a str>>, part_of: &PartOf<'a>) -> Vec<BTreeMap<Part<'a>, BTreeSet<&'a str>>> {
    let mut joined: Vec<BTreeMap<Part<'_>, BTreeSet<&str>>> = Vec::new();
    for areas in changed {
        let mut own: BTreeMap<Part<'_>, BTreeSet<&str>> = BTreeMap::new();
        for area in areas {
            own.entry(part_of[area].0).or_default().insert(area);
        }
        let (touching, apart): (Vec<_>, Vec<_>) = joined.into_iter().partition(|other| other.keys().any(|part| own.contains_key(part)));
        for (part, areas) in touching.into_iter().flatten() {
            own.entry(part).or_default().extend(areas);
        }
        joined = apart;
        joined.push(own);
    }
    joined.sort_by(|a, b| a.keys().cmp(b.keys()));
    joined
}

fn by_area(now: &Now) -> BTreeMap<&str, Area<'_>> {
    let mut areas: BTreeMap<&str, Area<'_>> = BTreeMap::new();
    for ((_, code), [observed, set_out, complied]) in now {
        let area = areas.entry(code).or_insert(Area { code, ..Area::default() });
        area.homes += 1;
        area.n += observed;
        area.y = [area.y[0] + complied, area.y[1] + set_out];
    }
    areas
}

/// Whether the hidden areas of a week whose total is shown still cover one another.
fn covered<'a>(hidden: impl Iterator<Item = (&'a str, Area<'a>)>, now: &Now, part_of: &PartOf<'_>) -> bool {
    let (areas, group) = hidden.fold((0, Area::default()), |(areas, sum), (_, area)| {
        (areas + 1, Area { n: sum.n + area.n, y: [sum.y[0] + area.y[0], sum.y[1] + area.y[1]], ..sum })
    });
    let homes: BTreeSet<HouseholdId> =
        now.keys().filter(|(_, area)| part_of.get(area.as_str()).is_some_and(|(part, _)| *part == Part::Hidden)).map(|(home, _)| *home).collect();
    areas == 0 || (areas >= 2 && homes.len() as i64 >= FEWEST_HOMES && !group.alike())
}

/// What was published and what the tallies say now, part by part as far as a reader sees them.
struct Parts<'a> {
    rows: BTreeMap<Part<'a>, Rows>,
    /// Parts that ever shared a home have the same number.
    linked: BTreeMap<Part<'a>, usize>,
    arms: &'a [Arms],
}

/// What a home had in a part from one revision to another.
struct State {
    home: HouseholdId,
    from: i32,
    to: Option<i32>,
    sums: Sums,
}

#[derive(Default)]
struct Rows {
    past: Vec<State>,
    now: Vec<(HouseholdId, Sums)>,
}

impl<'a> Parts<'a> {
    fn gather(part_of: &PartOf<'a>, total_shown: bool, past: &[Published], now: &Now, arms: &'a [Arms]) -> Parts<'a> {
        let mut rows: BTreeMap<Part<'a>, Rows> = BTreeMap::new();
        let mut parts_of_home: BTreeMap<HouseholdId, Vec<Part<'a>>> = BTreeMap::new();
        let mut lies = |home: HouseholdId, part: Part<'a>| {
            let own = parts_of_home.entry(home).or_default();
            if !own.contains(&part) {
                own.push(part);
            }
        };
        let read = |part: &Part<'a>| total_shown || *part != Part::Hidden;
        for row in past {
            let Some((part, since)) = part_of.get(row.area.as_str()).copied() else { continue };
            let (home, sums) = (row.home, row.sums);
            if row.from < since && read(&Part::Hidden) {
                let to = if since == NEXT { row.to } else { Some(row.to.map_or(since - 1, |to| to.min(since - 1))) };
                rows.entry(Part::Hidden).or_default().past.push(State { home, from: row.from, to, sums });
                lies(home, Part::Hidden);
            }
            if row.to.is_none_or(|to| to >= since) && since != NEXT && read(&part) {
                rows.entry(part).or_default().past.push(State { home, from: row.from.max(since), to: row.to, sums });
                lies(home, part);
            }
        }
        for ((home, area), sums) in now {
            if let Some((part, _)) = part_of.get(area.as_str()).copied().filter(|(part, _)| read(part)) {
                rows.entry(part).or_default().now.push((*home, *sums));
                lies(*home, part);
            }
        }
        let mut linked: BTreeMap<Part<'a>, usize> = rows.keys().enumerate().map(|(at, part)| (*part, at)).collect();
        let together: BTreeSet<Vec<Part<'a>>> = parts_of_home.into_values().filter(|parts| parts.len() > 1).collect();
        for parts in together {
            let numbers: Vec<usize> = parts.iter().map(|part| linked[part]).collect();
            linked.values_mut().filter(|number| numbers.contains(number)).for_each(|number| *number = numbers[0]);
        }
        Parts { rows, linked, arms }
    }

    /// What stands against new sums of `group`, all that is told with the parts it ever shared a home with. `with`: the parts that change.
    fn told<'b>(&self, group: impl Iterator<Item = &'b Part<'a>> + Clone, with: &BTreeSet<Part<'a>>) -> Option<Waiting>
    where
        'a: 'b,
    {
        let near: BTreeSet<usize> = group.filter_map(|part| self.linked.get(part)).copied().collect();
        let near: Vec<(&Part<'_>, &Rows)> = self.rows.iter().filter(|(part, _)| near.contains(&self.linked[part])).collect();
        // A column for each state a part was published in, then one for each that changes.
        let mut columns: Vec<(usize, i32)> = Vec::new();
        for (at, (_, rows)) in near.iter().enumerate() {
            let begins: BTreeSet<i32> = rows.past.iter().flat_map(|row| [Some(row.from), row.to.map(|to| to + 1)]).flatten().collect();
            columns.extend(begins.into_iter().map(|begin| (at, begin)));
        }
        let known = columns.len();
        columns.extend(near.iter().enumerate().filter(|(_, (part, _))| with.contains(part)).map(|(at, _)| (at, i32::MAX)));
        let mut entries: Vec<(HouseholdId, usize, Sums)> = Vec::new();
        for (column, (at, begin)) in columns.iter().enumerate() {
            if column < known {
                let there = near[*at].1.past.iter().filter(|row| row.from <= *begin && row.to.is_none_or(|to| to >= *begin));
                entries.extend(there.map(|row| (row.home, column, row.sums)));
            } else {
                entries.extend(near[*at].1.now.iter().map(|(home, sums)| (*home, column, *sums)));
            }
        }
        entries.sort_unstable_by_key(|(home, column, _)| (*home, *column));
        let mut courses: BTreeMap<Course, i64> = BTreeMap::new();
        let mut of_arm: Vec<BTreeMap<usize, BTreeMap<Course, i64>>> = vec![BTreeMap::new(); self.arms.len()];
        for own in entries.chunk_by(|a, b| a.0 == b.0) {
            let mut course = Course::new();
            for (_, column, sums) in own {
                match course.last_mut().filter(|(last, _)| last == column) {
                    // Two hidden areas are one part.
                    Some((_, sum)) => *sum = plus(sum, sums),
                    None => course.push((*column, *sums)),
                }
            }
            for (arms, of_arm) in self.arms.iter().zip(&mut of_arm) {
                if let Some(arm) = arms.get(&own[0].0) {
                    *of_arm.entry(*arm).or_default().entry(course.clone()).or_default() += 1;
                }
            }
            *courses.entry(course).or_default() += 1;
        }
        let one_arm = || {
            let told = of_arm.iter().any(|of| tells_one_arm(&of.values().cloned().collect::<Vec<_>>(), known, columns.len()));
            told.then_some(Waiting::OneArm)
        };
        tells(&courses, known, columns.len()).or_else(|| all_alike(&courses, &columns, known)).or_else(one_arm)
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
        areas.iter().map(|area| ((*area).to_owned(), Standing::Shown(1))).collect()
    }

    #[test]
    fn nine_homes_wait_and_ten_do_not() {
        let past = one_state("a", 0..40);
        for (homes, waits) in [(1, true), (9, true), (10, false)] {
            let mut now = current(&past);
            (0..homes).for_each(|n| {
                now.get_mut(&(home(n), "a".into())).unwrap().iter_mut().zip([2, 1, (n % 2) as i64]).for_each(|(sum, more)| *sum += more)
            });
            let verdict = judge(&all_shown(&["a"]), true, &past, &now, &[]);
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
            assert_eq!(judge(&all_shown(&["a"]), true, &past, &now, &[]).waiting.contains(&Waiting::AllAlike), waits, "{homes}");
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
        assert!(judge(&all_shown(&["a"]), true, &past, &first, &[]).waiting.is_empty());
        publish(&mut past, &first, 2);
        // Back again tells nothing new; then twelve others of whom eleven are the same: the difference of the differences is two homes.
        assert!(judge(&all_shown(&["a"]), true, &past, &whole, &[]).waiting.is_empty());
        publish(&mut past, &whole, 3);
        assert_eq!(judge(&all_shown(&["a"]), true, &past, &without(1..13), &[]).waiting, BTreeSet::from([Waiting::FewHomes]));
        assert!(judge(&all_shown(&["a"]), true, &past, &without(12..24), &[]).waiting.is_empty());
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
            assert!(judge(&all_shown(&["a"]), true, &past, &now, &[]).waiting.is_empty());
            publish(&mut past, &now, revision);
        }
        assert!(judge(&all_shown(&["a"]), true, &past, &without(&[40..50, 50..60]), &[]).waiting.is_empty());
        let near = [1..13, 40..60];
        assert_eq!(judge(&all_shown(&["a"]), true, &past, &without(&near), &[]).waiting, BTreeSet::from([Waiting::FewHomes]));
        let other = [14..27, 40..60, 70..71];
        assert!(judge(&all_shown(&["a"]), true, &past, &without(&other), &[]).waiting.is_empty());
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
        let verdict = judge(&all_shown(&["a", "b", "c"]), true, &past, &now, &[]);
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
        assert_eq!(judge(&standing, true, &past, &now, &[]).waiting, BTreeSet::from([Waiting::SmallCell]));
        assert_eq!(judge(&standing, false, &past, &now, &[]).taken, BTreeSet::from(["c".to_owned()]), "nothing of it was ever told");
        for (homes, newly) in [(5, false), (15, true)] {
            let mut now = whole.clone();
            now.extend((300..300 + homes).map(|n| ((home(n), "d".to_owned()), usual(n))));
            let verdict = judge(&standing, true, &past, &now, &[]);
            assert_eq!((verdict.newly_shown.contains("d"), verdict.taken.contains("d")), (newly, newly), "{homes}");
        }
    }
}
