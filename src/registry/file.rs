//! A person's file: who they are, where they live, how the home is reached, what was agreed, what they take part in, and what changed.
//! Opening it goes on record.

use super::consent::{self, Consent, How, NewConsent, Purpose, Subject};
use super::contact::{self, Channel, NewContact, Shown};
use super::desk::{code_of, file_number};
use super::enrolment::{self, Enrolment, Module, Proposal};
use super::form::{Typed, options, say, select, summary, text};
use super::membership::{self, Membership, Move, Relation};
use super::person::{self, Language, Person, Precision};
use super::{Place, READS, STREAM, place};
use crate::account::access::Routes;
use crate::account::{Actor, audit};
use crate::app::App;
use crate::clock::{show_day, show_time};
use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::{ConsentId, HouseholdId, Mint, MunicipalityId, PersonId};
use crate::language::Words;
use crate::page::{Page, Reader};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use serde_json::{Value, json};

pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/registry/person/{municipality}/{person}", show)
        .post("/registry/person/{municipality}/{person}/home", post_home)
        .post("/registry/person/{municipality}/{person}/contact", post_contact)
        .post("/registry/person/{municipality}/{person}/consent", post_consent)
        .post("/registry/person/{municipality}/{person}/withdraw", post_withdraw)
        .post("/registry/person/{municipality}/{person}/enrol", post_enrol)
}

/// All that stands on the page.
struct File {
    place: Place,
    person: Person,
    homes: Vec<(Membership, String)>,
    /// The present home, with its contacts and consents.
    home: Option<(MunicipalityId, HouseholdId, String)>,
    contacts: Vec<Shown>,
    home_consents: Vec<Consent>,
    consents: Vec<Consent>,
    enrolments: Vec<(&'static Module, Vec<Enrolment>)>,
    history: Vec<(DateTime<Utc>, String, String, Value)>,
}

async fn load(tx: &mut Tx, app: &App, place: Place, id: PersonId) -> Result<File> {
    let person = person::find(tx, &app.keys, place.0, id).await?;
    let mut homes = Vec::new();
    for row in membership::of_person(tx, place.0, id).await? {
        let code = code_of(tx, row.home_municipality_id, row.household_id).await?.unwrap_or_default();
        homes.push((row, code));
    }
    let home = homes
        .iter()
        .find(|(row, _)| row.valid_to.is_none())
        .map(|(row, code)| (row.home_municipality_id, row.household_id, code.clone()));
    let (mut contacts, mut home_consents) = (Vec::new(), Vec::new());
    if let Some((municipality, home, _)) = &home {
        contacts = contact::of_home(tx, &app.keys, *municipality, *home).await?;
        home_consents = consent::of_home(tx, *municipality, *home).await?;
    }
    let consents = consent::of_person(tx, place.0, id).await?;
    let mut enrolments = Vec::new();
    for module in enrolment::ALL {
        enrolments.push((module, enrolment::of_person(tx, module, place.0, id).await?));
    }
    let mut history = Vec::new();
    let mut targets = vec![id.to_string()];
    targets.extend(enrolments.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.enrolment_id.to_string())));
    targets.extend(home.iter().map(|(_, home, _)| home.to_string()));
    for target in targets {
        let rows: Vec<(DateTime<Utc>, String, String, Value)> = crate::all!(
            tx,
            "SELECT at, actor, action, detail FROM audit_entry WHERE municipality_id = $1 AND stream = $2 AND target = $3 ORDER BY sequence DESC LIMIT 30",
            place.0,
            STREAM,
            target
        )?;
        history.extend(rows);
    }
    history.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.2.cmp(&b.2)));
    Ok(File { place, person, homes, home, contacts, home_consents, consents, enrolments, history })
}

fn person_id(text: &str) -> Result<PersonId> {
    uuid::Uuid::parse_str(text).map(PersonId).map_err(|_| person::unknown())
}

async fn show(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Path<(String, String)>) -> Result<Page> {
    let mut tx = app.db.write().await?;
    let place = place(&mut tx, &actor, &code).await?;
    let file = load(&mut tx, &app, place, person_id(&id)?).await?;
    let target = file.person.id.to_string();
    let entry = audit::Entry { stream: READS, actor: &actor.name, action: "file.opened", target: &target, detail: json!({}) };
    audit::record(&mut tx, file.place.0, app.clock.now(), entry).await?;
    tx.commit().await?;
    Ok(page(&reader, &file, app.clock.today(), &Typed::new(), &[]))
}

