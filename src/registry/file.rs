//! A person's file: who they are, where they live, how the home is reached, what was agreed, what they take part in, and what changed.
//! Opening it goes on record.

use super::consent::{self, How, NewConsent, Purpose, Subject};
use super::contact::{self, Channel, NewContact};
use super::enrolment::{self, Proposal};
use super::form::{Typed, say, summary};
use super::likeness;
use super::membership::{self, Move, Relation};
use super::opened::{File, opened};
use super::person::{self, Birth, Language, Majority, Person};
use super::place::file_number;
use super::{Place, entry, place, view};
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::{ConsentId, HouseholdId, Mint, MunicipalityId, PersonId};
use crate::page::{Page, Reader};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use maud::html;

pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/registry/person/{municipality}/{person}", show)
        .post("/registry/person/{municipality}/{person}/birth", post_birth)
        .post("/registry/person/{municipality}/{person}/likeness", post_likeness)
        .post("/registry/person/{municipality}/{person}/home", post_home)
        .post("/registry/person/{municipality}/{person}/contact", post_contact)
        .post("/registry/person/{municipality}/{person}/consent", post_consent)
        .post("/registry/person/{municipality}/{person}/withdraw", post_withdraw)
        .post("/registry/person/{municipality}/{person}/enrol", post_enrol)
}

fn person_id(text: &str) -> Result<PersonId> {
    uuid::Uuid::parse_str(text).map(PersonId).map_err(|_| person::unknown())
}

async fn show(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Path<(String, String)>) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let place = place(&mut tx, &actor, &code).await?;
    let file = opened(tx, &app, &actor, place, person_id(&id)?).await?;
    Ok(page(&reader, &file, app.clock.today(), &Typed::new(), &[]))
}

/// After a form: what was done is kept and the file is shown again, or nothing is and the page says what was wrong with what was typed.
#[expect(clippy::too_many_arguments, reason = "the form, the file and what came of it")]
async fn after(
    tx: Tx,
    app: &App,
    reader: &Reader,
    actor: &Actor,
    place: Place,
    id: PersonId,
    typed: &Typed,
    field: &'static str,
    done: Result<()>,
) -> Result<Response> {
    match done {
        Ok(()) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("/registry/person/{}/{id}", place.0)).into_response())
        }
        Err(error) if matches!(error.kind, Kind::Refused | Kind::Conflict) => {
            // The writer of SQLite is one: it is given back before it is asked for.
            drop(tx);
            let file = opened(app.db.read().await?, app, actor, place, id).await?;
            let told = [(field, say(&reader.words, &error))];
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(reader, &file, app.clock.today(), typed, &told)).into_response())
        }
        Err(error) => Err(error),
    }
}

/// The person and their present home, checked for a form.
async fn subject(tx: &mut Tx, app: &App, actor: &Actor, code: &str, id: &str) -> Result<(Place, Person, Option<(MunicipalityId, HouseholdId)>)> {
    let place = place(tx, actor, code).await?;
    let person = person::find(tx, &app.keys, place.0, person_id(id)?).await?;
    let home = membership::of_person(tx, place.0, person.id).await?.into_iter().find(|row| row.valid_to.is_none());
    Ok((place, person, home.map(|row| (row.home_municipality_id, row.household_id))))
}

/// A day in the life of the person.
fn typed_day(typed: &Typed, name: &str, person: &Person, today: NaiveDate) -> Result<NaiveDate> {
    let day = entry::day(name, typed.get(name).map_or("", String::as_str), today)?;
    entry::within_life(name, day, &person.birth)?;
    Ok(day)
}

fn chosen<T>(typed: &Typed, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    typed.get(name).and_then(|word| parse(word)).ok_or_else(|| Error::refused("choice", format!("{name}: choose one of the listed values")))
}

fn no_home() -> Error {
    Error::refused("no-home", "this person has no home on record; write the code of their home first")
}

type Address = Path<(String, String)>;

async fn post_home(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, _) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let wanted = typed.get("household").map_or("", String::as_str).trim();
        // A home may stand in another pilot than the person's key; the code's letters tell it, the database knows.
        let mut found = None;
        for (municipality, _) in super::places(&mut tx, &actor).await? {
            found = found.or(person::household(&mut tx, municipality, wanted).await?.map(|home| (municipality, home)));
        }
        let (home_municipality, household) = found
            .ok_or_else(|| Error::refused("household-code", "there is no home with this code in this municipality; compare it with the label"))?;
        let to = Move {
            home_municipality,
            household,
            relation: chosen(&typed, "relation", Relation::parse)?,
            from: typed_day(&typed, "since", &person, app.clock.today())?,
        };
        membership::move_to(&mut tx, place.0, person.id, to, &actor.name, app.clock.now()).await?;
        Ok(())
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "household", done).await
}

async fn post_birth(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, _) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let birth = Birth::read(typed.get("birth_date").map_or("", String::as_str), app.clock.today())?;
        person::tell_birth(&mut tx, place.0, person.id, birth, &actor.name, app.clock.now()).await
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "birth_date", done).await
}

async fn post_likeness(
    State(app): State<App>,
    reader: Reader,
    actor: Actor,
    Path((code, id)): Address,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, _) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let other = typed.get("other").and_then(|text| uuid::Uuid::parse_str(text).ok()).map(PersonId).ok_or_else(person::unknown)?;
        let municipality = MunicipalityId::parse(typed.get("other_municipality").map_or("", String::as_str))?;
        let said = chosen(&typed, "answer", |word| likeness::Answer::parse(word).filter(|said| *said != likeness::Answer::Open))?;
        likeness::answer(&mut tx, (place.0, person.id), (municipality, other), said, &actor.name, app.clock.now()).await
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "", done).await
}

