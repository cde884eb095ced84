//! The estimators answer what the best tools answer, and obey their own laws.
//!
//! Records made with estimatr, clubSandwich, wildboottest and own enumeration stand outside this repository, under `../shared/reference`
//! or wherever `VECINO_REFERENCE` says; without them those tests say so and the small set in this file still holds every estimator.

use nalgebra::DMatrix;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use vecino::id::seeded_random;
use vecino::stats::ols::{Df, Estimate, Variance, fit};
use vecino::stats::randomisation::{Randomised, assignments, compare};
use vecino::stats::sums::{Cell, Sums};
use vecino::stats::wild::{Plan, Weights, bootstrap};
use vecino::stats::{Refusal, icc, multiple, satterthwaite};

fn reference() -> Option<PathBuf> {
    let folder = match std::env::var_os("VECINO_REFERENCE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/reference"),
    };
    if folder.join("stats/golden.json").exists() {
        return Some(folder);
    }
    crate::pilot::left_out(&format!("reference records: {} holds none", folder.display()));
    None
}

struct Golden(BTreeMap<String, Value>);

impl Golden {
    fn read(folder: &std::path::Path) -> Golden {
        let text = std::fs::read_to_string(folder.join("stats/golden.json")).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        Golden(whole["records"].as_array().unwrap().iter().map(|r| (r["id"].as_str().unwrap().to_owned(), r.clone())).collect())
    }

    fn rtol(&self, id: &str) -> f64 {
        self.0[id]["rtol"].as_f64().unwrap()
    }

    fn row(&self, id: &str, term: &str) -> &Value {
        self.0[id]["results"].as_array().unwrap().iter().find(|r| r["term"] == term).unwrap_or_else(|| panic!("{id} has no {term}"))
    }

    fn holds(&self, id: &str, name: &str, ours: f64, theirs: &Value) {
        let Some(theirs) = theirs.as_f64() else { return };
        let off = (ours - theirs).abs();
        assert!(off <= self.rtol(id) * theirs.abs() + 1e-10, "{id} {name}: ours {ours:e}, theirs {theirs:e}");
    }

    fn holds_estimate(&self, id: &str, term: &str, ours: &Estimate) {
        let row = self.row(id, term);
        for (name, value) in [
            ("estimate", ours.estimate),
            ("se", ours.se),
            ("stat", ours.statistic),
            ("df", ours.df),
            ("ci_low", ours.low),
            ("ci_high", ours.high),
            ("p", ours.p),
        ] {
            self.holds(id, &format!("{term} {name}"), value, &row[name]);
        }
    }

    fn holds_values(&self, id: &str, values: &[(&str, f64)]) {
        for (name, value) in values {
            self.holds(id, name, *value, &self.0[id]["results"][*name]);
        }
    }
}

fn table(folder: &std::path::Path, name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let path = folder.join(name);
    let bytes = if name.ends_with(".gz") {
        match std::process::Command::new("gzip").arg("-dc").arg(&path).output() {
            Ok(done) if done.status.success() => done.stdout,
            _ => {
                crate::pilot::left_out(&format!("{name}: gzip is not here"));
                return None;
            }
        }
    } else {
        std::fs::read(&path).unwrap()
    };
    Some(csv::Reader::from_reader(bytes.as_slice()).deserialize().map(|row| row.unwrap()).collect())
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or(f64::NAN)
}

/// 0/1 columns for all values but the first.
fn dummies(values: &[String]) -> (Vec<String>, Vec<Vec<f64>>) {
    let mut levels = values.to_vec();
    levels.sort_by(|a, b| a.parse::<i64>().ok().cmp(&b.parse::<i64>().ok()).then(a.cmp(b)));
    levels.dedup();
    let columns = values.iter().map(|v| levels.iter().skip(1).map(|l| f64::from(u8::from(l == v))).collect()).collect();
    (levels, columns)
}

fn estimates(sums: &Sums, columns: &[usize], variance: Variance, df: Df) -> Vec<Estimate> {
    let fitted = fit(sums).unwrap();
    let rotated = fitted.rotate(variance);
    columns.iter().map(|c| fitted.estimate(&rotated, &fitted.contrast(&[(*c, 1.0)]).unwrap(), df, 0.95).unwrap()).collect()
}

