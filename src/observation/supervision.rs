//! The crew lead's day: who is out, what is missed, which phones need a person. A company sees its own rounds and no other's.

use super::{Reason, round};
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::clock::{local, local_day, show_day, show_time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, OperatorId, RoundId, RouteId};
use crate::language::Words;
use crate::page::{Page, Reader, count};
use crate::territory::calendar::{self, Planned, Standing, feed};
use crate::{all, opt};
use axum::extract::{Query, State};
use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, Utc};
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One round as its lead needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub round: round::Round,
    pub route: String,
    pub operator: String,
    /// Homes seen, and homes not reached with a reason.
    pub done: i64,
    pub missed: i64,
    pub last_stop: Option<DateTime<Utc>>,
    pub reasons: BTreeMap<Reason, i64>,
    /// What the calendar says of the route on this day.
    pub standing: Standing,
}

impl Progress {
    /// Stops that were due: those planned, and where more was recorded (a day that was cancelled afterwards) that many.
    pub fn due(&self) -> i64 {
        i64::from(self.round.planned_stops).max(self.done + self.missed)
    }

    pub fn started(&self) -> bool {
        self.round.started_at.is_some() || self.last_stop.is_some()
    }

    /// Every stop is done or explained, its crew said so, or its time is long over.
    pub fn finished(&self, now: DateTime<Utc>) -> bool {
        let complete = self.round.planned_stops > 0 && self.done + self.missed >= i64::from(self.round.planned_stops);
        self.round.ended_at.is_some() || complete || (self.started() && self.round.over(now))
    }
}

/// The rounds of one day and how far each is; `operator` limits them to one company.
pub async fn progress(tx: &mut Tx, municipality: MunicipalityId, operator: Option<&str>, day: NaiveDate) -> Result<Vec<Progress>> {
    type Counts = (RoundId, Option<Reason>, i64, DateTime<Utc>);
    let counts: Vec<Counts> = all!(
        tx,
        "SELECT o.round_id, o.reason, COUNT(*), MAX(o.corrected_at) FROM round d CROSS JOIN observation o
          WHERE d.municipality_id = $1 AND d.service_day = $2 AND o.municipality_id = d.municipality_id AND o.round_id = d.round_id
            AND o.counted AND (o.reason IS NOT NULL OR o.set_out <> 'unknown')
          GROUP BY o.round_id, o.reason",
        municipality,
        day
    )?;
    let mut out = Vec::new();
    let rounds = round::of_day(tx, municipality, day).await?;
    let mut names = round::names(tx, municipality, &rounds).await?;
    let mut standings: BTreeMap<RouteId, Standing> =
        calendar::planned(tx, municipality, day, day).await?.into_iter().map(|planned| (planned.route_id, planned.standing)).collect();
    for round in rounds {
        let own = names.remove(&round.round_id).filter(|names| operator.is_none_or(|own| own == names.operator_code));
        let Some(round::Names { route, operator, .. }) = own else { continue };
        let own: Vec<&Counts> = counts.iter().filter(|(id, _, _, _)| *id == round.round_id).collect();
        let reasons: BTreeMap<Reason, i64> = own.iter().filter_map(|(_, reason, n, _)| Some(((*reason)?, *n))).collect();
        out.push(Progress {
            route,
            operator,
            done: own.iter().filter(|(_, reason, _, _)| reason.is_none()).map(|(_, _, n, _)| n).sum(),
            missed: reasons.values().sum(),
            last_stop: own.iter().map(|(_, _, _, at)| *at).max(),
            reasons,
            standing: standings.remove(&round.route_id).unwrap_or(Standing::Weekly),
            round,
        });
    }
    Ok(out)
}

/// The rounds of now: today's, after those of last night that are still on the road.
pub async fn current(tx: &mut Tx, municipality: MunicipalityId, operator: Option<&str>, now: DateTime<Utc>) -> Result<Vec<Progress>> {
    let mut rows = Vec::new();
    if let Some(yesterday) = round::night_before(tx, municipality, now).await? {
        rows.extend(progress(tx, municipality, operator, yesterday).await?.into_iter().filter(|row| row.round.still_out(now)));
    }
    rows.extend(progress(tx, municipality, operator, local_day(now)).await?);
    Ok(rows)
}

