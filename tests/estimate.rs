//! `vecino estimate` as a person meets it: refusals that say what to do, and never a number that is none.

use crate::program::vecino;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use vecino::estimate::trials::recorded;
use vecino_estimate::run::run;

/// Twelve segments in three strata, two arms, a baseline, a cost that never varies.
fn visits(folder: &Path) {
    let mut text = String::from("segment,stratum,arm,week,y,x,flat,twice,done,odd\n");
    for segment in 0..12 {
        for week in 0..6 {
            let arm = if segment % 2 == 0 { "control" } else { "norm" };
            let y = i32::from((segment * 7 + week * 5) % 11 < 4 + i32::from(segment % 2 == 1));
            let x = (segment * 3 + week) % 5;
            let done = if arm == "norm" { 1 } else { y };
            let odd = if segment == 11 && week == 5 { "NA".to_string() } else { format!("{}", segment * week) };
            text.push_str(&format!("{segment},{},{arm},{week},{y},{x},1,{},{done},{odd}\n", segment / 4, 2 * x));
        }
    }
    std::fs::write(folder.join("visits.csv"), text).unwrap();
}

fn one(folder: &Path, spec: Value) -> Result<Value, String> {
    run(&[spec], folder, &recorded).unwrap_or_else(|_| panic!("wrong usage")).remove(0).map(|answer| answer.json())
}

fn warns(answer: &Value, words: &str) {
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains(words), "{words}: {warnings}");
}

#[test]
fn what_cannot_be_computed_is_null_with_a_reason_and_exit_0() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    let base = |method: &str, formula: &str| json!({"data": "visits.csv", "method": method, "formula": formula});
    let with = |mut spec: Value, key: &str, value: Value| {
        spec[key] = value;
        spec
    };
    let answer = |spec: Value| one(folder.path(), spec).unwrap();

    let flat = answer(with(base("ols", "flat ~ arm"), "cluster", json!("segment")));
    assert_eq!((&flat["results"][0]["estimate"], &flat["results"][1]["estimate"]), (&json!(1.0), &json!(0.0)));
    assert_eq!(flat["results"][1]["p"], Value::Null);
    warns(&flat, "no variation");

    let alone = answer(with(with(base("ols", "y ~ x"), "cluster", json!("segment")), "filter", json!("segment == 3")));
    assert_eq!(alone["results"][1]["se"], Value::Null);
    warns(&alone, "fewer than two clusters");

    let twice = answer(with(base("ols", "y ~ x + twice + arm"), "cluster", json!("segment")));
    assert_eq!(
        twice["results"][2],
        json!({"term": "twice", "estimate": null, "se": null, "statistic": null, "df": null, "p": null, "ci_low": null, "ci_high": null})
    );
    assert!(twice["results"][3]["se"].is_f64());
    warns(&twice, "twice: dropped");

    let apart = answer(with(base("glm", "done ~ arm + x"), "family", json!("binomial")));
    assert_eq!(apart["results"][1]["estimate"], Value::Null);
    assert!(apart["results"][2]["estimate"].is_f64());
    warns(&apart, "arm[norm]");

    let few = answer(with(base("ols", "y ~ arm"), "cluster", json!("stratum")));
    warns(&few, "degrees of freedom");
    assert!(few["results"][1]["p"].is_f64());

    let pairs =
        answer(with(with(with(base("ri", "y ~ arm"), "cluster", json!("segment")), "block", json!("stratum")), "filter", json!("segment < 4")));
    assert_eq!((&pairs["results"][0]["exact"], &pairs["results"][0]["draws"]), (&json!(true), &json!(6)));
    warns(&pairs, "no p below");

    let median = answer(with(base("km", "surv(week + 1, flat * 0) ~ arm"), "quantiles", json!([0.5])));
    assert_eq!(median["results"][0]["estimate"], Value::Null);
}

