//! Are we on track? The programme's targets beside the distinct people reached, on one landscape sheet.

use super::STREAM;
use super::command::as_csv;
use super::indicators::{self, Breakdown, Row, Standing};
use super::target::{self, Target};
use crate::account::access::Routes;
use crate::all;
use crate::app::App;
use crate::clock::show_day;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::language::Words;
use crate::page::{Page, Reader, count, points};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use maud::{Markup, html};
use std::sync::{Arc, Mutex};

pub fn routes(routes: Routes) -> Routes {
    let counted = Counted::default();
    let again = counted.clone();
    routes
        .get("/registry/indicators", async move |State(app): State<App>, reader: Reader| show(&app, &counted, reader).await)
        .get("/registry/indicators.csv", async move |State(app): State<App>| download(&app, &again).await)
}

/// What was counted last, and what it stands on. Every person reached is counted for it, which takes long in a large town; and whatever
/// changes a person, an enrolment or a consent is an entry of the registry's chain.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<Option<Last>>>);

type Last = (Sources, Vec<Row>);

/// The day, the targets, and the last entry of each municipality's chain.
type Sources = (NaiveDate, Vec<Target>, Vec<(MunicipalityId, i64, String)>);

/// Always as of today: two neighbouring days could tell one person's step by subtraction.
async fn rows(app: &App, counted: &Counted) -> Result<Vec<Row>> {
    let today = app.clock.today();
    let mut tx = app.db.read().await?;
    // The file of targets may have been changed since they were stored.
    let targets = target::in_use()?;
    let chains = all!(tx, "SELECT municipality_id, sequence, entry_hash FROM audit_head WHERE stream = $1 ORDER BY municipality_id", STREAM)?;
    let sources: Sources = (today, targets, chains);
    let last = counted.0.lock().ok().and_then(|last| last.clone());
    if let Some((_, rows)) = last.filter(|(of, _)| *of == sources) {
        return Ok(rows);
    }
    let rows = indicators::against(&mut tx, &sources.1, today).await?;
    if let Ok(mut last) = counted.0.lock() {
        *last = Some((sources, rows.clone()));
    }
    Ok(rows)
}

async fn download(app: &App, counted: &Counted) -> Result<Response> {
    let text = as_csv(app.clock.today(), &rows(app, counted).await?)?;
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"indicadores.csv\"")];
    Ok((headers, text).into_response())
}

/// A count of people or a share of a hundred, with its range where ages are unknown.
fn value(words: &Words, row: &Row) -> Markup {
    match (row.value, row.low, row.high) {
        (None, ..) => html! { span.suave { (words.say("registry-hidden")) } },
        (Some(value), Some(low), Some(high)) if row.unit == "share" => html! {
            span.tasa { (points(value)) } " "
            @if low < high { span.ic { "(" (points(low)) " " (words.say("to")) " " (points(high)) ")" } }
        },
        (Some(value), ..) => html! { span.tasa { (count(value as i64)) } },
    }
}

fn goal(words: &Words, row: &Row, value: f64) -> Markup {
    if row.unit == "share" {
        html! { (points(value)) }
    } else {
        html! { (count(value.ceil() as i64)) span.oido { " " (words.say("registry-people-many")) } }
    }
}

fn status(words: &Words, row: &Row) -> Markup {
    let (class, key) = match row.status {
        Standing::OnTrack => ("bien", "registry-on-track"),
        Standing::Below => ("ojo", "registry-below"),
        Standing::Unknown => ("espera", "registry-cannot-know"),
    };
    let missing = row.value.map_or(0.0, |value| (row.expected - value).max(0.0));
    html! {
        span class={ "estado " (class) } { (words.say(key)) }
        @if row.status == Standing::Below {
            span.sub {
                @if row.unit == "share" { (words.tell("registry-missing-points", &[("n", ((missing * 100.0).ceil() as i64).into())])) }
                @else { (words.tell("registry-missing-people", &[("n", count(missing.ceil() as i64).into())])) }
            }
        }
    }
}

