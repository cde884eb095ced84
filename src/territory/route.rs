//! Routes, the companies that run them, and the days they run.

use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, OperatorId, RouteId, SegmentId};
use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use serde_json::Value;

/// Who collects: the municipality's own trucks, or a company. A company never sees another's rounds.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Operator {
    pub municipality_id: MunicipalityId,
    pub operator_id: OperatorId,
    pub code: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Route {
    pub municipality_id: MunicipalityId,
    pub route_id: RouteId,
    pub code: String,
    pub name: String,
    pub operator_id: OperatorId,
    pub valid_from: NaiveDate,
    /// The last day it runs, when it ends.
    pub valid_to: Option<NaiveDate>,
    pub approximate: bool,
    pub geometry: Value,
    pub properties: Value,
}

impl Route {
    pub fn lines(&self) -> Vec<geo::LineString> {
        super::geometry::lines(&super::geometry::geometry(&self.geometry))
    }
}

/// One weekday of a route: 1 Monday to 7 Sunday, what it takes, and when (HH:MM in Guatemala).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::FromRow)]
pub struct RouteDay {
    pub route_id: RouteId,
    pub weekday: i16,
    pub stream: String,
    pub window_start: String,
    pub window_end: String,
}

/// A route on a day it runs.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Running {
    pub route_id: RouteId,
    pub code: String,
    pub name: String,
    pub operator_id: OperatorId,
    pub operator_code: String,
    pub operator_name: String,
    pub stream: String,
    pub window_start: String,
    pub window_end: String,
}

/// A home of a route, in its place along it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Stop {
    pub household_id: HouseholdId,
    pub code: String,
    pub segment_id: SegmentId,
    pub stop_order: i32,
    pub lon: f64,
    pub lat: f64,
    pub hint: Option<String>,
    pub service_status: String,
}

/// All operators of a municipality, ordered by code.
pub async fn operators(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Operator>> {
    all!(tx, "SELECT municipality_id, operator_id, code, name FROM operator WHERE municipality_id = $1 ORDER BY code", municipality)
}

/// All routes of a municipality, ended ones too, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Route>> {
    all!(
        tx,
        "SELECT municipality_id, route_id, code, name, operator_id, valid_from, valid_to, approximate, geometry, properties
         FROM route WHERE municipality_id = $1 ORDER BY code",
        municipality
    )
}

/// The days of all routes of a municipality, ordered by route and weekday.
pub async fn days(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<RouteDay>> {
    all!(
        tx,
        "SELECT route_id, weekday, stream, window_start, window_end FROM route_day WHERE municipality_id = $1 ORDER BY route_id, weekday",
        municipality
    )
}

/// The routes that run on a day: valid then, and on its weekday. Ordered by code.
pub async fn running(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Running>> {
    let weekday = day.weekday().number_from_monday() as i16;
    all!(
        tx,
        "SELECT r.route_id, r.code, r.name, r.operator_id, o.code AS operator_code, o.name AS operator_name, d.stream, d.window_start, d.window_end
         FROM route r
         JOIN route_day d ON d.municipality_id = r.municipality_id AND d.route_id = r.route_id
         JOIN operator o ON o.municipality_id = r.municipality_id AND o.operator_id = r.operator_id
         WHERE r.municipality_id = $1 AND d.weekday = $2 AND r.valid_from <= $3 AND (r.valid_to IS NULL OR r.valid_to >= $3)
         ORDER BY r.code",
        municipality,
        weekday,
        day
    )
}

/// The homes placed on a route on a day, in stop order, whatever their service status.
pub async fn stops(tx: &mut Tx, municipality: MunicipalityId, route: RouteId, day: NaiveDate) -> Result<Vec<Stop>> {
    all!(
        tx,
        "SELECT h.household_id, h.code, p.segment_id, p.stop_order, h.lon, h.lat, h.hint, h.service_status
         FROM household_place p
         JOIN segment s ON s.municipality_id = p.municipality_id AND s.segment_id = p.segment_id
         JOIN household h ON h.municipality_id = p.municipality_id AND h.household_id = p.household_id
         WHERE p.municipality_id = $1 AND s.route_id = $2 AND p.valid_from <= $3 AND (p.valid_to IS NULL OR p.valid_to >= $3)
         ORDER BY p.stop_order, h.code",
        municipality,
        route,
        day
    )
}
