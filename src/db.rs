//! The only place that knows there are two engines: SQLite (a file) and PostgreSQL (a URL), one SQL text for both.
//!
//! A statement runs inside a [`Tx`] through the macros `all!`, `opt!`, `one!`, `run!` and `bulk!`: one text, one argument list,
//! native types. Rules that keep the text one (each trap was met): no `now()` or date functions (bind times, compute weeks in Rust);
//! `CAST(SUM(x) AS BIGINT)`; no `FOR UPDATE` (take the lock with an idempotent `UPDATE … RETURNING` or a no-op upsert);
//! JSONB holds objects; never catch a database error and go on (PostgreSQL has aborted the transaction): leave with `?`.

pub mod integrity;
pub mod schema;
pub mod table_seal;

use crate::error::{Error, Result};
use crate::seal::{Keys, RecordKeys};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Postgres, Sqlite};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How long somebody waits for a connection before they are told to come again: phones and browsers give up after about half a minute.
const PATIENCE: Duration = Duration::from_secs(8);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// An open database, with the keys of its record when it is opened to be written.
#[derive(Clone)]
pub struct Db {
    engine: Pools,
    record: Option<Arc<RecordKeys>>,
    /// How the schema stood when it was last compared with the migrations and was theirs.
    schema: Arc<Mutex<Option<String>>>,
}

/// SQLite has one writing connection (a pool of writers stalls) and several readers.
#[derive(Clone)]
enum Pools {
    Sqlite { writer: sqlx::SqlitePool, readers: sqlx::SqlitePool, file: Option<PathBuf> },
    Postgres(sqlx::PgPool),
}

/// A transaction. Dropping it rolls back; only [`Tx::commit`] keeps what was written.
pub struct Tx {
    engine: Engine,
    record: Option<Arc<RecordKeys>>,
    schema: Arc<Mutex<Option<String>>>,
    /// The sealed tables it wrote to, and whether another hand did before.
    written: BTreeMap<&'static str, bool>,
}

