//! What is to be collected on a day: which routes run, and at which homes they stop. Always by the facts of that day.

use super::calendar::{self, Planned};
use super::code::code_on;
use super::dated::{Span, in_force};
use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap};

/// A route on a day it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    pub day: NaiveDate,
    pub route_id: RouteId,
    pub operator_id: OperatorId,
    pub stream: String,
    pub window_start: String,
    pub window_end: String,
}

/// The routes that run on each day from `first` to `last` by the calendar, by day and code.
pub async fn running(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Vec<Running>> {
    let planned = calendar::planned(tx, municipality, first, last).await?;
    let runs = |planned: Planned| Running {
        day: planned.day,
        route_id: planned.route_id,
        operator_id: planned.operator_id,
        stream: planned.stream,
        window_start: planned.window_start,
        window_end: planned.window_end,
    };
    Ok(planned.into_iter().filter(|planned| planned.standing.runs()).map(runs).collect())
}

/// How many served homes of one segment a route has to collect from on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub segment_id: SegmentId,
    pub neighbourhood_id: NeighbourhoodId,
    pub homes: i64,
}

/// The segments of each route, with the days they lie on it and the neighbourhood they lie in.
type Lying = BTreeMap<RouteId, Vec<(Span, SegmentId, NeighbourhoodId)>>;

