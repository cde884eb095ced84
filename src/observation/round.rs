//! One route on one day: planned from the territory's records, opened and closed by what the crew sends.

use super::Stream;
use crate::clock::at_local;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, OperatorId, RoundId, RouteId, derived};
use crate::{all, bulk};
use chrono::{DateTime, Datelike, NaiveDate, Utc};

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Round {
    pub municipality_id: MunicipalityId,
    pub round_id: RoundId,
    pub route_id: RouteId,
    pub operator_id: OperatorId,
    pub service_day: NaiveDate,
    pub stream: Stream,
    pub window_start: String,
    pub window_end: String,
    pub planned_stops: i32,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// The same route on the same day is the same round, whoever asks first.
pub fn identity(municipality: MunicipalityId, route: RouteId, day: NaiveDate) -> RoundId {
    derived("round", &[&municipality.0.to_be_bytes(), route.0.as_bytes(), day.to_string().as_bytes()], at_local(day, 0, 0))
}

/// Creates the rounds of the routes that run that day where they are missing; answers all of the day, by route code.
pub async fn ensure(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Round>> {
    let weekday = day.weekday().number_from_monday() as i16;
    type Due = (RouteId, OperatorId, Stream, String, String, i64);
    // A stop is a home with service: the truck passes the others without a bag to look at.
    let due: Vec<Due> = all!(
        tx,
        "SELECT r.route_id, r.operator_id, d.stream, d.window_start, d.window_end,
            (SELECT COUNT(*) FROM segment s
               JOIN household_place p ON p.municipality_id = s.municipality_id AND p.segment_id = s.segment_id
               JOIN household h ON h.municipality_id = p.municipality_id AND h.household_id = p.household_id
              WHERE s.municipality_id = r.municipality_id AND s.route_id = r.route_id AND h.service_status = 'served'
                AND p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to >= $2))
           FROM route r JOIN route_day d ON d.municipality_id = r.municipality_id AND d.route_id = r.route_id
          WHERE r.municipality_id = $1 AND d.weekday = $3 AND r.valid_from <= $2 AND (r.valid_to IS NULL OR r.valid_to >= $2)
            AND NOT EXISTS (SELECT 1 FROM round e WHERE e.municipality_id = r.municipality_id AND e.route_id = r.route_id AND e.service_day = $2)",
        municipality,
        day,
        weekday
    )?;
    bulk!(
        tx,
        "INSERT INTO round (municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops)",
        due,
        |row| [municipality, identity(municipality, row.0, day), row.0, row.1, day, row.2, &row.3, &row.4, row.5 as i32],
        "ON CONFLICT DO NOTHING"
    )?;
    of_day(tx, municipality, day).await
}

pub async fn of_day(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Round>> {
    all!(
        tx,
        "SELECT d.municipality_id, d.round_id, d.route_id, d.operator_id, d.service_day, d.stream, d.window_start, d.window_end, d.planned_stops,
            d.started_at, d.ended_at
           FROM round d JOIN route r ON r.municipality_id = d.municipality_id AND r.route_id = d.route_id
          WHERE d.municipality_id = $1 AND d.service_day = $2 ORDER BY r.code",
        municipality,
        day
    )
}

/// Whether every route that runs that day has its round; asked before writing, so that reading stays reading.
pub async fn is_ready(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<bool> {
    let (missing,): (i64,) = crate::one!(
        tx,
        "SELECT COUNT(*) FROM route r JOIN route_day d ON d.municipality_id = r.municipality_id AND d.route_id = r.route_id
          WHERE r.municipality_id = $1 AND d.weekday = $3 AND r.valid_from <= $2 AND (r.valid_to IS NULL OR r.valid_to >= $2)
            AND NOT EXISTS (SELECT 1 FROM round e WHERE e.municipality_id = r.municipality_id AND e.route_id = r.route_id AND e.service_day = $2)",
        municipality,
        day,
        day.weekday().number_from_monday() as i16
    )?;
    Ok(missing == 0)
}

/// One home of a round, as a crew needs it: no name, no phone, no arm, no segment.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Stop {
    pub route_id: RouteId,
    pub stop_order: i32,
    pub household_id: HouseholdId,
    pub code: String,
    pub lon: f64,
    pub lat: f64,
    pub hint: Option<String>,
}

/// The stops of every route of one operator (or of all) that runs that day, in order.
pub async fn stops(tx: &mut Tx, municipality: MunicipalityId, operator: Option<&str>, day: NaiveDate) -> Result<Vec<Stop>> {
    all!(
        tx,
        "SELECT d.route_id, p.stop_order, h.household_id, h.code, h.lon, h.lat, h.hint
           FROM round d
           JOIN operator a ON a.municipality_id = d.municipality_id AND a.operator_id = d.operator_id
           JOIN segment s ON s.municipality_id = d.municipality_id AND s.route_id = d.route_id
           JOIN household_place p ON p.municipality_id = s.municipality_id AND p.segment_id = s.segment_id
           JOIN household h ON h.municipality_id = p.municipality_id AND h.household_id = p.household_id
          WHERE d.municipality_id = $1 AND d.service_day = $2 AND (CAST($3 AS TEXT) IS NULL OR a.code = $3) AND h.service_status = 'served'
            AND p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to >= $2)
          ORDER BY d.route_id, p.stop_order, h.code",
        municipality,
        day,
        operator
    )
}

/// Eight stops in a hundred ask for a second observer, drawn from the round and the home: the same for everyone who asks.
pub fn asks_second_observer(round: RoundId, home: HouseholdId) -> bool {
    const IN_A_HUNDRED: u16 = 8;
    let draw: uuid::Uuid = derived("second observer", &[round.0.as_bytes(), home.0.as_bytes()], DateTime::UNIX_EPOCH);
    let tail = draw.as_bytes();
    u16::from_be_bytes([tail[14], tail[15]]) % 100 < IN_A_HUNDRED
}