/// Eight clusters of unequal size in four pairs: rows, ones, pair, treated.
const EIGHT: [(f64, f64, usize, bool); 8] = [
    (15.0, 11.0, 0, true),
    (154.0, 73.0, 0, false),
    (19.0, 6.0, 1, false),
    (44.0, 31.0, 1, true),
    (33.0, 22.0, 2, true),
    (103.0, 41.0, 2, false),
    (10.0, 7.0, 3, true),
    (72.0, 21.0, 3, false),
];

fn eight(covariates: impl Fn(usize, bool) -> Vec<f64>) -> Sums {
    let cells: Vec<Cell> = EIGHT.iter().enumerate().map(|(g, (n, y, pair, treated))| Cell::counts(g, covariates(*pair, *treated), *n, *y)).collect();
    Sums::collect(cells[0].x.len(), cells)
}

fn treated(_: usize, treated: bool) -> Vec<f64> {
    vec![1.0, f64::from(u8::from(treated))]
}

fn replay(blocks: &[usize], statistic: impl Fn(&[bool]) -> f64) -> Randomised {
    let z: Vec<bool> = EIGHT.iter().map(|e| e.3).collect();
    let all = assignments(blocks, &z, 10_000).unwrap();
    compare(statistic(&z), all.iter().map(|z| Some(statistic(z))), true).unwrap()
}

fn difference_of_rows(z: &[bool]) -> f64 {
    let sum = |want: bool| EIGHT.iter().zip(z).filter(|(_, z)| **z == want).fold((0.0, 0.0), |(n, y), (e, _)| (n + e.0, y + e.1));
    let ((n1, y1), (n0, y0)) = (sum(true), sum(false));
    y1 / n1 - y0 / n0
}

fn difference_of_means(z: &[bool]) -> f64 {
    let mean = |want: bool| {
        let means: Vec<f64> = EIGHT.iter().zip(z).filter(|(_, z)| **z == want).map(|(e, _)| e.1 / e.0).collect();
        means.iter().sum::<f64>() / means.len() as f64
    };
    mean(true) - mean(false)
}

const WCR: Plan = Plan { weights: Weights::Rademacher, impose_null: true, leave_out: false, draws: 9999 };

/// Expected values: estimatr 1.0.0 and clubSandwich 0.5.8 on these rows, and enumeration of all 256 sign vectors and 16 or 70 assignments.
#[test]
fn eight_unequal_clusters_get_the_errors_other_tools_give() {
    let close = |ours: f64, theirs: f64| assert!((ours / theirs - 1.0).abs() < 1e-8, "{ours} {theirs}");
    let sums = eight(treated);
    for (variance, df, se, degrees, p) in [
        (Variance::Cr0, Df::Clusters, 0.0405240198099, 7.0, 0.0001807905031783),
        (Variance::Cr1s, Df::Clusters, 0.04337032294131, 7.0, 0.0002755354300271),
        (Variance::Cr2, Df::Satterthwaite, 0.05084189644566, 3.350875619108, 0.007781790004788),
        (Variance::Cr3, Df::Satterthwaite, 0.06465524785357, 3.020968389725, 0.02019611225963),
    ] {
        let found = estimates(&sums, &[1], variance, df)[0];
        close(found.estimate, 0.2909060175794);
        close(found.se, se);
        close(found.df, degrees);
        close(found.p, p);
    }
    let mut random = seeded_random(1, "wild");
    let wild = bootstrap(&fit(&sums).unwrap(), 1, WCR, &mut random).unwrap();
    assert_eq!((wild.draws, wild.greater, wild.tied, wild.above, wild.below), (256, 4, 2, 2, 253));
    close(wild.p, 0.0234375);
    let pairs: Vec<usize> = EIGHT.iter().map(|e| e.2).collect();
    close(replay(&pairs, difference_of_rows).p, 0.125);
    close(replay(&[0; 8], difference_of_means).p, 0.02857142857143);
}