/// What the macros run on.
pub enum Engine {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl From<Pools> for Db {
    fn from(engine: Pools) -> Db {
        Db { engine, record: None, schema: Arc::default() }
    }
}

impl From<sqlx::PgPool> for Db {
    fn from(pool: sqlx::PgPool) -> Db {
        Pools::Postgres(pool).into()
    }
}

impl Db {
    /// Opens `sqlite:PATH`, `sqlite::memory:` or `postgres://…` without touching the schema and without the keys of the record:
    /// whoever writes calls [`Db::keyed`].
    pub async fn connect(url: &str) -> Result<Db> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)
                .map_err(|e| Error::refused("database-url", "the PostgreSQL URL cannot be read; write postgres://USER@HOST/DATABASE").because(e))?;
            let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(PATIENCE).connect_with(options).await.map_err(|e| {
                Error::refused("database-away", "PostgreSQL does not answer under the given URL; check host, database, user and that it runs")
                    .because(e)
            })?;
            return Ok(Pools::Postgres(pool).into());
        }
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Err(Error::refused("database-url", "the database URL must start with sqlite: or postgres://"));
        };
        let memory = path == ":memory:" || path.is_empty();
        let file = (!memory).then(|| PathBuf::from(path.trim_start_matches("//")));
        let options = match &file {
            Some(file) => SqliteConnectOptions::new().filename(file).create_if_missing(true),
            None => SqliteConnectOptions::from_str("sqlite::memory:")?,
        }
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .pragma("cache_size", "-4096")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(256)
        // Rows cross from SQLite's thread; the fewer stops on the way, the sooner a million are read.
        .row_buffer_size(1024);
        let refuse = |e: sqlx::Error| {
            let place = file.as_deref().unwrap_or(Path::new(":memory:")).display();
            match Error::from(e) {
                damaged if damaged.code == "storage-damaged" => {
                    let line = format!("{place}: the file is damaged or is no database; keep it, and put back a copy made before");
                    Error::new(damaged.kind, damaged.code, line).because(damaged.context.unwrap_or_default())
                }
                other => Error::refused(
                    "database-file",
                    format!("{place}: the database file cannot be opened or written; check the folder, its owner and free space"),
                )
                .because(other.context.unwrap_or_default()),
            }
        };
        // A connection inside this process needs no asking whether it is still there.
        let pool = || SqlitePoolOptions::new().test_before_acquire(false).acquire_timeout(PATIENCE);
        let writer = pool().max_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options.clone()).await.map_err(refuse)?;
        // An in-memory database lives in one connection; a file gets readers that never wait for the writer.
        let readers = match &file {
            Some(_) => pool().max_connections(4).connect_lazy_with(options),
            None => writer.clone(),
        };
        Ok(Pools::Sqlite { writer, readers, file }.into())
    }

    /// The same database, with the keys of its record.
    pub fn keyed(mut self, keys: &Keys) -> Db {
        self.record = Some(Arc::new(keys.record()));
        self
    }

    /// Brings the schema up to date; refuses a database written by a newer version. On SQLite a file that holds data is copied first.
    pub async fn migrate(&self) -> Result<()> {
        let applied: Vec<i64> = match &self.engine {
            Pools::Sqlite { writer, .. } => {
                sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version").fetch_all(writer).await
            }
            Pools::Postgres(pool) => sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version").fetch_all(pool).await,
        }
        .unwrap_or_default();
        let newest = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
        if let Some(newer) = applied.iter().find(|v| **v > newest) {
            return Err(Error::refused(
                "database-newer",
                format!(
                    "the database has schema {newer}, this version knows {newest}: it was written by a newer vecino; use that version or restore a backup"
                ),
            ));
        }
        if let (Pools::Sqlite { writer, file: Some(file), .. }, Some(last)) = (&self.engine, applied.last())
            && *last < newest
        {
            let copy = file.with_extension(format!("before-{newest}.db"));
            let copy = copy.to_string_lossy().into_owned();
            if !Path::new(&copy).exists() {
                sqlx::query("VACUUM INTO $1").bind(copy).execute(writer).await?;
            }
        }
        match &self.engine {
            Pools::Sqlite { writer, .. } => MIGRATIONS.run(writer).await,
            Pools::Postgres(pool) => MIGRATIONS.run(pool).await,
        }
        .map_err(|e| match e {
            sqlx::migrate::MigrateError::VersionMismatch(v) => Error::refused(
                "database-schema",
                format!("schema step {v} in this database differs from this version's; it was changed by hand or by another build: restore a backup"),
            ),
            sqlx::migrate::MigrateError::Execute(e) | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => Error::from(e),
            other => Error::internal(format!("migrate: {other}")),
        })
    }

    /// A transaction that writes. On SQLite writers queue for the one writing connection.
    pub async fn write(&self) -> Result<Tx> {
        let engine = match &self.engine {
            Pools::Sqlite { writer, .. } => Engine::Sqlite(match writer.begin_with("BEGIN IMMEDIATE").await {
                // On a full disk SQLite ends the transaction itself, and the one writing connection goes on counting it: take a new one.
                Err(sqlx::Error::InvalidSavePointStatement) => {
                    writer.acquire().await?.close().await?;
                    writer.begin_with("BEGIN IMMEDIATE").await?
                }
                begun => begun?,
            }),
            Pools::Postgres(pool) => Engine::Postgres(pool.begin().await?),
        };
        Ok(Tx { engine, record: self.record.clone(), schema: self.schema.clone(), written: BTreeMap::new() })
    }

    /// A transaction that only reads, on a consistent snapshot.
    pub async fn read(&self) -> Result<Tx> {
        let engine = match &self.engine {
            Pools::Sqlite { readers, .. } => Engine::Sqlite(readers.begin().await?),
            Pools::Postgres(pool) => Engine::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?),
        };
        Ok(Tx { engine, record: self.record.clone(), schema: self.schema.clone(), written: BTreeMap::new() })
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.engine, Pools::Sqlite { .. })
    }

    /// Closes all connections; on SQLite this checkpoints the write-ahead log.
    pub async fn close(&self) {
        match &self.engine {
            Pools::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// For the macros: a transaction and a mutable borrow of one read alike.
    pub fn open(&mut self) -> &mut Engine {
        &mut self.engine
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// The keys that seal audit entries and rows. A database opened without them can be read and not recorded in.
    pub fn record_keys(&self) -> Result<Arc<RecordKeys>> {
        self.record.clone().ok_or_else(|| Error::internal("the database was opened without the keys of its record: Db::keyed"))
    }

    /// For the macros, before a statement that writes.
    pub async fn writes(&mut self, sql: &str) -> Result<()> {
        match table_seal::written(sql).filter(|table| self.record.is_some() && !self.written.contains_key(table)) {
            Some(table) => {
                let broken = table_seal::take(self, table).await?;
                self.written.insert(table, broken);
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub async fn commit(mut self) -> Result<()> {
        // What a trigger of another hand wrote beside our statements would be sealed with them. It cannot go before this transaction ends:
        // both engines keep it while a table that it stands on is being written.
        if !self.written.is_empty() {
            schema::stands(&mut self).await?;
        }
        for (table, broken) in std::mem::take(&mut self.written) {
            table_seal::leave(&mut self, table, broken).await?;
        }
        match self.engine {
            Engine::Sqlite(tx) => tx.commit().await?,
            Engine::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// For the macros on SQLite: asks again for a moment before it sleeps. A row of a statement comes every few microseconds from the
/// connection's thread, and waking a sleeper for each costs more than the row.
pub async fn eager<F: Future>(future: F) -> F::Output {
    const MOMENT: Duration = Duration::from_micros(30);
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let asleep = Instant::now() + MOMENT;
        while Instant::now() < asleep {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(output);
            }
            std::thread::yield_now();
        }
        future.as_mut().poll(context)
    })
    .await
}

/// For the macros: the next rows that go into one SQLite statement. A statement of a round size is prepared once and kept; SQLite takes
/// longer to read a text of thousands of parameters than to run it.
pub fn portion<T>(rows: &[T]) -> (&[T], &[T]) {
    let size = [200, 50].into_iter().find(|size| *size <= rows.len()).unwrap_or(rows.len());
    rows.split_at(size)
}

/// Whether a statement of so many rows is worth keeping.
pub fn kept(rows: usize) -> bool {
    matches!(rows, 1..=8 | 50 | 200)
}

/// All rows of a query as `Vec<T>` (`T: FromRow` or a tuple).
#[macro_export]
macro_rules! all { ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => { match $tx.open() {
    $crate::db::Engine::Sqlite(tx) => $crate::db::eager(sqlx::query_as($sql)$(.bind($arg))*.fetch_all(&mut **tx)).await,
    $crate::db::Engine::Postgres(tx) => sqlx::query_as($sql)$(.bind($arg))*.fetch_all(&mut **tx).await,
}.map_err($crate::error::Error::from) } }

/// The row of a query, if there is one.
#[macro_export]
macro_rules! opt { ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => { match $tx.open() {
    $crate::db::Engine::Sqlite(tx) => $crate::db::eager(sqlx::query_as($sql)$(.bind($arg))*.fetch_optional(&mut **tx)).await,
    $crate::db::Engine::Postgres(tx) => sqlx::query_as($sql)$(.bind($arg))*.fetch_optional(&mut **tx).await,
}.map_err($crate::error::Error::from) } }

/// The one row of a query that always has one (an aggregate).
#[macro_export]
macro_rules! one { ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => { match $tx.open() {
    $crate::db::Engine::Sqlite(tx) => $crate::db::eager(sqlx::query_as($sql)$(.bind($arg))*.fetch_one(&mut **tx)).await,
    $crate::db::Engine::Postgres(tx) => sqlx::query_as($sql)$(.bind($arg))*.fetch_one(&mut **tx).await,
}.map_err($crate::error::Error::from) } }

/// A statement; answers how many rows it touched.
#[macro_export]
macro_rules! run { ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => {{
    let sql = $sql;
    match ($tx).writes($crate::db::table_seal::Statement::text(&sql)).await {
        Ok(()) => $crate::execute!($tx, sql $(, $arg)*),
        Err(error) => Err(error),
    }
}} }

/// The same, of a table that is not sealed whole.
#[macro_export]
macro_rules! execute { ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => { match $tx.open() {
    $crate::db::Engine::Sqlite(tx) => $crate::db::eager(sqlx::query($sql)$(.bind($arg))*.execute(&mut **tx)).await.map(|done| done.rows_affected()),
    $crate::db::Engine::Postgres(tx) => sqlx::query($sql)$(.bind($arg))*.execute(&mut **tx).await.map(|done| done.rows_affected()),
}.map_err($crate::error::Error::from) } }

/// Many rows in few statements: `bulk!(tx, "INSERT INTO t (…)", rows, |row| [row.a, row.b, …], "ON CONFLICT …")`.
/// `rows` is a slice; each listed expression is one column, in order. PostgreSQL takes 65,535 parameters a statement.
#[macro_export]
macro_rules! bulk { ($tx:expr, $insert:expr, $rows:expr, |$row:ident| [$($value:expr),+ $(,)?], $tail:expr) => {{
    const COLUMNS: usize = [$(stringify!($value)),+].len();
    let mut rest = &$rows[..];
    let mut touched: $crate::error::Result<u64> = match rest.is_empty() {
        true => Ok(0),
        false => match ($tx).writes($insert).await {
            Ok(()) => ($tx).writes($tail).await.map(|()| 0),
            Err(error) => Err(error),
        },
    };
    while let (Ok(before), false) = (&touched, rest.is_empty()) {
        let before = *before;
        touched = match $tx.open() {
            $crate::db::Engine::Sqlite(tx) => {
                let (chunk, after) = $crate::db::portion(rest);
                rest = after;
                let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new($insert);
                query.push(" ").push_values(chunk, |mut tuple, $row| { $(tuple.push_bind($value);)+ }).push(" ").push($tail);
                $crate::db::eager(query.build().persistent($crate::db::kept(chunk.len())).execute(&mut **tx)).await.map(|done| done.rows_affected())
            }
            $crate::db::Engine::Postgres(tx) => {
                let (chunk, after) = rest.split_at(rest.len().min(60_000 / COLUMNS));
                rest = after;
                let mut query = sqlx::QueryBuilder::<sqlx::Postgres>::new($insert);
                query.push(" ").push_values(chunk, |mut tuple, $row| { $(tuple.push_bind($value);)+ }).push(" ").push($tail);
                query.build().persistent(false).execute(&mut **tx).await.map(|done| done.rows_affected())
            }
        }.map(|now| before + now).map_err($crate::error::Error::from);
    }
    touched
}} }

/// Rows for many keys in few statements: `among!(tx, "WITH asked (id) AS (", keys, |key| [key], ") SELECT … FROM asked CROSS JOIN t …")`.
/// `keys` is a slice; each listed expression is one column of `asked`, in order. Portions as in `bulk!`; answers `Vec<T>`.
#[macro_export]
macro_rules! among { ($tx:expr, $with:expr, $keys:expr, |$key:ident| [$($value:expr),+ $(,)?], $select:expr) => {{
    const COLUMNS: usize = [$(stringify!($value)),+].len();
    let mut rest = &$keys[..];
    let mut found = $crate::error::Result::Ok(Vec::new());
    while let (Ok(rows), false) = (&mut found, rest.is_empty()) {
        let more = match $tx.open() {
            $crate::db::Engine::Sqlite(tx) => {
                let (chunk, after) = $crate::db::portion(rest);
                rest = after;
                let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new($with);
                query.push_values(chunk, |mut tuple, $key| { $(tuple.push_bind($value);)+ }).push($select);
                $crate::db::eager(query.build_query_as().persistent($crate::db::kept(chunk.len())).fetch_all(&mut **tx)).await
            }
            $crate::db::Engine::Postgres(tx) => {
                let (chunk, after) = rest.split_at(rest.len().min(60_000 / COLUMNS));
                rest = after;
                let mut query = sqlx::QueryBuilder::<sqlx::Postgres>::new($with);
                query.push_values(chunk, |mut tuple, $key| { $(tuple.push_bind($value);)+ }).push($select);
                query.build_query_as().persistent(false).fetch_all(&mut **tx).await
            }
        };
        match more {
            Ok(mut more) => rows.append(&mut more),
            Err(error) => found = Err($crate::error::Error::from(error)),
        }
    }
    found
}} }
