//! No statement reads the whole of a table that grows: every one of the program is explained on both engines.
//!
//! The statements are read from the source, through `concat!` and the house's own macros, so that none is missed because no test runs it.
//! SQLite plans without statistics, so an empty database plans as a large town's does; PostgreSQL is given a town to count.

mod source;

use crate::pilot::engines;
use serde_json::Value;
use source::Found;
use std::collections::{BTreeMap, BTreeSet};
use vecino::db::{Db, Engine};

/// Tables that hold a row or more for each home, person, visit, message or act.
const GROWING: &[&str] = &[
    "audit_entry",
    "consent",
    "contact",
    "finance_enrolment",
    "gender_enrolment",
    "home_week",
    "household",
    "household_member",
    "household_version",
    "message",
    "message_event",
    "norm",
    "observation",
    "person",
    "person_likeness",
    "person_source",
    "person_word",
    "plan",
    "published_home_week",
    "round_event",
    "school_enrolment",
    "trial_home",
    "unsettled_operation",
    "waiting_correction",
    "waste_enrolment",
    "work_outcome",
];

/// Columns in which a whole town is alike: finding rows by nothing else is reading the town.
const COARSE: &[&str] = &[
    "municipality_id",
    "home_municipality_id",
    "like_municipality_id",
    "counted_municipality_id",
    "trial_id",
    "campaign_id",
    "status",
    "service_status",
    "purpose",
    "channel",
    "kind",
    "state",
    "stream",
    "counted",
    "superseded_at",
    "valid_from",
    "valid_to",
    "started_on",
    "given_on",
    "withdrawn_at",
];

/// Indexes of rows that wait for somebody, which are few however large the town.
const WAITING: &[&str] = &[
    "message_waiting",
    "message_queued_until",
    "message_sending",
    "person_with_warning",
    "person_likeness_open",
    "person_likeness_open_like",
    "unsettled_operation_by_device",
];

/// Where a whole table is read on purpose, and why: the file, the table, the reason.
const WHOLE: &[(&str, &str, &str)] = &include!("statements/whole.rs");

/// Calls whose statement the source does not show as one text, and what they run.
const UNREAD: &[(&str, &str)] = &include!("statements/unread.rs");

#[derive(Debug)]
struct Read {
    table: String,
    how: String,
}

