//! Persons from a CSV file: all or nothing, one line a problem and column; a list that comes again changes nothing for the rows it had.

use super::STREAM;
use super::entry::Entry;
use super::identify::{Answers, Source};
use super::plan::{Plan, decide};
use super::table;
use super::write::{Ahead, MANY, Ready, write, write_ahead};
use crate::account::audit;
use crate::clock::local_day;
use crate::db::{Db, Tx};
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::seal::{Keys, short};
use crate::sheet::Written;
use crate::{all, opt};
use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub rows: usize,
    pub new_people: usize,
    pub known_people: usize,
    /// People on record of whom something was told that nobody knew: a CUI, a birth date, sex, language or migration status.
    pub told: usize,
    /// Rows that came before just so, and change nothing.
    pub as_before: usize,
    pub homes: usize,
    pub contacts: usize,
    pub consents: usize,
    pub enrolled: usize,
    /// Proposed, but without the consent their module stands on.
    pub candidates: usize,
    /// What the registrar should look at; nothing was refused for it.
    pub warnings: Vec<String>,
    /// What only somebody who knows the people can say; until then two stay two, and an unknown age is no adult's.
    pub questions: Vec<String>,
    /// The questions as they are told: many of one kind in one line.
    #[serde(skip)]
    pub asked: Vec<String>,
    /// Questions about one CUI in two files, which indicators count once.
    pub counted_once: usize,
    /// Numbers that reach two homes.
    pub shared_numbers: usize,
}

/// Problems shown before the rest is only counted.
pub const SHOWN: usize = 200;

/// A file that was read, and where it goes.
pub struct File<'a> {
    pub municipality: MunicipalityId,
    /// As problems name it.
    pub name: &'a str,
    entries: Vec<(u64, Entry)>,
    /// What reading it left to look at.
    warnings: Vec<String>,
    source: Source<'a>,
}

impl<'a> File<'a> {
    /// Reads every row, or refuses with every problem. Needs no database.
    pub fn read(keys: &Keys, municipality: MunicipalityId, name: &'a str, text: &[u8], written: &Written, now: DateTime<Utc>) -> Result<File<'a>> {
        // Both keyed: whoever holds a list of people cannot ask the database whether it, or one of them, was imported.
        let lookup = keys.lookup_in("person.source.row");
        let table::Read { entries, said, warnings } = table::read(name, text, written, local_day(now), |row| short(&lookup.of(row)))?;
        let hash = keys.lookup("person.source", &crate::id::sha256_hex(text));
        Ok(File { municipality, name, entries, warnings, source: Source { name, hash: Some(hash), rows: said } })
    }

    async fn plan(&self, tx: &mut Tx, keys: &Keys, mint: &mut Mint, answers: &Answers, now: DateTime<Utc>) -> Result<Plan<'_>> {
        let known: Option<(String,)> = opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", self.municipality)?;
        if known.is_none() {
            let line = format!("{}: there is no such municipality; use a code of INE, such as 1202", self.municipality);
            return Err(Error::not_found("municipality-unknown", line));
        }
        let mut plan = decide(tx, keys, mint, self.municipality, &self.source, &self.entries, answers, now).await?;
        plan.summary.warnings.splice(0..0, self.warnings.iter().cloned());
        Ok(plan)
    }

    async fn ready(&self, tx: &mut Tx, keys: &Keys, mint: &mut Mint, answers: &Answers, actor: &str, now: DateTime<Utc>) -> Result<Ready<'_>> {
        let plan = self.plan(tx, keys, mint, answers, now).await?;
        Ready::of(tx, self.municipality, plan, self.source.hash.as_deref(), actor, now)
    }

    async fn write(&self, tx: &mut Tx, plan: Ready<'_>, ahead: Option<Ahead>, actor: &str, now: DateTime<Utc>) -> Result<Summary> {
        write(tx, self.municipality, plan, ahead, actor, now).await
    }
}

/// How often a decision is made anew because somebody wrote meanwhile, before the writer is held while deciding.
const TRIES: usize = 3;

/// What an import stands on: the last entry of every chain of registry changes, in every municipality (a CUI is looked for in all).
async fn stand(tx: &mut Tx) -> Result<Vec<(MunicipalityId, i64, String)>> {
    all!(tx, "SELECT municipality_id, sequence, entry_hash FROM audit_head WHERE stream = $1 AND sequence > 0 ORDER BY municipality_id", STREAM)
}

/// Imports a file: decided on a snapshot, written in short transactions, of which only the last is seen, after making sure that nothing
/// it stands on has changed. Phones go on syncing between them.
pub async fn bring(db: &Db, keys: &Keys, mint: &mut Mint, file: &File<'_>, answers: &Answers, actor: &str, now: DateTime<Utc>) -> Result<Summary> {
    for _ in 0..TRIES {
        let mut tx = db.read().await?;
        let stood = stand(&mut tx).await?;
        let plan = file.ready(&mut tx, keys, mint, answers, actor, now).await?;
        drop(tx);
        let many = plan.plan.people.len() >= MANY;
        let ahead = if many { Some(write_ahead(db, file.municipality, &plan.plan, mint, actor, now).await?) } else { None };
        let mut tx = db.write().await?;
        audit::hold(&mut tx, file.municipality, STREAM).await?;
        let whole = match ahead {
            Some(ahead) => ahead.stands(&mut tx, file.municipality).await?,
            None => true,
        };
        if whole && stand(&mut tx).await? == stood {
            let summary = file.write(&mut tx, plan, ahead, actor, now).await?;
            tx.commit().await?;
            return Ok(summary);
        }
    }
    let mut tx = db.write().await?;
    audit::hold(&mut tx, file.municipality, STREAM).await?;
    let plan = file.ready(&mut tx, keys, mint, answers, actor, now).await?;
    let summary = file.write(&mut tx, plan, None, actor, now).await?;
    tx.commit().await?;
    Ok(summary)
}

/// What [`bring`] would do and ask, with nothing written.
pub async fn rehearse(db: &Db, keys: &Keys, mint: &mut Mint, file: &File<'_>, answers: &Answers, now: DateTime<Utc>) -> Result<Summary> {
    let mut tx = db.read().await?;
    Ok(file.plan(&mut tx, keys, mint, answers, now).await?.summary)
}

#[expect(clippy::too_many_arguments, reason = "the file, where it goes, who brings it")]
/// Reads the file whole and refuses it with every problem, or writes all of it within `tx` (the caller commits).
pub async fn import(
    tx: &mut Tx,
    keys: &Keys,
    mint: &mut Mint,
    municipality: MunicipalityId,
    file: &str,
    text: &[u8],
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Summary> {
    let file = File::read(keys, municipality, file, text, &Written::default(), now)?;
    let plan = file.ready(tx, keys, mint, &Answers::default(), actor, now).await?;
    file.write(tx, plan, None, actor, now).await
}

pub(super) fn refused(mut lines: Vec<String>) -> Error {
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more; mend these first"));
    }
    Error::refused_lines("registry-file", lines)
}
