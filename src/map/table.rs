//! One published table: gathered from what its weeks stand on, judged, and written as a whole with a revision number.
//!
//! One pass over the rows gives sums and sums of squares by home, so the interval and the change (`stats::interval`) cost as much as there are
//! neighbourhoods, and pages read nothing but what is written here.

use super::Measure;
use super::hiding::{Area, ArmsOf, Why, blind, hide};
use super::period::{Kind, Name, Span};
use super::subtraction::homes_by_arm;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, sha256_hex};
use crate::stats::interval::{Change, CrossSums, RatioSums, Share, ratio, ratio_change};
use crate::trial::blinding::Arms;
use crate::trial::protocol::Protocol;
use crate::{all, bulk, one, run};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const LEVEL: f64 = 0.95;

/// Sums by home of one area: the period and the one before it.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
struct Row {
    area: String,
    homes2: i64,
    homes1: i64,
    homes: i64,
    n2: i64,
    nn2: i64,
    n1: i64,
    nn1: i64,
    nn: i64,
    c2: i64,
    cc2: i64,
    cn2: i64,
    c1: i64,
    cc1: i64,
    cn1: i64,
    cc: i64,
    c2n1: i64,
    n2c1: i64,
    s2: i64,
    ss2: i64,
    sn2: i64,
    s1: i64,
    ss1: i64,
    sn1: i64,
    ss: i64,
    s2n1: i64,
    n2s1: i64,
}

fn sums_of(integers: [i64; 6]) -> RatioSums {
    let [clusters, y, n, yy, ny, nn] = integers.map(|n| n as f64);
    RatioSums { clusters, n, y, nn, ny, yy }
}

impl Row {
    fn now(&self, measure: Measure) -> RatioSums {
        let (y, yy, yn) = match measure {
            Measure::Complied => (self.c2, self.cc2, self.cn2),
            Measure::SetOut => (self.s2, self.ss2, self.sn2),
        };
        sums_of([self.homes2, y, self.n2, yy, yn, self.nn2])
    }

    fn before(&self, measure: Measure) -> RatioSums {
        let (y, yy, yn) = match measure {
            Measure::Complied => (self.c1, self.cc1, self.cn1),
            Measure::SetOut => (self.s1, self.ss1, self.sn1),
        };
        sums_of([self.homes1, y, self.n1, yy, yn, self.nn1])
    }

    fn cross(&self, measure: Measure) -> CrossSums {
        let (yy, yn, ny) = match measure {
            Measure::Complied => (self.cc, self.c2n1, self.n2c1),
            Measure::SetOut => (self.ss, self.s2n1, self.n2s1),
        };
        let [clusters, yy, yn, ny, nn] = [self.homes, yy, yn, ny, self.nn].map(|n| n as f64);
        CrossSums { clusters, yy, yn, ny, nn }
    }

    fn area(&self, forced: &BTreeMap<String, Why>) -> Area<'_> {
        let forced = forced.get(&self.area);
        Area {
            code: &self.area,
            homes: self.homes2,
            n: self.n2,
            y: [self.c2, self.s2],
            forced: forced == Some(&Why::FewHomes),
            blind: forced == Some(&Why::OneArm),
            before: false,
        }
    }
}

/// What is shown and what is hidden of a table: areas, and '' for the total.
pub(super) type Division = BTreeMap<String, Option<Why>>;

/// What a table is gathered by.
pub(super) struct By<'a> {
    pub protocols: &'a [Protocol],
    /// The arms that may not be told apart.
    pub arms: &'a [Arms],
}

/// One table as gathered and judged, before it is written.
pub(super) struct Table {
    span: Span,
    rows: Vec<Row>,
    total: Row,
    hidden: Division,
    /// Areas (and '' for the total) whose rate of the period before was shown.
    comparable: BTreeSet<String>,
}

