//! Data flows down: a module uses only those above it in its crate's list, no two files of a room lean on each other, and no crate knows
//! the house. What a file names is read from its tokens, so that a path counts however it is broken over lines or begun.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Module = Vec<String>;

/// One crate as text: each file by the module it is.
type Files = BTreeMap<Module, String>;

/// What a file uses outside its tests, and within them.
#[derive(Default)]
struct Uses {
    program: BTreeSet<Module>,
    tests: BTreeSet<Module>,
    /// The names it hands on from elsewhere.
    handed_on: BTreeMap<String, Module>,
}

/// Reads the paths of one file.
struct Reader<'a> {
    modules: &'a Files,
    uses: Uses,
}

impl Reader<'_> {
    fn read(&mut self, tokens: TokenStream, here: &Module, in_tests: bool) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let word = |at: usize| match trees.get(at) {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        };
        let mark = |at: usize, mark: char| matches!(trees.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == mark);
        let (mut at, mut for_tests, mut public) = (0, false, false);
        while let Some(tree) = trees.get(at) {
            match tree {
                TokenTree::Group(group) => {
                    if mark(at.wrapping_sub(1), '#') {
                        for_tests |= group.stream().to_string().replace(' ', "") == "cfg(test)";
                    } else {
                        self.read(group.stream(), here, in_tests || for_tests);
                        for_tests &= group.delimiter() != Delimiter::Brace;
                    }
                    at += 1;
                }
                TokenTree::Ident(ident) if ident == "pub" => {
                    public = true;
                    at += 1 + usize::from(matches!(trees.get(at + 1), Some(TokenTree::Group(_))));
                    continue;
                }
                TokenTree::Ident(ident) if ident == "mod" => {
                    if let (Some(name), Some(TokenTree::Group(inside))) = (word(at + 1), trees.get(at + 2)) {
                        let inner = [here.as_slice(), &[name]].concat();
                        self.read(inside.stream(), &inner, in_tests || for_tests);
                        at += 1;
                    }
                    for_tests = false;
                    at += 2;
                }
                TokenTree::Ident(ident) if ident == "use" => {
                    let end = (at..trees.len()).find(|end| mark(*end, ';')).unwrap_or(trees.len());
                    let mut all = Vec::new();
                    tree_of(&trees[at + 1..end], Vec::new(), &mut all);
                    for (path, name) in all {
                        if let Some(path) = self.absolute(&path, here) {
                            if public {
                                self.uses.handed_on.insert(name, path.clone());
                            }
                            self.add(path, in_tests || for_tests);
                        }
                    }
                    for_tests = false;
                    at = end;
                }
                TokenTree::Ident(_) if mark(at + 1, ':') && mark(at + 2, ':') && !mark(at.wrapping_sub(1), ':') => {
                    let mut path = Vec::new();
                    while let Some(name) = word(at) {
                        path.push(name);
                        at += if mark(at + 1, ':') && mark(at + 2, ':') { 3 } else { 1 };
                        if !mark(at - 1, ':') {
                            break;
                        }
                    }
                    if let Some(path) = self.absolute(&path, here) {
                        self.add(path, in_tests || for_tests);
                    }
                }
                _ => at += 1,
            }
            public = false;
        }
    }

    /// A path from the crate's root on; `None` where it begins in another crate or with a name of the file.
    fn absolute(&self, path: &[String], here: &Module) -> Option<Module> {
        let (mut base, mut rest) = (here.clone(), path);
        match path.first()?.as_str() {
            "crate" => (base, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            first => {
                let child = [here.as_slice(), &[first.to_string()]].concat();
                return self.modules.contains_key(&child).then(|| [here.as_slice(), path].concat());
            }
        }
        while rest.first().is_some_and(|name| name == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some([base.as_slice(), rest].concat())
    }

    fn add(&mut self, path: Module, in_tests: bool) {
        if in_tests {
            self.uses.tests.insert(path)
        } else {
            self.uses.program.insert(path)
        };
    }
}

/// The paths of a `use`, each with the name it brings.
fn tree_of(trees: &[TokenTree], prefix: Module, out: &mut Vec<(Module, String)>) {
    let mut path = prefix.clone();
    let mut name = None;
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == ',' => {
                tree_of(&trees[..at], prefix.clone(), out);
                return tree_of(&trees[at + 1..], prefix, out);
            }
            TokenTree::Ident(ident) if ident == "as" => name = Some(String::new()),
            TokenTree::Ident(ident) if name.is_some() => name = Some(ident.to_string()),
            TokenTree::Ident(ident) if ident == "self" && path.len() > prefix.len().max(1) => {}
            TokenTree::Ident(ident) if ident == "self" && !prefix.is_empty() => {}
            TokenTree::Ident(ident) => path.push(ident.to_string()),
            TokenTree::Group(group) if trees[at + 1..].is_empty() => {
                return tree_of(&group.stream().into_iter().collect::<Vec<_>>(), path, out);
            }
            _ => {}
        }
    }
    if path.len() > prefix.len() || !trees.is_empty() {
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        out.push((path, name));
    }
}

