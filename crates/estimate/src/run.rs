//! Answers specs: reads each file once, prepares its rows, calls the method.

use super::absent::{COMPARES, said};
use super::answer::Answer;
use super::design::{Design as Rows, Request};
use super::emptied::{ARMS, counted};
use super::expression::Expression;
use super::formula::{Formula, Outcome};
use super::read::read;
use super::recorded::Trials;
use super::rows::{needed, prepare};
use super::spec::{Fault, Spec, refused};
use super::table::{Doubt, Matters, Table};
use super::uses::{Uses, one_outcome, treatment};
use super::{association, difference, generalised, linear, planning, randomised, survival};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use vecino_sheet::Written;
use vecino_stats::power::Design;

/// A file, and how it is to be read: its letters, and its names for columns.
type Opened<'a> = (PathBuf, Option<&'a str>, &'a [(String, String)]);

/// One answer per spec, in order; a spec that is refused has its reason in its place. Files are relative to `folder`;
/// `trials` reads what the key `trial` names.
/// Refuses what is no spec at all before anything is read.
pub fn run(specs: &[Value], folder: &Path, trials: Trials<'_>) -> std::result::Result<Vec<std::result::Result<Answer, String>>, Fault> {
    let place = |at: usize, fault: Fault| match fault {
        Fault::Usage(line) if specs.len() > 1 => Fault::Usage(format!("spec {} of {}: {line}", at + 1, specs.len())),
        fault => fault,
    };
    let read = specs.iter().enumerate().map(|(at, spec)| Spec::read(spec).map_err(|fault| place(at, fault)));
    let read: Vec<Spec> = read.collect::<std::result::Result<_, _>>()?;
    let mut answers: Vec<Option<std::result::Result<Answer, String>>> = vec![None; specs.len()];
    // Specs of one file together, so that it is read once and let go of before the next.
    let mut files: BTreeMap<Opened<'_>, Vec<usize>> = BTreeMap::new();
    for (at, spec) in read.iter().enumerate() {
        let says = |error: Error| Err(error.line);
        match (without_data(spec), &spec.data) {
            (Some(answer), _) => answers[at] = Some(answer.or_else(says)),
            (None, Some(data)) => files.entry((folder.join(data), spec.encoding.as_deref(), &spec.column)).or_default().push(at),
            (None, None) => answers[at] = Some(says(refused(format!("method {}: give the data file", spec.method)))),
        }
    }
    for ((file, ..), members) in files {
        let written = members.first().map_or_else(|| Ok(Written::default()), |at| read[*at].written());
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                members.iter().for_each(|at| answers[*at] = Some(Err(error.line.clone())));
                continue;
            }
        };
        let wanted: Result<Vec<[BTreeSet<String>; 2]>> = members.iter().map(|at| columns(&read[*at])).collect();
        let together = wanted.and_then(|wanted| {
            let all = |which: usize| wanted.iter().flat_map(|both| &both[which]).cloned().collect();
            self::read(&file, &written, &all(0), &all(1))
        });
        for at in members {
            let spec = &read[at];
            // One spec's fault in its columns is not the others'.
            let alone;
            let table = match &together {
                Ok(table) => Ok(table),
                Err(_) => {
                    alone = columns(spec).and_then(|[wanted, groups]| self::read(&file, &written, &wanted, &groups));
                    alone.as_ref()
                }
            };
            answers[at] = Some(match table {
                Ok(table) => with_data(spec, table, (folder, trials)).map_err(|error| error.line),
                Err(error) => Err(error.line.clone()),
            });
        }
    }
    let mut out = Vec::new();
    for ((answer, spec), given) in answers.into_iter().zip(&read).zip(specs) {
        let mut answer = answer.unwrap_or_else(|| Err("no answer".to_string()));
        if let Ok(answer) = &mut answer {
            answer.explain();
            let idle = spec.idle_keys(given).unwrap_or_default();
            answer.warnings.extend(idle.iter().map(|key| format!("key {key}: method {} does not use it", spec.method)));
        }
        out.push(answer);
    }
    Ok(out)
}

