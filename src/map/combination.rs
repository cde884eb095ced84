//! Which combinations of published sums rest on few homes. Pure: what each home adds to which sum in, a verdict out.
//!
//! Every sum a reader was shown is a column, and a combination gives each column a number, negative ones too. It tells nothing of a home when
//! what the home adds to it cancels: as numbers (a home that moved, or whose days lay in two places, adds up to the same), or as unknowns that
//! are one wherever they are alike. Neither contains the other, so both are asked. A combination tells of few homes exactly when leaving fewer
//! than 10 homes out makes the rows of all homes span less, and that is what is looked for.

use super::hiding::FEWEST_HOMES;
use super::subtraction::{Sums, Waiting};
use std::collections::{BTreeMap, BTreeSet};

/// What one home adds to the columns it stands in, by column.
pub(super) type Course = Vec<(usize, Sums)>;

/// One row that a home spans: column and number, none of them zero.
type Row = Vec<(usize, u64)>;

/// So many columns are worked out, and so many choices of homes to leave out are tried.
const MOST_COLUMNS: usize = 512;
const MOST_CHOICES: i32 = 2_000;

/// Whether a combination that reads one of the columns from `known` on tells of fewer than 10 homes, and no combination of the columns
/// before them told the same already. `courses`: how many homes have each.
pub(super) fn tells(courses: &BTreeMap<Course, i64>, known: usize, width: usize) -> Option<Waiting> {
    if width > MOST_COLUMNS {
        return Some(Waiting::ManyRevisions);
    }
    let (mut unknowns, mut numbers): (BTreeMap<Vec<Row>, i64>, BTreeMap<Vec<Row>, i64>) = Default::default();
    for (course, homes) in courses {
        let own = as_unknowns(course);
        *numbers.entry(as_numbers(course).unwrap_or_else(|| own.clone())).or_default() += homes;
        *unknowns.entry(own).or_default() += homes;
    }
    let none = BTreeSet::new();
    reads_few(&unknowns, &none, known, width).or_else(|| if numbers == unknowns { None } else { reads_few(&numbers, &none, known, width) })
}

/// Whether a combination that reads one of the columns from `known` on tells of one arm of a trial alone, give or take 9 homes of the others.
/// `arms`: of each arm, how many homes have each course.
pub(super) fn tells_one_arm(arms: &[BTreeMap<Course, i64>], known: usize, width: usize) -> bool {
    let told = |as_rows: &dyn Fn(&Course) -> Vec<Row>| {
        (0..arms.len()).any(|arm| {
            let mut others: BTreeMap<Vec<Row>, i64> = BTreeMap::new();
            let apart = arms.iter().enumerate().filter(|(other, _)| *other != arm).flat_map(|(_, courses)| courses);
            apart.for_each(|(course, homes)| *others.entry(as_rows(course)).or_default() += homes);
            let own: BTreeSet<Row> = arms[arm].keys().flat_map(as_rows).collect();
            reads_few(&others, &own, known, width).is_some()
        })
    };
    told(&as_unknowns) || told(&|course| as_numbers(course).unwrap_or_else(|| as_unknowns(course)))
}

fn dense(row: &Row, width: usize) -> Vec<u64> {
    let mut vector = vec![0; width];
    row.iter().for_each(|(column, n)| vector[*column] = *n);
    vector
}

