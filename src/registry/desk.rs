//! The registrar's first page: who waits, and a search that goes on record.

use super::enrolment;
use super::likeness::{self, Question};
use super::person::{self, Person};
use super::place::{code_of, file_number};
use super::{Place, READS, consent, membership, places, view};
use crate::account::access::Routes;
use crate::account::{Actor, audit};
use crate::app::App;
use crate::clock::{local_day, show_day, show_time};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, PersonId};
use crate::page::{Page, Reader, count};
use crate::territory::code::code_on;
use crate::territory::dated::in_force;
use crate::{all, one};
use axum::Form;
use axum::extract::State;
use chrono::NaiveDate;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

pub fn routes(routes: Routes) -> Routes {
    routes.get("/registry", desk).post("/registry/search", search)
}

/// What waits in one municipality. Codes of homes and numbers of files only: no name is opened to draw this page.
struct Waiting {
    place: Place,
    candidates: Vec<(&'static str, i64)>,
    without_consent: (i64, Vec<String>),
    without_contact: (i64, Vec<String>),
    enrolled_without_consent: i64,
    cui: Vec<(PersonId, String)>,
    questions: (Vec<Question>, i64),
}

const LISTED: i64 = 30;

async fn waiting(tx: &mut Tx, place: Place, today: NaiveDate) -> Result<Waiting> {
    let id = place.0;
    let mut candidates = Vec::new();
    for module in enrolment::ALL {
        candidates.push((module.name, enrolment::waiting(tx, module, id).await?));
    }
    macro_rules! homes {
        ($those_with:literal, $day:expr, $after:expr) => {{
            // Two lists in the order of homes, read once beside each other. With a limit SQLite keeps that order; nothing is cut by it.
            let rows: Vec<(String, i64)> = all!(
                tx,
                concat!(
                    "WITH without AS MATERIALIZED (SELECT v.household_id FROM household_version v WHERE v.municipality_id = $1 AND v.service_status = 'served' AND ",
                    in_force!("v", "$2"),
                    " EXCEPT ",
                    $those_with,
                    " ORDER BY 1 LIMIT 1000000000) SELECT ",
                    code_on!("household", "h", "$2"),
                    ", (SELECT COUNT(*) FROM without) FROM without CROSS JOIN household h
                      WHERE h.municipality_id = $1 AND h.household_id = without.household_id ORDER BY h.code LIMIT $4"
                ),
                id,
                $day,
                $after,
                LISTED
            )?;
            (rows.first().map_or(0, |(_, n)| *n), rows.into_iter().map(|(code, _)| code).collect::<Vec<String>>())
        }};
    }
    let after = consent::day_after(today);
    let without_consent = homes!(
        "SELECT c.household_id FROM consent c WHERE c.municipality_id = $1 AND c.household_id IS NOT NULL AND c.purpose = 'messages' AND c.given_on <= $2 AND (c.withdrawn_at IS NULL OR c.withdrawn_at >= $3)",
        today,
        after
    );
    let without_contact = homes!(
        "SELECT c.household_id FROM contact c WHERE c.municipality_id = $1 AND c.valid_from <= $2 AND (c.valid_to IS NULL OR c.valid_to > $2) AND (c.channel = 'paper' OR c.address_sealed IS NOT NULL) AND $3 IS NOT NULL",
        today,
        after
    );
    macro_rules! enrolled { ($table:literal, $purpose:literal) => {{
        let (n,): (i64,) = one!(
            tx,
            // Both in the order of people, read once beside each other, as above.
            concat!(
                "SELECT COUNT(*) FROM (SELECT e.person_id FROM ", $table, " e WHERE e.municipality_id = $1 AND e.status = 'enrolled'
                 EXCEPT SELECT c.person_id FROM consent c WHERE c.municipality_id = $1 AND c.person_id IS NOT NULL AND c.purpose = '", $purpose, "' AND c.withdrawn_at IS NULL
                 ORDER BY 1 LIMIT 1000000000) AS without WHERE EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = $1 AND p.person_id = without.person_id)"
            ),
            id
        )?;
        n
    }} }
    let enrolled_without_consent =
        enrolled!("finance_enrolment", "finance") + enrolled!("school_enrolment", "school") + enrolled!("gender_enrolment", "gender");
    let cui: Vec<(PersonId, String)> = all!(
        tx,
        "SELECT person_id, cui_warning FROM person WHERE municipality_id = $1 AND cui_warning IN ('check_digit', 'place') ORDER BY person_id LIMIT $2",
        id,
        LISTED
    )?;
    let questions = likeness::open(tx, id, LISTED).await?;
    Ok(Waiting { place, candidates, without_consent, without_contact, enrolled_without_consent, cui, questions })
}

