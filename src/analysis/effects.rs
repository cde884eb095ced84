//! The effects on a look's page: the answer, the forest, the large figures and the table of all contrasts.

use super::findings::{Contrast, Report};
use crate::page::chart::{self, Effect, Interval};
use crate::page::{Reader, change, count, p_value, signed_points};
use crate::trial::protocol::Protocol;
use maud::{Markup, html};

/// A contrast's name on a page: as the protocol calls it; those of the earliest format are known by name.
fn label(protocol: &Protocol, contrast: &str, reader: &Reader) -> String {
    let named = protocol.analysis.contrast(contrast).and_then(|registered| registered.name.clone());
    let known = || reader.words.find(&format!("analysis-contrast-{}", contrast.replace(':', "-")), &[]);
    named.or_else(known).unwrap_or_else(|| contrast.to_owned())
}

/// Whether an effect may be stated: the interval leaves zero out and the adjusted p is below the level.
fn direction(contrast: &Contrast, level: f64) -> &'static str {
    let clear = contrast.p_adjusted.or(contrast.p).is_some_and(|p| p < 1.0 - level);
    match (contrast.ci_low, contrast.ci_high) {
        (Some(low), _) if clear && low > 0.0 => "up",
        (_, Some(high)) if clear && high < 0.0 => "down",
        _ => "null",
    }
}

/// Every primary contrast in one sentence, null and gain told alike, in the protocol's order.
pub fn answer(protocol: &Protocol, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    html! {
        @for contrast in &report.primary {
            @let name = label(protocol, &contrast.contrast, reader);
            @let known = protocol.analysis.contrast(&contrast.contrast).is_some_and(|registered| registered.name.is_none());
            @match (contrast.estimate, contrast.ci_low, contrast.ci_high) {
                (Some(estimate), Some(low), Some(high)) => {
                    @let direction = direction(contrast, report.level);
                    @let own = format!("analysis-{}-{direction}", contrast.contrast.replace(':', "-"));
                    @let start = words.find(&own, &[]).filter(|_| known).unwrap_or_else(|| words.tell(&format!("analysis-other-{direction}"), &[("name", name.clone().into())]));
                    @let size = if direction == "null" { signed_points(estimate, 1) } else { signed_points(estimate.abs(), 1).replace('+', "") };
                    (start) " " strong { (size) " " (words.say("analysis-points")) } " "
                    span.ic { "(" (signed_points(low, 1)) " " (words.say("to")) " " (signed_points(high, 1)) ")" }
                    @if direction == "null" { (words.say("analysis-cannot-say")) } @else { ". " }
                }
                _ => { (words.tell("analysis-not-computed", &[("name", name.into())])) " " }
            }
        }
    }
}

pub fn forest(protocol: &Protocol, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    let effect = |contrast: &Contrast, primary: bool| {
        let name = label(protocol, &contrast.contrast, reader);
        Effect {
            label: if primary { words.tell("analysis-primary-label", &[("name", name.into())]) } else { name },
            interval: contrast.estimate.zip(contrast.ci_low).zip(contrast.ci_high).and_then(|((v, l), h)| Interval::new(v, l, h)),
            primary,
        }
    };
    let effects: Vec<Effect> = report.primary.iter().map(|c| effect(c, true)).chain(report.secondary.iter().map(|c| effect(c, false))).collect();
    let least = report.secondary.iter().find_map(|c| c.minimum_detectable);
    html! {
        figure.figura {
            figcaption { (words.say("analysis-forest-caption")) }
            div class="g-ancho" { (chart::forest(&effects, &words.say("analysis-less"), &words.say("analysis-more"))) }
            p.nota {
                (words.say("analysis-forest-note"))
                @if let Some(least) = least { " " (words.tell("analysis-interaction-note", &[("points", format!("{:.1}", least * 100.0).into())])) }
            }
        }
    }
}

/// How often chance alone would give as much: in words, from the replayed draw.
fn by_chance(p: f64, reader: &Reader) -> String {
    let (n, of) = match p {
        p if p < 0.001 => return reader.words.say("analysis-chance-rare"),
        p if p < 0.01 => ((p * 1000.0).round(), "1,000"),
        p => ((p * 100.0).round(), "100"),
    };
    reader.words.tell("analysis-chance", &[("n", n.into()), ("of", of.into())])
}

