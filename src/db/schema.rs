//! What stands in a database beside rows: tables, columns, indexes, references, and whatever runs when a row is written. Only the migrations
//! make any of it. They are run anew in memory, on SQLite, and both pictures are compared, in words that are the same for both engines.
//!
//! It is compared whole at every start and by `verify`; a transaction that seals a table asks with one query whether it still stands as it
//! did then. A trigger, a rule or a function of another hand would write under this installation's seals.

use super::{Engine, MIGRATIONS, Tx};
use crate::error::{Error, Kind, Result};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{PgConnection, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::OnceCell;

/// Something of a table, or beside all tables (`table` empty).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    table: String,
    says: String,
}

/// What stands, a line each; on SQLite also the text of each table, index and reference as it was made.
#[derive(Debug, Default)]
struct Picture {
    lines: BTreeSet<Line>,
    texts: BTreeMap<String, String>,
}

impl Picture {
    fn add(&mut self, table: impl Into<String>, says: impl Into<String>) {
        self.lines.insert(Line { table: table.into(), says: says.into() });
    }

    fn has(&self, table: &str) -> bool {
        self.lines.contains(&Line { table: table.into(), says: table_line(table) })
    }
}

fn table_line(name: &str) -> String {
    format!("table {name}")
}

fn column_line(table: &str, name: &str, kind: &str, required: bool, default: Option<&str>) -> String {
    // A default that calls something runs when a row is written.
    let default = default.map_or("", |text| if text.contains('(') { ", computed" } else { ", with a default" });
    format!("column {table}.{name} ({kind}{}{default})", if required { ", required" } else { "" })
}

fn index_line(table: &str, name: Option<&str>, columns: &str, unique: bool, partial: bool) -> String {
    let name = name.map(|name| format!("{name} ")).unwrap_or_default();
    format!("{}index {name}on {table} ({columns}){}", if unique { "unique " } else { "" }, if partial { " of some rows" } else { "" })
}

fn reference_line(table: &str, columns: &str, to: &str, named: &str) -> String {
    format!("reference of {table} ({columns}) to {to} ({named})")
}

/// The type of a migration as PostgreSQL calls it.
fn native(declared: &str) -> String {
    match declared {
        "TIMESTAMPTZ" => "timestamp with time zone".into(),
        other => other.to_lowercase(),
    }
}

/// The picture that the migrations give.
async fn made() -> Result<&'static Picture> {
    static MADE: OnceCell<Picture> = OnceCell::const_new();
    MADE.get_or_try_init(|| async {
        let memory = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
        MIGRATIONS.run(&memory).await.map_err(|e| Error::internal(format!("migrations in memory: {e}")))?;
        let picture = of_sqlite(&mut *memory.acquire().await?).await;
        memory.close().await;
        picture
    })
    .await
}