impl Waiting {
    fn total(&self) -> i64 {
        self.candidates.iter().map(|(_, n)| n).sum::<i64>() + self.enrolled_without_consent + self.cui.len() as i64 + self.questions.1
    }
}

async fn desk(State(app): State<App>, reader: Reader, actor: Actor) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let today = app.clock.today();
    let mut all = Vec::new();
    for place in places(&mut tx, &actor).await? {
        all.push(waiting(&mut tx, place, today).await?);
    }
    let words = &reader.words;
    let total: i64 = all.iter().map(Waiting::total).sum();
    let without: i64 = all.iter().map(|place| place.without_consent.0).sum();
    let body = html! {
        @if all.is_empty() { p.vacio { (words.say("registry-no-pilot")) } }
        @for place in &all { (tasks(&reader, place)) }
        (search_form(&reader, ""))
        (new_links(&reader, &all.iter().map(|place| &place.place).collect::<Vec<_>>()))
    };
    let values = [("total", total.into()), ("homes", without.into())];
    Ok(Page::new("registry", words.tell("registry-heading", &values), body)
        .eyebrow(html! { (words.say("registry-eyebrow")) " · " (show_time(app.clock.now())) })
        .answer(html! { (words.tell("registry-answer", &values)) }))
}

fn tasks(reader: &Reader, waiting: &Waiting) -> Markup {
    let words = &reader.words;
    let code = waiting.place.0.to_string();
    let people = |n: i64| html! { (count(n)) " " (words.tell("registry-people-word", &[("n", n.into())])) };
    let homes = |n: i64| html! { (count(n)) " " (words.tell("registry-homes-word", &[("n", n.into())])) };
    html! {
        section {
            h2 { (waiting.place.1) }
            ol.asuntos {
                @for (module, n) in waiting.candidates.iter().filter(|(_, n)| *n > 0) {
                    li {
                        span.estado.ojo { (people(*n)) }
                        div {
                            h3 { (words.say(&format!("registry-candidates-{module}"))) }
                            p.suave { (words.say("registry-candidates-why")) }
                        }
                        a.boton href={ "/registry/" (module) "?municipality=" (code) "&status=candidate" } { (words.say("registry-see-candidates")) span.oido { ": " (words.say(&format!("registry-module-{module}"))) ", " (waiting.place.1) } }
                    }
                }
                @if waiting.enrolled_without_consent > 0 {
                    li {
                        span.estado.ojo { (people(waiting.enrolled_without_consent)) }
                        div { h3 { (words.say("registry-enrolled-without")) } p.suave { (words.say("registry-enrolled-without-why")) } }
                    }
                }
                @if waiting.questions.1 > 0 {
                    li {
                        span.estado.ojo { (count(waiting.questions.1)) }
                        div {
                            h3 { (words.say("registry-questions")) }
                            p.suave { (words.say("registry-questions-why")) }
                            details {
                                summary { (words.say("registry-see-questions")) span.oido { ", " (waiting.place.1) } }
                                ul.asuntos { @for row in &waiting.questions.0 {
                                    @let own = if row.municipality_id == waiting.place.0 { (row.municipality_id, row.person_id) } else { (row.like_municipality_id, row.like_person_id) };
                                    @let base = format!("/registry/person/{}/{}", own.0, own.1);
                                    li { a href=(base) { (file_number(own.1)) } ul { (view::question(reader, row, own, &base)) } }
                                } }
                                @if waiting.questions.1 > waiting.questions.0.len() as i64 { p { (words.tell("registry-and-more", &[("n", (waiting.questions.1 - waiting.questions.0.len() as i64).into())])) } }
                            }
                        }
                    }
                }
                @if !waiting.cui.is_empty() {
                    li {
                        span.estado.ojo { (people(waiting.cui.len() as i64)) }
                        div {
                            h3 { (words.say("registry-cui-warnings")) }
                            p.suave { (words.say("registry-cui-warnings-why")) }
                            details {
                                summary { (words.say("registry-see-files")) span.oido { ", " (waiting.place.1) } }
                                ul { @for (id, warning) in &waiting.cui {
                                    li { a href={ "/registry/person/" (code) "/" (id) } { (file_number(*id)) } " · " (words.say(&format!("registry-cui-{warning}"))) }
                                } }
                            }
                        }
                    }
                }
                @for (key, (n, codes)) in [("registry-homes-consent", &waiting.without_consent), ("registry-homes-contact", &waiting.without_contact)] {
                    @if *n > 0 {
                        li {
                            span.estado.espera { (homes(*n)) }
                            div {
                                h3 { (words.say(key)) }
                                p.suave { (words.say(&format!("{key}-why"))) }
                                details {
                                    summary { (words.say("registry-see-homes")) span.oido { ": " (words.say(key)) ", " (waiting.place.1) } }
                                    p { (codes.join(", ")) @if *n > codes.len() as i64 { " … " (words.tell("registry-and-more", &[("n", (*n - codes.len() as i64).into())])) } }
                                }
                            }
                        }
                    }
                }
            }
            @if waiting.total() == 0 && waiting.without_consent.0 == 0 && waiting.without_contact.0 == 0 { p.vacio { (words.say("registry-nobody-waits")) } }
        }
    }
}

