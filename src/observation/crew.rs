//! The crew's phone: today's rounds as data, the page that works without signal, and the phone's enrolment.

use super::round::{self, Round};
use crate::account::access::Routes;
use crate::account::{Actor, audit, device};
use crate::app::App;
use crate::clock::{local_day, show_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, OperatorId, sha256_hex};
use crate::language::Words;
use crate::opt;
use crate::page::Reader;
use crate::territory::collection::{self, Stop};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

const WORKER: &str = include_str!("../../templates/sw.js");
const MANIFEST: &str = include_str!("../../templates/crew.webmanifest");
const ICON: &str = include_str!("../../templates/crew.svg");

/// Changes whenever anything the phone keeps changes, and with it the name of the phone's cache.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let shell = shell(&Words::default(), &Front::default(), "").into_string();
    let parts = [
        include_str!("../../templates/style.css"),
        include_str!("../../templates/crew.js"),
        include_str!("../../templates/outbox.js"),
        WORKER,
        MANIFEST,
        ICON,
        include_str!("../../templates/interface/es.ftl"),
        include_str!("../../templates/interface/en.ftl"),
        &shell,
    ];
    sha256_hex(parts.concat().as_bytes())[..12].to_owned()
});

pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v1/rounds/today", today)
        .get("/crew", crew_page)
        .get("/crew/shell", crew_shell)
        .get("/crew/sw.js", worker)
        .get("/crew/manifest.webmanifest", async || asset("application/manifest+json", MANIFEST.to_owned()))
        .get("/crew/icon.svg", async || asset("image/svg+xml", ICON.to_owned()))
        .post("/crew/enrol", enrol)
}

/// The day's rounds with their stops, for one operator or (a municipality's own phone) for all.
pub struct Day {
    pub day: NaiveDate,
    pub rounds: Vec<(Round, String, String, Vec<Stop>)>,
}

/// Reads the day of an operator, or of all. Today begins with the rounds of last night that are still on the road.
pub async fn day_of(app: &App, municipality: MunicipalityId, operator: Option<&str>, day: NaiveDate) -> Result<Day> {
    let mut tx = app.db.read().await?;
    let now = app.clock.now();
    let mut rounds = Vec::new();
    if day == local_day(now)
        && let Some(yesterday) = round::night_before(&mut tx, municipality, now).await?
    {
        rounds.extend(rounds_of(&mut tx, municipality, operator, yesterday).await?.into_iter().filter(|(round, ..)| round.still_out(now)));
    }
    rounds.extend(rounds_of(&mut tx, municipality, operator, day).await?);
    Ok(Day { day, rounds })
}

async fn rounds_of(
    tx: &mut Tx,
    municipality: MunicipalityId,
    operator: Option<&str>,
    day: NaiveDate,
) -> Result<Vec<(Round, String, String, Vec<Stop>)>> {
    let rounds = round::of_day(tx, municipality, day).await?;
    let mut names = round::names(tx, municipality, &rounds).await?;
    let mut own = Vec::new();
    for round in rounds {
        let named = names.remove(&round.round_id).filter(|names| operator.is_none_or(|own| own == names.operator_code));
        let Some(names) = named else { continue };
        let stops = collection::stops(tx, municipality, round.route_id, day).await?;
        own.push((round, names.code, names.route, stops));
    }
    Ok(own)
}

fn day_json(day: &Day) -> Value {
    let rounds: Vec<Value> = day
        .rounds
        .iter()
        .map(|(round, code, name, stops)| {
            let stops: Vec<Value> = stops
                .iter()
                .zip(1..)
                .map(|(stop, order)| {
                    json!({"order": order, "household": stop.code, "lon": stop.lon, "lat": stop.lat, "hint": stop.hint,
                           "double": round::asks_second_observer(round.round_id, stop.household_id)})
                })
                .collect();
            json!({"round": round.round_id, "service_day": round.service_day, "route": code, "name": name, "stream": round.stream, "window": [round.window_start, round.window_end], "stops": stops})
        })
        .collect();
    json!({"service_day": day.day, "rounds": rounds})
}

