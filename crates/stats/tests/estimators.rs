//! The estimators obey their laws, and answer by hand what can be worked by hand.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use vecino_stats::Refusal;
use vecino_stats::cells::Cells;
use vecino_stats::ols::{Df, EffectCount, Estimate, Variance, fit};
use vecino_stats::random::seeded;
use vecino_stats::randomisation::{Assignments, Randomised, compare};
use vecino_stats::studentised::Studentised;
use vecino_stats::wild::{Plan, Weights, Wild, bootstrap};

/// Cluster, covariates, n, Σy of a 0/1 outcome.
type Row = (usize, Vec<f64>, f64, f64);

/// Cells with clusters numbered as they come.
fn cells(rows: impl IntoIterator<Item = Row>) -> Cells {
    let mut cells = Cells::default();
    let mut number: BTreeMap<usize, u32> = BTreeMap::new();
    for (cluster, x, n, y) in rows {
        let next = number.len() as u32;
        cells.width = x.len();
        cells.push(*number.entry(cluster).or_insert(next), &x, n, y, y);
    }
    cells
}

fn estimate(cells: &Cells, column: usize, variance: Variance, df: Df) -> Result<Estimate, Refusal> {
    let fitted = fit(cells)?;
    let sandwich = fitted.sandwich(variance, EffectCount::Nested, df == Df::Satterthwaite)?;
    fitted.estimate(&sandwich, &fitted.contrast(&[(column, 1.0)])?, df, EffectCount::Nested, 0.95)
}

