//! One route on one day: planned from the facts of that day, opened and closed by what the crew sends.
//!
//! Rounds are there for every day due: [`keep_up`] makes those that are missing, up to tomorrow, and [`make`] makes those of a stretch of days
//! anew when the facts have changed. Reading makes none: a day whose rounds are not written yet is planned in memory.

use super::Stream;
use crate::account::audit::REMEDY;
use crate::clock::{Week, at_local, local_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OperatorId, RoundId, RouteId, SegmentId, derived};
use crate::territory::calendar;
use crate::territory::code::code_on;
use crate::territory::collection::{self, Due, Dues, Running};
use crate::territory::dated::in_force;
use crate::{all, among, bulk, one, run};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use std::collections::{BTreeMap, BTreeSet};

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

impl Round {
    /// Whether it began on an earlier day and is still on the road: its window runs past midnight and has not long ended.
    pub fn still_out(&self, at: DateTime<Utc>) -> bool {
        calendar::still_out(self.service_day, &self.window_start, &self.window_end, at)
    }

    /// Whether its window and the way home are over: whatever a phone said or did not say, nobody is out any more.
    pub fn over(&self, at: DateTime<Utc>) -> bool {
        at >= calendar::home_by(self.service_day, &self.window_start, &self.window_end)
    }

    /// When it should leave.
    pub fn leaves_at(&self) -> DateTime<Utc> {
        calendar::hours(self.service_day, &self.window_start, &self.window_end).0
    }
}

/// Yesterday, when a round of it may still be on the road.
pub async fn night_before(tx: &mut Tx, municipality: MunicipalityId, at: DateTime<Utc>) -> Result<Option<NaiveDate>> {
    let Some(yesterday) = local_day(at).pred_opt() else { return Ok(None) };
    let nights: Vec<(String, String)> = all!(
        tx,
        "SELECT window_start, window_end FROM round WHERE municipality_id = $1 AND service_day = $2 AND window_end <= window_start",
        municipality,
        yesterday
    )?;
    Ok(nights.iter().any(|(start, end)| calendar::still_out(yesterday, start, end, at)).then_some(yesterday))
}

/// The same route on the same day is the same round, whoever asks first.
pub fn identity(municipality: MunicipalityId, route: RouteId, day: NaiveDate) -> RoundId {
    derived("round", &[&municipality.0.to_be_bytes(), route.0.as_bytes(), day.to_string().as_bytes()], at_local(day, 0, 0))
}

fn planned(municipality: MunicipalityId, running: Running, due: &[Due]) -> Result<Round> {
    let stream = Stream::parse(&running.stream).ok_or_else(|| Error::internal(format!("route_day: stream «{}»", running.stream)))?;
    Ok(Round {
        municipality_id: municipality,
        round_id: identity(municipality, running.route_id, running.day),
        route_id: running.route_id,
        operator_id: running.operator_id,
        service_day: running.day,
        stream,
        window_start: running.window_start,
        window_end: running.window_end,
        planned_stops: due.iter().map(|due| due.homes as i32).sum(),
        started_at: None,
        ended_at: None,
    })
}

