//! Segments: contiguous pieces of one route, about 25 homes, inside one neighbourhood. The trial's clusters; never shown to mayors or crews.

use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, NeighbourhoodId, RouteId, SegmentId};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Segment {
    pub municipality_id: MunicipalityId,
    pub segment_id: SegmentId,
    pub code: String,
    pub route_id: RouteId,
    pub neighbourhood_id: NeighbourhoodId,
    pub approximate: bool,
    pub geometry: Value,
    pub properties: Value,
}

impl Segment {
    pub fn lines(&self) -> Vec<geo::LineString> {
        super::geometry::lines(&super::geometry::geometry(&self.geometry))
    }
}

/// All segments of a municipality, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Segment>> {
    all!(
        tx,
        "SELECT municipality_id, segment_id, code, route_id, neighbourhood_id, approximate, geometry, properties
         FROM segment WHERE municipality_id = $1 ORDER BY code",
        municipality
    )
}
