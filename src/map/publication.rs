//! Publishing: each period once, as a whole, from the tallies of homes with service; revised only as a whole with the next revision number
//! ([`super::revision`]).
//!
//! A week takes what it stands on from the tallies ([`super::basis`]); longer periods stand on what their weeks stand on, so that a week, its
//! block and its phase never say different things. One pass over those rows per table gives sums and sums of squares by home, so the interval and the change (`stats::interval`) cost as
//! much as there are neighbourhoods, and pages read nothing but what is written here.

use super::hiding::{Area, hide};
use super::period::{Kind, Name, Span, due};
use super::{Measure, basis, revision};
use crate::account::audit;
use crate::clock::{Week, at_local, local_day};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, sha256_hex};
use crate::stats::interval::{Change, CrossSums, RatioSums, Share, ratio, ratio_change};
use crate::trial::protocol::{Phase, Protocol, published_on};
use crate::{all, bulk, one, opt, run};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const LEVEL: f64 = 0.95;
/// Breaks agreed with the two municipalities, lower ends of classes 2 to 5. Any other pair of municipality and measure gets the default rule.
const AGREED: [(i16, Measure, [f64; 4]); 2] =
    [(1202, Measure::Complied, [0.40, 0.50, 0.60, 0.70]), (114, Measure::Complied, [0.25, 0.35, 0.45, 0.55])];
/// Without a trial the first four published weeks stand for the baseline.
const WEEKS_WITHOUT_TRIAL: i64 = 4;

