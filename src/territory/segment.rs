//! Segments: contiguous pieces of one route, about 25 homes, inside one neighbourhood. The trial's clusters; never shown to mayors or crews.

use super::dated::{Fields, Span, Version, field, in_force, properties};
use super::geometry::{Plane, along};
use super::route::Route;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, NeighbourhoodId, RouteId, SegmentId};
use crate::{all, bulk};
use chrono::{DateTime, NaiveDate, Utc};
use geo::{Coord, LineString};
use serde::Serialize;
use serde_json::Value;

/// A segment as it was on a day.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Segment {
    pub municipality_id: MunicipalityId,
    pub segment_id: SegmentId,
    pub code: String,
    pub route_id: RouteId,
    pub neighbourhood_id: NeighbourhoodId,
    /// Metres from the start of the route to where it meets the segment.
    pub begins_m: f64,
    /// Whether the route drives it against its drawing.
    pub reversed: bool,
    pub approximate: bool,
    pub geometry: Value,
    pub properties: Value,
}

impl Fields for Segment {
    fn after(&self, was: &Segment, told: &Segment) -> Segment {
        Segment {
            route_id: field(&self.route_id, &was.route_id, &told.route_id),
            neighbourhood_id: field(&self.neighbourhood_id, &was.neighbourhood_id, &told.neighbourhood_id),
            begins_m: field(&self.begins_m, &was.begins_m, &told.begins_m),
            reversed: field(&self.reversed, &was.reversed, &told.reversed),
            approximate: field(&self.approximate, &was.approximate, &told.approximate),
            geometry: field(&self.geometry, &was.geometry, &told.geometry),
            properties: properties(&self.properties, &was.properties, &told.properties),
            ..self.clone()
        }
    }
}

/// The lines of a thing as one, in their order.
fn joined(lines: Vec<LineString>) -> LineString {
    LineString(lines.into_iter().flat_map(|line| line.0).collect())
}

/// To the decimetre: what is finer is not known, and would make every recount a change.
fn decimetre(metres: f64) -> f64 {
    (metres * 10.0).round() / 10.0
}

impl Segment {
    pub fn lines(&self) -> Vec<LineString> {
        super::geometry::lines(&super::geometry::geometry(&self.geometry))
    }

    /// Where the route meets the segment, and in which direction it drives it.
    pub fn laid_along(mut self, route: &Route) -> Segment {
        let (way, line) = (joined(route.lines()), joined(self.lines()));
        let Some(origin) = way.0.first() else { return self };
        let plane = Plane::at(*origin);
        let way = plane.flat(&way);
        let at = |c: Option<&Coord>| c.and_then(|c| along(&way, plane.metres(*c))).map_or(0.0, |(along, _)| along);
        let (first, last) = (at(line.0.first()), at(line.0.last()));
        self.begins_m = decimetre(first.min(last));
        self.reversed = last < first;
        self
    }

    /// Its line, prepared for many homes.
    pub fn lane(&self) -> Lane {
        let line = joined(self.lines());
        let plane = Plane::at(line.0.first().copied().unwrap_or_default());
        Lane { line: plane.flat(&line), plane }
    }
}

/// A segment's line in metres.
pub struct Lane {
    plane: Plane,
    line: LineString,
}

impl Lane {
    /// Where along the line, as drawn, a home is met, and how far beside it the home stands; both in metres.
    pub fn meets(&self, home: Coord) -> (f64, f64) {
        along(&self.line, self.plane.metres(home)).map_or((0.0, 0.0), |(along, beside)| (decimetre(along), beside))
    }
}

/// The segments of a municipality on a day, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Segment>> {
    all!(
        tx,
        concat!(
            "SELECT s.municipality_id, s.segment_id, s.code, v.route_id, v.neighbourhood_id, v.begins_m, v.reversed, v.approximate, v.geometry, v.properties
             FROM segment s JOIN segment_version v ON v.municipality_id = s.municipality_id AND v.segment_id = s.segment_id
             WHERE s.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " ORDER BY s.code"
        ),
        municipality,
        day
    )
}

/// Everything the present knows of every segment, ended ones too, by code and first day.
pub async fn history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Version<Segment>>> {
    all!(
        tx,
        "SELECT v.version_id, v.valid_from, v.valid_to, s.municipality_id, s.segment_id, s.code, v.route_id, v.neighbourhood_id, v.begins_m, v.reversed,
            v.approximate, v.geometry, v.properties
         FROM segment s JOIN segment_version v ON v.municipality_id = s.municipality_id AND v.segment_id = s.segment_id
         WHERE s.municipality_id = $1 AND v.superseded_at IS NULL ORDER BY s.code, v.valid_from",
        municipality
    )
}

/// Inserts identities that are not there yet.
pub async fn name(tx: &mut Tx, rows: &[&Segment]) -> Result<()> {
    bulk!(tx, "INSERT INTO segment (municipality_id, segment_id, code)", rows, |s| [s.municipality_id, s.segment_id, &s.code], "")?;
    Ok(())
}

pub async fn add(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, rows: &[(Span, Segment)]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO segment_version (municipality_id, segment_id, version_id, valid_from, valid_to, recorded_at, route_id, neighbourhood_id, begins_m,
            reversed, approximate, geometry, properties)",
        rows,
        |row| [
            row.1.municipality_id,
            row.1.segment_id,
            mint.id::<uuid::Uuid>(now),
            row.0.from,
            row.0.to,
            now,
            row.1.route_id,
            row.1.neighbourhood_id,
            row.1.begins_m,
            row.1.reversed,
            row.1.approximate,
            &row.1.geometry,
            &row.1.properties
        ],
        ""
    )?;
    Ok(())
}
