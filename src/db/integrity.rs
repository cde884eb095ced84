//! What the engine says of its own pages: SQLite's integrity check; on PostgreSQL checksum failures, every table read whole, and
//! amcheck where it is installed.

use super::{Db, Pools};
use crate::error::{Error, Result};
use sqlx::AssertSqlSafe;

const REMEDY: &str = "keep the damaged one, and put back a copy made before";

impl Db {
    /// One line for each damage; empty when there is none.
    pub async fn integrity(&self) -> Result<Vec<String>> {
        match &self.engine {
            Pools::Sqlite { readers, file, .. } => {
                let place = file.as_ref().map_or(":memory:".to_owned(), |file| file.display().to_string());
                let found: sqlx::Result<Vec<String>> = sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(readers).await;
                let said = match found.map_err(Error::from) {
                    Ok(said) => said,
                    Err(error) if error.code == "storage-damaged" => vec![error.context.unwrap_or_default()],
                    Err(error) => return Err(error),
                };
                let lines = said.iter().flat_map(|said| said.lines()).map(str::trim).filter(|line| !line.is_empty() && *line != "ok");
                Ok(lines.map(|line| format!("{place}: the file is damaged: {line}; {REMEDY}")).collect())
            }
            Pools::Postgres(pool) => postgres(pool).await,
        }
    }
}

async fn postgres(pool: &sqlx::PgPool) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let failures: Option<i64> =
        sqlx::query_scalar("SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()").fetch_one(pool).await?;
    if let Some(failures @ 1..) = failures {
        lines.push(format!("PostgreSQL: {failures} pages of this database failed their checksum; {REMEDY}"));
    }
    // Names come quoted from PostgreSQL itself.
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
            .fetch_all(pool)
            .await?;
    let damaged = |what: &str, error: &sqlx::Error| format!("PostgreSQL: {what}: {error}; {REMEDY}");
    for table in &tables {
        let read = AssertSqlSafe(format!("SELECT COALESCE(SUM(length(t::text)), 0)::BIGINT FROM {table} t"));
        match sqlx::query_scalar::<_, i64>(read).fetch_one(pool).await {
            Err(error @ sqlx::Error::Database(_)) => lines.push(damaged(&format!("table {table} cannot be read whole"), &error)),
            read => {
                read?;
            }
        }
    }
    let amcheck: Option<String> = sqlx::query_scalar(
        "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'",
    )
    .fetch_optional(pool)
    .await?;
    let Some(schema) = amcheck else { return Ok(lines) };
    let indexes: Vec<(String, i64)> = sqlx::query_as(
        "SELECT c.relname::TEXT, c.oid::BIGINT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_am a ON a.oid = c.relam WHERE n.nspname = current_schema() AND a.amname = 'btree' AND i.indisvalid ORDER BY c.relname",
    )
    .fetch_all(pool)
    .await?;
    for (index, oid) in indexes {
        let check = AssertSqlSafe(format!("SELECT {schema}.bt_index_check($1::oid::regclass, true)::TEXT"));
        match sqlx::query_scalar::<_, Option<String>>(check).bind(oid).fetch_one(pool).await {
            // Without the right to run it there is nothing to say; the tables were read whole above.
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "42501") => return Ok(lines),
            Err(error @ sqlx::Error::Database(_)) => lines.push(damaged(&format!("index {index}"), &error)),
            checked => {
                checked?;
            }
        }
    }
    Ok(lines)
}
