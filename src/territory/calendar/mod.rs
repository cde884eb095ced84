//! The days routes run: weekly days with validity, and what is other than the week says, as GTFS parts calendar_dates from calendar.
//!
//! A route runs on a day when its week has that day, unless the day was cancelled or moved away, or is a holiday on which it rests; and on
//! days added, or moved here. A word about one route goes before one about its whole municipality, and both before a holiday. National
//! holidays follow the municipality's rule (without one its routes rest); a holiday entered for a municipality is one on which its routes
//! rest, unless it says that they collect. A round that runs past midnight belongs to the day it begins on.

pub mod act;
pub mod command;
pub mod feed;
pub mod holiday;
mod remedy;

use super::code::{self, Codes, Thing, code_on};
use super::dated::Span;
use crate::all;
use crate::clock::{at_local, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, OperatorId, RouteId};
use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};
use holiday::{Holiday, Kind};
use std::collections::BTreeMap;

/// Why a day is other than the week says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Holiday,
    Truck,
    FloodOrLandslide,
    DumpClosed,
    Event,
    Other,
}

impl Reason {
    pub const ALL: [Reason; 6] = [Reason::Holiday, Reason::Truck, Reason::FloodOrLandslide, Reason::DumpClosed, Reason::Event, Reason::Other];

    /// The word in commands, tables and interface keys.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Holiday => "holiday",
            Reason::Truck => "truck",
            Reason::FloodOrLandslide => "flood_or_landslide",
            Reason::DumpClosed => "dump_closed",
            Reason::Event => "event",
            Reason::Other => "other",
        }
    }

    pub fn parse(word: &str) -> Option<Reason> {
        let word = word.trim().to_lowercase().replace(['-', ' '], "_");
        Reason::ALL.into_iter().find(|reason| reason.name() == word)
    }
}

/// How a route stands on a day that its week or the calendar has something to say of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As the week says.
    Weekly,
    Added(Reason),
    MovedFrom(NaiveDate, Reason),
    Cancelled(Reason),
    MovedTo(NaiveDate, Reason),
    /// Rests on the holiday of this name.
    Rests(String),
}

impl Standing {
    pub fn runs(&self) -> bool {
        matches!(self, Standing::Weekly | Standing::Added(_) | Standing::MovedFrom(..))
    }
}

/// A route on a day, running or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub day: NaiveDate,
    pub route_id: RouteId,
    pub code: String,
    pub name: String,
    pub operator_id: OperatorId,
    pub stream: String,
    pub window_start: String,
    pub window_end: String,
    pub standing: Standing,
    /// When the last word about this day was written.
    pub recorded_at: DateTime<Utc>,
}