/// The four methods that take no data.
fn without_data(spec: &Spec) -> Option<Result<Answer>> {
    let need = |key: &str, value: Option<f64>| value.ok_or_else(|| format!("{key}: give a number"));
    let alpha = spec.alpha.unwrap_or(0.05);
    let found = match spec.method.as_str() {
        "adjust" => planning::adjust(&spec.p, &spec.adjust),
        "power" => (|| {
            let plain = Design::default();
            planning::power(&planning::over_time(
                spec,
                Design {
                    p0: need("p0", spec.p0)?,
                    p1: need("p1", spec.p1)?,
                    clusters: need("clusters", spec.clusters)?,
                    size: need("size", spec.size)?,
                    icc: need("icc", spec.icc)?,
                    cv: spec.cv.unwrap_or(plain.cv),
                    alpha,
                    power: spec.power.unwrap_or(plain.power),
                    periods: spec.periods.unwrap_or(plain.periods),
                    ..plain
                },
            )?)
        })(),
        "sequential" => planning::sequential(&spec.looks, spec.spending.as_deref().unwrap_or("obrien-fleming"), alpha),
        "confseq" => match spec.kind.as_deref() {
            Some(kind) => planning::confseq(kind, &spec.v, &spec.t, spec.rho, alpha),
            None => Err("kind: give normal-mixture or asymptotic".to_string()),
        },
        _ => return spec.idle_keys(&Value::Null).err().map(Err),
    };
    Some(found.map_err(|line| refused(format!("method {}: {line}", spec.method))))
}

/// Columns of the file that a spec reads, and those that name groups.
fn columns(spec: &Spec) -> Result<[BTreeSet<String>; 2]> {
    let mut named = BTreeSet::new();
    let formula = Formula::parse(spec.formula()?)?;
    formula.columns(&mut named);
    named.extend(spec.cluster.iter().chain(&spec.balance).chain(&spec.collapse).chain(&spec.block).chain(&spec.weights).chain(&spec.time).cloned());
    Ok([needed(&spec.define, spec.filter.as_deref(), &named)?, Uses::of(spec, &formula)?.groups])
}