/// `?day=` asks for a day gone by: what was written on paper is brought in later.
#[derive(Debug, Default, serde::Deserialize)]
struct Ask {
    #[serde(default)]
    day: Option<String>,
}

async fn today(State(app): State<App>, actor: Actor, headers: HeaderMap, Query(ask): Query<Ask>) -> Result<Response> {
    let today = app.clock.today();
    let day = match ask.day.as_deref().filter(|text| !text.is_empty()) {
        None => today,
        Some(text) => match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) if day <= today => day,
            Ok(_) => return Err(Error::refused("day-ahead", format!("day {text} has not come yet: rounds are told on their day"))),
            Err(_) => return Err(Error::refused("day", format!("day «{text}» is not a day: write it like {today}"))),
        },
    };
    let day = day_of(&app, actor.home()?, actor.operator.as_deref(), day).await?;
    let body = day_json(&day).to_string();
    let tag = format!("\"{}\"", &sha256_hex(body.as_bytes())[..24]);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // A proxy that compresses marks the tag as weak; the day is the same.
    if known.flat_map(|value| value.split(',')).any(|value| value.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag), (header::CONTENT_TYPE, "application/json".to_owned()), (header::CACHE_CONTROL, "private, no-cache".to_owned())], body)
        .into_response())
}

/// What the page knows about who holds the phone. Empty in the shell that phones keep.
#[derive(Default)]
struct Front {
    login: String,
    csrf: String,
    demo: bool,
    paper: Option<Markup>,
}

async fn crew_page(State(app): State<App>, actor: Actor, reader: Reader) -> Result<Response> {
    let day = day_of(&app, actor.home()?, actor.operator.as_deref(), app.clock.today()).await?;
    let paper = Some(paper(&reader.words, &day));
    let front = Front { login: actor.name.clone(), csrf: reader.csrf.clone(), demo: app.demo, paper };
    Ok(page(shell(&reader.words, &front, &BUILD), "no-store"))
}

async fn crew_shell(State(app): State<App>, reader: Reader) -> Response {
    page(shell(&reader.words, &Front { demo: app.demo, ..Front::default() }, &BUILD), "no-cache")
}

fn page(markup: Markup, cache: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, cache)];
    let mut response = (headers, markup.into_string()).into_response();
    // The service worker takes only our own page for the page: a captive portal answers 200 too.
    response.headers_mut().insert("x-vecino", header::HeaderValue::from_static("crew"));
    response
}

fn asset(kind: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

async fn worker() -> Response {
    let files: Vec<String> =
        ["/static/style.css", "/static/crew.js", "/static/outbox.js"].iter().map(|file| format!("\"{file}?v={}\"", *BUILD)).collect();
    let files = format!("{}, \"/crew/manifest.webmanifest\", \"/crew/icon.svg\"", files.join(", "));
    let mut response = asset("text/javascript; charset=utf-8", WORKER.replace("__BUILD__", &BUILD).replace("__FILES__", &files));
    response.headers_mut().insert("service-worker-allowed", header::HeaderValue::from_static("/crew"));
    response
}

/// A crew that signed in makes its phone known: the phone gets an identity and a token of its own, shown once.
async fn enrol(State(app): State<App>, actor: Actor) -> Result<Response> {
    if actor.account.is_none() {
        // A token that could make tokens would outlive its own end.
        return Err(Error::forbidden("phone-needs-sign-in", "a phone is made known by a person who signs in on it; sign in with login and password"));
    }
    let municipality = actor.home()?;
    let now = app.clock.now();
    let mut secret = [0u8; 32];
    rand::fill(&mut secret);
    let secret = hex::encode(secret);
    let mut tx = app.db.write().await?;
    let operator: Option<(OperatorId,)> = match &actor.operator {
        None => None,
        Some(code) => opt!(tx, "SELECT operator_id FROM operator WHERE municipality_id = $1 AND code = $2", municipality, code)?,
    };
    let mut mint = Mint::system();
    let mark: uuid::Uuid = mint.id(now);
    // Two phones of one login keep apart by the end of a random identity.
    let mark = mark.simple().to_string();
    let name = format!("{} {}", actor.name, &mark[mark.len() - 6..]);
    let id = device::enrol(&mut tx, now, &mut mint, municipality, operator.map(|(id,)| id), actor.operator.as_deref(), &name, secret.clone()).await?;
    let target = id.to_string();
    let detail = json!({ "name": name });
    audit::record(&mut tx, municipality, now, audit::Entry { stream: "account", actor: &actor.name, action: "enrol phone", target: &target, detail })
        .await?;
    tx.commit().await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({"device": id, "token": secret, "name": name}))).into_response())
}

