//! `dim`: differences in means by arm: Welch, clustered, blocked, paired.

use super::answer::{Answer, Row};
use super::design::{Design, is_level};
use super::formula::Quantity;
use super::grouping::Grouping;
use super::linear::{adjust, bare, row, warn_few};
use super::spec::{Spec, refused};
use crate::error::Result;
use vecino_stats::Refusal;
use vecino_stats::cells::Cells;
use vecino_stats::ols::{Df, EffectCount, Estimate, Variance, estimate, fit};

/// One comparison of two groups of the treatment: its term, and for each row 1 (in the group), 0 (in the other), or neither.
pub struct Contrast {
    pub term: String,
    pub arm: Vec<Option<bool>>,
}

/// More groups than anybody compares with one.
pub const GROUPS: usize = 500;

/// The comparisons of a treatment: a number with two values is one, higher less lower; otherwise each level against the reference, on
/// the rows of those two alone. Refuses a treatment with one value.
pub fn contrasts(spec: &Spec, design: &Design, treatment: &Quantity, forced: bool, answer: &mut Answer) -> Result<Vec<Contrast>> {
    let groups = design.group(treatment, forced)?;
    let lost = design.emptied.iter().find(|emptied| emptied.text == treatment.text).map_or(0, |emptied| emptied.lost().count());
    if groups.count() + lost < 2 {
        return Err(refused(format!("{}: only one group is left; two or more are compared", treatment.text)));
    }
    if groups.count() > GROUPS {
        return Err(refused(format!("{}: {} groups are too many to compare; is it the column of arms?", treatment.text, groups.count())));
    }
    let reference = spec.reference_of(&treatment.text);
    let base = match reference {
        None => 0,
        Some(level) => {
            let text = design.is_text(treatment);
            let same = groups.names.iter().position(|name| name == level);
            same.or_else(|| groups.names.iter().position(|name| is_level(text, name, level))).ok_or_else(|| {
                refused(format!("{}: no row has the reference level {level}; there are {}", treatment.text, groups.names.join(", ")))
            })?
        }
    };
    if groups.count() < 2 {
        // The answer says which arm has nothing to be compared.
        return Ok(Vec::new());
    }
    let plain = is_pair(design, treatment, forced, groups.count() + lost);
    if plain && base != 0 {
        let name = &treatment.text;
        answer.warnings.push(format!("reference {name}: a number with two values is compared higher less lower; write factor({name}) to choose"));
    }
    let base = if plain { 0 } else { base };
    let arm = |level: usize| -> Vec<Option<bool>> {
        (0..design.n)
            .map(|row| match groups.at(row) as usize {
                group if group == level => Some(true),
                group if group == base => Some(false),
                _ => None,
            })
            .collect()
    };
    Ok((0..groups.count())
        .filter(|level| *level != base)
        .map(|level| {
            let name = &treatment.text;
            Contrast { term: if plain { name.to_string() } else { format!("{name}[{}]", groups.names[level]) }, arm: arm(level) }
        })
        .collect())
}

/// Whether a treatment of so many levels is one row, higher less lower.
pub fn is_pair(design: &Design, quantity: &Quantity, factor: bool, levels: usize) -> bool {
    levels == 2 && !design.is_text(quantity) && !factor
}

/// The arm of each cluster. Refuses a treatment that varies within one.
pub fn check_clusters(contrast: &Contrast, clusters: &Grouping) -> Result<Vec<Option<bool>>> {
    let mut arm: Vec<Option<bool>> = vec![None; clusters.count()];
    for (row, own) in contrast.arm.iter().enumerate().filter(|(_, own)| own.is_some()) {
        let cluster = clusters.at(row) as usize;
        if arm[cluster].is_some() && arm[cluster] != *own {
            let name = &clusters.names[cluster];
            return Err(refused(format!("{}: varies within cluster {name}; give the column that was assigned", contrast.term)));
        }
        arm[cluster] = *own;
    }
    Ok(arm)
}

/// Sums of an arm of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: f64,
    y: f64,
    units: f64,
}

impl Sums {
    fn mean(&self) -> f64 {
        self.y / self.n
    }

    /// s²/n
    fn variance(&self, values: f64) -> f64 {
        values / (self.n - 1.0) / self.n
    }
}

