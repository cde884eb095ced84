//! `glm`, `hazard`, `gee` and `glmm`: outcomes that are shares, counts or times.

use super::answer::{Answer, Row};
use super::compress::{Compressed, gather};
use super::design::Design;
use super::formula::{Formula, Outcome};
use super::linear::{adjust, bare, check_two_way, degrees, joint_rows, row, variance, warn_few};
use super::spec::{Spec, refused};
use super::uses::one_outcome;
use crate::error::Result;
use nalgebra::{DMatrix, DVector};
use vecino_stats::cells::{Cells, Rows, together};
use vecino_stats::family::{Family, Link};
use vecino_stats::generalised::{Fit, Working, separation_warning};
use vecino_stats::ols::{Df, Estimate, Variance, estimate};
use vecino_stats::robust::{Robust, robust};
use vecino_stats::sandwich::Sandwich;
use vecino_stats::{Refusal, gee, generalised, hazard, mixed};

pub fn answer(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    match spec.method.as_str() {
        "hazard" => hazard_model(spec, formula, design),
        "gee" => estimating_equations(spec, design),
        "glmm" => mixed_model(spec, formula, design),
        _ => likelihood(spec, formula, design),
    }
}

fn family(spec: &Spec) -> Result<(Family, Link)> {
    let family = match spec.family.as_deref() {
        Some("binomial") => Family::Binomial,
        Some("poisson") => Family::Poisson,
        Some("gaussian") => Family::Gaussian,
        other => return Err(refused(format!("family \"{}\": use binomial, poisson or gaussian", other.unwrap_or_default()))),
    };
    let link = match spec.link.as_deref() {
        None => family.canonical(),
        Some("logit") => Link::Logit,
        Some("cloglog") => Link::Cloglog,
        Some("log") => Link::Log,
        Some("identity") => Link::Identity,
        Some(other) => return Err(refused(format!("link \"{other}\": use logit, cloglog, log or identity"))),
    };
    if !family.allows(link) {
        return Err(refused(format!(
            "link \"{}\": not one of family {}",
            spec.link.as_deref().unwrap_or_default(),
            spec.family.as_deref().unwrap_or_default()
        )));
    }
    Ok((family, link))
}

fn counted(spec: &Spec, design: &Design) -> Result<Cells> {
    let cells = match Compressed::new(design) {
        Some(compressed) => compressed.cells(),
        None => gather(design),
    };
    check(spec, &cells)?;
    Ok(cells)
}

fn check(spec: &Spec, cells: &Cells) -> Result<()> {
    let (family, _) = family(spec)?;
    family.check(cells).map_err(|_| match family {
        Family::Binomial => refused("outcome: the binomial family takes 0 and 1, or cbind(successes, failures) of whole numbers"),
        Family::Poisson => refused("outcome: the poisson family takes counts of 0 or more"),
        Family::Gaussian => refused("outcome: a number is not finite"),
    })
}

/// Rows of a design's coefficients; `found` gives each one that exists.
fn coefficients(
    answer: &mut Answer,
    design: &Design,
    chosen: &[usize],
    found: impl Fn(usize) -> std::result::Result<Estimate, (Option<f64>, Refusal)>,
) {
    for at in chosen {
        let name = &design.terms[*at].name;
        match found(*at) {
            Ok(found) => answer.rows.push(row(name, &found)),
            Err((_, Refusal::Separated)) => {
                answer.warnings.push(separation_warning(name));
                answer.rows.push(bare(name, None));
            }
            Err((_, Refusal::Collinear)) => {
                answer.warnings.push(format!("{name}: dropped, it carries nothing beyond the columns before it"));
                answer.rows.push(bare(name, None));
            }
            Err((value, why)) => {
                answer.warnings.push(format!("{name}: no standard error, {}", why.why()));
                answer.rows.push(bare(name, value));
            }
        }
    }
}