/// After a form: the file again, or the same page with what was typed and what was wrong.
async fn after(app: &App, reader: &Reader, actor: &Actor, place: Place, id: PersonId, typed: &Typed, field: &'static str, done: Result<()>) -> Result<Response> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/registry/person/{}/{id}", place.0)).into_response()),
        Err(error) if matches!(error.kind, Kind::Refused | Kind::Conflict) => {
            let mut tx = app.db.write().await?;
            let file = load(&mut tx, app, place, id).await?;
            let target = id.to_string();
            let entry = audit::Entry { stream: READS, actor: &actor.name, action: "file.opened", target: &target, detail: json!({}) };
            audit::record(&mut tx, file.place.0, app.clock.now(), entry).await?;
            tx.commit().await?;
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

fn typed_day(typed: &Typed, name: &str, today: NaiveDate) -> Result<NaiveDate> {
    super::entry::day(typed.get(name).map_or("", String::as_str), today)
        .ok_or_else(|| Error::refused("day", "write a day as dd/mm/yyyy, not in the future"))
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
        let wanted = typed.get("household").map_or("", String::as_str).trim().to_uppercase();
        // A home may stand in another pilot than the person's key; the code's letters tell it, the database knows.
        let mut found = None;
        for (municipality, _) in super::places(&mut tx, &actor).await? {
            found = found.or(person::household(&mut tx, municipality, &wanted).await?.map(|home| (municipality, home)));
        }
        let (home_municipality, household) = found
            .ok_or_else(|| Error::refused("household-code", "there is no home with this code in this municipality; compare it with the label"))?;
        let to = Move { home_municipality, household, relation: chosen(&typed, "relation", Relation::parse)?, from: typed_day(&typed, "since", app.clock.today())? };
        membership::move_to(&mut tx, place.0, person.id, to, &actor.name, app.clock.now()).await?;
        Ok(())
    }
    .await;
    finish(tx, done.is_ok()).await?;
    after(&app, &reader, &actor, place, person.id, &typed, "household", done).await
}

async fn finish(tx: Tx, keep: bool) -> Result<()> {
    if keep { tx.commit().await } else { Ok(()) }
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
    finish(tx, done.is_ok()).await?;
    after(&app, &reader, &actor, place, person.id, &typed, "phone", done).await
}

async fn post_consent(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let (place, person, home) = subject(&mut tx, &app, &actor, &code, &id).await?;
    let done = async {
        let purpose = chosen(&typed, "purpose", Purpose::parse)?;
        let given = NewConsent {
            purpose,
            channel: None,
            given_on: typed_day(&typed, "given_on", app.clock.today())?,
            how: chosen(&typed, "how", How::parse)?,
            language: Language::parse(&person.language).unwrap_or(Language::Spanish).name(),
            by_guardian: typed.get("guardian").is_some_and(|word| word == "yes"),
        };
        // Messages and research concern the home; the rest concerns the person.
        let mut mint = Mint::system();
        match purpose {
            Purpose::Messages | Purpose::Research => {
                let (municipality, household) = home.ok_or_else(no_home)?;
                consent::give(&mut tx, &mut mint, municipality, Subject::Home(household), false, &given, &actor.name, app.clock.now()).await?
            }
            _ => {
                let minor = person.birth.minor_on(given.given_on);
                consent::give(&mut tx, &mut mint, place.0, Subject::Person(person.id), minor, &given, &actor.name, app.clock.now()).await?
            }
        };
        Ok(())
    }
    .await;
    finish(tx, done.is_ok()).await?;
    after(&app, &reader, &actor, place, person.id, &typed, "purpose", done).await
}

async fn post_withdraw(State(app): State<App>, reader: Reader, actor: Actor, Path((code, id)): Address, Form(typed): Form<Typed>) -> Result<Response> {
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
    finish(tx, done.is_ok()).await?;
    after(&app, &reader, &actor, place, person.id, &typed, "", done).await
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
        let new = Proposal { person: person.id, minor: person.birth.minor_on(today), details, from: today };
        enrolment::propose(&mut tx, &mut Mint::system(), module, place.0, &new, &actor.name, app.clock.now()).await?;
        Ok(())
    }
    .await;
    finish(tx, done.is_ok()).await?;
    after(&app, &reader, &actor, place, person.id, &typed, "", done).await
}