/// Interface strings the script fills in by itself: `{n}` and its like stay for it to replace.
const SCRIPT_WORDS: &[(&str, &[&str])] = &[
    ("far", &["n"]),
    ("progress", &["n", "total"]),
    ("no-route", &[]),
    ("stream-organic", &[]),
    ("stream-recyclable", &[]),
    ("stream-residual", &[]),
    ("stream-mixed", &[]),
    ("finished", &[]),
    ("finished-help", &["n", "total"]),
    ("choose", &[]),
    ("no-rounds", &[]),
    ("waiting", &[]),
    ("waiting-help", &[]),
    ("refused", &[]),
    ("refused-help", &[]),
    ("correcting", &["outcome"]),
    ("double", &[]),
    ("all-sent", &[]),
    ("unsent", &["n"]),
    ("since", &["at"]),
    ("look-for-signal", &["at"]),
    ("attention", &["n"]),
    ("nothing-yet", &[]),
    ("saved-at", &["at"]),
    ("sent-at", &["at"]),
    ("not-saved", &[]),
    ("not-saved-help", &[]),
    ("route-choice", &["route", "from", "to", "n"]),
    ("pending", &[]),
    ("state-waiting", &[]),
    ("state-sent", &[]),
    ("state-attention", &[]),
    ("attention-row", &["home", "outcome", "at", "why"]),
    ("round", &[]),
    ("why-other", &["code"]),
    ("why-household-unknown", &[]),
    ("why-round-unknown", &[]),
    ("why-observed-in-the-future", &[]),
    ("why-op-other-content", &[]),
    ("persist-yes", &[]),
    ("persist-no", &[]),
    ("persist-unknown", &[]),
    ("list-day", &["day"]),
    ("outcome-bien", &[]),
    ("outcome-medio", &[]),
    ("outcome-mal", &[]),
    ("outcome-no", &[]),
    ("outcome-undone", &[]),
];

fn script_words(words: &Words) -> String {
    let mut out = Map::new();
    for (key, values) in SCRIPT_WORDS {
        let marks: Vec<(&str, String)> = values.iter().map(|name| (*name, format!("{{{name}}}"))).collect();
        let marks: Vec<_> = marks.iter().map(|(name, mark)| (*name, mark.as_str().into())).collect();
        out.insert((*key).to_owned(), Value::String(words.tell(&format!("crew-{key}"), &marks)));
    }
    for reason in super::Reason::ALL {
        out.insert(format!("outcome-{}", reason.name()), Value::String(words.say(&format!("reason-{}", reason.name()))));
    }
    // Nothing in a JSON block may look like the end of it.
    Value::Object(out).to_string().replace('<', "\\u003c")
}

/// The four outcomes: same size, same weight, one touch each.
fn outcome_key(words: &Words, name: &'static str, drawing: Markup) -> Markup {
    html! { button.tecla name="r" value=(name) disabled { svg viewBox="0 0 40 40" aria-hidden="true" { (drawing) } (words.say(&format!("crew-outcome-{name}"))) } }
}

