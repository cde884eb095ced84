//! The protocol in words, with its hash, amendments and text; and the form to ask for a look outside the plan.

use super::protocol::{Contrast, Family, Protocol, published_on};
use super::{Trial, find, looks, status};
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::clock::{Week, show_day, show_time};
use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::Mint;
use crate::language::Words;
use crate::opt;
use crate::page::{Page, Reader, count};
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use maud::{Markup, html};
use serde::Deserialize;

pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/trial/{trial}/protocol", protocol_page)
        .get("/trial/{trial}/look-request", look_request_form)
        .post("/trial/{trial}/look-request", look_request)
}

/// The trial, if this actor works in one of its municipalities; otherwise it does not exist for them.
async fn within_reach(tx: &mut Tx, actor: &Actor, trial_id: &str) -> Result<Trial> {
    let unknown =
        || Error::not_found("trial-unknown", format!("trial «{trial_id}» is not among those you may see; check its name")).with("trial", trial_id);
    let trial = find(tx, trial_id).await.map_err(|error| if error.kind == Kind::NotFound { unknown() } else { error })?;
    let reached = trial.protocol.municipalities.iter().any(|municipality| actor.reaches(*municipality));
    if reached { Ok(trial) } else { Err(unknown()) }
}

async fn protocol_page(State(app): State<App>, reader: Reader, actor: Actor, Path(trial_id): Path<String>) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let trial = within_reach(&mut tx, &actor, &trial_id).await?;
    let status = status::status(&mut tx, &trial, app.clock.today()).await?;
    let asked = looks::requests(&mut tx, &trial.id).await?;
    let mut places = Vec::new();
    for municipality in &trial.protocol.municipalities {
        let name: Option<(String,)> = opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", *municipality)?;
        places.push(name.map_or_else(|| municipality.to_string(), |(name,)| name));
    }
    let words = &reader.words;
    let (protocol, today) = (&trial.protocol, app.clock.today());
    let body = html! {
        (the_question(words, protocol))
        (the_arms(words, &trial, &status))
        (the_analysis(words, protocol))
        (the_calendar(words, protocol, &status))
        (the_looks(words, &trial, &status, &asked))
        (the_stop_rules(words, protocol))
        (the_messages(words, protocol))
        (the_record(words, &trial, &places))
    };
    Ok(Page::new("trial", words.say("trial-protocol-heading"), body)
        .place(trial.title.clone())
        .eyebrow(html! { (places.join(" · ")) " · " (phase_today(words, &status, today)) })
        .answer(answer(words, &trial)))
}

/// What counts as frozen, and whether it was before the draw: the promise in one or two sentences.
fn answer(words: &Words, trial: &Trial) -> Markup {
    let arms = count(trial.protocol.arms.len() as i64);
    let day = trial.frozen_at.map(show_time).unwrap_or_default();
    let drawn = match (trial.frozen_at, trial.assigned_at) {
        (Some(frozen), Some(assigned)) if frozen <= assigned => words.tell("trial-frozen-before-draw", &[("day", show_time(assigned).into())]),
        _ => words.say("trial-not-drawn"),
    };
    html! {
        (words.tell("trial-protocol-answer", &[("title", trial.title.clone().into()), ("arms", arms.into()), ("weeks", trial.protocol.calendar.weeks.into()), ("frozen", day.into())]))
        " " (drawn) " "
        strong { (words.tell("trial-amendments", &[("n", (trial.amendments.len() as i64).into())])) }
    }
}

fn phase_today(words: &Words, status: &status::Status, today: NaiveDate) -> String {
    match status.phase {
        Some(phase) => words.tell(
            "trial-today",
            &[
                ("day", show_day(today).into()),
                ("week", status.trial_week.into()),
                ("weeks", status.weeks.into()),
                ("phase", words.say(&format!("trial-phase-{phase}")).to_lowercase().into()),
            ],
        ),
        None => words.tell("trial-today-outside", &[("day", show_day(today).into())]),
    }
}