/// With m clusters an arm, all of one size, CR2 of the difference is Welch's error on cluster means, on 2(m − 1) degrees of freedom.
#[test]
fn clusters_of_one_size_give_welch_on_cluster_means() {
    let ones = [[3.0, 5.0, 4.0, 8.0], [6.0, 7.0, 9.0, 5.0]];
    let cells = (0..8).map(|g| Cell::counts(g, vec![1.0, (g / 4) as f64], 10.0, ones[g / 4][g % 4]));
    let found = estimates(&Sums::collect(2, cells), &[1], Variance::Cr2, Df::Satterthwaite)[0];
    let variance = |v: &[f64; 4]| {
        let mean = v.iter().sum::<f64>() / 40.0;
        (mean, v.iter().map(|y| (y / 10.0 - mean).powi(2)).sum::<f64>() / 3.0 / 4.0)
    };
    let ((m0, v0), (m1, v1)) = (variance(&ones[0]), variance(&ones[1]));
    assert!((found.estimate - (m1 - m0)).abs() < 1e-12);
    assert!((found.se - (v0 + v1).sqrt()).abs() < 1e-12);
    assert!((found.df - 6.0).abs() < 1e-9);
}

#[test]
fn what_has_no_answer_is_refused_with_a_reason() {
    let rows = |y: [f64; 4], cluster: [usize; 4]| {
        Sums::collect(3, (0..4).map(|i| Cell::row(cluster[i], vec![1.0, (i / 2) as f64, (i / 2) as f64 * 2.0], y[i])).collect::<Vec<_>>())
    };
    assert_eq!(fit(&rows([1.0; 4], [0, 1, 2, 3])).unwrap_err(), Refusal::NoVariation);
    assert_eq!(fit(&Sums::collect(2, [])).unwrap_err(), Refusal::NoData);
    let fitted = fit(&rows([0.0, 1.0, 1.0, 1.0], [0, 1, 2, 3])).unwrap();
    assert_eq!(fitted.kept, vec![0, 1]);
    assert_eq!(fitted.contrast(&[(2, 1.0)]).unwrap_err(), Refusal::Collinear);
    let alone = fit(&rows([0.0, 1.0, 1.0, 1.0], [0; 4])).unwrap();
    let c = alone.contrast(&[(1, 1.0)]).unwrap();
    assert_eq!(alone.estimate(&alone.rotate(Variance::Cr1), &c, Df::Clusters, 0.95).unwrap_err(), Refusal::OneCluster);
    // One treated cluster: its residual is fitted away, so no robust error exists.
    let one = fit(&rows([0.0, 1.0, 1.0, 1.0], [0, 1, 2, 2])).unwrap();
    let c = one.contrast(&[(0, 1.0), (1, 1.0)]).unwrap();
    assert_eq!(one.estimate(&one.rotate(Variance::Cr2), &c, Df::Satterthwaite, 0.95).unwrap_err(), Refusal::NoVariance);
}

#[test]
fn webb_weights_give_few_clusters_a_finer_p_from_a_recorded_seed() {
    let fitted = fit(&eight(treated)).unwrap();
    let run = |seed| bootstrap(&fitted, 1, Plan { weights: Weights::Webb, ..WCR }, &mut seeded_random(seed, "wild")).unwrap();
    let (once, again) = (run(1), run(1));
    assert_eq!(once, again);
    assert!(!once.exact && once.p > 0.005 && once.p < 0.06, "{once:?}");
}

