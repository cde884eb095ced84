//! Charts as SVG, drawn by pure functions: numbers in, markup out. Shares come in as fractions and are drawn as points of a hundred.
//!
//! Every chart is `aria-hidden`: the same numbers always stand in a table beside it. The accent is what is asked about, dashes and grey
//! are the comparison. Values that are not finite are not drawn.

use maud::{Markup, html};
use std::fmt::Write;

/// One line of a forest plot. `None` is listed and not drawn.
#[derive(Debug, Clone)]
pub struct Effect {
    pub label: String,
    pub interval: Option<Interval>,
    pub primary: bool,
}

/// A value with the ends of its interval, as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn new(value: f64, low: f64, high: f64) -> Option<Interval> {
        (value.is_finite() && low.is_finite() && high.is_finite()).then_some(Interval { value, low, high })
    }
}

/// A value with its interval at a place on the horizontal axis (a week).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    pub at: f64,
    pub interval: Interval,
}

/// The frame the small multiples of one figure share, so that they can be compared by eye.
#[derive(Debug, Clone)]
pub struct Frame {
    /// First and last week of the axis.
    pub from: f64,
    pub to: f64,
    /// Ends of the vertical axis, as fractions.
    pub low: f64,
    pub high: f64,
    /// Words on the axes: `de cada 100`, `semana`.
    pub unit: String,
    pub along: String,
    /// Dotted lines with a word: where messages start and stop.
    pub marks: Vec<(f64, String)>,
    /// The solid line of a look.
    pub look: Option<(f64, String)>,
}

impl Frame {
    /// A frame whose vertical axis holds all values on round tens.
    pub fn around<'a>(dots: impl Iterator<Item = &'a Dot>, from: f64, to: f64, unit: impl Into<String>, along: impl Into<String>) -> Frame {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for dot in dots {
            low = low.min(dot.interval.low);
            high = high.max(dot.interval.high);
        }
        if !low.is_finite() || !high.is_finite() {
            (low, high) = (0.0, 1.0);
        }
        let low = ((low * 10.0).floor() / 10.0).clamp(0.0, 0.9);
        let high = ((high * 10.0).ceil() / 10.0).clamp(low + 0.1, 1.0);
        Frame { from, to, low, high, unit: unit.into(), along: along.into(), marks: Vec::new(), look: None }
    }
}

const LEFT: f64 = 34.0;
const RIGHT: f64 = 328.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 200.0;

/// Differences with their intervals round a zero line. `less` and `more` say what the two sides mean.
pub fn forest(effects: &[Effect], less: &str, more: &str) -> Markup {
    let drawn = || effects.iter().filter_map(|effect| effect.interval);
    let low = drawn().map(|i| i.low * 100.0).fold(-1.0, f64::min);
    let high = drawn().map(|i| i.high * 100.0).fold(1.0, f64::max);
    let step = round_step(high - low, 5.0);
    let (first, last) = ((low / step).floor() * step, (high / step).ceil() * step);
    let x = |points: f64| 20.0 + 300.0 * (points - first) / (last - first);
    let bottom = 26.0 + 44.0 * effects.len() as f64;
    html! {
        svg viewBox=(format!("0 0 340 {:.0}", bottom + 30.0)) aria-hidden="true" {
            @for tick in ticks(first, last, step) {
                path class=(if tick == 0.0 { "g-cero" } else { "g-guia" }) d=(format!("M{:.1} 20V{bottom:.0}", x(tick))) {}
                text class="g-t" x=(tenth(x(tick))) y=(whole(bottom + 16.0)) text-anchor="middle" { (signed(tick, step)) }
            }
            @for (i, effect) in effects.iter().enumerate() {
                @let y = 36.0 + 44.0 * i as f64;
                text class=(if effect.primary { "g-f" } else { "g-n" }) x="20" y=(whole(y)) { (effect.label) }
                @if let Some(interval) = effect.interval {
                    @let (middle, line) = (x(interval.value * 100.0), y + 16.0);
                    path class=(if effect.primary { "g-ic" } else { "g-ic2" })
                        d=(format!("M{:.1} {line:.0}H{:.1}", x(interval.low * 100.0), x(interval.high * 100.0))) {}
                    @if effect.primary {
                        rect class="g-p" x=(tenth(middle - 5.0)) y=(whole(line - 5.0)) width="10" height="10" {}
                    } @else {
                        circle class="g-p2" cx=(tenth(middle)) cy=(whole(line)) r="4.5" {}
                    }
                }
            }
            text class="g-t" x="20" y="14" { "◄ " (less) }
            text class="g-t" x="320" y="14" text-anchor="end" { (more) " ►" }
        }
    }
}