fn the_question(words: &Words, protocol: &Protocol) -> Markup {
    html! {
        section {
            h2 { (words.say("trial-question")) }
            p lang="es-GT" { (protocol.question) }
            table.tabla {
                caption { (words.say("trial-question-caption")) }
                tbody {
                    tr { th scope="row" { (words.say("trial-outcome")) } td lang="es-GT" { (protocol.outcome.definition) } }
                    tr { th scope="row" { (words.say("trial-population")) } td lang="es-GT" { (protocol.estimand.population) } }
                    tr { th scope="row" { (words.say("trial-effect")) } td lang="es-GT" { (protocol.estimand.effect) } }
                    tr { th scope="row" { (words.say("trial-phase")) } td { (words.say(&format!("trial-phase-{}", protocol.estimand.phase.name()))) } }
                }
            }
        }
    }
}

fn the_arms(words: &Words, trial: &Trial, status: &status::Status) -> Markup {
    let protocol = &trial.protocol;
    let yes = |given: bool| words.say(if given { "trial-yes" } else { "trial-no" });
    let strata: Vec<String> =
        protocol.assignment.strata.iter().map(|stratum| words.say(&format!("trial-stratum-{}", stratum.name().replace('_', "-")))).collect();
    let factors: std::collections::BTreeSet<&String> = protocol.arms.iter().flat_map(|arm| arm.factors.keys()).collect();
    let factors: Vec<&str> = factors.into_iter().map(String::as_str).collect();
    let shares = protocol.assignment.ratio.iter().any(|share| *share != protocol.assignment.ratio[0]);
    let counts = |at: usize| -> usize { status.draw.iter().flat_map(|draw| &draw.strata).map(|(_, row)| row.get(at).copied().unwrap_or(0)).sum() };
    html! {
        section {
            h2 { (words.say("trial-arms")) }
            @if let Some(size) = protocol.assignment.block { p { (words.tell("trial-draw-blocks", &[("size", (size as i64).into())])) } }
            @if let Some(rule) = &protocol.assignment.rerandomise {
                @let names: Vec<String> = rule.covariates.iter().map(|covariate| words.say(&format!("trial-covariate-{}", covariate.name()))).collect();
                p { (words.tell("trial-draw-again", &[("names", names.join(words.say("trial-and").as_str()).into()), ("difference", rule.largest_difference.to_string().into())])) }
            }
            p { (words.tell("trial-draw", &[("strata", strata.join(words.say("trial-and").as_str()).into()), ("homes", protocol.population.minimum_homes.into())])) }
            table.tabla {
                caption { (words.say("trial-arms-caption")) }
                thead { tr {
                    th scope="col" { (words.say("trial-arm")) }
                    @for factor in &factors { th scope="col" { (words.find(&format!("trial-factor-{factor}"), &[]).unwrap_or_else(|| (*factor).to_owned())) } }
                    @if shares { th.num scope="col" { (words.say("trial-ratio")) } }
                    @if status.draw.is_some() { th.num scope="col" { (words.say("trial-segments")) } }
                } }
                tbody { @for (at, arm) in protocol.arms.iter().enumerate() { tr {
                    th scope="row" lang="es-GT" { (arm.name) }
                    @for factor in &factors { td { (arm.factors.get(*factor).map_or(String::new(), |given| yes(*given))) } }
                    @if shares { td.num { (protocol.assignment.ratio.get(at).copied().unwrap_or(1)) } }
                    @if status.draw.is_some() { td.num { (count(counts(at) as i64)) } }
                } } }
            }
            @if let Some(draw) = &status.draw {
                p.suave.chico.apunte { (words.tell("trial-assessed", &[("assessed", (draw.assessed as i64).into()), ("assigned", (draw.assigned as i64).into())])) }
                @for (reason, n) in &draw.left_out {
                    p.suave.chico.apunte { (words.tell(&format!("trial-left-out-{}", reason.replace('_', "-")), &[("n", (*n as i64).into()), ("homes", protocol.population.minimum_homes.into())])) }
                }
            }
        }
    }
}