async fn lying(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Lying> {
    let rows: Vec<(RouteId, SegmentId, NeighbourhoodId, NaiveDate, Option<NaiveDate>)> = all!(
        tx,
        "SELECT route_id, segment_id, neighbourhood_id, valid_from, valid_to FROM segment_version
         WHERE municipality_id = $1 AND superseded_at IS NULL AND valid_from <= $3 AND (valid_to IS NULL OR valid_to >= $2) ORDER BY segment_id",
        municipality,
        first,
        last
    )?;
    let mut segments = Lying::new();
    for (route, segment, neighbourhood, from, to) in rows {
        segments.entry(route).or_default().push((Span { from, to }, segment, neighbourhood));
    }
    Ok(segments)
}

/// What routes have to collect from, for many days at once: segments and served homes with the days they hold.
pub struct Dues {
    segments: Lying,
    homes: BTreeMap<SegmentId, Vec<(Span, i64)>>,
}

impl Dues {
    pub async fn read(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Dues> {
        let segments = lying(tx, municipality, first, last).await?;
        let served: Vec<(SegmentId, NaiveDate, Option<NaiveDate>, i64)> = all!(
            tx,
            "SELECT segment_id, valid_from, valid_to, COUNT(*) FROM household_version
             WHERE municipality_id = $1 AND superseded_at IS NULL AND service_status = 'served' AND segment_id IS NOT NULL
               AND valid_from <= $3 AND (valid_to IS NULL OR valid_to >= $2)
             GROUP BY segment_id, valid_from, valid_to",
            municipality,
            first,
            last
        )?;
        let mut homes: BTreeMap<SegmentId, Vec<(Span, i64)>> = BTreeMap::new();
        for (segment, from, to, count) in served {
            homes.entry(segment).or_default().push((Span { from, to }, count));
        }
        Ok(Dues { segments, homes })
    }

    /// The segments of a route on a day with the homes that are due; segments without a served home are left out.
    pub fn of(&self, route: RouteId, day: NaiveDate) -> Vec<Due> {
        let segments = self.segments.get(&route).into_iter().flatten().filter(|(span, ..)| span.holds(day));
        let due = segments.map(|(_, segment_id, neighbourhood_id)| {
            let homes = self.homes.get(segment_id).into_iter().flatten().filter(|(span, _)| span.holds(day)).map(|(_, n)| n).sum();
            Due { segment_id: *segment_id, neighbourhood_id: *neighbourhood_id, homes }
        });
        due.filter(|due| due.homes > 0).collect()
    }
}

/// Where every home of a municipality was served, for many days at once.
pub struct Served {
    homes: HashMap<HouseholdId, Vec<(Span, SegmentId)>>,
    segments: HashMap<SegmentId, Vec<(Span, NeighbourhoodId)>>,
}

impl Served {
    pub async fn read(tx: &mut Tx, municipality: MunicipalityId) -> Result<Served> {
        let served: Vec<(HouseholdId, NaiveDate, Option<NaiveDate>, SegmentId)> = all!(
            tx,
            "SELECT household_id, valid_from, valid_to, segment_id FROM household_version
              WHERE municipality_id = $1 AND superseded_at IS NULL AND service_status = 'served' AND segment_id IS NOT NULL",
            municipality
        )?;
        let lies: Vec<(SegmentId, NaiveDate, Option<NaiveDate>, NeighbourhoodId)> = all!(
            tx,
            "SELECT segment_id, valid_from, valid_to, neighbourhood_id FROM segment_version WHERE municipality_id = $1 AND superseded_at IS NULL",
            municipality
        )?;
        let (mut homes, mut segments) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        served.into_iter().for_each(|(home, from, to, segment)| homes.entry(home).or_default().push((Span { from, to }, segment)));
        lies.into_iter().for_each(|(segment, from, to, there)| segments.entry(segment).or_default().push((Span { from, to }, there)));
        Ok(Served { homes, segments })
    }

    /// The segment and the neighbourhood a collection at a home counts for on a day.
    pub fn on(&self, home: HouseholdId, day: NaiveDate) -> Option<(SegmentId, NeighbourhoodId)> {
        let (_, segment) = self.homes.get(&home)?.iter().find(|(span, _)| span.holds(day))?;
        let (_, neighbourhood) = self.segments.get(segment)?.iter().find(|(span, _)| span.holds(day))?;
        Some((*segment, *neighbourhood))
    }
}

/// One home of a round, as a crew needs it: no name, no phone, no arm, no segment.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Stop {
    pub household_id: HouseholdId,
    pub code: String,
    pub lon: f64,
    pub lat: f64,
    pub hint: Option<String>,
}

/// The served homes on a route on a day, in the order it is driven by. A stop is a home with service: the truck passes the others without
/// a bag to look at. The joins stand in the order in which they are made.
pub async fn stops(tx: &mut Tx, municipality: MunicipalityId, route: RouteId, day: NaiveDate) -> Result<Vec<Stop>> {
    all!(
        tx,
        concat!(
            "SELECT h.household_id, ",
            code_on!("household", "h", "$2"),
            " AS code, v.lon, v.lat, v.hint FROM segment_version s CROSS JOIN household_version v CROSS JOIN household h
              WHERE s.municipality_id = $1 AND s.route_id = $3 AND ",
            in_force!("s", "$2"),
            " AND EXISTS (SELECT 1 FROM route_version r WHERE r.municipality_id = s.municipality_id AND r.route_id = s.route_id AND ",
            in_force!("r", "$2"),
            ") AND v.municipality_id = s.municipality_id AND v.segment_id = s.segment_id AND v.service_status = 'served' AND ",
            in_force!("v", "$2"),
            " AND h.municipality_id = v.municipality_id AND h.household_id = v.household_id
              ORDER BY s.begins_m, s.segment_id, CASE WHEN s.reversed THEN -v.along_m ELSE v.along_m END, h.household_id"
        ),
        municipality,
        day,
        route
    )
}

/// When every segment is collected from `first` to `last`, by the calendar and the route it lies on that day: segment, day, start of the window.
pub async fn days_of_segments(
    tx: &mut Tx,
    municipality: MunicipalityId,
    first: NaiveDate,
    last: NaiveDate,
) -> Result<Vec<(SegmentId, NaiveDate, String)>> {
    let running = running(tx, municipality, first, last).await?;
    let segments = lying(tx, municipality, first, last).await?;
    let mut days = Vec::new();
    for round in &running {
        let there = segments.get(&round.route_id).into_iter().flatten().filter(|(span, ..)| span.holds(round.day));
        days.extend(there.map(|(_, segment, _)| (*segment, round.day, round.window_start.clone())));
    }
    Ok(days)
}
