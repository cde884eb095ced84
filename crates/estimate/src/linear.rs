//! `ols` and `lin`: least squares and its tables of coefficients.

use super::answer::{Answer, Row};
use super::compress::Compressed;
use super::design::Design;
use super::spec::{Spec, refused};
use crate::error::Result;
use nalgebra::{DMatrix, DVector};
use vecino_stats::Refusal;
use vecino_stats::cells::Rows;
use vecino_stats::multiple;
use vecino_stats::ols::{Df, EffectCount, Estimate, Fit, Variance, fit};
use vecino_stats::sandwich::{Joint, Sandwich};

/// The variance of a spec. Refuses an unknown one and a clustered one without clusters.
pub fn variance(spec: &Spec, default: &'static str) -> Result<Variance> {
    const KNOWN: [(&str, Variance); 11] = [
        ("classical", Variance::Classical),
        ("hc0", Variance::Hc0),
        ("hc1", Variance::Hc1),
        ("hc2", Variance::Hc2),
        ("hc3", Variance::Hc3),
        ("cr0", Variance::Cr0),
        ("cr1", Variance::Cr1),
        ("cr1p", Variance::Cr1p),
        ("cr1s", Variance::Cr1s),
        ("cr2", Variance::Cr2),
        ("cr3", Variance::Cr3),
    ];
    let word = spec.word("vcov", &spec.vcov, default, &KNOWN.map(|(name, _)| name))?;
    let found = KNOWN.iter().find(|(name, _)| *name == word).map_or(Variance::Classical, |(_, variance)| *variance);
    if found.is_clustered() && spec.cluster.is_empty() {
        return Err(refused(format!("vcov {word}: give the cluster column")));
    }
    Ok(found)
}

/// Refuses a variance that two clusterings do not have.
pub fn check_two_way(spec: &Spec, variance: Variance) -> Result<()> {
    let defined = !variance.is_clustered() || matches!(variance, Variance::Cr0 | Variance::Cr1 | Variance::Cr1s);
    if spec.cluster.len() == 2 && !defined {
        return Err(refused("two cluster columns: the variance is defined for cr0, cr1 and cr1s; give one of them as vcov"));
    }
    Ok(())
}

/// The degrees of freedom of a spec, or the variance's own.
pub fn degrees(spec: &Spec, variance: Variance, default: Df) -> Result<Df> {
    Ok(match spec.df.as_deref() {
        None if matches!(variance, Variance::Cr2 | Variance::Cr3) => Df::Satterthwaite,
        None => default,
        Some("satterthwaite") => Df::Satterthwaite,
        Some("cluster") if spec.cluster.is_empty() => return Err(refused("df cluster: give the cluster column")),
        Some("cluster") => Df::Clusters,
        Some("residual") => Df::Residual,
        Some("normal") => Df::Normal,
        Some(number) => match number.parse::<f64>() {
            Ok(df) if df > 0.0 && df.is_finite() => Df::Given(df),
            _ => return Err(refused(format!("df \"{number}\": use satterthwaite, cluster, residual, normal or a number above 0"))),
        },
    })
}

/// A row of an estimate that exists.
pub fn row(term: &str, found: &Estimate) -> Row {
    Row::new(term)
        .with("estimate", found.estimate)
        .with("se", found.se)
        .with("statistic", found.statistic)
        .with("df", found.df)
        .with("p", found.p)
        .with("ci_low", found.low)
        .with("ci_high", found.high)
}

/// A row of which at most the estimate exists.
pub fn bare(term: &str, estimate: Option<f64>) -> Row {
    let row = Row::new(term).with("estimate", estimate);
    ["se", "statistic", "df", "p", "ci_low", "ci_high"].iter().fold(row, |row, name| row.with(name, None))
}

pub fn ols(spec: &Spec, design: Design) -> Result<Answer> {
    let clustered = !spec.cluster.is_empty();
    let variance = variance(spec, if clustered { "cr2" } else { "hc2" })?;
    check_two_way(spec, variance)?;
    let default = if variance.is_clustered() { Df::Clusters } else { Df::Residual };
    let df = degrees(spec, variance, default)?;
    let count = match spec.word("fixef_k", &spec.fixef_k, "nested", &["nested", "full", "none"])? {
        "full" => EffectCount::Full,
        "none" => EffectCount::None,
        _ => EffectCount::Nested,
    };
    let asked = Asked { variance, df, count, level: spec.level()? };
    match Compressed::new(&design) {
        Some(cells) => table(spec, &design, &cells, asked),
        None => table(spec, &design, &design, asked),
    }
}