/// Rates week by week: `series` as a line with its band, `comparison` dashed behind it. Missing weeks leave a gap.
pub fn path(frame: &Frame, series: &[Dot], comparison: &[Dot]) -> Markup {
    panel(frame, series, comparison, false)
}

/// The same for shares that only rise in steps (homes that already reached something).
pub fn steps(frame: &Frame, series: &[Dot], comparison: &[Dot]) -> Markup {
    panel(frame, series, comparison, true)
}

fn panel(frame: &Frame, series: &[Dot], comparison: &[Dot], stepped: bool) -> Markup {
    let span = (frame.to - frame.from).max(1.0);
    let height = (frame.high - frame.low).max(0.01);
    let x = |at: f64| LEFT + (RIGHT - LEFT) * (at - frame.from) / span;
    let y = |share: f64| BOTTOM - (BOTTOM - TOP) * (share.clamp(frame.low, frame.high) - frame.low) / height;
    let level = round_step(height * 100.0, 5.0);
    let draw = |dots: &[Dot]| outline(dots, stepped, &x, &y);
    let (band, line) = draw(series);
    let (behind, dashed) = draw(comparison);
    html! {
        svg viewBox="0 0 340 230" aria-hidden="true" {
            @for tick in ticks((frame.low * 100.0 / level).ceil() * level, frame.high * 100.0, level) {
                @let at = y(tick / 100.0);
                path class="g-guia" d=(format!("M{LEFT:.0} {at:.1}H{RIGHT:.0}")) {}
                text class="g-t" x="28" y=(tenth(at + 4.0)) text-anchor="end" { (whole(tick)) }
            }
            @if !behind.is_empty() { path class="g-bandac" d=(behind) {} }
            @if !band.is_empty() { path class="g-banda" d=(band) {} }
            @if !dashed.is_empty() { path class="g-linc" d=(dashed) {} }
            @if !line.is_empty() { path class="g-lin" d=(line) {} }
            @if let [only] = series {
                circle class="g-p" cx=(tenth(x(only.at))) cy=(tenth(y(only.interval.value))) r="3.5" {}
            }
            @for tick in week_ticks(frame.from, frame.to) {
                text class="g-t" x=(tenth(x(tick))) y="216" text-anchor="middle" { (whole(tick)) }
            }
            @for (i, (at, word)) in frame.marks.iter().enumerate() {
                @let at = x(*at);
                path class="g-marca" d=(format!("M{at:.1} {TOP:.0}V{BOTTOM:.0}")) {}
                @let late = at > 220.0;
                text class="g-t" x=(tenth(if late { at - 4.0 } else { at + 4.0 })) y=(whole(TOP + 10.0 + 14.0 * i as f64))
                    text-anchor=(if late { "end" } else { "start" }) { (word) }
            }
            @if let Some((at, word)) = &frame.look {
                @let at = x(*at);
                path class="g-cero" d=(format!("M{at:.1} 18V{BOTTOM:.0}")) {}
                text class="g-f" x=(tenth(at.min(RIGHT))) y="14" text-anchor=(if at > 80.0 { "end" } else { "start" }) { (word) " ▼" }
            }
            text class="g-t" x=(whole(RIGHT)) y="229" text-anchor="end" { (frame.along) }
            text class="g-t" x="0" y="12" { (frame.unit) }
        }
    }
}

/// The line and the closed band of a series, broken where a week is missing.
fn outline(dots: &[Dot], stepped: bool, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) -> (String, String) {
    let (mut band, mut line) = (String::new(), String::new());
    let mut run: Vec<Dot> = Vec::new();
    let mut close = |run: &mut Vec<Dot>| {
        if run.len() > 1 {
            let corners: Vec<Dot> = if stepped {
                run.iter()
                    .enumerate()
                    .flat_map(|(i, dot)| (i > 0).then(|| Dot { at: dot.at, interval: run[i - 1].interval }).into_iter().chain([*dot]))
                    .collect()
            } else {
                run.clone()
            };
            let join = |out: &mut String, dots: &mut dyn Iterator<Item = (f64, f64)>, start: char| {
                for (i, (at, share)) in dots.enumerate() {
                    let _ = write!(out, "{}{:.1} {:.1}", if i == 0 { start } else { ' ' }, x(at), y(share));
                }
            };
            join(&mut line, &mut corners.iter().map(|d| (d.at, d.interval.value)), 'M');
            join(&mut band, &mut corners.iter().map(|d| (d.at, d.interval.high)), 'M');
            join(&mut band, &mut corners.iter().rev().map(|d| (d.at, d.interval.low)), ' ');
            band.push('z');
        }
        run.clear();
    };
    for dot in dots {
        if run.last().is_some_and(|last| dot.at - last.at > 1.5) {
            close(&mut run);
        }
        run.push(*dot);
    }
    close(&mut run);
    (band, line)
}

