//! Lists that come again: saved by another program, grown by a row, in another order. A row is known by what it says as it was read, as a
//! keyed hash from which nobody reads a name; the list is the same when at least half of its rows stand in the file. One row alike in
//! another list is nobody's yet: two lists may each have their María López.

use crate::among;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, PersonId};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
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
        lists = whole.into_iter().filter_map(|(list, rows)| here.get(&list).filter(|here| *here * 2 >= rows).map(|here| (list, *here))).collect();
        // What two lists say alike, the one says of which more stands here.
        lists.sort_by_key(|(_, here)| -here);
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
