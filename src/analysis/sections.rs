//! What stands round the effects on a page: flow, path, habit, balance, delivery, what was missed, warnings.

use super::findings::{PathPoint, Report};
use crate::clock::{show_day, show_time};
use crate::norm::pause::why_shown;
use crate::page::chart::{self, Dot, Frame, Interval};
use crate::page::{Reader, count, p_value, rate};
use crate::trial::Trial;
use crate::trial::looks::Look;
use maud::{Markup, html};

pub fn flow(trial: &Trial, report: &Report, reader: &Reader) -> Markup {
    let (words, flow) = (reader.words, &report.flow);
    let share = |observed: i64, due: i64| if due > 0 { format!("{:.1} %", 100.0 * observed as f64 / due as f64) } else { "–".into() };
    let segments = |n: i64| words.tell("analysis-segments", &[("n", n.into())]);
    let out: i64 = flow.left_out.iter().map(|l| l.segments).sum();
    html! {
        section {
            h2 { (words.say("analysis-flow")) }
            ol.flujo {
                li { span.tasa { (segments(flow.assessed.segments)) } " " (words.tell("analysis-flow-assessed", &[("homes", count(flow.assessed.homes).into())])) }
                li {
                    span.tasa { @if out > 0 { "−" } (segments(out)) } " " (words.say("analysis-flow-out"))
                    @for (i, left) in flow.left_out.iter().enumerate() {
                        (if i == 0 { ": " } else { ", " })
                        (words.tell(&format!("analysis-out-{}", left.reason.replace('_', "-")), &[("n", left.segments.into())]))
                    }
                }
                li { span.tasa { (segments(flow.assigned.segments)) } " " (words.tell("analysis-flow-assigned", &[("strata", flow.strata.into()), ("homes", count(flow.assigned.homes).into())])) }
                li { table.tabla {
                    caption { (words.say("analysis-flow-caption")) }
                    thead { tr {
                        th scope="col" { (words.say("analysis-arm")) }
                        @for key in ["analysis-col-segments", "analysis-col-homes", "analysis-col-messaged"] { th.num.ancho scope="col" { (words.say(key)) } }
                        th.num scope="col" { (words.say("analysis-col-analysed")) }
                        th.num.ancho scope="col" { (words.say("analysis-col-collections")) }
                        th.num scope="col" { (words.say("analysis-col-observed")) }
                    } }
                    tbody { @for arm in &flow.arms {
                        tr {
                            th scope="row" {
                                (arm_name(trial, &arm.arm))
                                span.sub.angosto { (words.tell("analysis-flow-sub", &[("segments", arm.segments.into()), ("homes", count(arm.homes).into()), ("n", count(arm.observed).into())])) }
                            }
                            td.num.ancho { (arm.segments) }
                            td.num.ancho { (count(arm.homes)) }
                            td.num.ancho { (count(arm.messaged)) }
                            td.num { (count(arm.analysed)) }
                            td.num.ancho { (count(arm.observed)) }
                            td.num { (share(arm.observed, arm.due)) }
                        }
                    } }
                } }
                @if flow.arms.iter().any(|arm| arm.moved + arm.closed + arm.arrived > 0) {
                    li { div.rodar tabindex="0" role="region" aria-label=(words.say("analysis-since-caption")) { table.tabla.medio {
                        caption { (words.say("analysis-since-caption")) }
                        thead { tr {
                            th scope="col" { (words.say("analysis-arm")) }
                            @for key in ["analysis-since-moved", "analysis-since-closed", "analysis-since-arrived"] { th.num scope="col" { (words.say(key)) } }
                        } }
                        tbody { @for arm in &flow.arms {
                            tr {
                                th scope="row" { (arm_name(trial, &arm.arm)) }
                                @for n in [arm.moved, arm.closed, arm.arrived] { td.num { (count(n)) } }
                            }
                        } }
                    } } }
                }
            }
        }
    }
}

fn dots(report: &Report, arm: &str) -> Vec<Dot> {
    let interval = |p: &PathPoint| Interval::new(p.rate?, p.ci_low?, p.ci_high?);
    report.path.iter().filter(|p| p.arm == arm).filter_map(|p| Some(Dot { at: p.week as f64, interval: interval(p)? })).collect()
}