fn page(reader: &Reader, file: &File, today: NaiveDate, typed: &Typed, problems: &[(&str, String)]) -> Page {
    let words = &reader.words;
    let person = &file.person;
    let base = format!("/registry/person/{}/{}", file.place.0, person.id);
    let error = |name: &str| problems.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str());
    let body = html! {
        (summary(words, problems))
        section { h2 { (words.say("registry-identity")) } (identity(words, person, today)) }
        section { h2 { (words.say("registry-homes")) } (homes(reader, file, &base, typed, &error)) }
        section { h2 { (words.say("registry-contacts")) } (contacts(reader, file, &base, typed, &error)) }
        section { h2 { (words.say("registry-consents")) } p { (words.say("registry-consents-why")) } (consents(reader, file, today, &base, typed, &error)) }
        section { h2 { (words.say("registry-enrolments")) } (enrolments(reader, file, &base)) }
        section { h2 { (words.say("registry-history")) } (history(words, &file.history)) }
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

fn identity(words: &Words, person: &Person, today: NaiveDate) -> Markup {
    let none = html! { span.suave { (words.say("registry-no-data")) } };
    let birth = match (person.birth.date, person.birth.precision) {
        (None, _) => none.clone(),
        (Some(date), Precision::Day) => html! { (show_day(date)) },
        (Some(date), precision) => html! { (date.format("%Y")) " (" (words.say(&format!("registry-precision-{}", precision.name()))) ")" },
    };
    html! {
        table.tabla {
            caption { (words.say("registry-identity-caption")) }
            tbody {
                tr { th scope="row" { (words.say("registry-field-given_names")) } td { (person.given_names) } }
                tr { th scope="row" { (words.say("registry-field-surnames")) } td { (person.surnames) } }
                tr { th scope="row" { "CUI" } td {
                    @match person.cui.as_deref().and_then(|digits| super::cui::Cui::read(digits).ok()) { Some(cui) => { span.junto { (cui.printed()) } } None => { (none) } }
                    @if let Some(warning) = &person.cui_warning { span.sub { (words.say(&format!("registry-cui-{warning}"))) } }
                } }
                tr { th scope="row" { (words.say("registry-field-birth_date")) } td { (birth) @if let Some(age) = person.birth.age_on(today) { span.sub { (words.tell("registry-age", &[("n", age.into())])) } } } }
                tr { th scope="row" { (words.say("registry-field-sex")) } td { (words.say(&format!("registry-sex-{}", person.sex.name()))) } }
                tr { th scope="row" { (words.say("registry-field-language")) } td { (words.say(&format!("registry-language-{}", person.language))) } }
                tr { th scope="row" { (words.say("registry-field-migration_status")) } td { (words.say(&format!("registry-migration-{}", person.migration_status.name()))) } }
                tr { th scope="row" { (words.say("registry-recorded")) } td { (show_time(person.recorded_at)) span.sub { (person.recorded_by) } } }
            }
        }
    }
}

fn homes<'e>(reader: &Reader, file: &File, base: &str, typed: &Typed, error: &impl Fn(&str) -> Option<&'e str>) -> Markup {
    let words = &reader.words;
    html! {
        @if file.homes.is_empty() { p.vacio { (words.say("registry-no-home")) } } @else {
            table.tabla {
                caption { (words.say("registry-homes-caption")) }
                thead { tr { th scope="col" { (words.say("registry-home")) } th scope="col" { (words.say("registry-field-relation")) } th.num scope="col" { (words.say("registry-from")) } th.num scope="col" { (words.say("registry-to")) } } }
                tbody { @for (row, code) in &file.homes { tr {
                    th scope="row" { span.junto { (code) } }
                    td { (words.say(&format!("registry-relation-{}", row.relation))) }
                    td.num { (show_day(row.valid_from)) }
                    td.num { @match row.valid_to { Some(day) => { (show_day(day)) } None => { (words.say("registry-present")) } } }
                } } }
            }
        }
        details open[error("household").is_some()] {
            summary { (words.say("registry-move")) }
            form.mx method="post" action={ (base) "/home" } {
                (reader.csrf_field())
                (text(words, "household", typed, error("household"), true))
                (select(words, "relation", &options(words, "registry-relation", Relation::ALL, Relation::name), typed, None))
                (text(words, "since", typed, None, true))
                div { button.boton { (words.say("registry-save-home")) } }
            }
        }
    }
}

