//! A neighbourhood's page: how is this place doing? Only published numbers, and the days of the truck.

use super::Measure;
use super::page::{eyebrow, key, margin, marked, within_reach};
use super::period::{Kind, label};
use super::read::{self, Ended, Published, Shown, Standing};
use super::view::{Ask, View};
use crate::account::Actor;
use crate::all;
use crate::app::App;
use crate::clock::show_day;
use crate::error::{Error, Result};
use crate::id::RouteId;
use crate::language::Words;
use crate::page::chart::{Dot, Frame, Interval, path};
use crate::page::{Page, Reader, change, count, rate};
use crate::territory::calendar::{self, Planned, feed};
use crate::territory::code::{Thing, find as find_code, first as first_code};
use crate::territory::dated::in_force;
use axum::extract::{Path, Query, State};
use chrono::{Datelike, Days};
use maud::{Markup, html};
use std::collections::BTreeMap;

pub async fn neighbourhood(
    State(app): State<App>,
    actor: Actor,
    reader: Reader,
    Path((code, area)): Path<(String, String)>,
    Query(ask): Query<Ask>,
) -> Result<Page> {
    let municipality = within_reach(&actor, &code)?;
    let words = &reader.words;
    let mut tx = app.db.read().await?;
    let mut view = View::load(&mut tx, municipality, &ask, app.clock.today()).await?;
    // Figures are kept under the code an area was first given; a link may say another.
    let area = match find_code(&mut tx, municipality, Thing::Neighbourhood, &area).await? {
        Some(id) => first_code(&mut tx, municipality, Thing::Neighbourhood, id).await?.unwrap_or(area),
        None => area,
    };
    let today = app.clock.today();
    let ended = read::ended(&mut tx, municipality, &area, today).await?;
    // What has ended stands in no new period: whoever names none is shown the last one it was in.
    if let Some(ended) = &ended
        && ask.period.as_deref().is_none_or(str::is_empty)
        && let Some(current) = view.current.as_ref().filter(|current| current.first.monday() > ended.last_day)
        && let Some(own) = view.published.iter().rfind(|p| p.name.kind() == current.name.kind() && p.first.monday() <= ended.last_day)
    {
        let own = Ask { period: Some(own.period.clone()), ..ask.clone() };
        view = View::load(&mut tx, municipality, &own, today).await?;
    }
    let Some(at) = view.names.iter().position(|name| name.code == area) else {
        return Err(
            Error::not_found("neighbourhood-unknown", format!("there is no neighbourhood {area} in {code}; see /map/{code}")).with("area", area)
        );
    };
    let mut other = Vec::new();
    for measure in Measure::ALL {
        let of = |cell: &super::read::Cell| cell.area == area;
        let table = match &view.current {
            Some(current) => read::table(&mut tx, municipality, current, measure).await?.1,
            None => Vec::new(),
        };
        other.push(table.into_iter().find(of).and_then(|cell| cell.y.zip(cell.n)));
    }
    let own = read::path(&mut tx, municipality, &area, view.measure, Kind::Week, &view.published).await?;
    let whole = read::path(&mut tx, municipality, "", view.measure, Kind::Week, &view.published).await?;
    let there: Vec<(RouteId,)> = all!(
        tx,
        concat!(
            "SELECT DISTINCT s.route_id FROM neighbourhood nb
             JOIN segment_version s ON s.municipality_id = nb.municipality_id AND s.neighbourhood_id = nb.neighbourhood_id AND ",
            in_force!("s", "$3"),
            " WHERE nb.municipality_id = $1 AND nb.code = $2"
        ),
        municipality,
        &area,
        today
    )?;
    let mut rounds = calendar::planned(&mut tx, municipality, today, today + Days::new(13)).await?;
    rounds.retain(|planned| there.contains(&(planned.route_id,)));
    let name = &view.names[at];
    let split = match other[..] {
        [Some((complied, n)), Some((set_out, _))] => Some((complied, set_out, n)),
        _ => None,
    };
    let body = html! {
        p.volver { a href=(format!("/map/{code}?measure={}", view.measure.name())) { (words.tell("map-back", &[("place", view.place.name.as_str().into())])) } }
        div.dos {
            (weeks(words, &view, &own, &whole))
            div {
                @match &ended {
                    Some(ended) => { (gone(words, ended)) }
                    None => { (truck(words, &code, &rounds)) }
                }
                @if let Some((complied, set_out, n)) = split { (split_table(words, complied.into(), set_out.into(), n.into())) }
            }
        }
    };
    let heading = words.tell("map-place-heading", &[("name", name.name.as_str().into())]);
    let mut page = Page::new("map", heading, body).place(view.place.name.clone());
    if let Some(current) = &view.current {
        page = page.eyebrow(eyebrow(words, current));
    }
    Ok(page.answer(answer(words, &view, at)))
}

