//! A file of people as an office saves it: its columns under our names and its cells in our words. What a row means is `entry`'s business.
//! Neither cells nor names of unknown columns are repeated anywhere: they may be names of people.

use super::entry::{self, COLUMNS, Entry};
use super::export::is_formula;
use super::import::refused;
use crate::error::Result;
use crate::sheet::columns::{Column, Known, folded, had};
use crate::sheet::problems::Problems;
use crate::sheet::{Fault, Sheet, Written, letters, words};
use chrono::NaiveDate;
use std::borrow::Cow;

/// Columns of unknown names that are named by their letters before the rest is only counted.
const NAMED: usize = 5;

/// What was read: every row with the number a spreadsheet shows.
pub struct Read {
    pub entries: Vec<(u64, Entry)>,
    /// What each row says, the same however the table is saved and whenever it is read, as the reader hashed it.
    pub said: Vec<i64>,
    pub warnings: Vec<String>,
}

/// What else offices call our columns.
fn also(column: &str) -> &'static [&'static str] {
    match column {
        "given_names" => &["nombres", "nombre"],
        "surnames" => &["apellidos", "apellido"],
        "cui" => &["dpi", "dpi_cui", "cui_dpi", "numero_dpi", "no_dpi", "numero_cui"],
        "sex" => &["sexo"],
        "birth_date" => &["fecha_nacimiento", "nacimiento", "edad", "age", "ano_nacimiento"],
        "language" => &["idioma", "lengua"],
        "migration_status" => &["situacion_migratoria", "condicion_migratoria"],
        "household" => &["hogar", "vivienda", "casa", "codigo_hogar", "codigo_vivienda", "codigo_casa"],
        "relation" => &["relacion", "parentesco"],
        "since" => &["desde"],
        "phone" => &["telefono", "celular", "tel", "numero_telefono", "no_telefono"],
        "channel" => &["canal"],
        "consent_messages" => &["consentimiento_mensajes", "acepta_mensajes"],
        "consents" => &["consentimientos"],
        "consent_on" => &["fecha_consentimiento"],
        "guardian" => &["encargado", "tutor"],
        "waste" => &["residuos"],
        "finance" => &["finanzas"],
        "finance_partner" => &["entidad_financiera", "banco"],
        "school" => &["escuela"],
        "grade" => &["grado"],
        "school_year" => &["ciclo_escolar"],
        _ => &[],
    }
}

/// A closed word as offices write it in Spanish.
fn ours(column: &str, word: &str) -> Option<&'static str> {
    Some(match (column, word) {
        ("sex", "f" | "femenino" | "mujer") => "female",
        ("sex", "m" | "masculino" | "hombre") => "male",
        ("sex", "otro" | "otra") => "other",
        ("sex" | "migration_status" | "relation", "desconocido" | "desconocida" | "no_sabe") => "unknown",
        ("language", "espanol" | "castellano") => "es",
        ("relation", "jefe" | "jefa" | "jefe_hogar" | "jefa_hogar") => "head",
        ("relation", "esposo" | "esposa" | "pareja" | "conyuge" | "conviviente") => "partner",
        ("relation", "hijo" | "hija") => "child",
        ("relation", "padre" | "madre") => "parent",
        ("relation", "hermano" | "hermana") => "sibling",
        ("relation", "otro_pariente" | "otro_familiar") => "other_relative",
        ("relation", "no_pariente" | "sin_parentesco") => "not_related",
        ("channel", "papel") => "paper",
        ("consents", "mensajes") => "messages",
        ("consents", "investigacion") => "research",
        ("consents", "finanzas") => "finance",
        ("consents", "escuela") => "school",
        ("consents", "genero") => "gender",
        _ => return None,
    })
}

/// A cell in our words; what is not understood stays as it is and is refused by who reads the row.
fn said<'a>(column: &str, cell: &'a str) -> Cow<'a, str> {
    let cell = plain(cell);
    if cell.trim().is_empty() {
        return Cow::Borrowed("");
    }
    if cell.contains('\0') {
        // Folding would hide it from whoever refuses it.
        return Cow::Borrowed(cell);
    }
    match column {
        "consent_messages" | "guardian" => words::yes(cell).map_or(Cow::Borrowed(cell), |yes| Cow::Borrowed(if yes { "yes" } else { "no" })),
        "birth_date" | "since" | "consent_on" => words::day(cell).map_or(Cow::Borrowed(cell), |day| Cow::Owned(crate::clock::show_day(day))),
        "sex" | "language" | "migration_status" | "relation" | "channel" => {
            ours(column, &folded(cell)).map_or_else(|| Cow::Owned(cell.trim().to_lowercase()), Cow::Borrowed)
        }
        "consents" => {
            let purposes = cell.split([' ', ',', ';', '+']).filter(|word| !word.is_empty());
            let purposes = purposes.map(|word| ours(column, &folded(word)).map_or_else(|| word.to_lowercase(), str::to_owned));
            Cow::Owned(purposes.collect::<Vec<String>>().join(" "))
        }
        _ => Cow::Borrowed(cell),
    }
}

