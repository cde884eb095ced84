//! What the house keeps to in every file (`order.rs` has who may use whom).

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["src", "crates"].iter().for_each(|folder| files(&root.join(folder), &mut all));
    let prints = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let at = text.lines().position(|line| ["println!", "eprintln!", "print!(", "dbg!("].iter().any(|own| line.contains(own)));
        at.map(|line| format!("{}:{}: use app::print or app::tell", file.display(), line + 1))
    };
    let wrong: Vec<String> = all.iter().filter_map(prints).collect();
    assert!(all.len() > 100 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An amendment changes what a trial's protocol says, and an opened look stands: whoever read a trial's tables on the side would not know.
#[test]
fn the_tables_of_trials_are_read_and_written_in_one_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in ["FROM ", "JOIN ", "INTO ", "UPDATE "] {
            for (at, _) in text.match_indices(word) {
                let rest = &text[at + word.len()..];
                let table: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !(table == "trial" || table.starts_with("trial_")) {
                    continue;
                }
                seen += 1;
                // Whether there is a trial at all, for which the record must have a chain.
                let asked_by_the_record = file.ends_with("account/audit/walk.rs") && text[..at].ends_with("EXISTS (SELECT 1 ");
                if !file.starts_with(src.join("trial")) && !asked_by_the_record {
                    wrong.push(format!("{}: «{word}{table}»; ask `trial` for what is in force", file.display()));
                }
            }
        }
    }
    assert!(seen > 20, "the statements of `trial` are found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