fn answer(words: &Words, view: &View, at: usize) -> Markup {
    let name = view.names[at].name.as_str();
    let Some(shown) = view.shown(at) else {
        return match view.current {
            Some(_) => html! { (view.say_hidden(words, "map-place-hidden", view.cells[at].as_ref(), name)) },
            None => html! { (words.say("map-empty")) },
        };
    };
    let mut values = margin(shown).to_vec();
    values.push(("name", name.into()));
    let kind = view.current.as_ref().map_or("week", |current| current.name.kind().name());
    let standing = match view.standing(at) {
        Standing::Below => "map-place-below",
        Standing::Above => "map-place-above",
        _ => "map-place-alike",
    };
    html! {
        (marked(&words.tell(&format!("map-place-{}", key(view.measure)), &values))) " "
        @match view.whole {
            Some(whole) => { (marked(&words.tell(standing, &margin(whole)))) }
            None => {}
        }
        " " (words.tell("map-counts-sentence", &[("homes", count(shown.homes).into()), ("n", count(shown.n).into())]))
        @if let Some((value, low, high)) = shown.change { " " (words.say("map-table-change")) " " (words.say(&format!("map-table-since-{kind}"))) ": " (change(words, value, low, high, 0)) "." }
    }
}

fn weeks(words: &Words, view: &View, own: &[(Published, Option<Shown>)], whole: &[(Published, Option<Shown>)]) -> Markup {
    let Some((start, _)) = own.first() else { return html! { p.vacio { (words.say("map-empty")) } } };
    // Week numbers on the axis, unless the weeks cross a new year: then weeks are counted from the first.
    let one_year = own.iter().all(|(p, _)| p.first.0 / 100 == start.first.0 / 100);
    let from = if one_year { start.first.number() } else { 1 };
    let at = |p: &Published| f64::from(from) + p.first.since(start.first) as f64;
    let dots = |path: &[(Published, Option<Shown>)]| -> Vec<Dot> {
        path.iter().filter_map(|(p, s)| s.and_then(|s| Interval::new(s.rate, s.low, s.high)).map(|interval| Dot { at: at(p), interval })).collect()
    };
    let (series, comparison) = (dots(own), dots(whole));
    let to = own.last().map_or(f64::from(from), |(p, _)| at(p));
    let along = words.say(if one_year { "map-axis-week" } else { "map-axis-weeks" });
    let frame = Frame::around(series.iter().chain(&comparison), f64::from(from), to, words.say("map-table-of-hundred"), along);
    html! {
        figure.figura {
            figcaption { (words.say(&format!("map-path-{}", key(view.measure)))) }
            (path(&frame, &series, &comparison))
            p.nota { (words.say("map-path-note")) }
            details {
                summary { (words.say("map-as-table")) }
                table.tabla {
                    caption { (words.say("map-table-margin")) }
                    thead {
                        tr {
                            th scope="col" { (words.say("map-week-column")) }
                            th.num scope="col" { (words.say("map-here")) }
                            th.num scope="col" { (words.say("map-municipality")) }
                        }
                    }
                    tbody {
                        @for ((period, here), (_, there)) in own.iter().zip(whole) {
                            tr {
                                th scope="row" { (label(words, &period.name, period.first, period.last)) }
                                td.num { (cell(words, *here)) }
                                td.num { (cell(words, *there)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(words: &Words, shown: Option<Shown>) -> Markup {
    match shown {
        Some(shown) => rate(words, shown.rate, shown.low, shown.high),
        None => html! { span.suave { (words.say("map-legend-hidden")) } },
    }
}

/// Of the published collections: complied, set out but not as it should be, not set out. Counts: a share would need its interval.
fn split_table(words: &Words, complied: i64, set_out: i64, n: i64) -> Markup {
    let rows = [("map-split-complied", complied), ("map-split-set-out", set_out - complied), ("map-split-none", n - set_out)];
    html! {
        section {
            h2 { (words.say("map-split")) }
            table.tabla.medio {
                caption { (words.tell("map-split-caption", &[("n", count(n).into())])) }
                thead {
                    tr {
                        th scope="col" { (words.say("map-split-what")) }
                        th.num scope="col" { (words.say("map-split-collections")) }
                        th.ancho scope="col" { span.oido { (words.say("map-split")) } }
                    }
                }
                tbody {
                    @for (what, y) in rows {
                        tr {
                            th scope="row" { (words.say(what)) }
                            td.num { span.tasa { (count(y)) } }
                            td.ancho { (share_bar_plain(y, n)) }
                        }
                    }
                }
            }
        }
    }
}

/// A share as a bar, without the tick that marks deliveries.
fn share_bar_plain(y: i64, n: i64) -> Markup {
    let width = if n > 0 { 200 * y.clamp(0, n) / n } else { 0 };
    html! {
        svg viewBox="0 0 200 14" aria-hidden="true" { rect class="g-bc" width="200" height="14" {} rect class="g-b" width=(width) height="14" {} }
    }
}

/// A neighbourhood that has ended has no truck of its own any more.
fn gone(words: &Words, ended: &Ended) -> Markup {
    let day = show_day(ended.last_day);
    let places = ended.now.join(", ");
    html! {
        section {
            h2 { (words.say("map-ended")) }
            p {
                @if ended.now.is_empty() { (words.tell("map-ended-on", &[("day", day.as_str().into())])) }
                @else { (words.tell("map-ended-into", &[("day", day.as_str().into()), ("places", places.as_str().into())])) }
            }
        }
    }
}

/// The truck of the coming two weeks, day by day as the calendar says.
fn truck(words: &Words, municipality: &str, rounds: &[Planned]) -> Markup {
    let routes: BTreeMap<&str, &str> = rounds.iter().map(|planned| (planned.code.as_str(), planned.name.as_str())).collect();
    html! {
        section {
        h2 { (words.say("map-truck")) }
        @if rounds.is_empty() {
            p { (words.say("map-truck-none")) }
        } @else {
            table.tabla {
                caption { (words.say("map-truck-caption")) }
                thead { tr { th scope="col" { (words.say("map-truck-day")) } th scope="col" { (words.say("map-truck-hours")) } th scope="col" { (words.say("map-truck-bags")) } } }
                tbody {
                    @for planned in rounds {
                        tr {
                            th scope="row" {
                                (words.say(&format!("map-day-{}", planned.day.weekday().number_from_monday()))) " " (planned.day.format("%d/%m"))
                                span.sub { (planned.name) }
                            }
                            td.junto { @if planned.standing.runs() { (planned.window_start) "–" (planned.window_end) } @else { "–" } }
                            td {
                                @if planned.standing.runs() { (words.say(&format!("map-stream-{}", planned.stream))) }
                                @if let Some(why) = feed::why(words, &planned.standing) { span.sub { (why) } }
                            }
                        }
                    }
                }
            }
            p.nota {
                (words.say("calendar-subscribe")) ": "
                @for (n, (code, name)) in routes.iter().enumerate() { @if n > 0 { ", " } a href=(feed::address(municipality, code)) { (name) } }
            }
        }
        }
    }
}
