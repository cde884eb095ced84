//! Operating characteristics for people: a CSV, a table for a terminal and a chart that stands alone.

use super::operating::{DRAWS, ESTIMATORS, Row, Study};
use crate::error::{Error, Result};
use crate::stats::interval::Share;
use maud::{Markup, PreEscaped, html};
use std::fmt::Write;

/// `operating.csv`: fractions with six decimals, empty where there is no number.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let fail = |e: csv::Error| Error::internal(format!("csv: {e}"));
    table.write_record(["estimator", "contrast", "truth", "mean", "bias", "se_ratio", "coverage", "power", "mc_error"]).map_err(fail)?;
    for row in rows {
        let number = |n: Option<f64>| n.map_or(String::new(), |n| rounded(n, 6));
        let numbers = [Some(row.truth), row.mean, row.bias, row.se_ratio, row.coverage, row.power, row.mc_error].map(number);
        table.write_record([row.estimator, &row.contrast].into_iter().chain(numbers.iter().map(String::as_str))).map_err(fail)?;
    }
    table.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))
}

/// What a group of rows stands on, in a sentence.
fn heading(study: &Study, no_effect: bool) -> String {
    let effect = if no_effect { "without effect" } else { "with effects" };
    format!("{} invented pilots {effect}, {} segments, seed {}", study.replicates, study.segments(), study.seed)
}

/// The table for a terminal; differences in points of 100, shares in %.
pub fn table(study: &Study, rows: &[Row]) -> String {
    let mut out = String::new();
    for no_effect in [false, true] {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.no_effect == no_effect).collect();
        if rows.is_empty() {
            continue;
        }
        let power = if no_effect { "type I" } else { "power" };
        let _ = writeln!(out, "{}; points of 100, shares in %", heading(study, no_effect));
        let _ = writeln!(
            out,
            "{:<14}{:<16}{:>7}{:>8}{:>8}{:>10}{:>10}{:>8}{:>6}{:>10}",
            "contrast", "estimator", "truth", "mean", "bias", "se ratio", "coverage", power, "mc", "computed"
        );
        for row in rows {
            let number = |n: Option<f64>, by: f64, decimals: usize| n.map_or("-".to_owned(), |n| rounded(n * by, decimals));
            let _ = writeln!(
                out,
                "{:<14}{:<16}{:>7}{:>8}{:>8}{:>10}{:>10}{:>8}{:>6}{:>10}",
                row.contrast,
                row.estimator,
                number(Some(row.truth), 100.0, 2),
                number(row.mean, 100.0, 2),
                number(row.bias, 100.0, 2),
                number(row.se_ratio, 1.0, 2),
                number(row.coverage, 100.0, 1),
                number(row.power, 100.0, 1),
                number(row.mc_error, 100.0, 1),
                row.computed
            );
        }
        out.push('\n');
    }
    out
}

/// Without the sign of a zero.
fn rounded(n: f64, decimals: usize) -> String {
    let text = format!("{n:.decimals$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|b| b == b'0' || b == b'.') => zero.to_owned(),
        _ => text,
    }
}

const STYLE: &str = "\
svg{background:#fdfcf9;font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif;font-variant-numeric:tabular-nums}\
.h{fill:#1a1f1d;font-size:20px;font-weight:600;font-family:Palatino,'Noto Serif',Georgia,serif}.f{fill:#1a1f1d;font-size:13px;font-weight:650;paint-order:stroke;stroke:#fdfcf9;stroke-width:5px;stroke-linejoin:round}\
.n{fill:#1a1f1d;font-size:13px}.t{fill:#47514d;font-size:12px}.guia{stroke:#d8d5cb}.cero{stroke:#1a1f1d;stroke-width:1.25}\
.ic{stroke:#0b5d54;stroke-width:2.5;stroke-linecap:round}.p{fill:#0b5d54}.ic2{stroke:#6a716d;stroke-width:2;stroke-linecap:round}\
.p2{fill:#fdfcf9;stroke:#6a716d;stroke-width:2}\
@media(prefers-color-scheme:dark){svg{background:#131816}.h,.f,.n{fill:#edf0ec}.t{fill:#b9c2bd}.guia{stroke:#36403c}.cero{stroke:#edf0ec}\
.ic{stroke:#86d3c4}.p{fill:#86d3c4}.f{stroke:#131816}.ic2{stroke:#a2aca7}.p2{fill:#131816;stroke:#a2aca7}}";

