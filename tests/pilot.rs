//! What tests share: both engines, and a small territory.

use vecino::account::installation::claim;
use vecino::db::Db;
use vecino::seal::Keys;

/// The key under which tests record.
pub fn keys() -> Keys {
    Keys::from_root([1; 32])
}

/// A database that can be recorded in, under the tests' key.
pub async fn open(url: &str) -> Db {
    Db::connect(url).await.unwrap().keyed(&keys())
}

/// Says what this run does not show, past the test harness, which keeps to itself what passing tests print.
pub fn left_out(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "left out: {what}");
}

/// A migrated installation under a key of its own, as `vecino init` leaves one, without its administrator.
pub async fn installed(url: &str, keys: &Keys) -> Db {
    let db = Db::connect(url).await.unwrap().keyed(keys);
    db.migrate().await.unwrap();
    let mut tx = db.write().await.unwrap();
    claim(&mut tx, keys, chrono::DateTime::UNIX_EPOCH).await.unwrap();
    tx.commit().await.unwrap();
    db
}

/// A fresh, migrated database on every engine at hand: SQLite always, PostgreSQL (a schema of its own) when `TEST_POSTGRES_URL` is set.
pub async fn engines() -> Vec<Db> {
    let sqlite = open("sqlite::memory:").await;
    let mut engines = vec![sqlite];
    match std::env::var("TEST_POSTGRES_URL") {
        Ok(url) => {
            let schema = format!("test_{}", uuid::Uuid::now_v7().simple());
            let pool = sqlx::PgPool::connect(&url).await.expect("TEST_POSTGRES_URL answers");
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&pool).await.unwrap();
            pool.close().await;
            let join = if url.contains('?') { '&' } else { '?' };
            engines.push(open(&format!("{url}{join}options=-csearch_path%3D{schema}")).await);
        }
        Err(_) => {
            static SAID: std::sync::Once = std::sync::Once::new();
            SAID.call_once(|| left_out("PostgreSQL: TEST_POSTGRES_URL is not set"));
        }
    }
    for db in &engines {
        db.migrate().await.unwrap();
        let mut tx = db.write().await.unwrap();
        claim(&mut tx, &keys(), chrono::DateTime::UNIX_EPOCH).await.unwrap();
        tx.commit().await.unwrap();
    }
    engines
}

/// Runs a promise on every engine: `on_both_engines!(db => { … })`.
#[macro_export]
macro_rules! on_both_engines {
    ($db:ident => $body:block) => {
        for $db in $crate::pilot::engines().await {
            $body
        }
    };
}