fn the_analysis(words: &Words, protocol: &Protocol) -> Markup {
    let analysis = &protocol.analysis;
    let standing = |at: usize, family: &Family| match at {
        0 => format!("{}, {}", words.say("trial-primary"), words.say(&format!("trial-adjust-{}", family.adjust.name()))),
        1 => words.say("trial-secondary"),
        _ => {
            let measures: Vec<String> =
                family.measures.iter().map(|measure| words.say(&format!("trial-measure-{}", measure.name().replace('_', "-")))).collect();
            let phase = words.say(&format!("trial-phase-{}", family.phase.name()));
            format!("{} · {} · {}", measures.join(", "), phase, words.say(&format!("trial-adjust-{}", family.adjust.name())))
        }
    };
    html! {
        section {
            h2 { (words.say("trial-contrasts")) }
            p { (words.tell("trial-method", &[("level", format!("{:.0}", analysis.level * 100.0).into()), ("draws", count(i64::from(analysis.randomisation_draws)).into()),
                ("wild", count(i64::from(analysis.wild_draws)).into())])) }
            table.tabla {
                caption { (words.say("trial-contrasts-caption")) }
                thead { tr { th scope="col" { (words.say("trial-contrast")) } th scope="col" { (words.say("trial-standing")) } } }
                tbody {
                    @for (at, family) in analysis.families.iter().enumerate() {
                        @for contrast in &family.contrasts { tr {
                            th scope="row" { (contrast_name(words, contrast)) }
                            td.suave[at > 0] { (standing(at, family)) }
                        } }
                    }
                }
            }
        }
    }
}

/// What the protocol calls a contrast; those of the earliest format are known by name.
pub fn contrast_name(words: &Words, contrast: &Contrast) -> String {
    let known = || words.find(&format!("trial-contrast-{}", contrast.id.replace([':', '_'], "-")), &[]);
    contrast.name.clone().or_else(known).unwrap_or_else(|| contrast.id.clone())
}

/// Numbers of ISO weeks; the days beside them say the year.
fn iso_weeks(stretch: &status::Stretch) -> String {
    let [from, to] = stretch.days.map(|day| Week::of(day).number());
    format!("{from}–{to}")
}

fn the_calendar(words: &Words, protocol: &Protocol, status: &status::Status) -> Markup {
    let to = words.say("to");
    html! {
        section {
            h2 { (words.say("trial-calendar")) }
            table.tabla {
                caption { (words.tell("trial-calendar-caption", &[("weeks", protocol.calendar.weeks.into())])) }
                thead { tr { th scope="col" { (words.say("trial-phase")) } th scope="col" { (words.say("trial-weeks")) } th.ancho scope="col" { (words.say("trial-iso-weeks")) }
                    th scope="col" { (words.say("trial-days")) } } }
                tbody { @for stretch in &status.calendar { tr {
                    th scope="row" { (words.say(&format!("trial-phase-{}", stretch.phase)))
                        span.sub.angosto { (words.say("trial-iso-weeks")) " " span.junto { (iso_weeks(stretch)) } } }
                    td { (stretch.weeks[0]) " " (to) " " (stretch.weeks[1]) }
                    td.ancho { (iso_weeks(stretch)) }
                    td { span.junto { (show_day(stretch.days[0])) } " " (to) " " span.junto { (show_day(stretch.days[1])) } }
                } } }
            }
        }
    }
}

/// The last week a look may see: «semana 46 de 2026».
fn data_through(words: &Words, trial: &Trial, look: i32) -> String {
    let planned = trial.protocol.looks.iter().find(|planned| i64::from(look) == i64::from(planned.look));
    planned.map_or_else(String::new, |planned| {
        let week = trial.protocol.week(planned.data_through);
        words.tell("trial-week-of-year", &[("week", week.number().into()), ("year", week.year().to_string().into())])
    })
}

fn the_looks(words: &Words, trial: &Trial, status: &status::Status, asked: &[looks::Request]) -> Markup {
    html! {
        section #vistas {
            h2 { (words.say("trial-looks")) }
            p { (words.say("trial-looks-rule")) }
            table.tabla {
                caption { (words.say("trial-looks-caption")) }
                thead { tr { th scope="col" { (words.say("trial-look")) } th scope="col" { (words.say("trial-data-through")) } th scope="col" { (words.say("trial-opens-on")) }
                    th scope="col" { (words.say("trial-state")) } } }
                tbody { @for look in &status.looks { tr {
                    th scope="row" { (look.look) } td { (data_through(words, trial, look.look)) } td { (show_day(look.opens_on)) }
                    td { @if look.open { span.estado.bien { (words.say("trial-look-open")) } } @else { span.estado.espera { (words.say("trial-look-closed")) } } }
                } } }
            }
            @if asked.is_empty() {
                p.suave.chico.apunte { (words.say("trial-no-requests")) }
            } @else {
                details {
                    summary { (words.tell("trial-requests", &[("n", (asked.len() as i64).into())])) }
                    table.tabla {
                        caption { (words.say("trial-requests-caption")) }
                        thead { tr { th scope="col" { (words.say("trial-when")) } th scope="col" { (words.say("trial-who")) } th scope="col" { (words.say("trial-reason")) } } }
                        tbody { @for one in asked { tr { td.junto { (show_time(one.asked_at)) } td { (one.asked_by) } td { (one.reason) } } } }
                    }
                }
            }
            p.botones { a.boton href={ "/trial/" (trial.id) "/look-request" } { (words.say("trial-ask-look")) } }
        }
    }
}

