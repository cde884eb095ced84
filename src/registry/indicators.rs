//! The programme's targets, and the people counted against them: distinct persons over all municipalities, as of a day.
//!
//! The one place of the registry where a query crosses municipalities (a test lists these statements). Only counts leave it.

use super::suppress::{SMALLEST, shown};
use super::target::Target;
pub use super::target::ensure_targets;
use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, PersonId};
use chrono::{Months, NaiveDate};
use serde::Serialize;

pub(super) const SHEET: &str =
    "Cities Alliance / SDC / UNOPS, Leveraging Migration for Thriving Secondary Cities in Guatemala, programme sheet, April 2023 – March 2026";

/// An indicator: which people count, and which sentence of the programme sheet promised them.
pub struct Indicator {
    pub code: &'static str,
    pub result: u8,
    pub value: f64,
    pub unit: &'static str,
    /// Words of the sheet.
    pub promise: &'static str,
    people: &'static str,
}

/// Day 1 and the last day of the programme.
pub(super) fn programme() -> (NaiveDate, NaiveDate) {
    (NaiveDate::from_ymd_opt(2023, 4, 1).unwrap_or_default(), NaiveDate::from_ymd_opt(2026, 3, 31).unwrap_or_default())
}

macro_rules! breakdown { ($people:expr) => { concat!(
    "SELECT p.sex AS sex, CASE WHEN p.birth_date IS NULL THEN 'unknown' WHEN p.birth_date > $2 THEN 'to_17' WHEN p.birth_date > $3 THEN '18_29' ",
    "WHEN p.birth_date > $4 THEN '30_44' WHEN p.birth_date > $5 THEN '45_59' ELSE 'from_60' END AS age, ",
    "p.migration_status AS migration, p.language AS language, m.code AS municipality, COUNT(*) AS people ",
    "FROM (SELECT DISTINCT r.counted_municipality_id, r.counted_person_id FROM (", $people, ") AS e ",
    "JOIN person r ON r.municipality_id = e.municipality_id AND r.person_id = e.person_id) AS counted ",
    "JOIN person p ON p.municipality_id = counted.counted_municipality_id AND p.person_id = counted.counted_person_id ",
    "JOIN municipality m ON m.municipality_id = p.municipality_id ",
    "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
) } }

// Somebody with two files (one CUI in two municipalities, or a registrar said so) counts once, as their first file tells.
// UNION (not UNION ALL): somebody in two modules is one person. Candidates have received nothing yet; who left has.
const SERVICES: &str = breakdown!(
    "SELECT municipality_id, person_id FROM finance_enrolment WHERE status <> 'candidate' AND started_on <= $1
     UNION SELECT municipality_id, person_id FROM gender_enrolment WHERE status <> 'candidate' AND activity = 'asset_building' AND started_on <= $1"
);
const WORK: &str = breakdown!("SELECT DISTINCT municipality_id, person_id FROM work_outcome WHERE happened_on <= $1");
const BASIC: &str = breakdown!("SELECT DISTINCT municipality_id, person_id FROM waste_enrolment WHERE status <> 'candidate' AND started_on <= $1");
const STUDENTS: &str =
    breakdown!("SELECT DISTINCT municipality_id, person_id FROM school_enrolment WHERE status <> 'candidate' AND started_on <= $1");
const ADVICE: &str = breakdown!(
    "SELECT DISTINCT municipality_id, person_id FROM finance_enrolment WHERE status <> 'candidate' AND service = 'advice' AND started_on <= $1"
);

