//! Yards, dumps, sorting plants, street containers and shared collection points.

use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, PointId, RouteId};
use serde::Serialize;
use serde_json::Value;

/// Kinds the house knows; others are kept and warned about.
pub const KINDS: [&str; 6] = ["yard", "dump", "sorting_plant", "transfer_station", "container", "collection_point"];

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Place {
    pub municipality_id: MunicipalityId,
    pub point_id: PointId,
    pub code: String,
    pub name: String,
    pub kind: String,
    pub route_id: Option<RouteId>,
    pub stop_order: Option<i32>,
    pub capacity_l: Option<i32>,
    pub lon: f64,
    pub lat: f64,
    pub approximate: bool,
    pub properties: Value,
}

/// All points of a municipality, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Place>> {
    all!(
        tx,
        "SELECT municipality_id, point_id, code, name, kind, route_id, stop_order, capacity_l, lon, lat, approximate, properties
         FROM point WHERE municipality_id = $1 ORDER BY code",
        municipality
    )
}
