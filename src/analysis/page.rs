//! The researcher's pages: may I look yet, and at a look what changed. They read stored reports and compute nothing.

use super::report::{Stored, current, stored};
use super::{effects, sections};
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::clock::{show_day, show_time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::page::{Page, Reader, count};
use crate::trial::looks::{self, Look};
use crate::trial::protocol::{Phase, Protocol, published_on};
use crate::trial::{self, Trial};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Json, http::header};
use maud::{Markup, html};
use serde::Deserialize;

pub fn routes(routes: Routes) -> Routes {
    routes.get("/trial", list).get("/trial/{trial}", show).get("/trial/{trial}/report.json", report_json)
}

/// Navigation entry of these pages.
const CURRENT: &str = "trial";

/// What a page needs, read in one snapshot.
struct View {
    trial: Trial,
    planned: Vec<Look>,
    look: Option<Look>,
    stored: Stored,
    /// In force when the report was made.
    protocol: Protocol,
}

impl View {
    fn of(trial: Trial, planned: Vec<Look>, look: Option<Look>, stored: Stored) -> Result<View> {
        let protocol = trial.of_hash(&stored.report.protocol_sha256)?.unwrap_or_else(|| trial.protocol.clone());
        Ok(View { trial, planned, look, stored, protocol })
    }
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    /// Present: everything unfolded, for paper.
    print: Option<String>,
}

async fn list(State(app): State<App>, actor: Actor, reader: Reader) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let trials: Vec<Trial> = trial::all(&mut tx).await?.into_iter().filter(|t| reaches(&actor, t)).collect();
    if let [only] = trials.as_slice() {
        return Ok(Redirect::to(&format!("/trial/{}", only.id)).into_response());
    }
    let words = reader.words;
    let body = html! {
        @if trials.is_empty() {
            p.vacio { (words.say("analysis-no-trials")) }
        } @else {
            table.tabla {
                caption { (words.say("analysis-trials-caption")) }
                thead { tr { th scope="col" { (words.say("analysis-trial")) } th scope="col" { (words.say("analysis-frozen")) } } }
                tbody {
                    @for trial in &trials {
                        tr {
                            th scope="row" { a href=(format!("/trial/{}", trial.id)) { (trial.title) } }
                            td { @if let Some(at) = trial.frozen_at { (show_time(at)) } }
                        }
                    }
                }
            }
        }
    };
    Ok(Page::new(CURRENT, words.say("analysis-trials"), body).into_response())
}

async fn show(State(app): State<App>, actor: Actor, reader: Reader, Path(id): Path<String>, Query(options): Query<Options>) -> Result<Page> {
    let view = view(&app, &actor, &id).await?;
    Ok(match &view.look {
        Some(look) => at_look(&view, look, &reader, options.print.is_some()),
        None => between_looks(&view, &reader, app.clock.today()),
    })
}

async fn report_json(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Result<Response> {
    let view = view(&app, &actor, &id).await?;
    let name = format!("attachment; filename=\"{}-report.json\"", view.trial.id);
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(view.stored.report)).into_response())
}

/// A trial is seen by who reaches every municipality in it: its figures are never of one alone.
fn reaches(actor: &Actor, trial: &Trial) -> bool {
    trial.protocol.municipalities.iter().all(|municipality| actor.reaches(*municipality))
}

async fn reachable(tx: &mut Tx, actor: &Actor, id: &str) -> Result<Trial> {
    let trial = trial::find(tx, id).await?;
    if reaches(actor, &trial) {
        return Ok(trial);
    }
    Err(Error::not_found("trial-unknown", format!("trial «{id}» is not within reach of this login; ask for one that reaches all its municipalities"))
        .with("trial", id))
}

