//! `vecino estimate` beside pyfixest, fixest, estimatr, clubSandwich, wildboottest and scipy, on synthetic data of our own.
//!
//! `cargo bench --bench estimate [-- ROWS FOLDER PAIRS]`, by default 10,000,000 rows, 3 pairs and a folder that is thrown away; a panel
//! that FOLDER already holds is used again. Whole processes run in turn, from a file just read once, so that disks do not count; a ratio
//! is the median of pairs of one round. A peer that is not installed is named and left out: `PEER_PYTHON` is the Python with the peers,
//! R is the `Rscript` in the path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "estimate/panel.rs"]
mod panel;
#[path = "estimate/programs.rs"]
mod programs;

use nalgebra::DVector;
use panel::Files;
use programs::{Peers, Run, median, process, timed};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;
use vecino::estimate::trials::recorded;
use vecino::id::seeded_random;
use vecino_estimate::design::{Design, Request};
use vecino_estimate::formula::Formula;
use vecino_estimate::{read::read, run::run};
use vecino_stats::block::{Adjustment, Block, Raw};
use vecino_stats::ols::{Df, EffectCount, Estimate, Fit, Variance, fit};
use vecino_stats::sandwich::Sandwich;
use vecino_stats::wild::{Plan, Weights, bootstrap};

const VECINO: &str = env!("CARGO_BIN_EXE_vecino");
const DRAWS: u32 = 9_999;

/// A model, and the seconds fixest and pyfixest took for it on one machine: fixest from CSV, pyfixest from Parquet, 10 million rows.
const MODELS: [(&str, &str, f64, f64); 3] = [
    ("ols", "y ~ factor(arm) * post", 7.19, 34.4),
    ("twfe", "y ~ treat | cluster + week", 4.57, 16.8),
    ("twfehh", "y ~ treat | hh + week", 4.23, 18.4),
];

fn of(runs: &[Run], what: fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(what))
}

fn ratio(own: &[Run], other: &[Run]) -> f64 {
    median(own.iter().zip(other).map(|(own, other)| own.wall / other.wall))
}

fn estimate(file: &Path, keys: &[&str]) -> Vec<String> {
    [VECINO, "estimate", file.to_str().unwrap(), "--json"].iter().chain(keys).map(|text| text.to_string()).collect()
}

/// The last row: the coefficient that all programs print.
fn last(run: &Run) -> (f64, f64) {
    let row = run.said["results"].as_array().and_then(|rows| rows.last()).unwrap_or(&run.said);
    (row["estimate"].as_f64().unwrap_or(f64::NAN), row["se"].as_f64().unwrap_or(f64::NAN))
}