/// One row for each of the values a home had.
fn as_unknowns(course: &Course) -> Vec<Row> {
    let mut rows: Vec<(Sums, Row)> = Vec::new();
    for (column, sums) in course {
        match rows.iter_mut().find(|(value, _)| value == sums) {
            Some((_, row)) => row.push((*column, 1)),
            None => rows.push((*sums, vec![(*column, 1)])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Collections, set out and complied as three rows in reduced echelon form; `None` where they span what the unknowns do.
fn as_numbers(course: &Course) -> Option<Vec<Row>> {
    let mut values: Vec<Sums> = course.iter().map(|(_, sums)| *sums).collect();
    values.sort_unstable();
    values.dedup();
    let mut independent = Span::default();
    values.iter().for_each(|value| independent.add(value.iter().map(|n| *n as u64).collect()));
    if independent.rows.len() == values.len() {
        return None;
    }
    let mut span = Span::default();
    (0..3).for_each(|i| span.add(course.iter().map(|(_, sums)| sums[i] as u64).collect()));
    let mut rows = span.rows;
    rows.sort_by_key(|(pivot, _)| *pivot);
    for at in 1..rows.len() {
        let (above, below) = rows.split_at_mut(at);
        let (pivot, own) = &below[0];
        above.iter_mut().for_each(|(_, row)| take_out(row, *pivot, own));
    }
    let sparse = |row: Vec<u64>| row.into_iter().zip(course).filter(|(n, _)| *n != 0).map(|(n, (column, _))| (*column, n)).collect();
    Some(rows.into_iter().map(|(_, row)| sparse(row)).collect())
}

/// Looks for homes, fewer than 10 together, without whom the others no longer span what they and `more` do.
fn reads_few(shares: &BTreeMap<Vec<Row>, i64>, more: &BTreeSet<Row>, known: usize, width: usize) -> Option<Waiting> {
    let dense = |row: &Row| dense(row, width);
    let mut many = Span::default();
    shares.iter().filter(|(_, homes)| **homes >= FEWEST_HOMES).flat_map(|(rows, _)| rows).for_each(|row| many.add(dense(row)));
    let mut whole = many.clone();
    shares.iter().filter(|(_, homes)| **homes < FEWEST_HOMES).flat_map(|(rows, _)| rows).chain(more).for_each(|row| whole.add(dense(row)));
    // Pivots are leftmost, so these rows span all that reads nothing but the new columns. What of it the many do not span is in question.
    let told = whole.rows.iter().filter(|(pivot, _)| *pivot >= known).map(|(_, row)| many.rest(row.clone()));
    let mut told: Vec<Vec<u64>> = told.filter(|rest| rest.iter().any(|n| *n != 0)).collect();
    if told.is_empty() {
        return None;
    }
    let mut few: Vec<(Vec<Vec<u64>>, i64)> = shares
        .iter()
        .filter(|(_, homes)| **homes < FEWEST_HOMES)
        .map(|(rows, homes)| (rows.iter().map(|row| many.rest(dense(row))).filter(|rest| rest.iter().any(|n| *n != 0)).collect::<Vec<_>>(), *homes))
        .filter(|(rests, _)| !rests.is_empty())
        .collect();
    let mut used = vec![false; width];
    few.iter().flat_map(|(rests, _)| rests).chain(&told).for_each(|rest| rest.iter().zip(&mut used).for_each(|(n, used)| *used |= *n != 0));
    let narrow = |vector: &mut Vec<u64>| *vector = vector.iter().zip(&used).filter(|(_, used)| **used).map(|(n, _)| *n).collect();
    told.iter_mut().chain(few.iter_mut().flat_map(|(rests, _)| rests)).for_each(narrow);
    few.sort_by_key(|(_, homes)| std::cmp::Reverse(*homes));
    let free: Vec<usize> = (0..few.len()).collect();
    Search { few: &few, told: &told, choices: MOST_CHOICES }.leaving_out(&Span::default(), &free, 0)
}

/// Looks for homes, fewer than 10 together, without whom the others no longer span what is told.
struct Search<'a> {
    few: &'a [(Vec<Vec<u64>>, i64)],
    told: &'a [Vec<u64>],
    choices: i32,
}

impl Search<'_> {
    fn spanned(&self, span: &Span) -> bool {
        self.told.iter().all(|row| span.holds(row))
    }

    /// `kept` is spanned by those who stay, `free` may be left out, and `without` homes are already.
    fn leaving_out(&mut self, kept: &Span, free: &[usize], without: i64) -> Option<Waiting> {
        if self.spanned(kept) {
            return None;
        }
        self.choices -= 1;
        if self.choices < 0 {
            return Some(Waiting::ManyRevisions);
        }
        // Groups that span it each by itself: one of every group must be left out.
        let (mut first, mut unused, mut at_least) = (None, free.to_vec(), without);
        while at_least < FEWEST_HOMES {
            let (mut span, mut group) = (kept.clone(), Vec::new());
            for at in &unused {
                let rank = span.rows.len();
                self.few[*at].0.iter().for_each(|row| span.add(row.clone()));
                if span.rows.len() > rank {
                    group.push(*at);
                    if self.spanned(&span) {
                        break;
                    }
                }
            }
            if !self.spanned(&span) {
                break;
            }
            at_least += group.iter().map(|at| self.few[*at].1).min().unwrap_or(FEWEST_HOMES);
            unused.retain(|at| !group.contains(at));
            first.get_or_insert(group);
        }
        let Some(first) = first else { return Some(Waiting::FewHomes) };
        if at_least >= FEWEST_HOMES {
            return None;
        }
        let (mut kept, mut free) = (kept.clone(), free.to_vec());
        for at in first {
            free.retain(|other| *other != at);
            if without + self.few[at].1 < FEWEST_HOMES
                && let Some(found) = self.leaving_out(&kept, &free, without + self.few[at].1)
            {
                return Some(found);
            }
            self.few[at].0.iter().for_each(|row| kept.add(row.clone()));
        }
        None
    }
}

/// Vectors in echelon form, over a prime field so large that no determinant of theirs vanishes by chance.
#[derive(Debug, Clone, Default)]
struct Span {
    rows: Vec<(usize, Vec<u64>)>,
}

const PRIME: u64 = (1 << 61) - 1;

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let sum = (product as u64 & PRIME) + (product >> 61) as u64;
    if sum >= PRIME { sum - PRIME } else { sum }
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

fn take_out(vector: &mut [u64], pivot: usize, row: &[u64]) {
    let factor = vector[pivot];
    if factor != 0 {
        vector[pivot..].iter_mut().zip(&row[pivot..]).filter(|(_, own)| **own != 0).for_each(|(cell, own)| {
            let less = times(factor, *own);
            *cell = if *cell >= less { *cell - less } else { *cell + PRIME - less };
        });
    }
}

impl Span {
    /// What is left of a vector when the span is taken out of it.
    fn rest(&self, mut vector: Vec<u64>) -> Vec<u64> {
        self.rows.iter().for_each(|(pivot, row)| take_out(&mut vector, *pivot, row));
        vector
    }

    fn holds(&self, vector: &[u64]) -> bool {
        self.rest(vector.to_vec()).iter().all(|cell| *cell == 0)
    }

    fn add(&mut self, vector: Vec<u64>) {
        let mut vector = self.rest(vector);
        let Some(pivot) = vector.iter().position(|cell| *cell != 0) else { return };
        let scale = inverse(vector[pivot]);
        vector.iter_mut().for_each(|cell| *cell = times(*cell, scale));
        self.rows.push((pivot, vector));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by trying every choice of courses to leave out.
    fn tried(courses: &[(Course, i64)], rows_of: impl Fn(&Course) -> Vec<Row>, width: usize) -> bool {
        let rank = |left_out: u32| {
            let mut span = Span::default();
            for (_, (course, _)) in courses.iter().enumerate().filter(|(at, _)| left_out >> at & 1 == 0) {
                for row in rows_of(course) {
                    let mut vector = vec![0; width];
                    row.iter().for_each(|(column, n)| vector[*column] = *n);
                    span.add(vector);
                }
            }
            span.rows.len()
        };
        let whole = rank(0);
        (1u32..1 << courses.len()).any(|left_out| {
            let homes: i64 = courses.iter().enumerate().filter(|(at, _)| left_out >> at & 1 == 1).map(|(_, (_, homes))| homes).sum();
            homes < FEWEST_HOMES && rank(left_out) < whole
        })
    }

    #[test]
    fn a_home_whose_days_lay_in_two_places_is_one_home() {
        // Columns: two places before and after. Fifteen homes had a day in each and now have both in the second; one more came late.
        let (day, both) = ([1, 1, 0], [2, 2, 0]);
        let mut courses = BTreeMap::from([(vec![(0, [2, 1, 1]), (2, [2, 1, 1])], 30), (vec![(1, [2, 1, 1]), (3, [2, 1, 1])], 30)]);
        courses.insert(vec![(0, day), (1, day), (3, both)], 15);
        assert_eq!(tells(&courses, 2, 4), None);
        courses.insert(vec![(0, [2, 1, 1]), (2, [3, 1, 1])], 1);
        assert_eq!(tells(&courses, 2, 4), Some(Waiting::FewHomes));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn the_search_finds_what_trying_everything_finds(
            raw in prop::collection::vec((prop::collection::vec(0usize..4, 5), 1i64..14), 1..9),
        ) {
            let values: [Sums; 3] = [[1, 1, 0], [2, 2, 0], [2, 1, 1]];
            let course = |columns: &[usize]| -> Course { columns.iter().enumerate().filter(|(_, v)| **v > 0).map(|(at, v)| (at, values[v - 1])).collect() };
            let mut courses: BTreeMap<Course, i64> = BTreeMap::new();
            raw.iter().filter(|(columns, _)| columns.iter().any(|v| *v > 0)).for_each(|(columns, homes)| *courses.entry(course(columns)).or_default() += homes);
            let all: Vec<(Course, i64)> = courses.clone().into_iter().collect();
            let expected = tried(&all, as_unknowns, 5) || tried(&all, |course| as_numbers(course).unwrap_or_else(|| as_unknowns(course)), 5);
            prop_assert_eq!(tells(&courses, 0, 5).is_some(), expected);
        }
    }
}
