//! When a message may be sent: quiet hours, Sundays and public holidays, and the evening before a home's collection. Pure.

use crate::clock::{Week, at_local};
use crate::territory::calendar::holiday;
use crate::trial::protocol::MessageRules;
use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc, Weekday};
use std::collections::BTreeSet;

/// Minutes after midnight between which messages may leave, on weekdays and on Saturdays, and the municipality's own quiet days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    weekday: [u32; 2],
    saturday: [u32; 2],
    quiet: BTreeSet<NaiveDate>,
}

/// The evening before a collection, and the length of the span over which one week's messages are spread.
const EVENING: u32 = 18 * 60 + 30;
const SPREAD: u32 = 60;

/// Reads `HH:MM` as minutes after midnight.
pub fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u32>().ok()?, minute.parse::<u32>().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

impl Hours {
    pub fn of(rules: &MessageRules) -> Hours {
        Hours { weekday: rules.weekday_hours, saturday: rules.saturday_hours, quiet: BTreeSet::new() }
    }

    /// With holidays that were entered: nobody is written to on them.
    pub fn quiet_on(self, quiet: BTreeSet<NaiveDate>) -> Hours {
        Hours { quiet, ..self }
    }

    fn open(&self, day: NaiveDate) -> Option<[u32; 2]> {
        match day.weekday() {
            _ if holiday::is_quiet(day) || self.quiet.contains(&day) => None,
            Weekday::Sun => None,
            Weekday::Sat => Some(self.saturday),
            _ => Some(self.weekday),
        }
    }

    /// Whether a message may leave at this moment.
    pub fn allows(&self, at: DateTime<Utc>) -> bool {
        let local = crate::clock::local(at);
        let minute = u32::try_from(local.time().signed_duration_since(chrono::NaiveTime::MIN).num_minutes()).unwrap_or(0);
        self.open(local.date_naive()).is_some_and(|[from, to]| (from..to).contains(&minute))
    }

    /// The evening of that day when its hours allow it, else its last allowed hour; `None` on a quiet day.
    fn evening(&self, day: NaiveDate, second: u32) -> Option<DateTime<Utc>> {
        let [from, to] = self.open(day)?;
        let start = EVENING.min(to.saturating_sub(SPREAD)).max(from);
        Some(at_local(day, start / 60, start % 60) + Duration::seconds(i64::from(second % (SPREAD * 60))))
    }