fn words(sql: &str) -> Vec<&str> {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// The table that is called `alias` in a statement.
fn table_of(sql: &str, alias: &str, tables: &BTreeSet<String>) -> Option<String> {
    let words = words(sql);
    let named = words.windows(3).find(|w| tables.contains(w[0]) && (w[1] == alias || (w[1].eq_ignore_ascii_case("as") && w[2] == alias)));
    named.map(|w| w[0].to_owned()).or_else(|| tables.get(alias).cloned())
}

fn narrows(condition: &str) -> bool {
    words(condition).iter().any(|word| word.starts_with(|c: char| c.is_ascii_lowercase()) && !COARSE.contains(word) && word.contains('_'))
        || words(condition).iter().any(|word| matches!(*word, "at" | "code" | "corrects" | "sequence" | "step" | "subject" | "target" | "revision"))
}

/// What a statement reads whole on SQLite.
async fn on_sqlite(db: &Db, sql: &str, tables: &BTreeSet<String>) -> Result<Vec<Read>, String> {
    let mut tx = db.read().await.map_err(|e| e.to_string())?;
    let Engine::Sqlite(tx) = tx.open() else { return Ok(Vec::new()) };
    let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let lines: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&mut **tx).await.map_err(|e| e.to_string())?;
    let mut whole = Vec::new();
    for (.., line) in lines {
        let mut parts = line.split_whitespace();
        let (Some(verb), Some(alias)) = (parts.next(), parts.next()) else { continue };
        let condition = line.find('(').map_or("", |at| &line[at..]);
        let index = line.split_once("INDEX ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("");
        if !matches!(verb, "SCAN" | "SEARCH") || (verb == "SEARCH" && narrows(condition)) || WAITING.contains(&index) {
            continue;
        }
        if let Some(table) = table_of(sql, alias, tables).filter(|table| GROWING.contains(&table.as_str())) {
            whole.push(Read { table, how: line.clone() });
        }
    }
    Ok(whole)
}

/// The same on PostgreSQL, as a statement that is prepared once for all values.
async fn on_postgres(db: &Db, sql: &str) -> Result<Vec<Read>, String> {
    let mut tx = db.write().await.map_err(|e| e.to_string())?;
    let Engine::Postgres(tx) = tx.open() else { return Ok(Vec::new()) };
    let parameters = (1..).take_while(|n| words(&sql.replace('$', " P")).contains(&format!("P{n}").as_str())).count();
    let execute = if parameters == 0 { "EXECUTE asked".to_owned() } else { format!("EXECUTE asked ({})", vec!["NULL"; parameters].join(", ")) };
    let say = |e: sqlx::Error| e.to_string();
    sqlx::raw_sql("SET LOCAL plan_cache_mode = force_generic_plan; DEALLOCATE ALL").execute(&mut **tx).await.map_err(say)?;
    // A parameter that is only asked whether it is there has no kind of its own: the driver tells it.
    let mut told = vec!["unknown"; parameters];
    loop {
        let kinds = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
        sqlx::raw_sql("SAVEPOINT before").execute(&mut **tx).await.map_err(say)?;
        let Err(error) = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PREPARE asked{kinds} AS {sql}"))).execute(&mut **tx).await else { break };
        sqlx::raw_sql("ROLLBACK TO before").execute(&mut **tx).await.map_err(say)?;
        let error = error.to_string();
        let unknown = error.split_once("data type of parameter $").and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<usize>().ok());
        match unknown.and_then(|n| told.get_mut(n - 1)) {
            Some(kind) => {
                *kind = match sql {
                    sql if sql.contains(&format!("household_id = ${}", unknown.unwrap())) => "UUID",
                    _ => "TIMESTAMPTZ",
                };
            }
            None => return Err(error),
        }
    }
    let explained = sqlx::AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) {execute}"));
    let (plan,): (Value,) = sqlx::query_as(explained).persistent(false).fetch_one(&mut **tx).await.map_err(say)?;
    let mut whole = Vec::new();
    let mut open = vec![&plan[0]["Plan"]];
    while let Some(node) = open.pop() {
        open.extend(node["Plans"].as_array().into_iter().flatten());
        let kind = node["Node Type"].as_str().unwrap_or_default();
        let index = node["Index Name"].as_str().unwrap_or_default();
        let condition = node["Index Cond"].as_str().unwrap_or_default();
        let table = match kind {
            "Seq Scan" => node["Relation Name"].as_str().unwrap_or_default(),
            "Index Scan" | "Index Only Scan" if !narrows(condition) => node["Relation Name"].as_str().unwrap_or_default(),
            "Bitmap Index Scan" if !narrows(condition) => {
                GROWING.iter().filter(|table| index.starts_with(**table)).max_by_key(|t| t.len()).unwrap_or(&"")
            }
            _ => "",
        };
        if GROWING.contains(&table) && !WAITING.contains(&index) {
            whole.push(Read { table: table.to_owned(), how: format!("{kind} {index} {condition}") });
        }
    }
    Ok(whole)
}

/// A town of twenty thousand rows in every table that grows, for PostgreSQL to count: what rows say does not matter here, how they differ does.
async fn fill(db: &Db) {
    let mut town = db.write().await.unwrap();
    let Engine::Postgres(tx) = town.open() else { return };
    let bonds: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.conrelid::regclass::TEXT, quote_ident(c.conname) FROM pg_constraint c WHERE c.connamespace = current_schema()::regnamespace AND c.contype IN ('c', 'f')",
    )
    .fetch_all(&mut **tx)
    .await
    .unwrap();
    for (table, bond) in bonds {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("ALTER TABLE {table} DROP CONSTRAINT {bond}"))).execute(&mut **tx).await.unwrap();
    }
    for table in GROWING.iter().chain(&["municipality", "segment", "segment_version", "round", "campaign", "route", "route_version"]) {
        let columns: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT column_name::TEXT, data_type::TEXT, is_nullable::TEXT FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1",
        )
        .bind(*table)
        .fetch_all(&mut **tx)
        .await
        .unwrap();
        let rows = if GROWING.contains(table) { 20_000 } else { 60 };
        let place = if *table == "municipality" { "i" } else { "1202" };
        let value = |name: &str, kind: &str, empty: bool| match kind {
            _ if ["superseded_at", "withdrawn_at", "valid_to", "settled_at", "ended_at", "paused_at"].contains(&name) && empty => "NULL".to_owned(),
            "smallint" if name.ends_with("municipality_id") => place.to_owned(),
            "uuid" => match name {
                "segment_id" | "round_id" | "route_id" | "neighbourhood_id" | "device_id" => format!("md5('{name}' || (i % 60))::UUID"),
                _ => format!("md5('{name}' || i)::UUID"),
            },
            "date" => "DATE '2026-01-01' + i % 200".to_owned(),
            "timestamp with time zone" => "TIMESTAMPTZ '2026-01-01 12:00Z' + (i % 200) * INTERVAL '1 day'".to_owned(),
            "boolean" => "i % 20 > 0".to_owned(),
            "integer" if name.ends_with("week") => "202601 + i % 30".to_owned(),
            "smallint" | "integer" => "i % 10".to_owned(),
            "bigint" => "i".to_owned(),
            "double precision" => "i / 7.0".to_owned(),
            "jsonb" => "'{}'::JSONB".to_owned(),
            "bytea" => "NULL".to_owned(),
            _ if name == "code" || name == "target" || name.ends_with("hash") || name.ends_with("sealed") => format!("'{name}' || i"),
            _ => format!("'{name}' || (i % 4)"),
        };
        let names: Vec<&str> = columns.iter().map(|(name, ..)| name.as_str()).collect();
        let values: Vec<String> = columns.iter().map(|(name, kind, nullable)| value(name, kind, nullable == "YES")).collect();
        let insert = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM generate_series(1, {rows}) AS i ON CONFLICT DO NOTHING",
            names.join(", "),
            values.join(", ")
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut **tx).await.unwrap_or_else(|e| panic!("{table}: {e}"));
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("ANALYZE {table}"))).execute(&mut **tx).await.unwrap();
    }
    town.commit().await.unwrap();
}

