//! Phones and other devices: each has its own token, and stops at once when it is revoked.

use super::Role;
use super::audit;
use super::token::{self, NewToken};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{DeviceId, Mint, MunicipalityId, OperatorId};
use crate::{all, opt, run};
use chrono::{DateTime, Utc};
use serde_json::json;

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Device {
    pub municipality_id: MunicipalityId,
    pub device_id: DeviceId,
    pub name: String,
    pub operator: Option<String>,
    pub enrolled_at: DateTime<Utc>,
    pub seen_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Adds a phone and its crew token, which never expires by itself and ends when the phone is revoked.
#[expect(clippy::too_many_arguments, reason = "one argument per column")]
pub async fn enrol(
    tx: &mut Tx,
    now: DateTime<Utc>,
    mint: &mut Mint,
    municipality: MunicipalityId,
    operator: Option<OperatorId>,
    operator_code: Option<&str>,
    name: &str,
    secret: String,
) -> Result<DeviceId> {
    let device = add(tx, now, mint, municipality, operator, name).await?;
    let token = NewToken {
        role: Role::Crew,
        municipality: Some(municipality),
        operator: operator_code.map(str::to_owned),
        device: Some(device),
        name: name.to_owned(),
        expires_at: None,
    };
    token::create(tx, now, secret, token).await?;
    Ok(device)
}

/// The device of that name, made when there is none; a revoked name is not given out again.
pub async fn add(
    tx: &mut Tx,
    now: DateTime<Utc>,
    mint: &mut Mint,
    municipality: MunicipalityId,
    operator: Option<OperatorId>,
    name: &str,
) -> Result<DeviceId> {
    let there: Option<(DeviceId, Option<OperatorId>, Option<DateTime<Utc>>)> =
        opt!(tx, "SELECT device_id, operator_id, revoked_at FROM device WHERE municipality_id = $1 AND name = $2", municipality, name)?;
    match there {
        Some((_, _, Some(_))) => {
            Err(Error::refused("device-revoked", format!("device «{name}» of {municipality} was revoked; choose another name")).with("name", name))
        }
        Some((_, other, None)) if other != operator => {
            Err(Error::refused("device-operator", format!("device «{name}» of {municipality} belongs to another operator; choose another name"))
                .with("name", name))
        }
        Some((device, ..)) => Ok(device),
        None => {
            let device: DeviceId = mint.id(now);
            run!(
                tx,
                "INSERT INTO device (municipality_id, device_id, name, operator_id, enrolled_at) VALUES ($1, $2, $3, $4, $5)",
                municipality,
                device,
                name,
                operator,
                now
            )?;
            Ok(device)
        }
    }
}

/// Every device within reach, by municipality and name.
pub async fn list(tx: &mut Tx, reach: Option<MunicipalityId>) -> Result<Vec<Device>> {
    all!(
        tx,
        "SELECT d.municipality_id, d.device_id, d.name, o.code AS operator, d.enrolled_at, d.seen_at, d.revoked_at
         FROM device d LEFT JOIN operator o ON o.municipality_id = d.municipality_id AND o.operator_id = d.operator_id
         WHERE CAST($1 AS SMALLINT) IS NULL OR d.municipality_id = $1 ORDER BY d.municipality_id, d.name",
        reach
    )
}

/// Shuts a device out from its next request on. Revoking twice changes nothing.
pub async fn revoke(tx: &mut Tx, now: DateTime<Utc>, by: &str, municipality: MunicipalityId, device: DeviceId) -> Result<()> {
    let name: Option<(String, Option<DateTime<Utc>>)> =
        opt!(tx, "SELECT name, revoked_at FROM device WHERE municipality_id = $1 AND device_id = $2", municipality, device)?;
    let Some((name, revoked)) = name else {
        return Err(Error::not_found("device-unknown", format!("{municipality} has no device {device}; see `vecino device list`")));
    };
    if revoked.is_some() {
        return Ok(());
    }
    run!(tx, "UPDATE device SET revoked_at = $3 WHERE municipality_id = $1 AND device_id = $2", municipality, device, now)?;
    let entry = audit::Entry { stream: "account", actor: by, action: "device-revoked", target: &name, detail: json!({"device": device}) };
    audit::record(tx, municipality, now, entry).await
}