/// Undoes what an export does to a cell that a spreadsheet would take for a formula.
fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        _ => cell,
    }
}

/// Every row, or every problem: one line a problem and column. `hash`: of what a row says.
pub fn read(file: &str, bytes: &[u8], written: &Written, today: NaiveDate, hash: impl Fn(&str) -> i64) -> Result<Read> {
    let place = |row: u64| row.to_string();
    let faults = |faults: &[Fault]| {
        let mut lines = Problems::default();
        for fault in faults {
            match fault.row {
                Some(row) => lines.add(&place(row), &fault.line),
                None => lines.push(format!("{file}: {}", fault.line)),
            }
        }
        lines
    };
    let said_of = |lines: &Problems| lines.lines(&format!("{file}:"), ": ");
    let known: Vec<Known> = COLUMNS.into_iter().map(|name| Known { name, also: also(name) }).collect();
    let sheet = Sheet::read(bytes, written, &known, false).map_err(|found| refused(said_of(&faults(&found))))?;
    let mut lines = Problems::default();
    let names = vec![""; sheet.columns.len()];
    let own: Vec<usize> = (0..sheet.columns.len()).filter(|at| matches!(sheet.columns[*at], Column::Own(_))).collect();
    if !own.is_empty() {
        let shown: Vec<String> = own.iter().take(NAMED).map(|at| letters(*at)).collect();
        let more = if own.len() > NAMED { format!(" and {} more", own.len() - NAMED) } else { String::new() };
        let has = if own.len() == 1 { "has" } else { "have" };
        let line = format!(
            "column {}{more} {has} no known name; name it with --column OURS=THEIRS or take it out; the columns are {}",
            shown.join(", "),
            COLUMNS.join(", ")
        );
        lines.add(&place(sheet.header), line);
    }
    if let Some((at, row)) = sheet.nameless() {
        lines.add(&place(row), format!("column {} has no name in the header; name it, or empty it", letters(at)));
    }
    for needed in ["given_names", "surnames"] {
        if sheet.find(needed).is_none() {
            let has = had(&names, &sheet.columns, false);
            lines.add(
                &place(sheet.header),
                format!("there is no column {needed}; the file has {has}: add it, or say which one it is with --column {needed}=NAME"),
            );
        }
    }
    if !lines.is_empty() {
        return Err(refused(said_of(&lines)));
    }
    let mut lines = faults(&sheet.faults);
    let mut warnings = Problems::default();
    for note in &sheet.notes {
        warnings.push(format!("{file}: {note}"));
    }
    let at: Vec<(&str, usize)> = COLUMNS.into_iter().filter_map(|name| Some((name, sheet.find(name)?))).collect();
    let (mut entries, mut said_here) = (Vec::with_capacity(sheet.rows.len()), Vec::with_capacity(sheet.rows.len()));
    // Row by row, so that the table goes as the people come.
    for row in sheet.rows {
        let cells: Vec<(&str, Cow<'_, str>)> = at.iter().map(|(name, column)| (*name, said(name, row.cell(*column)))).collect();
        for (name, cell) in &cells {
            if cell.contains('\u{FFFD}') {
                lines.add(&place(row.number), format!("{name}: letters were lost on the way (U+FFFD); export the file again as UTF-8"));
            } else if words::mojibake(cell).is_some() {
                let line = "letters look spoilt (UTF-8 read as Windows-1252, as in Ã© for é); mend them where the file comes from";
                warnings.add(&place(row.number), format!("{name}: {line}"));
            }
        }
        let get = |field: &str| cells.iter().find(|(name, _)| *name == field).map_or("", |(_, cell)| cell.as_ref());
        match entry::read(get, today) {
            Ok(entry) => {
                said_here.push(hash(&entry::said(&entry, get)));
                entries.push((row.number, entry));
            }
            Err(problems) => {
                for problem in problems {
                    let line = problem.error.lines.join("; ");
                    let line = if line.starts_with(problem.field) { line } else { format!("{}: {line}", problem.field) };
                    lines.add(&place(row.number), line);
                }
            }
        }
    }
    if entries.is_empty() && lines.is_empty() {
        lines.push(format!("{file}: there is no row under the header; add one"));
    }
    if lines.is_empty() { Ok(Read { entries, said: said_here, warnings: said_of(&warnings) }) } else { Err(refused(said_of(&lines))) }
}