/// The frame all panels share; messages start and stop half a week beside their weeks.
fn frame(trial: &Trial, report: &Report, look: Option<&Look>, reader: &Reader) -> Frame {
    let words = reader.words;
    let [starts, stops] = trial.protocol.calendar.messages;
    let last = report.path.iter().map(|p| p.week).max().unwrap_or(1);
    let arms: Vec<String> = report.path.iter().map(|p| p.arm.clone()).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let all: Vec<Dot> = arms.iter().flat_map(|arm| dots(report, arm)).collect();
    let mut frame = Frame::around(all.iter(), 1.0, last as f64, words.say("analysis-of-100"), words.say("analysis-week"));
    if last > starts {
        frame.marks.push((starts as f64 - 0.5, words.say("analysis-messages-start")));
    }
    if last > stops {
        frame.marks.push((stops as f64 + 0.5, words.say("analysis-messages-stop")));
    }
    frame.look = look.map(|l| (last as f64, words.tell("analysis-look", &[("look", l.look.into())])));
    frame
}

pub fn path(trial: &Trial, report: &Report, look: &Look, reader: &Reader, open: bool) -> Markup {
    let words = reader.words;
    let frame = frame(trial, report, Some(look), reader);
    let Some(first) = trial.protocol.arms.first() else { return html! {} };
    let comparison = dots(report, &first.id);
    html! {
        section {
            h2 { (words.say("analysis-weekly")) }
            p { (words.say("analysis-weekly-what")) }
            div.tres {
                @for arm in others(trial) {
                    figure.figura {
                        figcaption { span.estado.bien { (arm.name) } " " span.suave { (words.tell("analysis-and-dashed", &[("arm", first.name.to_lowercase().into())])) } }
                        (chart::path(&frame, &dots(report, &arm.id), &comparison))
                    }
                }
            }
            details open[open] {
                summary { (words.say("analysis-as-table")) }
                (path_table(trial, report, reader))
            }
        }
    }
}

/// Every week with every group's rate and interval.
fn path_table(trial: &Trial, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    let weeks: std::collections::BTreeSet<i64> = report.path.iter().map(|p| p.week).collect();
    let first = report.path.first().map_or(0, |p| p.week);
    let groups: Vec<&str> = report.path.iter().filter(|p| p.week == first).map(|p| p.arm.as_str()).collect();
    html! {
        div.rodar tabindex="0" role="region" aria-label=(words.say("analysis-weekly")) { table.tabla {
            caption { (words.say("analysis-path-caption")) }
            thead { tr {
                th scope="col" { (words.say("analysis-week")) }
                @for group in &groups { th.num scope="col" { @if *group == "all" { (words.say("analysis-all-arms")) } @else { (arm_name(trial, group)) } } }
            } }
            tbody { @for week in weeks {
                tr {
                    th scope="row" { (week) }
                    @for group in &groups {
                        @let point = report.path.iter().find(|p| p.week == week && p.arm == *group);
                        td.num { @match point.and_then(|p| Some((p.rate?, p.ci_low?, p.ci_high?))) {
                            Some((r, low, high)) => (rate(&words, r, low, high)),
                            None => (words.say("analysis-no-data")),
                        } }
                    }
                }
            } }
        } }
    }
}

/// Between looks: one panel of all arms together, and its table.
pub fn pooled_path(trial: &Trial, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    let frame = frame(trial, report, None, reader);
    html! {
        section {
            h2 { (words.say("analysis-pooled")) }
            figure.figura {
                figcaption {
                    (words.say("analysis-pooled-caption"))
                    @if let Some(last) = report.path.last() { ". " (words.tell("analysis-through", &[("week", last.week.into())])) }
                }
                div class="g-ancho" { (chart::path(&frame, &dots(report, "all"), &[])) }
            }
            details { summary { (words.say("analysis-as-table")) } (path_table(trial, report, reader)) }
        }
    }
}