#[derive(sqlx::FromRow)]
struct Phone {
    name: String,
    operator_code: Option<String>,
    enrolled_at: DateTime<Utc>,
    seen_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    unsettled: i64,
}

async fn phones(tx: &mut Tx, municipality: MunicipalityId, operator: Option<&str>) -> Result<Vec<Phone>> {
    all!(
        tx,
        "SELECT d.name, a.code AS operator_code, d.enrolled_at, d.seen_at, d.revoked_at,
            (SELECT COUNT(*) FROM unsettled_operation u
              WHERE u.municipality_id = d.municipality_id AND u.device_id = d.device_id AND u.settled_at IS NULL) AS unsettled
           FROM device d LEFT JOIN operator a ON a.municipality_id = d.municipality_id AND a.operator_id = d.operator_id
          WHERE d.municipality_id = $1 AND (CAST($2 AS TEXT) IS NULL OR a.code = $2) ORDER BY d.name",
        municipality,
        operator
    )
}

pub fn routes(routes: Routes) -> Routes {
    routes.get("/rounds", rounds_page)
}

#[derive(Deserialize)]
struct Asked {
    day: Option<String>,
    municipality: Option<String>,
}

async fn rounds_page(State(app): State<App>, actor: Actor, reader: Reader, Query(asked): Query<Asked>) -> Result<Page> {
    let words = reader.words;
    let municipality = match &asked.municipality {
        Some(code) => MunicipalityId::parse(code)?,
        None => actor.home()?,
    };
    if !actor.reaches(municipality) {
        return Err(Error::not_found("municipality-unknown", format!("{municipality}: there is no such municipality here")));
    }
    let today = app.clock.today();
    let day = match asked.day.as_deref().filter(|day| !day.is_empty()) {
        None => today,
        Some(text) => text.parse().map_err(|_| Error::refused("day", format!("«{text}» is not a day; write it like 2026-11-23")))?,
    };
    let operator = actor.operator.as_deref();
    let mut tx = app.db.read().await?;
    let (rounds, coming) = match day == today {
        true => (current(&mut tx, municipality, operator, app.clock.now()).await?, coming(&mut tx, municipality, operator, today).await?),
        false => (progress(&mut tx, municipality, operator, day).await?, Vec::new()),
    };
    let phones = phones(&mut tx, municipality, operator).await?;
    let place: Option<(String,)> = crate::opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", municipality)?;
    let now = app.clock.now();
    let body = html! {
        (rounds_table(&words, &rounds, now, today))
        div.mitad {
            (missed_section(&words, &rounds, day))
            (phones_section(&words, &phones, &rounds, now, day == today))
        }
        (coming_days(&words, &coming))
        p.botones {
            @for (key, to) in [("rounds-previous", day.pred_opt()), ("rounds-next", day.succ_opt())] {
                @if let Some(to) = to { a.boton href=(link(to, asked.municipality.as_deref())) { (words.say(key)) } }
            }
        }
    };
    let page = Page::new("rounds", words.say("rounds-heading"), body)
        .place(place.map(|(name,)| name).unwrap_or_default())
        .eyebrow(html! { (show_day(day)) @if let Some(first) = rounds.first().filter(|_| operator.is_some()) { " · " (first.operator) } });
    let sum = |field: fn(&Progress) -> i64| rounds.iter().map(field).sum::<i64>();
    let answer = words.tell(
        "rounds-answer",
        &[
            ("out", count(rounds.iter().filter(|row| row.started()).count() as i64).into()),
            ("rounds", count(rounds.len() as i64).into()),
            ("done", count(sum(|row| row.done)).into()),
            ("planned", count(sum(Progress::due)).into()),
            ("missed", count(sum(|row| row.missed)).into()),
        ],
    );
    Ok(if rounds.is_empty() { page } else { page.answer(html! { (answer) }) })
}

