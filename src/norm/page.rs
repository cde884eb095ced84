//! Pages of campaigns: do the messages arrive (all arms together), and why a home gets its text (which shows an arm, so looking is logged).

use super::campaign::{self, STREAM};
use super::draft::INJUNCTIVE_SOURCE;
use super::hours::weekday_name;
use super::pause;
use super::preview::{Preview, trial_of, usual_week};
use super::rule::{GroupWhy, Text, Why};
use crate::account::{Actor, audit};
use crate::all;
use crate::app::App;
use crate::clock::{Week, local, local_day, show_day, show_time};
use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::language::Words;
use crate::page::{Page, Reader, count};
use crate::registry::Contact;
use crate::territory::{household, municipality};
use crate::trial;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

/// Municipalities with a pilot within the actor's reach.
async fn pilots(tx: &mut Tx, actor: &Actor) -> Result<Vec<(MunicipalityId, String)>> {
    let all: Vec<(MunicipalityId, String)> = all!(tx, "SELECT municipality_id, name FROM municipality WHERE pilot ORDER BY municipality_id")?;
    Ok(all.into_iter().filter(|(id, _)| actor.reaches(*id)).collect())
}

fn share(x: f64) -> String {
    format!("{:.1}", x * 100.0)
}

fn week_days(words: &Words, week: Week) -> String {
    words.tell("norm-week", &[("week", week.number().into()), ("from", show_day(week.monday()).into()), ("to", show_day(week.sunday()).into())])
}

/// Messages whose end is known, or will never be: what was due so far.
fn settled(states: &std::collections::BTreeMap<String, i64>) -> i64 {
    let open = ["withheld", "queued", "sending", "accepted", "buffered"];
    states.iter().filter(|(state, _)| !open.contains(&state.as_str())).map(|(_, n)| n).sum()
}