/// One column of the chart: a share of each row on an axis of its own, in %.
struct Panel {
    title: &'static str,
    /// Whose rows, and which of coverage and power.
    no_effect: bool,
    share: usize,
    from: f64,
    to: f64,
    nominal: Option<f64>,
}

impl Panel {
    fn of(&self, rows: &[Row], contrast: &str, estimator: &str) -> Option<Share> {
        rows.iter().find(|r| r.no_effect == self.no_effect && r.contrast == contrast && r.estimator == estimator)?.shares()[self.share]
    }
}

const LEFT: f64 = 140.0;
const WIDTH: f64 = 240.0;
const GAP: f64 = 34.0;
const LINE: f64 = 18.0;

/// `operating.svg`: coverage, power and type I error of each estimator by contrast, with 95 % Monte Carlo intervals.
pub fn plot(study: &Study, rows: &[Row]) -> String {
    let ends = |no_effect: bool, share: usize| {
        let shares = rows.iter().filter(move |row| row.no_effect == no_effect).filter_map(move |row| row.shares()[share]);
        shares.fold((1.0_f64, 0.0_f64), |(low, high), share| (low.min(share.low), high.max(share.high)))
    };
    let level = study.level();
    let covered = study.no_effect;
    let low = ((ends(covered, 0).0 * 10.0).floor() * 10.0).min(80.0);
    let high = ((ends(true, 1).1 * 10.0).ceil() * 10.0).max(20.0);
    let mut panels =
        vec![Panel { title: "Coverage, % of intervals", no_effect: covered, share: 0, from: low, to: 100.0, nominal: Some(100.0 * level) }];
    if !study.no_effect {
        panels.push(Panel { title: "Power, % of pilots", no_effect: false, share: 1, from: 0.0, to: 100.0, nominal: None });
    }
    panels.push(Panel { title: "Type I error, % of pilots", no_effect: true, share: 1, from: 0.0, to: high, nominal: Some(100.0 * (1.0 - level)) });
    let groups: Vec<(&String, Vec<&str>)> = study
        .contrasts()
        .iter()
        .map(|contrast| {
            (&contrast.id, ESTIMATORS.into_iter().filter(|e| rows.iter().any(|r| r.contrast == contrast.id && r.estimator == *e)).collect())
        })
        .collect();
    let top = 104.0;
    let mut bottom = top;
    let placed: Vec<(f64, &(&String, Vec<&str>))> = groups
        .iter()
        .map(|group| {
            let at = bottom;
            bottom += 26.0 + LINE * group.1.len() as f64;
            (at, group)
        })
        .collect();
    let width = LEFT + panels.len() as f64 * (WIDTH + GAP);
    let end = bottom + 8.0;
    let title = format!("What the estimators do: {}", heading(study, study.no_effect));
    let both = if study.no_effect { "" } else { " Type I error: the same pilots without effect." };
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width:.0} {:.0}", end + 84.0)) width=(format!("{width:.0}")) role="img" {
            title { (title) }
            style { (PreEscaped(STYLE)) }
            text class="h" x="16" y="30" { (title) }
            text class="t" x="16" y="50" { "Effects on recorded compliance in the message weeks, by assignment." (both) }
            @for (i, panel) in panels.iter().enumerate() { (axis(panel, LEFT + i as f64 * (WIDTH + GAP), top, end)) }
            @for (at, (contrast, estimators)) in &placed {
                text class="f" x="16" y=(tenth(at + 16.0)) {
                    (contrast)
                    @if let Some(row) = rows.iter().find(|r| !r.no_effect && r.contrast == **contrast) { (format!(", truth {:+.1} points of 100", row.truth * 100.0).replace('-', "−")) }
                }
                @for (i, estimator) in estimators.iter().enumerate() {
                    @let y = at + 34.0 + LINE * i as f64;
                    text class="n" x="24" y=(tenth(y)) { (estimator) }
                    @if rows.iter().filter(|r| r.contrast == **contrast && r.estimator == *estimator).all(|r| r.computed == 0) {
                        text class="t" x=(tenth(LEFT + 8.0)) y=(tenth(y)) { "not computed in any pilot" }
                    }
                    @for (i, panel) in panels.iter().enumerate() {
                        (mark(panel, panel.of(rows, contrast, estimator), *estimator == ESTIMATORS[0], LEFT + i as f64 * (WIDTH + GAP), y - 4.5))
                    }
                }
            }
            rect class="p" x="16" y=(tenth(end + 42.0)) width="9" height="9" {}
            text class="t" x="32" y=(tenth(end + 51.0)) { "the report's default interval: linear probability model, CR2, Satterthwaite" }
            circle class="p2" cx="520.5" cy=(tenth(end + 46.5)) r="4" {}
            text class="t" x="532" y=(tenth(end + 51.0)) { "its cross-checks, and the same estimate with other errors" }
            text class="t" x="16" y=(tenth(end + 72.0)) {
                "Bars: 95 % Monte Carlo interval (Wilson) of the share. Dark line: nominal. Bootstrap and replayed draw: " (DRAWS) " draws, no interval of their own."
            }
        }
    };
    svg.into_string()
}