fn link(day: NaiveDate, municipality: Option<&str>) -> String {
    match municipality {
        Some(code) => format!("/rounds?day={day}&municipality={code}"),
        None => format!("/rounds?day={day}"),
    }
}

fn hour(at: DateTime<Utc>) -> String {
    local(at).format("%H:%M").to_string()
}

/// What the calendar says of the next seven days, of one operator's routes or of all.
async fn coming(tx: &mut Tx, municipality: MunicipalityId, operator: Option<&str>, today: NaiveDate) -> Result<Vec<Planned>> {
    let own: Option<(OperatorId,)> = match operator {
        Some(code) => opt!(tx, "SELECT operator_id FROM operator WHERE municipality_id = $1 AND code = $2", municipality, code)?,
        None => None,
    };
    let days = calendar::planned(tx, municipality, today + Days::new(1), today + Days::new(7)).await?;
    Ok(days.into_iter().filter(|planned| operator.is_none() || own.is_some_and(|(own,)| own == planned.operator_id)).collect())
}

fn coming_days(words: &Words, coming: &[Planned]) -> Markup {
    if coming.is_empty() {
        return html! {};
    }
    html! {
        section { table.tabla {
            caption { (words.say("calendar-coming-caption")) }
            thead { tr { th scope="col" { (words.say("calendar-coming")) } th scope="col" { (words.say("rounds-route")) } th.num scope="col" { (words.say("rounds-hours")) } } }
            tbody { @for planned in coming { tr {
                th scope="row" { (words.say(&format!("map-day-{}", planned.day.weekday().number_from_monday()))) " " (planned.day.format("%d/%m")) }
                td { (planned.name) @if let Some(why) = feed::why(words, &planned.standing) { span.sub { (why) } } }
                td.num { @if planned.standing.runs() { (planned.window_start) "–" (planned.window_end) } @else { "–" } }
            } } }
        } }
    }
}

fn status(words: &Words, row: &Progress, now: DateTime<Utc>) -> Markup {
    let late = (now - row.round.leaves_at()).num_minutes();
    match () {
        _ if row.finished(now) => html! { span.estado { (words.say("rounds-finished")) } },
        _ if row.started() => html! { span.estado.bien { (words.say("rounds-running")) } },
        _ if late > 15 && late < 24 * 60 => html! { span.estado.falla {
            @if late < 60 { (words.tell("rounds-late", &[("minutes", late.into())])) }
            @else { (words.tell("rounds-late-hours", &[("hours", (late / 60).into()), ("minutes", (late % 60).into())])) }
        } },
        _ => html! { span.estado { (words.say("rounds-waiting")) } },
    }
}

fn rounds_table(words: &Words, rounds: &[Progress], now: DateTime<Utc>, today: NaiveDate) -> Markup {
    if rounds.is_empty() {
        return html! { p.vacio { (words.say("rounds-none")) } };
    }
    let at = if rounds.iter().any(|row| row.round.service_day == today) { hour(now) } else { show_time(now) };
    html! {
        section { table.tabla.medio {
            caption { (words.tell("rounds-caption", &[("at", at.into())])) }
            thead { tr {
                th scope="col" { (words.say("rounds-route")) }
                th.num.ancho scope="col" { (words.say("rounds-hours")) }
                th.num scope="col" { (words.say("rounds-done")) }
                th.ancho scope="col" { (words.say("rounds-progress")) }
                th.num.ancho scope="col" { (words.say("rounds-missed")) }
                th.num.ancho scope="col" { (words.say("rounds-last")) }
                th.ancho scope="col" { (words.say("rounds-status")) }
            } }
            tbody { @for row in rounds {
                @let window = format!("{}–{}", row.round.window_start, row.round.window_end);
                @let last = row.last_stop.map(hour).unwrap_or_else(|| "–".to_owned());
                tr {
                    th scope="row" {
                        (row.route)
                        span.sub { @if row.round.service_day < today { (show_day(row.round.service_day)) " · " } (row.operator) span.angosto { " · " (window) " · " span.junto { (words.say("rounds-missed")) " " (count(row.missed)) } @if row.last_stop.is_some() { " · " span.junto { (words.say("rounds-last")) " " (last) } } } }
                        @if let Some(why) = feed::why(words, &row.standing) { span.sub { (why) } }
                        span.angosto { (status(words, row, now)) (bar(row)) }
                    }
                    td.num.ancho { (window) }
                    td.num { span.tasa { (count(row.done)) } " " span.ic { (words.tell("rounds-of", &[("n", "".into()), ("total", count(row.due()).into())]).trim()) } }
                    td.ancho { (bar(row)) }
                    td.num.ancho { (count(row.missed)) }
                    td.num.ancho { (last) }
                    td.ancho { (status(words, row, now)) }
                }
            } }
        } }
    }
}

