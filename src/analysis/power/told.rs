//! Power for people: the text at a terminal, why formula and simulation part, and the lines of `trial check`.

use super::answer::{Report, Test};
use super::inputs::{Inputs, Source};
use super::{formula, simulated};
use crate::page::signed_points;
use crate::stats::distribution::critical;
use crate::trial::protocol::{Adjust, Family, Protocol};
use std::fmt::Write;

/// How far two answers may differ beyond the Monte Carlo error before reasons are looked for: 5 of 100 of an effect or an error.
const ALIKE: f64 = 0.05;

fn points(value: f64, decimals: usize) -> String {
    format!("{:.decimals$}", 100.0 * value)
}

/// The reasons for which the smallest effects differ, largest first; empty when they agree to within the Monte Carlo error.
pub(super) fn parts(protocol: &Protocol, inputs: &Inputs, family: &Family, formula: &formula::Found, simulation: &simulated::Found) -> Vec<String> {
    let (Some(mde), Some(error), Some(spread), Some(se)) = (simulation.mde, simulation.mde_error, simulation.spread, simulation.se) else {
        let share = f64::from(simulation.computed) / f64::from(simulation.pilots.max(1));
        return vec![format!("the model gave a number in {} of 100 pilots, and the formula does not know that it may refuse", points(share, 0))];
    };
    if (mde / formula.mde - 1.0).abs() <= ALIKE + 2.0 * error / formula.mde {
        return Vec::new();
    }
    let mut reasons: Vec<(f64, String)> = Vec::new();
    let mut reason = |ratio: f64, text: String| {
        if (ratio - 1.0).abs() > ALIKE {
            reasons.push((ratio.ln().abs(), text));
        }
    };
    let segments = (inputs.segments as f64 / simulation.segments).sqrt();
    reason(segments, format!("the formula counts {} segments, {:.0} enter a draw on average", inputs.segments, simulation.segments));
    let drawn = match (&protocol.assignment.block, &protocol.assignment.rerandomise) {
        (Some(_), _) => "; it knows no blocks",
        (_, Some(_)) => "; it knows no re-randomisation",
        _ => "; it knows neither unequal weeks nor that strata and baseline are estimated",
    };
    let other = match inputs.source {
        Source::Parameters | Source::Places => "",
        Source::Baseline => ", and homes of the invented towns differ as the parameters say, not as the baseline does",
    };
    reason(
        spread / formula.se / segments,
        format!("estimates vary by {} points where the formula has {}{drawn}{other}", points(spread, 2), points(formula.se, 2)),
    );
    reason(se / spread, format!("the model's standard errors are {:.2} of how much its estimates vary", se / spread));
    let limit = |df: f64| critical(1.0 - formula.alpha, Some(df));
    if let Some((own, counted)) = simulation.df.and_then(limit).zip(limit(formula.df)) {
        reason(own / counted, format!("the model has {:.0} degrees of freedom, the formula counts {:.0}", simulation.df.unwrap_or(0.0), formula.df));
    }
    if family.adjust == Adjust::Holm && simulation.computed < simulation.pilots {
        let share = 1.0 - f64::from(simulation.computed) / f64::from(simulation.pilots.max(1));
        reason(1.0 + share, format!("the model refuses in {} of 100 pilots, which do not reject", points(share, 0)));
    }
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    match reasons.is_empty() {
        true => vec!["several small differences together: no single one is above 5 of 100".to_owned()],
        false => reasons.into_iter().map(|(_, text)| text).collect(),
    }
}

/// A line for a contrast that would hardly be found.
pub(super) fn doubt(family: &str, contrast: &str, found: &formula::Found, assumed: f64, largest: f64, inputs: &Inputs) -> Option<String> {
    let (expected, from) = match assumed == 0.0 {
        true => (largest, "the parameters assume no effect, and published ones are at most"),
        false => (assumed.abs(), "the parameters assume"),
    };
    (found.mde > expected).then(|| {
        let source = match inputs.source {
            Source::Parameters => "by the simulation's parameters",
            Source::Places => "by the segments of this installation and the simulation's parameters",
            Source::Baseline => "by the observed baseline",
        };
        format!(
            "analysis.{family}: «{contrast}» is underpowered: with {} segments it finds effects from {} points on 80 times of 100 ({source}), and {from} {}; see `vecino trial power`",
            inputs.segments,
            points(found.mde, 1),
            points(expected, 1)
        )
    })
}