fn place(panel: &Panel, left: f64, percent: f64) -> f64 {
    left + WIDTH * (percent.clamp(panel.from, panel.to) - panel.from) / (panel.to - panel.from)
}

fn axis(panel: &Panel, left: f64, top: f64, end: f64) -> Markup {
    let step = [5.0, 10.0, 20.0, 50.0].into_iter().find(|step| (panel.to - panel.from) / step <= 5.0).unwrap_or(50.0);
    let count = ((panel.to - panel.from) / step).floor() as usize;
    html! {
        text class="f" x=(tenth(left)) y=(tenth(top - 26.0)) { (panel.title) }
        @for i in 0..=count {
            // From the right end, so that 100 always has its mark.
            @let tick = panel.to - i as f64 * step;
            @let x = place(panel, left, tick);
            path class="guia" d=(format!("M{x:.1} {top:.0}V{end:.0}")) {}
            text class="t" x=(tenth(x)) y=(tenth(end + 16.0)) text-anchor="middle" { (format!("{tick:.0}")) }
        }
        @if let Some(nominal) = panel.nominal {
            @let x = place(panel, left, nominal);
            path class="cero" d=(format!("M{x:.1} {:.0}V{end:.0}", top - 4.0)) {}
            text class="t" x=(tenth(x)) y=(tenth(top - 8.0)) text-anchor="middle" { (format!("{nominal:.0}")) }
        }
    }
}

fn mark(panel: &Panel, share: Option<Share>, is_default: bool, left: f64, y: f64) -> Markup {
    let Some(share) = share else { return html! {} };
    let x = |share: f64| place(panel, left, 100.0 * share);
    let middle = x(share.rate);
    html! {
        path class=(if is_default { "ic" } else { "ic2" }) d=(format!("M{:.1} {y:.1}H{:.1}", x(share.low), x(share.high))) {}
        @if is_default {
            rect class="p" x=(tenth(middle - 4.5)) y=(tenth(y - 4.5)) width="9" height="9" {}
        } @else {
            circle class="p2" cx=(tenth(middle)) cy=(tenth(y)) r="4" {}
        }
    }
}

fn tenth(n: f64) -> String {
    format!("{n:.1}")
}
