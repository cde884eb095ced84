//! What things are called in files, on labels and in links. The code a thing was first given stands in the table of its name and keeps its
//! place in every order for ever; a later one holds from a day on. No code, first or later, is ever given to anything else, and by any of
//! them the thing is found.

use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::{all, opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// What has a code, and days on which it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    #[value(name = "neighbourhoods", alias = "neighbourhood")]
    Neighbourhood,
    #[value(name = "routes", alias = "route")]
    Route,
    #[value(name = "segments", alias = "segment")]
    Segment,
    #[value(name = "points", alias = "point")]
    Point,
    #[value(name = "households", aliases = ["household", "homes", "home"])]
    Household,
}

impl Thing {
    /// One of them, and the name of its table.
    pub fn name(self) -> &'static str {
        match self {
            Thing::Neighbourhood => "neighbourhood",
            Thing::Route => "route",
            Thing::Segment => "segment",
            Thing::Point => "point",
            Thing::Household => "household",
        }
    }
}

/// The code of the thing called `alias` (of table `kind`) on a day: `code_on!("household", "h", "$2")`.
macro_rules! code_on {
    ($kind:literal, $alias:literal, $day:literal) => {
        concat!(
            "COALESCE((SELECT c.code FROM later_code c WHERE c.municipality_id = ",
            $alias,
            ".municipality_id AND c.kind = '",
            $kind,
            "' AND c.thing_id = ",
            $alias,
            ".",
            $kind,
            "_id AND c.valid_from <= ",
            $day,
            " ORDER BY c.valid_from DESC, c.recorded_at DESC LIMIT 1), ",
            $alias,
            ".code)"
        )
    };
}
pub(crate) use code_on;

/// A code that a thing was given later.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Later {
    code: String,
    thing_id: Uuid,
    valid_from: NaiveDate,
}

/// The codes of one kind of thing in a municipality: those they were first given, and the later ones with the day they hold from.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    first: BTreeMap<Uuid, String>,
    /// In the order they hold.
    later: Vec<Later>,
}

impl Codes {
    pub async fn read(tx: &mut Tx, municipality: MunicipalityId, thing: Thing) -> Result<Codes> {
        let kind = thing.name();
        let sql = format!("SELECT {kind}_id, code FROM {kind} WHERE municipality_id = $1");
        let first: Vec<(Uuid, String)> = all!(tx, sqlx::AssertSqlSafe(sql), municipality)?;
        let later: Vec<Later> = all!(
            tx,
            "SELECT code, thing_id, valid_from FROM later_code WHERE municipality_id = $1 AND kind = $2 ORDER BY valid_from, recorded_at",
            municipality,
            kind
        )?;
        Ok(Codes { first: first.into_iter().collect(), later })
    }

    /// What a thing is called on a day.
    pub fn on(&self, id: Uuid, day: NaiveDate) -> &str {
        let later = self.later.iter().rfind(|later| later.thing_id == id && later.valid_from <= day).map(|later| &later.code);
        later.or(self.first.get(&id)).map_or("?", String::as_str)
    }

    /// The first code a thing was given for a day after this one, and that day.
    pub fn next(&self, id: Uuid, day: NaiveDate) -> Option<(NaiveDate, &str)> {
        self.later.iter().find(|later| later.thing_id == id && later.valid_from > day).map(|later| (later.valid_from, later.code.as_str()))
    }

    /// The last code a thing was given.
    pub fn newest(&self, id: Uuid) -> &str {
        self.on(id, NaiveDate::MAX)
    }

    /// Whose a code is, whether it holds today or held once.
    pub fn whose(&self, code: &str) -> Option<Uuid> {
        let first = self.first.iter().find(|(_, own)| *own == code).map(|(id, _)| *id);
        first.or_else(|| self.later.iter().find(|later| later.code == code).map(|later| later.thing_id))
    }

    /// A code that looks like this one, with whose it is; see [`looks`].
    pub fn like(&self, code: &str) -> Option<(&str, Uuid)> {
        let own = looks(code);
        self.every().find(|(other, _)| looks(other) == own)
    }

    /// Every code that was ever given, with whose it is.
    pub fn every(&self) -> impl Iterator<Item = (&str, Uuid)> {
        self.first.iter().map(|(id, own)| (own.as_str(), *id)).chain(self.later())
    }

    /// Later codes with whose they are.
    pub fn later(&self) -> impl Iterator<Item = (&str, Uuid)> {
        self.later.iter().map(|later| (later.code.as_str(), later.thing_id))
    }

    /// Every thing with the code it was first given.
    pub fn first(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.first.iter().map(|(id, code)| (*id, code.as_str()))
    }
}

