//! Neighbourhoods: what mayors see. Their borders are drawn by the municipality, or approximate and marked so.

use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, NeighbourhoodId};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Neighbourhood {
    pub municipality_id: MunicipalityId,
    pub neighbourhood_id: NeighbourhoodId,
    pub code: String,
    pub name: String,
    pub approximate: bool,
    pub geometry: Value,
    pub properties: Value,
}

impl Neighbourhood {
    pub fn shape(&self) -> geo::MultiPolygon {
        super::geometry::areas(&super::geometry::geometry(&self.geometry))
    }
}

/// All neighbourhoods of a municipality, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Neighbourhood>> {
    all!(
        tx,
        "SELECT municipality_id, neighbourhood_id, code, name, approximate, geometry, properties FROM neighbourhood WHERE municipality_id = $1 ORDER BY code",
        municipality
    )
}