pub fn figures(protocol: &Protocol, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    html! {
        div { dl.cifras {
            @for contrast in &report.primary {
                div {
                    dt { (label(protocol, &contrast.contrast, reader)) }
                    @match (contrast.estimate, contrast.ci_low, contrast.ci_high) {
                        (Some(estimate), Some(low), Some(high)) => {
                            dd { b { (signed_points(estimate, 1)) } " " (words.say("analysis-points")) " "
                                span.ic { "(" (signed_points(low, 1)) " " (words.say("to")) " " (signed_points(high, 1)) ")" } }
                            dd.suave {
                                @let whole = (estimate.abs() * 100.0).round();
                                @match direction(contrast, report.level) {
                                    "null" => (words.tell("analysis-figure-null", &[("low", signed_points(low, 1).into()), ("high", signed_points(high, 1).into())])),
                                    direction => (words.tell(&format!("analysis-figure-{direction}"), &[("n", whole.into())])),
                                }
                                @if let Some(p) = contrast.p_randomisation { " " (by_chance(p, reader)) }
                            }
                        }
                        _ => dd { (words.say("analysis-no-number")) },
                    }
                }
            }
        } }
    }
}

pub fn contrasts(protocol: &Protocol, report: &Report, reader: &Reader, weeks: &str) -> Markup {
    let words = reader.words;
    let p = |p: Option<f64>| p.map_or("–".to_owned(), p_value);
    let row = |contrast: &Contrast, kind: &str| {
        let df = contrast.df.map_or("–".to_owned(), |df| format!("{df:.0}"));
        let holm = contrast.p_adjusted.map(|p| words.tell("analysis-sub-holm", &[("p", p_value(p).into())]));
        html! {
            tr {
                th scope="row" {
                    (label(protocol, &contrast.contrast, reader))
                    span.sub.angosto { (words.tell("analysis-sub-df", &[("df", df.clone().into())])) " · " (holm.unwrap_or_else(|| words.say(kind))) }
                }
                @match (contrast.estimate, contrast.ci_low, contrast.ci_high) {
                    (Some(estimate), Some(low), Some(high)) => td.num { (change(&words, estimate, low, high, 1)) },
                    _ => td.num.suave { (words.say("analysis-no-number")) },
                }
                td.num.ancho { (contrast.se.map_or("–".to_owned(), |se| format!("{:.1}", se * 100.0))) }
                td.num.ancho { (df) }
                td.num.ancho { (p(contrast.p)) }
                @if kind == "analysis-primary" {
                    td.num.ancho { (p(contrast.p_adjusted)) }
                    td.num.ancho { (p(contrast.p_randomisation)) }
                    td.num.ancho { (p(contrast.p_wild)) }
                } @else {
                    td.ancho.suave.num colspan="3" { (words.say(kind)) }
                }
            }
        }
    };
    let heads = ["analysis-col-se", "analysis-col-df", "analysis-col-p", "analysis-col-holm", "analysis-col-randomisation", "analysis-col-wild"];
    let group = |key: &str| html! { tr.grupo { th colspan="8" scope="rowgroup" { (words.say(key)) } } };
    let counts = report.primary.first();
    html! {
        section {
            h2 { (words.say("analysis-all-contrasts")) }
            div.rodar tabindex="0" role="region" aria-label=(words.say("analysis-all-contrasts")) {
                table.tabla {
                    caption {
                        (words.tell("analysis-contrasts-caption", &[("weeks", weeks.to_owned().into())]))
                        @if let Some(c) = counts {
                            " " (words.tell("analysis-contrasts-counts", &[("homes", count(c.homes).into()), ("segments", count(c.segments).into()), ("n", count(c.n).into())]))
                        }
                    }
                    thead { tr {
                        th scope="col" { (words.say("analysis-col-contrast")) }
                        th.num scope="col" { (words.say("analysis-col-difference")) }
                        @for head in heads { th.num.ancho scope="col" { (words.say(head)) } }
                    } }
                    tbody { (group("analysis-group-primary")) @for c in &report.primary { (row(c, "analysis-primary")) } }
                    tbody { (group("analysis-group-secondary")) @for c in &report.secondary { (row(c, "analysis-uncorrected")) } }
                    tbody { (group("analysis-group-ancova")) @for c in &report.ancova { (row(c, "analysis-check")) } }
                }
            }
            @if let Some(design) = report.design {
                @let interval = design.icc_interval.map_or("–".to_string(), |(low, high)| format!("{low:.3} – {high:.3}"));
                p.suave.chico { (words.tell("analysis-icc", &[
                    ("icc", format!("{:.3}", design.icc).into()),
                    ("interval", interval.into()),
                    ("effect", format!("{:.1}", design.design_effect).into()),
                ])) }
            }
        }
    }
}