/// The rounds that the facts give for a stretch of days, with what each has to collect from.
pub(super) async fn plan(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Vec<(Round, Vec<Due>)>> {
    let running = collection::running(tx, municipality, first, last).await?;
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let dues = Dues::read(tx, municipality, first, last).await?;
    let with_due = |running: Running| {
        let due = dues.of(running.route_id, running.day);
        Ok((planned(municipality, running, &due)?, due))
    };
    running.into_iter().map(with_due).collect()
}

/// Writes the rounds of a stretch of days as the facts give them. A round that is no longer due goes, unless a crew recorded something on it.
/// Answers the rounds that were there and take another stream now.
pub async fn make(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<BTreeMap<RoundId, Stream>> {
    let plan = plan(tx, municipality, first, last).await?;
    let due: BTreeMap<RoundId, Stream> = plan.iter().map(|(round, _)| (round.round_id, round.stream)).collect();
    let stored: Vec<(RoundId, Stream)> = all!(
        tx,
        "SELECT round_id, stream FROM round WHERE municipality_id = $1 AND service_day >= $2 AND service_day <= $3 ORDER BY round_id",
        municipality,
        first,
        last
    )?;
    run!(
        tx,
        "DELETE FROM round_segment WHERE municipality_id = $1 AND round_id IN
           (SELECT d.round_id FROM round d WHERE d.municipality_id = $1 AND d.service_day >= $2 AND d.service_day <= $3)",
        municipality,
        first,
        last
    )?;
    let mut turned = BTreeMap::new();
    for (round, stream) in stored {
        match due.get(&round) {
            Some(now) if *now == stream => {}
            Some(now) => drop(turned.insert(round, *now)),
            None => take_back(tx, municipality, round).await?,
        }
    }
    put(tx, municipality, &plan).await?;
    Ok(turned)
}

/// Takes out a round that is not due; one on which something was recorded stays, and nothing was due on it.
async fn take_back(tx: &mut Tx, municipality: MunicipalityId, round: RoundId) -> Result<()> {
    let gone = run!(
        tx,
        "DELETE FROM round WHERE municipality_id = $1 AND round_id = $2
           AND NOT EXISTS (SELECT 1 FROM observation o WHERE o.municipality_id = $1 AND o.round_id = $2)
           AND NOT EXISTS (SELECT 1 FROM round_event e WHERE e.municipality_id = $1 AND e.round_id = $2)",
        municipality,
        round
    )?;
    if gone == 0 {
        run!(tx, "UPDATE round SET planned_stops = 0 WHERE municipality_id = $1 AND round_id = $2", municipality, round)?;
    }
    Ok(())
}

/// Writes rounds with what each has to collect from; what is stored of their due is taken out before.
async fn put(tx: &mut Tx, municipality: MunicipalityId, plan: &[(Round, Vec<Due>)]) -> Result<()> {
    let rounds: Vec<&Round> = plan.iter().map(|(round, _)| round).collect();
    bulk!(
        tx,
        "INSERT INTO round (municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops)",
        rounds,
        |row| [
            municipality,
            row.round_id,
            row.route_id,
            row.operator_id,
            row.service_day,
            row.stream,
            &row.window_start,
            &row.window_end,
            row.planned_stops
        ],
        "ON CONFLICT (municipality_id, round_id) DO UPDATE SET operator_id = excluded.operator_id, stream = excluded.stream,
           window_start = excluded.window_start, window_end = excluded.window_end, planned_stops = excluded.planned_stops"
    )?;
    let segments: Vec<(Week, SegmentId, RoundId, NeighbourhoodId, i32)> = plan
        .iter()
        .flat_map(|(round, due)| {
            due.iter().map(|due| (Week::of(round.service_day), due.segment_id, round.round_id, due.neighbourhood_id, due.homes as i32))
        })
        .collect();
    bulk!(
        tx,
        "INSERT INTO round_segment (municipality_id, iso_week, segment_id, round_id, neighbourhood_id, stops)",
        segments,
        |row| [municipality, row.0, row.1, row.2, row.3, row.4],
        ""
    )?;
    Ok(())
}

/// The rounds that are asked for what was seen beyond their due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All, so it costs as much as there are observations.
    Every,
    /// Those on which nothing was due: few.
    WithoutDue,
}

/// Collections that were observed on days on which their segment had none due (called off afterwards, or found by another route): week,
/// segment, home, how many. A stop that was observed counts as due; what was due and not observed on other days stays missing.
pub async fn beyond_due(
    tx: &mut Tx,
    municipality: MunicipalityId,
    (first, last): (Week, Week),
    asked: Asked,
) -> Result<Vec<(Week, SegmentId, HouseholdId, i64)>> {
    all!(
        tx,
        "SELECT o.iso_week, o.segment_id, o.household_id, COUNT(*) FROM round d CROSS JOIN observation o
          WHERE d.municipality_id = $1 AND d.service_day BETWEEN $2 AND $3 AND ($4 OR d.planned_stops = 0)
            AND o.municipality_id = d.municipality_id AND o.round_id = d.round_id
            AND o.counted AND o.complied IS NOT NULL AND o.segment_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM round_segment s WHERE s.municipality_id = o.municipality_id AND s.iso_week = o.iso_week
                               AND s.segment_id = o.segment_id AND s.round_id = o.round_id)
            AND NOT EXISTS (SELECT 1 FROM round_segment s JOIN round r ON r.municipality_id = s.municipality_id AND r.round_id = s.round_id
                             WHERE s.municipality_id = o.municipality_id AND s.iso_week = o.iso_week AND s.segment_id = o.segment_id
                               AND r.service_day = o.service_day)
          GROUP BY o.iso_week, o.segment_id, o.household_id ORDER BY o.iso_week, o.segment_id, o.household_id",
        municipality,
        first.monday(),
        last.sunday(),
        asked == Asked::Every
    )
}

