//! Nothing in silence: an arm without outcomes keeps its row, a group keeps its characters, a number that is missing is missing.

use crate::program::vecino;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use vecino::estimate::trials::recorded;
use vecino_estimate::run::run;

/// The whole answer, its warnings as one text.
#[track_caller]
fn answer(folder: &Path, spec: Value) -> (Value, Vec<String>) {
    let answer = run(std::slice::from_ref(&spec), folder, &recorded).unwrap_or_else(|_| panic!("wrong usage")).remove(0);
    let answer = answer.unwrap_or_else(|why| panic!("{spec}: {why}")).json();
    let warnings = answer["warnings"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_string()).collect();
    (answer, warnings)
}

fn terms(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|row| row["term"].as_str().unwrap()).collect()
}

fn row<'a>(answer: &'a Value, term: &str) -> &'a Value {
    answer["results"].as_array().unwrap().iter().find(|row| row["term"] == term).unwrap_or_else(|| panic!("{term}: {answer}"))
}

/// Whether the row has fields and each of them is null.
fn is_null(row: &Value) -> bool {
    row.as_object().unwrap().len() > 1 && row.as_object().unwrap().iter().all(|(name, field)| name == "term" || field.is_null())
}

#[track_caller]
fn once(warnings: &[String], words: &str) {
    assert_eq!(warnings.iter().filter(|line| line.contains(words)).count(), 1, "{words}: {warnings:?}");
}

/// Four arms of six segments, three visits each: nobody of `plan` has an outcome, `both` only where x is missing, `late` only late.
fn visits(folder: &Path) {
    let mut text = String::from("segment,block,arm,number,week,y,x,day,event\n");
    for segment in 0..30 {
        let arm = ["control", "both", "late", "norm", "plan"][segment % 5];
        for visit in 0..3 {
            let week = if arm == "late" { 30 } else { visit };
            let y = if arm == "plan" { String::new() } else { format!("{}", (segment * 7 + visit * 5) % 11 % 2) };
            let x = if arm == "both" { String::new() } else { format!("{}", (segment * segment + visit) % 7) };
            let event = if arm == "plan" { String::new() } else { format!("{}", (segment + visit) % 2) };
            writeln!(text, "{segment},{},{arm},{},{week},{y},{x},{},{event}", segment / 10, segment % 5, 1 + (segment + visit) % 4).unwrap();
        }
    }
    std::fs::write(folder.join("visits.csv"), text).unwrap();
}

const NOBODY: &str = "arm[plan]: no estimate, none of its 18 rows has a value of y";