fn shell(words: &Words, front: &Front, build: &str) -> Markup {
    let say = |key: &str| words.say(key);
    html! {
        (DOCTYPE)
        html lang=(words.language.tag()) data-tema="sol" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="theme-color" content="#ffffff";
                title { (say("crew-title")) " · Vecino" }
                link rel="stylesheet" href={ "/static/style.css?v=" (build) };
                link rel="manifest" href="/crew/manifest.webmanifest";
                link rel="icon" href="/crew/icon.svg" type="image/svg+xml";
            }
            body {
                @if front.demo { aside.practica aria-label=(say("crew-notice")) { p { (say("crew-demo")) } } }
                noscript { (front.paper.clone().unwrap_or_else(|| html! { main.papel { h1 { (say("crew-title")) } p { (say("crew-needs-script")) } } })) }
                main.calle #calle .sola[!front.demo] hidden data-login=(front.login) data-csrf=(front.csrf) data-estado="sin-ruta" {
                    div.arriba {
                        button.asa #abrir-lista type="button" disabled { b #ruta {} span #n {} span.oido { (say("crew-open-list")) } }
                        button.asa.derecha #cola type="button" aria-live="polite" { b #cola1 {} span #cola2 {} }
                    }
                    div {
                        div.parada aria-live="polite" { p.hoy #hoy {} h1 #casa { (say("crew-waiting")) } p.sena #sena {} p.lejos #lejos {} }
                        div.rutas #rutas hidden {}
                    }
                    div {
                        div.hecho #hecho role="status" { p { b #ult {} span #ult2 {} } button #deshacer type="button" hidden { (say("crew-undo")) } }
                        form #teclas method="post" aria-label=(say("crew-question")) {
                            (outcome_key(words, "bien", html! { circle.f-bien cx="20" cy="20" r="19" {} path.f-l d="M11 21l6 6 12-14" {} }))
                            (outcome_key(words, "medio", html! { path.f-medio d="M20 2L39 36H1z" {} path.f-l d="M20 14v10M20 30v.5" {} }))
                            (outcome_key(words, "mal", html! { rect.f-mal x="2" y="2" width="36" height="36" rx="3" {} path.f-l d="M12 12l16 16M28 12L12 28" {} }))
                            (outcome_key(words, "no", html! { circle.f-no cx="20" cy="20" r="16.5" {} path d="M9 31L31 9" stroke="currentColor" stroke-width="5" {} }))
                            button.tecla.fila #no-pasar type="button" disabled { (say("crew-not-made")) }
                        }
                    }
                }
                dialog.motivos #motivos aria-labelledby="mt" {
                    h2 #mt { (say("crew-why")) }
                    form method="dialog" {
                        div.teclas { @for reason in super::Reason::ALL { button.tecla value=(reason.name()) { (say(&format!("reason-{}", reason.name()))) } } }
                        button.tecla.fila value="" { (say("crew-back")) }
                    }
                }
                dialog.motivos.lista #lista aria-labelledby="lt" {
                    h2 #lt { (say("crew-list")) }
                    p #dia {}
                    section #atencion hidden { h3 { (say("crew-needs-attention")) } ul #pendientes {} }
                    ol #paradas {}
                    p #guarda {}
                    button.tecla.fila #inscribir type="button" hidden { (say("crew-enrol")) }
                    button.tecla.fila #cambiar type="button" hidden { (say("crew-change-route")) }
                    div.abajo { button.tecla.fila #cerrar type="button" { (say("crew-back")) } }
                }
                script #palabras type="application/json" { (PreEscaped(script_words(words))) }
                script type="module" src={ "/static/crew.js?v=" (build) } {}
            }
        }
    }
}

/// Today's stops on paper: what the page is without JavaScript, and what remains when the phone dies.
fn paper(words: &Words, day: &Day) -> Markup {
    html! {
        main.papel {
            h1 { (words.tell("crew-paper", &[("day", show_day(day.day).into())])) }
            p { (words.say("crew-needs-script")) }
            @if day.rounds.is_empty() { p.vacio { (words.say("crew-no-rounds")) } }
            @for (round, _, name, stops) in &day.rounds {
                section {
                    h2 { (name) }
                    @if round.service_day != day.day { p { (show_day(round.service_day)) } }
                    p { (words.say(&format!("crew-stream-{}", round.stream.name()))) " · " (round.window_start) "–" (round.window_end) }
                    ol.tabla { @for (stop, order) in stops.iter().zip(1..) { li { (order) ". " b { (stop.code) } @if let Some(hint) = &stop.hint { " " (hint) } } } }
                }
            }
        }
    }
}