/// `GET /campaigns`: due, delivered and failed by week, never by arm.
pub async fn campaigns(State(app): State<App>, actor: Actor, reader: Reader) -> Result<Page> {
    let words = reader.words;
    let mut tx = app.db.read().await?;
    let places = pilots(&mut tx, &actor).await?;
    let mut tables = Vec::new();
    let (mut delivered, mut due, mut written) = (0i64, 0i64, 0i64);
    for trial in trial::all(&mut tx).await? {
        for campaign_id in trial.protocol.campaigns.keys() {
            for (municipality, name) in &places {
                let weeks = campaign::status(&mut tx, &trial, *municipality, campaign_id).await?;
                let paused = pause::paused(&mut tx, *municipality, campaign_id).await?;
                delivered += weeks.iter().map(|week| week.states.get("delivered").unwrap_or(&0) + week.states.get("read").unwrap_or(&0)).sum::<i64>();
                written += weeks.iter().flat_map(|week| week.states.iter()).filter(|(state, _)| *state != "withheld").map(|(_, n)| n).sum::<i64>();
                due += weeks.iter().map(|week| settled(&week.states)).sum::<i64>();
                tables.push((campaign_id.clone(), name.clone(), paused, weeks));
            }
        }
    }
    let sees_homes = matches!(actor.role, crate::account::Role::Researcher | crate::account::Role::Admin);
    let first = tables.first().map(|(campaign, ..)| campaign.clone());
    let body = html! {
        @if let (true, Some(campaign)) = (sees_homes, first) {
            p { a href={ "/campaign/" (campaign) "/preview" } { (words.say("norm-preview-open")) } }
        }
        @for (campaign, name, paused, weeks) in &tables {
            section {
                h2 { (name) }
                @if let Some(paused) = paused {
                    div.aviso.ojo { strong { (words.tell("norm-paused", &[("day", show_time(paused.at).into())])) } p { (pause::why_shown(&words, &paused.why)) } }
                }
                @if weeks.is_empty() {
                    p.vacio { (words.tell("norm-campaign-empty", &[("campaign", campaign.as_str().into())])) }
                } @else {
                    table.tabla {
                        caption { (words.tell("norm-campaign-caption", &[("campaign", campaign.as_str().into())])) }
                        thead { tr {
                            th scope="col" { (words.say("norm-column-week")) }
                            th.num scope="col" { (words.say("norm-column-due")) }
                            th.num scope="col" { (words.say("norm-column-delivered")) }
                            th.num.ancho scope="col" { (words.say("norm-column-failed")) }
                            th.num.ancho scope="col" { (words.say("norm-column-waiting")) }
                            th.num.ancho scope="col" { (words.say("norm-column-withheld")) }
                        } }
                        tbody {
                            @for week in weeks.iter().rev() {
                                @let n = |states: &[&str]| states.iter().filter_map(|state| week.states.get(*state)).sum::<i64>();
                                @let withheld = n(&["withheld"]);
                                @let failed = n(&["failed", "rejected", "expired", "unknown"]);
                                @let waiting = n(&["queued", "sending", "accepted", "buffered"]);
                                @let arrived = n(&["delivered", "read"]);
                                tr {
                                    th scope="row" {
                                        @if let Ok(of) = Week::parse(&week.week) {
                                            (words.tell("norm-week-head", &[("week", of.number().into())]))
                                            span.sub { (words.tell("norm-week-days", &[("from", of.monday().format("%d/%m").to_string().into()), ("to", show_day(of.sunday()).into())])) }
                                        }
                                        span.sub { (words.tell("norm-trial-week", &[("n", week.trial_week.into())])) }
                                        span.sub.angosto { (words.tell("norm-narrow", &[("failed", count(failed).into()), ("waiting", count(waiting).into()), ("withheld", count(withheld).into())])) }
                                    }
                                    td.num { (count(arrived + failed + waiting)) }
                                    td.num { span.tasa { (count(arrived)) } @if arrived + failed + waiting > 0 { span.sub { (share(arrived as f64 / (arrived + failed + waiting) as f64)) "\u{a0}%" } } }
                                    td.num.ancho { (count(failed)) }
                                    td.num.ancho { (count(waiting)) }
                                    td.num.ancho {
                                        (count(withheld))
                                        @for (reason, n) in &week.withheld { span.sub { (count(*n)) ": " (self::withheld(&words, reason)) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    let answer = match (due, written) {
        (0, 0) => words.say("norm-campaigns-none"),
        (0, n) => words.tell("norm-campaigns-written", &[("n", n.into())]),
        _ => words.tell(
            "norm-campaigns-answer",
            &[("delivered", count(delivered).into()), ("due", count(due).into()), ("share", share(delivered as f64 / due as f64).into())],
        ),
    };
    Ok(Page::new("campaigns", words.say("norm-campaigns-heading"), body).answer(html! { (answer) }))
}

#[derive(Debug, Deserialize)]
pub struct Asked {
    municipality: Option<String>,
    household: Option<String>,
    week: Option<String>,
}

/// `GET /campaign/{campaign}/preview`: which home? A form; with a home it leads to that home's page.
pub async fn search(
    State(app): State<App>,
    Path(campaign): Path<String>,
    Query(asked): Query<Asked>,
    actor: Actor,
    reader: Reader,
) -> Result<Response> {
    let words = reader.words;
    let mut tx = app.db.read().await?;
    let trial = trial_of(&mut tx, &campaign).await?;
    let week = usual_week(&trial, app.clock.today());
    let household = asked.household.as_deref().map(str::trim).filter(|code| !code.is_empty());
    if let (Some(municipality), Some(code)) = (&asked.municipality, household) {
        let municipality = MunicipalityId::parse(municipality)?;
        let stored = household::find(&mut tx, municipality, code).await?.map_or_else(|| code.to_uppercase(), |(_, stored)| stored);
        let safe: String = stored.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let week = asked.week.as_deref().map(Week::parse).transpose()?.map(|week| format!("?week={week}")).unwrap_or_default();
        return Ok(Redirect::to(&format!("/campaign/{campaign}/preview/{municipality}/{safe}{week}")).into_response());
    }
    let places = pilots(&mut tx, &actor).await?;
    // A label as this reader's own town has them.
    let letters = match places.first() {
        Some((id, _)) => municipality::find(&mut tx, *id).await?.letters(),
        None => "SP".into(),
    };
    let example = household::code(&letters, 4821);
    let (first, last) = trial.protocol.phase_weeks(trial::protocol::Phase::Messages);
    let weeks: Vec<Week> = (0..=last.since(first)).map(|n| first.plus(n)).collect();
    let body = html! {
        form.pasos method="get" action={ "/campaign/" (campaign) "/preview" } {
            div.campo {
                label for="municipality" { (words.say("norm-field-municipality")) }
                select #municipality name="municipality" { @for (id, name) in &places { option value=(id) { (name) } } }
            }
            div.campo {
                label for="household" { (words.say("norm-field-household")) }
                input #household type="text" name="household" required autocomplete="off" aria-describedby="household-help";
                p #household-help.suave.chico { (words.tell("norm-field-household-help", &[("code", example.into())])) }
            }
            div.campo {
                label for="week" { (words.say("norm-field-week")) }
                select #week name="week" { @for of in weeks { option value=(of) selected[of == week] { (words.tell("norm-week-short", &[("week", of.number().into()), ("from", of.monday().format("%d/%m").to_string().into()), ("to", of.sunday().format("%d/%m").to_string().into())])) } } }
            }
            div.botones { button.boton.lleno type="submit" { (words.say("norm-preview-button")) } }
        }
        p.suave { (words.say("norm-preview-logged")) }
    };
    let page =
        Page::new("campaigns", words.say("norm-search-heading"), body).place(trial.title.clone()).answer(html! { (words.say("norm-search-answer")) });
    Ok(page.into_response())
}

#[derive(Debug, Deserialize)]
pub struct AskedWeek {
    week: Option<String>,
}

/// `GET /campaign/{campaign}/preview/{municipality}/{household}`
pub async fn home(
    State(app): State<App>,
    Path((campaign, municipality, household)): Path<(String, String, String)>,
    Query(asked): Query<AskedWeek>,
    actor: Actor,
    reader: Reader,
) -> Result<Page> {
    let municipality = MunicipalityId::parse(&municipality)?;
    if !actor.reaches(municipality) {
        return Err(crate::error::Error::not_found("municipality-unknown", "there is no such municipality here"));
    }
    let now = app.clock.now();
    let mut tx = app.db.read().await?;
    let trial = trial_of(&mut tx, &campaign).await?;
    let week = asked.week.as_deref().map_or_else(|| Ok(usual_week(&trial, app.clock.today())), Week::parse)?;
    let preview = Preview::load(&mut tx, trial, municipality, &campaign, &household, week, now).await?;
    drop(tx);
    // On record before it is shown; the one writer is asked for when all is read.
    let mut tx = app.db.write().await?;
    let detail = json!({"campaign": campaign, "week": week.to_string()});
    let entry = audit::Entry { stream: STREAM, actor: &actor.name, action: "preview.seen", target: &preview.home.code, detail };
    audit::record(&mut tx, municipality, now, entry).await?;
    tx.commit().await?;
    Ok(show(&preview, &reader.words, now))
}

fn show(preview: &Preview, words: &Words, now: chrono::DateTime<chrono::Utc>) -> Page {
    let week = week_days(words, preview.facts.week);
    let eyebrow = html! { (preview.campaign) " · " (words.tell("norm-home", &[("code", preview.home.code.as_str().into())])) " · " (week) };
    let stale = preview.norm().filter(|norm| preview.stored.is_none() && preview.facts.norms_are_stored && norm.valid_until < now);
    let answer = match (preview.withheld(), stale) {
        (Some(reason), _) => words.tell("norm-answer-withheld", &[("reason", withheld(words, reason).into())]),
        (_, Some(norm)) => words.tell("norm-answer-stale", &[("days", (now - norm.valid_until).num_days().into())]),
        _ => answer(words, preview),
    };
    let body = html! {
        div.dos {
            section.mensaje-y-datos {
                h2 { (words.say(match preview.stored.as_ref().map(|stored| stored.state.as_str()) {
                    None => "norm-text-would",
                    Some("queued" | "withheld") => "norm-text-waiting",
                    Some(_) => "norm-text-sent",
                })) }
                @match preview.text() {
                    Some(text) => { blockquote.mensaje lang="es-GT" { (text) } p.suave { (size(words, preview)) } },
                    None => p.vacio { (words.say("norm-text-none")) },
                }
                @if let Some(stored) = &preview.stored {
                    p { span.estado.bien { (state(words, &stored.state)) } " " span.suave { (show_time(stored.state_at)) } }
                }
                @if preview.changed() { div.aviso.ojo { strong { (words.say("norm-changed")) } p { (words.say("norm-changed-detail")) } } }
            }
            section {
                h2 { (words.say("norm-why-heading")) }
                dl.razones {
                    dt { (words.say("norm-row-who")) } dd { (who(words, preview)) }
                    @if preview.draft.choice.is_some() {
                        dt { (words.say("norm-row-group")) } dd { (group(words, preview)) }
                        dt { (words.say("norm-row-figure")) } dd { (figure(words, preview)) }
                        dt { (words.say("norm-row-own")) } dd { (own(words, preview)) }
                    }
                    dt { (words.say("norm-row-rule")) } dd { (rule(words, preview)) }
                    dt { (words.say("norm-row-hour")) } dd { (hour(words, preview)) }
                    dt { (words.say("norm-row-arm")) } dd { (preview.arm_name) }
                }
            }
        }
        @if let Some(choice) = &preview.draft.choice {
            section {
                h2 { (words.say("norm-not-used-heading")) }
                table.tabla {
                    caption { (words.say("norm-not-used-caption")) }
                    thead { tr { th scope="col" { (words.say("norm-column-text")) } th scope="col" { (words.say("norm-column-why")) } } }
                    tbody { @for (text, reason) in &choice.not_used { tr { th scope="row" { (text_name(words, *text)) } td { (why(words, reason)) } } } }
                }
            }
            @if !choice.other_groups.is_empty() {
                section {
                    h2 { (words.say("norm-groups-heading")) }
                    table.tabla {
                        caption { (words.say("norm-groups-caption")) }
                        thead { tr { th scope="col" { (words.say("norm-row-group")) } th scope="col" { (words.say("norm-column-why")) } } }
                        tbody { @for (at, reason) in &choice.other_groups {
                            tr {
                                th scope="row" { @if let Some(group) = preview.facts.groups(&preview.home).get(*at) { (words.say(&format!("norm-group-{}", group.kind.name()))) } }
                                td { (group_why(words, reason)) }
                            }
                        } }
                    }
                }
            }
        }
        p.suave.chico { (words.say("norm-preview-logged")) }
    };
    Page::new("campaigns", words.say("norm-preview-heading"), body).place(preview.trial.title.clone()).eyebrow(eyebrow).answer(html! { (answer) })
}

fn text_name(words: &Words, text: Text) -> String {
    words.say(&format!("norm-text-{}", text.name().replace('_', "-")))
}

fn answer(words: &Words, preview: &Preview) -> String {
    let tenth = preview.norm().map_or(0, |norm| norm.stated_tenth);
    let before = preview.norm().and_then(|norm| norm.before_tenth).unwrap_or(0);
    let key = preview.draft.choice.as_ref().map_or("step", |choice| choice.text.name()).replace('_', "-");
    words.tell(&format!("norm-answer-{key}"), &[("tenth", tenth.into()), ("before", before.into())])
}

fn withheld(words: &Words, reason: &str) -> String {
    words.find(&format!("norm-withheld-{reason}"), &[]).unwrap_or_else(|| reason.to_owned())
}

fn state(words: &Words, state: &str) -> String {
    words.say(&format!("norm-state-{state}"))
}

fn channel(words: &Words, channel: &str) -> String {
    words.say(&format!("norm-channel-{channel}"))
}

fn size(words: &Words, preview: &Preview) -> String {
    let channel = channel(words, preview.channel());
    match preview.septets() {
        Some(septets) => words.tell("norm-size", &[("n", septets.into()), ("channel", channel.into())]),
        None => words.tell("norm-size-full", &[("n", preview.text().map_or(0, |t| t.chars().count() as i64).into()), ("channel", channel.into())]),
    }
}

fn who(words: &Words, preview: &Preview) -> String {
    match preview.facts.contact(preview.home.household_id) {
        Some(Contact::May { channel: by, .. }) => words.tell("norm-who-may", &[("channel", channel(words, by.name()).into())]),
        Some(Contact::MayNot { reason }) => words.tell("norm-who-may-not", &[("reason", withheld(words, reason).into())]),
        None => words.tell("norm-who-may-not", &[("reason", withheld(words, "not-served").into())]),
    }
}

fn group(words: &Words, preview: &Preview) -> Markup {
    html! { @match preview.norm() {
        Some(norm) => {
            (words.say(&format!("norm-group-{}", norm.group_kind))) " «" (norm.group_name) "», "
            (words.tell("norm-homes", &[("n", i64::from(norm.homes).into())]))
        },
        None => (words.say("norm-group-none")),
    } }
}

fn figure(words: &Words, preview: &Preview) -> Markup {
    let Some(norm) = preview.norm() else { return html! { (words.say("norm-figure-none")) } };
    let values = [
        ("tenth", norm.stated_tenth.into()),
        ("share", share(norm.estimate).into()),
        ("low", share(norm.ci_low).into()),
        ("high", share(norm.ci_high).into()),
    ];
    html! {
        (words.tell("norm-figure", &values))
        span.sub {
            (words.tell("norm-figure-source", &[("from", norm.window_from.number().into()), ("to", norm.window_to.number().into()), ("n", count(i64::from(norm.observations)).into()),
                ("day", show_day(local_day(norm.computed_at)).into()), ("until", show_day(local_day(norm.valid_until)).into())]))
            @if let (Some(before), Some(rise), Some(low)) = (norm.before_tenth, norm.rise, norm.rise_low) {
                " " (words.tell("norm-figure-rise", &[("before", before.into()), ("rise", share(rise).into()), ("low", share(low).into())]))
            }
            @if preview.facts.norms_are_stored { " " (words.tell("norm-figure-id", &[("id", norm.norm_id.to_string().into())])) }
            @else { " " (words.say("norm-figure-unsaved")) }
        }
    }
}

fn own(words: &Words, preview: &Preview) -> String {
    words.tell("norm-own", &[("complied", preview.draft.own.complied.into()), ("observed", preview.draft.own.observed.into())])
}

fn rule(words: &Words, preview: &Preview) -> Markup {
    let key = preview.draft.choice.as_ref().map_or(preview.draft.rule, |choice| choice.text.name()).replace('_', "-");
    html! {
        (words.tell(&format!("norm-rule-{key}"), &[("source", INJUNCTIVE_SOURCE.into())]))
        span.sub { (words.tell("norm-wording", &[("name", preview.stored.as_ref().map_or(&preview.draft.wording, |s| &s.wording).as_str().into())])) }
    }
}

/// A message that stands has its own hours, whatever the calendar says of its week since.
fn hour(words: &Words, preview: &Preview) -> String {
    let stands = preview.stored.as_ref().filter(|stored| stored.body.is_some()).map(|stored| (stored.send_after, stored.expires_at));
    let Some((send_after, expires_at)) = stands.or(preview.draft.slot.as_ref().map(|slot| (slot.send_after, slot.expires_at))) else {
        return words.say("norm-hour-none");
    };
    let weekday = |at| weekday_name(local_day(at));
    words.tell(
        "norm-hour",
        &[
            ("weekday", weekday(send_after).into()),
            ("time", show_time(send_after).into()),
            ("collection", format!("{} {}", weekday(expires_at), local(expires_at).format("%d/%m/%Y %H:%M")).into()),
        ],
    )
}

fn why(words: &Words, why: &Why) -> String {
    let tell = |key: &str, values: &[(&str, fluent_bundle::FluentValue<'_>)]| words.tell(&format!("norm-why-{key}"), values);
    let own = |observed: i64, complied: i64| [("observed", observed.into()), ("complied", complied.into())];
    match why {
        Why::Preferred { text } => tell("preferred", &[("text", text_name(words, *text).into())]),
        Why::Turn => tell("turn", &[]),
        Why::NoGroup => tell("no-group", &[]),
        Why::LowerBound { low, needs } => tell("lower-bound", &[("low", share(*low).into()), ("needs", share(*needs).into())]),
        Why::NoEarlierWindow => tell("no-earlier-window", &[]),
        Why::RiseTooSmall { rise, needs } => tell("rise-too-small", &[("rise", share(*rise).into()), ("needs", share(*needs).into())]),
        Why::RiseUncertain { low } => tell("rise-uncertain", &[("low", share(*low).into())]),
        Why::SameTenth { tenth } => tell("same-tenth", &[("tenth", (*tenth).into())]),
        Why::TenthTooLow { tenth } => tell("tenth-too-low", &[("tenth", (*tenth).into())]),
        Why::OwnUnknown { observed } => tell("own-unknown", &[("observed", (*observed).into())]),
        Why::OwnBelow { observed, complied, .. } => tell("own-below", &own(*observed, *complied)),
        Why::OwnAbove { observed, complied, .. } => tell("own-above", &own(*observed, *complied)),
        Why::OwnNotHalf { observed, complied } => tell("own-not-half", &own(*observed, *complied)),
        Why::LevelNotTold => tell("level-not-told", &[]),
        Why::Ceiling { tenth } => tell("ceiling", &[("tenth", (*tenth).into())]),
        Why::NotAtCeiling { tenth, ceiling } => tell("not-at-ceiling", &[("tenth", (*tenth).into()), ("ceiling", (*ceiling).into())]),
        Why::NoSource => tell("no-source", &[]),
    }
}

fn group_why(words: &Words, why: &GroupWhy) -> String {
    match why {
        GroupWhy::Unobserved => words.say("norm-group-why-unobserved"),
        GroupWhy::TooFewHomes { homes, needs } => words.tell("norm-group-why-few", &[("homes", (*homes).into()), ("needs", (*needs).into())]),
        GroupWhy::TooWide { half_width, needs } => {
            words.tell("norm-group-why-wide", &[("half", share(*half_width).into()), ("needs", share(*needs).into())])
        }
        GroupWhy::NearerOne { kind } => {
            words.tell("norm-group-why-nearer", &[("group", words.say(&format!("norm-group-{}", kind.name())).to_lowercase().into())])
        }
    }
}