/// Publishes every week, block and phase whose Wednesday has come and that was not published yet; answers their names. Calling it again
/// changes nothing.
pub async fn publish_due(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<String>> {
    // Two servers that publish at once wait for each other here.
    run!(tx, "UPDATE municipality SET pilot = pilot WHERE municipality_id = $1", municipality)?;
    let Some(from) = first_week(tx, municipality).await? else { return Ok(Vec::new()) };
    let protocols = protocols(tx, municipality).await?;
    let done: Vec<(String,)> = all!(tx, "SELECT DISTINCT period FROM publication WHERE municipality_id = $1", municipality)?;
    let done: BTreeSet<String> = done.into_iter().map(|(period,)| period).collect();
    let mut names = Vec::new();
    let mut weeks = BTreeSet::new();
    for span in due(from, local_day(now), &protocols) {
        let name = span.name.to_string();
        if done.contains(&name) {
            continue;
        }
        if let Name::Week(week) = span.name {
            basis::take(tx, municipality, week).await?;
        }
        let table = Table::gather(tx, municipality, &span, &protocols, None).await?;
        // A period nobody was observed in waits: published empty, its areas would stay hidden when its observations come in late.
        if table.is_empty() {
            continue;
        }
        table.write(tx, municipality, 1, now).await?;
        names.push(name);
        if let Name::Week(week) = span.name {
            weeks.insert(week);
        }
        fix_breaks(tx, municipality, from, &protocols).await?;
    }
    if !names.is_empty() {
        let again = revision::published_late(tx, municipality, weeks, now).await?;
        let entry = audit::Entry {
            stream: "publication",
            actor: "vecino",
            action: "published",
            target: "map",
            detail: json!({ "periods": names, "revised": again }),
        };
        audit::record(tx, municipality, now, entry).await?;
    }
    Ok(names)
}

/// For a history that was loaded at once: publishes as if somebody had done so at six o'clock of every Wednesday up to `now`.
pub async fn publish_history(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<String>> {
    let Some(mut week) = first_week(tx, municipality).await? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    while at_local(published_on(week), 6, 0) <= now {
        names.extend(publish_due(tx, municipality, at_local(published_on(week), 6, 0)).await?);
        week = week.plus(1);
    }
    Ok(names)
}

async fn first_week(tx: &mut Tx, municipality: MunicipalityId) -> Result<Option<Week>> {
    let (first,): (Option<i32>,) = one!(tx, "SELECT MIN(iso_week) FROM home_week WHERE municipality_id = $1 AND observed > 0", municipality)?;
    Ok(first.map(Week))
}

/// The frozen trials that run in this municipality.
pub(super) async fn protocols(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Protocol>> {
    let texts: Vec<(String, String)> = all!(tx, "SELECT trial_id, protocol FROM trial WHERE frozen_at IS NOT NULL ORDER BY trial_id")?;
    let mut protocols = Vec::new();
    for (id, text) in texts {
        let protocol = Protocol::parse(&text, &id)?;
        if protocol.municipalities.contains(&municipality.to_string()) {
            protocols.push(protocol);
        }
    }
    Ok(protocols)
}

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

    fn area(&self) -> Area<'_> {
        Area { code: &self.area, homes: self.homes2, n: self.n2, y: [self.c2, self.s2], ..Area::default() }
    }
}

/// One table as gathered and judged, before it is written.
pub(super) struct Table {
    span: Span,
    rows: Vec<Row>,
    total: Row,
    hidden: BTreeMap<String, bool>,
    /// Areas (and '' for the total) whose rate of the period before was shown.
    comparable: BTreeSet<String>,
}

impl Table {
    /// `shown`: the areas (and '' for the total) that a week which was published before shows; without it the rules of `hiding` decide.
    pub(super) async fn gather(
        tx: &mut Tx,
        municipality: MunicipalityId,
        span: &Span,
        protocols: &[Protocol],
        shown: Option<&BTreeSet<String>>,
    ) -> Result<Table> {
        let previous = span.name.previous().and_then(|name| name.weeks(protocols).map(|(first, last)| (name, first, last)));
        let (from, before_last) = previous.as_ref().map_or((span.first, Week(0)), |(_, first, last)| (*first, *last));
        let by_area = sums(tx, municipality, true, from, before_last, span).await?;
        let total = sums(tx, municipality, false, from, before_last, span).await?.pop().unwrap_or_default();
        let mut by_area: BTreeMap<String, Row> = by_area.into_iter().map(|row| (row.area.clone(), row)).collect();
        let there = super::read::neighbourhoods(tx, municipality, span.first.monday(), span.last.sunday()).await?;
        let mut codes: BTreeSet<String> = there.into_iter().map(|area| area.code).collect();
        codes.extend(by_area.iter().filter(|(_, row)| row.n2 > 0).map(|(area, _)| area.clone()));
        let rows: Vec<Row> = codes.into_iter().map(|area| by_area.remove(&area).unwrap_or(Row { area, ..Row::default() })).collect();
        let comparable = match &previous {
            Some((name, ..)) => shown_in(tx, municipality, &name.to_string()).await?,
            None => None,
        };
        let before = comparable.clone();
        let forced = forced(tx, municipality, span).await?;
        let areas: Vec<Area<'_>> = rows
            .iter()
            .map(|row| Area {
                forced: forced.contains(&row.area),
                before: before.as_ref().is_some_and(|shown| !shown.contains(&row.area)),
                ..row.area()
            })
            .collect();
        let verdict = hide(&areas, &Area { forced: forced.contains(""), ..total.area() });
        let mut hidden: BTreeMap<String, bool> = rows.iter().map(|row| row.area.clone()).zip(verdict.areas).collect();
        hidden.insert(String::new(), verdict.total);
        if let Some(shown) = shown {
            hidden.iter_mut().for_each(|(area, hidden)| *hidden = !shown.contains(area));
        }
        Ok(Table { span: span.clone(), rows, total, hidden, comparable: comparable.unwrap_or_default() })
    }

    fn is_empty(&self) -> bool {
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
                                           change, change_low, change_high, class)",
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
                cell.class
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
                let shown = !self.hidden.get(&row.area).copied().unwrap_or(true);
                let sums = row.now(measure);
                let rate = shown.then(|| ratio(&sums, LEVEL)).flatten();
                let compared = rate.filter(|_| self.comparable.contains(&row.area));
                let change = compared.and_then(|_| ratio_change(&sums, &row.before(measure), &row.cross(measure), LEVEL));
                let class = rate.filter(|_| breaks.fixed).map(|rate| breaks.class(rate.rate));
                cells.push(NewCell { measure: measure.name(), area: &row.area, hidden: rate.is_none(), sums, rate, change, class });
            }
        }
        Ok(cells)
    }

    /// Whether the stored cells of a revision are what this table would write, but for the classes, whose breaks are fixed later.
    pub(super) async fn stands(&self, tx: &mut Tx, municipality: MunicipalityId, revision: i32) -> Result<bool> {
        type Stored = (String, String, Option<i32>, Option<i32>, Option<i32>, Option<f64>, Option<f64>, Option<f64>, Option<f64>);
        let stored: Vec<Stored> = all!(
            tx,
            "SELECT measure, area, homes, n, y, ci_low, ci_high, change_low, change_high FROM publication_cell
             WHERE municipality_id = $1 AND period = $2 AND revision = $3",
            municipality,
            self.span.name.to_string(),
            revision
        )?;
        let cells = self.cells(tx, municipality).await?;
        let same = |cell: &NewCell<'_>, row: &Stored| {
            let ends = |low: Option<f64>, high: Option<f64>, own: Option<(f64, f64)>| low.zip(high) == own;
            (row.2, row.3, row.4) == (cell.count(cell.sums.clusters), cell.count(cell.sums.n), cell.count(cell.sums.y))
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

/// The areas whose cells the latest revision of a period shows; `None` when it was never published.
pub(super) async fn shown_in(tx: &mut Tx, municipality: MunicipalityId, period: &str) -> Result<Option<BTreeSet<String>>> {
    let (revision,): (Option<i32>,) =
        one!(tx, "SELECT MAX(revision) FROM publication WHERE municipality_id = $1 AND period = $2", municipality, period)?;
    let Some(revision) = revision else { return Ok(None) };
    let shown: Vec<(String,)> = all!(
        tx,
        "SELECT area FROM publication_cell WHERE municipality_id = $1 AND period = $2 AND revision = $3 AND measure = 'complied' AND hidden = $4",
        municipality,
        period,
        revision,
        false
    )?;
    Ok(Some(shown.into_iter().map(|(area,)| area).collect()))
}

/// Areas (and '' for the total) that a longer period must hide: hidden in a week it holds in which somebody was observed there.
async fn forced(tx: &mut Tx, municipality: MunicipalityId, span: &Span) -> Result<BTreeSet<String>> {
    if span.name.kind() == Kind::Week {
        return Ok(BTreeSet::new());
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
    let hidden: Vec<(i32, String)> = all!(
        tx,
        "SELECT p.first_week, c.area FROM publication p
         JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision
         WHERE p.municipality_id = $1 AND p.first_week >= $2 AND p.last_week <= $3 AND p.kind = 'week' AND c.measure = 'complied' AND c.hidden = $4
           AND p.revision = (SELECT MAX(q.revision) FROM publication q WHERE q.municipality_id = p.municipality_id AND q.period = p.period)",
        municipality,
        span.first,
        span.last,
        true
    )?;
    Ok(hidden.into_iter().filter(|cell| seen.contains(cell)).map(|(_, area)| area).collect())
}

/// Fixes the breaks of the classes once the baseline is published, and never again. Default rule: the municipality's baseline rate rounded
/// to 5 points stands in the middle of class 3, classes 2 to 4 are 10 points wide, all moved so that every break lies between 5 and 95.
async fn fix_breaks(tx: &mut Tx, municipality: MunicipalityId, from: Week, protocols: &[Protocol]) -> Result<()> {
    for measure in Measure::ALL {
        let (fixed,): (i64,) = one!(tx, "SELECT COUNT(*) FROM map_class WHERE municipality_id = $1 AND measure = $2", municipality, measure.name())?;
        if fixed > 0 {
            continue;
        }
        let agreed = AGREED.iter().find(|(code, of, _)| *code == municipality.0 && *of == measure).map(|(.., breaks)| *breaks);
        let breaks = match agreed {
            Some(breaks) => breaks,
            None => {
                let (first, last) = match protocols.first() {
                    Some(protocol) => protocol.phase_weeks(Phase::Baseline),
                    None => (from, from.plus(WEEKS_WITHOUT_TRIAL - 1)),
                };
                let counts: Option<(Option<i64>, Option<i64>, i64)> = opt!(
                    tx,
                    "SELECT CAST(SUM(c.y) AS BIGINT), CAST(SUM(c.n) AS BIGINT), CAST(MAX(CASE WHEN p.last_week >= $4 THEN 1 ELSE 0 END) AS BIGINT)
                     FROM publication p
                     JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision
                     WHERE p.municipality_id = $1 AND p.kind = 'week' AND p.revision = 1 AND c.area = '' AND c.measure = $2
                       AND p.first_week >= $3 AND p.last_week <= $4
                     HAVING COUNT(*) > 0",
                    municipality,
                    measure.name(),
                    first,
                    last
                )?;
                match counts {
                    Some((Some(y), Some(n), complete)) if n > 0 && complete == 1 => default_breaks(y as f64 / n as f64),
                    _ => continue,
                }
            }
        };
        let rows: Vec<(i16, f64)> = [0.0].into_iter().chain(breaks).zip(1..).map(|(lower, class)| (class, lower)).collect();
        bulk!(tx, "INSERT INTO map_class (municipality_id, measure, class, lower)", rows, |row| [municipality, measure.name(), row.0, row.1], "")?;
    }
    Ok(())
}

fn default_breaks(rate: f64) -> [f64; 4] {
    let middle = ((rate * 20.0).round() * 5.0).clamp(20.0, 80.0);
    [-15.0, -5.0, 5.0, 15.0].map(|step| (middle + step) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::default_breaks;

    #[test]
    fn default_breaks_stand_round_the_baseline_and_within_the_scale() {
        assert_eq!(default_breaks(0.534), [0.40, 0.50, 0.60, 0.70]);
        assert_eq!(default_breaks(0.97), [0.65, 0.75, 0.85, 0.95]);
        assert_eq!(default_breaks(0.02), [0.05, 0.15, 0.25, 0.35]);
    }
}
