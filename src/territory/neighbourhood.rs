//! Neighbourhoods: what mayors see. Their borders are drawn by the municipality, or approximate and marked so.

use super::dated::{Fields, Version, field, in_force, properties};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, NeighbourhoodId};
use crate::{all, bulk};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;

/// A neighbourhood as it was on a day.
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

impl Fields for Neighbourhood {
    fn after(&self, was: &Neighbourhood, told: &Neighbourhood) -> Neighbourhood {
        Neighbourhood {
            name: field(&self.name, &was.name, &told.name),
            approximate: field(&self.approximate, &was.approximate, &told.approximate),
            geometry: field(&self.geometry, &was.geometry, &told.geometry),
            properties: properties(&self.properties, &was.properties, &told.properties),
            ..self.clone()
        }
    }
}

impl Neighbourhood {
    pub fn shape(&self) -> geo::MultiPolygon {
        super::geometry::areas(&super::geometry::geometry(&self.geometry))
    }
}

/// The neighbourhoods of a municipality on a day, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Neighbourhood>> {
    all!(
        tx,
        concat!(
            "SELECT n.municipality_id, n.neighbourhood_id, n.code, v.name, v.approximate, v.geometry, v.properties FROM neighbourhood n
             JOIN neighbourhood_version v ON v.municipality_id = n.municipality_id AND v.neighbourhood_id = n.neighbourhood_id
             WHERE n.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " ORDER BY n.code"
        ),
        municipality,
        day
    )
}

/// Everything the present knows of every neighbourhood, ended ones too, by code and first day.
pub async fn history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Version<Neighbourhood>>> {
    all!(
        tx,
        "SELECT v.version_id, v.valid_from, v.valid_to, n.municipality_id, n.neighbourhood_id, n.code, v.name, v.approximate, v.geometry, v.properties
         FROM neighbourhood n JOIN neighbourhood_version v ON v.municipality_id = n.municipality_id AND v.neighbourhood_id = n.neighbourhood_id
         WHERE n.municipality_id = $1 AND v.superseded_at IS NULL ORDER BY n.code, v.valid_from",
        municipality
    )
}

/// Inserts identities that are not there yet.
pub async fn name(tx: &mut Tx, rows: &[&Neighbourhood]) -> Result<()> {
    bulk!(tx, "INSERT INTO neighbourhood (municipality_id, neighbourhood_id, code)", rows, |n| [n.municipality_id, n.neighbourhood_id, &n.code], "")?;
    Ok(())
}

pub async fn add(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, rows: &[(super::dated::Span, Neighbourhood)]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO neighbourhood_version (municipality_id, neighbourhood_id, version_id, valid_from, valid_to, recorded_at, name, approximate, geometry, properties)",
        rows,
        |row| [
            row.1.municipality_id,
            row.1.neighbourhood_id,
            mint.id::<uuid::Uuid>(now),
            row.0.from,
            row.0.to,
            now,
            &row.1.name,
            row.1.approximate,
            &row.1.geometry,
            &row.1.properties
        ],
        ""
    )?;
    Ok(())
}
