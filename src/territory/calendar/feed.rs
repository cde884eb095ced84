//! The calendar of one route as iCalendar (RFC 5545): a file, and an address that a household subscribes to. One event a day, so that a day
//! cancelled or moved is told where it stood. No person is in it, and no operator.

use super::{Planned, Reason, Standing, past_midnight, planned, route};
use crate::app::App;
use crate::clock::show_day;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, sha256_hex};
use crate::language::{Language, Words};
use crate::territory::municipality;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{Datelike, Days, NaiveDate};
use std::fmt::Write;

/// Weeks gone by and to come that the calendar holds.
const WEEKS_BACK: u64 = 2;
pub const WEEKS_AHEAD: u64 = 12;
/// An hour: a day cancelled in the morning is known by those who subscribe the same day.
const CACHE: &str = "public, max-age=3600";

/// The calendar of a route round a day.
pub async fn text(tx: &mut Tx, municipality: MunicipalityId, code: &str, today: NaiveDate, weeks: u64) -> Result<String> {
    let id = route(tx, municipality, code).await?;
    let place = municipality::find(tx, municipality).await?.name;
    let days = planned(tx, municipality, today - Days::new(7 * WEEKS_BACK), today + Days::new(7 * weeks)).await?;
    let days: Vec<Planned> = days.into_iter().filter(|planned| planned.route_id == id).collect();
    Ok(written(&Words::new(Language::Es), &place, code, &days))
}

/// `motivo`, or of what holiday.
pub fn why(words: &Words, standing: &Standing) -> Option<String> {
    let reason = |reason: &Reason| words.say(&format!("calendar-reason-{}", reason.name()));
    let day =
        |day: &NaiveDate| format!("{} {}", words.say(&format!("map-day-{}", day.weekday().number_from_monday())).to_lowercase(), show_day(*day));
    Some(match standing {
        Standing::Weekly => return None,
        Standing::Added(why) => words.tell("calendar-added", &[("reason", reason(why).into())]),
        Standing::Cancelled(why) => words.tell("calendar-cancelled", &[("reason", reason(why).into())]),
        Standing::MovedTo(to, why) => words.tell("calendar-moved-to", &[("day", day(to).into()), ("reason", reason(why).into())]),
        Standing::MovedFrom(from, why) => words.tell("calendar-moved-from", &[("day", day(from).into()), ("reason", reason(why).into())]),
        Standing::Rests(name) => words.tell("calendar-rests", &[("name", name.as_str().into())]),
    })
}

/// What is said of the routes of a day, a sentence for each thing said: whose it is, unless it is every route's.
pub fn notes(words: &Words, planned: &[Planned]) -> Vec<String> {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for planned in planned {
        let Some(why) = why(words, &planned.standing) else { continue };
        match notes.iter_mut().find(|(said, _)| *said == why) {
            Some((_, routes)) => routes.push(&planned.name),
            None => notes.push((why, vec![&planned.name])),
        }
    }
    let one = notes.len() == 1;
    let told = |(why, routes): (String, Vec<&str>)| match routes.len() {
        n if one && n > 2 => why,
        1..=3 => format!("{}: {why}", routes.join(", ")),
        n => format!("{} (+{}): {why}", routes[..2].join(", "), n - 2),
    };
    notes.into_iter().map(told).collect()
}

/// Where a household subscribes to a route.
pub fn address(municipality: &str, code: &str) -> String {
    let mut path = format!("/calendar/{municipality}/");
    for byte in code.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
            _ => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path + ".ics"
}

fn written(words: &Words, place: &str, code: &str, days: &[Planned]) -> String {
    let name = days.last().map_or(code, |planned| planned.name.as_str());
    let title = words.tell("calendar-title", &[("route", name.into()), ("place", place.into())]);
    let mut out = String::new();
    for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Vecino//calendar//ES", "CALSCALE:GREGORIAN"] {
        fold(&mut out, line);
    }
    fold(&mut out, &format!("NAME:{}", escaped(&title)));
    fold(&mut out, &format!("X-WR-CALNAME:{}", escaped(&title)));
    // UTC−6 all year since 2006.
    for line in [
        "X-WR-TIMEZONE:America/Guatemala",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
        "X-PUBLISHED-TTL:PT6H",
        "BEGIN:VTIMEZONE",
        "TZID:America/Guatemala",
        "BEGIN:STANDARD",
        "DTSTART:20061001T000000",
        "TZOFFSETFROM:-0500",
        "TZOFFSETTO:-0600",
        "TZNAME:CST",
        "END:STANDARD",
        "END:VTIMEZONE",
    ] {
        fold(&mut out, line);
    }
    for planned in days {
        event(&mut out, words, planned);
    }
    fold(&mut out, "END:VCALENDAR");
    out
}

