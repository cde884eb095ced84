//! Registering somebody by hand: one form, every problem at once between label and field, typed text kept.

use super::consent::{self, How, NewConsent, Purpose, Subject};
use super::contact::{self, NewContact};
use super::entry::{self, Entry, Problem};
use super::membership::{self, Move, Relation};
use super::person::{self, Language, MigrationStatus, Sex};
use super::place;
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::error::{Error, Result};
use crate::id::{Mint, PersonId};
use crate::language::Words;
use crate::page::{Page, Reader};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use std::collections::HashMap;

pub fn routes(routes: Routes) -> Routes {
    routes.get("/registry/person/new/{municipality}", blank).post("/registry/person/new/{municipality}", register)
}

/// What was typed, by field.
pub(crate) type Typed = HashMap<String, String>;

/// An error in the reader's language: the interface string `error-CODE`, else the line itself.
pub(crate) fn say(words: &Words, error: &Error) -> String {
    let values: Vec<(&str, fluent_bundle::FluentValue<'_>)> = error.arguments.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
    words.find(&format!("error-{}", error.code), &values).unwrap_or_else(|| error.lines.join("; "))
}

/// A labelled field: label, error, the control, help. `id` is the field's name.
pub(crate) fn field(words: &Words, name: &str, error: Option<&str>, help: bool, control: Markup) -> Markup {
    html! {
        div.campo {
            label for=(name) { (words.say(&format!("registry-field-{name}"))) }
            @if let Some(error) = error { p.error id={ (name) "-error" } { (error) } }
            (control)
            @if help { p.suave.chico id={ (name) "-ayuda" } { (words.say(&format!("registry-help-{name}"))) } }
        }
    }
}

fn described(name: &str, error: bool, help: bool) -> Option<String> {
    match (error, help) {
        (false, false) => None,
        (true, false) => Some(format!("{name}-error")),
        (false, true) => Some(format!("{name}-ayuda")),
        (true, true) => Some(format!("{name}-error {name}-ayuda")),
    }
}

pub(crate) fn text(words: &Words, name: &str, typed: &Typed, error: Option<&str>, help: bool) -> Markup {
    let value = typed.get(name).map_or("", String::as_str);
    field(
        words,
        name,
        error,
        help,
        html! { input type="text" id=(name) name=(name) value=(value) autocomplete="off" aria-invalid=[error.map(|_| "true")] aria-describedby=[described(name, error.is_some(), help)]; },
    )
}

/// `options`: value and text.
pub(crate) fn select(words: &Words, name: &str, options: &[(String, String)], typed: &Typed, error: Option<&str>) -> Markup {
    let chosen = typed.get(name).map_or("", String::as_str);
    field(
        words,
        name,
        error,
        false,
        html! {
            select id=(name) name=(name) aria-invalid=[error.map(|_| "true")] aria-describedby=[described(name, error.is_some(), false)] {
                @for (value, text) in options { option value=(value) selected[value == chosen] { (text) } }
            }
        },
    )
}

/// Every word of a closed list with its interface string `PREFIX-word`.
pub(crate) fn options<T: Copy>(words: &Words, prefix: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Vec<(String, String)> {
    all.iter().map(|item| (name(*item).to_owned(), words.say(&format!("{prefix}-{}", name(*item))))).collect()
}

/// The list of problems at the top, which takes the focus after a post.
pub(crate) fn summary(words: &Words, problems: &[(&str, String)]) -> Markup {
    html! {
        @if !problems.is_empty() {
            div.aviso.grave role="alert" tabindex="-1" autofocus {
                strong { (words.tell("registry-problems", &[("n", (problems.len() as i64).into())])) }
                ul { @for (field, text) in problems { li { @if field.is_empty() { (text) } @else { a href={ "#" (field) } { (text) } } } } }
            }
        }
    }
}

async fn blank(State(app): State<App>, reader: Reader, actor: Actor, Path(code): Path<String>) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let place = place(&mut tx, &actor, &code).await?;
    let mut typed = Typed::new();
    for (name, value) in [("sex", "unknown"), ("language", "es"), ("migration_status", "unknown"), ("relation", "unknown")] {
        typed.insert(name.into(), value.into());
    }
    Ok(page(&reader, &place, &typed, &[]))
}

fn page(reader: &Reader, place: &super::Place, typed: &Typed, problems: &[Problem]) -> Page {
    let words = &reader.words;
    let told: Vec<(&str, String)> = problems.iter().map(|problem| (problem.field, say(words, &problem.error))).collect();
    let error = |name: &str| told.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str());
    let input = |name: &str, help: bool| text(words, name, typed, error(name), help);
    let choose = |name: &str, options: Vec<(String, String)>| select(words, name, &options, typed, error(name));
    let yes_no = vec![("no".to_owned(), words.say("registry-no")), ("yes".to_owned(), words.say("registry-yes"))];
    let body = html! {
        (summary(words, &told))
        form.mx method="post" action={ "/registry/person/new/" (place.0) } {
            (reader.csrf_field())
            (input("given_names", false)) (input("surnames", true)) (input("cui", true)) (input("birth_date", true))
            (choose("sex", options(words, "registry-sex", Sex::ALL, Sex::name)))
            (choose("language", options(words, "registry-language", Language::ALL, Language::name)))
            (choose("migration_status", options(words, "registry-migration", MigrationStatus::ALL, MigrationStatus::name)))
            (input("household", true))
            (choose("relation", options(words, "registry-relation", Relation::ALL, Relation::name)))
            (input("since", true)) (input("phone", true))
            (choose("consent_messages", yes_no))
            div.botones { button.boton.lleno { (words.say("registry-save-person")) } a.boton href="/registry" { (words.say("registry-cancel")) } }
        }
    };
    Page::new("registry", words.say("registry-new"), body)
        .place(place.1.clone())
        .eyebrow(html! { a href="/registry" { (words.say("registry-back")) } " · " (place.1) })
        .answer(html! { (words.say("registry-new-answer")) })
}