/// Which file uses which, a name that is handed on counting where it is from.
struct Crate {
    /// The modules of the root, in reading order.
    order: Vec<String>,
    program: BTreeSet<(Module, Module)>,
    tests: BTreeSet<(Module, Module)>,
}

impl Crate {
    fn of(files: &Files) -> Crate {
        let mut all = BTreeMap::new();
        for (module, text) in files {
            let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{}: {e}", module.join("::")));
            let mut reader = Reader { modules: files, uses: Uses::default() };
            reader.read(tokens, module, false);
            all.insert(module.clone(), reader.uses);
        }
        let owner = |path: &Module| {
            let mut path = path.clone();
            for _ in 0..8 {
                let Some(length) = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length])) else { return Vec::new() };
                let next = path.get(length).and_then(|name| all[&path[..length]].handed_on.get(name));
                match next {
                    Some(next) if *next != path => path = [next.as_slice(), &path[length + 1..]].concat(),
                    _ => return path[..length].to_vec(),
                }
            }
            path
        };
        let edges = |which: fn(&Uses) -> &BTreeSet<Module>| {
            let each = all.iter().flat_map(|(module, uses)| which(uses).iter().map(move |path| (module.clone(), owner(path))));
            each.filter(|(user, used)| user != used).collect()
        };
        let lib = files[&Vec::new()].lines();
        let order = lib.filter_map(|line| Some(line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned())).collect();
        Crate { order, program: edges(|uses| &uses.program), tests: edges(|uses| &uses.tests) }
    }

    fn out_of_order(&self) -> Vec<String> {
        let rank = |module: &Module| self.order.iter().position(|name| Some(name) == module.first());
        let below = |(user, used): &&(Module, Module)| rank(used) > rank(user) && rank(user).is_some();
        let all = self.program.iter().chain(&self.tests).filter(below);
        all.map(|(user, used)| format!("{} uses {}, which stands below it", user.join("::"), used.join("::"))).collect()
    }

    /// Files of one folder that use each other, round however many, by folder. Of the house, a room's `mod.rs` is a file of the room; further
    /// in, and in the crates, a file and the folder of its name are one.
    fn circles(&self, house: bool) -> BTreeMap<String, Vec<String>> {
        let folders: BTreeSet<&[String]> =
            self.program.iter().flat_map(|(user, used)| [user, used]).flat_map(|module| (1..=module.len()).map(|n| &module[..n])).collect();
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for folder in folders {
            let member = |module: &Module| match module.strip_prefix(folder)? {
                [] if house && folder.len() == 1 => Some("mod".to_string()),
                inside => inside.first().cloned(),
            };
            let mut leads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (user, used) in &self.program {
                if let (Some(user), Some(used)) = (member(user), member(used))
                    && user != used
                {
                    leads.entry(user).or_default().insert(used);
                }
            }
            let reached = |from: &str| {
                let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
                while let Some(name) = next.pop() {
                    next.extend(leads.get(&name).into_iter().flatten().filter(|used| seen.insert((*used).clone())).cloned());
                }
                seen
            };
            let round: BTreeSet<&String> = leads.keys().filter(|name| reached(name).contains(name.as_str())).collect();
            for name in &round {
                let back: Vec<&str> = leads[*name].iter().filter(|used| reached(used).contains(name.as_str())).map(String::as_str).collect();
                let line = format!("{name} uses {}, which leads back to it", back.join(", "));
                found.entry(folder.join("::")).or_default().push(line);
            }
        }
        found
    }
}

fn read(src: &Path) -> Files {
    fn add(folder: &Path, module: &Module, out: &mut Files) {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let inner =
                if matches!(name.as_str(), "lib" | "mod") { module.clone() } else { [module.as_slice(), std::slice::from_ref(&name)].concat() };
            if path.is_dir() {
                add(&path, &inner, out);
            } else if path.extension().is_some_and(|e| e == "rs") && name != "main" {
                out.insert(inner, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut files = Files::new();
    add(src, &Vec::new(), &mut files);
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The house and the crates beside it, the house last.
fn crates() -> Vec<(String, Files)> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.push(root().to_owned());
    all.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path.join("src")))).collect()
}