fn whole_processes(files: &Files, peers: &Peers, pairs: usize) {
    println!("\nWhole processes, {} rows, errors by cluster (CR1S); medians of {pairs}", files.rows);
    println!(
        "{:<8}{:<9}{:<10}{:>8}{:>8}{:>10}{:>14}{:>16}{:>14}",
        "model", "file", "program", "wall s", "CPU s", "peak MiB", "vecino/it", "coefficient", "SE"
    );
    for (model, formula, fixest, pyfixest) in MODELS {
        let mut runs: BTreeMap<(&str, &str), Vec<Run>> = BTreeMap::new();
        let mut failed: BTreeMap<(&str, &str), String> = BTreeMap::new();
        for round in 0..pairs {
            for (kind, file) in [("CSV", &files.csv), ("Parquet", &files.parquet)] {
                if round == 0 {
                    std::io::copy(&mut std::fs::File::open(file).unwrap(), &mut std::io::sink()).unwrap();
                }
                let path = file.to_str().unwrap();
                let mut turn = vec![("vecino", estimate(file, &["--method", "ols", "--formula", formula, "--cluster", "cluster", "--vcov", "cr1s"]))];
                if peers.has("pyfixest") {
                    turn.push(("pyfixest", peers.call("regression.py", &[path, model])));
                }
                // R reads CSV; estimatr counts absorbed effects in another way.
                if kind == "CSV" && peers.has("fixest") {
                    turn.push(("fixest", peers.call("regression.R", &["fixest", path, model])));
                }
                if kind == "CSV" && model == "ols" && peers.has("estimatr") {
                    turn.push(("estimatr", peers.call("regression.R", &["estimatr", path, model])));
                }
                for (program, command) in turn {
                    if failed.contains_key(&(kind, program)) {
                        continue;
                    }
                    match process(&command, peers.timed) {
                        Ok(run) => runs.entry((kind, program)).or_default().push(run),
                        Err(why) => drop(failed.insert((kind, program), why)),
                    }
                }
            }
        }
        for kind in ["CSV", "Parquet"] {
            let own = runs.get(&(kind, "vecino"));
            for program in ["vecino", "pyfixest", "fixest", "estimatr"] {
                if let Some(why) = failed.get(&(kind, program)) {
                    println!("{model:<8}{kind:<9}{program:<10} failed: {why}");
                } else if let (Some(found), Some(own)) = (runs.get(&(kind, program)), own) {
                    let (coefficient, se) = last(&found[0]);
                    let beside = if program == "vecino" { String::new() } else { format!("{:.4}", ratio(own, found)) };
                    let (wall, cpu, peak) = (of(found, |run| run.wall), of(found, |run| run.cpu), of(found, |run| run.peak));
                    println!("{model:<8}{kind:<9}{program:<10}{wall:>8.2}{cpu:>8.2}{peak:>10.0}{beside:>14}{coefficient:>16.10}{se:>14.10}");
                }
            }
        }
        if let (Some(own), Some(other), false) = (runs.get(&("CSV", "vecino")), runs.get(&("Parquet", "pyfixest")), peers.has("fixest")) {
            let (measured, implied) = (ratio(own, other), ratio(own, other) * pyfixest / fixest);
            println!(
                "{model:<8}vecino from CSV / pyfixest from Parquet {measured:.4}; fixest was {fixest}/{pyfixest} of it: vecino / fixest {implied:.3}"
            );
        }
    }
    if peers.has("pyfixest") {
        let formula = MODELS[0].1;
        let own = estimate(&files.small, &["--method", "ols", "--formula", formula, "--cluster", "cluster", "--vcov", "cr1s"]);
        let other = peers.call("regression.py", &[files.small.to_str().unwrap(), "ols"]);
        let [own, other] = [own, other].map(|command| median((0..pairs).filter_map(|_| process(&command, false).ok()).map(|run| run.wall)));
        println!("to start, compile and fit ols on 100,000 rows from Parquet: vecino {own:.2} s, pyfixest {other:.2} s");
    }
    if !peers.has("fixest") {
        println!("fixest's ratio is implied, not measured: its seconds and pyfixest's come from an earlier run on one machine at 10,000,000 rows");
        println!("of another panel of this shape; at other sizes it says little.");
    }
}

fn from_tallies(files: &Files, peers: &Peers, pairs: usize) {
    println!("\nThe same regression from tallies, {} cells of a cluster and week with n and ones; whole process, medians of {pairs}", files.cells);
    let weighted = ["--method", "ols", "--formula", "I(ones / n) ~ factor(arm) * post", "--weights", "n", "--cluster", "cluster", "--vcov", "cr1"];
    let counted =
        ["--method", "glm", "--family", "binomial", "--formula", "cbind(ones, zeros) ~ factor(arm) * post", "--cluster", "cluster", "--vcov", "cr1"];
    for (name, keys) in [("ols of shares, weights n, CR1", &weighted[..]), ("glm binomial of counts, CR1", &counted[..])] {
        let runs: Result<Vec<Run>, String> = (0..pairs).map(|_| process(&estimate(&files.tallies, keys), peers.timed)).collect();
        match runs {
            Ok(runs) => {
                let (coefficient, se) = last(&runs[0]);
                let (wall, peak) = (of(&runs, |run| run.wall), of(&runs, |run| run.peak));
                println!("  {name:<32}{:>9.1} ms{peak:>8.1} MiB{coefficient:>16.10}{se:>14.10}", wall * 1e3);
            }
            Err(why) => println!("  {name:<32} failed: {why}"),
        }
    }
}