fn the_stop_rules(words: &Words, protocol: &Protocol) -> Markup {
    let stop = &protocol.stop_rules;
    // 5 for 0.05, 0.5 for 0.005.
    let hundredths = |share: f64| format!("{}", (share * 1000.0).round() / 10.0);
    html! {
        section {
            h2 { (words.say("trial-stop")) }
            ul.asuntos {
                @for (key, share) in [("opt-out", stop.opt_out_per_week), ("complaints", stop.complaints), ("harm", stop.harm_points)] {
                    li { span.estado.ojo { (words.say("trial-stops")) } div { p { (words.tell(&format!("trial-stop-{key}"), &[("share", hundredths(share).into())])) } } span {} }
                }
            }
            p.suave.chico.apunte { (words.say("trial-stop-note")) }
        }
    }
}

fn the_messages(words: &Words, protocol: &Protocol) -> Markup {
    let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    html! {
        section {
            h2 { (words.say("trial-messages")) }
            p { (words.tell("trial-dose", &[("n", protocol.messages.per_week.into()), ("from", clock(protocol.messages.weekday_hours[0]).into()),
                ("until", clock(protocol.messages.weekday_hours[1]).into()),
                ("sfrom", clock(protocol.messages.saturday_hours[0]).into()), ("suntil", clock(protocol.messages.saturday_hours[1]).into())])) }
            p { (words.tell("trial-norm-rule", &[("definition", protocol.norm.definition.clone().into()), ("weeks", protocol.norm.window_weeks.into()),
                ("homes", protocol.norm.minimum_homes.into()), ("group", protocol.norm.group_homes.into())])) }
            @for (campaign, steps) in &protocol.campaigns {
                details {
                    summary { (words.tell("trial-steps", &[("campaign", campaign.clone().into())])) }
                    div.rodar tabindex="0" role="region" aria-label=(words.tell("trial-steps", &[("campaign", campaign.clone().into())])) { table.tabla {
                        caption { (words.say("trial-steps-caption")) }
                        thead { tr { th.num scope="col" { (words.say("trial-week")) } @for arm in &protocol.arms { th scope="col" lang="es-GT" { (arm.name) } } } }
                        tbody { @for step in &steps.steps { tr {
                            th.num scope="row" { (step.week) }
                            @for arm in &protocol.arms { td { (step.wording.get(&arm.id).map_or("", String::as_str)) } }
                        } } }
                    } }
                }
            }
        }
    }
}

