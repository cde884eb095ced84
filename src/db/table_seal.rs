//! Keyed seals of whole tables: of the few that facts, rights, norms and publications stand in. Rows that crews and gateways bring by the
//! hundred thousand carry a seal each instead.
//!
//! A transaction that writes to such a table looks first whether it is as the last one left it, and seals it anew when it commits. So a row
//! that another hand changed, made or removed is told of for ever, also when honest work follows it.

use super::{Engine, Tx};
use crate::error::Result;
use crate::seal::Fields;
use crate::{all, opt};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row, TypeInfo, ValueRef};

/// The tables that are sealed whole, in alphabetical order.
pub const TABLES: [&str; 34] = [
    "account",
    "analysis_report",
    "calendar_day",
    "campaign",
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
    "token",
    "trial_home",
    "trial_look",
    "trial_segment",
    "waiting_correction",
];

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

/// Whether a table is as its seal says; `Err` inside: how many rows it was left with.
async fn holds(tx: &mut Tx, table: &str, stored: Option<&Stored>) -> Result<std::result::Result<(), i64>> {
    let has = columns(tx, table).await?;
    let Some((stored, mac)) = stored.and_then(|stored| Some((stored, stored.mac.as_ref()?))) else {
        // Never written to.
        return Ok(if content(tx, table, &has).await?.rows == 0 { Ok(()) } else { Err(0) });
    };
    let there = |name: &str| has.split(", ").any(|known| known == name);
    let whole = stored.columns.split(", ").all(there) && {
        let content = content(tx, table, &stored.columns).await?;
        *mac == seal(tx, table, &stored.columns, &content, stored.broken)?
    };
    Ok(if whole { Ok(()) } else { Err(stored.row_count) })
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
    let stored = stored(tx, table).await?;
    Ok(stored.as_ref().is_some_and(|stored| stored.broken) || holds(tx, table, stored.as_ref()).await?.is_err())
}

/// At the end of a transaction: seals what it leaves.
pub(super) async fn leave(tx: &mut Tx, table: &str, broken: bool) -> Result<()> {
    let columns = columns(tx, table).await?;
    let content = content(tx, table, &columns).await?;
    let mac = seal(tx, table, &columns, &content, broken)?;
    crate::execute!(
        tx,
        "UPDATE table_seal SET columns = $2, row_count = $3, broken = $4, mac = $5 WHERE table_name = $1",
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
        let stored = stored(tx, table).await?;
        if let Err(left) = holds(tx, table, stored.as_ref()).await? {
            lines.push(format!("table {table}: it is not as it was left, with {left} rows: another hand changed, made or removed rows of it"));
        } else if stored.is_some_and(|stored| stored.broken) {
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
}
