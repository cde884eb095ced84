//! A module's list: its own enrolments, its own name for each person, and the steps an enrolment may take. One view for four modules.

use super::consent::day_after;
use super::enrolment::{self, Enrolment, Module, Reason, Status};
use super::form::{Typed, say, summary};
use super::{Place, READS, finance, gender, person, place, places, school, waste};
use crate::account::access::Routes;
use crate::account::{Actor, Role, audit};
use crate::app::App;
use crate::clock::show_day;
use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::EnrolmentId;
use crate::language::Words;
use crate::one;
use crate::page::{Page, Reader, count};
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

macro_rules! module_routes { ($routes:expr, $($path:literal, $change:literal => $module:expr);+ $(;)?) => { $routes
    $(.get($path, |app: State<App>, reader: Reader, actor: Actor, asked: Query<Asked>| list(&$module, app, reader, actor, asked))
      .post($change, |app: State<App>, reader: Reader, actor: Actor, address: Path<(String, String)>, typed: Form<Typed>| step(&$module, app, reader, actor, address, typed)))+
} }

pub fn routes(routes: Routes) -> Routes {
    module_routes!(routes,
        "/registry/waste", "/registry/waste/{municipality}/{enrolment}" => waste::MODULE;
        "/registry/finance", "/registry/finance/{municipality}/{enrolment}" => finance::MODULE;
        "/registry/school", "/registry/school/{municipality}/{enrolment}" => school::MODULE;
        "/registry/gender", "/registry/gender/{municipality}/{enrolment}" => gender::MODULE;
    )
}

const ROWS: usize = 50;

#[derive(Debug, Default, Deserialize)]
struct Asked {
    municipality: Option<String>,
    status: Option<String>,
    after: Option<String>,
}

pub(crate) fn status_class(status: Status) -> &'static str {
    match status {
        Status::Enrolled => "bien",
        Status::Candidate | Status::Paused => "ojo",
        Status::Exited => "espera",
    }
}

async fn list(module: &'static Module, State(app): State<App>, reader: Reader, actor: Actor, Query(asked): Query<Asked>) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let reach = places(&mut tx, &actor).await?;
    let here = match asked.municipality.as_deref() {
        Some(code) => place(&mut tx, &actor, code).await?,
        None => match reach.first() {
            Some(first) => first.clone(),
            None => {
                return Ok(Page::new(
                    "registry",
                    reader.words.say(&format!("registry-module-{}", module.name)),
                    html! { p.vacio { (reader.words.say("registry-no-pilot")) } },
                ));
            }
        },
    };
    let (page, opened) = draw(&mut tx, module, &app, &reader, &actor, &reach, &here, &asked, &[]).await?;
    drop(tx);
    viewed(&app, module, &actor, &here, opened).await?;
    Ok(page)
}

/// The name of somebody enrolled here, for whom the module may show it: the registrar, and the module's own role while the person's
/// consent to this purpose holds.
async fn shown_name(tx: &mut Tx, app: &App, module: &Module, actor: &Actor, place: &Place, row: &Enrolment) -> Result<Option<String>> {
    let registrar = actor.role == Role::Registrar;
    if !(module.names || registrar) {
        return Ok(None);
    }
    if let (false, Some(purpose)) = (registrar, module.purpose) {
        let today = app.clock.today();
        let (live,): (i64,) = one!(
            tx,
            "SELECT COUNT(*) FROM consent WHERE municipality_id = $1 AND person_id = $2 AND purpose = $3 AND given_on <= $4
               AND (withdrawn_at IS NULL OR withdrawn_at >= $5)",
            place.0,
            row.person_id,
            purpose.name(),
            today,
            day_after(today)
        )?;
        if live == 0 {
            return Ok(None);
        }
    }
    Ok(Some(person::find(tx, &app.keys, place.0, row.person_id).await?.name()))
}

/// Whose names a page opens goes on record before the page is shown; the one writer is asked for when the page is drawn.
async fn viewed(app: &App, module: &Module, actor: &Actor, here: &Place, names: usize) -> Result<()> {
    if names == 0 {
        return Ok(());
    }
    let entry = audit::Entry { stream: READS, actor: &actor.name, action: "roll.viewed", target: module.name, detail: json!({ "names": names }) };
    let mut tx = app.db.write().await?;
    audit::record(&mut tx, here.0, app.clock.now(), entry).await?;
    tx.commit().await
}