#[test]
fn records_of_eight_clusters_hold() {
    let Some(folder) = reference() else { return };
    let golden = Golden::read(&folder);
    let Some(rows) = table(&folder, "stats/data/h1_fewclusters.csv") else { return };
    let gather = |covariates: &dyn Fn(usize) -> Vec<f64>| {
        let cells: Vec<Cell> =
            rows.iter().enumerate().map(|(i, r)| Cell::row(number(r, "cluster") as usize, covariates(i), number(r, "y"))).collect();
        Sums::collect(cells[0].x.len(), cells)
    };
    let plain = gather(&|i| vec![1.0, number(&rows[i], "treat")]);
    for (id, variance, df) in [
        ("h1.CR0", Variance::Cr0, Df::Clusters),
        ("h1.stata", Variance::Cr1s, Df::Clusters),
        ("h1.CR2", Variance::Cr2, Df::Satterthwaite),
        ("h1.cr3", Variance::Cr3, Df::Satterthwaite),
    ] {
        let found = estimates(&plain, &[0, 1], variance, df);
        golden.holds_estimate(id, "(Intercept)", &found[0]);
        golden.holds_estimate(id, "treat", &found[1]);
    }
    let strata = dummies(&rows.iter().map(|r| r["stratum"].clone()).collect::<Vec<_>>()).1;
    let paired = gather(&|i| [vec![1.0, number(&rows[i], "treat")], strata[i].clone()].concat());
    golden.holds_estimate("h1.fe.cr2", "treat", &estimates(&paired, &[1], Variance::Cr2, Df::Satterthwaite)[0]);
    let weeks = dummies(&rows.iter().map(|r| r["week"].clone()).collect::<Vec<_>>()).1;
    let weekly = gather(&|i| [vec![1.0, number(&rows[i], "treat")], weeks[i].clone()].concat());
    for (id, sums, plan) in [
        ("h1.wcr", &plain, WCR),
        ("h1.wcu", &plain, Plan { impose_null: false, ..WCR }),
        ("h1.wcr.week", &weekly, WCR),
        ("h1.wildboottest.wcr11", &plain, WCR),
        ("h1.wildboottest.wcu11", &plain, Plan { impose_null: false, ..WCR }),
        ("h1.wildboottest.wcr31", &plain, Plan { leave_out: true, ..WCR }),
        ("h1.wildboottest.wcu31", &plain, Plan { impose_null: false, leave_out: true, ..WCR }),
    ] {
        let wild = bootstrap(&fit(sums).unwrap(), 1, plan, &mut seeded_random(1, "wild")).unwrap();
        if id.contains("wildboottest") {
            golden.holds_values(id, &[("t", wild.statistic), ("p", wild.p)]);
            continue;
        }
        golden.holds_values(
            id,
            &[
                ("estimate", wild.estimate),
                ("se_cr1", wild.se),
                ("t", wild.statistic),
                ("draws", f64::from(wild.draws)),
                ("n_abs_greater", f64::from(wild.greater)),
                ("n_abs_tied", f64::from(wild.tied)),
                ("n_not_finite", f64::from(wild.undefined)),
                ("n_t_greater", f64::from(wild.above)),
                ("n_t_less", f64::from(wild.below)),
                ("p_two_sided_ties_count", wild.p),
            ],
        );
    }
    let pairs: Vec<usize> = EIGHT.iter().map(|e| e.2).collect();
    let z: Vec<bool> = EIGHT.iter().map(|e| e.3).collect();
    for (id, found, observed) in [
        ("h1.ri.pairs", replay(&pairs, difference_of_rows), difference_of_rows(&z)),
        ("h1.ri.free", replay(&[0; 8], difference_of_means), difference_of_means(&z)),
    ] {
        golden.holds_values(
            id,
            &[
                ("statistic", observed),
                ("assignments", f64::from(found.draws)),
                ("n_abs_ge", f64::from(found.extreme)),
                ("n_ge", f64::from(found.greater)),
                ("n_le", f64::from(found.less)),
                ("p_two_sided", found.p),
                ("p_greater", found.p_greater),
                ("p_less", found.p_less),
                ("null_sd", found.spread),
            ],
        );
    }
    let free = replay(&[0; 8], difference_of_means);
    // coin reports the first group minus the second.
    golden.holds_values("h1.ri.coin", &[("p", free.p), ("z", -difference_of_means(&z) / free.spread)]);
}

