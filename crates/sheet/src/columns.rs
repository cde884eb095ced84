//! Which column is meant: names in any case, with accents, in Spanish, or as the person says.

use super::letters;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Names, or places of one name, that are told before the rest is only counted.
const NAMED: usize = 5;

/// A column we know, and what else offices call it (as `folded`).
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub name: &'static str,
    pub also: &'static [&'static str],
}

pub const fn known(name: &'static str, also: &'static [&'static str]) -> Known {
    Known { name, also }
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Known(&'static str),
    /// Not one of ours: kept under its own name where its rows are.
    Own(String),
    Nameless,
    /// Set aside, because the person named another column for what this one is called.
    Aside,
}

impl Column {
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Column::Known(own) if *own == name)
    }
}

/// The columns of a file in its order.
#[derive(Debug)]
pub struct Resolved {
    pub columns: Vec<Column>,
    pub notes: Vec<String>,
}

/// A name as it is compared: `Código de la casa` is `codigo_casa`.
pub fn folded(name: &str) -> String {
    const PARTICLES: [&str; 7] = ["de", "del", "la", "el", "los", "las", "of"];
    let plain: String = name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let telling: Vec<&str> = words.iter().copied().filter(|word| !PARTICLES.contains(word)).collect();
    if telling.is_empty() { words.join("_") } else { telling.join("_") }
}

/// The places of the columns that are called so, as names are compared.
pub fn called(folds: &[String], name: &str) -> Vec<usize> {
    let fold = folded(name);
    (0..folds.len()).filter(|at| !fold.is_empty() && folds[*at] == fold).collect()
}

/// Columns that are named before the rest is only counted.
const SHOWN: usize = 30;

/// “«a», «b» and 3 more”.
pub fn listed(names: &[&str]) -> String {
    let named: Vec<String> = names.iter().filter(|name| !name.is_empty()).map(|name| format!("«{name}»")).collect();
    match named.len() {
        0 => "no columns".to_owned(),
        many if many > SHOWN => format!("{} and {} more", named[..SHOWN].join(", "), many - SHOWN),
        _ => named.join(", "),
    }
}

/// The columns that a file has, for a refusal: by name, or by letter where names may not be repeated.
pub fn had(names: &[&str], columns: &[Column], shown: bool) -> String {
    if shown {
        return listed(names);
    }
    let known: Vec<String> = columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| match column {
            Column::Known(name) => Some(format!("{name} ({})", letters(at))),
            Column::Own(_) => Some(format!("one of another name ({})", letters(at))),
            _ => None,
        })
        .collect();
    match known.len() {
        0 => "no columns".to_owned(),
        many if many > SHOWN => format!("{} and {} more", known[..SHOWN].join(", "), many - SHOWN),
        _ => known.join(", "),
    }
}

