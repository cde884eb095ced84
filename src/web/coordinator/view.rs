//! The page's sections, in the order of the day.

use super::facts::{Facts, Next};
use super::tasks::Task;
use crate::clock::{Week, local, show_day};
use crate::language::Words;
use crate::map::page::key;
use crate::observation::Reason;
use crate::observation::supervision::Progress;
use crate::page::chart::{Interval, progress, sparkline};
use crate::page::{count, points, rate};
use crate::territory::calendar::feed;
use chrono::Datelike;
use maud::{Markup, html};

pub fn body(words: &Words, facts: &Facts, tasks: &[Task]) -> Markup {
    html! {
        h2.oido { (words.say("today-tasks")) }
        @if tasks.is_empty() {
            p.vacio { (next_round(words, facts)) }
        } @else {
            ol.asuntos {
                @for task in tasks {
                    li {
                        span class=(format!("estado {}", task.tone)) { (task.state) }
                        div { h3 { (task.title) } p.suave { (task.detail) } }
                        a.boton href=(task.href) { (task.verb) }
                    }
                }
            }
        }
        (rounds(words, facts))
        div.mitad { (week(words, facts)) (messages(words, facts)) }
        (trends(words, facts))
        @if facts.homeless_count > 0 { (homeless(words, facts)) }
        (trial(words, facts))
    }
}

fn next_round(words: &Words, facts: &Facts) -> String {
    let next = facts.today.iter().filter(|row| !row.started() && row.round.leaves_at() > facts.now).min_by_key(|row| row.round.leaves_at());
    match next {
        Some(row) => words.tell("today-next", &[("hour", row.round.window_start.as_str().into())]),
        None => words.say("today-next-none"),
    }
}

fn status(words: &Words, facts: &Facts, row: &Progress) -> (&'static str, String) {
    let late = (facts.now - row.round.leaves_at()).num_minutes();
    match () {
        _ if row.reasons.contains_key(&Reason::DumpClosed) && !row.finished(facts.now) => ("tarde", words.say("today-status-dump")),
        _ if row.finished(facts.now) => ("espera", words.say("today-status-finished")),
        _ if row.started() => ("bien", words.say("today-status-running")),
        _ if late >= 15 => ("falla", words.say("today-not-left")),
        _ => ("espera", words.tell("today-status-leaves", &[("hour", row.round.window_start.as_str().into())])),
    }
}

fn rounds(words: &Words, facts: &Facts) -> Markup {
    html! {
        section {
            h2 { (words.say("today-rounds")) }
            @if facts.today.is_empty() { p.vacio { (words.say("today-rounds-none")) } } @else {
                table.tabla.medio {
                    caption { (words.tell("today-rounds-caption", &[("hour", local(facts.now).format("%H:%M").to_string().into())])) }
                    thead {
                        tr {
                            th scope="col" { (words.say("today-route")) }
                            th.num.ancho scope="col" { (words.say("today-hours")) }
                            th.num scope="col" { (words.say("today-done")) }
                            th.ancho scope="col" { (words.say("today-parts")) }
                            th.num.ancho scope="col" { (words.say("today-missed")) }
                            th.ancho scope="col" { (words.say("today-status")) }
                        }
                    }
                    tbody { @for row in &facts.today { (round(words, facts, row)) } }
                }
            }
        }
    }
}

fn round(words: &Words, facts: &Facts, row: &Progress) -> Markup {
    let hours = format!("{}–{}", row.round.window_start, row.round.window_end);
    let (tone, state) = status(words, facts, row);
    let planned = row.due();
    html! {
        tr {
            th scope="row" {
                (row.route)
                span.sub {
                    (row.operator)
                    @if let Some(why) = feed::why(words, &row.standing) { " · " (why) }
                    span.angosto { " · " (hours) @if row.missed > 0 { " · " (words.tell("today-missed-sub", &[("n", count(row.missed).into())])) } }
                }
                span class=(format!("angosto estado {tone}")) { (state) }
            }
            td.num.ancho { (hours) }
            td.num { span.tasa { (count(row.done)) } " " span.ic { (words.tell("today-of", &[("n", count(planned).into())])) } }
            td.ancho { (progress(row.done, row.missed, planned)) }
            td.num.ancho { (count(row.missed)) }
            td.ancho { span class=(format!("estado {tone}")) { (state) } }
        }
    }
}