impl Table {
    /// `division`: that of a week which was published before; without it the rules of `hiding` decide.
    pub(super) async fn gather(tx: &mut Tx, municipality: MunicipalityId, span: &Span, by: &By<'_>, division: Option<&Division>) -> Result<Table> {
        let previous = span.name.previous().and_then(|name| name.weeks(by.protocols).map(|(first, last)| (name, first, last)));
        let (from, before_last) = previous.as_ref().map_or((span.first, Week(0)), |(_, first, last)| (*first, *last));
        let by_area = sums(tx, municipality, true, from, before_last, span).await?;
        let total = sums(tx, municipality, false, from, before_last, span).await?.pop().unwrap_or_default();
        let mut by_area: BTreeMap<String, Row> = by_area.into_iter().map(|row| (row.area.clone(), row)).collect();
        let there = super::read::neighbourhoods(tx, municipality, span.first.monday(), span.last.sunday()).await?;
        let mut codes: BTreeSet<String> = there.into_iter().map(|area| area.code).collect();
        codes.extend(by_area.iter().filter(|(_, row)| row.n2 > 0).map(|(area, _)| area.clone()));
        let rows: Vec<Row> = codes.into_iter().map(|area| by_area.remove(&area).unwrap_or(Row { area, ..Row::default() })).collect();
        let before = match &previous {
            Some((name, ..)) => division_of(tx, municipality, &name.to_string()).await?.unwrap_or_default(),
            None => Division::new(),
        };
        let comparable = before.iter().filter(|(_, why)| why.is_none()).map(|(area, _)| area.clone()).collect();
        if let Some(division) = division {
            // Where nobody was observed before and few are now.
            let hidden = rows.iter().map(|row| row.area.as_str()).chain([""]);
            let hidden = hidden.map(|area| (area.to_owned(), division.get(area).copied().unwrap_or(Some(Why::FewHomes)))).collect();
            return Ok(Table { span: span.clone(), rows, total, hidden, comparable });
        }
        let forced = forced(tx, municipality, span).await?;
        let hidden_before = |area: &str| before.get(area).copied().flatten();
        let several = match rows.iter().map(|row| row.homes2).sum::<i64>() > total.homes2 {
            true => in_several(tx, municipality, span).await?,
            false => Vec::new(),
        };
        let whole = total.area(&forced);
        let areas: Vec<Area<'_>> =
            rows.iter().map(|row| Area { before: hidden_before(&row.area) == Some(Why::FewHomes), ..row.area(&forced) }).collect();
        let few = hide(&areas, &whole, &several);
        let areas: Vec<Area<'_>> = areas.into_iter().map(|area| Area { before: hidden_before(area.code).is_some(), ..area }).collect();
        let all = blind(&few, &areas, &whole, &several, &by_arm(tx, municipality, span, by.arms).await?);
        let why = |hidden: bool, few: bool| hidden.then_some(if few { Why::FewHomes } else { Why::OneArm });
        let found = all.areas.iter().zip(&few.areas).map(|(hidden, few)| why(*hidden, *few));
        let mut hidden: Division = rows.iter().map(|row| row.area.clone()).zip(found).collect();
        hidden.insert(String::new(), why(all.total, few.total));
        Ok(Table { span: span.clone(), rows, total, hidden, comparable })
    }

    /// Whether a running trial alone hides something of it.
    pub(super) fn is_blind(&self) -> bool {
        self.hidden.values().any(|why| *why == Some(Why::OneArm))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total.now(Measure::Complied).n <= 0.0
    }

    /// Names what the table stands on: all sums of both periods, area by area.
    pub(super) fn source_hash(&self) -> String {
        let mut text = String::from("1\n");
        for row in self.rows.iter().chain([&self.total]) {
            let _ = writeln!(text, "{row:?}");
        }
        sha256_hex(text.as_bytes())
    }