pub fn dim(spec: &Spec, design: &Design, treatment: &Quantity, factor: bool) -> Result<Answer> {
    let mut answer = design.answer(&spec.method);
    let level = spec.level()?;
    if spec.cluster.len() > 1 {
        return Err(refused("method dim: takes one cluster column"));
    }
    if design.block.is_none() && (spec.vcov.is_some() || spec.block_weights.is_some()) {
        let rule = if spec.cluster.is_empty() { "Welch's" } else { "cr2" };
        answer.warnings.push(format!("without a block the variance is {rule}: vcov and block_weights are not used"));
    }
    let flat = design.only_outcome();
    for contrast in contrasts(spec, design, treatment, factor, &mut answer)? {
        let arms = design.clusters.first().map(|clusters| check_clusters(&contrast, clusters)).transpose()?;
        if let Some(value) = flat {
            answer.warnings.push(format!("the outcome is {value} in every row: there is no variation to explain"));
            answer.rows.push(bare(&contrast.term, Some(0.0)));
            continue;
        }
        let found = match &design.block {
            None => whole(design, &contrast, level),
            Some(block) => blocked(spec, design, &contrast, block, level)?,
        };
        let alone = |arm: bool| arms.iter().flatten().filter(|own| **own == Some(arm)).count() == 1;
        if design.block.is_none() && (alone(true) || alone(false)) {
            answer.warnings.push(format!("{}: an arm has one cluster, so its error is too small; quote a p by the design (ri)", contrast.term));
        }
        match found {
            (_, Ok(found)) => answer.rows.push(row(&contrast.term, &found)),
            (value, Err(why)) => {
                answer.warnings.push(format!("{}: no standard error, {}", contrast.term, why.why()));
                answer.rows.push(bare(&contrast.term, value));
            }
        }
    }
    if !spec.cluster.is_empty() || design.block.is_some() {
        warn_few(&mut answer, f64::INFINITY);
    }
    adjust(&mut answer, &spec.adjust)?;
    Ok(answer)
}

type Found = (Option<f64>, std::result::Result<Estimate, Refusal>);

fn whole(design: &Design, contrast: &Contrast, level: f64) -> Found {
    let rows: Vec<usize> = (0..design.n).filter(|row| contrast.arm[*row].is_some()).collect();
    let (value, variance, df) = compare(design, contrast, &rows);
    let working = spread(design, &rows);
    match (variance, df) {
        (Ok(variance), Ok(df)) => (Some(value), estimate(value, variance, working, Some(df), level)),
        (Err(why), _) | (_, Err(why)) => (Some(value), Err(why)),
    }
}

/// The outcome's variance over the rows, what a variance is judged to be zero beside.
fn spread(design: &Design, rows: &[usize]) -> f64 {
    let n = rows.len() as f64;
    let mean = rows.iter().map(|row| design.y(*row)).sum::<f64>() / n;
    rows.iter().map(|row| (design.y(*row) - mean).powi(2)).sum::<f64>() / (n * n)
}

type Number = std::result::Result<f64, Refusal>;

/// Difference of row means among some rows, its variance and degrees of freedom: Welch's, or CR2 and Satterthwaite's with clusters.
fn compare(design: &Design, contrast: &Contrast, rows: &[usize]) -> (f64, Number, Number) {
    let arms = sums(design, contrast, rows);
    let value = arms[1].mean() - arms[0].mean();
    let Some(clusters) = design.clusters.first() else {
        let squares = |arm: usize| -> f64 {
            let mean = arms[arm].mean();
            rows.iter().filter(|row| contrast.arm[**row] == Some(arm == 1)).map(|row| (design.y(*row) - mean).powi(2)).sum()
        };
        if arms.iter().any(|arm| arm.n < 2.0) {
            return (value, Err(Refusal::NoVariance), Err(Refusal::NoResidual));
        }
        let (a, b) = (arms[0].variance(squares(0)), arms[1].variance(squares(1)));
        let df = (a + b).powi(2) / (a * a / (arms[0].n - 1.0) + b * b / (arms[1].n - 1.0));
        return (value, Ok(a + b), if df.is_finite() { Ok(df) } else { Err(Refusal::NoVariance) });
    };
    let mut own: std::collections::BTreeMap<(u32, bool), (f64, f64, f64)> = std::collections::BTreeMap::new();
    for row in rows {
        let Some(arm) = contrast.arm[*row] else { continue };
        let y = design.y(*row);
        let sums = own.entry((clusters.at(*row), arm)).or_default();
        *sums = (sums.0 + 1.0, sums.1 + y, sums.2 + y * y);
    }
    let mut cells = Cells::new(2);
    for (cluster, ((_, arm), (n, y, yy))) in own.into_iter().enumerate() {
        cells.push(cluster as u32, &[1.0, f64::from(u8::from(arm))], n, y, yy);
    }
    let clustered = fit(&cells).and_then(|fitted| {
        let sandwich = fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?;
        let contrast = fitted.contrast(&[(1, 1.0)])?;
        let variance = contrast.dot(&(&sandwich.middle * &contrast));
        fitted.estimate(&sandwich, &contrast, Df::Satterthwaite, EffectCount::Nested, 0.95).map(|found| (variance, found.df.unwrap_or(0.0)))
    });
    match clustered {
        Ok((variance, df)) => (value, Ok(variance), Ok(df)),
        Err(why) => (value, Err(why), Err(why)),
    }
}

/// n, Σy, Σy² and units of the two arms.
fn sums(design: &Design, contrast: &Contrast, rows: &[usize]) -> [Sums; 2] {
    let mut arms = [Sums::default(); 2];
    let mut seen = std::collections::HashSet::new();
    for row in rows {
        let Some(arm) = contrast.arm[*row] else { continue };
        let y = design.y(*row);
        let own = &mut arms[usize::from(arm)];
        let new = design.clusters.first().is_none_or(|clusters| seen.insert(clusters.at(*row)));
        *own = Sums { n: own.n + 1.0, y: own.y + y, units: own.units + f64::from(u8::from(new)) };
    }
    arms
}