/// Letters of other alphabets that are drawn as one of the Latin ones: small Cyrillic and Greek first, since case is gone when they are met.
const DRAWN_ALIKE: [(char, char); 33] = [
    ('а', 'a'),
    ('в', 'b'),
    ('с', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('һ', 'h'),
    ('н', 'h'),
    ('і', 'i'),
    ('ј', 'j'),
    ('к', 'k'),
    ('м', 'm'),
    ('о', 'o'),
    ('р', 'p'),
    ('ԛ', 'q'),
    ('ѕ', 's'),
    ('т', 't'),
    ('у', 'y'),
    ('ү', 'y'),
    ('х', 'x'),
    ('ԝ', 'w'),
    ('α', 'a'),
    ('β', 'b'),
    ('ε', 'e'),
    ('η', 'h'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('μ', 'm'),
    ('ν', 'n'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('τ', 't'),
    ('υ', 'y'),
    ('χ', 'x'),
];

/// A code as it looks: without case, in one Unicode form, every kind of hyphen one, no blanks beside a sign, and letters of other alphabets
/// as the Latin ones they are drawn like. Two codes that share it are taken for one another at a door.
pub fn looks(code: &str) -> String {
    let folded: String = code.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    let drawn = |c: char| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{fe58}' | '\u{00af}' | '\u{02d7}' => '-',
        c if c.is_ascii() => c,
        c => DRAWN_ALIKE.iter().find(|(own, _)| *own == c).map_or(c, |(_, latin)| *latin),
    };
    let words: Vec<String> = folded.split_whitespace().map(|word| word.chars().map(drawn).collect()).collect();
    let mut whole = String::with_capacity(code.len());
    for word in words {
        let joined = whole.is_empty() || whole.ends_with(|c: char| !c.is_alphanumeric()) || word.starts_with(|c: char| !c.is_alphanumeric());
        if !joined {
            whole.push(' ');
        }
        whole.push_str(&word);
    }
    whole
}

/// The thing of any of its codes.
pub async fn find(tx: &mut Tx, municipality: MunicipalityId, thing: Thing, code: &str) -> Result<Option<Uuid>> {
    let kind = thing.name();
    let sql = format!(
        "SELECT {kind}_id FROM {kind} WHERE municipality_id = $1 AND code = $2
         UNION ALL SELECT thing_id FROM later_code WHERE municipality_id = $1 AND kind = $3 AND code = $2"
    );
    let found: Vec<(Uuid,)> = all!(tx, sqlx::AssertSqlSafe(sql), municipality, code, kind)?;
    Ok(found.first().map(|(id,)| *id))
}

/// Gives a thing a code from a day on.
pub async fn give(tx: &mut Tx, municipality: MunicipalityId, thing: Thing, id: Uuid, code: &str, from: NaiveDate, now: DateTime<Utc>) -> Result<()> {
    run!(
        tx,
        "INSERT INTO later_code (municipality_id, kind, code, thing_id, valid_from, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)",
        municipality,
        thing.name(),
        code,
        id,
        from,
        now
    )?;
    Ok(())
}

/// What a thing is called on a day.
pub async fn on(tx: &mut Tx, municipality: MunicipalityId, thing: Thing, id: Uuid, day: NaiveDate) -> Result<Option<String>> {
    let kind = thing.name();
    let later: Option<(String,)> = opt!(
        tx,
        "SELECT code FROM later_code WHERE municipality_id = $1 AND kind = $2 AND thing_id = $3 AND valid_from <= $4
         ORDER BY valid_from DESC, recorded_at DESC LIMIT 1",
        municipality,
        kind,
        id,
        day
    )?;
    match later {
        Some((code,)) => Ok(Some(code)),
        None => first(tx, municipality, thing, id).await,
    }
}

/// The code a thing was first given: published figures are kept under it.
pub async fn first(tx: &mut Tx, municipality: MunicipalityId, thing: Thing, id: Uuid) -> Result<Option<String>> {
    let kind = thing.name();
    let sql = format!("SELECT code FROM {kind} WHERE municipality_id = $1 AND {kind}_id = $2");
    let code: Option<(String,)> = opt!(tx, sqlx::AssertSqlSafe(sql), municipality, id)?;
    Ok(code.map(|(code,)| code))
}

#[cfg(test)]
mod tests {
    use super::looks;

    #[test]
    fn codes_that_look_alike_at_a_door_are_alike() {
        for alike in ["Q-1", "q-1", "Q‐1", "Q–1", "Q −1", "Q - 1", " Q-1 ", "Ｑ-1"] {
            assert_eq!(looks(alike), "q-1", "{alike}");
        }
        assert_eq!((looks("С-1"), looks("Μ 2")), ("c-1".into(), "m 2".into()), "Cyrillic and Greek");
        assert_ne!(looks("1 11"), looks("11 1"));
        assert_ne!(looks("Ñ-1"), looks("N-1"));
    }
}
