//! Reads what was published. Nothing here looks at a tally.

use super::Measure;
use super::period::{Kind, Name};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::{all, among, one};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A published period in its latest revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub name: Name,
    pub period: String,
    pub revision: i32,
    pub first: Week,
    pub last: Week,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Cell {
    pub area: String,
    pub hidden: bool,
    pub homes: Option<i32>,
    pub n: Option<i32>,
    pub y: Option<i32>,
    pub rate: Option<f64>,
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
    pub change: Option<f64>,
    pub change_low: Option<f64>,
    pub change_high: Option<f64>,
    pub class: Option<i16>,
}

/// A rate that is shown, with all that must travel with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    pub rate: f64,
    pub low: f64,
    pub high: f64,
    pub homes: i64,
    pub n: i64,
    pub change: Option<(f64, f64, f64)>,
}

impl Cell {
    pub fn shown(&self) -> Option<Shown> {
        let (rate, low, high, homes, n) = (self.rate?, self.ci_low?, self.ci_high?, self.homes?, self.n?);
        let change = self.change.zip(self.change_low).zip(self.change_high).map(|((value, low), high)| (value, low, high));
        Some(Shown { rate, low, high, homes: homes.into(), n: n.into(), change })
    }
}

/// How a place stands to the whole municipality: clearly below or above when the municipality's rate lies outside the place's interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Below,
    Alike,
    Above,
    Hidden,
}

impl Standing {
    pub fn of(cell: Option<Shown>, municipality: Option<Shown>) -> Standing {
        match (cell, municipality) {
            (None, _) => Standing::Hidden,
            (Some(cell), Some(whole)) if cell.high < whole.rate => Standing::Below,
            (Some(cell), Some(whole)) if cell.low > whole.rate => Standing::Above,
            _ => Standing::Alike,
        }
    }

    /// Drawn after the number: the same sign stands in the table's group heading.
    pub fn sign(self) -> &'static str {
        match self {
            Standing::Below => "▼",
            Standing::Above => "▲",
            _ => "",
        }
    }
}

/// Lower ends of classes 2 to 5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaks {
    pub lower: [f64; 4],
    /// False until the baseline is published: even fifths stand in, and the page says so.
    pub fixed: bool,
}

impl Breaks {
    pub fn class(&self, rate: f64) -> i16 {
        // A rate a rounding error below its break belongs above it: 0.6 is not less than 60 of 100.
        1 + self.lower.iter().filter(|lower| rate >= **lower - 1e-9).count() as i16
    }
}

pub async fn breaks(tx: &mut Tx, municipality: MunicipalityId, measure: Measure) -> Result<Breaks> {
    let rows: Vec<(f64,)> = all!(
        tx,
        "SELECT lower FROM map_class WHERE municipality_id = $1 AND measure = $2 AND class > 1 ORDER BY class",
        municipality,
        measure.name()
    )?;
    Ok(match rows[..] {
        [(a,), (b,), (c,), (d,)] => Breaks { lower: [a, b, c, d], fixed: true },
        _ => Breaks { lower: [0.2, 0.4, 0.6, 0.8], fixed: false },
    })
}