async fn of_sqlite(connection: &mut SqliteConnection) -> Result<Picture> {
    let mut picture = Picture::default();
    let objects: Vec<(String, String, String, Option<String>)> = sqlx::query_as(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations' ORDER BY name",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (kind, name, table, text) in objects {
        let text = text.unwrap_or_default();
        match kind.as_str() {
            "table" => {
                picture.add(&name, table_line(&name));
                for n in 1..=text.matches("CHECK (").count() {
                    picture.add(&name, format!("rule {n} of {name}"));
                }
            }
            // Its columns are told below.
            "index" => {}
            other => picture.add(table, format!("{other} {name}")),
        }
        picture.texts.insert(name, text);
    }
    let columns: Vec<(String, String, String, bool, Option<String>)> = sqlx::query_as(
        "SELECT m.name, p.name, p.type, p.\"notnull\" OR p.pk > 0, p.dflt_value FROM sqlite_master m CROSS JOIN pragma_table_info(m.name) p
          WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (table, name, kind, required, default) in columns {
        picture.add(&table, column_line(&table, &name, &native(&kind), required, default.as_deref()));
    }
    let indexes: Vec<(String, String, bool, String, bool, Option<String>)> = sqlx::query_as(
        "SELECT m.name, l.name, l.\"unique\", l.origin, l.partial, i.name FROM sqlite_master m CROSS JOIN pragma_index_list(m.name) l
           CROSS JOIN pragma_index_info(l.name) i
          WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name <> '_sqlx_migrations' ORDER BY m.name, l.name, i.seqno",
    )
    .fetch_all(&mut *connection)
    .await?;
    for of_index in indexes.chunk_by(|a, b| a.1 == b.1) {
        let (table, name, unique, origin, partial, _) = &of_index[0];
        let columns: Vec<&str> = of_index.iter().map(|row| row.5.as_deref().unwrap_or("expression")).collect();
        let name = (origin == "c").then_some(name.as_str());
        picture.add(table, index_line(table, name, &columns.join(", "), *unique, *partial));
    }
    let references: Vec<(String, i64, String, String, Option<String>)> = sqlx::query_as(
        "SELECT m.name, f.id, f.\"table\", f.\"from\", f.\"to\" FROM sqlite_master m CROSS JOIN pragma_foreign_key_list(m.name) f
          WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
    )
    .fetch_all(&mut *connection)
    .await?;
    for of_one in references.chunk_by(|a, b| (&a.0, a.1) == (&b.0, b.1)) {
        let (table, _, to, ..) = &of_one[0];
        let columns: Vec<&str> = of_one.iter().map(|row| row.3.as_str()).collect();
        let named: Vec<&str> = of_one.iter().map(|row| row.4.as_deref().unwrap_or_default()).collect();
        picture.add(table, reference_line(table, &columns.join(", "), to, &named.join(", ")));
    }
    Ok(picture)
}

// What stands in the schema of this connection, and no extension brought.
macro_rules! own {
    ($class:literal, $alias:literal, $namespace:literal) => {
        concat!(
            $alias,
            ".",
            $namespace,
            " = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = current_schema()) AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = '",
            $class,
            "'::regclass AND e.objid = ",
            $alias,
            ".oid AND e.deptype = 'e')"
        )
    };
}

async fn of_postgres(connection: &mut PgConnection) -> Result<Picture> {
    let mut picture = Picture::default();
    let relations: Vec<(String, String, i16, bool)> = sqlx::query_as(concat!(
        "SELECT c.relname::TEXT, c.relkind::TEXT, c.relchecks, c.relrowsecurity OR c.relforcerowsecurity FROM pg_class c
          WHERE c.relkind NOT IN ('i', 'I', 't') AND c.relname <> '_sqlx_migrations' AND ",
        own!("pg_class", "c", "relnamespace")
    ))
    .fetch_all(&mut *connection)
    .await?;
    for (name, kind, rules, guarded) in relations {
        let kind = match kind.as_str() {
            "r" => "table",
            "v" => "view",
            "m" => "materialized view",
            "S" => "sequence",
            "f" => "foreign table",
            "p" => "partitioned table",
            _ => "type",
        };
        picture.add(&name, format!("{kind} {name}"));
        for n in 1..=rules {
            picture.add(&name, format!("rule {n} of {name}"));
        }
        if guarded {
            picture.add(&name, format!("row security of {name}"));
        }
    }
    let columns: Vec<(String, String, String, bool, Option<String>)> = sqlx::query_as(concat!(
        "SELECT c.relname::TEXT, a.attname::TEXT, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                CASE WHEN a.attidentity <> '' OR a.attgenerated <> '' THEN '()' ELSE pg_get_expr(d.adbin, d.adrelid) END
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE c.relkind = 'r' AND c.relname <> '_sqlx_migrations' AND ",
        own!("pg_class", "c", "relnamespace")
    ))
    .fetch_all(&mut *connection)
    .await?;
    for (table, name, kind, required, default) in columns {
        picture.add(&table, column_line(&table, &name, &kind, required, default.as_deref()));
    }
    let indexes: Vec<(String, Option<String>, bool, bool, String)> = sqlx::query_as(concat!(
        "SELECT c.relname::TEXT, CASE WHEN k.oid IS NULL THEN x.relname::TEXT END, i.indisunique, i.indpred IS NOT NULL,
                (SELECT string_agg(COALESCE(a.attname::TEXT, 'expression'), ', ' ORDER BY u.at) FROM unnest(i.indkey::INT2[]) WITH ORDINALITY u (number, at)
                   LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number AND u.number > 0)
           FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
           LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u')
          WHERE c.relkind = 'r' AND c.relname <> '_sqlx_migrations' AND i.indisvalid AND ",
        own!("pg_class", "c", "relnamespace")
    ))
    .fetch_all(&mut *connection)
    .await?;
    for (table, name, unique, partial, columns) in indexes {
        picture.add(&table, index_line(&table, name.as_deref(), &columns, unique, partial));
    }
    let references: Vec<(String, String, String, String)> = sqlx::query_as(concat!(
        "SELECT c.relname::TEXT,
                (SELECT string_agg(a.attname::TEXT, ', ' ORDER BY u.at) FROM unnest(k.conkey) WITH ORDINALITY u (number, at)
                   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number),
                o.relname::TEXT,
                (SELECT string_agg(a.attname::TEXT, ', ' ORDER BY u.at) FROM unnest(k.confkey) WITH ORDINALITY u (number, at)
                   JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number)
           FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' JOIN pg_class o ON o.oid = k.confrelid
          WHERE ",
        own!("pg_class", "c", "relnamespace")
    ))
    .fetch_all(&mut *connection)
    .await?;
    for (table, columns, to, named) in references {
        picture.add(&table, reference_line(&table, &columns, &to, &named));
    }
    // What runs when a row is written or read. System functions leave no dependency: what depends on one calls another hand's.
    let running: Vec<(String, String)> = sqlx::query_as(concat!(
        "SELECT c.relname::TEXT, CASE WHEN t.tgisinternal THEN 'references switched off on ' || c.relname ELSE 'trigger ' || t.tgname END
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE (NOT t.tgisinternal OR t.tgenabled = 'D') AND ",
        own!("pg_class", "c", "relnamespace"),
        " UNION SELECT c.relname::TEXT, 'rewrite rule ' || r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
            WHERE r.rulename <> '_RETURN' AND ",
        own!("pg_class", "c", "relnamespace"),
        " UNION SELECT c.relname::TEXT, 'policy ' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE ",
        own!("pg_class", "c", "relnamespace"),
        " UNION SELECT '', 'function ' || p.proname FROM pg_proc p WHERE ",
        own!("pg_proc", "p", "pronamespace"),
        " UNION SELECT c.relname::TEXT, 'rule ' || k.conname || ' that calls a function' FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid
            JOIN pg_class c ON c.oid = k.conrelid WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass AND ",
        own!("pg_class", "c", "relnamespace"),
        " UNION SELECT c.relname::TEXT, 'index ' || x.relname || ' that calls a function' FROM pg_depend d JOIN pg_index i ON i.indexrelid = d.objid
            JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
           WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_proc'::regclass AND ",
        own!("pg_class", "c", "relnamespace"),
        " UNION SELECT c.relname::TEXT, 'table ' || h.inhrelid::regclass || ' that stands under ' || c.relname FROM pg_inherits h
            JOIN pg_class c ON c.oid = h.inhparent WHERE ",
        own!("pg_class", "c", "relnamespace")
    ))
    .fetch_all(&mut *connection)
    .await?;
    for (table, says) in running {
        picture.add(table, says);
    }
    Ok(picture)
}

/// One line for each thing that stands here and that no migration makes, or that the migrations make and that is not here.
pub async fn differences(tx: &mut Tx) -> Result<Vec<String>> {
    let made = made().await?;
    let stands = match tx.open() {
        Engine::Sqlite(tx) => of_sqlite(tx).await?,
        Engine::Postgres(tx) => of_postgres(tx).await?,
    };
    let on = |line: &Line| match line.table.is_empty() || line.says.contains(&line.table) {
        true => String::new(),
        false => format!(" on {}", line.table),
    };
    let mut lines = Vec::new();
    for line in stands.lines.difference(&made.lines) {
        // Of a table that is not ours its name says enough; of ours everything is told.
        let beside = !line.table.is_empty() && !made.has(&line.table) && stands.has(&line.table) && line.says != table_line(&line.table);
        if !beside {
            lines.push(format!("database: {}{}: no migration of this program makes it, so another hand did", line.says, on(line)));
        }
    }
    for line in made.lines.difference(&stands.lines) {
        if stands.has(&line.table) || line.says == table_line(&line.table) {
            lines.push(format!("database: {}{}: it is gone or was changed, and the migrations make it", line.says, on(line)));
        }
    }
    let altered = made.texts.iter().filter(|(name, text)| stands.texts.get(*name).is_some_and(|stands| stands != *text));
    if lines.is_empty() {
        lines.extend(altered.map(|(name, _)| format!("database: {name}: it is not as the migrations make it, so another hand changed it")));
    }
    Ok(lines)
}

/// What changes whenever something is made or goes that could run or be written to, in one short query.
async fn stamp(tx: &mut Tx) -> Result<String> {
    let (stamp,): (String,) = match tx.open() {
        // The version alone can be set back; the counts cannot while something stands.
        Engine::Sqlite(tx) => {
            super::eager(
                sqlx::query_as(
                    "SELECT (SELECT schema_version FROM pragma_schema_version) || '/' || COUNT(*) || '/' || SUM(type IN ('trigger', 'view'))
                       FROM sqlite_master",
                )
                .fetch_one(&mut **tx),
            )
            .await?
        }
        Engine::Postgres(tx) => {
            sqlx::query_as(
                "WITH own AS (SELECT c.oid, c.relchecks, c.relnatts, c.relrowsecurity FROM pg_class c
                               WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = current_schema()))
                 SELECT (SELECT COUNT(*) || '/' || MAX(oid::BIGINT) || '/' || SUM(relchecks) || '/' || SUM(relnatts) || '/'
                                || COUNT(*) FILTER (WHERE relrowsecurity) FROM own)
                     || '/' || (SELECT COUNT(*) || '/' || COALESCE(MAX(r.oid::BIGINT), 0) FROM pg_rewrite r WHERE r.oid >= 16384 AND r.ev_class IN (SELECT oid FROM own))
                     || '/' || (SELECT COUNT(*) FROM pg_inherits h WHERE h.inhparent IN (SELECT oid FROM own))
                     || '/' || (SELECT COUNT(*) || '/' || COALESCE(MAX(t.oid::BIGINT), 0) FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid IN (SELECT oid FROM own))
                     || '/' || (SELECT COUNT(*) FROM pg_policy y WHERE y.polrelid IN (SELECT oid FROM own))
                     || '/' || (SELECT COUNT(*) || '/' || COALESCE(MAX(k.oid::BIGINT), 0) FROM pg_constraint k WHERE k.conrelid IN (SELECT oid FROM own))
                     || '/' || (SELECT COUNT(*) || '/' || COALESCE(MAX(d.oid::BIGINT), 0) FROM pg_attrdef d WHERE d.adrelid IN (SELECT oid FROM own))
                     || '/' || (SELECT COUNT(*) || '/' || COALESCE(MAX(p.oid::BIGINT), 0) FROM pg_proc p WHERE p.oid >= 16384
                                   AND p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = current_schema()))",
            )
            .fetch_one(&mut **tx)
            .await?
        }
    };
    Ok(stamp)
}

/// What to do about a schema that is not the migrations'.
pub const REMEDY: &str = "keep a copy for whoever looks into it, then take away what was made and put back what is gone";

/// Whether the schema is the migrations'; compared anew only where it changed.
pub(super) async fn stands(tx: &mut Tx) -> Result<()> {
    let stamp = stamp(tx).await?;
    let known = |schema: &Option<String>| schema.as_deref() == Some(&stamp);
    if tx.schema.lock().is_ok_and(|schema| known(&schema)) {
        return Ok(());
    }
    let lines = differences(tx).await?;
    if let Some(first) = lines.first() {
        let line = format!("{first}; nothing was written: stop the server, run `vecino verify`, and {REMEDY}");
        return Err(Error::new(Kind::Unavailable, "schema-other", line).with("retry_after", 60));
    }
    if let Ok(mut schema) = tx.schema.lock() {
        *schema = Some(stamp);
    }
    Ok(())
}