#[test]
fn records_of_a_720_cluster_trial_hold() {
    let Some(folder) = reference() else { return };
    let golden = Golden::read(&folder);
    let Some(all) = table(&folder, "stats/data/washb_diar.csv.gz") else { return };
    let rows: Vec<_> = all
        .into_iter()
        .filter(|r| number(r, "svy") > 0.0 && number(r, "gt36mos") == 0.0 && (number(r, "sibnewbirth") == 0.0 || number(r, "sibnewbirth").is_nan()))
        .filter(|r| number(r, "diar7d").is_finite())
        .collect();
    const ARMS: [&str; 6] = ["Water", "Sanitation", "Handwashing", "WSH", "Nutrition", "Nutrition + WSH"];
    let arm = |row: &BTreeMap<String, String>| ARMS.map(|a| f64::from(u8::from(row["arm"] == a))).to_vec();
    let gather = |rows: &[BTreeMap<String, String>], key: &str, covariates: &dyn Fn(usize) -> Vec<f64>| {
        let cells: Vec<Cell> = rows.iter().enumerate().map(|(i, r)| Cell::row(number(r, key) as usize, covariates(i), number(r, "diar7d"))).collect();
        Sums::collect(cells[0].x.len(), cells)
    };
    let plain = gather(&rows, "clusterid", &|i| [vec![1.0], arm(&rows[i])].concat());
    for (id, variance, df) in
        [("diar.cr0", Variance::Cr0, Df::Satterthwaite), ("diar.cr1", Variance::Cr1s, Df::Clusters), ("diar.cr2", Variance::Cr2, Df::Satterthwaite)]
    {
        let found = estimates(&plain, &[0, 1, 2, 3, 4, 5, 6], variance, df);
        golden.holds_estimate(id, "(Intercept)", &found[0]);
        for (name, estimate) in ARMS.iter().zip(&found[1..]) {
            golden.holds_estimate(id, &format!("arm{name}"), estimate);
        }
    }
    let p: Vec<Option<f64>> = estimates(&plain, &[1, 2, 3, 4, 5, 6], Variance::Cr2, Df::Satterthwaite).iter().map(|e| Some(e.p)).collect();
    for (name, ours) in [("holm", multiple::holm(&p)), ("bh", multiple::benjamini_hochberg(&p))] {
        for (value, theirs) in ours.iter().zip(golden.0["diar.adjust"]["results"][name].as_array().unwrap()) {
            golden.holds("diar.adjust", name, value.unwrap(), theirs);
        }
    }
    let fitted = fit(&plain).unwrap();
    let six = DMatrix::from_fn(7, 6, |i, j| f64::from(u8::from(i == j + 1)));
    let joint = satterthwaite::joint(&fitted, &fitted.rotate(Variance::Cr2), &six).unwrap();
    let (f, lower, p) = joint.htz.unwrap();
    for (term, values) in [
        ("chi-sq", vec![("p", joint.p_chi_squared)]),
        ("Naive-F", vec![("stat", joint.wald / joint.q), ("p", joint.p_f)]),
        ("HTZ", vec![("stat", f), ("df_denom", lower), ("p", p)]),
    ] {
        for (name, value) in values {
            golden.holds("diar.wald", &format!("{term} {name}"), value, &golden.row("diar.wald", term)[name]);
        }
    }
    let blocks = dummies(&rows.iter().map(|r| r["block"].clone()).collect::<Vec<_>>()).1;
    for (id, key) in [("diar.fe.cr2", "clusterid"), ("diar.fe.cr2.block", "block")] {
        let sums = gather(&rows, key, &|i| [vec![1.0], arm(&rows[i]), blocks[i].clone()].concat());
        let found = estimates(&sums, &[1, 2, 3, 4, 5, 6], Variance::Cr2, Df::Satterthwaite);
        for (name, estimate) in ARMS.iter().zip(&found) {
            golden.holds_estimate(id, &format!("arm{name}"), estimate);
        }
    }
    let four: Vec<_> = rows.iter().filter(|r| ["Control", "WSH", "Nutrition", "Nutrition + WSH"].contains(&r["arm"].as_str())).cloned().collect();
    let is = |row: &BTreeMap<String, String>, arm: &str| f64::from(u8::from(row["arm"] == arm || row["arm"] == "Nutrition + WSH"));
    for (id, shift, names) in [
        ("diar.factorial", 0.0, ["(Intercept)", "wsh", "nut", "wsh:nut"]),
        ("diar.factorial.margins", 0.5, ["(Intercept)", "I(wsh - 0.5)", "I(nut - 0.5)", "I(wsh - 0.5):I(nut - 0.5)"]),
    ] {
        let sums = gather(&four, "clusterid", &|i| {
            let (wsh, nut) = (is(&four[i], "WSH") - shift, is(&four[i], "Nutrition") - shift);
            vec![1.0, wsh, nut, wsh * nut]
        });
        for (name, estimate) in names.iter().zip(estimates(&sums, &[0, 1, 2, 3], Variance::Cr2, Df::Satterthwaite)) {
            golden.holds_estimate(id, name, &estimate);
        }
    }
    for (id, only_control) in [("diar.icc", true), ("diar.icc.witharm", false)] {
        let mut clusters: BTreeMap<usize, (usize, f64, f64, f64)> = BTreeMap::new();
        for row in rows.iter().filter(|r| !only_control || r["arm"] == "Control") {
            let y = number(row, "diar7d");
            let arm = ARMS.iter().position(|a| row["arm"] == *a).map_or(0, |a| a + 1);
            let sums = clusters.entry(number(row, "clusterid") as usize).or_insert((arm, 0.0, 0.0, 0.0));
            *sums = (arm, sums.1 + 1.0, sums.2 + y, sums.3 + y * y);
        }
        let found = icc::anova(&clusters.into_values().collect::<Vec<_>>()).unwrap();
        golden.holds_values(
            id,
            &[("icc", found.icc), ("msb", found.between), ("msw", found.within), ("n0", found.n0), ("deff_mean", found.design_effect)],
        );
    }
}

