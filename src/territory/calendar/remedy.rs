//! What is to be typed when an act on the calendar is refused: whole commands, which do it as they stand.

use super::act::{Because, Desk, named};
use super::{Calendar, Planned, Standing};
use crate::id::{MunicipalityId, RouteId};
use chrono::NaiveDate;

impl Desk<'_> {
    /// A command, with the municipality, the route and the days it is about.
    pub(super) fn typed(&self, what: &str, route: Option<&str>, days: &[(&str, NaiveDate)]) -> String {
        let place = if self.municipality == MunicipalityId::NONE { String::new() } else { format!(" --municipality {}", self.municipality) };
        let route = route.map(|code| format!(" --route {}", quoted(code))).unwrap_or_default();
        let days: String = days.iter().map(|(option, day)| format!(" {option} {day}")).collect();
        format!("`vecino geo calendar {what}{place}{route}{days}`")
    }

    /// What was said of the first of the days is taken back; the others are concerned too. Days gone by need a reason.
    pub(super) fn take_back(&self, route: Option<&str>, days: &[NaiveDate]) -> String {
        let past = days.iter().any(|day| *day < self.today);
        let what = if past { "remove --reason \"what was wrong\"" } else { "remove" };
        let day: Vec<(&str, NaiveDate)> = days.first().map(|day| ("--day", *day)).into_iter().collect();
        self.typed(what, route, &day)
    }

    pub(super) fn cancel_instead(&self, route: &str, day: NaiveDate, because: &Because) -> String {
        let reason = because.reason.name();
        let why = because.note.as_ref().map_or_else(|| reason.to_owned(), |note| format!("{reason}: {note}"));
        self.typed(&format!("cancel --reason {}", quoted(&why)), Some(route), &[("--day", day)])
    }

    pub(super) fn list(&self, day: NaiveDate) -> String {
        self.typed("list", None, &[("--from", day), ("--to", day)])
    }

    /// Why nothing more can be said of a route's day, and what takes back what was said.
    pub(super) fn said_already(&self, calendar: &Calendar, code: &str, day: NaiveDate, planned: Option<&Planned>) -> String {
        let back = |days: &[NaiveDate]| format!("take that back first with {}", self.take_back(Some(code), days));
        let Some(planned) = planned else { return format!("route {code} does not run on {}; there is nothing to cancel", named(day)) };
        match &planned.standing {
            Standing::Weekly => format!("route {code} runs on {}", named(day)),
            Standing::Cancelled(reason) if !calendar.own(planned.route_id, day) => format!(
                "route {code} is cancelled on {} already, with all of {} ({}); take that back first with {}",
                named(day),
                self.municipality,
                reason.name(),
                self.take_back(None, &[day])
            ),
            Standing::Cancelled(reason) => format!("route {code} is cancelled on {} already ({}); {}", named(day), reason.name(), back(&[day])),
            Standing::MovedTo(to, reason) => {
                format!("route {code} was moved from {} to {} already ({}); {}", named(day), named(*to), reason.name(), back(&[day, *to]))
            }
            Standing::MovedFrom(from, reason) => {
                format!("route {code} was moved onto {} from {} ({}); {}", named(day), named(*from), reason.name(), back(&[*from, day]))
            }
            Standing::Added(reason) => format!("route {code} was added on {} ({}); {}", named(day), reason.name(), back(&[day])),
            Standing::Rests(name) => format!("route {code} rests on {} already ({name}); there is nothing to cancel", named(day)),
        }
    }
}

impl Calendar {
    /// Whether something was said of this route's day itself, not of its whole municipality.
    pub(super) fn own(&self, route: RouteId, day: NaiveDate) -> bool {
        self.marks.get(&day).is_some_and(|marks| marks.iter().any(|mark| mark.route_id == Some(route)))
    }
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