/// A trend without axes, for a table cell: line, band, last dot. Never without the last rate as text beside it.
/// `range` is fixed for a measure, so that two sparklines can be compared.
pub fn sparkline(points: &[Option<Interval>], range: (f64, f64)) -> Markup {
    let dots: Vec<Dot> = points.iter().enumerate().filter_map(|(i, point)| Some(Dot { at: i as f64, interval: (*point)? })).collect();
    let last = points.len().saturating_sub(1).max(1) as f64;
    let height = (range.1 - range.0).max(0.001);
    let x = |at: f64| 4.0 + 168.0 * at / last;
    let y = |share: f64| 40.0 - 36.0 * (share.clamp(range.0, range.1) - range.0) / height;
    let (band, line) = outline(&dots, false, &x, &y);
    html! {
        svg viewBox="0 0 180 44" aria-hidden="true" {
            @if !band.is_empty() { path class="g-banda" d=(band) {} }
            @if !line.is_empty() { path class="g-lin" d=(line) {} }
            @if let Some(dot) = dots.last() {
                circle class="g-p" cx=(tenth(x(dot.at))) cy=(tenth(y(dot.interval.value))) r="3.5" {}
            }
        }
    }
}

/// Stops done, not done with a reason, and no data, of `total`.
pub fn progress(done: i64, missed: i64, total: i64) -> Markup {
    let width = |n: i64| if total > 0 { 200.0 * (n.clamp(0, total) as f64) / total as f64 } else { 0.0 };
    let (done, missed) = (width(done), width(missed));
    html! {
        svg.avance viewBox="0 0 200 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.t width="200" height="8" {}
            rect.h width=(tenth(done)) height="8" {}
            rect.n x=(tenth(done)) width=(tenth(missed.min(200.0 - done))) height="8" {}
        }
    }
}

/// The whole scale of a share.
pub const WHOLE: (f64, f64) = (0.0, 1.0);

/// The part of the scale that holds every margin, out to whole fives of a hundred.
pub fn scale_around<'a>(intervals: impl IntoIterator<Item = &'a Interval>) -> (f64, f64) {
    let (low, high) = intervals.into_iter().fold((1.0_f64, 0.0_f64), |(low, high), i| (low.min(i.low), high.max(i.high)));
    if low > high {
        return WHOLE;
    }
    ((((low * 20.0).floor()) / 20.0).max(0.0), (((high * 20.0).ceil()) / 20.0).min(1.0))
}

/// A rate with its margin on a scale from `low` to `high`, with the line of what it is compared with.
pub fn interval_bar(interval: Interval, reference: Option<f64>, (low, high): (f64, f64)) -> Markup {
    let x = |share: f64| 4.0 + 152.0 * ((share - low) / (high - low).max(0.01)).clamp(0.0, 1.0);
    html! {
        svg.libre viewBox="0 0 160 16" aria-hidden="true" {
            @if let Some(reference) = reference.filter(|r| r.is_finite()) {
                path class="g-eje" d=(format!("M{:.1} -6v28", x(reference))) {}
            }
            path class="g-ic" d=(format!("M{:.1} 8H{:.1}", x(interval.low), x(interval.high))) {}
            circle class="g-p" cx=(tenth(x(interval.value))) cy="8" r="4" {}
        }
    }
}

/// Delivered of due on a grey track, with an ink tick at the least that is acceptable (80 %).
pub fn share_bar(delivered: i64, due: i64) -> Markup {
    let width = if due > 0 { 200.0 * (delivered.clamp(0, due) as f64) / due as f64 } else { 0.0 };
    html! {
        svg viewBox="0 0 200 14" aria-hidden="true" {
            rect class="g-bc" width="200" height="14" {}
            rect class="g-b" width=(tenth(width)) height="14" {}
            path class="g-cero" d="M160 -2V16" {}
        }
    }
}

