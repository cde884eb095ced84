//! A page that only reads waits for nobody who writes.

use crate::pilot::{installed, keys};
use crate::roles::{address, everybody, may};
use crate::sign_in::{get, house, noon};
use chrono::Duration;
use std::collections::BTreeSet;
use vecino::account::{access, audit};
use vecino::app::App;
use vecino::clock::Clock;
use vecino::id::MunicipalityId;

/// Reading these goes on record before anything is shown; the writer is asked for when all is read. A person's file, a roll that opens
/// names and the preview of a home's message do the same, and have nothing to show in an empty house.
const RECORDED: [&str; 1] = ["/audit"];

#[tokio::test]
async fn no_page_that_only_reads_takes_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let db = installed(&format!("sqlite:{}", folder.path().join("vecino.db").display()), &keys()).await;
    let app = house(db, noon()).await;
    let people = everybody(&app).await;
    let mut tx = app.db.write().await.unwrap();
    let entry = audit::Entry { stream: "account", actor: "ana", action: "signed-in", target: "admin", detail: serde_json::json!({}) };
    audit::record(&mut tx, MunicipalityId(1202), noon(), entry).await.unwrap();
    tx.commit().await.unwrap();
    // Ten minutes later everybody is to be noted as seen again.
    let router = vecino::web::app(App { clock: Clock::Fixed(noon() + Duration::minutes(10)), ..app.clone() });
    let held = app.db.write().await.unwrap();
    let mut waited = BTreeSet::new();
    for row in access::TABLE.iter().filter(|row| row.method == "GET") {
        let Some((_, cookie, _)) = people.iter().find(|(role, ..)| may(row.who, Some(*role))) else { panic!("nobody may read {}", row.path) };
        let path = address(row.path, "1202");
        if tokio::time::timeout(std::time::Duration::from_secs(2), get(&router, &path, cookie)).await.is_err() {
            waited.insert(row.path);
        }
    }
    drop(held);
    assert_eq!(waited, BTreeSet::from(RECORDED));
    // Who was seen is written all the same, as soon as the writer is free.
    for _ in 0..400 {
        let mut tx = app.db.read().await.unwrap();
        let (seen,): (i64,) = vecino::one!(tx, "SELECT COUNT(*) FROM session WHERE seen_at > $1", noon()).unwrap();
        if seen > 0 {
            return;
        }
        drop(tx);
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("nobody was noted as seen");
}