/// Reads the stored report.
async fn view(app: &App, actor: &Actor, id: &str) -> Result<View> {
    let mut tx = app.db.read().await?;
    let trial = reachable(&mut tx, actor, id).await?;
    let look = current(&mut tx, &trial, app.clock.today()).await?;
    let found = stored(&mut tx, &trial.id, look.as_ref().map(|l| l.look)).await?;
    let planned = looks::all(&mut tx, &trial.id).await?;
    let first = look.as_ref().is_some_and(|l| l.opened_at.is_none());
    if let (Some(stored), false) = (&found, first) {
        return View::of(trial, planned, look, stored.clone());
    }
    drop(tx);
    // The house does this by itself every minute; whoever comes before it has it done in their name.
    let mut tx = app.db.write().await?;
    super::report::open(&mut tx, &trial, app.clock.now(), &actor.name).await?;
    let look = current(&mut tx, &trial, app.clock.today()).await?;
    let found = stored(&mut tx, &trial.id, look.as_ref().map(|l| l.look)).await?;
    let planned = looks::all(&mut tx, &trial.id).await?;
    tx.commit().await?;
    let stored = found.ok_or_else(|| Error::internal("a refreshed report is not stored"))?;
    View::of(trial, planned, look, stored)
}

/// `sha256 3f9a 71c0 … c21e`: the text the figures stand on, frozen or amended when, drawn from which seed, and what was amended later.
fn provenance(view: &View, reader: &Reader) -> Markup {
    let (words, trial) = (reader.words, &view.trial);
    let day = |at| show_day(crate::clock::local_day(at));
    let hash = |sha: &str| {
        let part = |from: usize, to: usize| sha.get(from..to).unwrap_or_default().to_owned();
        html! { abbr.junto title=(sha) { "sha256 " (part(0, 4)) " " (part(4, 8)) " … " (part(60, 64)) } }
    };
    let own = &view.stored.report.protocol_sha256;
    let amended = trial.amendments.iter().find(|amendment| amendment.sha256 == *own);
    let counted = amended.map_or(0, |amendment| amendment.number);
    let later: Vec<&trial::Amendment> = trial.amendments.iter().filter(|amendment| amendment.number > counted).collect();
    html! {
        (words.say("analysis-protocol")) " " (hash(own)) ", "
        @match amended {
            Some(amendment) => {
                (words.tell("analysis-amended-on", &[("n", amendment.number.into()), ("day", day(amendment.dated_at).into())])) "; "
                (words.tell("analysis-frozen-first", &[("day", trial.frozen_at.map(day).unwrap_or_default().into())])) " " (hash(&trial.frozen_sha256)) "; "
            }
            None => { (words.tell("analysis-frozen-on", &[("day", trial.frozen_at.map(day).unwrap_or_default().into())])) "; " }
        }
        (words.tell("analysis-seed", &[("seed", trial.seed.to_string().into())])) ". "
        @if trial.amendments.is_empty() { (words.say("analysis-no-amendments")) }
        @for amendment in later {
            (words.tell("analysis-amended-later", &[("n", amendment.number.into()), ("day", day(amendment.dated_at).into())])) " " (hash(&amendment.sha256)) ". "
        }
    }
}

/// `semanas 7 a 18 (24/08/2026 al 15/11/2026)` of a phase as far as the report's data go.
fn phase_weeks(view: &View, reader: &Reader, phase: Phase) -> String {
    let protocol = &view.protocol;
    let (from, to) = protocol.phase_weeks(phase);
    let through = view.stored.report.path.iter().map(|p| p.week).max().unwrap_or(0);
    let to = to.min(protocol.week(through)).max(from);
    reader.words.tell(
        "analysis-weeks",
        &[
            ("from", protocol.trial_week(from).into()),
            ("to", protocol.trial_week(to).into()),
            ("first", show_day(from.monday()).into()),
            ("last", show_day(to.sunday()).into()),
        ],
    )
}