/// Standardised differences from the first arm: ○ ■ ▲ for the second to the fourth, zero in ink, ±0.25 dotted.
pub fn balance(rows: &[(String, Vec<Option<f64>>)]) -> Markup {
    let widest = rows.iter().flat_map(|(_, differences)| differences).flatten().fold(0.5_f64, |most, d| most.max(d.abs()));
    let reach = if widest.is_finite() { (widest * 2.0).ceil() / 2.0 } else { 0.5 };
    let x = |difference: f64| 170.0 + 130.0 * difference / reach;
    let bottom = 14.0 + 44.0 * rows.len() as f64;
    let mut marks = vec![-0.25, 0.25];
    if reach <= 1.0 {
        marks.extend([-reach, reach]);
    } else {
        marks = vec![-reach, reach];
    }
    html! {
        svg viewBox=(format!("0 0 340 {:.0}", bottom + 26.0)) aria-hidden="true" {
            path class="g-cero" d=(format!("M170 8V{bottom:.0}")) {}
            @for mark in marks {
                path class="g-marca" d=(format!("M{:.1} 8V{bottom:.0}", x(mark))) {}
                text class="g-t" x=(tenth(x(mark))) y=(whole(bottom + 18.0)) text-anchor="middle" { (trimmed(mark)) }
            }
            text class="g-t" x="170" y=(whole(bottom + 18.0)) text-anchor="middle" { "0" }
            @for (i, (label, differences)) in rows.iter().enumerate() {
                @let y = 22.0 + 44.0 * i as f64;
                @let line = y + 16.0;
                text class="g-n" x="4" y=(whole(y)) { (label) }
                path class="g-guia" d=(format!("M20 {line:.0}H320")) {}
                @for (arm, at) in differences.iter().enumerate().filter_map(|(arm, d)| Some((arm, x(d.filter(|d| d.is_finite())?)))) {
                    @match arm {
                        0 => circle class="g-p2" cx=(tenth(at)) cy=(whole(line)) r="5" {},
                        1 => rect class="g-p" x=(tenth(at - 5.0)) y=(whole(line - 5.0)) width="10" height="10" {},
                        _ => path class="g-p" d=(format!("M{at:.1} {:.0}l6.5 11h-13z", line - 6.0)) {},
                    }
                }
            }
        }
    }
}

/// A step of 1, 2 or 5 times a power of ten that cuts `span` into about `parts`.
fn round_step(span: f64, parts: f64) -> f64 {
    let rough = (span / parts).max(0.1);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough * 0.999).unwrap_or(power * 10.0)
}

fn ticks(first: f64, last: f64, step: f64) -> Vec<f64> {
    let count = (((last - first) / step) + 0.001).floor().clamp(0.0, 40.0) as usize;
    (0..=count).map(|i| ((first / step + i as f64).round()) * step).collect()
}

/// First and last week, and round ones between that do not touch them.
fn week_ticks(from: f64, to: f64) -> Vec<f64> {
    let step = if to - from > 30.0 { 12.0 } else { 6.0 };
    let mut out = vec![from];
    let mut at = (from / step).floor() * step + step;
    while at < to - step / 3.0 {
        if at - from > step / 3.0 {
            out.push(at);
        }
        at += step;
    }
    if to > from {
        out.push(to);
    }
    out
}

fn tenth(n: f64) -> String {
    format!("{n:.1}")
}

fn whole(n: f64) -> String {
    format!("{n:.0}").replace('-', "−").replace("−0", "0")
}

fn signed(points: f64, step: f64) -> String {
    let text = if step < 1.0 { format!("{:.1}", points.abs()) } else { format!("{:.0}", points.abs()) };
    match () {
        _ if points == 0.0 => "0".into(),
        _ if points < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

fn trimmed(n: f64) -> String {
    format!("{n}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(rates: &[f64]) -> Vec<Dot> {
        rates.iter().enumerate().map(|(i, r)| Dot { at: i as f64 + 1.0, interval: Interval { value: *r, low: r - 0.05, high: r + 0.05 } }).collect()
    }

    #[test]
    fn a_forest_draws_null_and_gain_alike_and_skips_what_is_unknown() {
        let effect = |primary, interval| Effect { label: "Norma".into(), interval, primary };
        let svg = forest(
            &[
                effect(true, Interval::new(0.059, 0.035, 0.083)),
                effect(false, Interval::new(0.0, f64::NAN, 0.1)),
                effect(true, Interval::new(0.0, -0.02, 0.02)),
            ],
            "menos",
            "más",
        )
        .into_string();
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(!svg.contains("NaN") && svg.contains("aria-hidden") && svg.contains("+5"));
    }

    #[test]
    fn a_path_breaks_where_a_week_is_missing() {
        let mut series = dots(&[0.4, 0.45, 0.5, 0.5, 0.55]);
        series.remove(2);
        let frame = Frame::around(series.iter(), 1.0, 18.0, "de cada 100", "semana");
        let svg = path(&frame, &series, &[]).into_string();
        let line = svg.split("g-lin\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2);
        assert_eq!(week_ticks(1.0, 18.0), vec![1.0, 6.0, 12.0, 18.0]);
    }

    #[test]
    fn empty_and_flat_data_draw_without_nonsense() {
        let frame = Frame::around([].iter(), 1.0, 1.0, "", "");
        for svg in [path(&frame, &[], &[]), sparkline(&[None], (0.0, 1.0)), progress(0, 0, 0), share_bar(3, 0), balance(&[]), forest(&[], "", "")] {
            let text = svg.into_string();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
