//! Interface strings: the same keys in every language, and no key asked for that nobody wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn keys(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("templates/interface/{language}.ftl"));
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut last = String::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let starts = line.starts_with(|c: char| c.is_ascii_lowercase());
        if let (true, Some((key, _))) = (starts, line.split_once(" =")) {
            last = key.to_owned();
            assert!(out.insert(last.clone(), BTreeSet::new()).is_none(), "{language}: {last} stands twice");
        }
        for part in line.split('$').skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '-').collect();
            out.get_mut(&last).unwrap().insert(name);
        }
    }
    out
}

fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().filter(|line| !line.trim_start().starts_with("//")).for_each(|line| {
                out.push_str(line);
                out.push('\n');
            });
        }
    }
}

#[test]
fn every_language_has_the_same_keys_with_the_same_values() {
    let (spanish, english) = (keys("es"), keys("en"));
    let one_sided: Vec<_> =
        spanish.keys().filter(|k| !english.contains_key(*k)).chain(english.keys().filter(|k| !spanish.contains_key(*k))).collect();
    assert!(one_sided.is_empty(), "in one language only: {one_sided:?}");
    let differ: Vec<_> = spanish.iter().filter(|(key, values)| english[*key] != **values).map(|(key, _)| key).collect();
    assert!(differ.is_empty(), "with other values: {differ:?}");
}

#[test]
fn every_key_that_is_asked_for_is_written() {
    let written = keys("es");
    let mut source = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    let by_role = vecino::account::Role::ALL
        .into_iter()
        .flat_map(|role| ["role", "door", "enter"].map(|kind| format!("{kind}-{}", role.name().replace('_', "-"))));
    let mut missing: BTreeSet<String> = by_role.filter(|key| !written.contains_key(key)).collect();
    for call in [".say(\"", ".tell(\""] {
        for part in source.split(call).skip(1) {
            let key = part.split('"').next().unwrap();
            if !written.contains_key(key) {
                missing.insert(key.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "asked for and not written: {missing:?}");
}