/// The routes and days up to tomorrow on which a round is due and not written, since the first home stands.
pub async fn missing(tx: &mut Tx, municipality: MunicipalityId, today: NaiveDate) -> Result<BTreeSet<(NaiveDate, RouteId)>> {
    let (first,): (Option<NaiveDate>,) =
        one!(tx, "SELECT MIN(valid_from) FROM household_version WHERE municipality_id = $1 AND superseded_at IS NULL", municipality)?;
    let tomorrow = today + Days::new(1);
    let first = first.unwrap_or(today).min(today);
    let running = collection::running(tx, municipality, first, tomorrow).await?;
    if running.is_empty() {
        return Ok(BTreeSet::new());
    }
    let stored: Vec<(NaiveDate, RouteId)> = all!(
        tx,
        "SELECT service_day, route_id FROM round WHERE municipality_id = $1 AND service_day >= $2 AND service_day <= $3",
        municipality,
        first,
        tomorrow
    )?;
    let stored: BTreeSet<(NaiveDate, RouteId)> = stored.into_iter().collect();
    Ok(running.into_iter().map(|running| (running.day, running.route_id)).filter(|due| !stored.contains(due)).collect())
}

/// One line for each stored round that is not as the facts of its day plan it: who drives it, what it takes, its hours, its stops. Of a round
/// that is not due nothing is.
pub(super) async fn unplanned(tx: &mut Tx, municipality: MunicipalityId, plan: &[(Round, Vec<Due>)]) -> Result<Vec<String>> {
    let due: BTreeMap<RoundId, &Round> = plan.iter().map(|(round, _)| (round.round_id, round)).collect();
    let stored = of_municipality(tx, municipality).await?;
    let say = |round: &Round| {
        let Round { operator_id, stream, window_start, window_end, planned_stops, .. } = round;
        format!("{planned_stops} stops, {}, {window_start} to {window_end}, operator {operator_id}", stream.name())
    };
    let differing = stored.iter().filter_map(|round| {
        let place = format!("round {municipality}/{}/{}", round.service_day, round.route_id);
        match due.get(&round.round_id) {
            Some(planned) => {
                (say(round) != say(planned)).then(|| format!("{place}: it says {}, the facts of its day give {}", say(round), say(planned)))
            }
            None => (round.planned_stops != 0).then(|| format!("{place}: it says {} stops, and it is not due on its day", round.planned_stops)),
        }
    });
    Ok(differing.collect())
}