/// What is left of an outcome that the model explains whole is rounding, and a level with one cluster has no error of its own.
#[test]
fn a_perfect_fit_has_no_standard_error_in_any_method() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("segment,week,arm,x,y\n");
    for row in 0..60 {
        let (segment, week, arm, x) = (row / 6, row % 6, row % 2, f64::from(row * row % 17) / 7.0);
        let y = 0.1 + 0.3 * x + 0.7 * f64::from(arm) + 0.37 * f64::from(segment) + 1.1 * f64::from(week);
        text.push_str(&format!("{segment},{week},{arm},{x},{y}\n"));
    }
    std::fs::write(folder.path().join("perfect.csv"), text).unwrap();
    let answer = |spec: Value| one(folder.path(), spec).unwrap();
    let base = |method: &str, formula: &str, vcov: Value| json!({"data": "perfect.csv", "method": method, "formula": formula, "cluster": "segment", "vcov": vcov});
    let explained = "y ~ arm + x + segment + week";
    for (method, formula, vcov) in [
        ("ols", explained, json!("cr1s")),
        ("ols", explained, json!("cr2")),
        ("ols", explained, json!("classical")),
        ("ols", "y ~ arm + x | segment + week", json!("cr1s")),
        ("wild", explained, Value::Null),
        ("glm", explained, json!("cr2")),
        ("gee", explained, Value::Null),
    ] {
        let mut spec = base(method, formula, vcov);
        if matches!(method, "glm" | "gee") {
            spec["family"] = json!("gaussian");
            spec["corstr"] = if method == "gee" { json!("exchangeable") } else { Value::Null };
        }
        let found = answer(spec);
        assert!(found["results"].as_array().unwrap().iter().all(|row| row["se"].is_null() && row["p"].is_null()), "{method} {formula}: {found}");
        warns(&found, "the estimated variance is zero");
    }

    // Of an outcome that does not vary no assignment changes the t.
    let flat = answer(json!({"data": "perfect.csv", "method": "ri", "formula": "flat ~ arm", "statistic": "t", "let": ["flat = 0 * x + 5.3"]}));
    assert_eq!((&flat["results"][0]["estimate"], &flat["results"][0]["p"]), (&json!(0.0), &Value::Null));
    warns(&flat, "does not vary");

    // The levels b and d have one cluster each, fitted exactly: their difference has no error, whatever is drawn.
    std::fs::write(folder.path().join("alone.csv"), "segment,y,x\n1,1.3,a\n2,2.1,a\n3,0.7,a\n4,1.1,b\n5,3.3,c\n6,2.2,c\n7,0.1,d\n").unwrap();
    for imposed in [true, false] {
        let spec =
            json!({"data": "alone.csv", "method": "wild", "formula": "y ~ x", "cluster": "segment", "reference": {"x": "b"}, "impose_null": imposed});
        let found = answer(spec);
        assert_eq!((&found["results"][2]["term"], &found["results"][2]["p"]), (&json!("x[d]"), &Value::Null));
        warns(&found, "x[d]: no p");
    }
}