/// Every published period in its latest revision, oldest first.
pub async fn published(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Published>> {
    let rows: Vec<(String, i32, Week, Week, DateTime<Utc>)> = all!(
        tx,
        "SELECT period, revision, first_week, last_week, published_at FROM publication WHERE municipality_id = $1 ORDER BY last_week, period, revision",
        municipality
    )?;
    let mut published: Vec<Published> = Vec::new();
    for (period, revision, first, last, at) in rows {
        let next = Published { name: Name::parse(&period)?, period, revision, first, last, at };
        match published.last_mut().filter(|before| before.period == next.period) {
            Some(before) => *before = next,
            None => published.push(next),
        }
    }
    Ok(published)
}

/// One published table in the order of the area codes, the whole municipality ('') apart.
pub async fn table(tx: &mut Tx, municipality: MunicipalityId, of: &Published, measure: Measure) -> Result<(Option<Cell>, Vec<Cell>)> {
    let mut cells: Vec<Cell> = all!(
        tx,
        "SELECT area, hidden, homes, n, y, rate, ci_low, ci_high, change, change_low, change_high, class FROM publication_cell
         WHERE municipality_id = $1 AND period = $2 AND revision = $3 AND measure = $4",
        municipality,
        &of.period,
        of.revision,
        measure.name()
    )?;
    cells.sort_by(|a, b| a.area.cmp(&b.area));
    let whole = cells.iter().position(|cell| cell.area.is_empty()).map(|at| cells.remove(at));
    Ok((whole, cells))
}

/// What was shown of one area in each published period, oldest first; `None` was hidden.
pub type Path = Vec<(Published, Option<Shown>)>;

/// What one area ('' for the municipality) showed in every published period of a kind, oldest first.
pub async fn path(tx: &mut Tx, municipality: MunicipalityId, area: &str, measure: Measure, kind: Kind, published: &[Published]) -> Result<Path> {
    #[derive(sqlx::FromRow)]
    struct Row {
        period: String,
        revision: i32,
        #[sqlx(flatten)]
        cell: Cell,
    }
    let rows: Vec<Row> = all!(
        tx,
        "SELECT c.period, c.revision, c.area, c.hidden, c.homes, c.n, c.y, c.rate, c.ci_low, c.ci_high, c.change, c.change_low, c.change_high, c.class
         FROM publication p
         JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision
         WHERE p.municipality_id = $1 AND p.kind = $2 AND c.area = $3 AND c.measure = $4",
        municipality,
        kind.name(),
        area,
        measure.name()
    )?;
    let of = |p: &Published| rows.iter().find(|row| row.period == p.period && row.revision == p.revision).and_then(|row| row.cell.shown());
    Ok(published.iter().filter(|p| p.name.kind() == kind).map(|p| (p.clone(), of(p))).collect())
}

/// The place a map page stands in.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Place {
    pub municipality_id: MunicipalityId,
    pub code: String,
    pub name: String,
    pub approximate: bool,
    pub pilot: bool,
}

pub async fn place(tx: &mut Tx, municipality: MunicipalityId) -> Result<Place> {
    crate::opt!(tx, "SELECT municipality_id, code, name, approximate, pilot FROM municipality WHERE municipality_id = $1", municipality)?.ok_or_else(
        || {
            Error::not_found("municipality-unknown", format!("there is no municipality {municipality}; use one of the 340 codes of INE"))
                .with("code", municipality)
        },
    )
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Neighbourhood {
    pub code: String,
    pub name: String,
    pub approximate: bool,
    /// The facts it is shown by; an outline drawn anew is another version.
    pub version_id: Uuid,
}

/// The neighbourhoods there were between two days, each as it was last; in the order of their codes, which gives every one its number on the
/// map.
pub async fn neighbourhoods(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Vec<Neighbourhood>> {
    let rows: Vec<Neighbourhood> = all!(
        tx,
        "SELECT n.code, v.name, v.approximate, v.version_id FROM neighbourhood n
           JOIN neighbourhood_version v ON v.municipality_id = n.municipality_id AND v.neighbourhood_id = n.neighbourhood_id
          WHERE n.municipality_id = $1 AND v.superseded_at IS NULL AND v.valid_from <= $3 AND (v.valid_to IS NULL OR v.valid_to >= $2)
          ORDER BY v.valid_from",
        municipality,
        first,
        last
    )?;
    let last: BTreeMap<String, Neighbourhood> = rows.into_iter().map(|row| (row.code.clone(), row)).collect();
    Ok(last.into_values().collect())
}

/// The outlines of the same neighbourhoods, by code: large, so asked for only where one is drawn or handed out.
pub async fn outlines(tx: &mut Tx, municipality: MunicipalityId, of: &[Neighbourhood]) -> Result<BTreeMap<String, Value>> {
    let found: Vec<(String, Value)> = among!(
        tx,
        "WITH asked (municipality_id, version_id) AS (",
        of,
        |area| [municipality, area.version_id],
        ") SELECT n.code, v.geometry FROM asked CROSS JOIN neighbourhood_version v
             JOIN neighbourhood n ON n.municipality_id = v.municipality_id AND n.neighbourhood_id = v.neighbourhood_id
            WHERE v.municipality_id = asked.municipality_id AND v.version_id = asked.version_id"
    )?;
    Ok(found.into_iter().collect())
}

/// Something was observed here, whether or not it was published yet; tells an empty page when the first publication comes.
pub async fn first_observed(tx: &mut Tx, municipality: MunicipalityId) -> Result<Option<Week>> {
    let (first,): (Option<i32>,) = one!(tx, "SELECT MIN(iso_week) FROM home_week WHERE municipality_id = $1 AND observed > 0", municipality)?;
    Ok(first.map(Week))
}
