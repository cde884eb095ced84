//! Limits on sign-in attempts, per login and per address, kept in the database so that a restart forgets nothing.

use crate::clock::local;
use crate::db::Db;
use crate::error::{Error, Kind, Result};
use crate::id::Mint;
use crate::{opt, run};
use chrono::{DateTime, Duration, Utc};
use std::net::IpAddr;
use tokio::sync::Mutex;

/// Failures are counted over this long.
const WINDOW: Duration = Duration::minutes(15);
const PER_LOGIN: i64 = 5;
/// A town hall may share one address; a guessing machine does not stop at thirty.
const PER_ADDRESS: i64 = 30;

/// Counting and noting must not interleave, or two attempts at once would count as one.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn subjects(login: &str, address: IpAddr) -> [(String, i64); 2] {
    let login: String = login.chars().take(100).collect();
    [(format!("login:{}", login.to_lowercase()), PER_LOGIN), (format!("address:{address}"), PER_ADDRESS)]
}

/// Notes an attempt as failed before it is tried, so that attempts in parallel are counted too; [`forgive`] takes it back.
/// Refuses with the time from which another attempt is allowed; a refused attempt is not counted.
pub async fn note(db: &Db, now: DateTime<Utc>, login: &str, address: IpAddr) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut tx = db.write().await?;
    run!(tx, "DELETE FROM sign_in_failure WHERE failed_at <= $1", now - WINDOW)?;
    let mut until: Option<DateTime<Utc>> = None;
    let subjects = subjects(login, address);
    for (subject, most) in &subjects {
        // The attempt that must grow old before there is room for another.
        let oldest: Option<(DateTime<Utc>,)> =
            opt!(tx, "SELECT failed_at FROM sign_in_failure WHERE subject = $1 ORDER BY failed_at DESC LIMIT 1 OFFSET $2", subject, most - 1)?;
        until = until.max(oldest.map(|(at,)| at + WINDOW));
    }
    if let Some(until) = until {
        tx.commit().await?;
        let seconds = (until - now).num_seconds().max(1);
        // Said in whole minutes, so rounded up.
        let from = local(until + Duration::seconds(59)).format("%H:%M").to_string();
        return Err(Error::new(Kind::TooMany, "too-many-attempts", format!("too many attempts; try again at {from}"))
            .with("time", from)
            .with("retry_after", seconds));
    }
    let mut mint = Mint::system();
    for (subject, _) in &subjects {
        let id: uuid::Uuid = mint.id(now);
        run!(tx, "INSERT INTO sign_in_failure (failure_id, subject, failed_at) VALUES ($1, $2, $3)", id, subject, now)?;
    }
    tx.commit().await
}

/// After a right password: the login starts afresh, the address gets this one attempt back.
pub async fn forgive(tx: &mut crate::db::Tx, login: &str, address: IpAddr) -> Result<()> {
    let [(login, _), (address, _)] = subjects(login, address);
    run!(tx, "DELETE FROM sign_in_failure WHERE subject = $1", login)?;
    run!(
        tx,
        "DELETE FROM sign_in_failure WHERE failure_id IN (SELECT failure_id FROM sign_in_failure WHERE subject = $1 ORDER BY failed_at DESC LIMIT 1)",
        address
    )?;
    Ok(())
}
