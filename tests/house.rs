//! Data flows down the list of modules in `src/lib.rs`; a module uses only those above it.

use std::path::{Path, PathBuf};

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn nothing_is_printed_by_a_macro_that_panics_where_nobody_reads() {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let prints = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let at = text.lines().position(|line| ["println!", "eprintln!", "print!(", "dbg!("].iter().any(|own| line.contains(own)));
        at.map(|line| format!("{}:{}: use app::print or app::tell", file.display(), line + 1))
    };
    let wrong: Vec<String> = all.iter().filter_map(prints).collect();
    assert!(all.len() > 100 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_module_uses_only_those_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order: Vec<String> = std::fs::read_to_string(src.join("lib.rs"))
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub mod ")?.trim_end_matches(';').to_owned()))
        .collect();
    assert!(order.len() > 15, "lib.rs lists the modules");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for file in all {
        let relative = file.strip_prefix(&src).unwrap().to_owned();
        let own = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some(rank) = order.iter().position(|m| *m == own) else { continue };
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + 7..];
                let names: Vec<String> = match rest.strip_prefix('{') {
                    Some(group) => group.split(['}', ',']).map(|n| n.trim().split("::").next().unwrap().to_owned()).collect(),
                    None => vec![rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()],
                };
                for name in names {
                    if order.iter().position(|m| *m == name).is_some_and(|used| used > rank) {
                        wrong.push(format!("{}:{}: {own} uses {name}, which stands below it", relative.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An amendment changes what a trial's protocol says: whoever read the frozen text on the side would not know.
#[test]
fn the_text_of_a_protocol_is_read_in_one_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for file in all.into_iter().filter(|file| !file.starts_with(src.join("trial"))) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("FROM trial") {
            let table: String = text[at + 5..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let asked = text[..at].rfind("SELECT").map_or("", |from| &text[from..at]);
            if matches!(table.as_str(), "trial" | "trial_amendment") && asked.contains("protocol") {
                wrong.push(format!("{}: reads a protocol from «{table}»; ask trial::of or trial::find what is in force", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
