//! Bearer tokens of devices, scripts and other systems: opaque, stored as SHA-256, revocable at once.

use super::{Actor, Role};
use crate::db::{Db, Tx};
use crate::error::{Error, Kind, Result};
use crate::id::{DeviceId, MunicipalityId, sha256_hex};
use crate::{opt, run};
use chrono::{DateTime, Duration, Utc};

pub struct NewToken {
    pub role: Role,
    pub municipality: Option<MunicipalityId>,
    /// Code of the operator whose rounds alone the token reaches.
    pub operator: Option<String>,
    pub device: Option<DeviceId>,
    pub name: String,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A new secret; recognisable in a leaked file by its first letters.
pub fn secret() -> String {
    format!("vct_{}", super::session::secret())
}

/// Stores a token under the hash of `secret`, which is told to nobody else.
pub async fn create(tx: &mut Tx, now: DateTime<Utc>, secret: String, token: NewToken) -> Result<()> {
    run!(
        tx,
        "INSERT INTO token (token_hash, role, municipality_id, operator_code, device_id, name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        sha256_hex(secret.as_bytes()),
        token.role.name(),
        token.municipality,
        token.operator,
        token.device,
        token.name,
        now,
        token.expires_at
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    role: String,
    municipality_id: Option<MunicipalityId>,
    operator_code: Option<String>,
    device_id: Option<DeviceId>,
    name: String,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    device_seen_at: Option<DateTime<Utc>>,
    device_revoked_at: Option<DateTime<Utc>>,
}

/// Who sends this token; refuses unknown, expired and revoked ones with a code a phone can act on.
pub async fn find(db: &Db, now: DateTime<Utc>, secret: &str) -> Result<Actor> {
    let refuse = |code: &'static str, line: &str| Err(Error::new(Kind::Unauthenticated, code, line));
    let mut tx = db.read().await?;
    let row: Option<Row> = opt!(
        tx,
        "SELECT t.role, t.municipality_id, t.operator_code, t.device_id, t.name, t.expires_at, t.revoked_at, d.seen_at AS device_seen_at, d.revoked_at AS device_revoked_at
         FROM token t LEFT JOIN device d ON d.municipality_id = t.municipality_id AND d.device_id = t.device_id WHERE t.token_hash = $1",
        sha256_hex(secret.as_bytes())
    )?;
    drop(tx);
    let Some(row) = row else { return refuse("token-unknown", "this token is not known here; make one with `vecino token create`") };
    if row.device_revoked_at.is_some() {
        return refuse("device-revoked", "this device was revoked; enrol it again with the municipality");
    }
    if row.revoked_at.is_some() {
        return refuse("token-revoked", "this token was revoked; make another with `vecino token create`");
    }
    if row.expires_at.is_some_and(|at| at <= now) {
        return refuse("token-expired", "this token has expired; make another with `vecino token create`");
    }
    let role = Role::parse(&row.role).map_err(|_| Error::internal(format!("token with role {}", row.role)))?;
    if let (Some(municipality), Some(device)) = (row.municipality_id, row.device_id)
        && row.device_seen_at.is_none_or(|at| now - at >= Duration::minutes(1))
    {
        // Beside the answer and never before it.
        let db = db.clone();
        tokio::spawn(async move {
            if let Err(error) = seen(&db, municipality, device, now).await {
                tracing::warn!(code = error.code, context = error.context.as_deref(), "a phone was seen, which could not be written");
            }
        });
    }
    Ok(Actor { role, name: row.name, account: None, municipality: row.municipality_id, operator: row.operator_code, device: row.device_id })
}

async fn seen(db: &Db, municipality: MunicipalityId, device: DeviceId, now: DateTime<Utc>) -> Result<()> {
    let mut tx = db.write().await?;
    run!(
        tx,
        "UPDATE device SET seen_at = $3 WHERE municipality_id = $1 AND device_id = $2 AND (seen_at IS NULL OR seen_at <= $4)",
        municipality,
        device,
        now,
        now - Duration::minutes(1)
    )?;
    tx.commit().await
}

/// Reads a lifetime: `90s`, `30m`, `1h`, `14d`, `4w`.
pub fn lifetime(text: &str) -> std::result::Result<Duration, String> {
    let bad = || format!("«{text}» is not a lifetime; write a number and s, m, h, d or w, such as 1h");
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let number: i64 = text.strip_suffix(unit).and_then(|n| n.parse().ok()).filter(|n| (1..=1_000_000).contains(n)).ok_or_else(bad)?;
    match unit {
        's' => Ok(Duration::seconds(number)),
        'm' => Ok(Duration::minutes(number)),
        'h' => Ok(Duration::hours(number)),
        'd' => Ok(Duration::days(number)),
        'w' => Ok(Duration::weeks(number)),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_and_nonsense_is_refused() {
        assert_eq!(lifetime("90s"), Ok(Duration::seconds(90)));
        assert_eq!(lifetime("4w"), Ok(Duration::weeks(4)));
        for bad in ["", "h", "1", "-1h", "1y", "0h", "1.5h", "99999999999w", "1é"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