/// The worked answer of the synthetic 2×2 trial (48 clusters, 26 weeks), by R's lm on cluster means.
#[test]
fn the_worked_two_by_two_trial_holds() {
    let Some(folder) = reference() else { return };
    let Some(rows) = table(&folder, "trials/synthetic-2x2-cluster-week.csv") else { return };
    let mut clusters: BTreeMap<String, [f64; 9]> = BTreeMap::new();
    for row in &rows {
        let week = number(row, "week");
        let period = if week <= 6.0 { 0 } else { if week <= 18.0 { 1 } else { 2 } };
        let kept = clusters.entry(row["cluster"].clone()).or_default();
        kept[period * 2] += number(row, "households_observed");
        kept[period * 2 + 1] += number(row, "households_compliant");
        (kept[6], kept[7], kept[8]) = (number(row, "norm"), number(row, "plan"), f64::from(u8::from(row["municipality"] == "B")));
    }
    let centre = clusters.values().map(|c| c[1] / c[0]).sum::<f64>() / clusters.len() as f64;
    let sums = |period: usize, product: bool| {
        let cells: Vec<Cell> = clusters
            .values()
            .enumerate()
            .map(|(g, c)| {
                let (norm, plan) = (c[6] - 0.5, c[7] - 0.5);
                let mut x = vec![1.0, norm, plan, c[8], c[1] / c[0] - centre];
                x.extend(product.then_some(norm * plan));
                Cell::row(g, x, c[period * 2 + 1] / c[period * 2])
            })
            .collect();
        Sums::collect(cells[0].x.len(), cells)
    };
    let close = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 6e-7, "{ours} {theirs}");
    for (period, column, estimate, se, low, high) in [
        (1, 1, 0.021731, 0.017749, -0.014062, 0.057525),
        (1, 2, 0.032817, 0.017185, -0.001838, 0.067473),
        (1, 4, 0.835955, 0.085429, 0.663671, 1.008239),
        (2, 1, 0.031930, 0.019594, -0.007586, 0.071446),
        (2, 2, 0.034176, 0.018972, -0.004084, 0.072436),
    ] {
        let found = estimates(&sums(period, false), &[column], Variance::Classical, Df::Residual)[0];
        close(found.estimate, estimate);
        close(found.se, se);
        close(found.low, low);
        close(found.high, high);
        assert_eq!(found.df, 43.0);
    }
    let product = estimates(&sums(1, true), &[5], Variance::Classical, Df::Residual)[0];
    close(product.estimate, 0.046057);
    close(product.se, 0.034008);
    assert_eq!(product.df, 42.0);
}