/// Finds what each name means: what the person says first, then our own names, then what else they are called. A name that stands twice,
/// and two names for one column, are refused.
pub fn resolve(names: &[&str], known: &[Known], asked: &[(String, String)], shown: bool) -> Result<Resolved, Vec<String>> {
    let folds: Vec<String> = names.iter().map(|name| folded(name)).collect();
    let named = |at: usize| if shown { format!("«{}»", names[at]) } else { letters(at) };
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let mut standing: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        standing.entry(name).or_default().push(at);
    }
    let mut again: Vec<&Vec<usize>> = standing.values().filter(|places| places.len() > 1).collect();
    again.sort();
    for places in again.iter().take(NAMED) {
        problems.push(match places[..] {
            [first, second] => format!("the column {} stands twice ({} and {}); keep one", named(first), letters(first), letters(second)),
            _ => {
                let shown: Vec<String> = places.iter().take(NAMED).map(|at| letters(*at)).collect();
                let more = if places.len() > NAMED { " …" } else { "" };
                format!("the column {} stands {} times ({}{more}); keep one", named(places[0]), places.len(), shown.join(", "))
            }
        });
    }
    if again.len() > NAMED {
        problems.push(format!("{} more names stand twice or oftener; keep one of each", again.len() - NAMED));
    }
    let mut columns: Vec<Column> =
        names.iter().map(|name| if name.is_empty() { Column::Nameless } else { Column::Own((*name).to_owned()) }).collect();
    let find = |name: &str| names.iter().position(|own| *own == name).map_or_else(|| called(&folds, name), |at| vec![at]);
    let mut taken: Vec<&str> = Vec::new();
    for (ours, theirs) in asked {
        let Some(ours) = known.iter().find(|known| known.name == ours || folded(ours) == known.name || known.also.contains(&folded(ours).as_str()))
        else {
            let all: Vec<&str> = known.iter().map(|known| known.name).collect();
            problems.push(format!("--column {ours}={theirs}: there is no column «{ours}» here; ours are {}", all.join(", ")));
            continue;
        };
        match find(theirs)[..] {
            [_, ..] if taken.contains(&ours.name) => problems.push(format!("--column {}=… stands twice; keep one", ours.name)),
            [at] => {
                columns[at] = Column::Known(ours.name);
                taken.push(ours.name);
            }
            [_, _, ..] => problems
                .push(format!("--column {}={theirs}: several columns are called so but for case and accents; write its name just so", ours.name)),
            [] => problems.push(format!("--column {}={theirs}: the file has no such column; it has {}", ours.name, had(names, &columns, shown))),
        }
    }
    for known in known {
        let free = |at: &usize| matches!(columns[*at], Column::Own(_));
        let exact: Vec<usize> = (0..names.len()).filter(free).filter(|at| folds[*at] == known.name).collect();
        let aliases: Vec<usize> = (0..names.len()).filter(free).filter(|at| known.also.contains(&folds[*at].as_str())).collect();
        if taken.contains(&known.name) {
            // A column of that very name would be taken for the one the person named.
            for at in exact {
                notes.push(format!("the column {} is left out: --column takes another as {}", named(at), known.name));
                columns[at] = Column::Aside;
            }
            continue;
        }
        let written = exact.iter().copied().find(|at| names[*at] == known.name);
        match (written, exact.as_slice(), aliases.as_slice()) {
            (Some(at), ..) => columns[at] = Column::Known(known.name),
            (None, [at], _) | (None, [], [at]) => columns[*at] = Column::Known(known.name),
            (None, [], []) => {}
            (None, many @ [_, _, ..], _) | (None, [], many) => {
                let many: Vec<String> = many.iter().map(|at| named(*at)).collect();
                let [first, ..] = many.as_slice() else { continue };
                problems.push(format!(
                    "the columns {} may all be {}; keep one, or say which: --column {}={}",
                    many.join(", "),
                    known.name,
                    known.name,
                    if shown { first.trim_matches(['«', '»']) } else { "NAME" }
                ));
            }
        }
    }
    if problems.is_empty() { Ok(Resolved { columns, notes }) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 3] = [known("code", &["codigo", "clave"]), known("name", &["nombre"]), known("weekdays", &["dias", "dias_semana"])];

    fn found(names: &[&str], asked: &[(&str, &str)]) -> Result<Vec<Column>, Vec<String>> {
        let asked: Vec<(String, String)> = asked.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        resolve(names, &KNOWN, &asked, true).map(|resolved| resolved.columns)
    }

    #[test]
    fn names_in_any_case_with_accents_and_in_spanish_are_ours() {
        let ours = [Column::Known("code"), Column::Known("name"), Column::Known("weekdays")];
        for names in [
            ["code", "name", "weekdays"],
            ["CODE", "Name", "WeekDays"],
            ["Código", "NOMBRE", "Días de la semana"],
            ["Co\u{301}digo", " nombre ", "dias"],
        ] {
            assert_eq!(found(&names, &[]).unwrap(), ours, "{names:?}");
        }
        // Our own name is meant where both stand; the other is kept as it is.
        assert_eq!(found(&["nombre", "name"], &[]).unwrap(), [Column::Own("nombre".into()), Column::Known("name")]);
    }

    #[test]
    fn a_header_of_many_thousand_names_is_read_at_once_and_repeats_are_told_once() {
        let own: Vec<String> = (0..50_000).map(|n| format!("c{n}")).collect();
        let mut names: Vec<&str> = own.iter().map(String::as_str).collect();
        names.push("code");
        let begun = std::time::Instant::now();
        assert_eq!(found(&names, &[]).unwrap()[50_000], Column::Known("code"));
        names.extend(std::iter::repeat_n("code", 50_000));
        names.extend(own.iter().map(String::as_str));
        let told = found(&names, &[]).unwrap_err();
        assert!(told[0].contains("«c0» stands twice") && told.len() == 6 && told[5].starts_with("49996 more"), "{told:?}");
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        let told = found(&["code", "code", "code"], &[]).unwrap_err();
        assert_eq!(told, ["the column «code» stands 3 times (A, B, C); keep one"]);
    }

    #[test]
    fn what_the_person_says_comes_first_and_what_nobody_can_tell_is_asked() {
        assert_eq!(found(&["id", "Nombre"], &[("code", "ID")]).unwrap(), [Column::Known("code"), Column::Known("name")]);
        assert_eq!(found(&["id", "code"], &[("code", "id")]).unwrap(), [Column::Known("code"), Column::Aside]);
        assert!(found(&["codigo", "clave"], &[]).unwrap_err()[0].contains("--column code=codigo"));
        assert!(found(&["id"], &[("code", "ident")]).unwrap_err()[0].contains("it has «id»"));
        assert!(found(&["id"], &[("kode", "id")]).unwrap_err()[0].contains("ours are code, name, weekdays"));
        assert!(found(&["a", "a"], &[]).unwrap_err()[0].contains("twice (A and B)"));
    }
}
