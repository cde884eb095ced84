//! Sessions on the server: an opaque random cookie, stored as its SHA-256, ended at once when the account is disabled or signs out.

use super::{Actor, Role};
use crate::db::{Db, Tx};
use crate::error::Result;
use crate::id::{AccountId, MunicipalityId, sha256_hex};
use crate::{opt, run};
use chrono::{DateTime, Duration, Utc};

/// What a valid cookie stands for.
#[derive(Debug, Clone)]
pub struct Session {
    pub actor: Actor,
    pub csrf: String,
    pub language: String,
    pub theme: Option<String>,
    /// Name of the municipality the account is tied to.
    pub place: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    csrf: String,
    created_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    account_id: AccountId,
    login: String,
    role: String,
    municipality_id: Option<MunicipalityId>,
    operator_code: Option<String>,
    language: String,
    theme: Option<String>,
    place: Option<String>,
}

/// How long a session may rest, and how long it may live. Crews sign in at the yard once and work where nothing can be typed.
pub fn limits(role: Role) -> (Duration, Duration) {
    match role {
        Role::Crew => (Duration::days(14), Duration::days(14)),
        _ => (Duration::minutes(30), Duration::hours(12)),
    }
}

/// 32 random bytes as hexadecimal.
pub fn secret() -> String {
    let mut bytes = [0u8; 32];
    rand::fill(&mut bytes);
    hex::encode(bytes)
}

/// Opens a session and answers the cookie's value; always a new one, whatever cookie came with the sign-in.
pub async fn open(tx: &mut Tx, now: DateTime<Utc>, account: AccountId) -> Result<String> {
    let (cookie, csrf) = (secret(), secret());
    run!(
        tx,
        "INSERT INTO session (session_hash, account_id, csrf, created_at, seen_at) VALUES ($1, $2, $3, $4, $4)",
        sha256_hex(cookie.as_bytes()),
        account,
        csrf,
        now
    )?;
    // Nothing may outlive the longest limit, so old rows go as new ones come.
    run!(tx, "DELETE FROM session WHERE created_at < $1", now - limits(Role::Crew).1)?;
    Ok(cookie)
}

/// The session of a cookie, if it stands; remembers at most once a minute that it was seen, beside the page and never before it.
pub async fn find(db: &Db, now: DateTime<Utc>, cookie: &str) -> Result<Option<Session>> {
    let hash = sha256_hex(cookie.as_bytes());
    let mut tx = db.read().await?;
    let row: Option<Row> = opt!(
        tx,
        "SELECT s.csrf, s.created_at, s.seen_at, a.account_id, a.login, a.role, a.municipality_id, a.operator_code, a.language, a.theme, m.name AS place
         FROM session s JOIN account a ON a.account_id = s.account_id LEFT JOIN municipality m ON m.municipality_id = a.municipality_id
         WHERE s.session_hash = $1 AND a.disabled_at IS NULL",
        &hash
    )?;
    drop(tx);
    let Some(row) = row else { return Ok(None) };
    let Ok(role) = Role::parse(&row.role) else { return Ok(None) };
    let (idle, absolute) = limits(role);
    if now - row.seen_at > idle || now - row.created_at > absolute {
        return Ok(None);
    }
    if now - row.seen_at >= Duration::minutes(1) {
        let db = db.clone();
        tokio::spawn(async move {
            if let Err(error) = seen(&db, &hash, now).await {
                tracing::warn!(code = error.code, context = error.context.as_deref(), "a session was seen, which could not be written");
            }
        });
    }
    Ok(Some(Session {
        actor: Actor {
            role,
            name: row.login,
            account: Some(row.account_id),
            municipality: row.municipality_id,
            operator: row.operator_code,
            device: None,
        },
        csrf: row.csrf,
        language: row.language,
        theme: row.theme,
        place: row.place,
    }))
}

/// Of several pages of one minute the first is enough.
async fn seen(db: &Db, hash: &str, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.write().await?;
    run!(tx, "UPDATE session SET seen_at = $2 WHERE session_hash = $1 AND seen_at <= $3", hash, now, now - Duration::minutes(1))?;
    tx.commit().await
}

/// Ends one session.
pub async fn close(tx: &mut Tx, cookie: &str) -> Result<()> {
    run!(tx, "DELETE FROM session WHERE session_hash = $1", sha256_hex(cookie.as_bytes()))?;
    Ok(())
}

/// Ends every session of an account.
pub async fn close_all(tx: &mut Tx, account: AccountId) -> Result<()> {
    run!(tx, "DELETE FROM session WHERE account_id = $1", account)?;
    Ok(())
}
