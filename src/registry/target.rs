//! The programme's targets: those that ship, and over them those of the installation in `DATA_DIR/programme-targets.csv`.

use super::indicators::{ALL, SHEET, programme};
use crate::app::own_file;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::sheet::problems::Problems;
use crate::{all, bulk, run};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What an indicator is due to reach, from a day on.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Target {
    pub indicator: String,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    pub value: f64,
    pub unit: String,
    pub source: String,
}

const COLUMNS: [&str; 5] = ["indicator", "valid_from", "valid_to", "value", "source"];

fn shipped() -> Vec<Target> {
    let (valid_from, valid_to) = programme();
    let target = |indicator: &super::indicators::Indicator| Target {
        indicator: indicator.code.to_owned(),
        valid_from,
        valid_to: Some(valid_to),
        value: indicator.value,
        unit: indicator.unit.to_owned(),
        source: format!("{SHEET}: «{}»", indicator.promise),
    };
    ALL.iter().map(target).collect()
}

/// The targets that hold here. An indicator that the installation's file names has only that file's targets.
pub fn in_use() -> Result<Vec<Target>> {
    let Some(file) = own_file("programme-targets.csv") else { return Ok(shipped()) };
    Ok(over(shipped(), read(&file)?))
}

fn over(shipped: Vec<Target>, own: Vec<Target>) -> Vec<Target> {
    let named: BTreeSet<String> = own.iter().map(|target| target.indicator.clone()).collect();
    shipped.into_iter().filter(|target| !named.contains(&target.indicator)).chain(own).collect()
}

fn read(file: &Path) -> Result<Vec<Target>> {
    let place = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|e| Error::refused("targets", format!("{place}: the file cannot be read ({e}); check its rights")))?;
    let text = String::from_utf8(bytes).map_err(|_| Error::refused("targets", format!("{place}: is not UTF-8 text; save it as UTF-8")))?;
    let text = text.trim_start_matches('\u{feff}');
    let semicolons = text.lines().next().is_some_and(|head| head.contains(';') && !head.contains(','));
    let mut reader = csv::ReaderBuilder::new().delimiter(if semicolons { b';' } else { b',' }).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut lines = Problems::default();
    let headers = reader.headers().cloned().unwrap_or_default();
    let at: BTreeMap<&str, usize> =
        COLUMNS.iter().filter_map(|name| Some((*name, headers.iter().position(|h| h.eq_ignore_ascii_case(name))?))).collect();
    if let Some(missing) = ["indicator", "valid_from", "value"].iter().find(|name| !at.contains_key(**name)) {
        let has: Vec<&str> = headers.iter().collect();
        return Err(Error::refused("targets", format!("{place}:1: column {missing} is missing (there are {}); add it", has.join(", "))));
    }
    let mut targets: Vec<Target> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| Error::refused("targets", format!("{place}: {e}; mend the row")))?;
        let row = record.position().map_or(0, csv::Position::line);
        let get = |name: &str| at.get(name).and_then(|at| record.get(*at)).unwrap_or_default();
        let mut say = |line: String| lines.add(&row.to_string(), line);
        let known = ALL.iter().find(|indicator| indicator.code == get("indicator"));
        if known.is_none() {
            let codes: Vec<&str> = ALL.iter().map(|indicator| indicator.code).collect();
            say(format!("indicator «{}» is not counted here; use {}", get("indicator"), codes.join(", ")));
        }
        let mut day = |name: &str| {
            let text = get(name);
            let read = ["%Y-%m-%d", "%d/%m/%Y"].iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
            if read.is_none() && !text.is_empty() {
                say(format!("{name} «{text}» is no day; write it like 2026-07-13"));
            }
            read
        };
        let (from, to) = (day("valid_from"), day("valid_to"));
        let value = get("value").replace(',', ".").parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0);
        let share = known.is_some_and(|indicator| indicator.unit == "share");
        let value = value.filter(|value| !share || *value <= 1.0);
        if value.is_none() {
            let wanted = if share { "a share above 0 and up to 1, such as 0.33" } else { "a number of people above 0" };
            say(format!("value «{}»: write {wanted}", get("value")));
        }
        if from.is_none() && get("valid_from").is_empty() {
            say("valid_from is empty; write the first day, like 2026-07-13".into());
        }
        let (Some(known), Some(from), Some(value)) = (known, from, value) else { continue };
        if to.is_some_and(|to| to < from) {
            say("valid_to is before valid_from; mend one of them".into());
        }
        if targets.iter().any(|other| other.indicator == known.code && other.valid_from == from) {
            say(format!("{} has two targets from {from}; leave one", known.code));
        }
        let source = Some(get("source")).filter(|text| !text.is_empty()).map_or_else(|| place.clone(), str::to_owned);
        targets.push(Target { indicator: known.code.to_owned(), valid_from: from, valid_to: to, value, unit: known.unit.to_owned(), source });
    }
    if lines.is_empty() { Ok(targets) } else { Err(Error::refused_lines("targets", lines.lines(&format!("{place}:"), ": "))) }
}