#[test]
fn a_module_uses_only_those_above_it() {
    let mut wrong = Vec::new();
    for (name, files) in crates() {
        let found = Crate::of(&files);
        assert!(found.order.len() > 2 && found.program.len() > 2, "{name}: its modules are found");
        wrong.extend(found.out_of_order().into_iter().map(|line| format!("{name}: {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rooms of which files still lean on each other, and how many at most. A room that is mended is taken off.
const LEANING: [(&str, usize); 12] = [
    ("account", 10),
    ("analysis", 2),
    ("db", 3),
    ("demo", 2),
    ("map", 11),
    ("norm", 4),
    ("observation", 11),
    ("registry", 17),
    ("territory", 7),
    ("territory::import", 7),
    ("trial", 9),
    ("web", 5),
];

#[test]
fn no_two_files_of_a_room_lean_on_each_other() {
    let (mut wrong, mut leaning) = (Vec::new(), BTreeMap::from(LEANING));
    for (name, files) in crates() {
        let house = files.contains_key(&["web".to_string()][..]);
        for (folder, lines) in Crate::of(&files).circles(house) {
            let most = leaning.remove(folder.as_str()).filter(|_| house).unwrap_or(0);
            if lines.len() > most {
                wrong.push(format!("{name}: {folder}: {} files and not {most} lean on each other:\n  {}", lines.len(), lines.join("\n  ")));
            }
        }
    }
    wrong.extend(leaning.keys().map(|folder| format!("{folder} is mended: take it off the list")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Cargo keeps a crate from using what it does not depend on; this keeps it from depending.
#[test]
fn no_crate_knows_the_house_and_statistics_know_nothing() {
    for (name, may) in [("stats", vec![]), ("sheet", vec![]), ("estimate", vec!["vecino-sheet", "vecino-stats"])] {
        let text = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let own: Vec<&str> = text.lines().filter(|line| line.starts_with("vecino")).filter_map(|line| line.split(['.', ' ']).next()).collect();
        assert_eq!(own, may, "{name}");
    }
}

/// A number somebody else can check stands beside each.
#[test]
fn every_public_function_of_the_statistics_has_an_example() {
    let files = read(&root().join("crates/stats/src"));
    let public: Vec<&str> = files[&Vec::new()].lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let (mut without, mut seen) = (Vec::new(), 0);
    for (module, text) in files.iter().filter(|(module, _)| module.first().is_none_or(|name| public.contains(&name.as_str()))) {
        let mut example = false;
        for line in text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim_start) {
            if line.starts_with("pub fn ") {
                seen += 1;
                if !example {
                    without.push(format!("{}: {line}", module.join("::")));
                }
            }
            example = line == "/// ```" || example && (line.starts_with("///") || line.starts_with("#["));
        }
    }
    assert!(seen > 100 && without.is_empty(), "{}", without.join("\n"));
}

#[test]
fn planted_faults_are_seen() {
    let planted = |files: &[(&str, &str)]| {
        let module = |name: &str| if name.is_empty() { Vec::new() } else { name.split("::").map(str::to_owned).collect() };
        Crate::of(&files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect())
    };
    let lib = ("", "pub mod above;\npub mod below;");
    let order = |text: &str| planted(&[lib, ("above", text), ("below", ""), ("below::inner", "")]).out_of_order().len();
    for text in [
        "use crate::below::Thing;",
        "use crate::{\n    error,\n    below::{\n        Thing,\n    },\n};",
        "use super::below;",
        "fn f() { g(|x| crate :: below :: h(x)) }",
        "mod inner { use super::super::below::Thing; }",
        "mod tests { fn f() -> super::super::below::Thing {} }",
        "macro_rules! m { () => { $crate::below::f() } }",
        "#[cfg(test)] mod tests { use crate::below::inner; }",
    ] {
        assert_eq!(order(text), 1, "{text}");
    }
    for text in ["// use crate::below;", "use std::{fmt, io};", "fn f() { below::g() }", "const A: &str = \"crate::below\";"] {
        assert_eq!(order(text), 0, "{text}");
    }
    let circles = |a: &str, b: &str, room: &str| {
        planted(&[("", "mod room;"), ("room", room), ("room::a", a), ("room::b", b)]).circles(true).values().flatten().count()
    };
    assert_eq!(circles("use super::b::B;", "", ""), 0);
    assert_eq!(circles("use super::b::B;", "use super::a;", ""), 2);
    assert_eq!(circles("use super::b::{\n    B,\n};", "fn f() { super::a::g() }", ""), 2);
    assert_eq!(circles("use super::b::B;", "#[cfg(test)]\nmod tests { use super::super::a; }", ""), 0, "tests may look about");
    // The room's own file: routes lead to its files, and none of them back.
    assert_eq!(circles("", "", "mod a; fn routes() { a::page() }"), 0);
    assert_eq!(circles("use super::Thing;", "", "mod a; struct Thing; fn routes() { a::page() }"), 2);
    assert_eq!(circles("use super::B;", "", "mod a; pub use b::B; pub use a::A;"), 0, "a name that is handed on is where it is from");
    assert_eq!(circles("use super::B;", "use super::A;", "pub use b::B; pub use a::A;"), 2);
}
