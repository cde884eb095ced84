//! `vecino estimate` answers what the best tools answer.
//!
//! `tests/estimate/` holds invented data with records for every method. The large set, made with estimatr, clubSandwich, fixest, lme4,
//! geepack, survival and others on data of published trials, stands outside this repository, under `../shared/reference` or wherever
//! `VECINO_REFERENCE` says; without it that test says so.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vecino::estimate::trials::recorded;
use vecino_estimate::run::run;

fn reference() -> Option<PathBuf> {
    let folder = match std::env::var_os("VECINO_REFERENCE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/reference"),
    };
    if folder.join("stats/golden.json").exists() {
        return Some(folder.join("stats"));
    }
    crate::pilot::left_out(&format!("reference records: {} holds none", folder.display()));
    None
}

fn json(file: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))).unwrap()
}

/// One entry of `specs.json`: its specs, how their answers map to the record, and the record.
struct Entry {
    id: String,
    specs: Vec<Value>,
    compare: Value,
    record: Value,
}

fn entries(folder: &Path) -> Vec<Entry> {
    let golden = json(folder.join("golden.json"));
    let records: BTreeMap<&str, &Value> = golden["records"].as_array().unwrap().iter().map(|r| (r["id"].as_str().unwrap(), r)).collect();
    let specs = json(folder.join("specs.json"));
    let specs = specs.as_array().unwrap().iter().filter(|entry| entry["informative"] != true);
    specs
        .map(|entry| {
            let id = entry["id"].as_str().unwrap().to_owned();
            let several = entry["specs"].as_array().cloned().unwrap_or_else(|| vec![entry["spec"].clone()]);
            Entry { record: records[id.as_str()].clone(), id, specs: several, compare: entry["compare"].clone() }
        })
        .collect()
}

/// a:b and b:a are the same term; a colon inside brackets is text.
fn canonical(term: &str) -> String {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in term.chars() {
        depth += i32::from("[(".contains(c)) - i32::from(")]".contains(c));
        match c {
            ':' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    parts.sort();
    parts.join(":")
}

fn dig<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| key.parse::<usize>().ok().filter(|_| value.is_array()).map_or(&value[key], |at| &value[at]))
}

/// Compares answers with a record; a line for each number that is off.
struct Comparison<'a> {
    entry: &'a Entry,
    answers: Vec<&'a Value>,
    off: Vec<String>,
}

impl Comparison<'_> {
    fn cell(&self, term: &str, field: &str, spec: usize) -> Option<&Value> {
        let rows = self.answers[spec]["results"].as_array()?;
        rows.iter().find(|row| canonical(row["term"].as_str().unwrap_or_default()) == canonical(term)).map(|row| &row[field])
    }

    #[allow(clippy::too_many_arguments)]
    fn number(&mut self, term: &str, field: &str, want: &Value, spec: usize, scale: f64, sampled: bool, sign: f64) {
        let setting = |key: &str, default: f64| self.entry.compare[key].as_f64().unwrap_or(default);
        let rtol = setting("rtol", self.entry.record["rtol"].as_f64().unwrap());
        let (atol, p_atol) = (setting("atol", 1e-10), setting("p_atol", 0.0));
        let got = self.cell(term, field, spec).cloned();
        let fine = match (&got, want) {
            (Some(Value::Null), Value::Null) => true,
            (Some(Value::Number(got)), Value::Number(number)) => {
                let (got, value) = (got.as_f64().unwrap(), number.as_f64().unwrap() * sign);
                let tolerance = if sampled {
                    let draws = self.answers[spec]["results"][0]["draws"].as_f64().unwrap();
                    4.0 * ((value * (1.0 - value)).max(1e-9) / draws).sqrt()
                } else if field == "p" || field.starts_with("p_") {
                    p_atol + if value > 0.0 { rtol * (1.0 - 2.0 * value.ln()) * value } else { 1e-290 }
                } else if number.is_f64() || field == "estimate" || field == "statistic" {
                    rtol * value.abs().max(scale) + atol
                } else {
                    rtol * value.abs() + atol
                };
                (got - value).abs() <= tolerance
            }
            (Some(got), want) => got == want,
            (None, _) => false,
        };
        if !fine {
            self.off.push(format!("{} {term}.{field}: got {got:?}, want {want}", self.entry.id));
        }
    }

    fn run(&mut self) {
        let (compare, record) = (&self.entry.compare, &self.entry.record);
        if compare["error"] == true {
            if self.answers[0].get("error").is_none() {
                self.off.push(format!("{}: numbers where a refusal is wanted", self.entry.id));
            }
            return;
        }
        if let Some(error) = self.answers.iter().find_map(|answer| answer.get("error")) {
            self.off.push(format!("{}: {error}", self.entry.id));
            return;
        }
        let object = |key: &str| compare[key].as_object().cloned().unwrap_or_default();
        let terms = object("terms");
        for row in record["results"].as_array().into_iter().flatten() {
            let Some(term) = row["term"].as_str().and_then(|term| terms.get(term)) else { continue };
            let se = row["se"].as_f64().unwrap_or(0.0);
            for (theirs, ours) in object("fields") {
                let field = ours.as_str().unwrap();
                let scale = match field {
                    "estimate" | "ci_low" | "ci_high" => se,
                    "statistic" => 1.0,
                    _ => 0.0,
                };
                self.number(term.as_str().unwrap(), field, &row[&theirs], 0, scale, false, 1.0);
            }
        }
        let negate = compare["negate"].as_array().cloned().unwrap_or_default();
        for kind in ["values", "mc"] {
            for (path, place) in object(kind) {
                let want = dig(&record["results"], &path).clone();
                let sign = if negate.iter().any(|own| *own == path) { -1.0 } else { 1.0 };
                let (field, spec) = (place[1].as_str().unwrap(), place[2].as_u64().unwrap_or(0) as usize);
                match &place[0] {
                    Value::Array(several) => {
                        for (at, term) in several.iter().enumerate() {
                            self.number(term.as_str().unwrap(), field, &want[at], spec, 0.0, kind == "mc", sign);
                        }
                    }
                    term => self.number(term.as_str().unwrap(), field, &want, spec, 0.0, kind == "mc", sign),
                }
            }
        }
        for place in compare["null"].as_array().into_iter().flatten() {
            self.number(place[0].as_str().unwrap(), place[1].as_str().unwrap(), &Value::Null, 0, 0.0, false, 1.0);
        }
        for place in compare["equal"].as_array().into_iter().flatten() {
            self.number(place[0].as_str().unwrap(), place[1].as_str().unwrap(), &place[2], 0, 0.0, false, 1.0);
        }
        if compare["warns"] == true && self.answers[0]["warnings"].as_array().is_none_or(Vec::is_empty) {
            self.off.push(format!("{}: no warning", self.entry.id));
        }
    }
}

