//! What a visitor hands over: this week's printed messages, in the order of the street. The page knows texts, never arms.

use super::campaign::STREAM;
use super::outbox::{self, State as MessageState};
use crate::account::{Actor, audit};
use crate::app::App;
use crate::clock::{Week, local, show_day};
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MessageId, MunicipalityId};
use crate::page::{Page, Reader, count};
use crate::territory::code::code_on;
use crate::territory::dated::in_force;
use crate::{all, opt};
use axum::extract::{Path, State};
use axum::response::Redirect;
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use serde_json::json;

#[derive(sqlx::FromRow)]
struct Delivery {
    message_id: MessageId,
    household_id: HouseholdId,
    code: String,
    hint: Option<String>,
    route: String,
    body: String,
    wording: String,
    due_on: NaiveDate,
    expires_at: DateTime<Utc>,
    state: String,
}

/// Texts that ask for the home's plan: the visitor waits for the answer.
fn asks_for_plan(wording: &str) -> bool {
    wording == "plan_when_where" || wording == "plan_renewal" || wording.ends_with("_without_plan")
}

/// `GET /visits`: which door is next?
pub async fn visits(State(app): State<App>, actor: Actor, reader: Reader) -> Result<Page> {
    let words = reader.words;
    let municipality = actor.home()?;
    let week = Week::of(app.clock.today());
    let mut tx = app.db.read().await?;
    let name: Option<(String,)> = opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", municipality)?;
    let rows: Vec<Delivery> = all!(
        tx,
        concat!(
            "SELECT m.message_id, m.household_id, ",
            code_on!("household", "h", "$3"),
            " AS code, v.hint, w.name AS route, m.body, m.wording, m.due_on, m.expires_at, m.state
           FROM message m CROSS JOIN campaign c CROSS JOIN household h CROSS JOIN household_version v
           CROSS JOIN segment_version s CROSS JOIN route r CROSS JOIN route_version w
          WHERE m.municipality_id = $1 AND m.iso_week = $2 AND m.channel = 'paper' AND m.body IS NOT NULL
            AND c.municipality_id = m.municipality_id AND c.campaign_id = m.campaign_id AND c.paused_at IS NULL
            AND h.municipality_id = m.municipality_id AND h.household_id = m.household_id
            AND v.municipality_id = m.municipality_id AND v.household_id = m.household_id AND ",
            in_force!("v", "$3"),
            " AND s.municipality_id = v.municipality_id AND s.segment_id = v.segment_id AND ",
            in_force!("s", "$3"),
            " AND r.municipality_id = s.municipality_id AND r.route_id = s.route_id
            AND w.municipality_id = r.municipality_id AND w.route_id = r.route_id AND ",
            in_force!("w", "$3"),
            " ORDER BY r.code, s.begins_m, s.segment_id, CASE WHEN s.reversed THEN -v.along_m ELSE v.along_m END, h.household_id, m.message_id"
        ),
        municipality,
        week,
        app.clock.today()
    )?;
    let now = app.clock.now();
    let (mut open, mut done) = (Vec::new(), 0);
    for row in rows {
        match row.state.as_str() {
            "queued" if row.expires_at > now => open.push(row),
            "delivered" => done += 1,
            _ => {}
        }
    }
    // The truck that comes first is served first; within a route, door after door. One route is unfolded: a week's doors are many.
    open.sort_by_key(|row| row.expires_at);
    let body = html! {
        @if open.is_empty() { p.vacio { (words.tell("visits-empty", &[("done", i64::from(done).into())])) } }
        @for (n, street) in open.chunk_by(|a, b| a.route == b.route).enumerate() {
            details open[n == 0] {
                summary { (street.first().map_or("", |row| row.route.as_str())) " · " (words.tell("visits-doors", &[("n", (street.len() as i64).into())])) }
                ol.asuntos { @for row in street { (door(row, municipality, &reader)) } }
            }
        }
    };
    let answer = match open.first() {
        Some(next) => words
            .tell("visits-answer", &[("n", count(open.len() as i64).into()), ("code", next.code.as_str().into()), ("done", i64::from(done).into())]),
        None => words.say("visits-none"),
    };
    let heading = words.say("visits-heading");
    Ok(Page::new("visits", heading, body).place(name.map(|(name,)| name).unwrap_or_default()).answer(html! { (answer) }))
}

fn door(row: &Delivery, municipality: MunicipalityId, reader: &Reader) -> Markup {
    let words = reader.words;
    html! {
        li id=(row.household_id) {
            div {
                p.tasa.junto { (row.code) }
                p.suave.chico { (words.tell("visits-before", &[("day", local(row.expires_at).format("%d/%m %H:%M").to_string().into())])) }
            }
            div {
                h3 { (row.hint.as_deref().unwrap_or("")) }
                blockquote.mensaje lang="es-GT" { (row.body) }
                @if asks_for_plan(&row.wording) { p { (words.say("visits-ask-plan")) } }
                p.suave.chico { (words.tell("visits-due", &[("day", show_day(row.due_on).into())])) }
            }
            form method="post" action={ "/visits/" (municipality) "/" (row.message_id) } {
                (reader.csrf_field())
                button.boton.lleno type="submit" { (words.say("visits-delivered")) span.oido { " " (row.code) } }
            }
        }
    }
}

/// `POST /visits/{municipality}/{message}`: handed over. The dose is recorded with who gave it and when.
pub async fn delivered(State(app): State<App>, Path((municipality, message)): Path<(String, uuid::Uuid)>, actor: Actor) -> Result<Redirect> {
    let municipality = MunicipalityId::parse(&municipality)?;
    let unknown = || Error::not_found("message-unknown", format!("message {message}: there is no such delivery here; go back to the list"));
    if !actor.reaches(municipality) {
        return Err(unknown());
    }
    let now = app.clock.now();
    let message = MessageId(message);
    let mut tx = app.db.write().await?;
    let found: Option<(String, DateTime<Utc>, HouseholdId)> = opt!(
        tx,
        "SELECT state, expires_at, household_id FROM message WHERE municipality_id = $1 AND message_id = $2 AND channel = 'paper'",
        municipality,
        message
    )?;
    let (state, expires_at, household) = found.ok_or_else(unknown)?;
    if state == "delivered" {
        return Ok(Redirect::to("/visits"));
    }
    if state != "queued" || expires_at <= now {
        return Err(Error::conflict(
            "delivery-late",
            format!("message {}: its collection has begun or it was stopped; do not hand it over", message.0),
        ));
    }
    outbox::record(&mut tx, municipality, message, MessageState::Delivered, Some(&actor.name), None, Some(now), now).await?;
    let target = household.to_string();
    let detail = json!({"message": message});
    audit::record(
        &mut tx,
        municipality,
        now,
        audit::Entry { stream: STREAM, actor: &actor.name, action: "paper.delivered", target: &target, detail },
    )
    .await?;
    tx.commit().await?;
    Ok(Redirect::to("/visits"))
}
