//! Registering somebody by hand: one form, every problem at once between label and field, typed text kept.

use super::entry::{self, Entry, Problem};
use super::identify::{Answers, Doubt, Source, Whom};
use super::likeness::Ground;
use super::membership::Relation;
use super::person::{self, Language, MigrationStatus, Sex};
use super::place::file_number;
use super::{likeness, place, plan, write};
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, PersonId};
use crate::language::Words;
use crate::page::{Page, Reader};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
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
    Ok(page(&reader, &place, &typed, &[], None))
}

fn page(reader: &Reader, place: &super::Place, typed: &Typed, problems: &[Problem], asked: Option<Markup>) -> Page {
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
            @if let Some(asked) = asked { (asked) }
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

/// What came of a form that could be read.
enum Saved {
    File(PersonId),
    /// Somebody on record is like this person, or the number reaches another home: both choices are shown, and nothing was written.
    Asked(Vec<Doubt>, bool),
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
        Ok(entry) => match save(&mut tx, &app, &place, entry, typed.get("answer").map_or("", String::as_str), &actor).await {
            Ok(Saved::File(id)) => {
                tx.commit().await?;
                return Ok(Redirect::to(&format!("/registry/person/{}/{id}", place.0)).into_response());
            }
            Ok(Saved::Asked(doubts, shared)) => {
                let asked = questions(&reader, &place, &doubts, shared, today);
                return Ok((StatusCode::CONFLICT, page(&reader, &place, &typed, &[], Some(asked))).into_response());
            }
            Err(problem) => match problem.error.kind {
                crate::error::Kind::Refused | crate::error::Kind::Conflict => problems.push(problem),
                _ => return Err(problem.error),
            },
        },
        Err(found) => problems = found,
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&reader, &place, &typed, &problems, None)).into_response())
}

/// Saves what was typed as one row of a file would be; `answer` is what the registrar said to the questions: nothing yet, `open` to leave
/// them, `distinct`, `same:NUMBER` for a file here, or `linked:NUMBER` for a file of another municipality.
async fn save(tx: &mut Tx, app: &App, place: &super::Place, entry: Entry, answer: &str, actor: &Actor) -> Result<Saved, Problem> {
    let (now, mut mint) = (app.clock.now(), Mint::system());
    let at = |field: &'static str| move |error: Error| Problem { field, error };
    if !entry.household.is_empty() && person::household(tx, place.0, &entry.household).await.map_err(at("household"))?.is_none() {
        let error = Error::refused("household-code", "there is no home with this code in this municipality; compare it with the label");
        return Err(Problem { field: "household", error });
    }
    let (word, number) = answer.split_once(':').unwrap_or((answer, ""));
    let number = uuid::Uuid::parse_str(number).map(PersonId).ok();
    let mut answers = Answers::default();
    match (word, number) {
        ("same", Some(number)) => drop(answers.same.insert(0, Whom::Person(number))),
        ("distinct", _) => drop(answers.distinct.insert(0, vec![Whom::Anybody])),
        _ => {}
    }
    let source = Source::default();
    let typed = [(0, entry)];
    let plan = plan::decide(tx, &app.keys, &mut mint, place.0, &source, &typed, &answers, now).await.map_err(unplaced).map_err(at(""))?;
    let shared = plan.summary.shared_numbers > 0;
    if answer.is_empty() && (!plan.doubts().is_empty() || shared || plan.people.is_empty()) {
        return Ok(Saved::Asked(plan.asked(), shared));
    }
    let key = (place.0, plan.person());
    let linked = number.filter(|_| word == "linked").and_then(|number| plan.doubts().iter().find(|doubt| doubt.person == number).cloned());
    let ready = write::Ready::of(tx, place.0, plan, None, &actor.name, now).map_err(at(""))?;
    write::write(tx, place.0, ready, None, &actor.name, now).await.map_err(at(""))?;
    if let Some(doubt) = linked {
        let like = (doubt.municipality, doubt.person);
        likeness::answer(tx, key, like, likeness::Answer::Same, &actor.name, now).await.map_err(at(""))?;
    }
    Ok(Saved::File(key.1))
}

/// A form has no file and no rows that a problem could name.
fn unplaced(error: Error) -> Error {
    let lines = error.lines.iter().map(|line| line.strip_prefix(":0: ").unwrap_or(line).to_owned()).collect();
    Error { lines, ..error }
}

/// Both choices for everybody who is like the person typed.
fn questions(reader: &Reader, place: &super::Place, doubts: &[Doubt], shared: bool, today: NaiveDate) -> Markup {
    let words = &reader.words;
    html! {
        div.aviso role="alert" tabindex="-1" autofocus {
            strong { (words.say("registry-question-entry")) }
            @for doubt in doubts {
                @let here = doubt.municipality == place.0;
                div.campo {
                    p {
                        (words.say(&format!("registry-question-{}", doubt.ground.name()))) ": "
                        @if here { a href={ "/registry/person/" (place.0) "/" (doubt.person) } { (file_number(doubt.person)) } }
                        @else { (words.tell("registry-question-elsewhere", &[("place", doubt.municipality.to_string().into())])) }
                        @match doubt.birth.age_on(today) {
                            Some(age) if here => { " · " (words.tell("registry-age", &[("n", age.into())])) }
                            None if here => { " · " (words.say("registry-question-age-unknown")) }
                            _ => {}
                        }
                    }
                    div { button.boton name="answer" value={ (if here { "same" } else { "linked" }) ":" (doubt.person) } {
                        (words.say(if here { "registry-question-same" } else { "registry-question-linked" })) span.oido { ": " (file_number(doubt.person)) }
                    } }
                }
            }
            @if shared { p { (words.say("registry-question-phone")) } }
            div.botones {
                button.boton.lleno name="answer" value="distinct" { (words.say(if doubts.is_empty() { "registry-question-phone-right" } else { "registry-question-distinct" })) }
                @if doubts.iter().any(|doubt| doubt.ground != Ground::Same) { button.boton name="answer" value="open" { (words.say("registry-question-open")) } }
            }
        }
    }
}