/// Four arms are drawn together by the protocol's rule, and each contrast is the one of its two arms alone.
#[test]
fn the_recorded_trial_is_replayed_with_all_its_arms() {
    let folder = tempfile::tempdir().unwrap();
    let arms = ["control", "norm", "norm_plan", "plan"];
    let mut text = String::from("segment,stratum,arm,week,y,x\n");
    for segment in 0..32 {
        let arm = (segment * 5 + segment / 4) % 4;
        for week in 0..4 + segment % 3 {
            let y = (segment * 7 + week * 5) % 11 + 6 * i32::from(arm == 1);
            text.push_str(&format!("{segment},s{},{},{week},{y},{}\n", segment / 16, arms[arm as usize], (segment * segment) % 9));
        }
    }
    std::fs::write(folder.path().join("trial.csv"), text).unwrap();
    std::fs::write(folder.path().join("trial.toml"), include_str!("../experiments/norma-y-plan-2026.toml")).unwrap();
    let replay = |statistic: &str, draws: u32| {
        let mut spec =
            json!({"data": "trial.csv", "method": "ri", "formula": "y ~ arm + x", "cluster": "segment", "block": "stratum", "trial": "trial.toml"});
        (spec["statistic"], spec["draws"]) = (json!(statistic), json!(draws));
        one(folder.path(), spec).unwrap()
    };
    let (plain, studentised) = (replay("difference", 2_000), replay("t", 500));
    for (number, arm) in arms.iter().enumerate().skip(1) {
        let two = json!(format!("arm %in% c('control', '{arm}')"));
        let mut spec = json!({"data": "trial.csv", "method": "ols", "formula": "y ~ arm + x", "cluster": "segment", "vcov": "cr2"});
        spec["filter"] = two.clone();
        let model = one(folder.path(), spec).unwrap();
        let means = one(folder.path(), json!({"data": "trial.csv", "method": "dim", "formula": "y ~ arm", "filter": two})).unwrap();
        let close = |a: &Value, b: &Value| (a.as_f64().unwrap() / b.as_f64().unwrap() - 1.0).abs() < 1e-9;
        assert_eq!(studentised["results"][number - 1]["term"], json!(format!("arm[{arm}]")));
        assert!(close(&studentised["results"][number - 1]["estimate"], &model["results"][1]["statistic"]), "{studentised} {model}");
        assert!(close(&plain["results"][number - 1]["estimate"], &means["results"][0]["estimate"]), "{plain} {means}");
        for found in [&plain, &studentised] {
            let p = found["results"][number - 1]["p"].as_f64().unwrap();
            assert!(if *arm == "norm" { p < 0.01 } else { p > 0.05 }, "{arm}: {found}");
        }
    }
}

#[test]
fn a_spec_that_is_refused_names_the_thing_and_the_others_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    let specs = [
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arn"}), "arn"),
        (json!({"data": "visits.csv", "method": "olss", "formula": "y ~ arm"}), "olss"),
        (json!({"data": "absent.csv", "method": "ols", "formula": "y ~ arm"}), "absent.csv"),
        (json!({"data": "visits.csv", "method": "ols"}), "formula"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "arm ~ y"}), "text"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "filter": "arm > 3"}), "text"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "vcov": "cr9", "cluster": "segment"}), "cr9"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "vcov": "cr2"}), "cluster"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "reference": {"arm": "plan"}}), "plan"),
        (json!({"data": "visits.csv", "method": "dim", "formula": "y ~ week", "cluster": "segment"}), "varies within cluster"),
        (json!({"data": "visits.csv", "method": "dim", "formula": "y ~ arm", "block": "segment"}), "only one of the two arms"),
        (json!({"data": "visits.csv", "method": "ri", "formula": "y ~ week", "cluster": "segment"}), "varies within cluster"),
        (json!({"data": "visits.csv", "method": "glm", "formula": "x ~ arm", "family": "binomial"}), "0 and 1"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "filter": "week > 99"}), "no rows"),
        (json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "let": ["x = 2"]}), "already"),
        (json!({"method": "power", "p0": 0.4, "p1": 0.5, "clusters": 1, "size": 20, "icc": 0.1}), "clusters"),
        (json!({"method": "sequential", "looks": [0.5, 0.2]}), "looks"),
    ];
    let mut all: Vec<Value> = specs.iter().map(|(spec, _)| spec.clone()).collect();
    all.push(json!({"data": "visits.csv", "method": "means", "formula": "y ~ arm"}));
    let answers = run(&all, folder.path(), &recorded).unwrap_or_else(|_| panic!("wrong usage"));
    for ((spec, word), answer) in specs.iter().zip(&answers) {
        let reason = answer.as_ref().err().unwrap_or_else(|| panic!("{spec} was answered"));
        assert!(reason.contains(word), "{spec}: {reason}");
    }
    assert!(answers.last().unwrap().is_ok());
}

