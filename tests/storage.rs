//! One text, two engines.

use crate::on_both_engines;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use vecino::account::audit;
use vecino::clock::Clock;
use vecino::id::{MunicipalityId, OpId};
use vecino::{all, bulk, one, run};

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    on_both_engines!(db => {
        db.migrate().await.unwrap();
    });
}

#[tokio::test]
async fn native_types_come_back_as_they_went_in() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        let at: DateTime<Utc> = "2026-11-23T18:02:11.123456Z".parse().unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let id = OpId(uuid::Uuid::now_v7());
        let rows: Vec<i32> = (0..700).collect();
        let tuples: Vec<(uuid::Uuid, i32)> = rows.iter().map(|n| (uuid::Uuid::now_v7(), *n)).collect();
        bulk!(tx, "INSERT INTO sign_in_failure (failure_id, subject, failed_at)", tuples, |row| [row.0, format!("address:{}", row.1), at], "").unwrap();
        let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM sign_in_failure WHERE failed_at = $1", at).unwrap();
        assert_eq!(n, 700);
        run!(tx, "INSERT INTO round_event (municipality_id, op_id, kind, round_id, device_id, observed_at, received_at, body, content_hash) VALUES ($1, $2, 'load', NULL, $2, $3, $3, $4, '')",
            MunicipalityId(1202), id, at, json!({"kg": 1200, "day": day})).unwrap();
        let read: Vec<(MunicipalityId, OpId, Option<uuid::Uuid>, DateTime<Utc>, Value)> = all!(tx, "SELECT municipality_id, op_id, round_id, observed_at, body FROM round_event").unwrap();
        assert_eq!(read, vec![(MunicipalityId(1202), id, None, at, json!({"kg": 1200, "day": "2026-11-23"}))]);
        tx.commit().await.unwrap();
    });
}

#[tokio::test]
async fn an_altered_audit_entry_is_found() {
    on_both_engines!(db => {
        let clock = Clock::system();
        let mut tx = db.write().await.unwrap();
        for n in 0..3 {
            audit::record(&mut tx, MunicipalityId(1202), clock.now(), audit::Entry { stream: "sync", actor: "phone 1", action: "stored", target: "round", detail: json!({"ops": n}) }).await.unwrap();
        }
        assert!(audit::verify(&mut tx).await.unwrap().is_empty());
        run!(tx, "UPDATE audit_entry SET actor = 'nobody' WHERE sequence = 2").unwrap();
        assert_eq!(audit::verify(&mut tx).await.unwrap().len(), 1);
    });
}

#[tokio::test]
async fn after_a_full_disk_the_next_write_goes_through() {
    let folder = tempfile::tempdir().unwrap();
    let db = crate::pilot::open(&format!("sqlite:{}", folder.path().join("vecino.db").display())).await;
    db.migrate().await.unwrap();
    let mut tx = db.write().await.unwrap();
    // The file may not grow any more.
    run!(tx, "PRAGMA max_page_count = 1").unwrap();
    tx.commit().await.unwrap();
    let insert = "INSERT INTO trial (trial_id, title, protocol, protocol_sha256, seed) VALUES ($1, $1, $2, $1, 1)";
    let mut tx = db.write().await.unwrap();
    let full = run!(tx, insert, "large", "x".repeat(4_000_000)).unwrap_err();
    assert_eq!((full.kind, full.code), (vecino::error::Kind::Unavailable, "storage-full"));
    drop(tx);
    let mut tx = db.write().await.unwrap();
    run!(tx, insert, "small", "x").unwrap();
    tx.commit().await.unwrap();
}

/// A released migration is never edited: what changes afterwards is another step.
#[test]
fn released_migrations_stay_as_they_were() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), vecino::id::sha256_hex(&std::fs::read(path).unwrap())[..16].to_owned())
        })
        .collect();
    found.sort();
    let released = [
        ("0001_territory.sql", "9b81bbc63743125d"),
        ("0002_account.sql", "0cd34357da8a2194"),
        ("0003_registry.sql", "cd14ed5396637dc9"),
        ("0004_trial.sql", "a2f345372e49fa89"),
        ("0005_observation.sql", "1a5ad5cfb50d5611"),
        ("0006_norm.sql", "feb049e7017a6ec6"),
        ("0007_publication.sql", "dba729361010bf10"),
        ("0008_trial_design.sql", "03e1c4810db496fa"),
        ("0010_indexes.sql", "aa6924eba8ffc883"),
        ("0011_record.sql", "8ceed7ba3f0cd6cb"),
        ("0012_alike_by_birth.sql", "b04fac0f885b8948"),
        ("0013_separated.sql", "f0715c96fb0f3a94"),
    ];
    assert_eq!(found, released.map(|(name, hash)| (name.to_owned(), hash.to_owned())));
}
