//! Holidays: the national ones of the law, which ship as rules (`geodata/holidays.csv`), and those that were entered.

use crate::all;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::sheet::columns::{Column, known, listed};
use crate::sheet::{Fault, Sheet, Written, words};
use crate::territory::Shipped;
use chrono::{Datelike, Days, Duration, NaiveDate, Weekday};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A holiday on its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    pub day: NaiveDate,
    pub name: String,
    pub kind: Kind,
    /// Whether trucks go out all the same; `None`: as the municipality's rule for national holidays says.
    pub collects: Option<bool>,
    /// Rest begins at noon: what leaves before is collected.
    pub from_noon: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    National,
    Local,
}

/// What a line of the shipped file says: which day of a year, and what it is called.
struct Rule {
    when: When,
    from_noon: bool,
    name: String,
}

#[derive(Debug, Clone, Copy)]
enum When {
    On(u32, u32),
    /// Kept on the Monday nearest to the day: of its own week up to Wednesday, of the next week after that (Decreto 19-2018).
    NearMonday(u32, u32),
    BeforeEaster(u64),
}

impl When {
    fn read(text: &str) -> Option<When> {
        if let Some(days) = text.strip_prefix("easter-") {
            return days.parse().ok().map(When::BeforeEaster);
        }
        let (date, monday) = text.strip_suffix(" monday").map_or((text, false), |date| (date, true));
        let (month, day) = date.split_once('-')?;
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        Some(if monday { When::NearMonday(month, day) } else { When::On(month, day) })
    }

    fn of(self, year: i32) -> Option<NaiveDate> {
        match self {
            When::On(month, day) => NaiveDate::from_ymd_opt(year, month, day),
            When::BeforeEaster(days) => easter(year)?.checked_sub_days(Days::new(days)),
            When::NearMonday(month, day) => {
                let named = NaiveDate::from_ymd_opt(year, month, day)?;
                Some(match named.weekday() {
                    Weekday::Mon | Weekday::Tue | Weekday::Wed => named - Duration::days(i64::from(named.weekday().num_days_from_monday())),
                    late => named + Duration::days(7 - i64::from(late.num_days_from_monday())),
                })
            }
        }
    }
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let file = Shipped::get("holidays.csv").map(|file| file.data.into_owned()).unwrap_or_default();
    let rows = csv::Reader::from_reader(file.as_slice()).into_records().filter_map(|row| {
        let row = row.ok()?;
        Some(Rule { when: When::read(row.get(0)?)?, from_noon: row.get(1)? == "noon", name: row.get(2)?.to_owned() })
    });
    rows.collect()
});

/// The national holiday on a day, if it is one.
pub fn national(day: NaiveDate) -> Option<Holiday> {
    let rule = RULES.iter().find(|rule| rule.when.of(day.year()) == Some(day))?;
    Some(Holiday { day, name: rule.name.clone(), kind: Kind::National, collects: None, from_noon: rule.from_noon })
}

/// Days on which nobody is written to: the national holidays, and the days they are named after when the rest is kept on a Monday.
pub fn is_quiet(day: NaiveDate) -> bool {
    let named = |rule: &Rule| matches!(rule.when, When::NearMonday(month, date) if (day.month(), day.day()) == (month, date));
    RULES.iter().any(|rule| rule.when.of(day.year()) == Some(day) || named(rule))
}

/// Gregorian Easter (Meeus, Jones, Butcher).
fn easter(year: i32) -> Option<NaiveDate> {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    NaiveDate::from_ymd_opt(year, (n / 31) as u32, (n % 31 + 1) as u32)
}

/// Holidays that were entered for a municipality or the whole country, by day; the municipality's own word goes before.
pub async fn entered(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<BTreeMap<NaiveDate, Holiday>> {
    let rows: Vec<(MunicipalityId, NaiveDate, String, Option<bool>)> = all!(
        tx,
        "SELECT municipality_id, day, name, collects FROM holiday
          WHERE municipality_id IN (0, $1) AND superseded_at IS NULL AND day >= $2 AND day <= $3 ORDER BY municipality_id, day",
        municipality,
        first,
        last
    )?;
    let holiday = |(of, day, name, collects): (MunicipalityId, NaiveDate, String, Option<bool>)| {
        let kind = if of == MunicipalityId::NONE { Kind::National } else { Kind::Local };
        (day, Holiday { day, name, kind, collects, from_noon: false })
    };
    Ok(rows.into_iter().map(holiday).collect())
}

/// The entered holidays on which nobody is written to.
pub async fn quiet_days(tx: &mut Tx, municipality: MunicipalityId, first: NaiveDate, last: NaiveDate) -> Result<BTreeSet<NaiveDate>> {
    Ok(entered(tx, municipality, first, last).await?.into_keys().collect())
}

/// One row of a file of holidays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub row: u64,
    pub day: NaiveDate,
    pub name: String,
    pub collects: Option<bool>,
}

