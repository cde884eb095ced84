//! Acts on the calendar: a day cancelled, moved, added, and that taken back; holidays entered; whether routes go out on national ones.
//!
//! What concerns days to come is the present's business. A day gone by is the past: that needs a reason in words, is audited as a
//! correction, and what was counted since is counted again.

mod days;
mod holidays;

pub use holidays::add_rule;

use super::Reason;
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, RouteId};
use crate::territory::dated;
use crate::territory::import::WEEKDAYS;
use crate::territory::municipality;
use crate::{all, run};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Value, json};

/// Who acts, where and when.
pub struct Desk<'a> {
    pub municipality: MunicipalityId,
    pub now: DateTime<Utc>,
    pub today: NaiveDate,
    pub actor: &'a str,
}

/// Why: a word, and what there is to say beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    pub reason: Reason,
    pub note: Option<String>,
}

impl Because {
    /// Reads `truck` or `truck: eje roto`.
    pub fn read(text: &str) -> Result<Because> {
        let (word, note) = text.split_once(':').map_or((text, None), |(word, note)| (word, Some(note.trim().to_owned())));
        let reason = Reason::parse(word).ok_or_else(|| {
            let known = Reason::ALL.map(Reason::name).join(", ");
            let line =
                format!("--reason «{}»: use one of {known}, and words of your own behind a colon, such as \"truck: broken axle\"", word.trim());
            Error::refused("calendar-reason", line)
        })?;
        Ok(Because { reason, note: note.filter(|note| !note.is_empty()) })
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// A sentence each.
    pub lines: Vec<String>,
    pub days: Vec<Value>,
    /// The first day that is other than before.
    pub since: Option<NaiveDate>,
    /// Why the past was corrected, when it was.
    pub corrected: Option<String>,
}

impl Done {
    fn day(&mut self, day: NaiveDate) {
        self.since = Some(self.since.map_or(day, |since| since.min(day)));
    }
}

fn refused(line: String) -> Error {
    Error::refused("calendar-refused", line)
}

impl Desk<'_> {
    /// One act on the calendar of a municipality at a time.
    async fn hold(&self, tx: &mut Tx) -> Result<()> {
        municipality::find(tx, self.municipality).await?;
        run!(tx, "UPDATE municipality SET pilot = pilot WHERE municipality_id = $1", self.municipality)?;
        Ok(())
    }

    /// A day gone by is only changed with words.
    fn past(&self, days: &[NaiveDate], words: Option<&str>, such_as: &str) -> Result<Option<String>> {
        if let Some(slip) = days.iter().find_map(|day| dated::slip(*day, self.today)) {
            return Err(refused(slip));
        }
        match (days.iter().min().filter(|day| **day < self.today), words) {
            (None, _) => Ok(None),
            (Some(_), Some(words)) => Ok(Some(words.to_owned())),
            (Some(day), None) => Err(refused(format!(
                "{day} has passed: that corrects the past; say why with --reason \"{such_as}\", or give a day from {} on",
                self.today
            ))),
        }
    }

    async fn written(&self, tx: &mut Tx, done: &Done, action: &str, target: &str) -> Result<()> {
        let mut detail = json!({"act": action, "days": done.days});
        if let Some(reason) = &done.corrected {
            detail["reason"] = json!(reason);
        }
        let action = if done.corrected.is_some() { "corrected" } else { "calendar" };
        let entry = audit::Entry { stream: "territory", actor: self.actor, action, target, detail };
        audit::record(tx, self.municipality, self.now, entry).await
    }

    /// Refuses a day on which the route is not there.
    async fn lives(&self, tx: &mut Tx, route: RouteId, code: &str, day: NaiveDate) -> Result<()> {
        let spans: Vec<(NaiveDate, Option<NaiveDate>)> = all!(
            tx,
            "SELECT valid_from, valid_to FROM route_version WHERE municipality_id = $1 AND route_id = $2 AND superseded_at IS NULL ORDER BY valid_from",
            self.municipality,
            route
        )?;
        if spans.iter().any(|(from, to)| *from <= day && to.is_none_or(|to| day <= to)) {
            return Ok(());
        }
        let line = match (spans.first(), spans.last()) {
            (Some((from, _)), _) if day < *from => format!("route {code} begins on {from} and was not there on {day}; give a day from then on"),
            (_, Some((_, Some(to)))) if day > *to => format!("route {code} ended on {to} and is not there on {day}; give a day up to then"),
            _ => format!("route {code} is not there on {day}; give a day on which it runs"),
        };
        Err(refused(line))
    }
}

/// `Friday 2026-12-25`, with the weekday as files write it.
pub(super) fn named(day: NaiveDate) -> String {
    format!("{} {day}", WEEKDAYS[day.weekday().num_days_from_monday() as usize])
}