/// A trial of `clusters` segments over some weeks: cluster, treated, week, outcome.
fn trial() -> impl Strategy<Value = Vec<(usize, bool, usize, bool)>> {
    prop::collection::vec((0usize..10, 0usize..4, any::<bool>()), 30..120)
        .prop_map(|rows| rows.into_iter().map(|(cluster, week, y)| (cluster, cluster % 2 == 0, week, y)).collect())
}

fn columns(treated: bool, week: usize) -> Vec<f64> {
    let mut x = vec![1.0, f64::from(u8::from(treated))];
    x.extend((1..4).map(|w| f64::from(u8::from(w == week))));
    x
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cells_and_rows_give_the_same_answer(rows in trial()) {
        let by_row = Sums::collect(5, rows.iter().map(|(g, z, w, y)| Cell::row(*g, columns(*z, *w), f64::from(u8::from(*y)))));
        let mut cells: BTreeMap<(usize, bool, usize), (f64, f64)> = BTreeMap::new();
        for (g, z, w, y) in &rows {
            let cell = cells.entry((*g, *z, *w)).or_default();
            *cell = (cell.0 + 1.0, cell.1 + f64::from(u8::from(*y)));
        }
        let by_cell = Sums::collect(5, cells.into_iter().map(|((g, z, w), (n, y))| Cell::counts(g, columns(z, w), n, y)));
        for variance in [Variance::Classical, Variance::Cr1s, Variance::Cr2, Variance::Cr3] {
            let answer = |sums: &Sums| {
                let fitted = fit(sums)?;
                fitted.estimate(&fitted.rotate(variance), &fitted.contrast(&[(1, 1.0)])?, Df::Satterthwaite, 0.95)
            };
            match (answer(&by_row), answer(&by_cell)) {
                (Ok(a), Ok(b)) => prop_assert!((a.estimate - b.estimate).abs() < 1e-9 && (a.se - b.se).abs() < 1e-9 && (a.df / b.df - 1.0).abs() < 1e-6),
                (a, b) => prop_assert_eq!(a.err(), b.err()),
            }
        }
    }

    #[test]
    fn satterthwaite_never_claims_more_than_the_clusters_hold(rows in trial()) {
        let sums = Sums::collect(5, rows.iter().map(|(g, z, w, y)| Cell::row(*g, columns(*z, *w), f64::from(u8::from(*y)))));
        if let Ok(fitted) = fit(&sums) {
            let found = fitted.contrast(&[(1, 1.0)]).and_then(|c| fitted.estimate(&fitted.rotate(Variance::Cr2), &c, Df::Satterthwaite, 0.95));
            if let Ok(found) = found {
                prop_assert!(found.df > 0.0 && found.df <= fitted.clusters() as f64 + 1e-9);
                prop_assert!([found.estimate, found.se, found.p, found.low, found.high].iter().all(|v| v.is_finite()));
            }
        }
    }

    #[test]
    fn the_order_of_rows_and_the_names_of_clusters_do_not_matter(rows in trial(), turn in 0usize..40) {
        let cell = |(g, z, w, y): &(usize, bool, usize, bool), name: usize| Cell::row((g + name) * 7 % 97, columns(*z, *w), f64::from(u8::from(*y)));
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        let answer = |rows: &[(usize, bool, usize, bool)], name| {
            let fitted = fit(&Sums::collect(5, rows.iter().map(|r| cell(r, name)))).ok()?;
            let c = fitted.contrast(&[(1, 1.0)]).ok()?;
            fitted.estimate(&fitted.rotate(Variance::Cr2), &c, Df::Satterthwaite, 0.95).ok()
        };
        match (answer(&rows, 0), answer(&turned, 3)) {
            (Some(a), Some(b)) => prop_assert!((a.estimate - b.estimate).abs() < 1e-9 && (a.se - b.se).abs() < 1e-9),
            (a, b) => prop_assert_eq!(a.is_some(), b.is_some()),
        }
    }
}
