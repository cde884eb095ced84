//! What a registrar says about rows: the same person as somebody, or another.

use crate::error::{Error, Result};
use crate::id::PersonId;
use std::collections::BTreeMap;

/// Whom an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// An earlier row of the file.
    Row(u64),
    Person(PersonId),
    /// The end of a registry number, as pages and questions show it: `1A2B3C` of P-1A2B3C.
    Ending(String),
    Anybody,
}

/// What a registrar says about rows, by row: the same person as, or another than.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub same: BTreeMap<u64, Whom>,
    pub distinct: BTreeMap<u64, Vec<Whom>>,
}

impl Answers {
    /// Reads `ROW=PERSON` and `ROW=ROW`; a bare `ROW` says of whomever the question names.
    pub fn read(same: &[String], distinct: &[String]) -> Result<Answers> {
        let mut answers = Answers::default();
        for text in same {
            match read(text)? {
                (_, Whom::Anybody) => return Err(wrong(text)),
                (row, whom) => {
                    if answers.same.insert(row, whom).is_some() {
                        return Err(Error::refused("answer", format!("--same {text}: row {row} is answered twice; keep one")));
                    }
                }
            }
        }
        for text in distinct {
            let (row, whom) = read(text)?;
            answers.distinct.entry(row).or_default().push(whom);
        }
        Ok(answers)
    }
}

fn wrong(text: &str) -> Error {
    Error::refused("answer", format!("«{text}» answers no question; write ROW=PERSON or ROW=ROW, such as 3=P-1A2B3C or 3=2"))
}

fn read(text: &str) -> Result<(u64, Whom)> {
    let (row, whom) = text.split_once('=').map_or((text, None), |(row, whom)| (row, Some(whom.trim())));
    let row = row.trim().parse().map_err(|_| wrong(text))?;
    let Some(whom) = whom else { return Ok((row, Whom::Anybody)) };
    let ending = whom.to_uppercase();
    if let Some(ending) = ending.strip_prefix("P-") {
        let fits = ending.len() >= 6 && ending.bytes().all(|b| b.is_ascii_hexdigit());
        return fits.then(|| (row, Whom::Ending(ending.to_owned()))).ok_or_else(|| wrong(text));
    }
    match (whom.parse(), uuid::Uuid::parse_str(whom)) {
        (Ok(other), _) => Ok((row, Whom::Row(other))),
        (_, Ok(id)) => Ok((row, Whom::Person(PersonId(id)))),
        _ => Err(wrong(text)),
    }
}
