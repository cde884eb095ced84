//! `vecino registry …`

use super::identify::Answers;
use super::indicators::{self, Row};
use super::person::Key;
use super::place::file_number;
use super::{export, import, likeness, target};
use crate::app::{Options, print, tell};
use crate::clock::show_day;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::sheet::Written;
use crate::territory::municipality;
use chrono::NaiveDate;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Persons from a CSV file: all or nothing; a list that comes again changes nothing for the rows it had.
    ///
    /// Columns: given_names, surnames (both needed), cui, sex, birth_date (dd/mm/yyyy, a year or an age), language, migration_status,
    /// household (its code), relation, since, phone, channel, consent_messages (yes/no, of the home), consents (purposes of the person,
    /// with spaces between), consent_on, guardian (yes/no), waste, finance, finance_partner, school, grade, school_year, gender, person
    /// (the registry number an export writes). A birth date of 18+ is an adult who knows no more.
    ///
    /// The file is read as a spreadsheet saves it: comma, semicolon, tab or a «sep=» line, UTF-8 or UTF-16 (Windows-1252 with --encoding
    /// windows-1252), empty rows and columns. Names of columns in any case and in Spanish (Nombres, Apellidos, DPI, Sexo, Fecha de
    /// nacimiento, Edad, Teléfono, Hogar …); any other with --column household=código. Yes is sí, si, x, 1 or verdadero.
    ///
    /// A list is known again by what its rows say, however it was saved, longer or in another order: when a file and an earlier list hold at
    /// least half of each other, in five rows or more (three where one holds the other whole, or three quarters agree), each of those rows means whom it meant, and
    /// changes nothing. A row that says something new is read as a new one. If such a row is somebody else after all: --distinct ROW=PERSON.
    ///
    /// Two people are never made one in silence: the same are those with the same CUI and names, or with the same names and full birth
    /// date; two CUIs are two people. Anybody else who is like somebody on record, or like another row, is a question on standard error; both
    /// stay until it is answered, here, with `vecino registry answer`, or on the registrar's page. What a row tells of somebody known and
    /// nobody knew (CUI, birth date, sex, language, migration status, relation) is filled in; what is known otherwise stays, with a warning.
    Import {
        file: PathBuf,
        /// Four digits of INE, such as 1202
        #[arg(long, value_name = "CODE")]
        municipality: String,
        /// Says what it would do and ask, and writes nothing
        #[arg(long)]
        dry_run: bool,
        /// A row is a person on record, or of an earlier row: 3=P-1A2B3C or 3=2
        #[arg(long, value_name = "ROW=PERSON")]
        same: Vec<String>,
        /// A row is another person than the one asked about: 3=P-1A2B3C, 3=2, or 3 for everybody like them
        #[arg(long, value_name = "ROW[=PERSON]")]
        distinct: Vec<String>,
        #[command(flatten)]
        written: Written,
    },
    /// Files that may be one person and that nobody was asked about yet, by registry number
    Questions {
        /// Four digits of INE, such as 1202
        #[arg(long, value_name = "CODE")]
        municipality: String,
    },
    /// Says of two files that they are one person or two: a link that another answer undoes, never a merge
    Answer {
        /// The number of a file, as `vecino registry questions` prints it
        person: String,
        other: String,
        /// same or distinct
        answer: String,
        /// Four digits of INE of the first file
        #[arg(long, value_name = "CODE")]
        municipality: String,
        /// Of the other file, when it is another one
        #[arg(long, value_name = "CODE")]
        other_municipality: Option<String>,
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
    /// Print the programme's targets as DATA_DIR/programme-targets.csv takes them, to be edited there
    Targets,
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
        Command::Import { file, municipality, dry_run, same, distinct, written } => {
            let municipality = MunicipalityId::parse(&municipality)?;
            let answers = Answers::read(&same, &distinct)?;
            let name = file.display().to_string();
            let text = std::fs::read(&file)
                .map_err(|e| Error::refused("file", format!("{name}: the file cannot be read; check its name and your rights")).because(e))?;
            let read = import::File::read(&app.keys, municipality, &name, &text, &written, now)?;
            drop(text);
            let mint = &mut Mint::system();
            let done = if dry_run {
                import::rehearse(&app.db, &app.keys, mint, &read, &answers, now).await?
            } else {
                let mut tx = app.db.write().await?;
                indicators::ensure_targets(&mut tx).await?;
                tx.commit().await?;
                import::bring(&app.db, &app.keys, mint, &read, &answers, ACTOR, now).await?
            };
            if options.json {
                let mut done = json!(done);
                done["dry_run"] = json!(dry_run);
                print(&format!("{done}\n"))?;
            } else {
                told(&done.warnings, "warnings");
                told(&done.asked, "questions; `vecino registry questions` lists them all");
                let told = if done.told > 0 { format!("; {} on record told of", done.told) } else { String::new() };
                let as_before = if done.as_before > 0 { format!("; {} rows as they came before", done.as_before) } else { String::new() };
                print(&format!(
                    "{name}: {}{} rows; {} people new, {} known; {} homes, {} contacts, {} consents; {} enrolled, {} candidates; {} questions{told}{as_before}\n",
                    if dry_run { "nothing written; it would be " } else { "" },
                    done.rows,
                    done.new_people,
                    done.known_people,
                    done.homes,
                    done.contacts,
                    done.consents,
                    done.enrolled,
                    done.candidates,
                    done.questions.len()
                ))?;
            }
        }
        Command::Questions { municipality } => {
            let municipality = MunicipalityId::parse(&municipality)?;
            let mut tx = app.db.read().await?;
            municipality::find(&mut tx, municipality).await?;
            let (rows, _) = likeness::open(&mut tx, municipality, i64::MAX).await?;
            if options.json {
                let rows: Vec<_> = rows
                    .iter()
                    .map(|row| {
                        json!({"municipality": row.municipality_id.to_string(), "person": row.person_id,
                            "other_municipality": row.like_municipality_id.to_string(), "other": row.like_person_id, "ground": row.ground})
                    })
                    .collect();
                print(&format!("{}\n", json!({"questions": rows})))?;
            } else {
                let lines: Vec<String> = rows
                    .iter()
                    .map(|row| {
                        let why = match row.ground.as_str() {
                            "cui" => "the same CUI, counted once",
                            "birth" => "the same names and birth date, counted once",
                            _ => "the same names, counted as two",
                        };
                        format!(
                            "{} {} of {} and {} {} of {}: {why}\n",
                            file_number(row.person_id),
                            row.person_id,
                            row.municipality_id,
                            file_number(row.like_person_id),
                            row.like_person_id,
                            row.like_municipality_id
                        )
                    })
                    .collect();
                print(&if lines.is_empty() { "no open question\n".to_owned() } else { lines.concat() })?;
            }
        }
        Command::Answer { person, other, answer, municipality, other_municipality } => {
            let municipality = MunicipalityId::parse(&municipality)?;
            let other_municipality = other_municipality.map_or(Ok(municipality), |code| MunicipalityId::parse(&code))?;
            let said = likeness::Answer::parse(&answer.to_lowercase())
                .filter(|said| *said != likeness::Answer::Open)
                .ok_or_else(|| Error::refused("choice", format!("«{answer}» is no answer; write same or distinct")))?;
            let mut tx = app.db.write().await?;
            let one = (municipality, likeness::named(&mut tx, municipality, &person).await?);
            let two = (other_municipality, likeness::named(&mut tx, other_municipality, &other).await?);
            likeness::answer(&mut tx, one, two, said, ACTOR, now).await?;
            let joined = match said {
                likeness::Answer::Distinct => likeness::joined(&mut tx, one, two).await?,
                _ => Vec::new(),
            };
            tx.commit().await?;
            let says = if said == likeness::Answer::Same { "one person, counted once" } else { "two people" };
            let named = |key: &Key| match key.0 == municipality {
                true => file_number(key.1),
                false => format!("{} of {}", file_number(key.1), key.0),
            };
            let way: Vec<String> = joined.iter().map(named).collect();
            let links: Vec<String> = way.windows(2).map(|pair| pair.join(" = ")).collect();
            if options.json {
                let links: Vec<_> = joined.windows(2).map(|pair| pair.iter().map(|key| key.1).collect::<Vec<_>>()).collect();
                let answer = json!({"person": one.1, "other": two.1, "answer": said.name(), "still_joined_by": links});
                print(&format!("{answer}\n"))?;
            } else {
                print(&format!("{} and {}: {says}\n", file_number(one.1), file_number(two.1)))?;
            }
            if !links.is_empty() {
                tell(&format!("still counted as one, through {}: answer one of these anew if they are two", links.join(" and ")));
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
        Command::Targets => print(&target::written()?)?,
        Command::Export { municipality, out } => {
            let municipality = MunicipalityId::parse(&municipality)?;
            let mut tx = app.db.write().await?;
            municipality::find(&mut tx, municipality).await?;
            let text = export::export(&mut tx, &app.keys, municipality, ACTOR, now).await?;
            tx.commit().await?;
            write(out, &text)?;
        }
    }
    Ok(())
}

/// Lines for a person's eyes, as many as anybody reads.
fn told(lines: &[String], what: &str) {
    for line in lines.iter().take(import::SHOWN) {
        tell(line);
    }
    if lines.len() > import::SHOWN {
        tell(&format!("and {} more {what}", lines.len() - import::SHOWN));
    }
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
        let until = row.valid_to.map(|day| format!(" by {}", show_day(day))).unwrap_or_default();
        out += &format!(
            "{:<18} {:>8} of {}{until}; due today {}: {}\n",
            row.indicator,
            number(row.value, &row.unit),
            number(Some(row.target), &row.unit),
            number(Some(row.expected), &row.unit),
            row.status.name()
        );
    }
    out
}