pub const ALL: &[Indicator] = &[
    Indicator {
        code: "services_for_work",
        result: 1,
        value: 25_000.0,
        unit: "persons",
        promise: "At least 25,000 migrants, forcibly displaced and vulnerable host community persons will benefit from services that enable them to access new or better work opportunities.",
        people: SERVICES,
    },
    Indicator {
        code: "work",
        result: 1,
        value: 5_000.0,
        unit: "persons",
        promise: "Up to 5,000 beneficiaries will experience new or better work opportunities as a direct result of these services.",
        people: WORK,
    },
    Indicator {
        code: "basic_services",
        result: 2,
        value: 30_000.0,
        unit: "persons",
        promise: "At least 30,000 migrants, forcibly displaced, and vulnerable host communities are expected to gain access to basic municipal services due to the project.",
        people: BASIC,
    },
    Indicator {
        code: "students",
        result: 2,
        value: 1_000.0,
        unit: "persons",
        promise: "At least 1,000 students in four schools will receive after-school education, in partnership with the schools and parent groups.",
        people: STUDENTS,
    },
    Indicator {
        code: "advice_under_30",
        result: 3,
        value: 1.0 / 3.0,
        unit: "share",
        promise: "One third of the beneficiaries of financial advice are adults under 30, most without financial opportunities or a good income.",
        people: ADVICE,
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    OnTrack,
    Below,
    Unknown,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Standing::OnTrack => "on_track",
            Standing::Below => "below",
            Standing::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    pub group: String,
    /// `null` when hidden: fewer than five people, or another cell would come back by subtraction.
    pub people: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breakdown {
    /// `sex`, `age`, `migration`, `language`, `municipality` or `school`.
    pub by: &'static str,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub indicator: String,
    pub result: u8,
    pub unit: String,
    pub target: f64,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    /// Distinct people; for a share, the people it is a share of. `null` under five.
    pub people: Option<i64>,
    /// The count, or the share of those whose age is known.
    pub value: Option<f64>,
    /// A share with people of unknown age lies between these; for a count both are the count.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Where the straight line from the first to the last day of the programme stands today; a share is due from the first day.
    pub expected: f64,
    pub status: Standing,
    pub source: String,
    pub breakdowns: Vec<Breakdown>,
}

#[derive(sqlx::FromRow)]
struct Group {
    sex: String,
    age: String,
    migration: String,
    language: String,
    municipality: String,
    people: i64,
}

/// Every target in force on `as_of` (the last one when the programme has ended), with what was reached by then.
pub async fn table(tx: &mut Tx, as_of: NaiveDate) -> Result<Vec<Row>> {
    let targets = super::target::stored(tx).await?;
    against(tx, &targets, as_of).await
}

/// The target of an indicator that holds on a day; before the first, the first.
fn holding<'t>(targets: &'t [Target], indicator: &Indicator, as_of: NaiveDate) -> Option<&'t Target> {
    let own = || targets.iter().filter(|target| target.indicator == indicator.code);
    own().filter(|target| target.valid_from <= as_of).max_by_key(|target| target.valid_from).or(own().min_by_key(|target| target.valid_from))
}

/// The same against these targets.
pub(super) async fn against(tx: &mut Tx, targets: &[Target], as_of: NaiveDate) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for indicator in ALL {
        let Some(target) = holding(targets, indicator, as_of) else { continue };
        // Born after this day: not yet that old.
        let born = |years: u32| as_of.checked_sub_months(Months::new(years * 12)).unwrap_or(as_of);
        let groups: Vec<Group> = all!(tx, indicator.people, as_of, born(18), born(30), born(45), born(60))?;
        let people: i64 = groups.iter().map(|group| group.people).sum();
        let mut breakdowns = vec![
            breakdown("sex", &groups, |group| &group.sex),
            breakdown("age", &groups, |group| &group.age),
            breakdown("migration", &groups, |group| &group.migration),
            breakdown("language", &groups, |group| &group.language),
            breakdown("municipality", &groups, |group| &group.municipality),
        ];
        if indicator.code == "students" {
            breakdowns.push(schools(tx, as_of).await?);
        }
        let expected = expected(target, as_of);
        let (value, low, high, status) = if indicator.unit == "share" {
            share(tx, as_of, target.value).await?
        } else {
            let count = people as f64;
            let status = match () {
                _ if as_of < target.valid_from || people == 0 => Standing::Unknown,
                _ if count >= expected => Standing::OnTrack,
                _ => Standing::Below,
            };
            (Some(count), Some(count), Some(count), status)
        };
        let visible = people == 0 || people >= SMALLEST;
        rows.push(Row {
            indicator: target.indicator.clone(),
            result: indicator.result,
            unit: target.unit.clone(),
            target: target.value,
            valid_from: target.valid_from,
            valid_to: target.valid_to,
            people: Some(people).filter(|_| visible),
            value: value.filter(|_| visible),
            low: low.filter(|_| visible),
            high: high.filter(|_| visible),
            expected,
            status: if visible { status } else { Standing::Unknown },
            source: target.source.clone(),
            breakdowns,
        });
    }
    Ok(rows)
}

/// The straight line: nothing before the first day, all of it after the last. A share is due in full from the first day.
fn expected(target: &Target, as_of: NaiveDate) -> f64 {
    match target.valid_to {
        _ if target.unit == "share" => target.value,
        None => target.value,
        Some(last) => {
            let whole = ((last - target.valid_from).num_days() + 1).max(1) as f64;
            let passed = ((as_of - target.valid_from).num_days() + 1) as f64;
            target.value * (passed / whole).clamp(0.0, 1.0)
        }
    }
}

