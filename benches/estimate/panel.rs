//! A synthetic trial: 200 clusters of unequal size in 2 municipalities, 5 arms, 52 weeks of which 8 are baseline, 15% of visits missing.
//!
//! y ~ Bernoulli(logistic(η)), η = −0.5 + cluster + household + week − 0.04 (x − 4) + lift of the arm after the baseline; yc = η + N(0, 1).

use parquet::basic::Compression;
use parquet::data_type::{DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vecino::id::seeded_random;

pub const HOUSEHOLDS: usize = 30_000;
const CLUSTERS: usize = 200;
const WEEKS: usize = 52;
const BASELINE: usize = 8;
const LIFT: [f64; 5] = [0.0, 0.1, 0.2, 0.3, 0.4];
const SEEN: f64 = 0.85;
/// Rows of a row group of Parquet.
const GROUP: usize = 1 << 20;
const NAMES: [&str; 9] = ["muni", "cluster", "hh", "week", "arm", "post", "treat", "x", "y"];

/// The files of a run. `million` is the panel itself, or one of its own with a million rows and all clusters.
pub struct Files {
    pub rows: usize,
    pub csv: PathBuf,
    pub parquet: PathBuf,
    pub million: PathBuf,
    /// A panel of 100,000 rows: what a program takes to start.
    pub small: PathBuf,
    pub households: PathBuf,
    pub tallies: PathBuf,
    /// Cells in `tallies`.
    pub cells: usize,
}

impl Files {
    /// Makes what `folder` does not hold yet.
    pub fn make(folder: &Path, rows: usize) -> Files {
        assert!(rows >= 100_000, "fewer than 100,000 rows leave clusters empty");
        std::fs::create_dir_all(folder).unwrap();
        let [csv, parquet, tallies] = panel(folder, rows);
        let million = if rows > 1_000_000 { panel(folder, 1_000_000)[1].clone() } else { parquet.clone() };
        let small = panel(folder, 100_000)[1].clone();
        let households = folder.join("households.csv");
        if !households.exists() {
            write_households(&households);
        }
        let cells = std::fs::read_to_string(&tallies).unwrap().lines().count() - 1;
        Files { rows, csv, parquet, million, small, households, tallies, cells }
    }
}

fn uniform(random: &mut ChaCha20Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Box and Muller's, one of the two.
fn normal(random: &mut ChaCha20Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(random)).cos()
}

/// Knuth's, for small means.
fn poisson(mean: f64, random: &mut ChaCha20Rng) -> i64 {
    let (least, mut product, mut count) = ((-mean).exp(), uniform(random), 0);
    while product > least {
        product *= uniform(random);
        count += 1;
    }
    count
}

/// Visits in the order of households and weeks: exactly `rows` of the weeks of so many households, each set of visits equally likely.
/// Columns as in `NAMES`, then yc.
fn visits(rows: usize, households: usize, seed: u64, mut each: impl FnMut(&[i64; 9], f64)) {
    let mut random = seeded_random(seed, "benchmark panel");
    let shares: Vec<f64> = (0..CLUSTERS).map(|_| (0.5 * normal(&mut random)).exp()).collect();
    let mut arms: Vec<usize> = (0..CLUSTERS).map(|cluster| cluster / 2 % LIFT.len()).collect();
    // Clusters alternate between municipalities: each swap stays in one.
    for cluster in (2..CLUSTERS).rev() {
        let other = cluster % 2 + 2 * (uniform(&mut random) * (cluster / 2 + 1) as f64) as usize;
        arms.swap(cluster, other);
    }
    let weeks: Vec<f64> = (0..WEEKS).map(|_| 0.1 * normal(&mut random)).collect();
    let (total, mut before) = (shares.iter().sum::<f64>(), 0.0);
    let (mut household, mut left, mut cells) = (0, rows, households * WEEKS);
    for (cluster, share) in shares.iter().enumerate() {
        before += share;
        let end = if cluster + 1 == CLUSTERS { households } else { (before / total * households as f64).round() as usize };
        let (muni, arm, level) = (cluster % 2, arms[cluster], 0.3 * normal(&mut random));
        while household < end {
            let x = 1 + poisson(3.5, &mut random);
            let own = -0.5 + level + 0.7 * normal(&mut random) - 0.04 * (x as f64 - 4.0);
            for (week, shock) in weeks.iter().enumerate() {
                let seen = uniform(&mut random) * (cells as f64) < left as f64;
                cells -= 1;
                if !seen {
                    continue;
                }
                left -= 1;
                let post = week >= BASELINE;
                let eta = own + shock + if post { LIFT[arm] } else { 0.0 };
                let y = i64::from(uniform(&mut random) < 1.0 / (1.0 + (-eta).exp()));
                let treat = i64::from(post && arm > 0);
                let row = [muni as i64, cluster as i64, household as i64, week as i64, arm as i64, i64::from(post), treat, x, y];
                each(&row, eta + normal(&mut random));
            }
            household += 1;
        }
    }
}

/// CSV, Parquet and tallies of a panel, unless they are there.
fn panel(folder: &Path, rows: usize) -> [PathBuf; 3] {
    let paths = ["panel.csv", "panel.parquet", "tallies.csv"].map(|name| {
        let (stem, end) = name.split_once('.').unwrap();
        folder.join(format!("{stem}-{rows}.{end}"))
    });
    if paths.iter().all(|path| path.exists()) {
        return paths;
    }
    let [csv, parquet, tallies] = paths.each_ref().map(|path| part(path));
    let mut text = BufWriter::with_capacity(1 << 20, File::create(&csv).unwrap());
    writeln!(text, "{},yc", NAMES.join(",")).unwrap();
    let whole: String = NAMES.iter().map(|name| format!("required int64 {name}; ")).collect();
    let schema = parse_message_type(&format!("message panel {{ {whole}required double yc; }}")).unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(File::create(&parquet).unwrap(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut columns: [Vec<i64>; 9] = Default::default();
    let mut yc = Vec::new();
    let mut flush = |columns: &mut [Vec<i64>; 9], yc: &mut Vec<f64>| {
        let mut group = writer.next_row_group().unwrap();
        for column in columns.iter_mut() {
            let mut next = group.next_column().unwrap().unwrap();
            next.typed::<Int64Type>().write_batch(column, None, None).unwrap();
            next.close().unwrap();
            column.clear();
        }
        let mut next = group.next_column().unwrap().unwrap();
        next.typed::<DoubleType>().write_batch(yc, None, None).unwrap();
        next.close().unwrap();
        group.close().unwrap();
        yc.clear();
    };
    let mut cells: BTreeMap<(i64, i64), ([i64; 6], i64, i64)> = BTreeMap::new();
    let households = (rows as f64 / (WEEKS as f64 * SEEN)).ceil() as usize;
    visits(rows, households, 1, |row, continuous| {
        let [muni, cluster, hh, week, arm, post, treat, x, y] = *row;
        let continuous = (continuous * 1e4).round() / 1e4;
        writeln!(text, "{muni},{cluster},{hh},{week},{arm},{post},{treat},{x},{y},{continuous}").unwrap();
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
        yc.push(continuous);
        if yc.len() == GROUP {
            flush(&mut columns, &mut yc);
        }
        let cell = cells.entry((cluster, week)).or_insert(([muni, cluster, week, arm, post, treat], 0, 0));
        (cell.1, cell.2) = (cell.1 + 1, cell.2 + y);
    });
    if !yc.is_empty() {
        flush(&mut columns, &mut yc);
    }
    text.flush().unwrap();
    writer.close().unwrap();
    let mut text = BufWriter::new(File::create(&tallies).unwrap());
    writeln!(text, "muni,cluster,week,arm,post,treat,n,ones,zeros").unwrap();
    for ([muni, cluster, week, arm, post, treat], n, ones) in cells.values() {
        writeln!(text, "{muni},{cluster},{week},{arm},{post},{treat},{n},{ones},{}", n - ones).unwrap();
    }
    text.flush().unwrap();
    for (part, path) in [csv, parquet, tallies].iter().zip(&paths) {
        std::fs::rename(part, path).unwrap();
    }
    paths
}

/// The name of a file that is not whole yet.
fn part(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.part", path.display()))
}

/// A row for each household: y its mean after the baseline, y0 in it.
fn write_households(path: &Path) {
    let mut text = BufWriter::new(File::create(part(path)).unwrap());
    writeln!(text, "muni,cluster,hh,arm,x,y,y0").unwrap();
    #[allow(clippy::type_complexity)]
    let mut all: Vec<([i64; 5], [(f64, f64); 2])> = Vec::new();
    visits(HOUSEHOLDS * WEEKS * 85 / 100, HOUSEHOLDS, 2, |row, _| {
        let [muni, cluster, hh, _, arm, post, _, x, y] = *row;
        if all.last().is_none_or(|(own, _)| own[2] != hh) {
            all.push(([muni, cluster, hh, arm, x], [(0.0, 0.0); 2]));
        }
        if let Some((_, sums)) = all.last_mut() {
            let (n, ones) = &mut sums[post as usize];
            (*n, *ones) = (*n + 1.0, *ones + y as f64);
        }
    });
    let mean = |(n, ones): (f64, f64)| if n > 0.0 { (ones / n).to_string() } else { "NA".to_string() };
    for ([muni, cluster, hh, arm, x], [before, after]) in all {
        writeln!(text, "{muni},{cluster},{hh},{arm},{x},{},{}", mean(after), mean(before)).unwrap();
    }
    text.flush().unwrap();
    std::fs::rename(part(path), path).unwrap();
}
