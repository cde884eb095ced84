//! Streets, as a municipality brings them: a background to draw on.

use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, StreetId};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Street {
    pub municipality_id: MunicipalityId,
    pub street_id: StreetId,
    pub name: String,
    pub class: String,
    pub geometry: Value,
    pub properties: Value,
}

/// All streets of a municipality, ordered by name.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Street>> {
    all!(
        tx,
        "SELECT municipality_id, street_id, name, class, geometry, properties FROM street WHERE municipality_id = $1 ORDER BY name, street_id",
        municipality
    )
}