fn breakdown(by: &'static str, groups: &[Group], key: impl Fn(&Group) -> &String) -> Breakdown {
    let mut sums: std::collections::BTreeMap<&String, i64> = std::collections::BTreeMap::new();
    for group in groups {
        *sums.entry(key(group)).or_default() += group.people;
    }
    hide(by, sums.into_iter().map(|(group, people)| (group.clone(), people)).collect())
}

fn hide(by: &'static str, cells: Vec<(String, i64)>) -> Breakdown {
    let shown = shown(&cells.iter().map(|(_, people)| *people).collect::<Vec<_>>());
    let cells = cells.into_iter().zip(shown).map(|((group, people), shown)| Cell { group, people: Some(people).filter(|_| shown) }).collect();
    Breakdown { by, cells }
}

/// Students of each of the four schools. Somebody who changed school counts once, in the school entered last.
async fn schools(tx: &mut Tx, as_of: NaiveDate) -> Result<Breakdown> {
    let entered: Vec<(MunicipalityId, PersonId, String)> = all!(
        tx,
        "SELECT p.counted_municipality_id, p.counted_person_id, e.school FROM school_enrolment e
         JOIN person p ON p.municipality_id = e.municipality_id AND p.person_id = e.person_id
         WHERE e.status <> 'candidate' AND e.started_on <= $1 ORDER BY e.started_on, e.enrolment_id",
        as_of
    )?;
    let last: std::collections::HashMap<(MunicipalityId, PersonId), String> =
        entered.into_iter().map(|(municipality, person, school)| ((municipality, person), school)).collect();
    let mut rows: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
    for school in last.into_values() {
        *rows.entry(school).or_default() += 1;
    }
    let known = super::school::SCHOOLS.iter().map(|school| (*school).to_owned());
    Ok(hide(
        "school",
        known
            .map(|school| {
                let n = rows.get(&school).copied().unwrap_or_default();
                (school, n)
            })
            .collect(),
    ))
}

type Share = (Option<f64>, Option<f64>, Option<f64>, Standing);

/// Adults under 30 among those who had financial advice, by their age on the day the advice began. It is a full count, so it has no
/// sampling error; people of unknown age make a range.
async fn share(tx: &mut Tx, as_of: NaiveDate, target: f64) -> Result<Share> {
    let rows: Vec<(Option<NaiveDate>, NaiveDate, i64)> = all!(
        tx,
        "SELECT birth_date, started, COUNT(*) FROM (
           SELECT p.birth_date AS birth_date, MIN(e.started_on) AS started FROM finance_enrolment e
           JOIN person r ON r.municipality_id = e.municipality_id AND r.person_id = e.person_id
           JOIN person p ON p.municipality_id = r.counted_municipality_id AND p.person_id = r.counted_person_id
           WHERE e.status <> 'candidate' AND e.service = 'advice' AND e.started_on <= $1
           GROUP BY p.municipality_id, p.person_id, p.birth_date) AS advised
         GROUP BY birth_date, started ORDER BY birth_date, started",
        as_of
    )?;
    let (mut young, mut known, mut total) = (0i64, 0i64, 0i64);
    for (birth, started, people) in rows {
        total += people;
        if let Some(age) = birth.and_then(|birth| started.years_since(birth)) {
            known += people;
            young += if (18..30).contains(&age) { people } else { 0 };
        }
    }
    if known == 0 {
        return Ok((None, None, None, Standing::Unknown));
    }
    let low = young as f64 / total as f64;
    let high = (young + total - known) as f64 / total as f64;
    let status = match () {
        _ if low >= target => Standing::OnTrack,
        _ if high < target => Standing::Below,
        _ => Standing::Unknown,
    };
    Ok((Some(young as f64 / known as f64), Some(low), Some(high), status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_runs_straight_from_the_first_to_the_last_day() {
        let (valid_from, to) = programme();
        let target =
            Target { indicator: String::new(), valid_from, valid_to: Some(to), value: 1096.0, unit: "persons".into(), source: String::new() };
        assert_eq!(expected(&target, valid_from), 1.0);
        assert_eq!(expected(&target, to), 1096.0);
        assert_eq!(expected(&target, to + chrono::Days::new(200)), 1096.0);
        assert_eq!(expected(&target, valid_from - chrono::Days::new(30)), 0.0);
    }
}