    pub(super) async fn write(&self, tx: &mut Tx, municipality: MunicipalityId, revision: i32, now: DateTime<Utc>) -> Result<()> {
        let period = self.span.name.to_string();
        run!(
            tx,
            "INSERT INTO publication (municipality_id, period, revision, kind, first_week, last_week, published_at, source_hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            municipality,
            &period,
            revision,
            self.span.name.kind().name(),
            self.span.first,
            self.span.last,
            now,
            self.source_hash()
        )?;
        let cells = self.cells(tx, municipality).await?;
        bulk!(
            tx,
            "INSERT INTO publication_cell (municipality_id, period, revision, measure, area, hidden, homes, n, y, rate, ci_low, ci_high,
                                           change, change_low, change_high, class, why)",
            cells,
            |cell| [
                municipality,
                period.clone(),
                revision,
                cell.measure,
                cell.area.to_owned(),
                cell.hidden,
                cell.count(cell.sums.clusters),
                cell.count(cell.sums.n),
                cell.count(cell.sums.y),
                cell.rate.map(|e| e.rate),
                cell.rate.map(|e| e.low),
                cell.rate.map(|e| e.high),
                cell.change.map(|e| e.difference),
                cell.change.map(|e| e.low),
                cell.change.map(|e| e.high),
                cell.class,
                cell.why.map(Why::name)
            ],
            ""
        )?;
        Ok(())
    }

    async fn cells(&self, tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<NewCell<'_>>> {
        let mut cells = Vec::new();
        for measure in Measure::ALL {
            let breaks = super::read::breaks(tx, municipality, measure).await?;
            for row in self.rows.iter().chain([&self.total]) {
                let why = self.hidden.get(&row.area).copied().unwrap_or(Some(Why::FewHomes));
                let sums = row.now(measure);
                let rate = why.is_none().then(|| ratio(&sums, LEVEL)).flatten();
                let compared = rate.filter(|_| self.comparable.contains(&row.area));
                let change = compared.and_then(|_| ratio_change(&sums, &row.before(measure), &row.cross(measure), LEVEL));
                let class = rate.filter(|_| breaks.fixed).map(|rate| breaks.class(rate.rate));
                cells.push(NewCell {
                    measure: measure.name(),
                    area: &row.area,
                    hidden: rate.is_none(),
                    why: why.or(rate.is_none().then_some(Why::FewHomes)),
                    sums,
                    rate,
                    change,
                    class,
                });
            }
        }
        Ok(cells)
    }

    /// Whether the stored cells of a revision are what this table would write, but for the classes, whose breaks are fixed later.
    pub(super) async fn stands(&self, tx: &mut Tx, municipality: MunicipalityId, revision: i32) -> Result<bool> {
        type Stored = (String, String, Option<i32>, Option<i32>, Option<i32>, Option<f64>, Option<f64>, Option<f64>, Option<f64>, Option<String>);
        let stored: Vec<Stored> = all!(
            tx,
            "SELECT measure, area, homes, n, y, ci_low, ci_high, change_low, change_high, why FROM publication_cell
             WHERE municipality_id = $1 AND period = $2 AND revision = $3",
            municipality,
            self.span.name.to_string(),
            revision
        )?;
        let cells = self.cells(tx, municipality).await?;
        let same = |cell: &NewCell<'_>, row: &Stored| {
            let ends = |low: Option<f64>, high: Option<f64>, own: Option<(f64, f64)>| low.zip(high) == own;
            (row.2, row.3, row.4) == (cell.count(cell.sums.clusters), cell.count(cell.sums.n), cell.count(cell.sums.y))
                && row.9.as_deref() == cell.why.map(Why::name)
                && ends(row.5, row.6, cell.rate.map(|e| (e.low, e.high)))
                && ends(row.7, row.8, cell.change.map(|e| (e.low, e.high)))
        };
        let known: BTreeMap<(&str, &str), &Stored> = stored.iter().map(|row| ((row.0.as_str(), row.1.as_str()), row)).collect();
        Ok(known.len() == cells.len() && cells.iter().all(|cell| known.get(&(cell.measure, cell.area)).is_some_and(|row| same(cell, row))))
    }
}

struct NewCell<'a> {
    measure: &'static str,
    area: &'a str,
    hidden: bool,
    why: Option<Why>,
    sums: RatioSums,
    rate: Option<Share>,
    change: Option<Change>,
    class: Option<i16>,
}

impl NewCell<'_> {
    /// The sums are whole numbers; they fit the column at any size of a municipality.
    fn count(&self, n: f64) -> Option<i32> {
        (!self.hidden).then_some(n as i32)
    }
}