/// A spec answered from the file, less reading its columns: median seconds, and the first row.
fn in_memory(times: usize, file: &Path, columns: &[&str], mut spec: Value) -> (f64, Value) {
    spec["data"] = json!(file);
    let wanted: BTreeSet<String> = columns.iter().map(|name| name.to_string()).collect();
    let mut seconds = Vec::new();
    loop {
        let start = Instant::now();
        drop(read(file, &vecino_sheet::Written::default(), &wanted, &BTreeSet::new()).unwrap());
        let reading = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let answers = run(std::slice::from_ref(&spec), Path::new(""), &recorded).unwrap_or_else(|_| panic!("not a spec: {spec}"));
        seconds.push(start.elapsed().as_secs_f64() - reading);
        let answer = answers[0].as_ref().unwrap().json();
        if seconds.len() >= times {
            return (median(seconds), answer["results"][0].clone());
        }
    }
}

fn design(file: &Path, formula: &str) -> Design {
    let formula = Formula::parse(formula).unwrap();
    let clusters = ["cluster".to_string()];
    let mut wanted = BTreeSet::from(clusters.clone());
    formula.columns(&mut wanted);
    let reference = BTreeMap::new();
    let request = Request {
        clusters: &clusters,
        weights: None,
        blocks: None,
        time: None,
        balance: &[],
        reference: &reference,
        keep_missing_outcome: false,
        drop_singletons: false,
        counts: false,
        compared: false,
        arms: &[],
    };
    Design::new(&formula, &read(file, &vecino_sheet::Written::default(), &wanted, &BTreeSet::new()).unwrap(), &request).unwrap()
}

fn coefficients(fitted: &Fit<'_, Design>, sandwich: &Sandwich) -> Vec<Estimate> {
    let each = fitted.kept.iter().map(|column| fitted.contrast(&[(*column, 1.0)]).unwrap());
    each.map(|contrast| fitted.estimate(sandwich, &contrast, Df::Satterthwaite, EffectCount::Nested, 0.95).unwrap()).collect()
}

/// A cluster's sums as k + 1 rows with the same cross-products and score, so that they take the way of a cluster with many rows.
fn sums(block: &Block) -> Raw {
    let k = block.z.ncols();
    let along = &block.z * &block.score;
    let size = |row: usize| block.z.row(row).norm_squared();
    let residual = DVector::from_fn(k + 1, |row, _| if row < k && size(row) > 1e-14 { along[row] / size(row) } else { 0.0 });
    Raw { levels: Vec::new(), z: block.z.clone().insert_row(k, 0.0), residual, working: None }
}

