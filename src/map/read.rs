//! Reads what was published. Nothing here looks at a tally.

use super::Measure;
use super::hiding::Why;
use super::period::{Kind, Name};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::territory::dated::in_force;
use crate::{all, among, one, opt};
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
    /// Why it is hidden; none when it is shown.
    pub why: Option<String>,
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
    /// Whether nothing but a running trial hides it.
    pub fn hidden_by_trial(&self) -> bool {
        self.why.as_deref() == Some(Why::OneArm.name())
    }

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
        "SELECT area, hidden, homes, n, y, rate, ci_low, ci_high, change, change_low, change_high, class, why FROM publication_cell
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
        "SELECT c.period, c.revision, c.area, c.hidden, c.homes, c.n, c.y, c.rate, c.ci_low, c.ci_high, c.change, c.change_low, c.change_high, c.class, c.why
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

#[derive(Debug, Clone)]
pub struct Neighbourhood {
    pub code: String,
    pub name: String,
    pub approximate: bool,
    /// The version whose outline is drawn; none where it did not hold on the day the outlines are of.
    pub outline: Option<Uuid>,
}

/// A stretch of days in which a neighbourhood was as it says.
#[derive(sqlx::FromRow)]
struct Version {
    code: String,
    name: String,
    approximate: bool,
    version_id: Uuid,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
}

impl Version {
    fn holds(&self, day: NaiveDate) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|to| to >= day)
    }
}

/// The neighbourhoods there were between two days, each called as it was last; in the order of their codes, which gives every one its number
/// on the map. Outlines are those of one day, since those of several overlap: the last day on which most of them held.
pub async fn neighbourhoods(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<Vec<Neighbourhood>> {
    let rows: Vec<Version> = all!(
        tx,
        "SELECT n.code, v.name, v.approximate, v.version_id, v.valid_from, v.valid_to FROM neighbourhood n
           JOIN neighbourhood_version v ON v.municipality_id = n.municipality_id AND v.neighbourhood_id = n.neighbourhood_id
          WHERE n.municipality_id = $1 AND v.superseded_at IS NULL AND v.valid_from <= $3 AND (v.valid_to IS NULL OR v.valid_to >= $2)
          ORDER BY v.valid_from",
        municipality,
        first,
        last
    )?;
    let changes = rows.iter().flat_map(|row| [Some(row.valid_from), row.valid_to]).flatten().filter(|day| (first..=last).contains(day));
    let held = |day: NaiveDate| rows.iter().filter(|row| row.holds(day)).count();
    let drawn_on = changes.chain([last]).max_by_key(|day| (held(*day), *day)).unwrap_or(last);
    let mut found: BTreeMap<String, Neighbourhood> = BTreeMap::new();
    for row in rows {
        let outline = row.holds(drawn_on).then_some(row.version_id);
        let before = found.get(&row.code).and_then(|before| before.outline);
        found.insert(row.code.clone(), Neighbourhood { code: row.code, name: row.name, approximate: row.approximate, outline: outline.or(before) });
    }
    Ok(found.into_values().collect())
}

/// The outlines of the same neighbourhoods, by code: large, so asked for only where one is drawn or handed out.
pub async fn outlines(tx: &mut Tx, municipality: MunicipalityId, of: &[Neighbourhood]) -> Result<BTreeMap<String, Value>> {
    let drawn: Vec<Uuid> = of.iter().filter_map(|area| area.outline).collect();
    let found: Vec<(String, Value)> = among!(
        tx,
        "WITH asked (municipality_id, version_id) AS (",
        drawn,
        |version| [municipality, *version],
        ") SELECT n.code, v.geometry FROM asked CROSS JOIN neighbourhood_version v
             JOIN neighbourhood n ON n.municipality_id = v.municipality_id AND n.neighbourhood_id = v.neighbourhood_id
            WHERE v.municipality_id = asked.municipality_id AND v.version_id = asked.version_id"
    )?;
    Ok(found.into_iter().collect())
}

/// Where a neighbourhood that is no more went.
pub struct Ended {
    pub last_day: NaiveDate,
    /// What its streets are part of on the day asked for.
    pub now: Vec<String>,
}

/// Whether a neighbourhood has ended before a day.
pub async fn ended(tx: &mut Tx, municipality: MunicipalityId, code: &str, day: NaiveDate) -> Result<Option<Ended>> {
    let last: Option<(NaiveDate,)> = opt!(
        tx,
        "SELECT MAX(v.valid_to) FROM neighbourhood n
           JOIN neighbourhood_version v ON v.municipality_id = n.municipality_id AND v.neighbourhood_id = n.neighbourhood_id
          WHERE n.municipality_id = $1 AND n.code = $2 AND v.superseded_at IS NULL
         HAVING COUNT(*) > 0 AND COUNT(*) = COUNT(v.valid_to) AND MAX(v.valid_to) < $3",
        municipality,
        code,
        day
    )?;
    let Some((last_day,)) = last else { return Ok(None) };
    let now: Vec<(String,)> = all!(
        tx,
        concat!(
            "SELECT DISTINCT w.name FROM neighbourhood n
               JOIN segment_version o ON o.municipality_id = n.municipality_id AND o.neighbourhood_id = n.neighbourhood_id
                AND o.superseded_at IS NULL AND o.valid_to = $3
               JOIN segment_version s ON s.municipality_id = o.municipality_id AND s.segment_id = o.segment_id AND ",
            in_force!("s", "$4"),
            " JOIN neighbourhood_version w ON w.municipality_id = s.municipality_id AND w.neighbourhood_id = s.neighbourhood_id AND ",
            in_force!("w", "$4"),
            " WHERE n.municipality_id = $1 AND n.code = $2 ORDER BY w.name"
        ),
        municipality,
        code,
        last_day,
        day
    )?;
    Ok(Some(Ended { last_day, now: now.into_iter().map(|(name,)| name).collect() }))
}

/// Something was observed here, whether or not it was published yet; tells an empty page when the first publication comes.
pub async fn first_observed(tx: &mut Tx, municipality: MunicipalityId) -> Result<Option<Week>> {
    let (first,): (Option<i32>,) = one!(tx, "SELECT MIN(iso_week) FROM home_week WHERE municipality_id = $1 AND observed > 0", municipality)?;
    Ok(first.map(Week))
}