fn wild(cells: &Cells, plan: Plan, seed: u64) -> Wild {
    let fitted = fit(cells).unwrap();
    let a = fitted.contrast(&[(1, 1.0)]).unwrap();
    let factor = Variance::Cr1s.factor(fitted.clusters(), fitted.n, fitted.coefficients(EffectCount::Nested)).unwrap();
    bootstrap(&fitted, &fitted.unadjusted().unwrap(), &a, 0.0, factor, plan, &mut seeded(seed, "wild")).unwrap()
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

fn eight() -> Cells {
    cells(EIGHT.iter().enumerate().map(|(g, (n, y, _, treated))| (g, vec![1.0, f64::from(u8::from(*treated))], *n, *y)))
}

fn replay(blocks: &[usize], statistic: impl Fn(&[bool]) -> f64) -> Randomised {
    let z: Vec<bool> = EIGHT.iter().map(|e| e.3).collect();
    let mut found = Vec::new();
    Assignments::new(blocks, &z, 10_000).each(&mut seeded(1, "replay"), |z| found.push(Some(statistic(z))));
    compare(statistic(&z), found, true).unwrap()
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
    let cells = eight();
    for (variance, df, se, degrees, p) in [
        (Variance::Cr0, Df::Clusters, 0.0405240198099, 7.0, 0.0001807905031783),
        (Variance::Cr1s, Df::Clusters, 0.04337032294131, 7.0, 0.0002755354300271),
        (Variance::Cr2, Df::Satterthwaite, 0.05084189644566, 3.350875619108, 0.007781790004788),
        (Variance::Cr3, Df::Satterthwaite, 0.06465524785357, 3.020968389725, 0.02019611225963),
    ] {
        let found = estimate(&cells, 1, variance, df).unwrap();
        close(found.estimate, 0.2909060175794);
        close(found.se, se);
        close(found.df.unwrap(), degrees);
        close(found.p, p);
    }
    let wild = wild(&cells, WCR, 1);
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
    let rows = (0..8).map(|g| (g, vec![1.0, (g / 4) as f64], 10.0, ones[g / 4][g % 4]));
    let found = estimate(&cells(rows), 1, Variance::Cr2, Df::Satterthwaite).unwrap();
    let variance = |v: &[f64; 4]| {
        let mean = v.iter().sum::<f64>() / 40.0;
        (mean, v.iter().map(|y| (y / 10.0 - mean).powi(2)).sum::<f64>() / 3.0 / 4.0)
    };
    let ((m0, v0), (m1, v1)) = (variance(&ones[0]), variance(&ones[1]));
    assert!((found.estimate - (m1 - m0)).abs() < 1e-12);
    assert!((found.se - (v0 + v1).sqrt()).abs() < 1e-12);
    assert!((found.df.unwrap() - 6.0).abs() < 1e-9);
}

#[test]
fn what_has_no_answer_is_refused_with_a_reason() {
    let rows = |y: [f64; 4], cluster: [usize; 4]| cells((0..4).map(|i| (cluster[i], vec![1.0, (i / 2) as f64, (i / 2) as f64 * 2.0], 1.0, y[i])));
    let refusal = |cells: &Cells, column, variance, df| estimate(cells, column, variance, df).unwrap_err();
    assert_eq!(refusal(&rows([1.0; 4], [0, 1, 2, 3]), 1, Variance::Cr2, Df::Satterthwaite), Refusal::NoVariance);
    assert_eq!(refusal(&Cells::new(2), 1, Variance::Cr2, Df::Satterthwaite), Refusal::NoData);
    let plain = rows([0.0, 1.0, 1.0, 1.0], [0, 1, 2, 3]);
    assert_eq!(fit(&plain).unwrap().kept, vec![0, 1]);
    assert_eq!(refusal(&plain, 2, Variance::Cr2, Df::Satterthwaite), Refusal::Collinear);
    assert_eq!(refusal(&rows([0.0, 1.0, 1.0, 1.0], [0; 4]), 1, Variance::Cr1, Df::Clusters), Refusal::OneCluster);
    // One treated cluster: its residual is fitted away, so no robust error of its mean exists.
    let one = rows([0.0, 1.0, 1.0, 1.0], [0, 1, 2, 2]);
    let fitted = fit(&one).unwrap();
    let sandwich = fitted.sandwich(Variance::Cr2, EffectCount::Nested, true).unwrap();
    let c = fitted.contrast(&[(0, 1.0), (1, 1.0)]).unwrap();
    assert!(sandwich.told(&c) < 1e-9);
    assert_eq!(fitted.estimate(&sandwich, &c, Df::Satterthwaite, EffectCount::Nested, 0.95).unwrap_err(), Refusal::NoVariance);
    // Of the difference the other arm's two clusters tell something: a number, but far too small an error.
    let c = fitted.contrast(&[(1, 1.0)]).unwrap();
    assert!((sandwich.told(&c) - 0.5).abs() < 1e-9);
    assert!(fitted.estimate(&sandwich, &c, Df::Satterthwaite, EffectCount::Nested, 0.95).is_ok());
}

/// A column that differs from another by one part in a million stays; by one in a billion it goes, as from rows in full.
#[test]
fn nearly_collinear_columns_are_told_from_collinear_ones() {
    let kept = |gap: f64| {
        let x = |i: usize| vec![1.0, 100.0 + (i * 7 % 11) as f64, 100.0 + (i * 7 % 11) as f64 + gap * ((i * i % 5) as f64 - 2.0)];
        fit(&cells((0..40).map(|i| (i / 4, x(i), 1.0, f64::from(u8::from(i % 3 == 0)))))).unwrap().kept.len()
    };
    assert_eq!((kept(1e-3), kept(1e-4), kept(1e-7)), (3, 3, 2));
}

#[test]
fn webb_weights_give_few_clusters_a_finer_p_from_a_recorded_seed() {
    let run = |seed| wild(&eight(), Plan { weights: Weights::Webb, ..WCR }, seed);
    let (once, again) = (run(1), run(1));
    assert_eq!(once, again);
    assert!(!once.exact && once.p > 0.005 && once.p < 0.06, "{once:?}");
}

/// The statistic that an assignment gets by moving arms in the compressed clusters is the one the whole model gives.
#[test]
fn a_replayed_t_is_the_models_own() {
    let outcome = |g: usize, w: usize| f64::from(((g * 5 + w * 3) % 7) as u32) + if g.is_multiple_of(2) { 1.0 } else { 0.0 };
    let rows = |treated: Option<&[bool]>| {
        cells((0..9).flat_map(|g| {
            (0..3 + g % 3).map(move |w| {
                let mut x = vec![1.0, (w % 3) as f64, (g * g % 5) as f64];
                x.extend(treated.map(|z| f64::from(u8::from(z[g]))));
                (g, x, 10.0, outcome(g, w))
            })
        }))
    };
    let covariates = rows(None);
    let fitted = fit(&covariates).unwrap();
    for variance in [Variance::Cr0, Variance::Cr1s, Variance::Cr2, Variance::Cr3] {
        let engine = Studentised::new(&fitted, &covariates, variance).unwrap();
        for turn in 0..9 {
            let z: Vec<bool> = (0..9).map(|g| (g + turn) % 9 < 4).collect();
            let whole = estimate(&rows(Some(&z)), 3, variance, Df::Clusters).unwrap().statistic;
            let moved = engine.statistic(&z).unwrap();
            assert!((moved / whole - 1.0).abs() < 1e-9, "{variance:?} {turn}: {moved} {whole}");
        }
    }
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
        let by_row = cells(rows.iter().map(|(g, z, w, y)| (*g, columns(*z, *w), 1.0, f64::from(u8::from(*y)))));
        let mut found: BTreeMap<(usize, bool, usize), (f64, f64)> = BTreeMap::new();
        for (g, z, w, y) in &rows {
            let cell = found.entry((*g, *z, *w)).or_default();
            *cell = (cell.0 + 1.0, cell.1 + f64::from(u8::from(*y)));
        }
        let by_cell = cells(found.into_iter().map(|((g, z, w), (n, y))| (g, columns(z, w), n, y)));
        for (variance, df) in [
            (Variance::Classical, Df::Residual),
            (Variance::Hc0, Df::Residual),
            (Variance::Hc1, Df::Residual),
            (Variance::Hc2, Df::Satterthwaite),
            (Variance::Hc3, Df::Residual),
            (Variance::Cr1s, Df::Satterthwaite),
            (Variance::Cr2, Df::Satterthwaite),
            (Variance::Cr3, Df::Satterthwaite),
        ] {
            match (estimate(&by_row, 1, variance, df), estimate(&by_cell, 1, variance, df)) {
                (Ok(a), Ok(b)) => prop_assert!(
                    (a.estimate - b.estimate).abs() < 1e-9 && (a.se - b.se).abs() < 1e-9 && (a.df.unwrap() / b.df.unwrap() - 1.0).abs() < 1e-6,
                    "{:?}: {:?} {:?}", variance, a, b
                ),
                (a, b) => prop_assert_eq!(a.err(), b.err()),
            }
        }
    }

    #[test]
    fn satterthwaite_never_claims_more_than_the_clusters_hold(rows in trial()) {
        let cells = cells(rows.iter().map(|(g, z, w, y)| (*g, columns(*z, *w), 1.0, f64::from(u8::from(*y)))));
        if let Ok(found) = estimate(&cells, 1, Variance::Cr2, Df::Satterthwaite) {
            let df = found.df.unwrap();
            prop_assert!(df > 0.0 && df <= cells.clusters as f64 + 1e-9);
            prop_assert!([found.estimate, found.se, found.p, found.low, found.high].iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn the_order_of_rows_and_the_names_of_clusters_do_not_matter(rows in trial(), turn in 0usize..40) {
        let cell = |(g, z, w, y): &(usize, bool, usize, bool), name: usize| ((g + name) * 7 % 97, columns(*z, *w), 1.0, f64::from(u8::from(*y)));
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        let answer = |rows: &[(usize, bool, usize, bool)], name| {
            estimate(&cells(rows.iter().map(|r| cell(r, name))), 1, Variance::Cr2, Df::Satterthwaite).ok()
        };
        match (answer(&rows, 0), answer(&turned, 3)) {
            (Some(a), Some(b)) => prop_assert!((a.estimate - b.estimate).abs() < 1e-9 && (a.se - b.se).abs() < 1e-9),
            (a, b) => prop_assert_eq!(a.is_some(), b.is_some()),
        }
    }
}