/// The page, and how many names it opens.
#[expect(clippy::too_many_arguments, reason = "what is drawn, for whom")]
async fn draw(
    tx: &mut Tx,
    module: &'static Module,
    app: &App,
    reader: &Reader,
    actor: &Actor,
    reach: &[Place],
    here: &Place,
    asked: &Asked,
    problems: &[(&str, String)],
) -> Result<(Page, usize)> {
    let words = &reader.words;
    let status = asked.status.as_deref().and_then(Status::parse);
    let after = asked.after.as_deref().and_then(|text| uuid::Uuid::parse_str(text).ok()).map(EnrolmentId);
    let (rows, next) = enrolment::page(tx, module, actor, here.0, status, after, ROWS).await?;
    let counts = enrolment::counts(tx, module, here.0).await?;
    let mut named = Vec::with_capacity(rows.len());
    for row in rows {
        let name = shown_name(tx, app, module, actor, here, &row).await?;
        named.push((row, name));
    }
    let opened = named.iter().filter(|(_, name)| name.is_some()).count();
    let here_path = |status: Option<Status>| {
        let status = status.map(|status| format!("&status={}", status.name())).unwrap_or_default();
        format!("/registry/{}?municipality={}{status}", module.name, here.0)
    };
    let of = |wanted: Status| counts.iter().find(|(status, _)| *status == wanted).map_or(0, |(_, n)| *n);
    let body = html! {
        (summary(words, problems))
        nav aria-label=(words.say("registry-filter")) { ul.botones {
            @for (id, name) in reach.iter().filter(|place| place.0 != here.0) { li { a.boton href={ "/registry/" (module.name) "?municipality=" (id) } { (name) } } }
            @for (filter, n) in [(None, counts.iter().map(|(_, n)| n).sum::<i64>())].into_iter().chain(counts.iter().map(|(status, n)| (Some(*status), *n))) {
                li { a.boton href=(here_path(filter)) aria-current=[(filter == status).then_some("page")] {
                    @match filter { None => { (words.say("registry-status-all")) } Some(status) => { (words.say(&format!("registry-statuses-{}", status.name()))) } } " (" (count(n)) ")"
                } }
            }
        } }
        section {
            h2 { (words.say("registry-list")) }
            @if named.is_empty() { p.vacio { (words.say("registry-list-empty")) } } @else { (table(reader, module, here, &named, app, actor, asked)) }
            @if let Some(next) = next { div.botones { a.boton href={ (here_path(status)) "&after=" (next) } { (words.say("registry-next-page")) } } }
        }
    };
    let answer = [
        ("enrolled", count(of(Status::Enrolled)).into()),
        ("candidates", count(of(Status::Candidate)).into()),
        ("paused", count(of(Status::Paused)).into()),
    ];
    let page = Page::new("registry", words.say(&format!("registry-question-{}", module.name)), body)
        .place(here.1.clone())
        .eyebrow(html! { (words.say(&format!("registry-module-{}", module.name))) " · " (here.1) " · " a href="/registry/indicators" { (words.say("registry-indicators")) } })
        .answer(html! { (words.tell("registry-roll-answer", &answer)) });
    Ok((page, opened))
}

fn table(reader: &Reader, module: &Module, here: &Place, rows: &[(Enrolment, Option<String>)], app: &App, actor: &Actor, asked: &Asked) -> Markup {
    let words = &reader.words;
    html! {
        table.tabla {
            caption { (words.say(if module.names || actor.role == Role::Registrar { "registry-roll-caption" } else { "registry-roll-caption-no-names" })) }
            thead { tr { th scope="col" { (words.say("registry-person")) } th.ancho scope="col" { (words.say("registry-what")) } th scope="col" { (words.say("registry-state")) } th.num.ancho scope="col" { (words.say("registry-from")) } th scope="col" { (words.say("registry-change")) } } }
            tbody { @for (row, name) in rows { tr {
                @let code = module.pseudonym(&app.keys, row.person_id);
                th scope="row" {
                    @match name {
                        Some(name) if actor.role == Role::Registrar => { a href={ "/registry/person/" (here.0) "/" (row.person_id) } { (name) } }
                        Some(name) => { (name) }
                        None => span.junto { (code) },
                    }
                    @if name.is_some() { span.sub { (code) } }
                    span.sub.angosto { @for (index, value) in row.details().iter().enumerate().filter(|(_, value)| !value.is_empty()) { @if index > 0 { " · " } (detail_word(words, module, index, value)) } }
                }
                td.ancho { @for (index, value) in row.details().iter().enumerate().filter(|(_, value)| !value.is_empty()) { @if index > 0 { span.sub { (detail_word(words, module, index, value)) } } @else { (detail_word(words, module, index, value)) } } }
                td { span class={ "estado " (status_class(row.status())) } { (words.say(&format!("registry-status-{}", row.status))) }
                    @if let Some(reason) = &row.status_reason { span.sub { (words.say(&format!("registry-reason-{reason}"))) } }
                    @if let Some(day) = row.ended_on { span.sub { (show_day(day)) } } @else { span.sub.angosto { (show_day(row.started_on)) } } }
                td.num.ancho { (show_day(row.started_on)) }
                td { details {
                    summary { (words.say("registry-change-this")) span.oido { " " (code) } }
                    (change_form(reader, module, here, row, asked))
                } }
            } } }
        }
    }
}

