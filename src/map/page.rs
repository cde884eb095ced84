//! The mayor's page: where is it better or worse? And the same as a picture.

use super::Measure;
use super::draw::{self, Base, large};
use super::period::{Kind, days_in_words, label};
use super::read::{Published, Shown, Standing};
use super::view::{Ask, View, base};
use crate::account::Actor;
use crate::app::App;
use crate::clock::{local_day, show_day};
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::language::Words;
use crate::page::chart::{Interval, interval_bar, scale_around};
use crate::page::{Page, Reader, change, count, points, rate};
use crate::trial::protocol::published_on;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use maud::{Markup, html};

/// `/map/1202` is the page, `/map/1202.svg` the picture.
pub async fn map(State(app): State<App>, actor: Actor, reader: Reader, Path(address): Path<String>, Query(ask): Query<Ask>) -> Result<Response> {
    match address.strip_suffix(".svg") {
        Some(code) => picture(&app, &actor, &reader, code, &ask).await,
        None => Ok(mayor(&app, &actor, &reader, &address, &ask).await?.into_response()),
    }
}

/// A municipality within the actor's reach; otherwise there is none.
pub fn within_reach(actor: &Actor, code: &str) -> Result<MunicipalityId> {
    let municipality = MunicipalityId::parse(code)?;
    if !actor.reaches(municipality) {
        return Err(Error::not_found("municipality-unknown", format!("there is no municipality {municipality} within your reach")).with("code", code));
    }
    Ok(municipality)
}

async fn mayor(app: &App, actor: &Actor, reader: &Reader, code: &str, ask: &Ask) -> Result<Page> {
    let municipality = within_reach(actor, code)?;
    let mut tx = app.db.read().await?;
    let today = app.clock.today();
    let view = View::load(&mut tx, municipality, ask, today).await?;
    let base = base(&mut tx, municipality, &view, today).await?;
    let words = &reader.words;
    let heading = words.say(&format!("map-heading-{}", key(view.measure)));
    let Some(current) = &view.current else {
        let first = super::read::first_observed(&mut tx, municipality).await?;
        return Ok(Page::new("map", heading, empty(words, &view, base.as_ref().as_ref(), ask, (first.map(published_on), today)))
            .place(view.place.name.clone())
            .script("map.js"));
    };
    let page = Page::new("map", heading, body(words, &view, base.as_ref().as_ref(), ask, current));
    Ok(page.place(view.place.name.clone()).eyebrow(eyebrow(words, current)).answer(answer(words, &view)).script("map.js"))
}