/// What the installation's file would look like with the targets that hold now.
pub fn written() -> Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let broken = |e: csv::Error| Error::internal(format!("csv: {e}"));
    out.write_record(COLUMNS).map_err(broken)?;
    for target in in_use()? {
        let to = target.valid_to.map(|day| day.to_string()).unwrap_or_default();
        out.write_record([target.indicator, target.valid_from.to_string(), to, target.value.to_string(), target.source]).map_err(broken)?;
    }
    let bytes = out.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))?;
    String::from_utf8(bytes).map_err(|e| Error::internal(format!("csv: {e}")))
}

pub(super) async fn stored(tx: &mut Tx) -> Result<Vec<Target>> {
    all!(tx, "SELECT indicator, valid_from, valid_to, value, unit, source FROM programme_target ORDER BY indicator, valid_from")
}

fn sorted(mut targets: Vec<Target>) -> Vec<Target> {
    targets.sort_by(|a, b| (&a.indicator, a.valid_from).cmp(&(&b.indicator, b.valid_from)));
    targets
}

/// Stores the targets that hold here, with their dates and source; again changes nothing.
pub async fn ensure_targets(tx: &mut Tx) -> Result<()> {
    let wanted = sorted(in_use()?);
    if stored(tx).await? == wanted {
        return Ok(());
    }
    run!(tx, "DELETE FROM programme_target")?;
    bulk!(
        tx,
        "INSERT INTO programme_target (indicator, valid_from, valid_to, value, unit, source)",
        wanted,
        |row| [&row.indicator, row.valid_from, row.valid_to, row.value, &row.unit, &row.source],
        ""
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<Vec<Target>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn targets_of_the_installation_stand_over_those_that_ship() {
        let own = from("indicator,valid_from,valid_to,value,source\nwork,2027-01-01,,120,Acta 4\nwork,01/01/2028,,150,\n").unwrap();
        let all = over(shipped(), own);
        let work: Vec<f64> = all.iter().filter(|target| target.indicator == "work").map(|target| target.value).collect();
        assert_eq!((work, all.len()), (vec![120.0, 150.0], 6));
    }

    #[test]
    fn a_broken_file_of_targets_is_named_with_row_and_remedy() {
        let lines = from("indicator;valid_from;value\njobs;2027-01-01;5\nwork;soon;5\nadvice_under_30;2027-01-01;33\n").unwrap_err().lines;
        assert!(lines[0].contains(":2: indicator «jobs» is not counted here; use services_for_work"), "{lines:?}");
        assert!(lines[1].contains(":3: valid_from «soon»") && lines[2].contains(":4: value «33»: write a share"), "{lines:?}");
        assert!(from("indicator,value\n").unwrap_err().lines[0].contains(":1: column valid_from is missing"));
    }
}