pub fn habit(trial: &Trial, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    html! {
        section {
            h2 { (words.say("analysis-habit")) }
            p { (words.say("analysis-habit-what")) }
            table.tabla.medio {
                caption { (words.say("analysis-habit-caption")) }
                thead { tr {
                    th scope="col" { (words.say("analysis-arm")) }
                    th.num scope="col" { (words.say("analysis-col-of-100-homes")) }
                    th.ancho scope="col" { span.oido { (words.say("analysis-bar")) } }
                    th.num.ancho scope="col" { (words.say("analysis-col-homes")) }
                } }
                tbody { @for arm in &report.habit.arms {
                    tr {
                        th scope="row" { (arm_name(trial, &arm.arm)) span.sub.angosto { (words.tell("analysis-habit-sub", &[("homes", count(arm.homes).into())])) } }
                        @match (arm.share, arm.ci_low, arm.ci_high) {
                            (Some(share), Some(low), Some(high)) => {
                                td.num { (rate(&words, share, low, high)) }
                                td.chispa.ancho { @if let Some(interval) = Interval::new(share, low, high) { (chart::interval_bar(interval, report.habit.arms.first().and_then(|a| a.share), chart::WHOLE)) } }
                            }
                            _ => { td.num.suave { (words.say("analysis-no-data")) } td.ancho {} }
                        }
                        td.num.ancho { (count(arm.homes)) }
                    }
                } }
            }
        }
    }
}

pub fn balance(trial: &Trial, report: &Report, reader: &Reader, open: bool) -> Markup {
    let words = reader.words;
    let name = |variable: &str| words.say(&format!("analysis-variable-{}", variable.replace('_', "-")));
    let rows: Vec<(String, Vec<Option<f64>>)> =
        report.balance.iter().map(|row| (name(&row.variable), row.arms.iter().skip(1).map(|a| a.difference).collect())).collect();
    let shapes = ["○", "■", "▲"];
    let legend: Vec<String> = others(trial).zip(shapes).map(|(arm, shape)| format!("{shape} {}", arm.name)).collect();
    let first = trial.protocol.arms.first().map_or(String::new(), |arm| arm.name.to_lowercase());
    html! {
        section {
            h2 { (words.say("analysis-balance")) }
            p {
                (words.tell("analysis-balance-what", &[("arm", first.into()), ("legend", legend.join(", ").into())])) " "
                @if let Some(p) = report.balance_p { (words.tell("analysis-balance-p", &[("p", p_value(p).into())])) }
            }
            figure.figura {
                figcaption.oido { (words.say("analysis-balance-caption")) }
                div class="g-ancho" { (chart::balance(&rows)) }
            }
            details open[open] {
                summary { (words.say("analysis-as-table")) }
                table.tabla {
                    caption { (words.say("analysis-balance-caption")) }
                    thead { tr {
                        th scope="col" { (words.say("analysis-col-variable")) }
                        @for arm in others(trial) { th.num scope="col" { (arm.name) } }
                    } }
                    tbody { @for (variable, differences) in &rows {
                        tr {
                            th scope="row" { (variable) }
                            @for difference in differences { td.num { (difference.map_or("–".to_owned(), |d| format!("{d:+.2}").replace('-', "−"))) } }
                        }
                    } }
                }
            }
        }
    }
}

pub fn fidelity(trial: &Trial, report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    html! {
        table.tabla {
            caption { (words.say("analysis-fidelity-caption")) }
            thead { tr {
                th scope="col" { (words.say("analysis-arm")) }
                th.num scope="col" { (words.say("analysis-col-delivered")) }
                th scope="col" { span.oido { (words.say("analysis-bar")) } }
                @for key in ["analysis-col-due", "analysis-col-sent", "analysis-col-delivered-short"] { th.num.ancho scope="col" { (words.say(key)) } }
            } }
            tbody { @for row in &report.fidelity {
                tr {
                    th scope="row" {
                        @if row.arm == "all" { (words.say("analysis-all-arms")) } @else { (arm_name(trial, &row.arm)) }
                        span.sub.angosto { (words.tell("analysis-fidelity-sub", &[("delivered", count(row.delivered).into()), ("due", count(row.due).into())])) }
                    }
                    td.num { @if row.due > 0 { span.tasa { (format!("{:.1} %", 100.0 * row.delivered as f64 / row.due as f64)) } } @else { "–" } }
                    td { (chart::share_bar(row.delivered, row.due)) }
                    td.num.ancho { (count(row.due)) }
                    td.num.ancho { (count(row.sent)) }
                    td.num.ancho { (count(row.delivered)) }
                }
            } }
        }
    }
}

