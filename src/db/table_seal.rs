//! Keyed seals of whole tables: of the few that facts, rights, norms and publications stand in. Rows that crews and gateways bring by the
//! hundred thousand carry a seal each instead.
//!
//! A transaction that writes to such a table looks first whether it is as the last one left it, and seals it anew when it commits. So a row
//! that another hand changed, made or removed is told of for ever, also when honest work follows it. Every table has its seal from the making
//! of the installation on, empty as it is then: a seal that is missing was taken away.

use super::{Engine, Tx};
use crate::error::Result;
use crate::seal::Fields;
use crate::{all, opt};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row, TypeInfo, ValueRef};

/// The tables that are sealed whole, in alphabetical order.
pub const TABLES: [&str; 44] = [
    "account",
    "analysis_report",
    "calendar_day",
    "campaign",
    "campaign_pause",
    "complaint",
    "device",
    "holiday",
    "holiday_rule",
    "household",
    "household_code_given",
    "household_version",
    "later_code",
    "map_class",
    "municipality",
    "neighbourhood",
    "neighbourhood_version",
    "norm",
    "operator",
    "operator_version",
    "plan",
    "point",
    "point_version",
    "programme_target",
    "publication",
    "publication_cell",
    "published_week",
    "route",
    "route_day",
    "route_version",
    "segment",
    "segment_version",
    "session",
    "stop_rule_week",
    "street",
    "token",
    "trial",
    "trial_amendment",
    "trial_home",
    "trial_look",
    "trial_look_data",
    "trial_look_request",
    "trial_segment",
    "waiting_correction",
];

/// What each step of the sealing added. Version 0.1.0 stood at step 0: it sealed the other tables, each when it was first written to. A
/// table that is sealed from now on is another step; what stood in it before is sealed as it stands, once.
const ADDED: [&[&str]; 1] = [&[
    "campaign_pause",
    "complaint",
    "point",
    "point_version",
    "stop_rule_week",
    "street",
    "trial",
    "trial_amendment",
    "trial_look_data",
    "trial_look_request",
]];

/// The step at which this version seals.
pub const STEP: usize = ADDED.len();

/// The text of a statement, for the macros.
pub trait Statement {
    fn text(&self) -> &str;
}

impl Statement for &str {
    fn text(&self) -> &str {
        self
    }
}

impl<S: AsRef<str>> Statement for AssertSqlSafe<S> {
    fn text(&self) -> &str {
        self.0.as_ref()
    }
}

/// The sealed table a statement writes to. A statement of ours writes to one table.
pub(super) fn written(sql: &str) -> Option<&'static str> {
    let named = |verb: &str| {
        let (_, rest) = sql.split_once(verb)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        TABLES.iter().find(|table| **table == &rest[..end]).copied()
    };
    named("INSERT INTO ").or_else(|| named("UPDATE ")).or_else(|| named("DELETE FROM "))
}

#[derive(sqlx::FromRow)]
struct Stored {
    columns: String,
    row_count: i64,
    broken: bool,
    mac: Option<Vec<u8>>,
}

/// What a table holds, whatever the order of its rows.
#[derive(Debug, PartialEq)]
struct Content {
    rows: i64,
    hash: [u8; 32],
}

fn seal(tx: &Tx, table: &str, columns: &str, content: &Content, broken: bool) -> Result<Vec<u8>> {
    let fields = Fields::of("table_seal").text(Some(table)).text(Some(columns)).number(Some(content.rows)).bytes(Some(&content.hash));
    let fields = fields.number(Some(broken.into()));
    Ok(tx.record_keys()?.row(&fields))
}

/// The columns a table has now, by comma.
async fn columns(tx: &mut Tx, table: &str) -> Result<String> {
    let sql = match tx.is_postgres() {
        true => "SELECT attname::TEXT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        false => "SELECT name FROM pragma_table_info($1) ORDER BY cid",
    };
    let names: Vec<(String,)> = all!(tx, sql, table)?;
    Ok(names.into_iter().map(|(name,)| name).collect::<Vec<_>>().join(", "))
}