fn contacts<'e>(reader: &Reader, file: &File, base: &str, typed: &Typed, error: &impl Fn(&str) -> Option<&'e str>) -> Markup {
    let words = &reader.words;
    html! {
        @if file.contacts.is_empty() { p.vacio { (words.say("registry-no-contact")) } } @else {
            table.tabla {
                caption { (words.say("registry-contacts-caption")) }
                thead { tr { th scope="col" { (words.say("registry-field-channel")) } th scope="col" { (words.say("registry-number")) } th.ancho scope="col" { (words.say("registry-field-language")) } th.num scope="col" { (words.say("registry-from")) } th.num.ancho scope="col" { (words.say("registry-to")) } } }
                tbody { @for row in &file.contacts { tr {
                    th scope="row" { (words.say(&format!("registry-channel-{}", row.channel))) }
                    td { @match &row.ending { Some(ending) => { (words.say("registry-ends-in")) " " (ending) } None => span.suave { (words.say("registry-no-number")) } } }
                    td.ancho { (words.say(&format!("registry-language-{}", row.language))) }
                    td.num { (show_day(row.valid_from)) }
                    td.num.ancho { @match row.valid_to { Some(day) => { (show_day(day)) } None => { (words.say("registry-present")) } } }
                } } }
            }
        }
        @if file.home.is_some() {
            details open[error("phone").is_some()] {
                summary { (words.say("registry-new-contact")) }
                form.mx method="post" action={ (base) "/contact" } {
                    (reader.csrf_field())
                    (select(words, "channel", &options(words, "registry-channel", Channel::ALL, Channel::name), typed, None))
                    (text(words, "phone", typed, error("phone"), true))
                    (select(words, "spanish_allowed", &[("yes".into(), words.say("registry-yes")), ("no".into(), words.say("registry-no"))], typed, None))
                    div { button.boton { (words.say("registry-save-contact")) } }
                }
            }
        }
    }
}