async fn register(State(app): State<App>, reader: Reader, actor: Actor, Path(code): Path<String>, Form(typed): Form<Typed>) -> Result<Response> {
    let today = app.clock.today();
    let mut tx = app.db.write().await?;
    let place = place(&mut tx, &actor, &code).await?;
    // Only this form's fields: the others are for files.
    const FIELDS: [&str; 12] = [
        "given_names",
        "surnames",
        "cui",
        "birth_date",
        "sex",
        "language",
        "migration_status",
        "household",
        "relation",
        "since",
        "phone",
        "consent_messages",
    ];
    let get = |name: &str| if FIELDS.contains(&name) { typed.get(name).map_or("", String::as_str) } else { "" };
    let mut problems = Vec::new();
    match entry::read(get, today) {
        Ok(entry) => match save(&mut tx, &app, &place, &entry, &actor).await {
            Ok(id) => {
                tx.commit().await?;
                return Ok(Redirect::to(&format!("/registry/person/{}/{id}", place.0)).into_response());
            }
            Err(problem) => match problem.error.kind {
                crate::error::Kind::Refused | crate::error::Kind::Conflict => problems.push(problem),
                _ => return Err(problem.error),
            },
        },
        Err(found) => problems = found,
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&reader, &place, &typed, &problems)).into_response())
}

async fn save(tx: &mut crate::db::Tx, app: &App, place: &super::Place, entry: &Entry, actor: &Actor) -> Result<PersonId, Problem> {
    let (now, mut mint) = (app.clock.now(), Mint::system());
    let at = |field: &'static str| move |error: Error| Problem { field, error };
    let household = match entry.household.as_str() {
        "" => None,
        code => match person::household(tx, place.0, code).await.map_err(at("household"))? {
            Some(home) => Some(home),
            None => {
                let error = Error::refused("household-code", "there is no home with this code in this municipality; compare it with the label");
                return Err(Problem { field: "household", error });
            }
        },
    };
    let id: PersonId = mint.id(now);
    person::register(tx, &app.keys, place.0, id, &entry.person, &actor.name, now).await.map_err(at("given_names"))?;
    if let Some(household) = household {
        let to = Move { home_municipality: place.0, household, relation: entry.relation, from: entry.since };
        membership::move_to(tx, place.0, id, to, &actor.name, now).await.map_err(at("household"))?;
        if let Some(channel) = entry.channel {
            let language = entry.person.language;
            let new = NewContact {
                household,
                person: Some(id),
                channel,
                address: entry.phone.clone(),
                language: language.name(),
                spanish_allowed: language == Language::Spanish,
                from: entry.since,
            };
            contact::add(tx, &app.keys, &mut mint, place.0, &new, &actor.name, now).await.map_err(at("phone"))?;
        }
        if entry.consent_messages {
            let given = NewConsent {
                purpose: Purpose::Messages,
                channel: None,
                given_on: entry.consent_on,
                how: How::PaperForm,
                language: entry.person.language.name(),
                by_guardian: false,
            };
            consent::give(tx, &mut mint, place.0, Subject::Home(household), false, &given, &actor.name, now).await.map_err(at("consent_messages"))?;
        }
    }
    Ok(id)
}