fn week(words: &Words, facts: &Facts) -> Markup {
    let this = Week::of(facts.day);
    html! {
        section {
            h2 { (words.tell("today-week", &[("week", this.number().into())])) }
            table.tabla {
                caption { (words.say("today-week-caption")) }
                thead {
                    tr {
                        th scope="col" { (words.say("map-truck-day")) }
                        th.num scope="col" { (words.say("today-routes")) }
                        th.num scope="col" { (words.say("today-done")) }
                        th.num scope="col" { (words.say("today-missed")) }
                        th.num.ancho scope="col" { (words.say("today-unknown")) }
                    }
                }
                tbody {
                    @for day in &facts.week {
                        tr {
                            th scope="row" { (words.say(&format!("map-day-{}", day.day.weekday().number_from_monday()))) " " (day.day.format("%d/%m")) @for note in feed::notes(words, &day.other) { span.sub { (note) } } }
                            td.num { (count(day.routes)) }
                            @if day.day > facts.day {
                                td.num.suave colspan="2" { (words.say("today-to-come")) }
                                td.ancho {}
                            } @else {
                                td.num { (count(day.done)) " " span.ic { (words.tell("today-of", &[("n", count(day.planned).into())])) } }
                                td.num { (count(day.missed)) }
                                td.num.ancho { (count((day.planned - day.done - day.missed).max(0))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn messages(words: &Words, facts: &Facts) -> Markup {
    let total: i64 = facts.messages.iter().map(|(.., n)| n).sum();
    html! {
        section {
            h2 { (words.say("today-messages")) }
            @if total == 0 { p.vacio { (words.say("today-messages-none")) } } @else {
                table.tabla {
                    caption { (words.tell("today-messages-caption", &[("n", count(total).into())])) }
                    thead {
                        tr {
                            th scope="col" { (words.say("today-channel")) }
                            th scope="col" { (words.say("today-state")) }
                            th.num scope="col" { (words.say("today-how-many")) }
                        }
                    }
                    tbody {
                        @for (channel, state, n) in &facts.messages {
                            tr {
                                th scope="row" { (words.say(&format!("today-channel-{channel}"))) }
                                td { (words.say(&format!("today-state-{state}"))) }
                                td.num { (count(*n)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn homeless(words: &Words, facts: &Facts) -> Markup {
    html! {
        section #sin-lugar {
            h2 { (words.say("today-homeless-heading")) }
            table.tabla {
                caption { (words.tell("today-homeless-caption", &[("shown", count(facts.homeless.len() as i64).into()), ("n", count(facts.homeless_count).into())])) }
                thead {
                    tr {
                        th scope="col" { (words.say("today-home")) }
                        th.ancho scope="col" { (words.say("map-table-place")) }
                        th scope="col" { (words.say("today-suggestion")) }
                    }
                }
                tbody {
                    @for home in &facts.homeless {
                        tr {
                            th scope="row" {
                                (home.code)
                                span.sub { (words.say(&format!("today-home-{}", home.status))) @if let Some(hint) = &home.hint { " · " (hint) } }
                                @if let Some(name) = &home.neighbourhood { span.sub.angosto { (name) } }
                            }
                            td.ancho { @match &home.neighbourhood { Some(name) => { (name) } None => { span.suave { (words.say("today-nowhere")) } } } }
                            td {
                                @match &home.route {
                                    Some((route, metres)) => { (words.tell("today-near", &[("route", route.as_str().into()), ("metres", format!("{metres:.0}").into())])) }
                                    None => { span.suave { (words.say("today-far")) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn trends(words: &Words, facts: &Facts) -> Markup {
    let Some((newest, _)) = facts.trends.first().and_then(|(_, path)| path.last()) else {
        return html! { section { h2 { (words.say("today-trends")) } p.vacio { (words.say("map-empty")) } } };
    };
    let first = facts.trends[0].1[0].0.first.number();
    let weeks = [("from", first.into()), ("to", newest.last.number().into())];
    html! {
        section {
            h2 { (words.say("today-trends")) }
            p {
                (words.tell("today-trends-through", &[("week", newest.last.number().into())])) " "
                @match facts.next {
                    None => { (words.say("map-no-further")) }
                    Some(Next { week, day, observed }) => {
                        (words.tell(if observed { "today-trends-next" } else { "today-trends-next-if" }, &[("week", week.number().into()), ("day", show_day(day).into())]))
                    }
                }
            }
            @for (week, why) in &facts.waiting {
                p.suave {
                    (words.tell("today-waiting", &[("week", week.number().into())])) " "
                    @for why in why { (words.say(&format!("today-waiting-{}", why.name()))) " " }
                }
            }
            table.tabla.medio {
                caption { (words.tell("today-trends-caption", &weeks)) }
                thead {
                    tr {
                        th scope="col" { (words.say("today-of-hundred")) }
                        th.num scope="col" { (words.tell("today-week", &[("week", newest.last.number().into())])) }
                        th.ancho scope="col" { (words.tell("today-weeks", &weeks)) }
                    }
                }
                tbody {
                    @for (measure, path) in &facts.trends {
                        @let line: Vec<Option<Interval>> = path.iter().map(|(_, s)| s.and_then(|s| Interval::new(s.rate, s.low, s.high))).collect();
                        @let range = around(&line);
                        tr {
                            th scope="row" {
                                (words.say(&format!("today-trend-{}", key(*measure))))
                                @if let Some(shown) = path.last().and_then(|(_, s)| *s) {
                                    span.sub { (words.tell("map-counts", &[("homes", count(shown.homes).into()), ("n", count(shown.n).into())])) }
                                }
                                span.angosto { (sparkline(&line, range)) }
                            }
                            td.num {
                                @match path.last().and_then(|(_, s)| *s) {
                                    Some(shown) => { (rate(words, shown.rate, shown.low, shown.high)) }
                                    None => { span.suave { (words.say("map-legend-hidden")) } }
                                }
                            }
                            td.chispa.ancho { (sparkline(&line, range)) }
                        }
                    }
                    @if let Some((_, planned, observed)) = facts.coverage.last() {
                        @let share = |planned: i64, observed: i64| observed as f64 / planned.max(1) as f64;
                        @let line: Vec<Option<Interval>> = facts.coverage.iter().map(|(_, p, o)| Interval::new(share(*p, *o), share(*p, *o), share(*p, *o))).collect();
                        tr {
                            th scope="row" {
                                (words.say("today-trend-observed"))
                                span.sub { (words.tell("today-y-of-n", &[("y", count(*observed).into()), ("n", count(*planned).into())])) }
                                span.angosto { (sparkline(&line, around(&line))) }
                            }
                            td.num { span.tasa { (points(share(*planned, *observed))) } }
                            td.chispa.ancho { (sparkline(&line, around(&line))) }
                        }
                    }
                }
            }
        }
    }
}

/// The vertical range of a sparkline: round tens round all its values.
fn around(line: &[Option<Interval>]) -> (f64, f64) {
    let low = line.iter().flatten().map(|i| i.low).fold(f64::INFINITY, f64::min);
    let high = line.iter().flatten().map(|i| i.high).fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() || !high.is_finite() {
        return (0.0, 1.0);
    }
    (((low * 10.0).floor() / 10.0).max(0.0), ((high * 10.0).ceil() / 10.0).clamp(0.1, 1.0))
}

/// One line on the trial, all homes together.
fn trial(words: &Words, facts: &Facts) -> Markup {
    let Some(protocol) = &facts.trial else { return html! {} };
    let week = Week::of(facts.day);
    let (lead, more) = match facts.phase() {
        Some((_, crate::trial::protocol::Phase::Baseline, _, last)) => {
            (words.tell("today-trial-baseline", &[("day", show_day(last.plus(1).monday()).into())]), "today-trial-observe")
        }
        Some((_, crate::trial::protocol::Phase::Messages, _, last)) => {
            (words.tell("today-trial-messages", &[("day", show_day(last.sunday()).into())]), "today-trial-observe")
        }
        Some((_, crate::trial::protocol::Phase::After, first, _)) => {
            (words.tell("today-trial-after", &[("day", show_day(first.plus(-1).sunday()).into())]), "today-trial-observe")
        }
        None if protocol.trial_week(week) < 1 => {
            (words.tell("today-trial-before", &[("day", show_day(protocol.week(1).monday()).into())]), "today-trial-pooled")
        }
        None => (words.tell("today-trial-over", &[("day", show_day(protocol.week(protocol.calendar.weeks).sunday()).into())]), "today-trial-pooled"),
    };
    html! {
        section {
            h2 { (words.say("today-trial")) }
            div.aviso {
                strong { (lead) }
                p { (words.tell(more, &[("day", show_day(protocol.week(protocol.calendar.weeks).sunday()).into())])) }
            }
        }
    }
}
