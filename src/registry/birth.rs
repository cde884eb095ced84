//! When somebody was born, as far as it was told: a day, a year, an age on the day it was told, or only that they are an adult.

use super::choice;
use crate::error::{Error, Result};
use chrono::{Datelike, Days, Months, NaiveDate};

choice!(
    /// How well the birth date is known.
    Precision { Day = "day", Year = "year", Age = "age", Adult = "adult", Unknown = "unknown" }
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// The day; 1 January of the year; the latest birthday that gives the age told; none.
    pub date: Option<NaiveDate>,
    pub precision: Precision,
    /// The day an age, or only that they are an adult, was told.
    pub told_on: Option<NaiveDate>,
}

/// Whether somebody may sign for themselves on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Majority {
    Adult,
    /// Under 18, or perhaps.
    Minor,
    /// Nobody said: not an adult until somebody does.
    Unknown,
}

const ADULT: u32 = 18;
const OLDEST: i32 = 120;
/// What is written for somebody who only says that they are an adult.
pub const GROWN: &str = "18+";
/// An age is told in round numbers and a year from memory: two of them closer than this may be one person's.
const SLACK: u32 = 2;

impl Birth {
    pub const UNKNOWN: Birth = Birth { date: None, precision: Precision::Unknown, told_on: None };

    pub(crate) fn stored(date: Option<NaiveDate>, precision: &str, told_on: Option<NaiveDate>) -> Birth {
        Birth { date, precision: Precision::parse(precision).unwrap_or(Precision::Unknown), told_on }
    }

    /// Reads `14/03/1988`, `1988-03-14`, a year (`1988`), an age today (`36`) or on a day (`36 (23/11/2026)`), or `18+` for an adult by
    /// their own word; empty is unknown.
    pub fn read(text: &str, today: NaiveDate) -> Result<Birth> {
        let wrong = || {
            Error::refused(
                "birth-date",
                "the birth date must be dd/mm/yyyy, a year such as 1988, an age such as 36, or 18+ for an adult who knows no more; not in the future",
            )
        };
        let older = || Error::refused("birth-oldest", "this birth date makes the person older than anybody; compare it with the card");
        let text = text.trim();
        let (text, told_on) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((age, day)) => (age.trim(), day_of(day).filter(|day| *day <= today).ok_or_else(wrong)?),
            None => (text, today),
        };
        let aged = told_on != today;
        let birth = match (text.len(), text.parse::<i32>()) {
            (0, _) if !aged => return Ok(Birth::UNKNOWN),
            _ if text == GROWN => Birth { date: None, precision: Precision::Adult, told_on: Some(told_on) },
            (4, Ok(year)) if !aged => Birth { date: NaiveDate::from_ymd_opt(year, 1, 1), precision: Precision::Year, told_on: None },
            (1..=3, Ok(age)) if age > OLDEST => return Err(older()),
            (1..=3, Ok(age)) if age >= 0 => {
                let date = told_on.checked_sub_months(Months::new(age.unsigned_abs() * 12));
                Birth { date, precision: Precision::Age, told_on: Some(told_on) }
            }
            _ if aged => return Err(wrong()),
            _ => Birth { date: day_of(text), precision: Precision::Day, told_on: None },
        };
        match birth.date {
            None if birth.precision != Precision::Adult => Err(wrong()),
            Some(date) if date > today || date.year() < 1000 => Err(wrong()),
            Some(date) if date.year() < told_on.year() - OLDEST - 1 => Err(older()),
            _ => Ok(birth),
        }
    }

    /// As [`Birth::read`] reads it, on any later day alike.
    pub fn written(&self) -> String {
        let told = self.told_on.map(crate::clock::show_day).unwrap_or_default();
        match (self.precision, self.date) {
            (Precision::Day, Some(date)) => crate::clock::show_day(date),
            (Precision::Year, Some(date)) => date.format("%Y").to_string(),
            (Precision::Age, Some(date)) => {
                let age = self.told_on.and_then(|day| day.years_since(date)).unwrap_or_default();
                format!("{age} ({told})")
            }
            (Precision::Adult, _) => format!("{GROWN} ({told})"),
            _ => String::new(),
        }
    }

    /// The first and the last day they can have been born on.
    pub fn between(&self) -> Option<(NaiveDate, NaiveDate)> {
        let date = self.date?;
        match self.precision {
            Precision::Day => Some((date, date)),
            Precision::Year => Some((date, NaiveDate::from_ymd_opt(date.year(), 12, 31)?)),
            Precision::Age => Some((date.checked_sub_months(Months::new(12))?.checked_add_days(Days::new(1))?, date)),
            Precision::Adult | Precision::Unknown => None,
        }
    }

    /// Whole years on a day; when only a year is known this may be one too many, when an age was told one too few.
    pub fn age_on(&self, day: NaiveDate) -> Option<u32> {
        self.date.and_then(|date| day.years_since(date))
    }

    /// An adult only when nobody born so late as this allows is younger than 18: what guards minors asks this.
    pub fn majority_on(&self, day: NaiveDate) -> Majority {
        match (self.precision, self.between(), self.told_on) {
            (Precision::Adult, _, Some(told)) if day >= told => Majority::Adult,
            (_, Some((_, latest)), _) => match latest.checked_add_months(Months::new(ADULT * 12)) {
                Some(grown) if grown <= day => Majority::Adult,
                _ => Majority::Minor,
            },
            _ => Majority::Unknown,
        }
    }

    /// Whether both can be one person's: known days must agree, years and ages may be some years off, the unknown fits anything.
    pub(crate) fn fits(&self, other: &Birth) -> bool {
        let (Some(one), Some(two)) = (self.between(), other.between()) else { return true };
        if self.precision == Precision::Day && other.precision == Precision::Day {
            return self.date == other.date;
        }
        let slack = Months::new(SLACK * 12);
        let reaches = |to: NaiveDate, from: NaiveDate| to.checked_add_months(slack).is_none_or(|to| to >= from);
        reaches(one.1, two.0) && reaches(two.1, one.0)
    }

    /// Both tell the same full day.
    pub(crate) fn same_day(&self, other: &Birth) -> bool {
        self.precision == Precision::Day && other.precision == Precision::Day && self.date == other.date
    }
}