#[test]
fn exit_codes_tell_refusal_from_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    let data = folder.path().join("visits.csv").display().to_string();
    let estimate = |arguments: &[&str]| vecino(folder.path(), &[&["estimate", data.as_str()], arguments].concat());
    let done = estimate(&["--method", "ols", "--formula", "y ~ arm", "--cluster", "segment"]);
    assert_eq!(done.code, 0);
    assert!(done.out.contains("arm[norm]") && done.out.contains("ci_high"), "{}", done.out);
    let done = estimate(&["--method", "ols", "--formula", "y ~ arn", "--json"]);
    assert_eq!((done.code, serde_json::from_str::<Value>(&done.out).unwrap().get("error").is_some()), (1, true));
    assert!(done.err.contains("arn"), "{}", done.err);
    assert_eq!(estimate(&["--metod", "ols"]).code, 2);
    let by_key = vecino(folder.path(), &["estimate", "--data", &data, "--method", "means", "--formula", "y ~ 1"]);
    assert_eq!(by_key.code, 0, "{}", by_key.err);
    let spec = folder.path().join("specs.json");
    let from_file = |text: &str| {
        std::fs::write(&spec, text).unwrap();
        vecino(folder.path(), &["estimate", "--json", "--spec", &spec.display().to_string()])
    };
    let done = from_file(r#"[{"data": "visits.csv", "method": "ols", "formula": "y ~ arm", "clusters_by": "segment"}]"#);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("clusters_by"), "{}", done.err);
    let done = from_file(r#"[{"data": "visits.csv", "method": "ols", "formula": "y ~ arm"}, {"data": "visits.csv", "method": "no"}]"#);
    let answers: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((done.code, answers[0]["n"].as_u64(), answers[1]["error"].is_string()), (1, Some(72), true));
}

#[test]
fn missing_rows_are_counted_and_aggregates_see_every_row() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    let spec = json!({"data": "visits.csv", "method": "ols", "formula": "y ~ arm + odd", "cluster": "segment", "filter": "week > 0",
        "let": ["b0 = mean(y, by = segment, where = week == 0)"]});
    let answer = one(folder.path(), spec).unwrap();
    assert_eq!((&answer["n"], &answer["dropped"], &answer["n_clusters"]), (&json!(59), &json!(1), &json!(12)));
    let spec = json!({"data": "visits.csv", "method": "means", "formula": "b0 ~ 1", "filter": "week == 5 & segment == 2",
        "let": ["b0 = count(by = segment)"]});
    assert_eq!(one(folder.path(), spec).unwrap()["results"][0]["estimate"], json!(6.0));
}

/// Absorbed effects, nested in clusters or across them, give the numbers of dummies for every variance.
#[test]
fn absorbing_gives_the_numbers_that_dummies_give() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    for (dummies, absorbed) in [("stratum", "stratum"), ("week", "week"), ("segment", "segment")] {
        for vcov in ["classical", "hc0", "hc1", "hc2", "hc3", "cr0", "cr1", "cr1s", "cr2", "cr3"] {
            let ask = |formula: String, weights: bool| {
                let mut spec = json!({"data": "visits.csv", "method": "ols", "formula": formula, "vcov": vcov, "fixef_k": "full",
                    "let": ["w = 1 + week / 10"], "terms": ["x"], "joint": ["x"]});
                if vcov.starts_with("cr") {
                    spec["cluster"] = json!("segment");
                }
                if weights {
                    spec["weights"] = json!("w");
                }
                one(folder.path(), spec).unwrap()["results"].clone()
            };
            for weights in [false, true] {
                let (left, right) = (ask(format!("y ~ x + factor({dummies})"), weights), ask(format!("y ~ x | {absorbed}"), weights));
                for (left, right) in left.as_array().unwrap().iter().zip(right.as_array().unwrap()) {
                    for field in ["estimate", "se", "df", "p", "statistic", "df_denom"] {
                        let off = match (left[field].as_f64(), right[field].as_f64()) {
                            (Some(left), Some(right)) => (left - right).abs() / (left.abs() + 1e-9),
                            (None, None) => 0.0,
                            _ => 1.0,
                        };
                        assert!(off < 1e-7, "{dummies} {vcov} weights {weights} {field}: {left} {right}");
                    }
                }
            }
        }
    }
}

