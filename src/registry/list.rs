//! Lists that come again: saved by another program, grown by a row, in another order. A row is known by what it says as it was read, as a
//! keyed hash from which nobody reads a name. A file is an earlier list when either holds at least half of the other; see [`again`]. Rows
//! alike in another list are nobody's yet: two lists may each have their María López.

use crate::among;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, PersonId};
use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Whom a row meant when it came before.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    list: Uuid,
    pub(crate) person: PersonId,
    /// Something of the row still waits for an age.
    pub(crate) waits: bool,
}

/// The rows of a file, as those of a list. A form has none.
#[derive(Default)]
pub(crate) struct List {
    id: Uuid,
    /// What each row says, and which one it is of those that say so.
    rows: Vec<(i64, i32)>,
    before: Vec<Option<Before>>,
}

/// A row as it will be known again.
pub(crate) struct Noted {
    pub(crate) row: i64,
    pub(crate) occurrence: i32,
    pub(crate) list: Uuid,
    pub(crate) person: PersonId,
    pub(crate) waits: bool,
}

impl List {
    /// Whom the row meant before, if it came before.
    pub(crate) fn before(&self, index: usize) -> Option<Before> {
        self.before.get(index).copied().flatten()
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = PersonId> {
        self.before.iter().flatten().map(|before| before.person)
    }

    /// What is to be noted of a row, if anything is not on record already.
    pub(crate) fn note(&self, index: usize, person: PersonId, waits: bool) -> Option<Noted> {
        let (row, occurrence) = *self.rows.get(index)?;
        let before = self.before(index);
        let list = before.map_or(self.id, |before| before.list);
        let known = before.is_some_and(|before| before.person == person && before.waits == waits);
        (!known).then_some(Noted { row, occurrence, list, person, waits })
    }
}

/// So many rows alike are no chance: two offices do not write the same five people, with the same words in every cell, from two lists.
const NO_CHANCE: i64 = 5;
/// So few are none where little else stands in either, or one of the two holds the other whole: a short list that is mended, grows or is cut.
const NO_CHANCE_WHOLE: i64 = 3;

/// Whether a list of `list` rows may be meant by a file of `file` rows of which it holds `alike`. The same rows and no others are the same
/// list, however short; half of a short list's names in another list are namesakes.
fn again(alike: i64, list: i64, file: i64) -> bool {
    let whole = alike == list || alike == file || alike * 4 >= list.max(file) * 3;
    alike * 2 >= list && (alike >= NO_CHANCE || (whole && alike >= NO_CHANCE_WHOLE) || (alike == list && alike == file))
}

/// Finds the lists that the file is, and what its rows meant there. `said`: the hash of each row.
pub(crate) async fn recognise(tx: &mut Tx, mint: &mut Mint, municipality: MunicipalityId, said: &[i64], now: DateTime<Utc>) -> Result<List> {
    let mut many: HashMap<i64, i32> = HashMap::new();
    let rows: Vec<(i64, i32)> = said
        .iter()
        .map(|row| {
            let count = many.entry(*row).or_default();
            *count += 1;
            (*row, *count)
        })
        .collect();
    let mut asked: Vec<i64> = many.keys().copied().collect();
    asked.sort_unstable();
    // A row whose person has no file was written ahead by an import that was killed.
    let found: Vec<(i64, Uuid, i32, PersonId, bool)> = among!(
        tx,
        "WITH asked (municipality_id, row_hash) AS (",
        asked,
        |row| [municipality, *row],
        ") SELECT s.row_hash, s.list_id, s.occurrence, s.person_id, s.waits FROM asked
           CROSS JOIN person_source s JOIN person p ON p.municipality_id = s.municipality_id AND p.person_id = s.person_id
           WHERE s.municipality_id = asked.municipality_id AND s.row_hash = asked.row_hash"
    )?;
    let found: Vec<_> = found.into_iter().filter(|(row, _, occurrence, ..)| many.get(row).is_some_and(|count| occurrence <= count)).collect();
    let mut lists: Vec<(Uuid, i64)> = Vec::new();
    if !found.is_empty() {
        let mut here: HashMap<Uuid, i64> = HashMap::new();
        for (_, list, ..) in &found {
            *here.entry(*list).or_default() += 1;
        }
        let whole: Vec<(Uuid, i64)> = crate::all!(
            tx,
            "SELECT s.list_id, COUNT(*) FROM person_source s JOIN person p ON p.municipality_id = s.municipality_id AND p.person_id = s.person_id
             WHERE s.municipality_id = $1 GROUP BY s.list_id ORDER BY s.list_id",
            municipality
        )?;
        let meant = |(list, many): (Uuid, i64)| here.get(&list).filter(|here| again(**here, many, rows.len() as i64)).map(|here| (list, *here));
        lists = whole.into_iter().filter_map(meant).collect();
        // What two lists say alike, the one says of which more stands here.
        lists.sort_by_key(|(_, here)| -here);
        // Several lists may have become one file; but they are a fair part of it, or it is another office's.
        let of_lists = |list: &Uuid| lists.iter().any(|(own, _)| own == list);
        let covered: HashSet<(i64, i32)> =
            found.iter().filter(|(_, list, ..)| of_lists(list)).map(|(row, _, occurrence, ..)| (*row, *occurrence)).collect();
        if covered.len() * 2 < rows.len() {
            lists.clear();
        }
    }
    let rank: HashMap<Uuid, usize> = lists.iter().enumerate().map(|(rank, (list, _))| (*list, rank)).collect();
    let mut meant: HashMap<(i64, i32), (usize, Before)> = HashMap::new();
    for (row, list, occurrence, person, waits) in found {
        let Some(rank) = rank.get(&list) else { continue };
        let before = meant.entry((row, occurrence)).or_insert((usize::MAX, Before { list, person, waits }));
        if *rank < before.0 {
            *before = (*rank, Before { list, person, waits });
        }
    }
    let before = rows.iter().map(|key| meant.get(key).map(|(_, before)| *before)).collect();
    let id = lists.first().map_or_else(|| mint.id(now), |(list, _)| *list);
    Ok(List { id, rows, before })
}

#[cfg(test)]
mod tests {
    use super::again;

    #[test]
    fn a_list_comes_again_grown_or_cut_and_a_few_namesakes_are_no_list() {
        for (alike, list, file, same) in [
            (1, 1, 1, true),
            (1, 1, 2, false),
            (1, 1, 31, false),
            (2, 2, 3, false),
            (2, 4, 6, false),
            (3, 3, 4, true),
            (3, 6, 3, true),
            (3, 4, 4, true),
            (3, 5, 5, false),
            (4, 7, 7, false),
            (5, 10, 9, true),
            (5, 11, 9, false),
            (0, 0, 3, false),
        ] {
            assert_eq!(again(alike, list, file), same, "{alike} of {list} in {file}");
        }
    }
}