/// The other families the protocol registers, each with its phase and its correction, and what lasts once messages stop.
pub fn more(protocol: &Protocol, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    let families = report.families.iter().filter(|family| !family.contrasts.is_empty());
    let interval = |interval: Option<(f64, f64)>, show: &dyn Fn(f64) -> String| match interval {
        Some((low, high)) => format!(" ({} {} {})", show(low), words.say("to"), show(high)),
        None => format!(" ({})", words.say("analysis-lasting-unbounded")),
    };
    let points = |value: f64| signed_points(value, 1);
    let ratio = |value: f64| format!("{value:.2}").replace('-', "−");
    html! {
        @for family in families {
            section {
                h2 { (words.tell("analysis-family", &[("phase", words.say(&format!("trial-phase-{}", family.phase)).to_lowercase().into())])) }
                table.tabla {
                    caption { (words.tell("analysis-family-caption", &[("family", family.family.clone().into()), ("adjust", words.say(&format!("trial-adjust-{}", family.adjust)).into())])) }
                    thead { tr {
                        th scope="col" { (words.say("analysis-col-contrast")) } th scope="col" { (words.say("trial-outcome")) }
                        th.num scope="col" { (words.say("analysis-col-difference")) } th.num.ancho scope="col" { (words.say("analysis-col-p")) }
                        th.num.ancho scope="col" { (words.say("analysis-col-adjusted")) }
                    } }
                    tbody { @for contrast in &family.contrasts { tr {
                        th scope="row" { (label(protocol, &contrast.contrast, reader)) }
                        td { @if let Some(outcome) = &contrast.outcome { (words.say(&format!("trial-measure-{}", outcome.replace('_', "-")))) } }
                        @match (contrast.estimate, contrast.ci_low, contrast.ci_high) {
                            (Some(estimate), Some(low), Some(high)) => td.num { (change(&words, estimate, low, high, 1)) },
                            _ => td.num.suave { (words.say("analysis-no-number")) },
                        }
                        td.num.ancho { (contrast.p.map_or("–".to_owned(), p_value)) }
                        td.num.ancho { (contrast.p_adjusted.map_or("–".to_owned(), p_value)) }
                    } } }
                }
            }
        }
        @if !report.lasting.is_empty() {
            section {
                h2 { (words.say("analysis-lasting")) }
                p { (words.say("analysis-lasting-what")) }
                table.tabla {
                    caption { (words.say("analysis-lasting-caption")) }
                    thead { tr {
                        th scope="col" { (words.say("analysis-col-contrast")) }
                        th.num scope="col" { (words.say("analysis-lasting-fade")) } th.num scope="col" { (words.say("analysis-lasting-persistence")) }
                    } }
                    tbody { @for lasting in &report.lasting { tr {
                        th scope="row" { (label(protocol, &lasting.contrast, reader)) }
                        td.num { @match lasting.fade_out { Some(fade) => { (points(fade)) span.ic { (interval(lasting.fade_out_ci, &points)) } }, None => (words.say("analysis-no-number")) } }
                        td.num { @match lasting.persistence { Some(share) => { (ratio(share)) span.ic { (interval(lasting.persistence_ci, &ratio)) } }, None => (words.say("analysis-no-number")) } }
                    } } }
                }
            }
        }
    }
}