fn consents<'e>(reader: &Reader, file: &File, today: NaiveDate, base: &str, typed: &Typed, error: &impl Fn(&str) -> Option<&'e str>) -> Markup {
    let words = &reader.words;
    let all: Vec<(&'static str, &Consent)> = file.home_consents.iter().map(|row| ("registry-of-home", row)).chain(file.consents.iter().map(|row| ("registry-of-person", row))).collect();
    let purposes: Vec<(String, String)> = options(words, "registry-purpose", Purpose::ALL, Purpose::name);
    html! {
        @if all.is_empty() { p.vacio { (words.say("registry-no-consent")) } } @else {
            table.tabla {
                caption { (words.say("registry-consents-caption")) }
                thead { tr { th scope="col" { (words.say("registry-field-purpose")) } th scope="col" { (words.say("registry-given")) } th scope="col" { (words.say("registry-state")) } th scope="col" { span.oido { (words.say("registry-withdraw")) } } } }
                tbody { @for (whose, row) in &all { tr {
                    th scope="row" { (words.say(&format!("registry-purpose-{}", row.purpose))) span.sub { (words.say(whose)) @if row.by_guardian { " · " (words.say("registry-by-guardian")) } } }
                    td { (show_day(row.given_on)) span.sub { (words.say(&format!("registry-how-{}", row.given_how))) } }
                    td { @match row.withdrawn_at {
                        Some(at) => { span.estado.ojo { (words.say("registry-withdrawn")) } span.sub { (show_time(at)) } }
                        None if row.live_on(today) => span.estado.bien { (words.say("registry-holds")) },
                        None => span.estado.espera { (words.say("registry-not-yet")) },
                    } }
                    td { @if row.withdrawn_at.is_none() {
                        form method="post" action={ (base) "/withdraw" } {
                            (reader.csrf_field())
                            input type="hidden" name="consent" value=(row.consent_id);
                            input type="hidden" name="how" value="phone";
                            button.boton { (words.say("registry-withdraw")) span.oido { ": " (words.say(&format!("registry-purpose-{}", row.purpose))) } }
                        }
                    } }
                } } }
            }
        }
        details open[error("purpose").is_some()] {
            summary { (words.say("registry-give-consent")) }
            form.mx method="post" action={ (base) "/consent" } {
                (reader.csrf_field())
                (select(words, "purpose", &purposes, typed, error("purpose")))
                (text(words, "given_on", typed, None, true))
                (select(words, "how", &options(words, "registry-how", How::ALL, How::name), typed, None))
                (select(words, "guardian", &[("no".into(), words.say("registry-no")), ("yes".into(), words.say("registry-yes"))], typed, None))
                div { button.boton { (words.say("registry-save-consent")) } }
            }
        }
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

fn enrolments(reader: &Reader, file: &File, base: &str) -> Markup {
    let words = &reader.words;
    let none = file.enrolments.iter().all(|(_, rows)| rows.is_empty());
    html! {
        @if none { p.vacio { (words.say("registry-no-enrolment")) } } @else {
            table.tabla {
                caption { (words.say("registry-enrolments-caption")) }
                thead { tr { th scope="col" { (words.say("registry-module")) } th scope="col" { (words.say("registry-what")) } th scope="col" { (words.say("registry-state")) } th.num scope="col" { (words.say("registry-from")) } } }
                tbody { @for (module, rows) in &file.enrolments { @for row in rows { tr {
                    th scope="row" { (words.say(&format!("registry-module-{}", module.name))) }
                    td { @for (index, value) in row.details().iter().enumerate().filter(|(_, value)| !value.is_empty()) { @if index > 0 { " · " } (detail_word(words, module, index, value)) } }
                    td { span class={ "estado " (super::roll::status_class(row.status())) } { (words.say(&format!("registry-status-{}", row.status))) } }
                    td.num { (show_day(row.started_on)) }
                } } } }
            }
        }
        @for module in enrolment::ALL {
            details {
                summary { (words.say(&format!("registry-propose-{}", module.name))) }
                form.mx method="post" action={ (base) "/enrol" } {
                    (reader.csrf_field())
                    input type="hidden" name="module" value=(module.name);
                    @for (index, detail) in module.details.iter().enumerate() {
                        @let id = format!("{}-{}", module.name, detail.name);
                        div.campo {
                            label for=(id) { (words.say(&format!("registry-detail-{}", detail.name))) }
                            @if detail.choices.is_empty() { input type="text" id=(id) name=(detail.name) inputmode="numeric" autocomplete="off"; }
                            @else { select id=(id) name=(detail.name) { @for value in detail.choices { option value=(value) { (detail_word(words, module, index, value)) } } } }
                        }
                    }
                    div { button.boton { (words.say("registry-save-proposal")) } }
                }
            }
        }
    }
}

fn history(words: &Words, rows: &[(DateTime<Utc>, String, String, Value)]) -> Markup {
    html! {
        @if rows.is_empty() { p.vacio { (words.say("registry-no-history")) } } @else {
            table.tabla {
                caption { (words.say("registry-history-caption")) }
                thead { tr { th scope="col" { (words.say("registry-when")) } th scope="col" { (words.say("registry-change")) } th scope="col" { (words.say("registry-who")) } } }
                tbody { @for (at, actor, action, detail) in rows { tr {
                    td { span.junto { (show_time(*at)) } }
                    td { (words.say(&format!("registry-action-{}", action.replace('.', "-"))))
                        @if let (Some(to), module) = (detail["to"].as_str(), detail["module"].as_str().unwrap_or_default()) { span.sub {
                            (words.say(&format!("registry-module-{module}"))) ": " (words.say(&format!("registry-status-{to}")))
                            @if let Some(reason) = detail["reason"].as_str() { " · " (words.say(&format!("registry-reason-{reason}"))) }
                        } }
                        @if let Some(purpose) = detail["purpose"].as_str() { span.sub { (words.say(&format!("registry-purpose-{purpose}"))) } }
                    }
                    td { (actor) }
                } } }
            }
        }
    }
}