fn hold(folder: &Path) -> usize {
    let entries = entries(folder);
    let specs: Vec<Value> = entries.iter().flat_map(|entry| entry.specs.clone()).collect();
    let answers: Vec<Value> = run(&specs, folder, &recorded)
        .unwrap_or_else(|_| panic!("wrong usage"))
        .into_iter()
        .map(|answer| answer.map_or_else(|reason| serde_json::json!({ "error": reason }), |answer| answer.json()))
        .collect();
    let mut rest = answers.iter();
    let mut off = Vec::new();
    for entry in &entries {
        let own: Vec<&Value> = rest.by_ref().take(entry.specs.len()).collect();
        let mut comparison = Comparison { entry, answers: own, off: Vec::new() };
        comparison.run();
        off.extend(comparison.off);
    }
    assert!(off.is_empty(), "{} numbers are off:\n{}", off.len(), off.join("\n"));
    entries.len()
}

#[test]
fn every_method_holds_its_own_records() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/estimate");
    hold(&folder);
    let methods: std::collections::BTreeSet<String> = entries(&folder)
        .iter()
        .flat_map(|entry| entry.specs.iter().map(|spec| spec["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
        .collect();
    let missing: Vec<&str> = vecino_estimate::spec::METHODS.iter().map(|(name, _)| *name).filter(|name| !methods.contains(*name)).collect();
    assert!(missing.is_empty(), "no record of {missing:?}");
}

#[test]
fn records_of_published_trials_hold() {
    let Some(folder) = reference() else { return };
    assert!(hold(&folder) > 100);
}

/// The worked answer of the synthetic 2×2 trial (48 clusters, 26 weeks), by R's lm on cluster means.
#[test]
fn the_worked_two_by_two_trial_holds() {
    let Some(folder) = reference() else { return };
    let share = |name: &str, weeks: &str| {
        let sum = |column: &str| format!("sum({column}, by = cluster, where = {weeks})");
        format!("{name} = {} / {}", sum("households_compliant"), sum("households_observed"))
    };
    let spec = |outcome: &str, formula: &str| {
        serde_json::json!({
            "data": "../trials/synthetic-2x2-cluster-week.csv", "method": "ols", "vcov": "classical", "collapse": ["cluster"],
            "formula": format!("{outcome} ~ {formula} + municipality + center(before)"),
            "let": [share("before", "week <= 6"), share("during", "week > 6 & week <= 18"), share("after", "week > 18")],
        })
    };
    let (sum, product) = ("I(norm - 0.5) + I(plan - 0.5)", "I(norm - 0.5) * I(plan - 0.5)");
    let answers =
        run(&[spec("during", sum), spec("after", sum), spec("during", product)], &folder, &recorded).unwrap_or_else(|_| panic!("wrong usage"));
    for (spec, term, numbers) in [
        (0, "I(norm - 0.5)", [0.021731, 0.017749, 43.0, -0.014062, 0.057525]),
        (0, "I(plan - 0.5)", [0.032817, 0.017185, 43.0, -0.001838, 0.067473]),
        (0, "center(before)", [0.835955, 0.085429, 43.0, 0.663671, 1.008239]),
        (1, "I(norm - 0.5)", [0.031930, 0.019594, 43.0, -0.007586, 0.071446]),
        (1, "I(plan - 0.5)", [0.034176, 0.018972, 43.0, -0.004084, 0.072436]),
        (2, "I(norm - 0.5):I(plan - 0.5)", [0.046057, 0.034008, 42.0, f64::NAN, f64::NAN]),
    ] {
        let row = answers[spec].as_ref().unwrap().rows.iter().find(|row| row.term == term).unwrap();
        for (name, want) in ["estimate", "se", "df", "ci_low", "ci_high"].iter().zip(numbers).filter(|(_, want)| !want.is_nan()) {
            let got = row.number(name).unwrap();
            assert!((got - want).abs() < 6e-7, "{spec} {term} {name}: {got} {want}");
        }
    }
}