/// Hash, seed, numbers, amendments, and the text itself.
fn the_record(words: &Words, trial: &Trial, places: &[String]) -> Markup {
    let or_missing = |text: &str| if text.is_empty() { words.say("trial-not-given") } else { text.to_owned() };
    html! {
        section {
            h2 { (words.say("trial-record")) }
            table.tabla {
                caption { (words.say("trial-record-caption")) }
                tbody {
                    tr { th scope="row" { "SHA-256" } td.huella { (trial.sha256) } }
                    tr { th scope="row" { (words.say("trial-seed")) } td { (trial.seed) } }
                    tr { th scope="row" { (words.say("trial-frozen")) } td { (trial.frozen_at.map(show_time).unwrap_or_default()) } }
                    tr { th scope="row" { (words.say("trial-assigned")) } td { (trial.assigned_at.map_or_else(|| words.say("trial-not-yet"), show_time)) } }
                    tr { th scope="row" { (words.say("trial-municipalities")) } td { (places.join(", ")) } }
                    tr { th scope="row" { (words.say("trial-registry")) } td { (or_missing(&trial.protocol.registry_number)) } }
                    tr { th scope="row" { (words.say("trial-ethics")) } td { (or_missing(&trial.protocol.ethics_approval)) } }
                }
            }
            h3.aparte { (words.say("trial-amendments-heading")) }
            @if trial.amendments.is_empty() {
                p.vacio { (words.say("trial-no-amendments")) }
            } @else {
                p.suave.chico.huella { (words.tell("trial-first-hash", &[("hash", trial.frozen_sha256.clone().into())])) }
                ol.asuntos { @for one in &trial.amendments { li {
                    span.estado { (words.tell("trial-amendment", &[("n", one.number.into())])) }
                    div { p { (one.reason) } p.suave.chico.huella { (show_time(one.dated_at)) " · sha256 " (one.sha256) } }
                    span {}
                } } }
            }
            details {
                summary { (words.say("trial-text")) }
                pre.protocolo lang="es-GT" tabindex="0" { (trial.text) }
            }
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    asked: String,
}

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    reason: String,
}

async fn look_request_form(
    State(app): State<App>,
    reader: Reader,
    actor: Actor,
    Path(trial_id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Page> {
    let mut tx = app.db.read().await?;
    let trial = within_reach(&mut tx, &actor, &trial_id).await?;
    form(&mut tx, &app, &reader, &trial, "", None, !asked.asked.is_empty()).await
}

async fn look_request(
    State(app): State<App>,
    reader: Reader,
    actor: Actor,
    Path(trial_id): Path<String>,
    Form(given): Form<Given>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    let trial = within_reach(&mut tx, &actor, &trial_id).await?;
    match looks::request(&mut tx, &trial.id, &mut Mint::system(), app.clock.now(), &actor.name, &given.reason).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("/trial/{}/look-request?asked=1", trial.id)).into_response())
        }
        Err(error) if error.kind == Kind::Refused => {
            let page = form(&mut tx, &app, &reader, &trial, &given.reason, Some(error.code), false).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn form(tx: &mut Tx, app: &App, reader: &Reader, trial: &Trial, reason: &str, problem: Option<&str>, asked: bool) -> Result<Page> {
    let words = &reader.words;
    let planned = looks::all(tx, &trial.id).await?;
    let next = match looks::next(&planned, app.clock.today()) {
        Some(look) => words.tell(
            "trial-next-look",
            &[("look", look.look.into()), ("day", show_day(look.opens_on).into()), ("week", look.data_through.number().into())],
        ),
        None => {
            let last = trial.protocol.looks.last().map(|look| published_on(trial.protocol.week(look.data_through))).map(show_day).unwrap_or_default();
            words.tell("trial-no-next-look", &[("day", last.into())])
        }
    };
    let invalid = problem.is_some().then_some("true");
    let body = html! {
        @if asked {
            div.aviso role="status" { strong { (words.say("trial-asked")) } p { (words.say("trial-asked-next")) } }
        }
        @if let Some(code) = problem {
            div.aviso.grave role="alert" tabindex="-1" { strong { (words.say(&format!("error-{code}"))) } p { a href="#reason" { (words.say("trial-go-to-reason")) } } }
        }
        form.entrada method="post" action={ "/trial/" (trial.id) "/look-request" } {
            (reader.csrf_field())
            div.campo {
                label for="reason" { (words.say("trial-reason-label")) }
                @if let Some(code) = problem { p.error #reason-problem { (words.say(&format!("error-{code}"))) } }
                textarea #reason name="reason" rows="5" maxlength="2000" required aria-invalid=[invalid]
                    aria-describedby=(if problem.is_some() { "reason-problem reason-help" } else { "reason-help" }) { (reason) }
                p.suave.chico #reason-help { (words.say("trial-reason-help")) }
            }
            p.botones {
                button.boton type="submit" { (words.say("trial-send-request")) }
                a.boton href={ "/trial/" (trial.id) "/protocol" } { (words.say("trial-back")) }
            }
        }
    };
    Ok(Page::new("trial", words.say("trial-look-request-heading"), body)
        .place(trial.title.clone())
        .answer(html! { (next) " " strong { (words.say("trial-request-opens-nothing")) } }))
}