/// One line for each round that is another route's or another day's than it was made for, or that whoever drives it never had: of no plan.
pub(super) async fn foreign(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<String>> {
    let had: Vec<(RouteId, OperatorId)> =
        all!(tx, "SELECT DISTINCT route_id, operator_id FROM route_version WHERE municipality_id = $1", municipality)?;
    let had: BTreeSet<(RouteId, OperatorId)> = had.into_iter().collect();
    let mut lines = Vec::new();
    for round in of_municipality(tx, municipality).await? {
        let place = format!("round {municipality}/{}/{}", round.service_day, round.route_id);
        if round.round_id != identity(municipality, round.route_id, round.service_day) {
            lines.push(format!("{place}: its route or its day is not the one it was made for, so another hand changed it; {REMEDY}"));
        } else if !had.contains(&(round.route_id, round.operator_id)) {
            lines.push(format!("{place}: operator {} never had the route, so another hand changed it; {REMEDY}", round.operator_id));
        }
    }
    Ok(lines)
}

async fn of_municipality(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Round>> {
    all!(
        tx,
        "SELECT municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops, started_at, ended_at
           FROM round WHERE municipality_id = $1 ORDER BY service_day, round_id",
        municipality
    )
}

/// Makes the rounds that are missing, up to tomorrow; answers how many.
pub async fn keep_up(tx: &mut Tx, municipality: MunicipalityId, today: NaiveDate) -> Result<usize> {
    let missing = missing(tx, municipality, today).await?;
    if let (Some((first, _)), Some((last, _))) = (missing.first(), missing.last()) {
        let mut plan = plan(tx, municipality, *first, *last).await?;
        plan.retain(|(round, _)| missing.contains(&(round.service_day, round.route_id)));
        put(tx, municipality, &plan).await?;
    }
    Ok(missing.len())
}

/// A route as it was to be driven on a day before somebody changed that: cancelled, moved, given other days or another operator, ended.
#[derive(sqlx::FromRow)]
struct Known {
    route_id: RouteId,
    operator_id: OperatorId,
    operator_code: String,
    stream: Stream,
    window_start: String,
    window_end: String,
}

// What was believed of a day when it began: versions that hold on it, now or as it was believed once, and those that ended the day before
// by a change made on the day itself. The day is $2, its beginning $4.
macro_rules! known_on {
    ($and:literal) => {
        concat!(
            "SELECT v.route_id, v.operator_id, a.code AS operator_code, d.stream, d.window_start, d.window_end
               FROM route_version v
               JOIN operator a ON a.municipality_id = v.municipality_id AND a.operator_id = v.operator_id
               JOIN route_day d ON d.municipality_id = v.municipality_id AND d.route_id = v.route_id AND d.version_id = v.version_id
              WHERE v.municipality_id = $1 AND v.valid_from <= $2 AND (v.valid_to IS NULL OR v.valid_to >= $3)
                AND (v.valid_to IS NULL OR v.valid_to >= $2 OR NOT EXISTS (
                  SELECT 1 FROM route_version w WHERE w.municipality_id = v.municipality_id AND w.route_id = v.route_id AND w.valid_from = $2
                     AND w.recorded_at < $4))",
            $and,
            " ORDER BY v.recorded_at DESC, d.weekday"
        )
    };
}

/// The operators that had a route on a day when the day began, or have it by what is known now.
pub async fn driven_by(tx: &mut Tx, municipality: MunicipalityId, route: RouteId, day: NaiveDate) -> Result<BTreeSet<String>> {
    let known: Vec<Known> = all!(tx, known_on!(" AND v.route_id = $5"), municipality, day, day - Days::new(1), at_local(day, 0, 0), route)?;
    Ok(known.into_iter().map(|known| known.operator_code).collect())
}

/// Writes rounds that are not due any more and that a phone names all the same: it had them before, and its crew drove. Nothing was due on
/// them; what was seen counts. Answers how many.
pub async fn revive(tx: &mut Tx, municipality: MunicipalityId, asked: &[RoundId], today: NaiveDate) -> Result<usize> {
    let mut revived = 0;
    for id in asked {
        // The identity of a round begins with the moment its day does.
        let Some(day) = id.0.get_timestamp().and_then(|at| DateTime::from_timestamp(i64::try_from(at.to_unix().0).ok()?, 0)).map(local_day) else {
            continue;
        };
        if day > today {
            continue;
        }
        let own = |route: RouteId| identity(municipality, route, day) == *id;
        let off = calendar::planned(tx, municipality, day, day).await?.into_iter().find(|planned| own(planned.route_id));
        let known = match off {
            Some(off) => Some((off.route_id, off.operator_id, off.stream, off.window_start, off.window_end)),
            None => {
                let weekday = i16::try_from(day.weekday().number_from_monday()).unwrap_or(1);
                let known: Vec<Known> =
                    all!(tx, known_on!(" AND d.weekday = $5"), municipality, day, day - Days::new(1), at_local(day, 0, 0), weekday)?;
                let last = known.into_iter().find(|known| own(known.route_id));
                last.map(|known| (known.route_id, known.operator_id, known.stream.name().to_owned(), known.window_start, known.window_end))
            }
        };
        let Some((route, operator, stream, window_start, window_end)) = known else { continue };
        run!(
            tx,
            "INSERT INTO round (municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT (municipality_id, round_id) DO NOTHING",
            municipality,
            *id,
            route,
            operator,
            day,
            &stream,
            &window_start,
            &window_end
        )?;
        revived += 1;
    }
    Ok(revived)
}

/// The rounds of a day, by route code; those not written yet as they are planned.
pub async fn of_day(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Round>> {
    let stored: Vec<Round> = all!(
        tx,
        "SELECT municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops, started_at, ended_at
           FROM round WHERE municipality_id = $1 AND service_day = $2",
        municipality,
        day
    )?;
    let mut rounds: BTreeMap<RoundId, Round> = stored.into_iter().map(|round| (round.round_id, round)).collect();
    let running = collection::running(tx, municipality, day, day).await?;
    // What is due is asked only where a round is not written yet.
    if running.iter().any(|running| !rounds.contains_key(&identity(municipality, running.route_id, day))) {
        for (round, _) in plan(tx, municipality, day, day).await? {
            rounds.entry(round.round_id).or_insert(round);
        }
    }
    let codes: Vec<(RouteId, String)> = all!(tx, "SELECT route_id, code FROM route WHERE municipality_id = $1", municipality)?;
    let codes: BTreeMap<RouteId, String> = codes.into_iter().collect();
    let mut rounds: Vec<Round> = rounds.into_values().collect();
    rounds.sort_by(|a, b| codes.get(&a.route_id).cmp(&codes.get(&b.route_id)));
    Ok(rounds)
}

/// Names on a day: of each route that has a round, and of who drives it (code and name).
pub async fn names(tx: &mut Tx, municipality: MunicipalityId, rounds: &[Round]) -> Result<BTreeMap<RoundId, Names>> {
    let found: Vec<(RoundId, String, String, String, String)> = among!(
        tx,
        "WITH asked (municipality_id, round_id, route_id, operator_id, day) AS (",
        rounds,
        |round| [municipality, round.round_id, round.route_id, round.operator_id, round.service_day],
        concat!(
            ") SELECT asked.round_id, ",
            code_on!("route", "r", "asked.day"),
            ", v.name, o.code, w.name FROM asked
                 CROSS JOIN route r
                 JOIN route_version v ON v.municipality_id = r.municipality_id AND v.route_id = r.route_id AND ",
            in_force!("v", "asked.day"),
            " JOIN operator o ON o.municipality_id = asked.municipality_id AND o.operator_id = asked.operator_id
                 JOIN operator_version w ON w.municipality_id = o.municipality_id AND w.operator_id = o.operator_id AND ",
            in_force!("w", "asked.day"),
            " WHERE r.municipality_id = asked.municipality_id AND r.route_id = asked.route_id"
        )
    )?;
    let names = found.into_iter().map(|(round, code, route, operator_code, operator)| (round, Names { code, route, operator_code, operator }));
    Ok(names.collect())
}

/// What a route and its operator are called on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Names {
    pub code: String,
    pub route: String,
    pub operator_code: String,
    pub operator: String,
}

/// Eight stops in a hundred ask for a second observer, drawn from the round and the home: the same for everyone who asks.
pub fn asks_second_observer(round: RoundId, home: HouseholdId) -> bool {
    const IN_A_HUNDRED: u16 = 8;
    let draw: uuid::Uuid = derived("second observer", &[round.0.as_bytes(), home.0.as_bytes()], DateTime::UNIX_EPOCH);
    let tail = draw.as_bytes();
    u16::from_be_bytes([tail[14], tail[15]]) % 100 < IN_A_HUNDRED
}