/// Rows of a model that was not fitted. An outcome without variation has effects of 0 and the link of its value as intercept.
fn nothing(spec: &Spec, answer: &mut Answer, design: &Design, link: Link, why: Refusal) -> Result<()> {
    let chosen = design.chosen(&spec.terms, "terms")?;
    let value = |term: &str| match (why, term) {
        (Refusal::NoVariation, "(Intercept)") => {
            let (n, y) = (0..design.n).map(|at| design.sums(at)).fold((0.0, 0.0), |(n, y), own| (n + own.0, y + own.1));
            link.of(y / n)
        }
        (Refusal::NoVariation, _) => Some(0.0),
        _ => None,
    };
    answer.warnings.push(format!("nothing was estimated: {}", why.why()));
    answer.rows = chosen.iter().map(|at| bare(&design.terms[*at].name, value(&design.terms[*at].name))).collect();
    adjust(answer, &spec.adjust)?;
    if !spec.joint.is_empty() {
        joint_rows(answer, Err(why), 0.0, spec.method != "gee" && !spec.cluster.is_empty() && spec.vcov.as_deref().is_none_or(|vcov| vcov == "cr2"));
    }
    Ok(())
}

/// A fit on cells of one clustering.
struct Fitted {
    fit: Fit,
    working: Working,
    /// Clusters that are in the fit.
    clusters: usize,
}

impl Fitted {
    fn new(fit: Fit, cells: &Cells) -> Fitted {
        let working = fit.working(cells);
        let mut clusters = working.cluster.clone();
        clusters.sort_unstable();
        clusters.dedup();
        Fitted { fit, working, clusters: clusters.len() }
    }

    fn robust(&self, variance: Variance, degrees: bool) -> std::result::Result<Robust, Refusal> {
        let most = self.working.cluster.iter().max().map_or(0, |last| *last as usize + 1);
        robust(&self.fit, &self.working, (most, self.clusters), variance, degrees)
    }
}

/// V₁ + V₂ − V₁₂ in the basis of the first, each with c from the smaller G.
fn two_way(fits: &[Fitted], variance: Variance) -> std::result::Result<Robust, Refusal> {
    let [first, second, both] = fits else { return Err(Refusal::TwoWay) };
    let mut out = first.robust(Variance::Cr0, false)?;
    let covariance = |robust: &Robust| &robust.turn * &robust.sandwich.middle * robust.turn.transpose();
    let other = |fitted: &Fitted| fitted.robust(Variance::Cr0, false).map(|robust| covariance(&robust));
    let sum = covariance(&out) + other(second)? - other(both)?;
    let factor = variance.factor(first.clusters.min(second.clusters) as f64, first.fit.rows, first.fit.kept.len() as f64)?;
    let half = out.turn.solve_lower_triangular(&sum).ok_or(Refusal::NotFinite)?;
    out.sandwich.middle = out.turn.solve_lower_triangular(&half.transpose()).ok_or(Refusal::NotFinite)? * factor;
    Ok(out)
}

