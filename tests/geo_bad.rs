//! Bad and odd GeoJSON: every verdict of the reference set, and quickly.

use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::time::Instant;
use vecino::territory::check::{self, Verdict};

#[derive(Deserialize)]
struct Entry {
    file: String,
    product: String,
}

#[test]
fn every_reference_file_gets_the_verdict_it_deserves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/geo-bad");
    let folder = if folder.exists() { folder } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/geo-bad") };
    let Ok(index) = std::fs::read(folder.join("index.json")) else {
        crate::pilot::left_out(&format!("geo-bad: {} is not here", folder.display()));
        return;
    };
    let entries: Vec<Entry> = serde_json::from_slice(&index).unwrap();
    let mut wrong = Vec::new();
    for Entry { file, product } in &entries {
        let packed = std::fs::read(folder.join(file)).unwrap();
        let bytes = if file.ends_with(".gz") {
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
            bytes
        } else {
            packed
        };
        let started = Instant::now();
        let report = check::inspect(&bytes);
        let took = started.elapsed();
        let verdict = serde_json::to_value(report.verdict).unwrap();
        if verdict != product.as_str() || (report.verdict != Verdict::Accept) == report.problems.is_empty() {
            let said: Vec<_> = report.problems.iter().map(|p| format!("{} {} {}", p.code, p.path, p.message)).collect();
            wrong.push(format!("{file}: {verdict}, should be {product}: {said:?}"));
        }
        // Far above what any takes on a busy machine: what would fail grows with the square of the file.
        if took.as_secs_f64() > 60.0 {
            wrong.push(format!("{file}: took {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), entries.len(), wrong.join("\n"));
}

#[test]
fn the_shipped_geodata_is_accepted() {
    use vecino::territory::Shipped;
    for name in Shipped::iter().filter(|name| name.ends_with(".geojson")) {
        let report = check::inspect(&Shipped::get(&name).unwrap().data);
        assert!(report.verdict <= Verdict::AcceptWarn, "{name}: {:?}", report.problems);
        assert!(report.problems.iter().all(|p| p.code == "outside" || p.code == "winding"), "{name}: {:?}", report.problems);
    }
}

#[test]
fn a_crossing_in_an_outline_of_thousands_of_corners_is_found() {
    let ring = |twist: bool| {
        let mut ring: Vec<[f64; 2]> =
            (0..4000).map(|n| f64::from(n) / 4000.0 * std::f64::consts::TAU).map(|a| [-91.0 + a.cos() * 0.1, 15.0 + a.sin() * 0.1]).collect();
        if twist {
            ring.swap(1000, 3000);
        }
        ring.push(ring[0]);
        serde_json::to_vec(&serde_json::json!({"type": "Polygon", "coordinates": [ring]})).unwrap()
    };
    assert_eq!(check::inspect(&ring(false)).verdict, Verdict::Accept);
    assert_eq!(check::inspect(&ring(true)).verdict, Verdict::RepairOrReject);
}