fn check(value: &Value) -> Result<(), String> {
    for row in value["results"].as_array().into_iter().flatten() {
        for (name, field) in row.as_object().into_iter().flatten() {
            let Some(number) = field.as_f64() else { continue };
            let share = name == "p" || name.starts_with("p_") && name != "p_power";
            if share && !(0.0..=1.0 + 1e-12).contains(&number) || name == "se" && number < 0.0 {
                return Err(format!("{name} {number} in {row}"));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the file: an answer without NaN or a refusal, never a panic.
    #[test]
    fn no_file_makes_a_method_panic(
        rows in prop::collection::vec((0u8..4, 0u8..3, 0u8..2, prop_oneof![Just("".to_string()), Just("0".to_string()), Just("1".to_string()), Just("1e300".to_string()), Just("-2.5".to_string()), Just("x".to_string())], 0u8..5), 0..14),
        binary in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("g,b,t,y,x,time\n");
        for (g, b, t, y, x) in &rows {
            let y = if binary { (x % 2).to_string() } else { y.clone() };
            text.push_str(&format!("{g},{b},{t},{y},{x},{}\n", x + 1));
        }
        std::fs::write(folder.path().join("any.csv"), text).unwrap();
        let mut specs = Vec::new();
        for vcov in ["classical", "hc2", "hc3", "cr0", "cr1s", "cr2", "cr3"] {
            specs.push(json!({"method": "ols", "formula": "y ~ t * x | b", "cluster": "g", "vcov": vcov, "joint": ["t", "x"], "df": "satterthwaite", "bands": true, "draws": 1000}));
            specs.push(json!({"method": "glm", "formula": "y ~ t + x", "cluster": "g", "vcov": vcov, "family": "binomial", "joint": ["t"]}));
        }
        for (method, formula) in [("means", "y ~ t"), ("lin", "y ~ t + x"), ("dim", "y ~ t"), ("icc", "y ~ 1"), ("mh", "y ~ t"), ("lee", "y ~ t"), ("wild", "y ~ t + x"), ("ri", "y ~ t"), ("km", "surv(time, t) ~ b"), ("logrank", "surv(time, t) ~ b"), ("cox", "surv(time, t) ~ x"), ("hazard", "surv(time, t) ~ x"), ("glmm", "y ~ t + (1 | g)")] {
            specs.push(json!({"method": method, "formula": formula}));
            specs.push(json!({"method": method, "formula": formula, "cluster": "g", "block": "b", "family": "binomial"}));
        }
        for corstr in ["independence", "exchangeable", "ar1"] {
            specs.push(json!({"method": "gee", "formula": "y ~ t", "cluster": "g", "family": "binomial", "corstr": corstr, "vcov": "cr3"}));
            specs.push(json!({"method": "gee", "formula": "y ~ t", "cluster": "g", "family": "gaussian", "corstr": corstr}));
        }
        specs.push(json!({"method": "ri", "formula": "y ~ t + x", "cluster": "g", "statistic": "t", "draws": 50}));
        specs.push(json!({"method": "wild", "formula": "y ~ t | b", "cluster": "g", "bootstrap": "31", "draws": 99}));
        specs.push(json!({"method": "icc", "formula": "y ~ 1", "cluster": "g", "estimator": "reml"}));
        specs.iter_mut().for_each(|spec| spec["data"] = json!("any.csv"));
        let answers = run(&specs, folder.path(), &recorded).unwrap_or_else(|_| panic!("wrong usage"));
        for (spec, answer) in specs.iter().zip(answers) {
            if let Ok(answer) = answer {
                check(&answer.json()).map_err(|e| TestCaseError::fail(format!("{spec}: {e}")))?;
            }
        }
    }
}