fn day_of(text: &str) -> Option<NaiveDate> {
    ["%d/%m/%Y", "%Y-%m-%d"].iter().find_map(|form| NaiveDate::parse_from_str(text.trim(), form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap()
    }

    fn born(date: NaiveDate, precision: Precision) -> Birth {
        Birth { date: Some(date), precision, told_on: None }
    }

    #[test]
    fn a_birth_date_is_read_with_its_precision() {
        let today = day(2026, 11, 23);
        let exact = born(day(1988, 3, 14), Precision::Day);
        assert_eq!(Birth::read("14/03/1988", today).unwrap(), exact);
        assert_eq!(Birth::read("1988-03-14", today).unwrap(), exact);
        assert_eq!(Birth::read("1988", today).unwrap(), born(day(1988, 1, 1), Precision::Year));
        let told = Birth { date: Some(day(1990, 11, 23)), precision: Precision::Age, told_on: Some(today) };
        assert_eq!(Birth::read("36", today).unwrap(), told);
        assert_eq!(Birth::read("36 (23/11/2026)", day(2027, 5, 1)).unwrap(), told, "an age keeps the day it was told");
        assert_eq!(Birth::read(" ", today).unwrap(), Birth::UNKNOWN);
        for wrong in ["31/02/1990", "24/11/2026", "ayer", "03-14-1988", "3/5/90", "33000", "-4", "36 (24/11/2026)", "1988 (01/01/2026)"] {
            assert_eq!(Birth::read(wrong, today).unwrap_err().code, "birth-date", "{wrong}");
        }
        for old in ["01/01/1890", "1800", "140", "121"] {
            let error = Birth::read(old, today).unwrap_err();
            assert!(error.code == "birth-oldest" && error.lines[0].contains("older than anybody"), "{old}");
        }
    }

    #[test]
    fn somebody_who_may_be_under_eighteen_is_guarded_as_a_minor() {
        let today = day(2026, 11, 23);
        assert_eq!(born(day(2008, 11, 24), Precision::Day).majority_on(today), Majority::Minor);
        assert_eq!(born(day(2008, 11, 23), Precision::Day).majority_on(today), Majority::Adult);
        assert_eq!(born(day(2008, 1, 1), Precision::Year).majority_on(today), Majority::Minor);
        assert_eq!(born(day(2007, 1, 1), Precision::Year).majority_on(today), Majority::Adult);
        assert_eq!(Birth::UNKNOWN.majority_on(today), Majority::Unknown, "unknown age is not adult");
        let grown = Birth::read("18+", today).unwrap();
        assert_eq!((grown.majority_on(today), grown.majority_on(today - Days::new(1))), (Majority::Adult, Majority::Unknown));
        let told = Birth::read("18", today).unwrap();
        assert_eq!((told.majority_on(today), told.majority_on(today - Days::new(1))), (Majority::Adult, Majority::Minor));
    }

    #[test]
    fn two_births_fit_unless_what_was_told_of_them_lies_apart() {
        let today = day(2026, 11, 23);
        let read = |text: &str| Birth::read(text, today).unwrap();
        for (one, two, fits) in [
            ("14/03/1988", "14/03/1988", true),
            ("14/03/1988", "15/03/1988", false),
            ("14/03/1988", "1988", true),
            ("14/03/1988", "38", true),
            ("1988", "36", true),
            ("1960", "36", false),
            ("", "36", true),
            ("18+", "1960", true),
        ] {
            assert_eq!(read(one).fits(&read(two)), fits, "{one} and {two}");
            assert_eq!(read(two).fits(&read(one)), fits, "{two} and {one}");
        }
    }

    /// Every day of four years, so the one that three years have not: a birthday is told wrong on few days.
    #[test]
    fn what_was_told_reads_back_on_any_later_day() {
        for told_on in day(2020, 1, 1).iter_days().take(1461) {
            for text in ["0", "1", "17", "18", "60", "119", GROWN] {
                let birth = Birth::read(text, told_on).unwrap();
                for later in [0, 1, 365, 366, 1461, 3999] {
                    assert_eq!(
                        Birth::read(&birth.written(), told_on + Days::new(later)).unwrap(),
                        birth,
                        "{text} told on {told_on}, {later} days later"
                    );
                }
                assert_eq!(birth.age_on(told_on), birth.date.and_then(|_| text.parse().ok()), "{text} told on {told_on}");
            }
        }
    }
}