#[derive(Clone, Copy)]
struct Asked {
    variance: Variance,
    df: Df,
    count: EffectCount,
    level: f64,
}

fn table<R: Rows>(spec: &Spec, design: &Design, rows: &R, asked: Asked) -> Result<Answer> {
    let mut answer = design.answer(&spec.method);
    let chosen = design.chosen(&spec.terms, "terms")?;
    if let Some(value) = design.only_outcome() {
        answer.warnings.push(format!("the outcome is {value} in every row: there is no variation to explain"));
        let intercept = |term: &str| if term == "(Intercept)" { value } else { 0.0 };
        answer.rows = chosen.iter().map(|at| bare(&design.terms[*at].name, Some(intercept(&design.terms[*at].name)))).collect();
        return untested(spec, answer, Refusal::NoVariation, asked);
    }
    let fitted = match fit(rows) {
        Ok(fitted) => fitted,
        Err(why) => {
            answer.warnings.push(format!("nothing was estimated: {}", why.why()));
            answer.rows = chosen.iter().map(|at| bare(&design.terms[*at].name, None)).collect();
            return untested(spec, answer, why, asked);
        }
    };
    let joint = if spec.joint.is_empty() { Vec::new() } else { design.chosen(&spec.joint, "joint")? };
    let wants_clusters = asked.df == Df::Satterthwaite || asked.variance == Variance::Cr2 && !joint.is_empty();
    let sandwich = fitted.sandwich(asked.variance, asked.count, wants_clusters);
    if let Err(why) = &sandwich {
        answer.warnings.push(format!("no standard error: {}", why.why()));
    }
    for at in &chosen {
        let name = &design.terms[*at].name;
        let Ok(contrast) = fitted.contrast(&[(*at, 1.0)]) else {
            answer.warnings.push(format!("{name}: dropped, it carries nothing beyond the columns before it"));
            answer.rows.push(bare(name, None));
            continue;
        };
        let value = contrast.dot(&fitted.gamma);
        let found = match &sandwich {
            Ok(sandwich) => fitted.estimate(sandwich, &contrast, asked.df, asked.count, asked.level),
            Err(_) => {
                answer.rows.push(bare(name, Some(value)));
                continue;
            }
        };
        match found {
            Ok(found) => {
                if sandwich.as_ref().is_ok_and(|sandwich| sandwich.told(&contrast) < 0.9) {
                    answer.warnings.push(format!(
                        "{name}: clusters are fitted exactly where it lies (one cluster in an arm or a level), so its error is too small; use fewer columns or quote a p by the design (ri)"
                    ));
                }
                answer.rows.push(row(name, &found));
            }
            Err(why) => {
                answer.warnings.push(format!("{name}: no standard error, {}", why.why()));
                answer.rows.push(bare(name, Some(value)));
            }
        }
    }
    if asked.variance.is_clustered() || asked.df == Df::Satterthwaite {
        warn_few(&mut answer, if asked.df == Df::Normal { fitted.clusters() - 1.0 } else { f64::INFINITY });
    }
    let sandwich = match sandwich {
        Ok(sandwich) => sandwich,
        Err(why) => return untested(spec, answer, why, asked),
    };
    adjust(&mut answer, &spec.adjust)?;
    if spec.bands == Some(true) {
        bands(&mut answer, spec, &fitted, &sandwich, &chosen, asked)?;
    }
    if !spec.joint.is_empty() {
        let lower = if asked.variance.is_clustered() { fitted.clusters() - 1.0 } else { fitted.n - fitted.coefficients(asked.count) };
        let contrasts: Vec<DVector<f64>> = joint.iter().filter_map(|at| fitted.contrast(&[(*at, 1.0)]).ok()).collect();
        let found = match contrasts.is_empty() {
            true => Err(Refusal::Collinear),
            false => fitted.joint(&sandwich, &DMatrix::from_columns(&contrasts), Some(lower).filter(|df| *df > 0.0)),
        };
        joint_rows(&mut answer, found, lower, asked.variance == Variance::Cr2);
    }
    Ok(answer)
}

/// What was asked of errors that do not exist: null, with the reason.
fn untested(spec: &Spec, mut answer: Answer, why: Refusal, asked: Asked) -> Result<Answer> {
    adjust(&mut answer, &spec.adjust)?;
    if !spec.joint.is_empty() {
        joint_rows(&mut answer, Err(why), 0.0, asked.variance == Variance::Cr2);
    }
    Ok(answer)
}