fn between_looks(view: &View, reader: &Reader, today: chrono::NaiveDate) -> Page {
    let (words, report, trial) = (reader.words, &view.stored.report, &view.trial);
    let day = |d| show_day(d);
    let answer = match (looks::next(&view.planned, today), looks::current(&view.planned, today)) {
        // Its day has come and its last week is not published everywhere.
        (_, Some(due)) => words.tell("analysis-waits", &[("look", due.look.into()), ("week", due.data_through.number().into())]),
        (Some(next), None) => words
            .tell("analysis-not-yet", &[("look", next.look.into()), ("day", day(next.opens_on).into()), ("week", next.data_through.number().into())]),
        (None, None) => words.say("analysis-no-looks"),
    };
    let missing = &report.missing;
    let body = html! {
        @if report.path.is_empty() {
            p.vacio { (words.tell("analysis-empty", &[("day", day(published_on(trial.protocol.week(1))).into())])) }
        } @else {
            div.dos {
                (sections::pooled_path(trial, report, reader))
                section {
                    h2 { (words.say("analysis-observed-heading")) }
                    @if let Some(share) = missing.share_observed {
                        p { span.tasa { (format!("{:.1} %", share * 100.0)) } " "
                            (words.tell("analysis-observed-of", &[("observed", count(missing.observed).into()), ("due", count(missing.due).into())])) }
                    }
                    h2 { (words.say("analysis-delivered-heading")) }
                    (sections::fidelity(trial, report, reader))
                }
            }
        }
        (sections::pauses(report, reader))
        section {
            h2 { (words.say("analysis-ask-heading")) }
            p { (words.say("analysis-ask-what")) }
            p.botones { a.boton href=(format!("/trial/{}/look-request", trial.id)) { (words.say("analysis-ask-heading")) } }
        }
        (sections::warnings(report, reader, None))
    };
    let lead = html! { (answer) };
    let mut page = Page::new(CURRENT, words.say("analysis-may-i"), html! { div.cabeza { p.suave.chico { (provenance(view, reader)) } } (body) })
        .answer(lead)
        .place(&trial.title);
    page.title = format!("{}: {}", trial.title, words.say("analysis-may-i"));
    page
}

fn at_look(view: &View, look: &Look, reader: &Reader, print: bool) -> Page {
    let (words, report, trial) = (reader.words, &view.stored.report, &view.trial);
    let opened = look.opened_at.map(|at| show_day(crate::clock::local_day(at))).unwrap_or_default();
    let eyebrow = words.tell("analysis-eyebrow", &[("look", look.look.into()), ("looks", view.planned.len().into()), ("day", opened.into())]);
    let next = view.planned.iter().find(|l| l.look > look.look);
    let protocol = &view.protocol;
    let phase = protocol.estimand.phase;
    let body = html! {
        div.cabeza { p.suave.chico {
            (words.tell("analysis-estimand", &[("weeks", phase_weeks(view, reader, phase).into())])) " " (provenance(view, reader))
        } }
        div.dos { (effects::forest(protocol, report, reader)) (effects::figures(protocol, report, reader)) }
        (effects::contrasts(protocol, report, reader, &phase_weeks(view, reader, phase)))
        (effects::more(protocol, report, reader))
        (sections::flow(trial, report, reader))
        (sections::path(trial, report, look, reader, print))
        (sections::habit(trial, report, reader))
        div.mitad {
            (sections::balance(trial, report, reader, print))
            section {
                h2 { (words.say("analysis-arrived")) }
                p { (words.say("analysis-arrived-what")) }
                (sections::fidelity(trial, report, reader))
            }
        }
        (sections::missing(trial, report, reader))
        (sections::pauses(report, reader))
        (sections::warnings(report, reader, next))
        p.botones {
            a.boton.lleno href=(format!("/trial/{}/report.json", trial.id)) download { (words.say("analysis-download")) }
            a.boton href=(format!("/trial/{}?print=1", trial.id)) { (words.say("analysis-print")) }
        }
        p.suave.chico { (words.tell("analysis-computed", &[("at", show_time(view.stored.computed_at).into())])) " "
            span.junto { (view.stored.source_hash.get(..12).unwrap_or_default()) } }
    };
    let mut page = Page::new(CURRENT, words.say("analysis-what-changed"), body)
        .eyebrow(html! { (eyebrow) })
        .answer(effects::answer(protocol, report, reader))
        .place(&trial.title);
    page.title = format!("{}: {}", trial.title, words.tell("analysis-look", &[("look", look.look.into())]));
    page
}
