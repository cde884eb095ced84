//! Phones and their tokens.

use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, Mint, MunicipalityId, OperatorId, sha256_hex};
use crate::run;
use chrono::{DateTime, Utc};

/// A phone becomes known: its row, and a crew token of which only the hash is kept.
#[expect(clippy::too_many_arguments, reason = "one argument per fact of the phone")]
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
    let id: DeviceId = mint.id(now);
    run!(
        tx,
        "INSERT INTO device (municipality_id, device_id, name, operator_id, enrolled_at) VALUES ($1, $2, $3, $4, $5)",
        municipality,
        id,
        name,
        operator,
        now
    )?;
    run!(
        tx,
        "INSERT INTO token (token_hash, role, municipality_id, operator_code, device_id, name, created_at) VALUES ($1, 'crew', $2, $3, $4, $5, $6)",
        sha256_hex(secret.as_bytes()),
        municipality,
        operator_code,
        id,
        name,
        now
    )?;
    Ok(id)
}
