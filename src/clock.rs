//! Time: stored in UTC to the microsecond, shown in America/Guatemala (UTC−6 all year; no daylight saving since 2006).

use crate::error::{Error, Result};
use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDate, TimeZone, Timelike, Utc, Weekday};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where `now` comes from. A demo that stands at another date than today runs on a shifted clock; tests run on a fixed one.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    Shifted(Duration),
    Fixed(DateTime<Utc>),
}

impl Clock {
    pub fn system() -> Clock {
        Clock::Shifted(Duration::zero())
    }

    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Clock::Shifted(by) => to_micros(Utc::now() + *by),
            Clock::Fixed(at) => *at,
        }
    }

    /// The day it is in Guatemala.
    pub fn today(&self) -> NaiveDate {
        local_day(self.now())
    }
}

fn guatemala() -> FixedOffset {
    const WEST: i32 = 6 * 3600;
    match FixedOffset::west_opt(WEST) {
        Some(offset) => offset,
        None => unreachable!(),
    }
}

/// PostgreSQL keeps microseconds, SQLite keeps whatever it is given: cut before storing.
pub fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_nanosecond(at.nanosecond() / 1000 * 1000).unwrap_or(at)
}

pub fn local(at: DateTime<Utc>) -> DateTime<FixedOffset> {
    at.with_timezone(&guatemala())
}

pub fn local_day(at: DateTime<Utc>) -> NaiveDate {
    local(at).date_naive()
}

/// A wall time in Guatemala as UTC.
pub fn at_local(day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let wall = day.and_hms_opt(hour.min(23), minute.min(59), 0).unwrap_or_default();
    match guatemala().from_local_datetime(&wall).single() {
        Some(at) => at.with_timezone(&Utc),
        None => wall.and_utc(),
    }
}

/// `dd/mm/aaaa`.
pub fn show_day(day: NaiveDate) -> String {
    day.format("%d/%m/%Y").to_string()
}

/// `dd/mm/aaaa HH:MM` in Guatemala.
pub fn show_time(at: DateTime<Utc>) -> String {
    local(at).format("%d/%m/%Y %H:%M").to_string()
}

/// An ISO 8601 week as a sortable number: 2026-W44 is 202644. The same in code, SQL and API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Week(pub i32);

impl Week {
    pub fn of(day: NaiveDate) -> Week {
        let week = day.iso_week();
        Week(week.year() * 100 + week.week() as i32)
    }

    pub fn monday(self) -> NaiveDate {
        NaiveDate::from_isoywd_opt(self.0 / 100, (self.0 % 100) as u32, Weekday::Mon).unwrap_or_default()
    }

    pub fn sunday(self) -> NaiveDate {
        self.monday() + Duration::days(6)
    }

    pub fn plus(self, weeks: i64) -> Week {
        Week::of(self.monday() + Duration::weeks(weeks))
    }

    /// Whole weeks from `earlier` to `self`.
    pub fn since(self, earlier: Week) -> i64 {
        (self.monday() - earlier.monday()).num_weeks()
    }

    /// The number within its year, 1 to 53.
    pub fn number(self) -> i32 {
        self.0 % 100
    }

    /// Reads `2026-W44`.
    /// The year the ISO week belongs to.
    pub fn year(self) -> i32 {
        self.0 / 100
    }

    pub fn parse(text: &str) -> Result<Week> {
        let bad = || Error::refused("week", format!("«{text}» is not a week; write it like 2026-W44"));
        let (year, week) = text.split_once("-W").ok_or_else(bad)?;
        let (year, week) = (year.parse::<i32>().map_err(|_| bad())?, week.parse::<u32>().map_err(|_| bad())?);
        NaiveDate::from_isoywd_opt(year, week, Weekday::Mon).map(Week::of).ok_or_else(bad)
    }
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-W{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_cross_the_new_year_and_read_back() {
        let last = Week::of(NaiveDate::from_ymd_opt(2026, 12, 31).unwrap());
        assert_eq!(last.to_string(), "2026-W53");
        assert_eq!(last.plus(1).to_string(), "2027-W01");
        assert_eq!(last.plus(1).since(last), 1);
        assert_eq!(Week::parse("2026-W53").unwrap(), last);
        assert!(Week::parse("2025-W53").is_err());
    }

    #[test]
    fn a_late_evening_in_guatemala_is_still_that_day() {
        let at = "2026-11-24T04:30:00Z".parse::<DateTime<Utc>>().unwrap();
        assert_eq!(show_time(at), "23/11/2026 22:30");
        assert_eq!(at_local(local_day(at), 22, 30), at);
    }
}
