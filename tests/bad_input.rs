//! Bad input and bad luck through the command line: refused in one line each, and nothing changed.

use crate::program::{refused, vecino};
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_practice_town_never_touches_the_key_of_a_real_installation() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("real");
    assert_eq!(vecino(&folder, &["init"]).code, 0);
    let key = std::fs::read(folder.join("key")).unwrap();
    refused(&folder, &["demo", "--no-serve"], &["real installation", "--data-dir"]);
    // The database is elsewhere; the folder holds only the key.
    let elsewhere = format!("sqlite:{}", parent.path().join("other.db").display());
    refused(&folder, &["--database", &elsewhere, "demo", "--no-serve"], &["real installation", "--data-dir"]);
    assert_eq!(std::fs::read(folder.join("key")).unwrap(), key);
    assert!(!parent.path().join("other.db").exists());
}

#[test]
fn a_practice_town_that_cannot_be_made_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let real = parent.path().join("real");
    assert_eq!(vecino(&real, &["init"]).code, 0);
    // A database with accounts, and a folder of its own for the town.
    let town = parent.path().join("town");
    let database = format!("sqlite:{}", real.join("vecino.db").display());
    refused(&town, &["--database", &database, "demo", "--no-serve"], &["accounts", "empty"]);
    assert!(!town.exists());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&town, &["demo", "--listen", &address], &[&address, "--listen"]);
    assert!(!town.exists(), "the port is asked before a town is made");
}

#[test]
fn the_smallest_practice_town_enters_its_trial_and_stands_whole() {
    let parent = tempfile::tempdir().unwrap();
    let town = parent.path().join("town");
    // What a killed load leaves is made anew.
    std::fs::create_dir(&town).unwrap();
    for name in ["demo.unfinished", "vecino.db", "vecino.db-wal", "key"] {
        std::fs::write(town.join(name), "half").unwrap();
    }
    let done = vecino(&town, &["demo", "--no-serve", "--households", "300", "--today", "2025-03-04"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(names(&town), ["demo", "key", "norma-y-plan-2026.toml", "vecino.db"]);
    let protocol = town.join("norma-y-plan-2026.toml");
    let status = vecino(&town, &["trial", "status", protocol.to_str().unwrap(), "--json"]);
    assert_eq!(status.code, 0, "{}", status.err);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert!(status["assigned_at"].is_string());
    assert_eq!(vecino(&town, &["verify"]).code, 0);
}