fn change_form(reader: &Reader, module: &Module, here: &Place, row: &Enrolment, asked: &Asked) -> Markup {
    let words: &Words = &reader.words;
    let before = row.status();
    let id = row.enrolment_id;
    html! {
        form.mx method="post" action={ "/registry/" (module.name) "/" (here.0) "/" (id) } {
            (reader.csrf_field())
            input type="hidden" name="status" value=(asked.status.as_deref().unwrap_or(""));
            input type="hidden" name="after" value=(asked.after.as_deref().unwrap_or(""));
            div.campo {
                label for={ "paso-" (id) } { (words.say("registry-step")) }
                select id={ "paso-" (id) } name="step" {
                    @for to in before.next() { @for reason in to.reasons(before) {
                        option value={ (to.name()) ":" (reason.name()) } { (words.say(&format!("registry-status-{}", to.name()))) ": " (words.say(&format!("registry-reason-{}", reason.name()))) }
                    } }
                }
            }
            div.campo {
                label for={ "dia-" (id) } { (words.say("registry-field-on")) }
                input type="text" id={ "dia-" (id) } name="on" autocomplete="off" placeholder="dd/mm/aaaa";
            }
            div { button.boton { (words.say("registry-save-step")) } }
        }
    }
}

async fn step(
    module: &'static Module,
    State(app): State<App>,
    reader: Reader,
    actor: Actor,
    Path((code, id)): Path<(String, String)>,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let here = place(&mut tx, &actor, &code).await?;
    let asked = Asked {
        municipality: Some(here.0.to_string()),
        status: typed.get("status").filter(|text| !text.is_empty()).cloned(),
        after: typed.get("after").filter(|text| !text.is_empty()).cloned(),
    };
    let unknown = || Error::not_found("enrolment-unknown", "there is no such enrolment in this module; look at its list again");
    let id = uuid::Uuid::parse_str(&id).map(EnrolmentId).map_err(|_| unknown())?;
    let done = async {
        let wanted = typed.get("step").and_then(|text| text.split_once(':'));
        let (to, reason) = wanted
            .and_then(|(to, reason)| Some((Status::parse(to)?, Reason::parse(reason)?)))
            .ok_or_else(|| Error::refused("choice", "step: choose one of the listed values"))?;
        let today = app.clock.today();
        let on = super::entry::day("on", typed.get("on").map_or("", String::as_str), today)?;
        enrolment::change(&mut tx, module, here.0, id, to, reason, on, &actor, app.clock.now()).await
    }
    .await;
    match done {
        Ok(()) => {
            tx.commit().await?;
            let status = asked.status.map(|status| format!("&status={status}")).unwrap_or_default();
            let known = Status::ALL.iter().any(|known| status.ends_with(known.name()));
            let status = if known { status } else { String::new() };
            Ok(Redirect::to(&format!("/registry/{}?municipality={}{status}", module.name, here.0)).into_response())
        }
        Err(error) if matches!(error.kind, Kind::Refused | Kind::Conflict) => {
            drop(tx);
            let mut tx = app.db.read().await?;
            let reach = places(&mut tx, &actor).await?;
            let told = [("", say(&reader.words, &error))];
            let (page, opened) = draw(&mut tx, module, &app, &reader, &actor, &reach, &here, &asked, &told).await?;
            drop(tx);
            viewed(&app, module, &actor, &here, opened).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

/// A module's detail in the reader's words; names of schools and partners stand as they are.
pub(crate) fn detail_word(words: &Words, module: &Module, index: usize, value: &str) -> String {
    match module.details.get(index) {
        Some(detail) if matches!(detail.name, "service" | "activity") => words.say(&format!("registry-{}-{value}", detail.name)),
        Some(detail) if detail.name == "grade" => words.tell("registry-grade-n", &[("grade", value.into())]),
        _ => value.to_owned(),
    }
}
