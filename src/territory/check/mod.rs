//! Says what is wrong with a GeoJSON file (RFC 7946) before anything is stored: nothing may be half-imported, moved or dropped in silence.
//!
//! Bytes, depth and width are bounded before parsing, so no file can crash it or hold it up.

mod between;
mod shape;
mod text;

use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

pub(crate) use between::{in_guatemala, overlapping};
pub(crate) use shape::misplaced;
pub use text::MAX_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accept,
    /// Imported, and the person is told.
    AcceptWarn,
    /// Repaired only when the person asks for it and sees what was changed.
    RepairOrReject,
    Reject,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    pub code: &'static str,
    /// Where: `features[3].geometry.coordinates[0]`, or `byte 812 (line 9)`.
    pub path: String,
    pub message: String,
    #[serde(skip)]
    pub verdict: Verdict,
}

/// What was found in one text. `document` is there unless it was rejected.
#[derive(Debug, Clone)]
pub struct Report {
    pub verdict: Verdict,
    pub problems: Vec<Problem>,
    pub features: usize,
    pub document: Option<Value>,
}

/// Problems as they are found; a hostile file cannot make the list endless.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    worst: Option<Verdict>,
    unlisted: usize,
    positions: usize,
    work: usize,
    /// Lines are ways here (routes, streets): closed ones are fine.
    ways: bool,
}

const LISTED: usize = 200;

impl Findings {
    fn add(&mut self, verdict: Verdict, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.worst = self.worst.max(Some(verdict));
        if self.problems.len() < LISTED {
            self.problems.push(Problem { code, path: path.into(), message: message.into(), verdict });
        } else {
            self.unlisted += 1;
            // What refuses the file is said before what only warns.
            if verdict > Verdict::AcceptWarn
                && let Some(mild) = self.problems.iter_mut().rev().find(|p| p.verdict == Verdict::AcceptWarn)
            {
                *mild = Problem { code, path: path.into(), message: message.into(), verdict };
            }
        }
    }
    fn warn(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.add(Verdict::AcceptWarn, code, path, message);
    }
    fn repair(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.add(Verdict::RepairOrReject, code, path, message);
    }
    fn reject(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.add(Verdict::Reject, code, path, message);
    }

    fn report(mut self, features: usize, document: Option<Value>) -> Report {
        if self.unlisted > 0 {
            let more = format!("and {} more problems of these kinds", self.unlisted);
            self.problems.push(Problem { code: "more", path: String::new(), message: more, verdict: Verdict::AcceptWarn });
        }
        let verdict = self.worst.unwrap_or(Verdict::Accept);
        Report { verdict, problems: self.problems, features, document: if verdict == Verdict::Reject { None } else { document } }
    }
}

/// Reads a file whole, but never more than the bound.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let unreadable = |e: std::io::Error| {
        let why = match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file; check the name".to_owned(),
            std::io::ErrorKind::PermissionDenied => "the file may not be read; check its rights".to_owned(),
            _ => format!("the file cannot be read ({e}); check the name and its rights"),
        };
        Error::refused("file-unreadable", format!("{}: {why}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The report on a file that could not even be read.
pub(super) fn unreadable(why: &str) -> Report {
    let mut findings = Findings::default();
    findings.reject("file-unreadable", "", why);
    findings.report(0, None)
}

/// Checks one GeoJSON text.
pub fn inspect(bytes: &[u8]) -> Report {
    inspected(bytes, Findings::default())
}

/// The same for a layer of ways: a closed line is no area drawn with the wrong tool.
pub fn inspect_ways(bytes: &[u8]) -> Report {
    inspected(bytes, Findings { ways: true, ..Findings::default() })
}

fn inspected(bytes: &[u8], mut findings: Findings) -> Report {
    let document = match text::document(bytes, &mut findings) {
        Some(document) => document,
        None => return findings.report(0, None),
    };
    let features = top(&document, &mut findings);
    findings.report(features, Some(document))
}

fn top(document: &Value, findings: &mut Findings) -> usize {
    let Some(object) = document.as_object() else {
        findings.reject("not-an-object", "", "a GeoJSON text is one object; this is something else");
        return 0;
    };
    let esri = ["geometryType", "spatialReference", "rings", "paths", "displayFieldName", "fieldAliases"];
    if !object.contains_key("type") && esri.iter().any(|key| object.contains_key(*key)) {
        findings.reject("esri-json", "", "this is Esri JSON, not GeoJSON; export it again as GeoJSON");
        return 0;
    }
    let Some(kind) = object.get("type").and_then(Value::as_str) else {
        findings.reject("type", "type", "the member «type» must be a text such as FeatureCollection");
        return 0;
    };
    shape::crs(object, findings);
    match kind {
        "Topology" => {
            findings.reject("topojson", "", "this is TopoJSON, not GeoJSON; convert it (topo2geo) and try again");
            0
        }
        "FeatureCollection" => {
            for foreign in ["coordinates", "geometries", "geometry", "properties"] {
                if object.contains_key(foreign) {
                    findings.reject("changed-semantics", foreign, format!("a FeatureCollection may not have a member «{foreign}» (RFC 7946, 7.1)"));
                }
            }
            shape::bbox(object, "", findings);
            let Some(features) = object.get("features").and_then(Value::as_array) else {
                findings.reject("features", "features", "a FeatureCollection needs an array «features»");
                return 0;
            };
            let mut shapes = Vec::with_capacity(features.len());
            for (n, feature) in features.iter().enumerate() {
                shapes.push(shape::feature(feature, &format!("features[{n}]"), findings));
            }
            // A layer without any place may be meant; one thing without a place among others was forgotten.
            let nowhere = |feature: &Value| feature.get("geometry").is_some_and(Value::is_null);
            if !features.iter().all(nowhere) {
                for (n, _) in features.iter().enumerate().filter(|(_, feature)| nowhere(feature)) {
                    findings.warn(
                        "null-geometry",
                        format!("features[{n}].geometry"),
                        "nothing is drawn here, unlike the others; draw it, or leave the feature out",
                    );
                }
            }
            between::all(features, &shapes, findings);
            features.len()
        }
        "Feature" => {
            let shape = shape::feature(document, "", findings);
            between::all(std::slice::from_ref(document), &[shape], findings);
            1
        }
        _ => {
            shape::geometry(document, "", findings);
            1
        }
    }
}