fn with_data(spec: &Spec, table: &Table, around: (&Path, Trials<'_>)) -> Result<Answer> {
    let mut formula = Formula::parse(spec.formula()?)?;
    if spec.cluster.len() > 2 {
        return Err(refused("cluster: at most two columns"));
    }
    if spec.method != "glmm" && !formula.random.is_empty() {
        return Err(refused(format!("method {}: takes no random intercepts; use glmm", spec.method)));
    }
    if !matches!(spec.method.as_str(), "ols" | "wild" | "ri") && !formula.effects.is_empty() {
        return Err(refused(format!("method {}: takes no absorbed effects; put them on the right as factor( )", spec.method)));
    }
    let counts = matches!(spec.method.as_str(), "glm" | "gee" | "glmm") && matches!(&formula.outcome, Some(Outcome::Pair(two)) if two.len() == 2);
    let survival = matches!(formula.outcome, Some(Outcome::Survival(..)));
    if survival && !matches!(spec.method.as_str(), "km" | "logrank" | "cox" | "hazard") {
        return Err(refused(format!("method {}: takes no surv(time, event); use km, logrank, cox or hazard", spec.method)));
    }
    if !counts && spec.method != "ri" && matches!(formula.outcome, Some(Outcome::Pair(_))) {
        let takes = "cbind(successes, failures) stands in glm, gee and glmm, several outcomes in ri";
        return Err(refused(format!("method {}: takes one outcome on the left of ~; {takes}", spec.method)));
    }
    if matches!(spec.method.as_str(), "hazard" | "cox") {
        // The periods, or the baseline hazard, stand for it.
        formula.intercept = false;
    }
    let [columns, groups] = columns(spec)?;
    let told = doubtful(spec, &formula, table, &columns)?;
    let table = &table.grouped(&groups);
    let named = spec
        .cluster
        .iter()
        .chain(&spec.balance)
        .chain(&spec.block)
        .chain(&spec.weights)
        .chain(&spec.time)
        .map(|name| Expression::Column(name.clone()));
    let used: Vec<Expression> = formula.quantities().into_iter().map(|quantity| quantity.expression.clone()).chain(named).collect();
    let reference = spec.reference.iter().cloned().collect();
    let compared = COMPARES.contains(&spec.method.as_str());
    let arm = treatment(spec, &formula).ok();
    let prepared = prepare(table, &spec.define, spec.filter.as_deref(), &spec.collapse, &used, arm.map(|(arm, _)| &arm.expression))?;
    let factor = arm.is_some_and(|(_, factor)| factor);
    let arms = prepared.arms.as_ref().map(|column| counted(column, factor)).filter(|arms| arms.len() <= ARMS).unwrap_or_default();
    let request = Request {
        clusters: &spec.cluster,
        weights: spec.weights.as_deref(),
        blocks: spec.block.as_deref(),
        time: spec.time.as_deref(),
        balance: &spec.balance,
        reference: &reference,
        keep_missing_outcome: spec.method == "lee",
        drop_singletons: spec.word("singletons", &spec.singletons, "keep", &["keep", "drop"])? == "drop",
        counts,
        compared,
        arms: &arms,
    };
    let mut design = Rows::new(&formula, &prepared.table, &request)?;
    design.dropped += prepared.dropped as usize;
    if design.n == 0 {
        let file = spec.data.as_deref().unwrap_or_default();
        return Err(refused(format!("{file}: no rows are left: every one was filtered out or misses a value of a column that the spec uses")));
    }
    if spec.method == "lin" {
        one_outcome(&formula)?;
        design.centre_and_interact()?;
    }
    let emptied = said(spec, &formula, &design)?;
    let mut answer = by_method(spec, &formula, design, around)?;
    emptied.complete(&mut answer, spec);
    answer.warnings.extend(told);
    let idle = spec.column.iter().map(|(ours, _)| ours).filter(|ours| !columns.contains(*ours));
    answer.warnings.extend(idle.map(|ours| format!("key column: the spec reads no column `{ours}`")));
    if matches!(spec.method.as_str(), "dim" | "means" | "mh" | "lee" | "km" | "logrank" | "icc") && formula.terms.len() > 1 {
        answer.warnings.push(format!("method {} compares the levels of the first term; the other terms are not used", spec.method));
    }
    Ok(answer)
}

/// What is doubtful of the columns that a spec reads, to be told. Refuses where a number would be another than was written.
fn doubtful(spec: &Spec, formula: &Formula, table: &Table, columns: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut used: BTreeSet<String> = spec.weights.iter().chain(&spec.time).chain(&spec.balance).cloned().collect();
    formula.columns(&mut used);
    let used = needed(&spec.define, spec.filter.as_deref(), &used)?;
    let Uses { values, groups } = Uses::of(spec, formula)?;
    let among = |doubt: &&Doubt| match doubt.matters {
        Matters::Anywhere => columns,
        Matters::InFormula => &used,
        Matters::AsNumber => &values,
        Matters::AsGroup => &groups,
    };
    let concerns = table.doubts.iter().filter(|doubt| among(doubt).contains(&doubt.column));
    let line = |doubt: &Doubt| format!("column `{}` {}", doubt.column, doubt.line);
    let (refusals, told): (Vec<&Doubt>, Vec<&Doubt>) = concerns.partition(|doubt| doubt.refused);
    match refusals.first() {
        Some(first) => Err(refused(format!("{}: {}", spec.data.as_deref().unwrap_or_default(), line(first)))),
        None => Ok(told.into_iter().map(line).collect()),
    }
}

fn by_method(spec: &Spec, formula: &Formula, design: Rows, around: (&Path, Trials<'_>)) -> Result<Answer> {
    match spec.method.as_str() {
        "ols" | "lin" => {
            one_outcome(formula)?;
            linear::ols(spec, design)
        }
        "dim" => {
            one_outcome(formula)?;
            let (treatment, factor) = treatment(spec, formula)?;
            difference::dim(spec, &design, treatment, factor)
        }
        "means" => {
            one_outcome(formula)?;
            let groups = (!formula.terms.is_empty()).then(|| treatment(spec, formula)).transpose()?;
            let groups = groups.map(|(group, factor)| Ok::<_, Error>((group.text.as_str(), design.group(group, factor)?)));
            let groups = groups.transpose()?;
            difference::means(spec, &design, groups)
        }
        "ri" => {
            let outcome = formula.outcome.as_ref().ok_or_else(|| refused("formula: the outcome is missing on the left of ~"))?;
            let (treatment, factor) = treatment(spec, formula)?;
            randomised::ri(spec, &design, outcome, treatment, factor, around)
        }
        "wild" => {
            one_outcome(formula)?;
            randomised::wild(spec, &design)
        }
        "icc" => association::icc(spec, formula, &design),
        "mh" => association::mantel_haenszel(spec, formula, &design),
        "lee" => association::lee(spec, formula, &design),
        "glm" | "gee" | "glmm" | "hazard" => generalised::answer(spec, formula, &design),
        "cox" | "km" | "logrank" => survival::answer(spec, formula, &design),
        other => Err(refused(format!("method \"{other}\": not known"))),
    }
}
