//! `icc`, `mh` and `lee`: how alike rows of a cluster are, risk ratios over blocks, and bounds under attrition.

use super::answer::{Answer, Row};
use super::design::Design;
use super::difference::contrasts;
use super::formula::Formula;
use super::spec::{Spec, refused};
use super::uses::{one_outcome, treatment};
use crate::error::Result;
use vecino_stats::Refusal;
use vecino_stats::bounds::{Responses, lee as lee_bounds, manski};
use vecino_stats::distribution::{critical, two_sided};
use vecino_stats::icc::{mean_squares, reml};
use vecino_stats::mantel_haenszel::{Block, risk_ratio};

pub fn icc(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    spec.needs_cluster()?;
    one_outcome(formula)?;
    let level = spec.level()?;
    let arms = if formula.terms.is_empty() { None } else { Some(treatment(spec, formula).and_then(|(arm, factor)| design.group(arm, factor))?) };
    let clusters = &design.clusters[0];
    let mut sums: Vec<(usize, f64, f64, f64)> = vec![(usize::MAX, 0.0, 0.0, 0.0); clusters.count()];
    // Around the mean, so that squares of large outcomes keep their digits; a 0/1 outcome stays as it is.
    let binary = (0..design.n).all(|row| matches!(design.y(row), 0.0 | 1.0));
    let centre = if binary { 0.0 } else { (0..design.n).map(|row| design.y(row)).sum::<f64>() / design.n as f64 };
    for row in 0..design.n {
        let own = &mut sums[clusters.at(row) as usize];
        let arm = arms.as_ref().map_or(0, |arms| arms.at(row) as usize);
        if own.0 != usize::MAX && own.0 != arm {
            return Err(refused(format!("icc: the arm varies within cluster {}", clusters.names[clusters.at(row) as usize])));
        }
        let y = design.y(row) - centre;
        *own = (arm, own.1 + 1.0, own.2 + y, own.3 + y * y);
    }
    let mut answer = design.answer(&spec.method);
    let count = clusters.count() as u64;
    if spec.word("estimator", &spec.estimator, "anova", &["anova", "reml"])? == "reml" {
        let found = reml(&sums, level);
        if let Err(why) = &found {
            answer.warnings.push(format!("icc: {}", why.why()));
        }
        let found = found.ok();
        let interval = found.as_ref().and_then(|found| found.interval);
        if found.is_some() && interval.is_none() {
            answer.warnings.push("icc: no interval, the outcome does not vary within clusters".to_string());
        }
        answer.rows.push(
            Row::new("icc")
                .with("estimate", found.as_ref().map(|found| found.icc))
                .with("var_between", found.as_ref().map(|found| found.between))
                .with("var_within", found.as_ref().map(|found| found.within))
                .with("ci_low", interval.map(|i| i.0))
                .with("ci_high", interval.map(|i| i.1))
                .with("n_clusters", count),
        );
        return Ok(answer);
    }
    let squares = mean_squares(&sums);
    let found = squares.as_ref().map_err(|why| *why).and_then(|squares| squares.icc());
    if let Err(why) = &found {
        answer.warnings.push(format!("icc: {}", why.why()));
    }
    let squares = squares.ok();
    let interval = found.as_ref().ok().and_then(|_| squares.as_ref()?.interval(level));
    if found.is_ok() && interval.is_none() {
        answer.warnings.push("icc: no interval, the outcome does not vary within clusters or not between them".to_string());
    }
    answer.rows.push(
        Row::new("icc")
            .with("estimate", found.as_ref().ok().map(|found| found.icc))
            .with("msb", squares.as_ref().map(|squares| squares.between))
            .with("msw", squares.as_ref().map(|squares| squares.within))
            .with("n0", squares.as_ref().map(|squares| squares.n0))
            .with("deff", found.as_ref().ok().map(|found| found.design_effect))
            .with("ci_low", interval.map(|i| i.0))
            .with("ci_high", interval.map(|i| i.1))
            .with("n_clusters", count)
            .with("n", design.n as u64),
    );
    Ok(answer)
}

