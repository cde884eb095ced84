//! Yards, dumps, sorting plants, street containers and shared collection points.

use super::dated::{Fields, Span, Version, field, in_force, properties};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, PointId, RouteId};
use crate::{all, bulk};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;

/// Kinds the house knows; others are kept and warned about.
pub const KINDS: [&str; 6] = ["yard", "dump", "sorting_plant", "transfer_station", "container", "collection_point"];

/// A point as it was on a day.
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

impl Fields for Place {
    fn after(&self, was: &Place, told: &Place) -> Place {
        let (lon, lat) = field(&(self.lon, self.lat), &(was.lon, was.lat), &(told.lon, told.lat));
        Place {
            name: field(&self.name, &was.name, &told.name),
            kind: field(&self.kind, &was.kind, &told.kind),
            route_id: field(&self.route_id, &was.route_id, &told.route_id),
            stop_order: field(&self.stop_order, &was.stop_order, &told.stop_order),
            capacity_l: field(&self.capacity_l, &was.capacity_l, &told.capacity_l),
            lon,
            lat,
            approximate: field(&self.approximate, &was.approximate, &told.approximate),
            properties: properties(&self.properties, &was.properties, &told.properties),
            ..self.clone()
        }
    }
}

/// The points of a municipality on a day, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Place>> {
    all!(
        tx,
        concat!(
            "SELECT p.municipality_id, p.point_id, p.code, v.name, v.kind, v.route_id, v.stop_order, v.capacity_l, v.lon, v.lat, v.approximate, v.properties
             FROM point p JOIN point_version v ON v.municipality_id = p.municipality_id AND v.point_id = p.point_id
             WHERE p.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " ORDER BY p.code"
        ),
        municipality,
        day
    )
}

/// Everything the present knows of every point, ended ones too, by code and first day.
pub async fn history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Version<Place>>> {
    all!(
        tx,
        "SELECT v.version_id, v.valid_from, v.valid_to, p.municipality_id, p.point_id, p.code, v.name, v.kind, v.route_id, v.stop_order, v.capacity_l,
            v.lon, v.lat, v.approximate, v.properties
         FROM point p JOIN point_version v ON v.municipality_id = p.municipality_id AND v.point_id = p.point_id
         WHERE p.municipality_id = $1 AND v.superseded_at IS NULL ORDER BY p.code, v.valid_from",
        municipality
    )
}

/// Inserts identities that are not there yet.
pub async fn name(tx: &mut Tx, rows: &[&Place]) -> Result<()> {
    bulk!(tx, "INSERT INTO point (municipality_id, point_id, code)", rows, |p| [p.municipality_id, p.point_id, &p.code], "")?;
    Ok(())
}

pub async fn add(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, rows: &[(Span, Place)]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO point_version (municipality_id, point_id, version_id, valid_from, valid_to, recorded_at, name, kind, route_id, stop_order,
            capacity_l, lon, lat, approximate, properties)",
        rows,
        |row| [
            row.1.municipality_id,
            row.1.point_id,
            mint.id::<uuid::Uuid>(now),
            row.0.from,
            row.0.to,
            now,
            &row.1.name,
            &row.1.kind,
            row.1.route_id,
            row.1.stop_order,
            row.1.capacity_l,
            row.1.lon,
            row.1.lat,
            row.1.approximate,
            &row.1.properties
        ],
        ""
    )?;
    Ok(())
}