pub fn missing(trial: &Trial, report: &Report, reader: &Reader) -> Markup {
    let (words, missing) = (reader.words, &report.missing);
    let shares: Vec<f64> = missing.arms.iter().filter_map(|a| a.share_observed).collect();
    let (low, high) = shares.iter().fold((1.0_f64, 0.0_f64), |(low, high), s| (low.min(*s), high.max(*s)));
    html! {
        section {
            h2 { (words.say("analysis-missing")) }
            @if !shares.is_empty() {
                p {
                    (words.tell("analysis-missing-what", &[
                        ("low", format!("{:.1}", low * 100.0).into()),
                        ("high", format!("{:.1}", high * 100.0).into()),
                        ("difference", format!("{:.1}", (high - low) * 100.0).into()),
                    ]))
                    @if let Some(p) = missing.p_randomisation { " " (words.tell("analysis-missing-p", &[("p", p_value(p).into())])) }
                }
            }
            table.tabla {
                caption { (words.say("analysis-missing-caption")) }
                thead { tr {
                    th scope="col" { (words.say("analysis-arm")) }
                    th.num scope="col" { (words.say("analysis-col-observed")) }
                    th.num scope="col" { (words.say("analysis-col-not-observed")) }
                    th.num.ancho scope="col" { (words.say("analysis-col-due-collections")) }
                } }
                tbody { @for arm in &missing.arms {
                    tr {
                        th scope="row" { (arm_name(trial, &arm.arm)) }
                        td.num { (arm.share_observed.map_or("–".to_owned(), |s| format!("{:.1} %", s * 100.0))) }
                        td.num { (count(arm.due - arm.observed)) }
                        td.num.ancho { (count(arm.due)) }
                    }
                } }
            }
        }
    }
}

/// When messages stopped, and what that took from the dose.
pub fn pauses(report: &Report, reader: &Reader) -> Markup {
    let words = reader.words;
    if report.pauses.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { (words.say("analysis-pauses")) }
            div.rodar tabindex="0" role="region" aria-label=(words.say("analysis-pauses")) { table.tabla {
                caption { (words.say("analysis-pauses-caption")) }
                thead { tr {
                    th scope="col" { (words.say("analysis-pauses-from")) } th scope="col" { (words.say("analysis-pauses-to")) }
                    th scope="col" { (words.say("trial-reason")) } th.num scope="col" { (words.say("analysis-pauses-kept")) }
                } }
                tbody { @for pause in &report.pauses { tr {
                    th scope="row" { (show_time(pause.from)) span.sub { (pause.campaign) " · " (pause.municipality) } }
                    td { (pause.to.map_or_else(|| words.say("analysis-pauses-still"), show_time)) }
                    td { (why_shown(&words, &pause.why)) @if let Some(why) = &pause.resumed_why { span.sub { (why) } } }
                    td.num { (count(pause.kept_back.values().sum())) }
                } } }
            } }
        }
    }
}

pub fn warnings(report: &Report, reader: &Reader, next: Option<&Look>) -> Markup {
    let words = reader.words;
    let text = |code: &str, values: &std::collections::BTreeMap<String, String>, fallback: &str| {
        let arguments: Vec<(&str, fluent_bundle::FluentValue<'_>)> =
            values.iter().map(|(k, v)| (k.as_str(), v.parse::<i64>().map_or_else(|_| v.clone().into(), Into::into))).collect();
        words.find(&format!("analysis-warning-{code}"), &arguments).unwrap_or_else(|| fallback.to_owned())
    };
    html! {
        section {
            h2 { (words.say("analysis-before-quoting")) }
            ul.asuntos {
                @if let Some(next) = next {
                    li {
                        span.estado.ojo { (words.say("analysis-attention")) }
                        div {
                            h3 { (words.tell("analysis-next-look", &[("look", next.look.into())])) }
                            p { (words.tell("analysis-next-look-what", &[("day", show_day(next.opens_on).into())])) }
                        }
                        span {}
                    }
                }
                @for warning in &report.warnings {
                    li { span.estado.ojo { (words.say("analysis-attention")) } div { p { (text(&warning.code, &warning.values, &warning.text)) } } span {} }
                }
                li {
                    span.estado.espera { (words.say("analysis-explore")) }
                    div { h3 { (words.say("analysis-exploratory")) } p { (words.say("analysis-exploratory-what")) } }
                    span {}
                }
            }
        }
    }
}

/// The name of an arm as the protocol gives it.
fn arm_name<'a>(trial: &'a Trial, id: &'a str) -> &'a str {
    trial.protocol.arm(id).map_or(id, |arm| arm.name.as_str())
}

/// Arms that the first one is compared with.
fn others(trial: &Trial) -> impl Iterator<Item = &crate::trial::protocol::Arm> {
    trial.protocol.arms.iter().skip(1)
}