#[test]
fn an_arm_without_outcomes_keeps_its_row_in_every_method_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    let ask = |mut spec: Value| {
        spec["data"] = json!("visits.csv");
        answer(folder.path(), spec)
    };
    let models = [
        ("ols", "y ~ arm", json!({"cluster": "segment"})),
        ("ols", "y ~ arm + factor(week) | block", json!({"cluster": "segment", "adjust": ["holm"], "bands": true, "joint": ["arm"]})),
        ("ols", "y ~ arm", json!({"terms": ["arm"]})),
        ("lin", "y ~ arm + x", json!({"cluster": "segment"})),
        ("glm", "y ~ arm", json!({"family": "binomial", "joint": ["arm"]})),
        ("gee", "y ~ arm", json!({"family": "binomial", "cluster": "segment", "corstr": "exchangeable"})),
        ("glmm", "y ~ arm + (1 | segment)", json!({"family": "gaussian"})),
        ("wild", "y ~ arm", json!({"cluster": "segment", "draws": 99})),
        ("dim", "y ~ arm", json!({"cluster": "segment", "adjust": ["bh"]})),
        ("mh", "y ~ arm", json!({"block": "block"})),
        ("ri", "y ~ arm", json!({"cluster": "segment", "draws": 50})),
    ];
    for (method, formula, keys) in models {
        let mut spec = keys.clone();
        (spec["method"], spec["formula"], spec["reference"]) = (json!(method), json!(formula), json!({"arm": "control"}));
        let (found, warnings) = ask(spec);
        assert!(is_null(row(&found, "arm[plan]")), "{method}: {found}");
        assert!(!row(&found, "arm[norm]")["estimate"].is_null(), "{method}: {found}");
        // Its place is the level's.
        let at = |term: &str| terms(&found).iter().position(|own| *own == term).unwrap();
        assert_eq!(at("arm[plan]"), at("arm[norm]") + 1, "{method}: {found}");
        let same = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(same(row(&found, "arm[plan]")), same(row(&found, "arm[norm]")), "{method}");
        once(&warnings, NOBODY);
        // Without the arm's rows the others' numbers are the same.
        let mut without = keys;
        (without["method"], without["formula"], without["reference"]) = (json!(method), json!(formula), json!({"arm": "control"}));
        without["filter"] = json!("arm != 'plan'");
        let (without, _) = ask(without);
        assert!(without["results"].as_array().unwrap().iter().all(|other| row(&found, other["term"].as_str().unwrap()) == other), "{method}");
        assert!(!terms(&without).contains(&"arm[plan]"), "{method}: what the filter leaves out on purpose is no level");
    }

    let (means, warnings) = ask(json!({"method": "means", "formula": "y ~ arm", "cluster": "segment"}));
    assert_eq!(terms(&means), ["arm[both]", "arm[control]", "arm[late]", "arm[norm]", "arm[plan]"]);
    assert_eq!(row(&means, "arm[plan]"), &json!({"term": "arm[plan]", "estimate": null, "n": 0, "sum": 0.0, "n_clusters": 0}));
    once(&warnings, NOBODY);

    let gone = "arm[plan]: no estimate, none of its 18 rows has a value of event";
    let (curves, warnings) = ask(json!({"method": "km", "formula": "surv(day, event) ~ arm", "times": [2], "quantiles": [0.5]}));
    assert_eq!(&terms(&curves)[8..], ["arm[plan]@2", "arm[plan]@q0.5"]);
    assert!(is_null(row(&curves, "arm[plan]@2")));
    once(&warnings, gone);
    let (test, warnings) = ask(json!({"method": "logrank", "formula": "surv(day, event) ~ arm"}));
    assert_eq!(&terms(&test)[3..], ["arm[norm]", "arm[plan]", "arm"]);
    once(&warnings, gone);
    for method in ["cox", "hazard"] {
        let (found, warnings) = ask(json!({"method": method, "formula": "surv(day, event) ~ arm"}));
        assert!(is_null(row(&found, "arm[plan]")), "{method}: {found}");
        once(&warnings, gone);
    }
    let (_, warnings) = ask(json!({"method": "icc", "formula": "y ~ arm", "cluster": "segment"}));
    once(&warnings, NOBODY);
}

