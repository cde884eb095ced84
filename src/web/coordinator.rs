//! The coordinator's day: what waits for a person today, sorted by harm; then rounds, homes without a place, messages, trends.
//! Everybody here sees all homes together: no arm, no contrast.

mod facts;
mod tasks;
mod view;

use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::clock::{Week, local};
use crate::error::Result;
use crate::map::page::within_reach;
use crate::page::{Page, Reader, count};
use axum::extract::{Path, State};
use facts::Facts;
use maud::html;

pub fn routes(routes: Routes) -> Routes {
    routes.get("/today/{municipality}", today)
}

async fn today(State(app): State<App>, actor: Actor, reader: Reader, Path(code): Path<String>) -> Result<Page> {
    let municipality = within_reach(&actor, &code)?;
    let (now, day) = (app.clock.now(), app.clock.today());
    let mut tx = app.db.read().await?;
    let place = crate::map::read::place(&mut tx, municipality).await?;
    let facts = Facts::gather(&mut tx, municipality, now, day).await?;
    let words = &reader.words;
    let tasks = tasks::of(words, &facts);
    let (done, missed, planned) =
        facts.today.iter().fold((0, 0, 0), |(done, missed, planned), row| (done + row.done, missed + row.missed, planned + row.due()));
    let heading = match tasks.len() {
        0 => words.say("today-heading-none"),
        n => words.tell("today-heading", &[("n", (n as i64).into())]),
    };
    let eyebrow = words.tell(
        "today-eyebrow",
        &[
            ("weekday", words.say(&format!("map-day-{}", chrono::Datelike::weekday(&day).number_from_monday())).into()),
            ("day", crate::clock::show_day(day).into()),
            ("hour", local(now).format("%H:%M").to_string().into()),
            ("week", Week::of(day).number().into()),
            ("rounds", (facts.today.len() as i64).into()),
        ],
    );
    let values = [
        ("done", count(done).into()),
        ("planned", count(planned).into()),
        ("missed", count(missed).into()),
        ("unknown", count(planned - done - missed).into()),
    ];
    let answer = match facts.today.is_empty() {
        true => words.say("today-answer-none"),
        false if missed == 0 => words.tell("today-answer-all", &values),
        false => words.tell("today-answer", &values),
    };
    Ok(Page::new("today", heading, view::body(words, &facts, &tasks))
        .place(place.name)
        .eyebrow(html! { (eyebrow) })
        .answer(crate::map::page::marked(&answer)))
}