fn leverage(files: &Files, peers: &Peers, pairs: usize) {
    let formula = "y ~ factor(arm) + y0 + x + factor(muni)";
    let design = design(&files.households, formula);
    let (passes, (fitted, clusters)) = timed(
        15,
        || (),
        |()| {
            let fitted = fit(&design).unwrap();
            let clusters = fitted.unadjusted().unwrap();
            (fitted, clusters)
        },
    );
    let k = fitted.kept.len();
    println!(
        "\nCR2 and Satterthwaite's degrees of freedom, {} households, {} clusters, {k} coefficients; one process",
        design.n,
        clusters.blocks.len()
    );
    let raw: Vec<Raw> = clusters.blocks.iter().map(sums).collect();
    let adjusted = |raw: Vec<Raw>| {
        let blocks = raw.into_iter().map(|raw| Block::new(raw, Adjustment::Root, None)).collect();
        coefficients(&fitted, &Sandwich::new(blocks, k, 1.0, None, 0))
    };
    let (after, from_sums) = timed(51, || raw.clone(), adjusted);
    let (whole, from_rows) = timed(
        15,
        || (),
        |()| {
            let fitted = fit(&design).unwrap();
            coefficients(&fitted, &fitted.sandwich(Variance::Cr2, EffectCount::Nested, true).unwrap())
        },
    );
    let columns = ["y", "arm", "y0", "x", "muni", "cluster"];
    let (spec, _) = in_memory(15, &files.households, &columns, json!({"method": "ols", "formula": formula, "cluster": "cluster", "vcov": "cr2"}));
    println!("  {:<54}{:>10.3} ms", "pass over rows: fit and sums of each cluster", passes * 1e3);
    println!("  {:<54}{:>10.3} ms", format!("after the sums: CR2, {k} errors and degrees of freedom"), after * 1e3);
    println!("  {:<54}{:>10.3} ms", "both, from rows with their design in memory", whole * 1e3);
    println!("  {:<54}{:>10.3} ms", "the whole spec, less reading the file", spec * 1e3);
    let arm = fitted.position(4).unwrap();
    let mut same = vec![("vecino from rows", from_rows[arm].estimate, from_rows[arm].se, from_rows[arm].df.unwrap_or(f64::NAN))];
    same.push(("vecino from sums", from_sums[arm].estimate, from_sums[arm].se, from_sums[arm].df.unwrap_or(f64::NAN)));
    for name in ["estimatr", "clubSandwich"] {
        if !peers.has(name) {
            continue;
        }
        if let Some((seconds, said)) = inner(name, &peers.call("leverage.R", &[name, files.households.to_str().unwrap()]), pairs) {
            println!("  {:<54}{:>10.1} ms   {:.0} times the whole spec", format!("{name}, data in memory"), seconds * 1e3, seconds / spec);
            let number = |key: &str| said[key].as_f64().unwrap_or(f64::NAN);
            same.push((name, number("estimate"), number("se"), number("df")));
        }
    }
    same.iter().for_each(|(who, coefficient, se, df)| println!("  arm[4] {who:<20}{coefficient:>16.10}{se:>14.10}{df:>14.8}"));
}

/// The seconds a peer says its work took with the data in memory.
fn inner(name: &str, command: &[String], times: usize) -> Option<(f64, Value)> {
    let runs: Result<Vec<Run>, String> = (0..times).map(|_| process(command, false)).collect();
    match runs {
        Ok(runs) => Some((median(runs.iter().filter_map(|run| run.said["seconds"].as_f64())), runs[0].said.clone())),
        Err(why) => {
            println!("  {name} failed: {why}");
            None
        }
    }
}

fn wild(files: &Files, peers: &Peers, pairs: usize) {
    let formula = "y ~ treat + post + muni";
    let file = &files.million;
    let design = design(file, formula);
    let fitted = fit(&design).unwrap();
    let contrast = fitted.contrast(&[(1, 1.0)]).unwrap();
    let clusters = fitted.unadjusted().unwrap();
    println!(
        "\nWild cluster bootstrap, WCR11, B = {DRAWS}, {} rows, {} clusters, {} coefficients",
        design.n,
        clusters.blocks.len(),
        fitted.kept.len()
    );
    let factor = Variance::Cr1s.factor(fitted.clusters(), fitted.n, fitted.coefficients(EffectCount::Nested)).unwrap();
    let plan = Plan { weights: Weights::Rademacher, impose_null: true, leave_out: false, draws: DRAWS };
    let random = || seeded_random(1, "wild cluster bootstrap");
    let (draws, _) = timed(9, random, |mut random| bootstrap(&fitted, &clusters, &contrast, 0.0, factor, plan, &mut random).unwrap());
    let spec = json!({"method": "wild", "formula": formula, "cluster": "cluster", "draws": DRAWS});
    let (whole, row) = in_memory(5, file, &["y", "treat", "post", "muni", "cluster"], spec);
    println!("  {:<54}{:>10.1} ms", "vecino, the draws from sums", draws * 1e3);
    println!(
        "  {:<54}{:>10.1} ms   t {:.6} p {:.4}",
        "vecino, the whole spec, less reading the file",
        whole * 1e3,
        value(&row, "statistic"),
        value(&row, "p")
    );
    draws_of("wildboottest", "wildboottest", "wildboottest, data in memory", file, DRAWS, peers, pairs, Some(whole));
}