/// The types of columns, by name: a list of keys tells PostgreSQL none.
async fn kinds(db: &Db) -> BTreeMap<String, String> {
    let mut tx = db.read().await.unwrap();
    let Engine::Postgres(tx) = tx.open() else { return BTreeMap::new() };
    let columns = "SELECT DISTINCT column_name::TEXT, data_type::TEXT FROM information_schema.columns WHERE table_schema = current_schema()";
    let found: Vec<(String, String)> = sqlx::query_as(columns).fetch_all(&mut **tx).await.unwrap();
    found.into_iter().collect()
}

#[tokio::test]
async fn no_statement_reads_the_whole_of_a_table_that_grows() {
    let found = source::statements();
    assert!(found.statements.len() > 350, "{} statements were found", found.statements.len());
    let unread: Vec<String> = found
        .unread
        .iter()
        .filter(|(file, call)| !UNREAD.iter().any(|(known, text)| file == known && call.contains(text)))
        .map(|(file, call)| format!("{file}: {call}"))
        .collect();
    assert!(unread.is_empty(), "calls whose statement cannot be read:\n{}", unread.join("\n"));
    for db in engines().await {
        let mut wrong = Vec::new();
        let mut used = BTreeSet::new();
        let kinds = kinds(&db).await;
        let tables: BTreeSet<String> = tables(&db).await;
        fill(&db).await;
        for Found { file, sql, .. } in &found.statements {
            // What an engine says of a table's columns is asked of it in its own words.
            if sql.contains(if db.is_sqlite() { "pg_attribute" } else { "pragma_table_info" }) {
                continue;
            }
            let read = match db.is_sqlite() {
                true => on_sqlite(&db, sql, &tables).await,
                false => on_postgres(&db, &typed(sql, &kinds)).await,
            };
            match read {
                Err(error) => wrong.push(format!("{file}: cannot be explained ({error}): {sql}")),
                Ok(whole) => {
                    for Read { table, how } in whole {
                        match WHOLE.iter().position(|(of, read, _)| file == of && table == *read) {
                            Some(known) => _ = used.insert(known),
                            None => {
                                wrong.push(format!("{file}: reads all of {table} ({how}): {}", sql.split_whitespace().collect::<Vec<_>>().join(" ")))
                            }
                        }
                    }
                }
            }
        }
        let engine = if db.is_sqlite() { "SQLite" } else { "PostgreSQL" };
        assert!(wrong.is_empty(), "{} statements on {engine}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

async fn tables(db: &Db) -> BTreeSet<String> {
    let mut tx = db.read().await.unwrap();
    let Engine::Sqlite(tx) = tx.open() else { return BTreeSet::new() };
    let names: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut **tx).await.unwrap();
    assert!(!names.iter().any(|(name,)| name == "sqlite_stat1"), "with statistics SQLite plans by the rows it has");
    names.into_iter().map(|(name,)| name).collect()
}

/// Keys of `WITH asked (a, b) AS (VALUES ($1, $2))` with the types of the columns they are called after.
fn typed(sql: &str, kinds: &BTreeMap<String, String>) -> String {
    let Some((head, rest)) = sql.split_once(" AS (VALUES (").filter(|_| sql.starts_with("WITH ")) else { return sql.to_owned() };
    let names = head.split_once('(').map_or("", |(_, names)| names.trim_end_matches(')'));
    let (_, tail) = rest.split_once("))").unwrap();
    let kind = |name: &str| kinds.get(name).map_or_else(|| if name.contains("day") { "DATE" } else { "TEXT" }, String::as_str).to_owned();
    let values: Vec<String> = names.split(',').zip(1..).map(|(name, n)| format!("CAST(${n} AS {})", kind(name.trim()))).collect();
    format!("{head} AS (VALUES ({})){}", values.join(", "), tail)
}