async fn post_contact(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, home) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let (municipality, household) = home.ok_or_else(no_home)?;
        let channel = chosen(&typed, "channel", Channel::parse)?;
        let number = typed.get("phone").map_or("", |text| text.trim());
        let address = if number.is_empty() { None } else { Some(contact::phone(number)?) };
        let new = NewContact {
            household,
            person: Some(person.id),
            channel,
            address,
            language: Language::parse(&person.language).unwrap_or(Language::Spanish).name(),
            spanish_allowed: typed.get("spanish_allowed").is_some_and(|word| word == "yes") || person.language == "es",
            from: app.clock.today(),
        };
        contact::add(&mut tx, &app.keys, &mut Mint::system(), municipality, &new, &actor.name, app.clock.now()).await?;
        Ok(())
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "phone", done).await
}

async fn post_consent(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, home) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let purpose = chosen(&typed, "purpose", Purpose::parse)?;
        let given = NewConsent {
            purpose,
            channel: None,
            given_on: typed_day(&typed, "given_on", &person, app.clock.today())?,
            how: chosen(&typed, "how", How::parse)?,
            language: Language::parse(&person.language).unwrap_or(Language::Spanish).name(),
            by_guardian: typed.get("guardian").is_some_and(|word| word == "yes"),
        };
        // Messages and research concern the home; the rest concerns the person.
        let mut mint = Mint::system();
        match purpose {
            Purpose::Messages | Purpose::Research => {
                let (municipality, household) = home.ok_or_else(no_home)?;
                consent::give(&mut tx, &mut mint, municipality, Subject::Home(household), Majority::Adult, &given, &actor.name, app.clock.now())
                    .await?
            }
            _ => {
                let majority = person.birth.majority_on(given.given_on);
                consent::give(&mut tx, &mut mint, place.0, Subject::Person(person.id), majority, &given, &actor.name, app.clock.now()).await?
            }
        };
        Ok(())
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "purpose", done).await
}

async fn post_withdraw(
    State(app): State<App>,
    reader: Reader,
    actor: Actor,
    Path((code, id)): Address,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, home) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let consent = typed.get("consent").and_then(|text| uuid::Uuid::parse_str(text).ok()).map(ConsentId);
        let consent = consent.ok_or_else(|| Error::refused("choice", "consent: choose one of this file"))?;
        let how = chosen(&typed, "how", How::parse)?;
        let of_home = match home {
            Some((municipality, household)) => consent::of_home(&mut tx, municipality, household).await?.iter().any(|row| row.consent_id == consent),
            None => false,
        };
        match home {
            Some((municipality, household)) if of_home => {
                consent::withdraw(&mut tx, municipality, Subject::Home(household), consent, how, &actor.name, app.clock.now()).await
            }
            _ => consent::withdraw(&mut tx, place.0, Subject::Person(person.id), consent, how, &actor.name, app.clock.now()).await,
        }
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "", done).await
}

async fn post_enrol(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, _) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let module = chosen(&typed, "module", enrolment::module)?;
        let mut details = [String::new(), String::new(), String::new()];
        for (value, detail) in details.iter_mut().zip(module.details) {
            *value = typed.get(detail.name).map(|text| text.trim().to_owned()).unwrap_or_default();
        }
        let today = app.clock.today();
        let new = Proposal { person: person.id, majority: person.birth.majority_on(today), details, from: today };
        enrolment::propose(&mut tx, &mut Mint::system(), module, place.0, &new, &actor.name, app.clock.now()).await?;
        Ok(())
    }
    .await;
    after(tx, &app, &reader, &actor, place, person.id, &typed, "", done).await
}

fn page(reader: &Reader, file: &File, today: NaiveDate, typed: &Typed, problems: &[(&str, String)]) -> Page {
    let words = &reader.words;
    let person = &file.person;
    let base = format!("/registry/person/{}/{}", file.place.0, person.id);
    let error = |name: &str| problems.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str());
    let body = html! {
        (summary(words, problems))
        section { h2 { (words.say("registry-identity")) } (view::identity(words, person, today)) (view::birth(reader, person, &base, typed, &error)) }
        @if !file.questions.is_empty() { section { h2 { (words.say("registry-questions")) } (view::questions(reader, file, &base)) } }
        section { h2 { (words.say("registry-homes")) } (view::homes(reader, file, &base, typed, &error)) }
        section { h2 { (words.say("registry-contacts")) } (view::contacts(reader, file, &base, typed, &error)) }
        section { h2 { (words.say("registry-consents")) } p { (words.say("registry-consents-why")) } (view::consents(reader, file, today, &base, typed, &error)) }
        section { h2 { (words.say("registry-enrolments")) } (view::enrolments(reader, file, &base)) }
        section { h2 { (words.say("registry-history")) } (view::history(words, &file.history)) }
    };
    let enrolled = file.enrolments.iter().flat_map(|(_, rows)| rows).filter(|row| row.status == "enrolled").count() as i64;
    let live = file.consents.iter().chain(&file.home_consents).filter(|consent| consent.live_on(today)).count() as i64;
    let mut page = Page::new("registry", person.name(), body)
        .place(file.place.1.clone())
        .eyebrow(html! { a href="/registry" { (words.say("registry-back")) } " · " (file_number(person.id)) " · " (file.place.1) })
        .answer(html! { (words.tell("registry-file-answer", &[("enrolled", enrolled.into()), ("consents", live.into())])) });
    // The window's title lands in the browser's history: no name there.
    page.title = format!("{} {}", words.say("registry-file"), file_number(person.id));
    page
}
