//! Routes, the companies that run them, and the days they run.

use super::dated::{Fields, Span, Version, field, in_force, properties};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, OperatorId, RouteId};
use crate::{all, bulk};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Who collects: the municipality's own trucks, or a company. A company never sees another's rounds.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Operator {
    pub municipality_id: MunicipalityId,
    pub operator_id: OperatorId,
    pub code: String,
    pub name: String,
}

/// A route as it was on a day, without its week.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Route {
    pub municipality_id: MunicipalityId,
    pub route_id: RouteId,
    pub code: String,
    pub name: String,
    pub operator_id: OperatorId,
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

/// A route with its week: what changes together.
pub type Planned = (Route, Vec<RouteDay>);

impl Fields for Operator {
    fn after(&self, was: &Operator, told: &Operator) -> Operator {
        Operator { name: field(&self.name, &was.name, &told.name), ..self.clone() }
    }
}

impl Fields for Planned {
    fn after(&self, was: &Planned, told: &Planned) -> Planned {
        let (own, before, now) = (&self.0, &was.0, &told.0);
        let route = Route {
            name: field(&own.name, &before.name, &now.name),
            operator_id: field(&own.operator_id, &before.operator_id, &now.operator_id),
            approximate: field(&own.approximate, &before.approximate, &now.approximate),
            geometry: field(&own.geometry, &before.geometry, &now.geometry),
            properties: properties(&own.properties, &before.properties, &now.properties),
            ..own.clone()
        };
        (route, week_after(&self.1, &was.1, &told.1))
    }
}

/// A week's days are one field, its hours another, and what each day takes one a day: a day that came later takes what all the others took.
fn week_after(own: &[RouteDay], was: &[RouteDay], told: &[RouteDay]) -> Vec<RouteDay> {
    if was == told {
        return own.to_vec();
    }
    let days = |week: &[RouteDay]| week.iter().map(|day| day.weekday).collect::<Vec<_>>();
    let hours = |week: &[RouteDay]| week.first().map(|day| (day.window_start.clone(), day.window_end.clone()));
    let stream = |week: &[RouteDay], weekday: i16| {
        let one = week.first().filter(|first| week.iter().all(|day| day.stream == first.stream));
        week.iter().find(|day| day.weekday == weekday).or(one).map(|day| day.stream.clone())
    };
    let Some((route_id, (window_start, window_end))) = own.first().map(|day| day.route_id).zip(field(&hours(own), &hours(was), &hours(told))) else {
        return field(&own.to_vec(), &was.to_vec(), &told.to_vec());
    };
    let day = |weekday: i16| {
        let stream = field(&stream(own, weekday), &stream(was, weekday), &stream(told, weekday)).or_else(|| stream(told, weekday))?;
        Some(RouteDay { route_id, weekday, stream, window_start: window_start.clone(), window_end: window_end.clone() })
    };
    field(&days(own), &days(was), &days(told)).into_iter().filter_map(day).collect()
}

/// The operators of a municipality under their names of a day, ordered by code.
pub async fn operators(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Operator>> {
    all!(
        tx,
        concat!(
            "SELECT o.municipality_id, o.operator_id, o.code, v.name FROM operator o
             JOIN operator_version v ON v.municipality_id = o.municipality_id AND v.operator_id = o.operator_id
             WHERE o.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " ORDER BY o.code"
        ),
        municipality,
        day
    )
}

/// Everything the present knows of every operator, by code and first day.
pub async fn operator_history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Version<Operator>>> {
    all!(
        tx,
        "SELECT v.version_id, v.valid_from, v.valid_to, o.municipality_id, o.operator_id, o.code, v.name
         FROM operator o JOIN operator_version v ON v.municipality_id = o.municipality_id AND v.operator_id = o.operator_id
         WHERE o.municipality_id = $1 AND v.superseded_at IS NULL ORDER BY o.code, v.valid_from",
        municipality
    )
}

/// The routes of a municipality on a day, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Route>> {
    all!(
        tx,
        concat!(
            "SELECT r.municipality_id, r.route_id, r.code, v.name, v.operator_id, v.approximate, v.geometry, v.properties
             FROM route r JOIN route_version v ON v.municipality_id = r.municipality_id AND v.route_id = r.route_id
             WHERE r.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " ORDER BY r.code"
        ),
        municipality,
        day
    )
}