fn search_form(reader: &Reader, typed: &str) -> Markup {
    let words = &reader.words;
    html! {
        section {
            h2 id="buscar" { (words.say("registry-search")) }
            form.campo role="search" method="post" action="/registry/search" aria-labelledby="buscar" {
                (reader.csrf_field())
                label for="q" { (words.say("registry-search-label")) }
                input type="search" id="q" name="q" autocomplete="off" aria-describedby="q-ayuda" value=(typed);
                p.suave.chico id="q-ayuda" { (words.say("registry-search-help")) }
                div { button.boton { (words.say("registry-search-button")) } }
            }
        }
    }
}

fn new_links(reader: &Reader, places: &[&Place]) -> Markup {
    html! {
        section {
            h2 { (reader.words.say("registry-new")) }
            div.botones { @for (id, name) in places.iter().map(|place| (place.0, &place.1)) {
                a.boton href={ "/registry/person/new/" (id) } { (reader.words.tell("registry-new-in", &[("place", name.clone().into())])) }
            } }
        }
    }
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

/// By POST: what is typed stays out of addresses and their logs. The audit chain learns that somebody searched, not for whom.
async fn search(State(app): State<App>, reader: Reader, actor: Actor, Form(form): Form<Search>) -> Result<Page> {
    let (now, today, words) = (app.clock.now(), app.clock.today(), &reader.words);
    let mut tx = app.db.write().await?;
    let mut found: Vec<(Place, Person, Option<String>)> = Vec::new();
    let typed: String = form.q.chars().take(200).collect();
    let reach = places(&mut tx, &actor).await?;
    for place in &reach {
        let people = person::search(&mut tx, &app.keys, place.0, &typed, today).await?;
        let detail = json!({"results": people.len()});
        let entry = audit::Entry { stream: READS, actor: &actor.name, action: "people.searched", target: "search", detail };
        audit::record(&mut tx, place.0, now, entry).await?;
        for person in people {
            let home = present_home(&mut tx, place.0, person.id, local_day(now)).await?;
            found.push((place.clone(), person, home));
        }
    }
    tx.commit().await?;
    let shown = found.len() as i64;
    // Each place stops at its limit: with one of them full, the true number is not known.
    let cut = reach.iter().any(|place| found.iter().filter(|(of, ..)| of.0 == place.0).count() as i64 >= person::SEARCH_LIMIT);
    let body = html! {
        @if cut { p.suave { (words.tell("registry-search-limit", &[("n", person::SEARCH_LIMIT.into())])) } }
        @if found.is_empty() { p.vacio { (words.say("registry-search-none")) } } @else {
            table.tabla {
                caption { (words.say("registry-search-caption")) }
                thead { tr { th scope="col" { (words.say("registry-name")) } th scope="col" { (words.say("registry-birth-year")) } th scope="col" { (words.say("registry-home")) } th.ancho scope="col" { (words.say("registry-place")) } } }
                tbody { @for (place, person, home) in &found { tr {
                    th scope="row" { a href={ "/registry/person/" (place.0) "/" (person.id) } { (person.name()) } span.sub.angosto { (place.1) } }
                    td { @match person.birth.date { Some(date) => { (date.format("%Y")) } None => span.suave { (words.say("registry-no-data")) } } }
                    td { @match home { Some(code) => { span.junto { (code) } } None => span.suave { (words.say("registry-no-data")) } } }
                    td.ancho { (place.1) }
                } } }
            }
        }
        (search_form(&reader, &typed))
    };
    Ok(Page::new("registry", words.tell(if cut { "registry-found-more" } else { "registry-found" }, &[("n", shown.into())]), body)
        .eyebrow(html! { a href="/registry" { (words.say("registry-back")) } " · " (show_day(local_day(now))) })
        .answer(html! { (words.say("registry-search-logged")) }))
}

/// The code of the home where somebody lives at present.
pub(crate) async fn present_home(tx: &mut Tx, municipality: MunicipalityId, person: PersonId, today: NaiveDate) -> Result<Option<String>> {
    let present = membership::of_person(tx, municipality, person).await?.into_iter().find(|row| row.valid_to.is_none());
    match present {
        Some(row) => code_of(tx, row.home_municipality_id, row.household_id, today).await,
        None => Ok(None),
    }
}