/// The one pass: by home, then by neighbourhood (or over the whole municipality). An area is where the home lay on the collection day.
async fn sums(tx: &mut Tx, municipality: MunicipalityId, by_area: bool, from: Week, before_last: Week, span: &Span) -> Result<Vec<Row>> {
    all!(
        tx,
        "SELECT area,
           COUNT(CASE WHEN n2 > 0 THEN 1 END) AS homes2, COUNT(CASE WHEN n1 > 0 THEN 1 END) AS homes1,
           COUNT(CASE WHEN n1 + n2 > 0 THEN 1 END) AS homes,
           CAST(SUM(n2) AS BIGINT) AS n2, CAST(SUM(n2 * n2) AS BIGINT) AS nn2,
           CAST(SUM(n1) AS BIGINT) AS n1, CAST(SUM(n1 * n1) AS BIGINT) AS nn1, CAST(SUM(n1 * n2) AS BIGINT) AS nn,
           CAST(SUM(c2) AS BIGINT) AS c2, CAST(SUM(c2 * c2) AS BIGINT) AS cc2, CAST(SUM(c2 * n2) AS BIGINT) AS cn2,
           CAST(SUM(c1) AS BIGINT) AS c1, CAST(SUM(c1 * c1) AS BIGINT) AS cc1, CAST(SUM(c1 * n1) AS BIGINT) AS cn1,
           CAST(SUM(c2 * c1) AS BIGINT) AS cc, CAST(SUM(c2 * n1) AS BIGINT) AS c2n1, CAST(SUM(n2 * c1) AS BIGINT) AS n2c1,
           CAST(SUM(s2) AS BIGINT) AS s2, CAST(SUM(s2 * s2) AS BIGINT) AS ss2, CAST(SUM(s2 * n2) AS BIGINT) AS sn2,
           CAST(SUM(s1) AS BIGINT) AS s1, CAST(SUM(s1 * s1) AS BIGINT) AS ss1, CAST(SUM(s1 * n1) AS BIGINT) AS sn1,
           CAST(SUM(s2 * s1) AS BIGINT) AS ss, CAST(SUM(s2 * n1) AS BIGINT) AS s2n1, CAST(SUM(n2 * s1) AS BIGINT) AS n2s1
         FROM (
           SELECT CASE WHEN $6 THEN nb.code ELSE '' END AS area, hw.household_id,
             SUM(CASE WHEN hw.iso_week >= $4 THEN hw.observed ELSE 0 END) AS n2,
             SUM(CASE WHEN hw.iso_week >= $4 THEN hw.complied ELSE 0 END) AS c2,
             SUM(CASE WHEN hw.iso_week >= $4 THEN hw.set_out ELSE 0 END) AS s2,
             SUM(CASE WHEN hw.iso_week <= $3 THEN hw.observed ELSE 0 END) AS n1,
             SUM(CASE WHEN hw.iso_week <= $3 THEN hw.complied ELSE 0 END) AS c1,
             SUM(CASE WHEN hw.iso_week <= $3 THEN hw.set_out ELSE 0 END) AS s1
           FROM published_home_week hw
           JOIN neighbourhood nb ON nb.municipality_id = hw.municipality_id AND nb.neighbourhood_id = hw.neighbourhood_id
           WHERE hw.municipality_id = $1 AND hw.iso_week >= $2 AND hw.iso_week <= $5 AND hw.to_revision IS NULL
           GROUP BY 1, 2
         ) by_home
         GROUP BY area",
        municipality,
        from,
        before_last,
        span.first,
        span.last,
        by_area
    )
}

/// Of each home that was observed in more than one area of a period, the areas.
async fn in_several(tx: &mut Tx, municipality: MunicipalityId, span: &Span) -> Result<Vec<BTreeSet<String>>> {
    let rows: Vec<(HouseholdId, String)> = all!(
        tx,
        "SELECT DISTINCT hw.household_id, nb.code FROM published_home_week hw
         JOIN neighbourhood nb ON nb.municipality_id = hw.municipality_id AND nb.neighbourhood_id = hw.neighbourhood_id
         WHERE hw.municipality_id = $1 AND hw.iso_week >= $2 AND hw.iso_week <= $3 AND hw.to_revision IS NULL AND hw.observed > 0
           AND hw.household_id IN (
             SELECT o.household_id FROM published_home_week o
             WHERE o.municipality_id = $1 AND o.iso_week >= $2 AND o.iso_week <= $3 AND o.to_revision IS NULL AND o.observed > 0
             GROUP BY o.household_id HAVING COUNT(DISTINCT o.neighbourhood_id) > 1)",
        municipality,
        span.first,
        span.last
    )?;
    let mut areas: BTreeMap<HouseholdId, BTreeSet<String>> = BTreeMap::new();
    for (home, area) in rows {
        areas.entry(home).or_default().insert(area);
    }
    Ok(areas.into_values().collect())
}