fn share(value: Option<f64>, error: Option<f64>) -> String {
    match (value, error) {
        (Some(value), Some(error)) => format!("{} ± {}", points(value, 1), points(error, 1)),
        (Some(value), None) => points(value, 1),
        _ => "–".to_owned(),
    }
}

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    let Report { trial, level, power, seed, replicates, inputs, families } = report;
    let _ = writeln!(out, "{trial}: smallest effects found {} times of 100 at level {level}; points of 100", points(*power, 0));
    let source = match inputs.source {
        Source::Parameters => "the simulation's parameters, no baseline being observed here",
        Source::Places => "the simulation's parameters on the segments of this installation, no baseline being observed yet",
        Source::Baseline => "the observed baseline; effects, homes and messages from the simulation's parameters",
    };
    let _ = writeln!(out, "  from        {source}");
    let _ = writeln!(
        out,
        "  segments    {} of {:.1} homes, {:.1} collections observed a week (variation {:.2}), {} of 100 missing",
        inputs.segments,
        inputs.homes_per_segment,
        inputs.observed_per_week,
        inputs.size_variation,
        points(inputs.missing, 1)
    );
    for (name, like) in
        [("complied", &inputs.complied), ("set_out", &inputs.set_out), ("separated", &inputs.separated), ("contaminated", &inputs.contaminated)]
    {
        let used = families.iter().flat_map(|family| &family.contrasts).any(|test| test.outcome == name);
        if used {
            let _ = writeln!(
                out,
                "  {name:<11} {} of 100 in the baseline; icc {:.4}, two weeks of a segment {:.3}, with the baseline {:.3}",
                points(like.share, 1),
                like.icc,
                like.autocorrelation,
                like.with_baseline
            );
        }
    }
    if *replicates > 0 {
        let _ = writeln!(out, "  simulated   {replicates} pilots with effects and without, seed {seed}; ± one Monte Carlo standard error");
    }
    for family in families {
        let _ = writeln!(out, "\n{} ({}, {} over {})", family.family, family.phase, family.adjust, family.contrasts.len());
        let _ = writeln!(
            out,
            "  {:<22}{:>9}{:>10}{:>16}{:>10}{:>16}{:>14}",
            "contrast", "assumed", "smallest", "simulated", "power", "simulated", "type I"
        );
        for test in &family.contrasts {
            line(&mut out, test);
        }
    }
    out
}

fn line(out: &mut String, test: &Test) {
    let Test { contrast, outcome, assumed, formula, simulation, parts } = test;
    let name = if *outcome == "complied" { contrast.clone() } else { format!("{contrast}, {outcome}") };
    let assumed = if *assumed == 0.0 { "–".to_owned() } else { signed_points(*assumed, 1) };
    let simulation = simulation.as_ref();
    let _ = writeln!(
        out,
        "  {name:<22}{assumed:>9}{:>10}{:>16}{:>10}{:>16}{:>14}",
        share(formula.map(|found| found.mde), None),
        share(simulation.and_then(|s| s.mde), simulation.and_then(|s| s.mde_error)),
        share(formula.and_then(|found| found.power), None),
        share(simulation.and_then(|s| s.power).filter(|_| test.assumed != 0.0), simulation.and_then(|s| s.power_error)),
        share(simulation.and_then(|s| s.type_1), simulation.and_then(|s| s.type_1_error)),
    );
    if formula.is_none() {
        let _ = writeln!(out, "      no formula: no degree of freedom is left between segments");
    }
    for part in parts {
        let _ = writeln!(out, "      {part}");
    }
}