/// Coefficients of a likelihood fit, one for each clustering; the design's column `j` stands at `position(j)`.
fn likelihood_rows(
    spec: &Spec,
    design: &Design,
    answer: &mut Answer,
    fits: &[Fitted],
    position: &dyn Fn(usize) -> std::result::Result<usize, Refusal>,
) -> Result<()> {
    let variance = variance(spec, if spec.cluster.is_empty() { "classical" } else { "cr2" })?;
    check_two_way(spec, variance)?;
    let Some(Fitted { fit, .. }) = fits.first() else { return Ok(()) };
    let df = degrees(spec, variance, Df::Normal)?;
    let level = spec.level()?;
    let chosen = design.chosen(&spec.terms, "terms")?;
    let joint = if spec.joint.is_empty() { Vec::new() } else { design.chosen(&spec.joint, "joint")? };
    let wants = df == Df::Satterthwaite || variance == Variance::Cr2 && !joint.is_empty();
    let clusters = fits.iter().take(2).map(|fitted| fitted.clusters).min().unwrap_or(0);
    let found = if fits.len() > 1 && variance.is_clustered() { two_way(fits, variance) } else { fits[0].robust(variance, wants) };
    let degrees_of = |robust: &Robust, a: &DVector<f64>| -> std::result::Result<Option<f64>, Refusal> {
        Ok(match df {
            Df::Satterthwaite => Some(robust.sandwich.degrees(&DMatrix::from_column_slice(a.len(), 1, a.as_slice()))[0]?),
            Df::Clusters => Some(clusters as f64 - 1.0),
            Df::Residual => Some(fit.rows - fit.kept.len() as f64),
            Df::Normal => None,
            Df::Given(df) => Some(df),
        })
    };
    let unit = |at: usize| DVector::from_fn(fit.kept.len(), |i, _| f64::from(u8::from(i == at)));
    if let Err(why) = &found {
        answer.warnings.push(format!("no standard error: {}", why.why()));
    }
    coefficients(answer, design, &chosen, |at| {
        let place = position(at).map_err(|why| (None, why))?;
        let value = fit.beta[place];
        let robust = found.as_ref().map_err(|why| (Some(value), *why))?;
        let a = robust.turn.tr_mul(&unit(place));
        let square = a.dot(&(&robust.sandwich.middle * &a));
        let df = degrees_of(robust, &a).map_err(|why| (Some(value), why))?;
        estimate(value, square, fit.m[(place, place)], df, level).map_err(|why| (Some(value), why))
    });
    if variance.is_clustered() || df == Df::Satterthwaite {
        warn_few(answer, if df == Df::Satterthwaite { f64::INFINITY } else { clusters as f64 - 1.0 });
    }
    adjust(answer, &spec.adjust)?;
    if !spec.joint.is_empty() {
        let lower = if variance.is_clustered() { clusters as f64 - 1.0 } else { fit.rows - fit.kept.len() as f64 };
        let test = found.as_ref().map_err(|why| *why).and_then(|robust| {
            let contrasts: Vec<DVector<f64>> = joint.iter().filter_map(|at| Some(robust.turn.tr_mul(&unit(position(*at).ok()?)))).collect();
            if contrasts.is_empty() {
                return Err(Refusal::Collinear);
            }
            robust.sandwich.joint(
                &DMatrix::from_columns(&contrasts),
                &robust.gamma,
                fit.dispersion.unwrap_or(1.0),
                Some(lower).filter(|df| *df > 0.0),
            )
        });
        joint_rows(answer, test, lower, variance == Variance::Cr2);
    }
    Ok(())
}

fn likelihood(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    if !matches!(formula.outcome, Some(Outcome::Pair(_))) {
        one_outcome(formula)?;
    }
    let (family, link) = family(spec)?;
    let mut answer = design.answer(&spec.method);
    let fitted = |design: &Design| -> Result<std::result::Result<Fitted, Refusal>> {
        let cells = counted(spec, design)?;
        Ok(generalised::fit(&cells, family, link).map(|fit| Fitted::new(fit, &cells)))
    };
    let fits = match design.by_clustering() {
        None => vec![fitted(design)?],
        Some(designs) => designs.iter().map(fitted).collect::<Result<Vec<_>>>()?,
    };
    match fits.into_iter().collect::<std::result::Result<Vec<_>, _>>() {
        Ok(fits) => likelihood_rows(spec, design, &mut answer, &fits, &|at| fits[0].fit.position(at))?,
        Err(why) => nothing(spec, &mut answer, design, link, why)?,
    }
    Ok(answer)
}

fn hazard_model(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    if !matches!(formula.outcome, Some(Outcome::Survival(..))) {
        return Err(refused("method hazard: write the outcome as surv(time, event)"));
    }
    let link = match spec.word("link", &spec.link, "cloglog", &["cloglog", "logit"])? {
        "logit" => Link::Logit,
        _ => Link::Cloglog,
    };
    let column = |at: usize| (0..design.n).map(|row| design.value(design.outcome[at], row)).collect::<Vec<f64>>();
    let (time, events) = (column(0), column(1));
    if let Some(event) = events.iter().find(|event| **event != 0.0 && **event != 1.0) {
        return Err(refused(format!("{}: an event is 0 or 1, and one row has {event}", design.outcome_names[1])));
    }
    if let Some(wrong) = time.iter().find(|time| !(**time >= 1.0 && **time <= 10_000.0 && time.fract() == 0.0)) {
        return Err(refused(format!("{}: periods are whole numbers from 1 to 10,000, and one row has {wrong}", design.outcome_names[0])));
    }
    let mut answer = design.answer(&spec.method);
    let hazard = |clustering: usize| {
        let mut spells = Cells::new(design.width());
        let mut x = vec![0.0; design.width()];
        for (at, event) in events.iter().enumerate() {
            design.x(at, &mut x);
            let cluster = if design.clusters.is_empty() { 0 } else { design.cluster(clustering, at) };
            spells.push(cluster, &x, 1.0, *event, *event);
        }
        hazard::fit(&spells, &time, link)
    };
    match (0..design.clusters.len().max(1)).map(hazard).collect::<std::result::Result<Vec<_>, _>>() {
        Ok(found) => {
            answer.warnings.extend(hazard::periods_warning(&found[0].left_out));
            let fits: Vec<Fitted> = found.iter().map(|found| Fitted::new(found.fit.clone(), &found.cells)).collect();
            likelihood_rows(spec, design, &mut answer, &fits, &|at| found[0].position(at))?;
        }
        Err(why) => nothing(spec, &mut answer, design, link, why)?,
    }
    Ok(answer)
}