/// Done, not done with a reason, no data: widths of a hundred; the numbers stand beside it.
fn bar(row: &Progress) -> Markup {
    let total = row.due().max(1);
    let width = |n: i64| format!("{:.1}", 100.0 * n as f64 / total as f64);
    html! {
        svg.avance viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.t width="100" height="8" {}
            rect.h width=(width(row.done)) height="8" {}
            rect.n x=(width(row.done)) width=(width(row.missed)) height="8" {}
        }
    }
}

fn missed_section(words: &Words, rounds: &[Progress], day: NaiveDate) -> Markup {
    let rows: Vec<(Reason, &Progress, i64)> =
        Reason::ALL.iter().flat_map(|reason| rounds.iter().filter_map(|row| Some((*reason, row, *row.reasons.get(reason)?)))).collect();
    html! {
        section {
            h2 { (words.say("rounds-missed-heading")) }
            @if rows.is_empty() { p.vacio { (words.say("rounds-missed-none")) } }
            @else { table.tabla {
                caption { (words.tell("rounds-missed-caption", &[("day", show_day(day).into())])) }
                thead { tr { th scope="col" { (words.say("rounds-reason")) } th scope="col" { (words.say("rounds-route")) } th.num scope="col" { (words.say("rounds-stops")) } } }
                tbody { @for (reason, row, n) in rows { tr { th scope="row" { (words.say(&format!("reason-{}", reason.name()))) } td { (row.route) } td.num { (count(n)) } } } }
            } }
        }
    }
}

fn phones_section(words: &Words, phones: &[Phone], rounds: &[Progress], now: DateTime<Utc>, today: bool) -> Markup {
    // A phone is silent when its company has a round under way and it has not been heard for two hours.
    let out = |phone: &Phone| today && phone.operator_code.is_some() && rounds.iter().any(|row| row.started() && !row.finished(now));
    let problem = |phone: &Phone| -> Option<String> {
        if phone.unsettled > 0 {
            return Some(words.tell("rounds-unsettled", &[("n", phone.unsettled.into())]));
        }
        if let Some(at) = phone.revoked_at {
            return (now - at < Duration::days(14)).then(|| words.tell("rounds-revoked", &[("at", show_time(at).into())]));
        }
        match phone.seen_at {
            Some(at) if out(phone) && now - at > Duration::hours(2) && now - at < Duration::days(14) => {
                Some(words.tell("rounds-silent", &[("at", show_time(at).into())]))
            }
            None if now - phone.enrolled_at > Duration::days(1) && out(phone) => Some(words.say("rounds-never")),
            _ => None,
        }
    };
    let rows: Vec<(&Phone, String)> = phones.iter().filter_map(|phone| Some((phone, problem(phone)?))).collect();
    html! {
        section {
            h2 { (words.say("rounds-phones")) }
            @if rows.is_empty() { p.vacio { (words.say("rounds-phones-none")) } }
            @else { table.tabla {
                caption { (words.say("rounds-phones-caption")) }
                thead { tr { th scope="col" { (words.say("rounds-phone")) } th scope="col" { (words.say("rounds-problem")) } } }
                tbody { @for (phone, problem) in rows { tr { th scope="row" { (phone.name) } td { (problem) } } } }
            } }
        }
    }
}