pub fn mantel_haenszel(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    let y = one_outcome(formula)?;
    let (group, factor) = treatment(spec, formula)?;
    let Some(block) = &design.block else { return Err(refused("method mh: give the block column")) };
    if let Some(row) = (0..design.n).find(|row| !matches!(design.y(*row), 0.0 | 1.0)) {
        return Err(refused(format!("{}: mh takes an outcome of 0 and 1, and one row has {}", y.text, design.y(row))));
    }
    let z = critical(spec.level()?, None);
    let mut answer = design.answer(&spec.method);
    for contrast in contrasts(spec, design, group, factor, &mut answer)? {
        let mut blocks = vec![Block { a: 0.0, n1: 0.0, c: 0.0, n0: 0.0 }; block.count()];
        for row in 0..design.n {
            let own = &mut blocks[block.at(row) as usize];
            match contrast.arm[row] {
                Some(true) => (own.a, own.n1) = (own.a + design.y(row), own.n1 + 1.0),
                Some(false) => (own.c, own.n0) = (own.c + design.y(row), own.n0 + 1.0),
                None => {}
            }
        }
        let found = risk_ratio(&blocks);
        let whole = blocks.iter().filter(|block| block.n1 > 0.0 && block.n0 > 0.0);
        let (used, a, c) = whole.fold((0u64, 0.0, 0.0), |(used, a, c), block| (used + 1, a + block.a, c + block.c));
        let why = match &found {
            Err(_) if used == 0 => Some("no block has both arms; give a coarser block"),
            Err(_) if a > 0.0 && c == 0.0 => Some("the reference arm has no event, so the ratio is infinite; use dim for a difference"),
            Err(_) if a == 0.0 && c == 0.0 => Some("no row has the event, so there is no ratio; use dim for a difference"),
            Err(why) => Some(why.why()),
            Ok(found) if found.log_ratio.is_none() => Some("the treated arm has no event, so the ratio has no interval; use dim for a difference"),
            Ok(found) if found.log_se.is_none() => Some("every row has the event: there is no variation, so no interval"),
            Ok(_) => None,
        };
        answer.warnings.extend(why.map(|why| format!("{}: {why}", contrast.term)));
        let found = found.ok();
        let error = found.as_ref().and_then(|found| found.log_ratio.zip(found.log_se));
        let statistic = error.map(|(ratio, se)| ratio / se);
        let reach = |sign: f64| error.zip(z).map(|((ratio, se), z)| (ratio + sign * z * se).exp());
        answer.rows.push(
            Row::new(contrast.term.clone())
                .with("estimate", found.as_ref().map(|found| found.ratio))
                .with("log_estimate", found.as_ref().and_then(|found| found.log_ratio))
                .with("log_se", found.as_ref().and_then(|found| found.log_se))
                .with("statistic", statistic)
                .with("p", statistic.and_then(|t| two_sided(t, None)))
                .with("ci_low", reach(-1.0))
                .with("ci_high", reach(1.0))
                .with("n_blocks", used),
        );
    }
    Ok(answer)
}

/// Lee's bounds, and beside them Manski's where the outcome lies between 0 and 1.
pub fn lee(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    one_outcome(formula)?;
    let (group, factor) = treatment(spec, formula)?;
    let mut answer = design.answer(&spec.method);
    let unit = (0..design.n).all(|row| design.y(row).is_nan() || (0.0..=1.0).contains(&design.y(row)));
    for contrast in contrasts(spec, design, group, factor, &mut answer)? {
        let arm = |treated: bool| Responses::collect((0..design.n).filter(|row| contrast.arm[*row] == Some(treated)).map(|row| design.y(row)));
        let (treated, reference) = (arm(true), arm(false));
        let found = lee_bounds(&treated, &reference);
        if let Err(why) = &found {
            let why = if *why == Refusal::NoData { "an arm has no outcome that was observed, so there are no bounds by trimming" } else { why.why() };
            answer.warnings.push(format!("{}: {why}", contrast.term));
        }
        let found = found.ok();
        let worst = if unit { manski(&treated, &reference, (0.0, 1.0)).ok() } else { None };
        let mut row = Row::new(contrast.term.clone())
            .with("lower", found.as_ref().map(|found| found.lower))
            .with("upper", found.as_ref().map(|found| found.upper))
            .with("response_treated", treated.rate())
            .with("response_reference", reference.rate())
            .with("trim_share", found.as_ref().map(|found| found.trim_share))
            .with("trimmed", found.as_ref().map(|found| found.trimmed));
        if let Some((low, high)) = worst {
            row = row.with("manski_lower", low).with("manski_upper", high);
        }
        answer.rows.push(row);
    }
    Ok(answer)
}
