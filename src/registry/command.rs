//! `vecino registry …`

use super::indicators::{self, Row};
use super::{export, import, table};
use crate::app::{Options, print};
use crate::clock::show_day;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::sheet::Written;
use chrono::NaiveDate;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Persons from a CSV file: all or nothing; the same file twice changes nothing.
    ///
    /// Columns: given_names, surnames (both needed), cui, sex, birth_date (dd/mm/yyyy, a year or an age), language, migration_status,
    /// household (its code), relation, since, phone, channel, consent_messages (yes/no, of the home), consents (purposes of the person,
    /// with spaces between), consent_on, guardian (yes/no), waste, finance, finance_partner, school, grade, gender.
    ///
    /// The file is read as a spreadsheet saves it: comma, semicolon, tab or a «sep=» line, UTF-8 or UTF-16 (Windows-1252 with --encoding
    /// windows-1252), empty rows and columns. Names of columns in any case and in Spanish (Nombres, Apellidos, DPI, Sexo, Fecha de
    /// nacimiento, Edad, Teléfono, Hogar …); any other with --column household=código. Yes is sí, si, x, 1 or verdadero.
    Import {
        file: PathBuf,
        /// Four digits of INE, such as 1202
        #[arg(long, value_name = "CODE")]
        municipality: String,
        /// Say what would be written and write nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        written: Written,
    },
    /// The programme's targets and the distinct people counted against them; groups under five people are hidden
    Indicators {
        /// Count what had begun by this day [default: today]
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
        /// One CSV table instead of lines
        #[arg(long)]
        csv: bool,
    },
    /// Opens every person of a municipality into a CSV file that an import reads; the export goes on record
    Export {
        /// Four digits of INE, such as 1202
        #[arg(long, value_name = "CODE")]
        municipality: String,
        /// Where to write; only its owner may read the file [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

const ACTOR: &str = "command line";

pub async fn run(command: Command, options: &Options) -> Result<()> {
    let app = options.open().await?;
    let now = app.clock.now();
    match command {
        Command::Import { file, municipality, dry_run, written } => {
            let municipality = MunicipalityId::parse(&municipality)?;
            let name = file.display().to_string();
            let text = std::fs::read(&file)
                .map_err(|e| Error::refused("file", format!("{name}: the file cannot be read; check its name and your rights")).because(e))?;
            let read = table::read(&name, &text, &written, app.clock.today())?;
            let mut tx = app.db.write().await?;
            indicators::ensure_targets(&mut tx).await?;
            let done = import::write(&mut tx, &app.keys, &mut Mint::system(), municipality, &name, read, ACTOR, now).await?;
            if !dry_run {
                tx.commit().await?;
            }
            if options.json {
                let mut document = json!(done);
                document["dry_run"] = json!(dry_run);
                println!("{document}");
            } else {
                for warning in &done.warnings {
                    eprintln!("{warning}");
                }
                println!(
                    "{name}: {} rows; {} people new, {} known; {} homes, {} contacts, {} consents; {} enrolled, {} candidates",
                    done.rows, done.new_people, done.known_people, done.homes, done.contacts, done.consents, done.enrolled, done.candidates
                );
                if dry_run {
                    println!("dry run: nothing was stored");
                }
            }
        }
        Command::Indicators { as_of, csv } => {
            let as_of = as_of.unwrap_or_else(|| app.clock.today());
            let mut tx = app.db.write().await?;
            indicators::ensure_targets(&mut tx).await?;
            let rows = indicators::table(&mut tx, as_of).await?;
            tx.commit().await?;
            if options.json {
                print(&format!("{}\n", json!({"as_of": as_of, "indicators": rows})))?;
            } else if csv {
                print(&as_csv(as_of, &rows)?)?;
            } else {
                print(&as_lines(as_of, &rows))?;
            }
        }
        Command::Export { municipality, out } => {
            let municipality = MunicipalityId::parse(&municipality)?;
            let mut tx = app.db.write().await?;
            let text = export::export(&mut tx, &app.keys, municipality, ACTOR, now).await?;
            tx.commit().await?;
            write(out, &text)?;
        }
    }
    Ok(())
}

fn write(out: Option<PathBuf>, text: &[u8]) -> Result<()> {
    use std::io::Write;
    let refuse =
        |place: &str, e: std::io::Error| Error::refused("file", format!("{place}: cannot be written; check the folder and free space")).because(e);
    match out {
        None => std::io::stdout().write_all(text).map_err(|e| refuse("standard output", e)),
        Some(path) => {
            let mut open = std::fs::OpenOptions::new();
            open.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
            let place = path.display().to_string();
            open.open(&path).and_then(|mut file| file.write_all(text)).map_err(|e| refuse(&place, e))
        }
    }
}

fn number(value: Option<f64>, unit: &str) -> String {
    match value {
        None => "hidden".into(),
        Some(value) if unit == "share" => format!("{value:.3}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// One line an indicator and one a group, hidden cells empty.
pub fn as_csv(as_of: NaiveDate, rows: &[Row]) -> Result<String> {
    let broken = |e: csv::Error| Error::internal(format!("csv: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "indicator",
        "as_of",
        "by",
        "group",
        "people",
        "value",
        "low",
        "high",
        "unit",
        "target",
        "expected",
        "status",
        "valid_from",
        "valid_to",
        "source",
    ])
    .map_err(broken)?;
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for row in rows {
        let day = as_of.to_string();
        let people = |people: Option<i64>| people.map(|people| people.to_string()).unwrap_or_default();
        let (from, to) = (row.valid_from.to_string(), row.valid_to.map(|day| day.to_string()).unwrap_or_default());
        out.write_record([
            row.indicator.as_str(),
            &day,
            "",
            "",
            &people(row.people),
            &text(row.value),
            &text(row.low),
            &text(row.high),
            &row.unit,
            &row.target.to_string(),
            &row.expected.to_string(),
            row.status.name(),
            &from,
            &to,
            &row.source,
        ])
        .map_err(broken)?;
        for breakdown in &row.breakdowns {
            for cell in &breakdown.cells {
                let group = export::neutral(&cell.group);
                out.write_record([row.indicator.as_str(), &day, breakdown.by, &group, &people(cell.people), "", "", "", "", "", "", "", "", "", ""])
                    .map_err(broken)?;
            }
        }
    }
    let bytes = out.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))?;
    String::from_utf8(bytes).map_err(|e| Error::internal(format!("csv: {e}")))
}

fn as_lines(as_of: NaiveDate, rows: &[Row]) -> String {
    let mut out = format!("As of {}. Distinct people over all municipalities; groups under five are hidden.\n", show_day(as_of));
    for row in rows {
        let until = row.valid_to.map(show_day).unwrap_or_default();
        out += &format!(
            "{:<18} {:>8} of {} by {until}; due today {}: {}\n",
            row.indicator,
            number(row.value, &row.unit),
            number(Some(row.target), &row.unit),
            number(Some(row.expected), &row.unit),
            row.status.name()
        );
    }
    out
}