/// The weeks of the routes of a municipality as they stand on a day, ordered by route and weekday.
pub async fn days(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<RouteDay>> {
    all!(
        tx,
        concat!(
            "SELECT d.route_id, d.weekday, d.stream, d.window_start, d.window_end FROM route_version v
             JOIN route_day d ON d.municipality_id = v.municipality_id AND d.route_id = v.route_id AND d.version_id = v.version_id
             WHERE v.municipality_id = $1 AND ",
            in_force!("v", "$2"),
            " ORDER BY d.route_id, d.weekday"
        ),
        municipality,
        day
    )
}

/// Everything the present knows of every route and its weeks, ended ones too, by code and first day.
pub async fn history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Version<Planned>>> {
    let versions: Vec<Version<Route>> = all!(
        tx,
        "SELECT v.version_id, v.valid_from, v.valid_to, r.municipality_id, r.route_id, r.code, v.name, v.operator_id, v.approximate, v.geometry, v.properties
         FROM route r JOIN route_version v ON v.municipality_id = r.municipality_id AND v.route_id = r.route_id
         WHERE r.municipality_id = $1 AND v.superseded_at IS NULL ORDER BY r.code, v.valid_from",
        municipality
    )?;
    let days: Vec<(Uuid, RouteId, i16, String, String, String)> = all!(
        tx,
        "SELECT version_id, route_id, weekday, stream, window_start, window_end FROM route_day WHERE municipality_id = $1 ORDER BY version_id, weekday",
        municipality
    )?;
    let mut weeks: BTreeMap<Uuid, Vec<RouteDay>> = BTreeMap::new();
    for (version, route_id, weekday, stream, window_start, window_end) in days {
        weeks.entry(version).or_default().push(RouteDay { route_id, weekday, stream, window_start, window_end });
    }
    let with_week = |version: Version<Route>| {
        let Version { version_id, valid_from, valid_to, facts } = version;
        Version { version_id, valid_from, valid_to, facts: (facts, weeks.remove(&version_id).unwrap_or_default()) }
    };
    Ok(versions.into_iter().map(with_week).collect())
}

/// Inserts identities that are not there yet.
pub async fn name_operators(tx: &mut Tx, rows: &[&Operator]) -> Result<()> {
    bulk!(tx, "INSERT INTO operator (municipality_id, operator_id, code)", rows, |o| [o.municipality_id, o.operator_id, &o.code], "")?;
    Ok(())
}

pub async fn add_operators(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, rows: &[(Span, Operator)]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO operator_version (municipality_id, operator_id, version_id, valid_from, valid_to, recorded_at, name)",
        rows,
        |row| [row.1.municipality_id, row.1.operator_id, mint.id::<Uuid>(now), row.0.from, row.0.to, now, &row.1.name],
        ""
    )?;
    Ok(())
}

/// Inserts identities that are not there yet.
pub async fn name(tx: &mut Tx, rows: &[&Planned]) -> Result<()> {
    bulk!(tx, "INSERT INTO route (municipality_id, route_id, code)", rows, |r| [r.0.municipality_id, r.0.route_id, &r.0.code], "")?;
    Ok(())
}

pub async fn add(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, rows: &[(Span, Planned)]) -> Result<()> {
    let rows: Vec<(Uuid, &(Span, Planned))> = rows.iter().map(|row| (mint.id::<Uuid>(now), row)).collect();
    bulk!(
        tx,
        "INSERT INTO route_version (municipality_id, route_id, version_id, valid_from, valid_to, recorded_at, name, operator_id, approximate, geometry, properties)",
        rows,
        |row| [
            row.1.1.0.municipality_id,
            row.1.1.0.route_id,
            row.0,
            row.1.0.from,
            row.1.0.to,
            now,
            &row.1.1.0.name,
            row.1.1.0.operator_id,
            row.1.1.0.approximate,
            &row.1.1.0.geometry,
            &row.1.1.0.properties
        ],
        ""
    )?;
    let days: Vec<(MunicipalityId, Uuid, &RouteDay)> =
        rows.iter().flat_map(|(version, (_, (route, days)))| days.iter().map(|day| (route.municipality_id, *version, day))).collect();
    bulk!(
        tx,
        "INSERT INTO route_day (municipality_id, route_id, version_id, weekday, stream, window_start, window_end)",
        days,
        |d| [d.0, d.2.route_id, d.1, d.2.weekday, &d.2.stream, &d.2.window_start, &d.2.window_end],
        ""
    )?;
    Ok(())
}