async fn picture(app: &App, actor: &Actor, reader: &Reader, code: &str, ask: &Ask) -> Result<Response> {
    let municipality = within_reach(actor, code)?;
    let mut tx = app.db.read().await?;
    let today = app.clock.today();
    let view = View::load(&mut tx, municipality, ask, today).await?;
    let base = base(&mut tx, municipality, &view, today).await?;
    let words = &reader.words;
    let Some(base) = base.as_ref() else {
        return Err(Error::not_found(
            "map-empty",
            format!("{code} has no outline and no neighbourhoods to draw; import them with `vecino geo import`"),
        ));
    };
    let title = match &view.current {
        Some(_) => words.tell(
            &format!("map-picture-{}", key(view.measure)),
            &[("place", view.place.name.as_str().into()), ("period", view.period_in_words(words).into())],
        ),
        None => view.place.name.clone(),
    };
    let description = legend_words(words, &view).join("; ");
    let svg = draw::alone(words, base, &view.fills(words), ask.layers(), view.approximate(), &title, &description);
    Ok(([(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8")], svg).into_response())
}

/// `complied` and `set-out`, as in interface keys.
pub fn key(measure: Measure) -> &'static str {
    match measure {
        Measure::Complied => "complied",
        Measure::SetOut => "set-out",
    }
}

/// A sentence with `*strong*` and `~margin~` parts.
pub fn marked(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('*').enumerate() {
            @if i % 2 == 1 { strong { (part) } } @else {
                @for (j, part) in part.split('~').enumerate() { @if j % 2 == 1 { span.ic { (part) } } @else { (part) } }
            }
        }
    }
}

pub fn eyebrow(words: &Words, current: &Published) -> Markup {
    html! {
        (capital(&label(words, &current.name, current.first, current.last))) " (" (days_in_words(words, current.first, current.last)) ") · "
        (words.tell("map-published", &[("day", show_day(local_day(current.at)).into()), ("revision", current.revision.into())]))
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn answer(words: &Words, view: &View) -> Markup {
    let of = |standing: Standing| (0..view.names.len()).filter(|i| view.standing(*i) == standing).count() as i64;
    let (below, above, alike) = (of(Standing::Below), of(Standing::Above), of(Standing::Alike));
    match view.whole {
        Some(whole) => html! {
            (marked(&words.tell(&format!("map-answer-{}", key(view.measure)), &margin(whole)))) " "
            @let values = [("below", below.into()), ("above", above.into()), ("alike", alike.into())];
            (marked(&words.tell(if below + above == 0 { "map-answer-none" } else { "map-answer-places" }, &values)))
        },
        None => html! { (view.say_hidden(words, "map-answer-hidden", view.whole_cell.as_ref(), "")) },
    }
}

pub fn margin(shown: Shown) -> [(&'static str, fluent_bundle::FluentValue<'static>); 3] {
    [("rate", points(shown.rate).into()), ("low", points(shown.low).into()), ("high", points(shown.high).into())]
}

fn empty(words: &Words, view: &View, base: Option<&Base>, ask: &Ask, (first, today): (Option<NaiveDate>, NaiveDate)) -> Markup {
    html! {
        p.vacio {
            (words.say("map-empty")) " "
            // Only what will come is promised: nothing is published where no pilot runs, or before a home was observed.
            @match first {
                _ if !view.place.pilot => { (words.say("map-empty-no-pilot")) }
                Some(day) if day >= today => { (words.tell("map-empty-first", &[("day", show_day(day).into())])) }
                Some(_) => { (words.say("map-empty-waiting")) }
                None => { (words.say("map-empty-unknown")) }
            }
        }
        @if let Some(base) = base {
            figure.figura.sin-datos {
                figcaption { (words.say("map-places")) }
                (draw::in_page(words, base, &vec![draw::Fill { class: 1, ..draw::Fill::default() }; base.shapes.len()], ask.layers(), view.approximate()))
                @if view.approximate() { p.nota { (words.say("map-approximate")) } }
                ol.nombres { @for name in &view.names { li { (name.name) } } }
            }
        }
    }
}

fn body(words: &Words, view: &View, base: Option<&Base>, ask: &Ask, current: &Published) -> Markup {
    let layers = ask.layers();
    html! {
        @if !view.place.pilot { p.nota { (words.say("map-no-further")) } }
        (choices(words, view, current))
        div.dos.mapa-y-tabla {
            div.fija {
                figure.figura {
                    figcaption { (words.say(&format!("map-caption-{}", key(view.measure)))) }
                    (slider(words, view, ask, current))
                    div #dibujo {
                        @if let Some(base) = base {
                            (draw::in_page(words, base, &view.fills(words), layers, view.approximate()))
                            div.leyenda { (legend(words, view)) }
                            @if layers.points && !base.points.is_empty() { (points_legend(words, base)) }
                        }
                        p.nota {
                            @if view.approximate() { (words.say("map-approximate")) " " }
                            (words.say("map-note-signs"))
                            @if !view.breaks.fixed { " " (words.say("map-note-breaks")) }
                        }
                    }
                }
            }
            div #tabla-viva {
                (table(words, view, current))
                p.botones {
                    @let file = format!("municipality={}&by=neighbourhood&measure={}&period={}", view.place.code, view.measure.name(), current.period);
                    a.boton href=(format!("/api/v1/compliance?{file}&format=csv")) { (words.say("map-csv")) }
                    a.boton href=(format!("/map/{}.svg?measure={}&period={}", view.place.code, view.measure.name(), current.period)) { (words.say("map-svg")) }
                    button.boton #imprimir type="button" hidden { (words.say("map-print")) }
                }
            }
        }
        section {
            h2 { (words.say("map-how")) }
            p {
                (marked(&words.say(&format!("map-how-{}", key(view.measure))))) " "
                (words.tell("map-how-chance", &[("places", (view.names.len() as i64).into())])) " "
                (words.say("map-how-hidden"))
                @if view.cells.iter().flatten().any(super::read::Cell::hidden_by_trial) { " " (words.say("map-how-trial")) }
            }
        }
    }
}

/// Measures, and kinds of period of which something is published.
fn choices(words: &Words, view: &View, current: &Published) -> Markup {
    let here = format!("/map/{}", view.place.code);
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| view.published.iter().any(|p| p.name.kind() == *kind)).collect();
    html! {
        div.opciones #opciones {
            nav aria-label=(words.say("map-measure")) {
                ul {
                    @for measure in Measure::ALL {
                        li {
                            a href=(format!("{here}?measure={}&period={}", measure.name(), current.period))
                                aria-current=[(measure == view.measure).then_some("true")] { (words.say(&format!("map-measure-{}", key(measure)))) }
                        }
                    }
                }
            }
            @if kinds.len() > 1 {
                nav aria-label=(words.say("map-kind")) {
                    ul {
                        @for kind in kinds {
                            li {
                                a href=(format!("{here}?measure={}&kind={}", view.measure.name(), kind.name()))
                                    aria-current=[(kind == current.name.kind()).then_some("true")] { (words.say(&format!("map-kind-{}", kind.name()))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A form that works without JavaScript; the module only saves the press of its button.
fn slider(words: &Words, view: &View, ask: &Ask, current: &Published) -> Markup {
    let steps: Vec<&Published> = view.published.iter().filter(|p| p.name.kind() == current.name.kind()).collect();
    let at = steps.iter().position(|p| p.period == current.period).unwrap_or(0);
    let last = steps.len().saturating_sub(1);
    // Marks stand under their steps only when evenly spaced.
    let every = (1..=last.max(1)).find(|every| last.is_multiple_of(*every) && last / every <= 5).unwrap_or(1);
    let layers = ask.layers();
    html! {
        form.deslizar method="get" action=(format!("/map/{}", view.place.code)) {
            input type="hidden" name="measure" value=(view.measure.name());
            input type="hidden" name="kind" value=(current.name.kind().name());
            @if last > 0 {
                label for="per" { (words.say("map-slider")) " " output #sal for="per" { (label(words, &current.name, current.first, current.last)) } }
                input #per type="range" name="paso" min="0" max=(last) step="1" value=(at) list="pasos" autocomplete="off" aria-valuetext=(view.period_in_words(words));
                datalist #pasos { @for step in 0..=last { option value=(step) {} } }
                ol.marcas #marcas aria-hidden="true" {
                    @for (i, step) in steps.iter().enumerate().filter(|(i, _)| i.is_multiple_of(every)) {
                        li.va[i == at] { (short(step)) }
                    }
                }
            } @else {
                p { (words.say("map-slider")) " " (label(words, &current.name, current.first, current.last)) }
            }
            p.capas {
                label { input type="checkbox" name="rutas" value="1" checked[layers.routes]; " " (words.say("map-layer-routes")) }
                label { input type="checkbox" name="puntos" value="1" checked[layers.points]; " " (words.say("map-layer-points")) }
            }
            button.boton #ver { (words.say(if last > 0 { "map-see" } else { "map-see-layers" })) }
        }
    }
}

/// `41–44`
fn short(period: &Published) -> String {
    match period.first == period.last {
        true => period.first.number().to_string(),
        false => format!("{}–{}", period.first.number(), period.last.number()),
    }
}

fn legend_words(words: &Words, view: &View) -> Vec<String> {
    let lower: Vec<i64> = view.breaks.lower.iter().map(|lower| (lower * 100.0).round() as i64).collect();
    let mut legend = vec![words.tell("map-legend-below", &[("to", lower[0].into())])];
    legend.extend(lower.windows(2).map(|ends| words.tell("map-legend-between", &[("from", ends[0].into()), ("to", (ends[1] - 1).into())])));
    legend.push(words.tell("map-legend-above", &[("from", lower[3].into())]));
    legend.push(words.say("map-legend-hidden"));
    legend
}

fn legend(words: &Words, view: &View) -> Markup {
    html! {
        ul aria-label=(words.say(&format!("map-legend-{}", key(view.measure)))) {
            @for (i, text) in legend_words(words, view).into_iter().enumerate() {
                li {
                    svg viewBox="0 0 30 20" aria-hidden="true" { rect class=(format!("k{}", (i + 1) % 6)) width="30" height="20" {} }
                    (text)
                }
            }
        }
    }
}

fn points_legend(words: &Words, base: &Base) -> Markup {
    let list =
        |big: bool| base.points.iter().filter(|(_, kind, _)| large(kind) == big).map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(", ");
    html! {
        @for (sign, names) in [("□", list(true)), ("○", list(false))] { @if !names.is_empty() { p.nota { (sign) " " (names) "." } } }
        p.nota { (words.say("map-points-approximate")) }
    }
}

fn table(words: &Words, view: &View, current: &Published) -> Markup {
    let first = !view.published.iter().any(|p| p.name.kind() == current.name.kind() && p.last < current.first);
    let shown = (0..view.names.len()).filter_map(|i| view.shown(i)).chain(view.whole);
    let margins: Vec<Interval> = shown.filter_map(|shown| Interval::new(shown.rate, shown.low, shown.high)).collect();
    let scale = scale_around(&margins);
    let ends = [("low", (scale.0 * 100.0).round().into()), ("high", (scale.1 * 100.0).round().into())];
    html! {
        table.tabla #tabla {
            caption {
                (words.say("map-table-margin"))
                @if let Some(whole) = view.whole {
                    " " (words.tell("map-table-whole", &[
                        ("rate", points(whole.rate).into()), ("low", points(whole.low).into()), ("high", points(whole.high).into()),
                        ("homes", count(whole.homes).into()), ("n", count(whole.n).into())]))
                }
            }
            thead {
                tr {
                    th.clave scope="col" { span.oido { (words.say("map-table-number")) } }
                    th scope="col" { (words.say("map-table-place")) }
                    th.num scope="col" { (words.say(&format!("map-table-{}", key(view.measure)))) br; (words.say("map-table-of-hundred")) }
                    th.ancho scope="col" { (words.say("map-table-scale")) br; (words.tell("map-table-scale-ends", &ends)) }
                    th.num.ancho scope="col" { (words.say("map-table-change")) br; (words.say(&format!("map-table-since-{}", current.name.kind().name()))) }
                }
            }
            @for standing in [Standing::Below, Standing::Alike, Standing::Above, Standing::Hidden] {
                @let rows = group(view, standing);
                @if !rows.is_empty() {
                    tbody {
                        tr.grupo { th colspan="5" scope="rowgroup" { (words.tell(group_key(standing, view.whole.is_some()), &[("n", (rows.len() as i64).into())])) } }
                        @for i in rows { (row(words, view, &current.period, i, first, scale)) }
                    }
                }
            }
        }
    }
}

fn group_key(standing: Standing, compared: bool) -> &'static str {
    match standing {
        Standing::Below => "map-group-below",
        Standing::Alike if compared => "map-group-alike",
        Standing::Alike => "map-group-shown",
        Standing::Above => "map-group-above",
        Standing::Hidden => "map-group-hidden",
    }
}

/// Within its group a place stands by its rate; the hidden ones by their number.
fn group(view: &View, standing: Standing) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..view.names.len()).filter(|i| view.standing(*i) == standing).collect();
    rows.sort_by(|a, b| {
        let rate = |i: &usize| view.shown(*i).map_or(0.0, |shown| shown.rate);
        rate(a).total_cmp(&rate(b)).then(a.cmp(b))
    });
    rows
}

fn row(words: &Words, view: &View, period: &str, i: usize, first: bool, scale: (f64, f64)) -> Markup {
    let name = &view.names[i];
    let number = i + 1;
    let Some(shown) = view.shown(i) else {
        return html! {
            tr id=(format!("v{number}")) {
                td.clave { (number) }
                th scope="row" { (name.name) }
                td.suave colspan="3" { (view.say_hidden(words, "map-hidden", view.cells[i].as_ref(), &name.name)) }
            }
        };
    };
    let difference = html! {
        @match shown.change {
            Some((value, low, high)) => { (change(words, value, low, high, 0)) }
            None => { span.suave { (words.say(if first { "map-change-first" } else { "map-change-none" })) } }
        }
    };
    html! {
        tr id=(format!("v{number}")) {
            td.clave { (number) }
            th scope="row" {
                a href=(format!("/map/{}/{}?measure={}&period={period}", view.place.code, name.code, view.measure.name())) { (name.name) }
                span.sub { (words.tell("map-counts", &[("homes", count(shown.homes).into()), ("n", count(shown.n).into())])) }
                span.sub.angosto.nopapel { (words.say("map-table-change")) ": " (difference) }
            }
            td.num { (rate(words, shown.rate, shown.low, shown.high)) }
            td.ancho { @if let Some(interval) = Interval::new(shown.rate, shown.low, shown.high) { (interval_bar(interval, view.whole.map(|w| w.rate), scale)) } }
            td.num.ancho { (difference) }
        }
    }
}
