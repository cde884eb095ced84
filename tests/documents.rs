//! What the documents name is there: files, functions, macros, tables, addresses, codes of refusals. A document that names what was renamed misleads in silence.
//!
//! In the documents a function is written `name()`, `module::name()` or `Type::name()`, a macro `name!`, a file by its path from the root.

use std::collections::BTreeSet;
use std::path::Path;

/// Documents whose words in backticks are looked up.
const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "GLOSSARY.md"];
const LINKED: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "GLOSSARY.md",
    "SECURITY.md",
    "experiments/README.md",
    "docs/your-municipality.md",
    "docs/su-municipio.md",
];
const FOLDERS: [&str; 7] = ["src", "crates", "migrations", "tests", "templates", "experiments", "benches"];
const KINDS: [&str; 9] = ["rs", "sql", "js", "toml", "ftl", "md", "txt", "csv", "json"];

struct Source {
    /// Folders and stem: `src`, `norm`, `gateway`, `mod`.
    place: Vec<String>,
    text: String,
}

fn read(folder: &Path, out: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
            read(&path, out);
        } else if path.extension().is_some_and(|e| ["rs", "sql", "js", "toml", "ftl"].iter().any(|own| e == *own)) {
            let place = path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
            out.push(Source { place, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

fn sources(root: &Path) -> Vec<Source> {
    let mut out = Vec::new();
    FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()).for_each(|folder| read(&folder, &mut out));
    out
}

fn part_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a text has `word` by itself, followed by what `after` accepts.
fn has(text: &str, word: &str, after: impl Fn(&str) -> bool) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(part_of_a_word) && !rest.starts_with(part_of_a_word) && after(rest)
    })
}

fn defines(text: &str, name: &str) -> bool {
    let called = |rest: &str| rest.starts_with(['(', '<']);
    has(text, &format!("fn {name}"), called) || has(text, &format!("function {name}"), called)
}

/// Whether a text makes the type, lists its words, or gives it functions.
fn is_of(text: &str, name: &str) -> bool {
    let made = ["struct", "enum", "trait", "type"].iter().any(|kind| has(text, &format!("{kind} {name}"), |_| true));
    made || has(text, name, |rest| rest.starts_with(" {")) || text.lines().any(|line| line.starts_with("impl") && has(line, name, |_| true))
}

/// The spans in backticks, outside blocks of code.
fn spans(text: &str) -> Vec<&str> {
    let outside = text.split("\n```").step_by(2);
    outside.flat_map(|block| block.split('`').skip(1).step_by(2)).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What is wrong with a span, if it names something.
fn problem(root: &Path, sources: &[Source], span: &str) -> Option<&'static str> {
    if span.contains(char::is_whitespace) || span.contains(['=', '…']) || span.starts_with('-') {
        return None;
    }
    let kind = Path::new(span).extension().and_then(|e| e.to_str()).is_some_and(|e| KINDS.contains(&e));
    if span.starts_with('/') {
        let written = format!("\"{span}\"");
        return (!sources.iter().any(|source| source.text.contains(&written))).then_some("no route has this address");
    }
    if span.contains('/') || kind {
        return (!root.join(span).exists()).then_some("there is no such file");
    }
    if span.contains('-') && span.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        let told = |text: &str| text.contains(&format!("\"{span}\"")) || text.contains(&format!("\n{span} ="));
        return (!sources.iter().any(|source| told(&source.text))).then_some("no refusal, reason or interface string is called so");
    }
    if let Some(name) = span.strip_suffix('!').filter(|name| is_name(name)) {
        return (!sources.iter().any(|source| source.text.contains(&format!("macro_rules! {name}")))).then_some("there is no such macro");
    }
    let (path, function) = span.strip_suffix("()").map_or((span, false), |path| (path, true));
    let mut parts: Vec<&str> = path.split("::").collect();
    if !parts.iter().all(|part| is_name(part)) {
        return None;
    }
    let name = parts.pop()?;
    let found = sources.iter().any(|source| {
        let stands = parts.iter().all(|part| match part.starts_with(|c: char| c.is_ascii_uppercase()) {
            true => is_of(&source.text, part),
            false => source.place.iter().any(|place| place == part),
        });
        stands && if function { defines(&source.text, name) } else { has(&source.text, name, |_| true) }
    });
    (!found).then_some(if function { "there is no such function" } else { "no source has this word" })
}

#[test]
fn what_the_documents_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(root);
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let spans: BTreeSet<&str> = spans(&text).into_iter().collect();
        assert!(spans.len() > 50, "{document}: {} names were found", spans.len());
        wrong.extend(spans.into_iter().filter_map(|span| Some(format!("{document}: `{span}`: {}", problem(root, &sources, span)?))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_that_is_gone_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(root);
    let told = |span: &str| problem(root, &sources, span);
    for gone in [
        "src/norm/gone.rs",
        "Gone.md",
        "choose_gone()",
        "share::choose()",
        "Share::choose()",
        "gone_table",
        "gone-code",
        "gone!",
        "/gone/{municipality}",
    ] {
        // Put together, or this file itself would have it.
        let gone = gone.replace("gone", &["vanis", "hed"].concat()).replace("Gone", "Vanished");
        assert!(told(&gone).is_some(), "{gone}");
    }
    for there in
        ["src/norm/rule.rs", "rule::choose()", "Share::of()", "home_week", "look-closed", "bulk!", "/map/{municipality}", "cargo test", "--json"]
    {
        assert_eq!(told(there), None, "{there}");
    }
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for document in LINKED {
        let file = root.join(document);
        let text = std::fs::read_to_string(&file).unwrap();
        let folder = file.parent().unwrap_or(root);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !path.is_empty() && !folder.join(path).exists() {
                wrong.push(format!("{document}: ({target})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