#[test]
fn a_level_is_missed_whatever_took_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    visits(folder.path());
    let ask = |mut spec: Value| {
        spec["data"] = json!("visits.csv");
        answer(folder.path(), spec)
    };
    // A covariate, and with it interactions and numbers as factors.
    let (found, warnings) = ask(json!({"method": "ols", "formula": "y ~ factor(number) * x", "cluster": "segment", "filter": "segment != 4"}));
    assert_eq!(&terms(&found)[1..5], ["number[1]", "number[2]", "number[3]", "number[4]"]);
    for term in ["number[1]", "number[4]", "number[1]:x", "number[4]:x"] {
        assert!(is_null(row(&found, term)), "{term}: {found}");
    }
    once(&warnings, "number[1]: no estimate, none of its 18 rows has a value of x");
    once(&warnings, "number[4]: no estimate, none of its 15 rows has a value of y");
    let (found, _) = ask(json!({"method": "lin", "formula": "y ~ arm + x", "reference": {"arm": "control"}}));
    assert_eq!(
        terms(&found),
        [
            "(Intercept)",
            "arm[both]",
            "arm[late]",
            "arm[norm]",
            "arm[plan]",
            "center(x)",
            "arm[late]:center(x)",
            "arm[norm]:center(x)",
            "arm[both]:center(x)",
            "arm[plan]:center(x)"
        ]
    );
    // A subset that is not of arms.
    let (found, warnings) = ask(json!({"method": "dim", "formula": "y ~ arm", "reference": {"arm": "control"}, "filter": "week < 30"}));
    assert_eq!(terms(&found), ["arm[both]", "arm[late]", "arm[norm]", "arm[plan]"]);
    assert!(is_null(row(&found, "arm[late]")) && is_null(row(&found, "arm[plan]")));
    once(&warnings, "arm[late]: no estimate, the filter or collapse leaves nothing of its 18 rows");
    // One that is, also by another name: nobody asked for those.
    let (found, _) = ask(json!({"method": "dim", "formula": "y ~ arm", "let": ["early = arm != 'late' & arm != 'plan'"], "filter": "early"}));
    assert_eq!(terms(&found), ["arm[control]", "arm[norm]"]);
    // Several outcomes have a row each.
    let (found, _) = ask(json!({"method": "ri", "formula": "cbind(y, x) ~ arm", "reference": {"arm": "control"}, "cluster": "segment", "draws": 20}));
    assert_eq!(&terms(&found)[..4], ["y: arm[both]", "x: arm[both]", "y: arm[late]", "x: arm[late]"]);
    assert!(is_null(row(&found, "x: arm[both]")) && is_null(row(&found, "y: arm[plan]")));
    // A number of two values is one row, also where one of them has no outcome.
    for method in ["dim", "ri", "lee"] {
        let spec = json!({"method": method, "formula": "y ~ t", "let": ["t = arm == 'plan'"]});
        let (found, _) = ask(spec);
        assert_eq!(terms(&found), ["t"], "{method}");
        assert!(method == "lee" || is_null(row(&found, "t")), "{method}: {found}");
    }
    // A reference without outcomes: what the others are compared with is said.
    let (found, warnings) = ask(json!({"method": "dim", "formula": "y ~ arm", "filter": "week < 30 & x >= 0", "let": ["z = is.na(x)"]}));
    assert_eq!(terms(&found), ["arm[both]", "arm[late]", "arm[norm]", "arm[plan]"]);
    once(&warnings, "arm: the others are compared with control, as the first level, both, has no row that can be used");
}

/// The file of the complaint: two arms, one without any outcome, the other without variation.
#[test]
fn of_two_arms_the_one_without_outcomes_is_a_row_too() {
    let folder = tempfile::tempdir().unwrap();
    let text = "seg,arm,y\ns00,ctl,1\ns00,ctl,1\ns02,ctl,1\ns01,norma,\ns01,norma,\ns03,norma,NA\n";
    std::fs::write(folder.path().join("two.csv"), text).unwrap();
    for method in ["ols", "dim", "lin", "ri", "means", "wild", "mh"] {
        let (found, warnings) =
            answer(folder.path(), json!({"data": "two.csv", "method": method, "formula": "y ~ arm", "cluster": "seg", "block": "arm"}));
        assert!(row(&found, "arm[norma]")["estimate"].is_null(), "{method}: {found}");
        once(&warnings, "arm[norma]: no estimate, none of its 3 rows has a value of y");
        assert_eq!(found["dropped"], json!(3));
    }
}

/// Forty segments of eighteen digits, six visits each, in two arms.
fn eighteen(header: &str, id: impl Fn(usize) -> String) -> String {
    let mut text = format!("{header}\n");
    for row in 0..240 {
        let segment = row / 6;
        writeln!(text, "{},{},{},{}", id(segment), segment % 2, (segment * 7 + row * 5) % 11 % 2, segment / 10).unwrap();
    }
    text
}