/// Warns where the rows' degrees of freedom, or `least`, are few.
pub fn warn_few(answer: &mut Answer, least: f64) {
    let few = answer.rows.iter().filter_map(|row| row.number("df")).fold(least, f64::min);
    if few < 10.0 {
        answer.warnings.push(format!("only {few:.1} degrees of freedom: do not quote a p without one by the design (ri) beside it"));
    }
}

/// Rows of a joint test, or null ones with the reason.
pub fn joint_rows(answer: &mut Answer, found: std::result::Result<Joint, Refusal>, lower: f64, htz: bool) {
    let row = |name: &str, statistic: Option<f64>, df: Option<f64>, below: Option<f64>, p: Option<f64>| {
        Row::new(name).with("statistic", statistic).with("df", df).with("df_denom", below).with("p", p)
    };
    match found {
        Ok(found) => {
            let q = Some(found.q);
            answer.rows.push(row("joint[chisq]", Some(found.wald), q, None, Some(found.p_chi_squared)));
            answer.rows.push(row("joint[F]", Some(found.wald / found.q), q, Some(lower), found.p_f));
            if htz {
                if found.htz.is_none() {
                    answer.warnings.push(format!("joint[HTZ]: too few clusters for {} contrasts at once", found.q));
                }
                let (f, below, p) = found.htz.map_or((None, None, None), |(f, below, p)| (Some(f), Some(below), Some(p)));
                answer.rows.push(row("joint[HTZ]", f, q, below, p));
            }
        }
        Err(why) => {
            answer.warnings.push(format!("joint test: {}", why.why()));
            let names = ["joint[chisq]", "joint[F]", "joint[HTZ]"];
            answer.rows.extend(names[..if htz { 3 } else { 2 }].iter().map(|name| row(name, None, None, None, None)));
        }
    }
}

/// Adds `p_holm` … over the rows that have a p, without the intercept.
pub fn adjust(answer: &mut Answer, methods: &[String]) -> Result<()> {
    let p: Vec<Option<f64>> = answer.rows.iter().map(|row| row.number("p").filter(|_| row.term != "(Intercept)")).collect();
    for method in methods {
        let Some((_, adjustment)) = multiple::ADJUSTMENTS.iter().find(|(name, _)| name == method) else {
            return Err(refused(format!("adjust \"{method}\": use holm, bh, by, bonferroni or hochberg")));
        };
        let adjusted = adjustment(&p);
        for (row, value) in answer.rows.iter_mut().zip(adjusted) {
            row.fields.push((format!("p_{method}"), value.into()));
        }
    }
    Ok(())
}

/// Simultaneous bands: the interval that holds all reported terms at once.
fn bands<R: Rows>(answer: &mut Answer, spec: &Spec, fitted: &Fit<'_, R>, sandwich: &Sandwich, chosen: &[usize], asked: Asked) -> Result<()> {
    let used: Vec<usize> = chosen.iter().copied().filter(|at| design_counts(answer, *at, chosen)).collect();
    let contrasts: Vec<DVector<f64>> = used.iter().filter_map(|at| fitted.contrast(&[(*at, 1.0)]).ok()).collect();
    if contrasts.is_empty() {
        return Ok(());
    }
    let a = DMatrix::from_columns(&contrasts);
    let covariance = a.transpose() * &sandwich.middle * &a;
    let least = answer.rows.iter().filter_map(|row| row.number("df")).fold(f64::INFINITY, f64::min);
    let df = if asked.df == Df::Normal { None } else { Some(least).filter(|df| df.is_finite()) };
    let draws = spec.draws.unwrap_or(99_999).clamp(1_000, 1_000_000) as u32;
    let mut random = vecino_stats::random::seeded(spec.seed.unwrap_or(1), "simultaneous bands");
    let critical = vecino_stats::bands::critical(&covariance, df, asked.level, draws, &mut random);
    for row in &mut answer.rows {
        let reach = row.number("estimate").zip(row.number("se")).filter(|_| row.term != "(Intercept)").zip(critical);
        row.fields.push(("band_low".to_string(), reach.map(|((estimate, se), c)| estimate - c * se).into()));
        row.fields.push(("band_high".to_string(), reach.map(|((estimate, se), c)| estimate + c * se).into()));
    }
    Ok(())
}

fn design_counts(answer: &Answer, at: usize, chosen: &[usize]) -> bool {
    let place = chosen.iter().position(|own| *own == at);
    place.and_then(|place| answer.rows.get(place)).is_some_and(|row| row.term != "(Intercept)" && row.number("se").is_some())
}