fn event(out: &mut String, words: &Words, planned: &Planned) {
    let stream = words.say(&format!("map-stream-{}", planned.stream));
    let window = format!("{}–{}", planned.window_start, planned.window_end);
    let why = why(words, &planned.standing);
    let key = if planned.standing.runs() { "calendar-event" } else { "calendar-event-none" };
    let summary = words.tell(key, &[("stream", stream.as_str().into())]);
    let mut description =
        words.tell("calendar-description", &[("route", planned.name.as_str().into()), ("window", window.into()), ("stream", stream.into())]);
    if let Some(why) = why {
        let _ = write!(description, "\n{why}");
    }
    let stamp = planned.recorded_at.format("%Y%m%dT%H%M%SZ");
    let ends_on = if past_midnight(&planned.window_start, &planned.window_end) { planned.day + Days::new(1) } else { planned.day };
    let at = |day: NaiveDate, time: &str| format!("{}T{}00", day.format("%Y%m%d"), time.replace(':', ""));
    fold(out, "BEGIN:VEVENT");
    // The same day of the same route is the same event, whatever becomes of it.
    fold(out, &format!("UID:{}-{}@vecino", planned.day.format("%Y%m%d"), planned.route_id));
    fold(out, &format!("DTSTAMP:{stamp}"));
    fold(out, &format!("LAST-MODIFIED:{stamp}"));
    fold(out, &format!("DTSTART;TZID=America/Guatemala:{}", at(planned.day, &planned.window_start)));
    fold(out, &format!("DTEND;TZID=America/Guatemala:{}", at(ends_on, &planned.window_end)));
    fold(out, &format!("SUMMARY:{}", escaped(&summary)));
    fold(out, &format!("DESCRIPTION:{}", escaped(&description)));
    fold(out, if planned.standing.runs() { "STATUS:CONFIRMED" } else { "STATUS:CANCELLED" });
    fold(out, "TRANSP:TRANSPARENT");
    fold(out, "END:VEVENT");
}

/// TEXT of RFC 5545, 3.3.11.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A content line: at most 75 octets, then a line break and a space; never within a character.
fn fold(out: &mut String, line: &str) {
    let mut octets = 0;
    for c in line.chars() {
        if octets + c.len_utf8() > 75 {
            out.push_str("\r\n ");
            octets = 1;
        }
        out.push(c);
        octets += c.len_utf8();
    }
    out.push_str("\r\n");
}

/// `GET /calendar/{municipality}/{route}.ics`: for anybody, as the days of the truck are.
pub async fn answer(State(app): State<App>, Path((municipality, file)): Path<(String, String)>, headers: HeaderMap) -> Result<Response> {
    let unknown = || Error::not_found("page-unknown", "there is no such calendar; its address is /calendar/MUNICIPALITY/ROUTE.ics");
    let code = file.strip_suffix(".ics").ok_or_else(unknown)?;
    let municipality = MunicipalityId::parse(&municipality).map_err(|_| unknown())?;
    let mut tx = app.db.read().await?;
    let body = text(&mut tx, municipality, code, app.clock.today(), WEEKS_AHEAD).await?;
    let tag = format!("\"{}\"", &sha256_hex(body.as_bytes())[..24]);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let cached = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, CACHE.to_owned())];
    // A proxy that compresses marks the tag as weak; the days are the same.
    if known.flat_map(|value| value.split(',')).any(|value| value.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    Ok((cached, [(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a,b; c\\d\ne\r"), "a\\,b\\; c\\\\d\\ne");
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_75_octets_and_unfolds_to_itself(line in "[a-zñáé–,;:\\\\ 0-9]{0,300}") {
            let mut out = String::new();
            fold(&mut out, &line);
            prop_assert!(out.split("\r\n").all(|part| part.len() <= 75));
            let unfolded = out.replace("\r\n ", "");
            prop_assert_eq!(unfolded.trim_end_matches("\r\n"), line);
        }
    }
}