#[test]
fn ids_of_eighteen_digits_are_as_many_groups_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let long = |segment: usize| format!("1202000000000000{segment:02}");
    std::fs::write(folder.path().join("long.csv"), eighteen("segment,arm,y,stratum", long)).unwrap();
    std::fs::write(folder.path().join("short.csv"), eighteen("segment,arm,y,stratum", |segment| format!("s{segment:02}"))).unwrap();
    for (method, formula, keys) in [
        ("ols", "y ~ arm", json!({"cluster": "segment"})),
        ("ols", "y ~ arm", json!({"cluster": ["segment", "stratum"], "vcov": "cr1s"})),
        ("ols", "y ~ week | segment", json!({"let": ["week = count(by = segment) + arm * y"]})),
        ("dim", "y ~ arm", json!({"cluster": "segment"})),
        (
            "dim",
            "y ~ t",
            json!({"block": "segment", "let": ["t = y * 0 + (arm == y)"], "filter": "sum(arm == y, by = segment) %in% c(1, 2, 3, 4, 5)"}),
        ),
        ("ri", "y ~ arm", json!({"cluster": "segment", "draws": 100})),
        ("icc", "y ~ arm", json!({"cluster": "segment"})),
        ("wild", "y ~ arm", json!({"cluster": "segment", "draws": 99})),
        ("gee", "y ~ arm", json!({"cluster": "segment", "family": "binomial", "corstr": "exchangeable"})),
        ("glmm", "y ~ arm + (1 | segment)", json!({"family": "gaussian"})),
        ("means", "y ~ 1", json!({"collapse": ["segment"], "cluster": "segment"})),
        ("means", "y ~ 1", json!({"collapse": ["arm", "stratum", "segment"], "cluster": "segment"})),
        ("ols", "y ~ arm", json!({"cluster": "named", "let": ["named = segment"]})),
    ] {
        let ask = |file: &str| {
            let mut spec = keys.clone();
            (spec["data"], spec["method"], spec["formula"]) = (json!(file), json!(method), json!(formula));
            answer(folder.path(), spec)
        };
        assert_eq!(ask("long.csv"), ask("short.csv"), "{method} {formula}");
    }
    // As a factor each has its own name; as a number they are too long, which is told.
    let (levels, warnings) = answer(folder.path(), json!({"data": "long.csv", "method": "means", "formula": "y ~ factor(segment)"}));
    assert_eq!((terms(&levels).len(), terms(&levels)[39]), (40, "segment[120200000000000039]"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let (_, warnings) = answer(folder.path(), json!({"data": "long.csv", "method": "means", "formula": "y ~ segment", "cluster": "segment"}));
    once(&warnings, "column `segment` holds «120200000000000000», longer than a number is held");
    // A block that is refused is named by all its digits.
    let spec = json!({"data": "long.csv", "method": "dim", "formula": "y ~ arm", "block": "segment"});
    let refused = run(&[spec], folder.path(), &recorded).unwrap_or_else(|_| panic!("wrong usage")).remove(0).unwrap_err();
    assert!(refused.contains("block 120200000000000000, 120200000000000001,"), "{refused}");
}

#[test]
fn groups_are_told_apart_by_their_characters_and_numbers_by_their_value() {
    let folder = tempfile::tempdir().unwrap();
    let spellings = ["1", "01", "1.0", " 1", "2", "TRUE", "+1", "NA", "1e0", "."];
    std::fs::write(folder.path().join("spelt.csv"), eighteen("segment,arm,y,stratum", |segment| spellings[segment % 10].to_string())).unwrap();
    let ask = |spec: Value| answer(folder.path(), spec);
    let twins = "column `segment` holds «1» and «01»: one number, but two groups";
    for spec in [
        json!({"method": "ols", "formula": "y ~ arm", "cluster": "segment", "vcov": "cr1s"}),
        json!({"method": "icc", "formula": "y ~ 1", "cluster": "segment"}),
        json!({"method": "gee", "formula": "y ~ arm", "cluster": "segment", "family": "binomial", "corstr": "independence"}),
    ] {
        let mut spec = spec;
        spec["data"] = json!("spelt.csv");
        let (found, warnings) = ask(spec);
        assert_eq!((&found["n_clusters"], &found["dropped"]), (&json!(8), &json!(48)), "{found}");
        once(&warnings, twins);
    }
    let (found, warnings) = ask(json!({"data": "spelt.csv", "method": "means", "formula": "y ~ factor(segment)"}));
    let own = ["segment[1]", "segment[ 1]", "segment[+1]", "segment[01]", "segment[1.0]", "segment[1e0]", "segment[TRUE]", "segment[2]"];
    let mut sorted = own;
    sorted[..7].sort_by_key(|name| (name.len(), name.to_string()));
    assert_eq!(terms(&found), sorted);
    once(&warnings, twins);
    // As a number one is one, also beside the clusters, and in one file with a spec that tells them apart.
    let one = json!({"data": "spelt.csv", "method": "means", "formula": "y ~ segment"});
    let both =
        run(&[json!({"data": "spelt.csv", "method": "means", "formula": "y ~ 1", "cluster": "segment"}), one.clone()], folder.path(), &recorded);
    let both: Vec<Value> = both.unwrap_or_else(|_| panic!("wrong usage")).into_iter().map(|answer| answer.unwrap().json()).collect();
    assert_eq!((both[1].clone(), vec![]), ask(one));
    assert_eq!((terms(&both[1]), &both[0]["results"][0]["n_clusters"]), (vec!["segment[1]", "segment[2]"], &json!(8)));
    let (found, _) = ask(json!({"data": "spelt.csv", "method": "dim", "formula": "y ~ segment", "cluster": "segment"}));
    assert_eq!((terms(&found), &found["n_clusters"]), (vec!["segment"], &json!(8)));
    // Written one way they are what they were, and nothing is told.
    std::fs::write(folder.path().join("even.csv"), eighteen("segment,arm,y,stratum", |segment| format!("{segment}.50"))).unwrap();
    let (found, warnings) = ask(json!({"data": "even.csv", "method": "means", "formula": "y ~ factor(segment)", "cluster": "segment"}));
    assert_eq!((terms(&found)[39], warnings.len()), ("segment[39.5]", 0));
}

/// More distinct numbers than are held as codes: their characters count there too.
#[test]
fn a_hundred_thousand_groups_keep_their_characters() {
    let folder = tempfile::tempdir().unwrap();
    let text = |odd: &str| (0..100_000).fold("home,y\n".to_string(), |text, home| text + &format!("{home}.5,{}\n", home % 2)) + odd;
    let clusters = |odd: &str| {
        std::fs::write(folder.path().join("homes.csv"), text(odd)).unwrap();
        let (found, warnings) = answer(folder.path(), json!({"data": "homes.csv", "method": "means", "formula": "y ~ 1", "cluster": "home"}));
        (found["n_clusters"].as_u64().unwrap(), warnings.len())
    };
    assert_eq!([clusters("7.5,1\n"), clusters("07.5,1\n7.50,0\n"), clusters("1e9,1\n.,1\n")], [(100_000, 0), (100_002, 1), (100_001, 0)]);
}

#[test]
fn whole_numbers_of_parquet_are_groups_by_all_their_digits() {
    use parquet::data_type::{DoubleType, Int64Type};
    let folder = tempfile::tempdir().unwrap();
    let schema = "message m { optional int64 id; required int64 cents (DECIMAL(18, 2)); required double y; }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = std::fs::File::create(folder.path().join("ids.parquet")).unwrap();
    let mut file = parquet::file::writer::SerializedFileWriter::new(file, schema, std::sync::Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let (first, rows) = (1_202_000_000_000_000_000_i64, 0..12_i64);
    let ids: Vec<i64> = rows.clone().filter(|row| *row != 5).map(|row| if row % 2 == 0 { first + row } else { -first - row }).collect();
    let levels: Vec<i16> = rows.clone().map(|row| i16::from(row != 5)).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&ids, Some(&levels), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&rows.clone().map(|row| first + row / 2).collect::<Vec<_>>(), None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&rows.map(|row| (row % 3) as f64).collect::<Vec<_>>(), None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    let ask = |spec: Value| answer(folder.path(), spec);
    let (found, warnings) = ask(json!({"data": "ids.parquet", "method": "means", "formula": "y ~ factor(cents)", "cluster": "id"}));
    assert_eq!((&found["n_clusters"], &found["dropped"], warnings.len()), (&json!(11), &json!(1), 0));
    assert_eq!((terms(&found).len(), terms(&found)[5]), (6, "cents[12020000000000000.05]"));
    let (found, warnings) = ask(json!({"data": "ids.parquet", "method": "means", "formula": "y ~ id"}));
    assert!(terms(&found).len() < 11);
    once(&warnings, "column `id` holds «1202000000000000000», longer than a number is held");
}

#[test]
fn what_stata_and_others_write_for_no_number_is_missing_among_numbers_and_text_among_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<String> = (0..40).map(|row| format!("{};{};{}", row % 7, if row % 2 == 0 { "." } else { "b" }, row % 2)).collect();
    rows.extend([".", ".a", ".z", " . ", "NA", "", "NaN"].map(|cell| format!("{cell};.;1")));
    for (name, separator) in [("semicolons.csv", ";"), ("commas.csv", ",")] {
        std::fs::write(folder.path().join(name), format!("y;g;t\n{}\n", rows.join("\n")).replace(';', separator)).unwrap();
        let (found, warnings) = answer(folder.path(), json!({"data": name, "method": "ols", "formula": "y ~ t"}));
        assert_eq!((&found["n"], &found["dropped"]), (&json!(40), &json!(7)), "{name}: {found}");
        assert!(warnings.is_empty(), "{warnings:?}");
        // A text is what it says.
        let (found, _) = answer(folder.path(), json!({"data": name, "method": "means", "formula": "is.na(y) ~ g"}));
        assert_eq!(terms(&found), ["g[.]", "g[b]"]);
        assert_eq!(row(&found, "g[.]")["n"], json!(27));
    }
    // Behind so many decimals that they are held as numbers, a point alone is no decimal sign.
    let decimals = (0..70_000).fold("y;t\n".to_string(), |text, row| text + &format!("{row},25;{}\n", row % 2)) + ".;1\n.b;0\n";
    std::fs::write(folder.path().join("many.csv"), decimals).unwrap();
    let (found, _) = answer(folder.path(), json!({"data": "many.csv", "method": "dim", "formula": "y ~ t"}));
    assert_eq!((&found["n"], &found["dropped"]), (&json!(70_000), &json!(2)));
    // Any other word makes the column text: few of them are told, an outcome is refused.
    std::fs::write(folder.path().join("word.csv"), format!("y,t\n{}no,1\n", "3,0\n".repeat(40))).unwrap();
    let (_, warnings) = answer(folder.path(), json!({"data": "word.csv", "method": "ols", "formula": "t ~ y"}));
    once(&warnings, "column `y` is text because 1 of 41 cells are no numbers, the first «no»");
    let done = vecino(folder.path(), &["estimate", &folder.path().join("word.csv").display().to_string(), "--method", "ols", "--formula", "y ~ t"]);
    assert!(done.code == 1 && done.err.contains("y: the outcome is text"), "{}", done.err);
}

#[test]
fn true_and_false_are_numbers_in_any_case() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("python.csv"), "y,t\nTrue,1\nFALSE,0\nfalse,1\ntrue,0\n,1\n").unwrap();
    let (found, _) = answer(folder.path(), json!({"data": "python.csv", "method": "means", "formula": "y ~ 1", "filter": "t >= 0"}));
    assert_eq!((row(&found, "all")["n"].as_u64(), row(&found, "all")["sum"].as_f64()), (Some(4), Some(2.0)));
}