/// Reads the named columns of a table whole.
async fn content(tx: &mut Tx, table: &str, of: &str) -> Result<Content> {
    let sql = AssertSqlSafe(format!("SELECT {of} FROM {table}"));
    let mut rows: Vec<[u8; 32]> = match tx.open() {
        Engine::Sqlite(tx) => {
            let rows = super::eager(sqlx::query(sql).fetch_all(&mut **tx)).await?;
            rows.iter().map(of_sqlite).collect::<sqlx::Result<_>>()?
        }
        Engine::Postgres(tx) => {
            let rows = sqlx::query(sql).persistent(false).fetch_all(&mut **tx).await?;
            rows.iter().map(of_postgres).collect::<sqlx::Result<_>>()?
        }
    };
    rows.sort_unstable();
    let mut hash = Sha256::new();
    rows.iter().for_each(|row| hash.update(row));
    Ok(Content { rows: rows.len() as i64, hash: hash.finalize().into() })
}

fn of_sqlite(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<[u8; 32]> {
    let mut fields = Fields::of("row");
    for at in 0..row.len() {
        let value = row.try_get_raw(at)?;
        let kind = value.type_info();
        fields = match value.is_null() {
            true => fields.bytes(None),
            false => match kind.name() {
                "BLOB" => fields.bytes(Some(row.try_get_unchecked::<&[u8], _>(at)?)),
                "REAL" => fields.real(Some(row.try_get_unchecked(at)?)),
                "TEXT" => fields.text(Some(row.try_get_unchecked::<&str, _>(at)?)),
                _ => fields.number(Some(row.try_get_unchecked(at)?)),
            },
        };
    }
    Ok(fields.digest())
}

fn of_postgres(row: &sqlx::postgres::PgRow) -> sqlx::Result<[u8; 32]> {
    let mut fields = Fields::of("row");
    for at in 0..row.len() {
        let value = row.try_get_raw(at)?;
        fields = match value.is_null() {
            true => fields.bytes(None),
            false => fields.bytes(Some(value.as_bytes().map_err(sqlx::Error::Decode)?)),
        };
    }
    Ok(fields.digest())
}

async fn stored(tx: &mut Tx, table: &str) -> Result<Option<Stored>> {
    opt!(tx, "SELECT columns, row_count, broken, mac FROM table_seal WHERE table_name = $1", table)
}

/// Whether a table is as its seal says.
async fn holds(tx: &mut Tx, table: &str, stored: &Stored, mac: &[u8]) -> Result<bool> {
    let has = columns(tx, table).await?;
    let there = |name: &str| has.split(", ").any(|known| known == name);
    Ok(stored.columns.split(", ").all(there) && {
        let content = content(tx, table, &stored.columns).await?;
        mac == seal(tx, table, &stored.columns, &content, stored.broken)?
    })
}

/// What a first sealing found.
#[derive(Debug, Default)]
pub struct Laid {
    /// Tables that nothing was ever written to.
    pub empty: Vec<&'static str>,
    /// Tables that were not sealed before, with what stood in them.
    pub as_they_stood: Vec<&'static str>,
    /// Tables with rows and without the seal that whoever wrote them would have left.
    pub altered: Vec<&'static str>,
}

/// Seals the tables that have no seal yet, in an installation that was sealed up to a step.
pub async fn lay(tx: &mut Tx, step: usize) -> Result<Laid> {
    let added = ADDED.get(step..).unwrap_or_default().concat();
    let mut laid = Laid::default();
    for table in TABLES.into_iter().filter(|table| step == 0 || added.contains(table)) {
        if stored(tx, table).await?.is_some_and(|stored| stored.mac.is_some()) {
            continue;
        }
        let columns = columns(tx, table).await?;
        let content = content(tx, table, &columns).await?;
        let broken = content.rows > 0 && !added.contains(&table);
        match (content.rows, broken) {
            (0, _) => laid.empty.push(table),
            (_, false) => laid.as_they_stood.push(table),
            (_, true) => laid.altered.push(table),
        }
        store(tx, table, &columns, &content, broken).await?;
    }
    Ok(laid)
}

/// Before a transaction's first writing to a table: takes its seal, so that other writers of the table wait, and answers whether another
/// hand wrote to it, now or before.
pub(super) async fn take(tx: &mut Tx, table: &'static str) -> Result<bool> {
    crate::execute!(
        tx,
        "INSERT INTO table_seal (table_name, columns, row_count, broken, mac) VALUES ($1, '', 0, FALSE, NULL)
         ON CONFLICT (table_name) DO UPDATE SET row_count = table_seal.row_count",
        table
    )?;
    let Some((stored, mac)) = sealed(stored(tx, table).await?) else { return Ok(true) };
    Ok(stored.broken || !holds(tx, table, &stored, &mac).await?)
}

fn sealed(stored: Option<Stored>) -> Option<(Stored, Vec<u8>)> {
    let stored = stored?;
    let mac = stored.mac.clone()?;
    Some((stored, mac))
}

/// At the end of a transaction: seals what it leaves.
pub(super) async fn leave(tx: &mut Tx, table: &str, broken: bool) -> Result<()> {
    let columns = columns(tx, table).await?;
    let content = content(tx, table, &columns).await?;
    store(tx, table, &columns, &content, broken).await
}

async fn store(tx: &mut Tx, table: &str, columns: &str, content: &Content, broken: bool) -> Result<()> {
    let mac = seal(tx, table, columns, content, broken)?;
    crate::execute!(
        tx,
        "INSERT INTO table_seal (table_name, columns, row_count, broken, mac) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (table_name) DO UPDATE SET columns = excluded.columns, row_count = excluded.row_count, broken = excluded.broken, mac = excluded.mac",
        table,
        columns,
        content.rows,
        broken,
        mac
    )?;
    Ok(())
}

/// One line for each table that another hand wrote to.
pub async fn verify(tx: &mut Tx) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for table in TABLES {
        let Some((stored, mac)) = sealed(stored(tx, table).await?) else {
            lines.push(format!("table {table}: its seal is gone, so another hand took it away, and perhaps rows of the table with it"));
            continue;
        };
        if !holds(tx, table, &stored, &mac).await? {
            let left = stored.row_count;
            lines.push(format!("table {table}: it is not as it was left, with {left} rows: another hand changed, made or removed rows of it"));
        } else if stored.broken {
            lines.push(format!("table {table}: another hand changed, made or removed rows of it, and it was written to since"));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_a_statement_writes_to_is_known() {
        assert_eq!(written("INSERT INTO token (token_hash)"), Some("token"));
        assert_eq!(written(") UPDATE session SET seen_at = $2 WHERE session_hash = $1"), Some("session"));
        assert_eq!(written("WITH x AS (SELECT 1) DELETE FROM norm\nWHERE 1 = 1"), Some("norm"));
        assert_eq!(written("DELETE FROM route_day"), Some("route_day"));
        assert_eq!(written("INSERT INTO observation (op_id)"), None);
        assert_eq!(written("SELECT * FROM token"), None);
        assert!(TABLES.is_sorted());
    }

    #[test]
    fn a_table_sealed_since_a_release_belongs_to_a_step_of_its_own() {
        let first: Vec<&str> = TABLES.into_iter().filter(|table| !ADDED.concat().contains(table)).collect();
        assert_eq!((first.len(), TABLES.len()), (34, 34 + ADDED.concat().len()), "what version 0.1.0 sealed stays at step 0");
        assert!(ADDED.concat().iter().all(|table| TABLES.contains(table)));
    }
}
