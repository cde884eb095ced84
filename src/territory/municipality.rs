//! The 340 municipalities of Guatemala under their INE codes. All exist; a pilot runs where `pilot` is true.

use super::Shipped;
use super::check::{self, Verdict};
use super::geometry::{self, Plane};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::{all, bulk, opt};
use geo::{Contains, Coord, MultiPolygon};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Municipality {
    pub municipality_id: MunicipalityId,
    /// Four digits, always text: "0114".
    pub code: String,
    pub name: String,
    pub department: String,
    pub pilot: bool,
    /// Short name that signs messages, at most 16 characters.
    pub sender: Option<String>,
    /// Who collects, in a sentence.
    pub collection_model: Option<String>,
    pub approximate: bool,
    pub geometry: Option<Value>,
    pub properties: Value,
}

const COLUMNS: &str =
    "SELECT municipality_id, code, name, department, pilot, sender, collection_model, approximate, geometry, properties FROM municipality";

pub async fn find(tx: &mut Tx, municipality: MunicipalityId) -> Result<Municipality> {
    opt!(tx, sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE municipality_id = $1")), municipality)?.ok_or_else(|| unknown(municipality))
}

fn unknown(municipality: MunicipalityId) -> Error {
    Error::not_found(
        "municipality-unknown",
        format!("municipality {municipality} does not exist; use one of the 340 INE codes, such as 1202 (geodata/municipalities.csv lists them)"),
    )
    .with("code", municipality)
}

/// Where a pilot runs, ordered by code.
pub async fn pilots(tx: &mut Tx) -> Result<Vec<Municipality>> {
    all!(tx, sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE pilot ORDER BY code")))
}

/// Those that have a route, piloted or not.
pub async fn with_routes(tx: &mut Tx) -> Result<Vec<MunicipalityId>> {
    let found: Vec<(MunicipalityId,)> = all!(tx, "SELECT DISTINCT municipality_id FROM route ORDER BY municipality_id")?;
    Ok(found.into_iter().map(|(municipality,)| municipality).collect())
}

/// All of them, ordered by code.
pub async fn every(tx: &mut Tx) -> Result<Vec<Municipality>> {
    all!(tx, sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY code")))
}

/// The 340 rows; those that are there stay as they are.
pub async fn ensure_catalogue(tx: &mut Tx) -> Result<()> {
    let (count,): (i64,) = crate::one!(tx, "SELECT COUNT(*) FROM municipality")?;
    if count >= 340 {
        return Ok(());
    }
    let file = Shipped::get("municipalities.csv").ok_or_else(|| Error::internal("geodata/municipalities.csv is not in the binary"))?;
    let mut rows: Vec<(MunicipalityId, String, String, String)> = Vec::with_capacity(340);
    for record in csv::Reader::from_reader(file.data.as_ref()).records() {
        let record = record.map_err(|e| Error::internal(format!("geodata/municipalities.csv: {e}")))?;
        let text = |n: usize| record.get(n).unwrap_or_default().to_owned();
        rows.push((MunicipalityId::parse(&text(0))?, text(0), text(1), text(2)));
    }
    bulk!(
        tx,
        "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties)",
        rows,
        |row| [row.0, row.1.clone(), row.2.clone(), row.3.clone(), false, false, json!({})],
        "ON CONFLICT (municipality_id) DO NOTHING"
    )?;
    Ok(())
}

/// A municipality's outline on its own plane, to say whether a place lies in it and how far outside it does.
pub struct Outline {
    plane: Plane,
    land: MultiPolygon,
    lakes: Vec<(String, MultiPolygon)>,
}

/// What the outline says about a place. The outlines are coarse: up to 100 m outside is a warning, more is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Inside {
    Yes,
    /// Metres beyond the outline.
    Outside(f64),
    Lake(String),
}

/// How far beyond the coarse outline a place may lie, in metres.
pub const TOLERANCE: f64 = 100.0;

impl Municipality {
    /// Two letters that begin this municipality's household codes.
    pub fn letters(&self) -> String {
        match self.code.as_str() {
            "1202" => "SP".into(),
            "0114" => "AM".into(),
            _ => {
                let letters: String = self.name.chars().filter(char::is_ascii_alphabetic).take(2).collect();
                format!("{:X<2}", letters.to_ascii_uppercase())
            }
        }
    }

    /// `None` when no outline was imported: positions in it cannot be checked.
    pub fn outline(&self) -> Option<Outline> {
        use geo::BoundingRect;
        let land = geometry::areas(&geometry::geometry(self.geometry.as_ref()?));
        let origin = land.bounding_rect()?.center();
        let plane = Plane::at(origin);
        Some(Outline {
            plane,
            land: plane.flat(&land),
            lakes: lakes(&self.code).into_iter().map(|(name, shape)| (name, plane.flat(&shape))).collect(),
        })
    }
}

/// The lakes of a municipality, by name: those of the installation's own file, or those that ship.
pub fn lakes(code: &str) -> Vec<(String, MultiPolygon)> {
    match own_lakes(code) {
        // What is wrong with an own file is said where it is read first, at the start of the server and at an import.
        Ok(Some(own)) => own,
        _ => Shipped::get(&format!("{code}/lakes.geojson"))
            .and_then(|file| serde_json::from_slice::<Value>(&file.data).ok())
            .map_or_else(Vec::new, |document| named_areas(&document)),
    }
}

/// What `lakes/CODE.geojson` in the data folder says; `None` when there is no such file.
pub fn own_lakes(code: &str) -> Result<Option<Vec<(String, MultiPolygon)>>> {
    let Some(file) = crate::app::own_file(&format!("lakes/{code}.geojson")) else { return Ok(None) };
    let report = check::inspect(&check::read(&file)?);
    let place = file.display();
    if report.verdict > Verdict::AcceptWarn {
        let lines = report.problems.iter().filter(|p| p.verdict > Verdict::AcceptWarn).map(|p| format!("{place}: {}: {}", p.path, p.message));
        return Err(Error::refused_lines("lakes", lines.collect()));
    }
    let lakes = report.document.as_ref().map_or_else(Vec::new, named_areas);
    if let Some(at) = lakes.iter().position(|(_, shape)| shape.0.is_empty()) {
        return Err(Error::refused("lakes", format!("{place}: feature {at}: is no area; draw the lake as a Polygon")));
    }
    Ok(Some(lakes))
}

fn named_areas(document: &Value) -> Vec<(String, MultiPolygon)> {
    let features = document["features"].as_array().cloned().unwrap_or_default();
    features
        .iter()
        .map(|f| (f["properties"]["name"].as_str().unwrap_or_default().to_owned(), geometry::areas(&geometry::geometry(&f["geometry"]))))
        .collect()
}

impl Outline {
    pub fn says(&self, place: Coord) -> Inside {
        let place = geo::Point::from(self.plane.metres(place));
        if let Some((name, _)) = self.lakes.iter().find(|(_, lake)| lake.contains(&place)) {
            return Inside::Lake(name.clone());
        }
        if self.land.contains(&place) {
            return Inside::Yes;
        }
        let rings = self.land.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()));
        let away = rings.filter_map(|ring| geometry::along(ring, place.0)).map(|(_, beside)| beside).fold(f64::INFINITY, f64::min);
        if away > 0.0 { Inside::Outside(away) } else { Inside::Yes }
    }
}