/// What the latest revision of a period shows and hides; `None` when it was never published.
pub(super) async fn division_of(tx: &mut Tx, municipality: MunicipalityId, period: &str) -> Result<Option<Division>> {
    let (revision,): (Option<i32>,) =
        one!(tx, "SELECT MAX(revision) FROM publication WHERE municipality_id = $1 AND period = $2", municipality, period)?;
    let Some(revision) = revision else { return Ok(None) };
    let cells: Vec<(String, bool, Option<String>)> = all!(
        tx,
        "SELECT area, hidden, why FROM publication_cell WHERE municipality_id = $1 AND period = $2 AND revision = $3 AND measure = 'complied'",
        municipality,
        period,
        revision
    )?;
    Ok(Some(cells.into_iter().map(|(area, hidden, why)| (area, hidden.then(|| read_why(why)))).collect()))
}

fn read_why(why: Option<String>) -> Why {
    why.as_deref().and_then(Why::parse).unwrap_or(Why::FewHomes)
}

/// Of each trial whose arms may not be told apart in a week, its observed homes by area and arm. A longer period shows sums of weeks.
async fn by_arm(tx: &mut Tx, municipality: MunicipalityId, span: &Span, arms: &[Arms]) -> Result<Vec<ArmsOf>> {
    let Name::Week(week) = span.name else { return Ok(Vec::new()) };
    if arms.is_empty() {
        return Ok(Vec::new());
    }
    let there: Vec<(HouseholdId, String)> = all!(
        tx,
        "SELECT hw.household_id, nb.code FROM published_home_week hw
         JOIN neighbourhood nb ON nb.municipality_id = hw.municipality_id AND nb.neighbourhood_id = hw.neighbourhood_id
         WHERE hw.municipality_id = $1 AND hw.iso_week = $2 AND hw.to_revision IS NULL AND hw.observed > 0",
        municipality,
        week
    )?;
    Ok(arms.iter().map(|arms| homes_by_arm(there.iter().map(|(home, area)| (home, area.as_str())), &arms.of(week))).collect())
}

/// Areas (and '' for the total) that a longer period must hide: hidden in a week it holds in which somebody was observed there.
async fn forced(tx: &mut Tx, municipality: MunicipalityId, span: &Span) -> Result<BTreeMap<String, Why>> {
    if span.name.kind() == Kind::Week {
        return Ok(BTreeMap::new());
    }
    let observed: Vec<(i32, String)> = all!(
        tx,
        "SELECT hw.iso_week, nb.code FROM published_home_week hw
         JOIN neighbourhood nb ON nb.municipality_id = hw.municipality_id AND nb.neighbourhood_id = hw.neighbourhood_id
         WHERE hw.municipality_id = $1 AND hw.iso_week >= $2 AND hw.iso_week <= $3
         GROUP BY hw.iso_week, nb.code",
        municipality,
        span.first,
        span.last
    )?;
    let mut seen: BTreeSet<(i32, String)> = observed.into_iter().collect();
    seen.extend(seen.iter().map(|(week, _)| (*week, String::new())).collect::<Vec<_>>());
    // An area that was empty at first is shown in a later revision of the week: the latest one says what is hidden.
    let hidden: Vec<(i32, String, Option<String>)> = all!(
        tx,
        "SELECT p.first_week, c.area, c.why FROM publication p
         JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision
         WHERE p.municipality_id = $1 AND p.first_week >= $2 AND p.last_week <= $3 AND p.kind = 'week' AND c.measure = 'complied' AND c.hidden = $4
           AND p.revision = (SELECT MAX(q.revision) FROM publication q WHERE q.municipality_id = p.municipality_id AND q.period = p.period)",
        municipality,
        span.first,
        span.last,
        true
    )?;
    let mut forced: BTreeMap<String, Why> = BTreeMap::new();
    for (week, area, why) in hidden {
        let why = read_why(why);
        if seen.contains(&(week, area.clone())) {
            // Few homes in one of its weeks is the reason that stays.
            forced.entry(area).and_modify(|known| *known = why.min(*known)).or_insert(why);
        }
    }
    Ok(forced)
}
