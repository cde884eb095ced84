//! Every statement that the source gives to the macros of `src/db.rs`.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub file: String,
    pub sql: String,
}

#[derive(Default)]
pub struct Source {
    pub statements: BTreeSet<Found>,
    /// File and call of what could not be read.
    pub unread: BTreeSet<(String, String)>,
}

type Trees = Vec<TokenTree>;
/// Arms of a macro: pattern and body.
type Arms = Vec<(Trees, Trees)>;

const ONE: [&str; 5] = ["all", "opt", "one", "run", "execute"];
const MANY: [&str; 2] = ["bulk", "among"];
/// Words that stand for tables in a text made while running, and the tables.
const STANDING: [(&str, &[&str]); 2] = [
    ("{kind}", &["neighbourhood", "route", "segment", "point", "household"]),
    ("{table}", &["neighbourhood", "operator", "route", "segment", "point", "household"]),
];

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, out),
            false if path.extension().is_some_and(|e| e == "rs") => out.push(path),
            false => {}
        }
    }
}

fn punct(tree: Option<&TokenTree>, wanted: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(p)) if p.as_char() == wanted)
}

fn ident(tree: Option<&TokenTree>) -> Option<&Ident> {
    match tree {
        Some(TokenTree::Ident(ident)) => Some(ident),
        _ => None,
    }
}