fn estimating_equations(spec: &Spec, design: &Design) -> Result<Answer> {
    spec.needs_cluster()?;
    let (family, link) = family(spec)?;
    let level = spec.level()?;
    let corstr = spec.word("corstr", &spec.corstr, "", &["independence", "exchangeable", "ar1"])?;
    let rule = match spec.word("vcov", &spec.vcov, "cr0", &["classical", "cr0", "cr2", "cr3", "jackknife"])? {
        "classical" => gee::Variance::Classical,
        "cr2" => gee::Variance::Cr2,
        "cr3" => gee::Variance::Cr3,
        "jackknife" => gee::Variance::Jackknife,
        _ => gee::Variance::Cr0,
    };
    let times = design.times();
    let cells = if corstr == "ar1" { gather(design) } else { counted(spec, design)? };
    check(spec, &cells)?;
    let correlation = match corstr {
        "independence" => gee::Correlation::Independence,
        "exchangeable" => gee::Correlation::Exchangeable,
        _ => gee::Correlation::Ar1(times.as_deref()),
    };
    let mut answer = design.answer(&spec.method);
    let chosen = design.chosen(&spec.terms, "terms")?;
    let found = match gee::fit(&cells, family, link, correlation, rule) {
        Ok(found) => found,
        Err(why) => {
            nothing(spec, &mut answer, design, link, why)?;
            return Ok(answer);
        }
    };
    coefficients(&mut answer, design, &chosen, |at| {
        let place = found.position(at).map_err(|why| (None, why))?;
        let value = found.beta[place];
        let se = found.se(place).map_err(|why| (Some(value), why))?;
        estimate(value, se * se, 0.0, None, level).map_err(|why| (Some(value), why))
    });
    adjust(&mut answer, &spec.adjust)?;
    if !spec.joint.is_empty() {
        let joint = design.chosen(&spec.joint, "joint")?;
        let k = found.kept.len();
        let contrasts: Vec<DVector<f64>> =
            joint.iter().filter_map(|at| found.position(*at).ok()).map(|place| DVector::from_fn(k, |i, _| f64::from(u8::from(i == place)))).collect();
        let lower = found.clusters as f64 - 1.0;
        let test = match &found.covariance {
            Err(why) => Err(*why),
            Ok(_) if contrasts.is_empty() => Err(Refusal::Collinear),
            Ok(covariance) => {
                let below = Some(lower).filter(|df| *df > 0.0);
                Sandwich::of(covariance.clone()).joint(&DMatrix::from_columns(&contrasts), &found.beta, 0.0, below)
            }
        };
        joint_rows(&mut answer, test, lower, false);
    }
    if corstr != "independence" {
        match found.alpha {
            Some(alpha) if !found.valid => answer.warnings.push(gee::correlation_warning(alpha)),
            Some(_) => {}
            None => answer.warnings.push(gee::NO_PAIRS.to_string()),
        }
        answer.rows.push(Row::new("alpha").with("estimate", found.alpha));
    }
    answer.rows.push(Row::new("scale").with("estimate", found.scale));
    if found.fell_back {
        answer.warnings.push(gee::FELL_BACK.to_string());
    }
    if found.clusters < 40 && rule == gee::Variance::Cr0 {
        answer.warnings.push(format!("{} clusters: the sandwich is too small; vcov cr2 or cr3 corrects it", found.clusters));
    }
    Ok(answer)
}