/// Hour and minute of `HH:MM`.
fn clock_time(text: &str) -> (u32, u32) {
    let mut parts = text.split(':').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Whether hours run past midnight: 22:00 to 04:00.
pub fn past_midnight(window_start: &str, window_end: &str) -> bool {
    clock_time(window_end) <= clock_time(window_start)
}

/// When a window begins and ends; one that runs past midnight ends on the next day.
pub fn hours(day: NaiveDate, window_start: &str, window_end: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let ((hour, minute), (end_hour, end_minute)) = (clock_time(window_start), clock_time(window_end));
    let over = if past_midnight(window_start, window_end) { Duration::days(1) } else { Duration::zero() };
    (at_local(day, hour, minute), at_local(day, end_hour, end_minute) + over)
}

/// So long after its window a round that runs past midnight may still be on the road.
const LATE_HOME: i64 = 4;

/// Whether a round that began on an earlier day is still on the road at a moment: its window runs past midnight and has not long ended.
pub fn still_out(day: NaiveDate, window_start: &str, window_end: &str, at: DateTime<Utc>) -> bool {
    let (begins, _) = hours(day, window_start, window_end);
    past_midnight(window_start, window_end) && begins <= at && at < home_by(day, window_start, window_end)
}

/// From when on a round is over even if nobody said so.
pub fn home_by(day: NaiveDate, window_start: &str, window_end: &str) -> DateTime<Utc> {
    hours(day, window_start, window_end).1 + Duration::hours(LATE_HOME)
}

#[derive(sqlx::FromRow)]
struct WeekDay {
    route_id: RouteId,
    code: String,
    name: String,
    operator_id: OperatorId,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    recorded_at: DateTime<Utc>,
    weekday: i16,
    stream: String,
    window_start: String,
    window_end: String,
}

/// A word of the calendar: a day of a route or of all (`kind` cancelled, moved, added), or a rule for national holidays (`rule`).
#[derive(Debug, Clone, sqlx::FromRow)]
struct Mark {
    kind: String,
    route_id: Option<RouteId>,
    day: NaiveDate,
    moved_to: Option<NaiveDate>,
    stream: Option<String>,
    window_start: Option<String>,
    window_end: Option<String>,
    reason: String,
    recorded_at: DateTime<Utc>,
    collects: Option<bool>,
    own: bool,
}

impl Mark {
    fn reason(&self) -> Reason {
        Reason::parse(&self.reason).unwrap_or(Reason::Other)
    }
}

/// The calendar of one municipality for a stretch of days.
pub struct Calendar {
    weeks: Vec<WeekDay>,
    marks: BTreeMap<NaiveDate, Vec<Mark>>,
    /// Moved here, by the day it is held.
    arrivals: BTreeMap<NaiveDate, Vec<Mark>>,
    entered: BTreeMap<NaiveDate, (Holiday, DateTime<Utc>)>,
    /// Newest first.
    rules: Vec<Mark>,
}

impl Calendar {
    /// Everything that decides the days from `first` to `last`, in two statements.
    pub async fn read(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Calendar> {
        let weeks: Vec<WeekDay> = all!(
            tx,
            concat!(
                "SELECT r.route_id, ",
                code_on!("route", "r", "$2"),
                " AS code, v.name, v.operator_id, v.valid_from, v.valid_to, v.recorded_at, d.weekday, d.stream, d.window_start, d.window_end
               FROM route r
               JOIN route_version v ON v.municipality_id = r.municipality_id AND v.route_id = r.route_id
               JOIN route_day d ON d.municipality_id = v.municipality_id AND d.route_id = v.route_id AND d.version_id = v.version_id
              WHERE r.municipality_id = $1 AND v.superseded_at IS NULL AND v.valid_from <= $3 AND (v.valid_to IS NULL OR v.valid_to >= $2)
              ORDER BY r.code, v.valid_from, d.weekday"
            ),
            municipality,
            first,
            last
        )?;
        let words: Vec<Mark> = all!(
            tx,
            "SELECT kind, route_id, day, moved_to, stream, window_start, window_end, reason, recorded_at, CAST(NULL AS BOOLEAN) AS collects, TRUE AS own
               FROM calendar_day
              WHERE municipality_id = $1 AND superseded_at IS NULL AND ((day >= $2 AND day <= $3) OR (moved_to >= $2 AND moved_to <= $3))
             UNION ALL
             SELECT 'rule', route_id, valid_from, NULL, NULL, NULL, NULL, '', recorded_at, collects, TRUE
               FROM holiday_rule WHERE municipality_id = $1 AND superseded_at IS NULL AND valid_from <= $3
             UNION ALL
             SELECT 'holiday', NULL, day, NULL, NULL, NULL, NULL, name, recorded_at, collects, municipality_id <> 0
               FROM holiday WHERE municipality_id IN (0, $1) AND superseded_at IS NULL AND day >= $2 AND day <= $3",
            municipality,
            first,
            last
        )?;
        let mut calendar = Calendar { weeks, marks: BTreeMap::new(), arrivals: BTreeMap::new(), entered: BTreeMap::new(), rules: Vec::new() };
        for word in words {
            match word.kind.as_str() {
                "rule" => calendar.rules.push(word),
                "holiday" => {
                    let kind = if word.own { Kind::Local } else { Kind::National };
                    let holiday = Holiday { day: word.day, name: word.reason, kind, collects: word.collects, from_noon: false };
                    match calendar.entered.get(&word.day) {
                        Some((other, _)) if other.kind == Kind::Local => {}
                        _ => drop(calendar.entered.insert(word.day, (holiday, word.recorded_at))),
                    }
                }
                _ => {
                    if let Some(to) = word.moved_to {
                        calendar.arrivals.entry(to).or_default().push(word.clone());
                    }
                    calendar.marks.entry(word.day).or_default().push(word);
                }
            }
        }
        calendar.rules.sort_by_key(|rule| std::cmp::Reverse((rule.day, rule.recorded_at)));
        Ok(calendar)
    }

    /// The holiday of a day: what was entered goes before what the law says.
    pub fn holiday(&self, day: NaiveDate) -> Option<Holiday> {
        self.entered.get(&day).map(|(holiday, _)| holiday.clone()).or_else(|| holiday::national(day))
    }

    /// Whether a route goes out on national holidays, and when that was said.
    fn collects(&self, route: RouteId, day: NaiveDate) -> (bool, Option<DateTime<Utc>>) {
        let said = |of: Option<RouteId>| self.rules.iter().find(|rule| rule.route_id == of && rule.day <= day);
        let rule = said(Some(route)).or_else(|| said(None));
        (rule.and_then(|rule| rule.collects).unwrap_or(false), rule.map(|rule| rule.recorded_at))
    }

    /// The holiday on which a route rests on a day, and when it became known.
    fn rests(&self, route: RouteId, day: NaiveDate, window_start: &str) -> Option<(String, Option<DateTime<Utc>>)> {
        let holiday = self.holiday(day)?;
        let (rule, ruled_at) = self.collects(route, day);
        let collects = match (holiday.collects, holiday.kind) {
            (Some(said), _) => said,
            (None, Kind::National) => rule,
            (None, Kind::Local) => false,
        };
        let before_noon = holiday.from_noon && clock_time(window_start) < (12, 0);
        let entered_at = self.entered.get(&day).map(|(_, at)| *at);
        (!collects && !before_noon).then(|| (holiday.name, entered_at.max(ruled_at)))
    }

    /// The routes of a day, running or not, by code. A route whose week has not the day and of which nothing is said is not among them.
    pub fn on(&self, day: NaiveDate) -> Vec<Planned> {
        let weekday = day.weekday().number_from_monday() as i16;
        let marks = self.marks.get(&day).map_or(&[][..], Vec::as_slice);
        let arrivals = self.arrivals.get(&day).map_or(&[][..], Vec::as_slice);
        let mut planned = Vec::new();
        let mut from = 0;
        while let Some(first) = self.weeks.get(from) {
            let rows = self.weeks[from..].iter().take_while(|row| row.route_id == first.route_id).count();
            let versions = &self.weeks[from..from + rows];
            from += rows;
            let mut own = versions.iter().filter(|row| (Span { from: row.valid_from, to: row.valid_to }).holds(day));
            let Some(version) = own.clone().next() else { continue };
            let weekly = own.find(|row| row.weekday == weekday);
            let mark = marks.iter().find(|mark| mark.route_id == Some(version.route_id));
            let comes = mark.filter(|mark| mark.kind == "added").or_else(|| arrivals.iter().find(|mark| mark.route_id == Some(version.route_id)));
            let at = |of: &WeekDay, stream: &str, (start, end): (&str, &str), standing: Standing, said: Option<DateTime<Utc>>| Planned {
                day,
                route_id: of.route_id,
                code: of.code.clone(),
                name: of.name.clone(),
                operator_id: of.operator_id,
                stream: stream.to_owned(),
                window_start: start.to_owned(),
                window_end: end.to_owned(),
                standing,
                recorded_at: to_micros(said.map_or(of.recorded_at, |said| said.max(of.recorded_at))),
            };
            if let Some(mark) = comes
                && let (Some(stream), Some(start), Some(end)) = (&mark.stream, &mark.window_start, &mark.window_end)
            {
                let standing = if mark.day == day { Standing::Added(mark.reason()) } else { Standing::MovedFrom(mark.day, mark.reason()) };
                planned.push(at(version, stream, (start, end), standing, Some(mark.recorded_at)));
                continue;
            }
            let Some(row) = weekly else { continue };
            let (standing, said) = match mark.or_else(|| marks.iter().find(|mark| mark.route_id.is_none())) {
                Some(mark) => match mark.moved_to {
                    Some(to) => (Standing::MovedTo(to, mark.reason()), Some(mark.recorded_at)),
                    None => (Standing::Cancelled(mark.reason()), Some(mark.recorded_at)),
                },
                None => match self.rests(row.route_id, day, &row.window_start) {
                    Some((name, said)) => (Standing::Rests(name), said),
                    None => (Standing::Weekly, None),
                },
            };
            planned.push(at(row, &row.stream, (&row.window_start, &row.window_end), standing, said));
        }
        planned
    }

    /// Whether a version of the route holds on a day.
    fn exists(&self, route: RouteId, day: NaiveDate) -> bool {
        self.weeks.iter().any(|row| row.route_id == route && (Span { from: row.valid_from, to: row.valid_to }).holds(day))
    }

    /// The distinct stream and hours of a route's week on a day.
    fn week_of(&self, route: RouteId, day: NaiveDate) -> Vec<(String, String, String)> {
        let rows = self.weeks.iter().filter(|row| row.route_id == route && (Span { from: row.valid_from, to: row.valid_to }).holds(day));
        let mut found: Vec<_> = rows.map(|row| (row.stream.clone(), row.window_start.clone(), row.window_end.clone())).collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The routes of each day from `first` to `last`, running or not.
pub async fn planned(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Vec<Planned>> {
    let calendar = Calendar::read(tx, municipality, first, last).await?;
    Ok(first.iter_days().take_while(|day| *day <= last).flat_map(|day| calendar.on(day)).collect())
}

/// A route by its code, or one line that names those there are.
pub async fn route(tx: &mut Tx, municipality: MunicipalityId, code: &str) -> Result<RouteId> {
    if let Some(route) = code::find(tx, municipality, Thing::Route, code).await? {
        return Ok(RouteId(route));
    }
    let codes = Codes::read(tx, municipality, Thing::Route).await?;
    let mut known: Vec<&str> = codes.first().map(|(id, _)| codes.newest(id)).collect();
    known.sort_unstable();
    let rest = match known.len() {
        0 => "it has none; import them with vecino geo import routes".to_owned(),
        1..=20 => format!("its routes are {}", known.join(", ")),
        n => format!("its {n} routes begin with {}", known[..20].join(", ")),
    };
    Err(Error::not_found("route-unknown", format!("route «{code}»: there is no such route in {municipality}; {rest}")).with("route", code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_past_midnight_ends_on_the_next_day_and_its_round_is_out_until_the_morning() {
        let night = at("2026-11-24");
        let (begins, ends) = hours(night, "22:00", "04:00");
        assert_eq!((ends - begins).num_hours(), 6);
        assert_eq!(hours(night, "06:00", "11:00").1 - hours(night, "06:00", "11:00").0, Duration::hours(5));
        let next = at("2026-11-25");
        assert!(still_out(night, "22:00", "04:00", at_local(next, 2, 0)) && still_out(night, "22:00", "04:00", at_local(next, 7, 59)));
        assert!(!still_out(night, "22:00", "04:00", at_local(next, 8, 0)) && !still_out(night, "22:00", "04:00", at_local(night, 21, 0)));
        assert!(!still_out(night, "06:00", "11:00", at_local(next, 0, 30)));
    }

    #[test]
    fn reasons_are_read_in_any_case_and_nothing_else_is_one() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(&reason.name().to_uppercase().replace('_', "-")), Some(reason));
        }
        assert_eq!(Reason::parse("lluvia"), None);
    }
}