    /// When this week's message to a home leaves and when it has no more use: the evening before a collection, within the week itself
    /// (so that messages start and stop with the phase), and the start of that collection. A home collected on Mondays is told on Saturday.
    ///
    /// `days` are the days on which the home is collected from, in order, with the minute at which the window begins; `second` spreads the
    /// sending over the hour. `None` when there is no collection to tell of, or the whole week is quiet.
    pub fn slot(&self, week: Week, days: &[(NaiveDate, u32)], second: u32) -> Option<Slot> {
        let monday = week.monday();
        let collections = |from: i64, to: i64| {
            let within = move |day: NaiveDate| ((from..=to).contains(&(day - monday).num_days())).then_some(day);
            days.iter().filter_map(move |(day, start)| Some((within(*day)?, at_local(*day, start / 60, start % 60))))
        };
        for (day, start) in collections(1, 7) {
            let mut eve = day - Duration::days(1);
            while eve >= monday {
                if let Some(send_after) = self.evening(eve, second) {
                    return Some(Slot { send_after, due_on: eve, collection: day, expires_at: start });
                }
                eve -= Duration::days(1);
            }
        }
        // Every evening before a collection of this week is quiet back to the Monday: the last allowed hour of the week, for the next one.
        let (eve, send_after) = (0..6).rev().map(|ahead| monday + Duration::days(ahead)).find_map(|day| Some((day, self.evening(day, second)?)))?;
        let (day, start) = collections(1, 13).find(|(_, start)| *start > send_after)?;
        Some(Slot { send_after, due_on: eve, collection: day, expires_at: start })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub send_after: DateTime<Utc>,
    pub due_on: NaiveDate,
    pub collection: NaiveDate,
    /// Collection start: later the message is not sent.
    pub expires_at: DateTime<Utc>,
}

/// `lunes`.
pub fn weekday_name(day: NaiveDate) -> &'static str {
    match day.weekday() {
        Weekday::Mon => "lunes",
        Weekday::Tue => "martes",
        Weekday::Wed => "miércoles",
        Weekday::Thu => "jueves",
        Weekday::Fri => "viernes",
        Weekday::Sat => "sábado",
        Weekday::Sun => "domingo",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::show_time;

    fn hours() -> Hours {
        Hours { weekday: [8 * 60, 20 * 60], saturday: [9 * 60, 18 * 60], quiet: BTreeSet::new() }
    }

    /// The weekday's days of the two weeks, as a calendar without exceptions has them.
    fn weekly(week: Week, weekday: i64, start: u32) -> Vec<(NaiveDate, u32)> {
        [0, 7].map(|ahead| (week.monday() + Duration::days(weekday - 1 + ahead), start)).to_vec()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_evening_before_or_the_last_allowed_hour_and_always_within_the_week() {
        let week = Week::of(day("2026-08-10"));
        let slot = |weekday: i64, second| hours().slot(week, &weekly(week, weekday, 360), second).unwrap();
        assert_eq!(show_time(slot(3, 0).send_after), "11/08/2026 18:30");
        assert_eq!(show_time(slot(3, 3599).send_after), "11/08/2026 19:29");
        assert_eq!(show_time(slot(3, 0).expires_at), "12/08/2026 06:00");
        // Sunday's collection: Saturday closes at 18:00. Monday's: Sunday is quiet, so Saturday too, for the Monday after.
        assert_eq!(show_time(slot(7, 0).send_after), "15/08/2026 17:00");
        assert_eq!(show_time(slot(1, 0).send_after), "15/08/2026 17:00");
        assert_eq!(slot(1, 0).collection, day("2026-08-17"));
        assert!(hours().slot(week, &[], 0).is_none());
    }

    #[test]
    fn a_holiday_is_quiet() {
        // 15 September 2026 is a Tuesday: Wednesday's collection is announced on Monday.
        let week = Week::of(day("2026-09-14"));
        let slot = hours().slot(week, &weekly(week, 3, 360), 0).unwrap();
        assert_eq!((slot.due_on, slot.collection), (day("2026-09-14"), day("2026-09-16")));
        // Monday a holiday: Tuesday's homes are told on Saturday for the next Tuesday, not after the truck.
        let week = Week::of(day("2026-10-19"));
        let slot = hours().slot(week, &weekly(week, 2, 360), 0).unwrap();
        assert_eq!((slot.due_on, slot.collection), (day("2026-10-24"), day("2026-10-27")));
        for date in ["2026-04-02", "2026-04-03", "2026-04-04", "2026-06-29", "2026-06-30", "2026-10-19", "2026-10-20", "2026-11-01", "2027-03-26"] {
            assert!(holiday::is_quiet(day(date)), "{date}");
        }
        for open in ["2026-04-01", "2026-04-06", "2026-07-01", "2026-10-21", "2026-11-23"] {
            assert!(!holiday::is_quiet(day(open)), "{open}");
        }
        // A town's own fair on the evening before: the message leaves a day earlier.
        let fair = hours().quiet_on(BTreeSet::from([day("2026-08-11")]));
        let week = Week::of(day("2026-08-10"));
        assert_eq!(fair.slot(week, &weekly(week, 3, 360), 0).unwrap().due_on, day("2026-08-10"));
    }

    #[test]
    fn a_collection_that_was_cancelled_or_moved_is_not_told_of() {
        let week = Week::of(day("2026-08-10"));
        // Wednesday was moved to Thursday; the next week is as ever. A night round is told of the evening before.
        let moved = hours().slot(week, &[(day("2026-08-13"), 22 * 60), (day("2026-08-19"), 360)], 0).unwrap();
        assert_eq!((moved.due_on, show_time(moved.expires_at)), (day("2026-08-12"), "13/08/2026 22:00".to_owned()));
        // Wednesday was cancelled: the last evening of the week tells of the next one.
        let cancelled = hours().slot(week, &[(day("2026-08-19"), 360)], 0).unwrap();
        assert_eq!((cancelled.due_on, cancelled.collection), (day("2026-08-15"), day("2026-08-19")));
    }

    #[test]
    fn every_slot_is_allowed_and_before_the_truck() {
        for start in 0..60 {
            let week = Week::of(day("2026-01-05") + Duration::weeks(start));
            for weekday in 1..=7i64 {
                for second in [0, 1800, 3599] {
                    let Some(slot) = hours().slot(week, &weekly(week, weekday, 330), second) else { panic!("{week} {weekday}") };
                    assert!(hours().allows(slot.send_after) && slot.send_after < slot.expires_at, "{week} {weekday} {slot:?}");
                    assert!(Week::of(slot.due_on) == week);
                }
            }
        }
    }
}