/// A coefficient that moves the linear predictor by more than the first, with an error above the second times itself, is infinite.
const FAR: f64 = 15.0;
const FLAT: f64 = 100.0;

fn mixed_model(spec: &Spec, formula: &Formula, design: &Design) -> Result<Answer> {
    if formula.random.is_empty() {
        return Err(refused("method glmm: give a random intercept, (1 | group), in the formula"));
    }
    let (family, link) = family(spec)?;
    if link != family.canonical() {
        return Err(refused("method glmm: takes the canonical link only"));
    }
    let points = spec.quadrature.unwrap_or(1) as usize;
    if points == 0 || points > mixed::POINTS {
        return Err(refused(format!("quadrature {points}: use 1 (Laplace) to {}", mixed::POINTS)));
    }
    if points > 1 && formula.random.len() > 1 {
        return Err(refused("quadrature: more than one point needs a single random intercept; use 1 (Laplace)"));
    }
    let level = spec.level()?;
    let rows = gather(design);
    check(spec, &rows)?;
    let constant = (0..rows.len()).map(|at| if family == Family::Gaussian { 0.0 } else { family.log_constant(rows.n[at], rows.y[at]) }).sum();
    let groups: Vec<Vec<u32>> = design.random.iter().map(|group| (0..design.n).map(|at| group.at(at)).collect()).collect();
    let (cells, groups) = aggregate(&rows, &groups);
    let mut answer = design.answer(&spec.method);
    let chosen = design.chosen(&spec.terms, "terms")?;
    match mixed::fit(&cells, &groups, family, points, constant) {
        Err(why) => nothing(spec, &mut answer, design, link, why)?,
        Ok(found) => {
            let reach = |at: usize| (0..cells.len()).map(|cell| cells.row(cell)[at].abs()).fold(0.0, f64::max);
            coefficients(&mut answer, design, &chosen, |at| {
                let place = found.position(at).map_err(|why| (None, why))?;
                let value = found.beta[place];
                let se = found.se(place).map_err(|why| (Some(value), why))?;
                // Far out on a flat likelihood: given the random effects, rows of one kind all have the same outcome.
                if family != Family::Gaussian && value.abs() * reach(at) > FAR && se > FLAT * value.abs() {
                    return Err((None, Refusal::Separated));
                }
                estimate(value, se * se, 0.0, None, level).map_err(|why| (Some(value), why))
            });
            for (group, sd) in formula.random.iter().zip(&found.sd) {
                let name = &group.text;
                if *sd == 0.0 {
                    answer.warnings.push(mixed::zero_warning(name));
                }
                answer.rows.push(Row::new(format!("sd[{name}]")).with("estimate", *sd));
            }
            if let Some(sd) = found.residual_sd {
                answer.rows.push(Row::new("sd[residual]").with("estimate", sd));
            }
            answer.rows.push(Row::new("logLik").with("estimate", found.log_likelihood));
        }
    }
    Ok(answer)
}

/// Rows that share covariates and groups, together.
fn aggregate(rows: &Cells, groups: &[Vec<u32>]) -> (Cells, Vec<Vec<u32>>) {
    let mut found: std::collections::HashMap<Vec<u64>, usize> = std::collections::HashMap::new();
    let mut cells = Cells::new(rows.width);
    let mut own: Vec<Vec<u32>> = vec![Vec::new(); groups.len()];
    for at in 0..rows.len() {
        let key: Vec<u64> = rows.row(at).iter().map(|x| x.to_bits()).chain(groups.iter().map(|group| u64::from(group[at]))).collect();
        let next = cells.len();
        let cell = *found.entry(key).or_insert(next);
        if cell == next {
            cells.push_centred(0, rows.row(at), rows.n[at], rows.y[at], rows.within[at]);
            own.iter_mut().zip(groups).for_each(|(own, group)| own.push(group[at]));
        } else {
            let sums = |cells: &Cells, at: usize| (cells.n[at], cells.y[at], cells.within[at]);
            (cells.n[cell], cells.y[cell], cells.within[cell]) = together(sums(&cells, cell), sums(rows, at));
        }
    }
    (cells, own)
}