async fn show(app: &App, counted: &Counted, reader: Reader) -> Result<Page> {
    let (words, today) = (&reader.words, app.clock.today());
    let rows = rows(app, counted).await?;
    let on_track = rows.iter().filter(|row| row.status == Standing::OnTrack).count() as i64;
    let ended = rows.first().and_then(|row| row.valid_to).filter(|last| *last < today);
    let body = html! {
        section.logframe {
            h2 { (words.say("registry-logframe")) }
            table.tabla {
                caption { (words.say("registry-logframe-caption")) }
                thead { tr {
                    th scope="col" { (words.say("registry-indicator")) } th.num scope="col" { (words.say("registry-reached")) } th.num.ancho scope="col" { (words.say("registry-target")) }
                    th.num.ancho scope="col" { (words.say("registry-due-today")) } th.ancho scope="col" { (words.say("registry-state")) } th.num.ancho scope="col" { (words.say("registry-by-day")) }
                } }
                @for result in [1u8, 2, 3] {
                    tbody {
                        tr.grupo { th scope="rowgroup" colspan="6" { (words.say(&format!("registry-result-{result}"))) } }
                        @for row in rows.iter().filter(|row| row.result == result) { tr {
                            th scope="row" { (words.say(&format!("registry-indicator-{}", row.indicator))) span.sub { (words.say(&format!("registry-definition-{}", row.indicator))) }
                                span.angosto { (status(words, row)) } }
                            td.num { (value(words, row)) @if row.unit == "share" { @if let Some(people) = row.people { span.sub { (words.tell("registry-of-people", &[("n", count(people).into())])) } } }
                                span.sub.angosto { (words.say("registry-target")) " " (goal(words, row, row.target)) } }
                            td.num.ancho { (goal(words, row, row.target)) }
                            td.num.ancho { (goal(words, row, row.expected)) }
                            td.ancho { (status(words, row)) }
                            td.num.ancho { @if let Some(day) = row.valid_to { (show_day(day)) } }
                        } }
                    }
                }
            }
            p.suave { (words.say("registry-rule")) }
        }
        section {
            h2 { (words.say("registry-who-are-they")) }
            p { (words.say("registry-hidden-rule")) }
            @for row in &rows { details {
                summary { (words.say(&format!("registry-indicator-{}", row.indicator))) }
                @for breakdown in &row.breakdowns { (groups(words, row, breakdown)) }
            } }
        }
        section {
            h2 { (words.say("registry-source")) }
            ul.fuentes { @for row in &rows { li.chico { (words.say(&format!("registry-indicator-{}", row.indicator))) ": " span lang="en" { (row.source) } } } }
            div.botones { a.boton href="/registry/indicators.csv" { (words.say("registry-download-csv")) } }
        }
    };
    let mut page = Page::new("indicators", words.say("registry-on-track-question"), body)
        .eyebrow(html! { (words.say("registry-indicators")) " · " (show_day(today)) })
        .answer(html! {
            (words.tell("registry-indicators-answer", &[("n", on_track.into()), ("all", (rows.len() as i64).into())]))
            @if let Some(last) = ended { " " (words.tell("registry-programme-ended", &[("day", show_day(last).into())])) }
        });
    page.title = words.say("registry-indicators");
    Ok(page)
}

fn groups(words: &Words, row: &Row, breakdown: &Breakdown) -> Markup {
    if breakdown.cells.is_empty() {
        return html! {};
    }
    let group = |name: &str| match breakdown.by {
        "municipality" => name.to_owned(),
        "school" => name.to_owned(),
        by => words.say(&format!("registry-{by}-{name}")),
    };
    html! {
        table.tabla {
            caption { (words.say(&format!("registry-by-{}", breakdown.by))) span.oido { ": " (words.say(&format!("registry-indicator-{}", row.indicator))) } }
            thead { tr { th scope="col" { (words.say("registry-group")) } th.num scope="col" { (words.say("registry-people-many")) } } }
            tbody { @for cell in &breakdown.cells { tr {
                th scope="row" { (group(&cell.group)) }
                td.num { @match cell.people { Some(people) => { (count(people)) } None => span.suave { (words.say("registry-hidden")) } } }
            } } }
        }
    }
}