fn randomisation(files: &Files, peers: &Peers, pairs: usize) {
    let file = &files.households;
    println!("\nRandomisation inference, 10000 draws by cluster within municipality, any message against none, {} households", panel::HOUSEHOLDS);
    let columns = ["y", "arm", "y0", "x", "muni", "cluster"];
    let spec = |formula: &str, statistic: &str| {
        let mut spec = json!({"method": "ri", "formula": formula, "cluster": "cluster", "block": "muni", "draws": 10_000});
        (spec["let"], spec["statistic"]) = (json!(["t = arm > 0"]), json!(statistic));
        if statistic == "t" {
            spec["vcov"] = json!("cr2");
        }
        spec
    };
    let (plain, row) = in_memory(9, file, &["y", "arm", "muni", "cluster"], spec("y ~ t", "difference"));
    println!(
        "  {:<54}{:>10.1} ms   difference {:.6} p {:.4}",
        "vecino, difference of means, less reading",
        plain * 1e3,
        value(&row, "estimate"),
        value(&row, "p")
    );
    let (ancova, row) = in_memory(5, file, &columns, spec("y ~ t + y0 + x + factor(muni)", "t"));
    println!(
        "  {:<54}{:>10.1} ms   t {:.6} p {:.4}",
        "vecino, CR2's t of t + y0 + x + muni, less reading",
        ancova * 1e3,
        value(&row, "estimate"),
        value(&row, "p")
    );
    // Neither redraws this design, so no ratio. The first takes minutes: once is enough.
    draws_of("ritest", "pyfixest", "pyfixest ritest: clusters, no blocks; once", file, 10_000, peers, 1, None);
    draws_of("permutation", "scipy", "scipy: single households, no clusters or blocks", file, 10_000, peers, pairs, None);
}

fn value(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(f64::NAN)
}

#[allow(clippy::too_many_arguments)]
fn draws_of(method: &str, package: &str, label: &str, file: &Path, draws: u32, peers: &Peers, pairs: usize, own: Option<f64>) {
    if !peers.has(package) {
        return;
    }
    if let Some((seconds, said)) = inner(label, &peers.call("draws.py", &[method, file.to_str().unwrap(), &draws.to_string()]), pairs) {
        let (statistic, p) = (value(&said, "statistic"), value(&said, "p"));
        let times = own.map_or(String::new(), |own| format!(", {:.1} times vecino's", seconds / own));
        println!("  {label:<54}{:>10.1} ms   statistic {statistic:.6} p {p:.4}{times}", seconds * 1e3);
    }
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, default: usize| given.get(at).map_or(default, |text| text.replace('_', "").parse().expect("a whole number"));
    let (rows, pairs) = (number(0, 10_000_000), number(2, 3).max(1));
    let scratch = tempfile::tempdir().unwrap();
    let folder = given.get(1).map_or(scratch.path(), |folder| Path::new(folder));
    let peers = Peers::look();
    let files = Files::make(folder, rows);
    whole_processes(&files, &peers, pairs);
    from_tallies(&files, &peers, pairs);
    leverage(&files, &peers, pairs);
    wild(&files, &peers, pairs);
    randomisation(&files, &peers, pairs);
}