/// Reads `date,name` and, where it stands, `collects` (yes or no).
pub fn read(file: &str, bytes: &[u8], how: &Written) -> Result<Vec<Told>> {
    let known = [
        known("date", &["day", "fecha", "dia"]),
        known("name", &["holiday", "nombre", "feriado", "descripcion"]),
        known("collects", &["recoge", "recolecta", "se_recolecta"]),
    ];
    let fault = |fault: &Fault| match fault.row {
        Some(row) => format!("{file}: row {row}: {}", fault.line),
        None => format!("{file}: {}", fault.line),
    };
    let refuse = |faults: &[Fault]| Error::refused_lines("holidays-refused", faults.iter().map(fault).collect());
    let sheet = Sheet::read(bytes, how, &known, true).map_err(|faults| refuse(&faults))?;
    if !sheet.faults.is_empty() {
        return Err(refuse(&sheet.faults));
    }
    let (Some(day_at), Some(name_at)) = (sheet.find("date"), sheet.find("name")) else {
        let has: Vec<&str> = sheet
            .columns
            .iter()
            .filter_map(|column| match column {
                Column::Known(name) => Some(*name),
                Column::Own(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let line = format!("{file}: a file of holidays has the columns date and name (and collects, yes or no); this one has {}", listed(&has));
        return Err(Error::refused("holidays-refused", line));
    };
    let collects_at = sheet.find("collects");
    let (mut told, mut lines, mut seen): (Vec<Told>, Vec<String>, BTreeMap<NaiveDate, u64>) = (Vec::new(), Vec::new(), BTreeMap::new());
    for row in &sheet.rows {
        let cell = |at: usize| row.cell(at).trim();
        let mut refuse = |line: String| lines.push(format!("{file}: row {}: {line}", row.number));
        let collects = match collects_at.map(cell).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => match words::yes(text) {
                Some(said) => Some(said),
                None => {
                    refuse(format!("collects is «{text}»; write yes or no"));
                    continue;
                }
            },
        };
        let Some(day) = words::day(cell(day_at)) else {
            refuse(format!("«{}» is not a date; write it like 2026-12-25", cell(day_at)));
            continue;
        };
        if cell(name_at).is_empty() {
            refuse(format!("the holiday of {day} has no name; fill it in"));
            continue;
        }
        if let Some(first) = seen.insert(day, row.number) {
            refuse(format!("{day} stands in row {first} too; keep one"));
            continue;
        }
        told.push(Told { row: row.number, day, name: cell(name_at).to_owned(), collects });
    }
    match (lines.is_empty(), told.is_empty()) {
        (false, _) => Err(Error::refused_lines("holidays-refused", lines)),
        (true, true) => Err(Error::refused("holidays-refused", format!("{file}: there is no holiday in it; write one a row: date,name"))),
        (true, false) => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn every_line_of_the_shipped_file_is_a_rule() {
        assert_eq!(RULES.len(), 12);
        let of = |year: i32| {
            let days = NaiveDate::from_ymd_opt(year, 1, 1).unwrap().iter_days().take(365).filter_map(national);
            days.map(|holiday| holiday.day.format("%m-%d").to_string()).collect::<Vec<_>>()
        };
        // 30/06/2026 is a Tuesday, 20/10/2026 too: both rest on the Monday before. In 2027 they fall on a Wednesday.
        assert_eq!(of(2026), ["01-01", "04-02", "04-03", "04-04", "05-01", "06-29", "09-15", "10-19", "11-01", "12-24", "12-25", "12-31"]);
        assert_eq!(of(2027), ["01-01", "03-25", "03-26", "03-27", "05-01", "06-28", "09-15", "10-18", "11-01", "12-24", "12-25", "12-31"]);
        // 30/06/2028 is a Friday: the Monday after, in July.
        assert!(national(day("2028-07-03")).is_some() && national(day("2028-06-30")).is_none() && is_quiet(day("2028-06-30")));
    }

    #[test]
    fn only_the_two_eves_rest_from_noon() {
        let eves: Vec<bool> = ["2026-12-24", "2026-12-31", "2026-12-25"].iter().map(|text| national(day(text)).unwrap().from_noon).collect();
        assert_eq!(eves, [true, true, false]);
    }

    #[test]
    fn a_file_of_an_office_is_read_and_every_wrong_row_named() {
        let told = read(
            "f.csv",
            "Fecha;Nombre;Recoge\r\n29/06/2027;Feria de San Pedro;no\r\n;;\r\n2027-08-15;Día local;Sí\r\n".as_bytes(),
            &Written::default(),
        )
        .unwrap();
        assert_eq!(told.iter().map(|t| (t.day, t.collects)).collect::<Vec<_>>(), [(day("2027-06-29"), Some(false)), (day("2027-08-15"), Some(true))]);
        let wrong = read("f.csv", b"date,name\n2027-02-30,A\n2027-01-06,\n2027-01-07,B\n2027-01-07,C\n", &Written::default()).unwrap_err();
        assert_eq!(wrong.lines.len(), 3, "{:?}", wrong.lines);
        assert!(wrong.lines[2].contains("row 5") && wrong.lines[2].contains("row 4"));
        for unknown in ["code,kind\nA,b\n", "date,name\n", ""] {
            assert_eq!(read("f.csv", unknown.as_bytes(), &Written::default()).unwrap_err().lines.len(), 1, "{unknown}");
        }
    }
}