fn blocked(spec: &Spec, design: &Design, contrast: &Contrast, block: &Grouping, level: f64) -> Result<Found> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); block.count()];
    for row in (0..design.n).filter(|row| contrast.arm[*row].is_some()) {
        members[block.at(row) as usize].push(row);
    }
    members.retain(|rows| !rows.is_empty());
    let arms: Vec<[Sums; 2]> = members.iter().map(|rows| sums(design, contrast, rows)).collect();
    let empty: Vec<&str> = members
        .iter()
        .zip(&arms)
        .filter(|(_, arms)| arms.iter().any(|arm| arm.n == 0.0))
        .map(|(rows, _)| block.names[block.at(rows[0]) as usize].as_str())
        .collect();
    if !empty.is_empty() {
        let shown = empty.iter().take(20).copied().collect::<Vec<_>>().join(", ");
        return Err(refused(format!("{}: block {shown} has only one of the two arms; filter such blocks out", contrast.term)));
    }
    let count = members.len() as f64;
    let rows_in_all: f64 = members.iter().map(|rows| rows.len() as f64).sum();
    let equal = spec.word("block_weights", &spec.block_weights, "size", &["size", "equal"])? == "equal";
    let weight: Vec<f64> = members.iter().map(|rows| if equal { 1.0 / count } else { rows.len() as f64 / rows_in_all }).collect();
    let differences: Vec<f64> = arms.iter().map(|arms| arms[1].mean() - arms[0].mean()).collect();
    let value: f64 = weight.iter().zip(&differences).map(|(w, d)| w * d).sum();
    let single = arms.iter().flatten().any(|arm| arm.units < 2.0);
    let default = if single { "between" } else { "within" };
    let rule = spec.word("vcov", &spec.vcov, default, &["within", "between", "between-weighted"])?;
    let (variance, df): (Number, f64) = match rule {
        "within" if single => (Err(Refusal::LoneUnit), 1.0),
        "within" => {
            let own: std::result::Result<Vec<f64>, Refusal> =
                members.iter().map(|rows| compare(design, contrast, rows).1.or_else(flat_block)).collect();
            let units: f64 = arms.iter().flatten().map(|arm| arm.units).sum();
            (own.map(|own| own.iter().zip(&weight).map(|(v, w)| w * w * v).sum()), units - 2.0 * count)
        }
        "between" => {
            let squares: f64 = weight.iter().zip(&differences).map(|(w, d)| (w * d - value / count).powi(2)).sum();
            (Ok(count / (count - 1.0) * squares), count - 1.0)
        }
        _ if weight.iter().any(|w| *w >= 0.5) => (Err(Refusal::HalfBlock), 1.0),
        _ => {
            let h: Vec<f64> = weight.iter().map(|w| w * w / (1.0 - 2.0 * w)).collect();
            let squares: f64 = h.iter().zip(&differences).map(|(h, d)| h * (d - value).powi(2)).sum();
            (Ok(squares / (1.0 + h.iter().sum::<f64>())), count - 1.0)
        }
    };
    if df <= 0.0 {
        return Ok((Some(value), Err(Refusal::NoResidual)));
    }
    let all: Vec<usize> = members.concat();
    Ok((Some(value), variance.and_then(|variance| estimate(value, variance, spread(design, &all), Some(df), level))))
}

/// A block whose outcome does not vary has a variance of zero, which is no reason to refuse the others.
fn flat_block(why: Refusal) -> Number {
    if why == Refusal::NoVariance { Ok(0.0) } else { Err(why) }
}

/// `means`: the mean outcome of each group.
pub fn means(spec: &Spec, design: &Design, groups: Option<(&str, Grouping)>) -> Result<Answer> {
    if spec.cluster.len() > 1 {
        return Err(refused("method means: takes one cluster column"));
    }
    let mut answer = design.answer(&spec.method);
    let count = groups.as_ref().map_or(1, |(_, groups)| groups.count());
    let mut sums = vec![(0u64, 0.0); count];
    let mut seen: Vec<std::collections::HashSet<u32>> = vec![std::collections::HashSet::new(); count];
    for row in 0..design.n {
        let group = groups.as_ref().map_or(0, |(_, groups)| groups.at(row) as usize);
        sums[group].0 += 1;
        sums[group].1 += design.y(row);
        if let Some(clusters) = design.clusters.first() {
            seen[group].insert(clusters.at(row));
        }
    }
    for (group, (n, sum)) in sums.into_iter().enumerate() {
        let term = groups.as_ref().map_or("all".to_string(), |(name, groups)| format!("{name}[{}]", groups.names[group]));
        let mean = if n == 0 { None } else { Some(sum / n as f64) };
        let mut row = Row::new(term).with("estimate", mean).with("n", n).with("sum", sum);
        row = if design.clusters.is_empty() { row.with("n_clusters", None) } else { row.with("n_clusters", seen[group].len() as u64) };
        answer.rows.push(row);
    }
    Ok(answer)
}
