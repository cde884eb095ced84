//! A file and what is wanted of it: opened, its columns found by their names, and held in a table.

use super::table::{Column, Table};
use crate::error::{Error, Result};
use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use vecino_sheet::Written;
use vecino_sheet::columns::{called, folded};

pub fn refused(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::refused("estimate-data", format!("{}: {what}", path.display()))
}

/// The file, opened. Refuses one that is not there, may not be read, or is empty.
pub fn file(path: &Path) -> Result<File> {
    let why = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => refused(path, "there is no such file; check the name and the folder"),
        io::ErrorKind::PermissionDenied => refused(path, "the file may not be read; give this user read access"),
        _ => refused(path, format!("the file cannot be read ({error}); check the disk")),
    };
    let file = File::open(path).map_err(why)?;
    let about = file.metadata().map_err(why)?;
    if about.is_dir() {
        return Err(refused(path, "this is a folder; name a file"));
    }
    if about.is_file() && about.len() == 0 {
        return Err(refused(path, "the file is empty; it needs a line of column names and a row for each unit"));
    }
    Ok(file)
}

/// The places of the wanted columns and the names they are wanted by, in the file's order: the one the person says, or that of this very name, or
/// the only one that is called so but for case, accents and spaces.
pub fn places(path: &Path, names: &[String], how: &Written, wanted: &BTreeSet<String>) -> Result<Vec<(usize, String)>> {
    let folds: LazyCell<Vec<String>, _> = LazyCell::new(|| names.iter().map(|name| folded(name)).collect());
    let (mut places, mut lost): (Vec<(usize, String)>, Vec<String>) = (Vec::new(), Vec::new());
    for name in wanted {
        let theirs = how.columns.iter().find(|(ours, _)| ours == name).map_or(name, |(_, theirs)| theirs);
        let exact: Vec<usize> = (0..names.len()).filter(|at| names[*at] == *theirs).collect();
        let found = if exact.is_empty() { called(&folds, theirs) } else { exact };
        match found[..] {
            [at] => places.push((at, name.clone())),
            [] => lost.push(if theirs == name { format!("`{name}`") } else { format!("`{theirs}` for `{name}`") }),
            [first, second, ..] if names[first] == names[second] => {
                return Err(refused(path, format!("the header names the column `{}` twice; rename one of the two", names[first])));
            }
            _ => {
                let may: Vec<String> = found.iter().map(|at| format!("`{}`", names[*at])).collect();
                let line = format!("the columns {} may all be `{name}`; say which: --column {name}={}", may.join(", "), names[found[0]].trim());
                return Err(refused(path, line));
            }
        }
    }
    if !lost.is_empty() {
        // A name with letters that are not UTF-8 was read with U+FFFD in their place.
        let spoilt = names.iter().any(|name| name.contains('\u{FFFD}'));
        let hint = if spoilt { "; names that are not UTF-8 may be Windows-1252: add --encoding windows-1252" } else { "" };
        let say = "; mend the name, or say which one it is with --column OURS=THEIRS";
        return Err(refused(path, format!("there is no column {}; there {}{say}{hint}", lost.join(", "), listed(names))));
    }
    places.sort();
    match places.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(refused(path, format!("`{}` and `{}` are both the column `{}`; write it one way", pair[0].1, pair[1].1, names[pair[0].0]))),
        None => Ok(places),
    }
}

/// “are a, b, c”, twenty at most.
pub fn listed(names: &[String]) -> String {
    let shown = names.iter().take(20).map(|name| format!("`{name}`")).collect::<Vec<String>>().join(", ");
    match names.len() {
        0 => "are no columns at all".to_string(),
        1 => format!("is only {shown}"),
        2..=20 => format!("are {shown}"),
        more => format!("are {shown} and {} more", more - 20),
    }
}

/// The table of the wanted columns and the names of the others.
pub fn table(rows: usize, names: Vec<String>, places: &[(usize, String)], columns: Vec<Column>) -> Table {
    let taken: BTreeSet<usize> = places.iter().map(|(at, _)| *at).collect();
    let columns = places.iter().zip(columns).map(|((_, name), column)| (name.clone(), Arc::new(column))).collect();
    let others = names.into_iter().enumerate().filter(|(at, _)| !taken.contains(at)).map(|(_, name)| name).collect();
    Table { rows, columns, others, doubts: Vec::new() }
}