fn group(tree: Option<&TokenTree>) -> Option<&Group> {
    match tree {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

fn trees(group: &Group) -> Trees {
    group.stream().into_iter().collect()
}

/// `name ! (…)` at a place.
fn call(at: &[TokenTree]) -> Option<(String, &Group)> {
    Some((ident(at.first())?.to_string(), group(at.get(2)).filter(|_| punct(at.get(1), '!'))?))
}

fn split(trees: &[TokenTree]) -> Vec<Trees> {
    let parts: Vec<Trees> = trees.split(|tree| punct(Some(tree), ',')).map(<[TokenTree]>::to_vec).collect();
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// Takes the macros out of a file, and what only tests use.
fn collect(input: Trees, macros: &mut BTreeMap<String, Arms>) -> Trees {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < input.len() {
        let here = &input[at..];
        if ident(here.first()).is_some_and(|name| name == "macro_rules")
            && let (Some(name), Some(body)) = (ident(here.get(2)), group(here.get(3)))
        {
            let body = trees(body);
            let arms = body.split(|tree| punct(Some(tree), ';')).filter_map(|arm| Some((trees(group(arm.first())?), trees(group(arm.last())?))));
            macros.entry(name.to_string()).or_default().extend(arms);
            at += 4;
            continue;
        }
        let tests = punct(here.first(), '#') && group(here.get(1)).is_some_and(|g| g.stream().to_string().replace(' ', "") == "cfg(test)");
        if tests {
            let end = here.iter().position(|tree| punct(Some(tree), ';') || group(Some(tree)).is_some_and(|g| g.delimiter() == Delimiter::Brace));
            at += end.map_or(here.len(), |end| end + 1);
            continue;
        }
        out.push(match &here[0] {
            TokenTree::Group(inner) => TokenTree::Group(Group::new(inner.delimiter(), collect(trees(inner), macros).into_iter().collect())),
            other => other.clone(),
        });
        at += 1;
    }
    out
}

#[derive(Clone)]
enum Bound {
    Once(Trees),
    Times(Vec<Trees>),
}

/// `$( … ) , +` at a place: what is repeated, what stands between, and how many tokens that is.
fn repeated(at: &[TokenTree]) -> Option<(Trees, Option<char>, usize)> {
    let inner = group(at.get(1)).filter(|g| punct(at.first(), '$') && g.delimiter() == Delimiter::Parenthesis)?;
    let sign = |tree: Option<&TokenTree>| ['+', '*', '?'].into_iter().any(|sign| punct(tree, sign));
    match (at.get(2), sign(at.get(2))) {
        (_, true) => Some((trees(inner), None, 3)),
        (Some(TokenTree::Punct(between)), false) => Some((trees(inner), Some(between.as_char()), 4)),
        _ => None,
    }
}

/// How far a pattern fits, binding its names.
fn fits(pattern: &[TokenTree], input: &[TokenTree], bound: &mut BTreeMap<String, Bound>) -> Option<usize> {
    let (mut p, mut i) = (0, 0);
    while p < pattern.len() {
        let here = &pattern[p..];
        if let Some((inner, between, length)) = repeated(here) {
            loop {
                let mut once = BTreeMap::new();
                let Some(used) = fits(&inner, &input[i..], &mut once).filter(|used| *used > 0) else { break };
                for (name, value) in once {
                    let Bound::Once(value) = value else { return None };
                    let Bound::Times(all) = bound.entry(name).or_insert(Bound::Times(Vec::new())) else { return None };
                    all.push(value);
                }
                i += used;
                match between {
                    Some(between) if punct(input.get(i), between) => i += 1,
                    Some(_) => break,
                    None => {}
                }
            }
            p += length;
        } else if punct(here.first(), '$') {
            let (name, kind) = (ident(here.get(1))?.to_string(), ident(here.get(3))?.to_string());
            let until = pattern.get(p + 4);
            let length = match kind.as_str() {
                "literal" | "ident" | "tt" => 1,
                _ => {
                    let ends = |tree: &TokenTree| {
                        punct(Some(tree), ',') || punct(Some(tree), ';') || until.is_some_and(|u| u.to_string() == tree.to_string())
                    };
                    input[i..].iter().position(ends).unwrap_or(input.len() - i)
                }
            };
            if length == 0 || i + length > input.len() {
                return None;
            }
            bound.insert(name, Bound::Once(input[i..i + length].to_vec()));
            (p, i) = (p + 4, i + length);
        } else if let (TokenTree::Group(wanted), Some(TokenTree::Group(given))) = (&here[0], input.get(i)) {
            let (wanted, given) = (trees(wanted), trees(given));
            (fits(&wanted, &given, bound)? == given.len()).then_some(())?;
            (p, i) = (p + 1, i + 1);
        } else {
            (input.get(i)?.to_string() == here[0].to_string()).then_some(())?;
            (p, i) = (p + 1, i + 1);
        }
    }
    // A comma after the last is no other call.
    Some(if input.len() == i + 1 && punct(input.get(i), ',') { i + 1 } else { i })
}

fn filled(body: &[TokenTree], bound: &BTreeMap<String, Bound>) -> Trees {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < body.len() {
        let here = &body[at..];
        if let Some((inner, between, length)) = repeated(here) {
            let text = inner.iter().cloned().collect::<TokenStream>().to_string();
            let used = |name: &String| text.contains(&format!("$ {name}")) || text.contains(&format!("${name}"));
            let times = bound.iter().filter_map(|(name, value)| match value {
                Bound::Times(all) if used(name) => Some(all.len()),
                _ => None,
            });
            let times = times.max().unwrap_or(0);
            for n in 0..times {
                let mut once = bound.clone();
                for value in once.values_mut() {
                    if let Bound::Times(all) = value
                        && let Some(own) = all.get(n)
                    {
                        *value = Bound::Once(own.clone());
                    }
                }
                out.extend(filled(&inner, &once));
                if let Some(between) = between.filter(|_| n + 1 < times) {
                    out.push(TokenTree::Punct(proc_macro2::Punct::new(between, proc_macro2::Spacing::Alone)));
                }
            }
            at += length;
        } else if let (true, Some(Bound::Once(value))) = (punct(here.first(), '$'), ident(here.get(1)).and_then(|name| bound.get(&name.to_string())))
        {
            out.extend(value.clone());
            at += 2;
        } else {
            match &here[0] {
                TokenTree::Group(inner) => {
                    out.push(TokenTree::Group(Group::new(inner.delimiter(), filled(&trees(inner), bound).into_iter().collect())));
                }
                TokenTree::Punct(p) if p.as_char() == '$' => {}
                other => out.push(other.clone()),
            }
            at += 1;
        }
    }
    out
}

/// The house's own macros in their place; what has arms for Rust only stays as it is written.
fn expanded(input: &[TokenTree], macros: &BTreeMap<String, Arms>) -> Trees {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < input.len() {
        let here = &input[at..];
        if let Some((name, given)) = call(here)
            && let Some(arms) = macros.get(&name)
        {
            let given = trees(given);
            let body = arms.iter().find_map(|(pattern, body)| {
                let mut bound = BTreeMap::new();
                (fits(pattern, &given, &mut bound)? == given.len()).then(|| filled(body, &bound))
            });
            if let Some(body) = body {
                // The way to the macro goes with its name: `super::dated::in_force!`.
                while punct(out.last(), ':') {
                    out.truncate(out.len().saturating_sub(3));
                }
                out.extend(expanded(&body, macros));
                at += 3;
                continue;
            }
        }
        out.push(match &here[0] {
            TokenTree::Group(inner) => TokenTree::Group(Group::new(inner.delimiter(), expanded(&trees(inner), macros).into_iter().collect())),
            other => other.clone(),
        });
        at += 1;
    }
    out
}

fn unescaped(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        return Some(raw.trim_matches('#').trim_matches('"').to_owned());
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let (mut out, mut chars) = (String::new(), inner.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    Some(out)
}

/// The text an expression is: a literal, or a `concat!` of such.
fn text(expression: &[TokenTree]) -> Option<String> {
    match expression {
        [TokenTree::Literal(literal)] => {
            let written = literal.to_string();
            unescaped(&written).or_else(|| written.starts_with(|c: char| c.is_ascii_digit()).then_some(written))
        }
        [TokenTree::Group(inner)] if inner.delimiter() != Delimiter::Bracket => text(&trees(inner)),
        [TokenTree::Punct(and), rest @ ..] if and.as_char() == '&' => text(rest),
        _ => {
            let (name, parts) = call(expression).filter(|_| expression.len() == 3)?;
            if name != "concat" {
                return None;
            }
            split(&trees(parts)).iter().map(|part| text(part)).collect()
        }
    }
}

/// Every whole statement in some tokens, wherever it stands.
fn within(input: &[TokenTree], out: &mut Vec<String>) {
    let mut at = 0;
    while at < input.len() {
        let here = &input[at..];
        let length = if call(here).is_some() { 3 } else { 1 };
        let verb = |sql: &String| ["SELECT ", "WITH ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| sql.trim_start().starts_with(verb));
        match text(&here[..length]) {
            Some(sql) if verb(&sql) => out.push(sql),
            _ => {
                if let Some(inner) = here[..length].iter().find_map(|tree| group(Some(tree))) {
                    within(&trees(inner), out);
                }
            }
        }
        at += length;
    }
}

/// What a name stands for in a file: `const NAME: &str = …;` or `let name = …;`
fn definitions(file: &[TokenTree], name: &str, out: &mut Vec<Trees>) {
    for (at, tree) in file.iter().enumerate() {
        if ident(Some(tree)).is_some_and(|word| word == "const" || word == "let" || word == "static")
            && ident(file.get(at + 1)).is_some_and(|i| i == name)
        {
            let rest = &file[at + 2..];
            let end = rest.iter().position(|tree| punct(Some(tree), ';')).unwrap_or(rest.len());
            out.push(rest[..end].to_vec());
        }
        if let TokenTree::Group(inner) = tree {
            definitions(&trees(inner), name, out);
        }
    }
}

/// What an argument may be, and whether all of it was read.
fn read(argument: &[TokenTree], file: &[TokenTree]) -> Vec<String> {
    if let Some(sql) = text(argument) {
        return vec![sql];
    }
    let mut out = Vec::new();
    // Half a text is none.
    if call(argument).is_none_or(|(name, _)| name != "concat") {
        within(argument, &mut out);
    }
    for name in argument.iter().flat_map(names) {
        let mut found = Vec::new();
        definitions(file, &name, &mut found);
        for definition in found {
            within(&definition, &mut out);
        }
    }
    out
}

fn names(tree: &TokenTree) -> Vec<String> {
    match tree {
        TokenTree::Ident(ident) => vec![ident.to_string()],
        TokenTree::Group(group) => trees(group).iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

/// One text for each table that a word of it stands for.
fn standing(sql: &str) -> Vec<String> {
    match STANDING.iter().find(|(word, _)| sql.contains(word)) {
        Some((word, tables)) => tables.iter().flat_map(|table| standing(&sql.replace(word, table))).collect(),
        None => vec![sql.to_owned()],
    }
}

fn calls(input: &[TokenTree], file: &[TokenTree], name: &str, out: &mut Source) {
    for at in 0..input.len() {
        if let Some((macro_name, given)) = call(&input[at..]) {
            let (one, many) = (ONE.contains(&macro_name.as_str()), MANY.contains(&macro_name.as_str()));
            if one || many {
                let arguments = split(&trees(given));
                let found: Vec<String> = match (one, &arguments[..]) {
                    (true, [_, sql, ..]) => read(sql, file),
                    (false, [_, head, _, row, tail @ ..]) => {
                        let columns = row.last().and_then(|tree| group(Some(tree))).map_or(0, |g| split(&trees(g)).len());
                        let values: Vec<String> = (1..=columns).map(|n| format!("${n}")).collect();
                        let tail = tail.first().map_or(Some(String::new()), |tail| text(tail));
                        let heads = read(head, file);
                        heads
                            .iter()
                            .filter_map(|head| {
                                let head = head.trim_end();
                                let space = if head.ends_with('(') { "" } else { " " };
                                Some(format!("{head}{space}VALUES ({}){space}{}", values.join(", "), tail.as_ref()?))
                            })
                            .collect()
                    }
                    _ => Vec::new(),
                };
                if found.is_empty() {
                    out.unread.insert((name.to_owned(), format!("{macro_name}!({})", given.stream())));
                }
                for sql in found.iter().flat_map(|sql| standing(sql)) {
                    if sql.contains('{') {
                        out.unread.insert((name.to_owned(), sql));
                        continue;
                    }
                    out.statements.insert(Found { file: name.to_owned(), sql });
                }
            }
        }
        if let TokenTree::Group(inner) = &input[at] {
            calls(&trees(inner), file, name, out);
        }
    }
}

/// Statements that stand in a field of some value: `counts: concat!(…)`, `people: SERVICES`.
fn fields(input: &[TokenTree], file: &[TokenTree], out: &mut Vec<(String, String)>) {
    for (at, tree) in input.iter().enumerate() {
        if let (TokenTree::Ident(name), true, false) = (tree, punct(input.get(at + 1), ':'), punct(input.get(at + 2), ':')) {
            let rest = &input[at + 2..];
            let end = rest.iter().position(|tree| punct(Some(tree), ',')).unwrap_or(rest.len());
            if text(&rest[..end]).is_some() || end == 1 {
                out.extend(read(&rest[..end], file).into_iter().filter(|sql| sql.contains(' ')).map(|sql| (name.to_string(), sql)));
            }
        }
        if let TokenTree::Group(inner) = tree {
            fields(&trees(inner), file, out);
        }
    }
}

/// Every statement of the program.
pub fn statements() -> Source {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    let (mut macros_of, mut rest_of) = (BTreeMap::new(), BTreeMap::new());
    for path in paths {
        let stream: TokenStream = std::fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut own = BTreeMap::new();
        let rest = collect(stream.into_iter().collect(), &mut own);
        own.retain(|name, _| !ONE.contains(&name.as_str()) && !MANY.contains(&name.as_str()));
        let name = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
        macros_of.insert(name.clone(), own);
        rest_of.insert(name, rest);
    }
    let common: BTreeMap<String, Arms> = macros_of.values().flat_map(|own| own.clone()).collect();
    let mut out = Source::default();
    let mut named = Vec::new();
    for (name, rest) in rest_of {
        // A macro of the file stands before one of the same name in its module, and that before one elsewhere.
        let mut macros = common.clone();
        for (end, _) in name.match_indices('/') {
            let above = [format!("{}/mod.rs", &name[..end]), format!("{}.rs", &name[..end])];
            macros.extend(above.iter().filter_map(|above| macros_of.get(above)).flatten().map(|(name, arms)| (name.clone(), arms.clone())));
        }
        macros.extend(macros_of[&name].clone());
        let rest = expanded(&rest, &macros);
        calls(&rest, &rest, &name, &mut out);
        let mut found = Vec::new();
        fields(&rest, &rest, &mut found);
        named.extend(found.into_iter().map(|(field, sql)| (field, Found { file: name.clone(), sql })));
    }
    // A call that runs `module.sql.counts` runs what some value has in a field of that name.
    out.unread.retain(|(_, call)| {
        let own: Vec<_> =
            named.iter().filter(|(field, _)| call.split(" , ").nth(1).is_some_and(|sql| sql.ends_with(&format!(". {field}")))).collect();
        out.statements.extend(own.iter().map(|(_, found)| found.clone()));
        own.is_empty()
    });
    out
}
