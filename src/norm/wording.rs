//! The wordings that are sent: one text per file in `templates/messages/LANGUAGE/`, and over them those of the installation in
//! `DATA_DIR/wordings/LANGUAGE/`; checked whole before any is used.
//!
//! A text is canonical Spanish with its accents. For SMS it is transliterated and must be one part in the 7-bit alphabet with every
//! placeholder at its limit; after substitution it is measured again. Nothing is ever cut: what does not fit is refused.

use super::rule::Text;
use crate::app::own_file;
use crate::error::{Error, Result};
use crate::gsm7;
use crate::id::sha256_hex;
use minijinja::{Environment, UndefinedBehavior};
use rust_embed::RustEmbed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "templates/messages/"]
struct Files;

/// What a text may be filled with, and the longest value in septets.
pub const PLACEHOLDERS: [(&str, usize); 11] = [
    ("remite", 16),
    ("dia", 9),
    ("hora", 5),
    ("n", 2),
    ("sector", 20),
    ("antes", 2),
    ("ahora", 2),
    ("semanas", 2),
    ("cuando", 14),
    ("lugar", 15),
    ("salir", 16),
];

/// How an SMS says the way out; every text ends with it.
pub const WAY_OUT: &str = "BAJA para salir.";
/// The way out for a text that cannot be answered: paper and voice.
pub const WAY_OUT_BY_DESK: &str = "Si no desea más mensajes, avise en la municipalidad.";

/// Steps of a campaign may name these; the engine picks the variant for each home.
pub const FAMILIES: [&str; 4] = ["norm", "norm_and_plan", "plan_cue", "plan_renewal"];

struct Wordings {
    engine: Environment<'static>,
    problems: Vec<String>,
    sha256: String,
}

/// One text and the file it stands in, as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub place: String,
    pub text: String,
}

/// Read once: a text that is changed counts from the next start on.
static WORDINGS: LazyLock<Wordings> = LazyLock::new(|| {
    let (mut sources, mut problems) = (shipped(), Vec::new());
    if let Some(folder) = own_file("wordings") {
        read_over(&folder, &mut sources, &mut problems);
    }
    load(sources, problems)
});

/// The texts that ship, by `LANGUAGE/NAME`.
pub fn shipped() -> BTreeMap<String, Source> {
    let texts = Files::iter().filter_map(|path| {
        let file = Files::get(&path)?;
        let name = path.strip_suffix(".txt")?.to_owned();
        Some((name, Source { place: format!("templates/messages/{path}"), text: String::from_utf8_lossy(&file.data).trim().to_owned() }))
    });
    texts.collect()
}

/// Puts the texts of a folder, `LANGUAGE/NAME.txt`, over what is there; other files are left alone.
fn read_over(folder: &Path, sources: &mut BTreeMap<String, Source>, problems: &mut Vec<String>) {
    let list = |folder: &Path, problems: &mut Vec<String>| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>());
        let mut paths: Vec<PathBuf> = entries.unwrap_or_else(|e| {
            problems.push(format!("{}: the folder cannot be read ({e}); check its rights", folder.display()));
            Vec::new()
        });
        paths.sort();
        paths
    };
    for language in list(folder, problems).into_iter().filter(|path| path.is_dir()) {
        for file in list(&language, problems).into_iter().filter(|path| path.extension().is_some_and(|e| e == "txt")) {
            let place = file.display().to_string();
            let (Some(tag), Some(name)) = (language.file_name().and_then(|n| n.to_str()), file.file_stem().and_then(|n| n.to_str())) else {
                problems.push(format!("{place}: the name is not UTF-8; rename the file"));
                continue;
            };
            match std::fs::read(&file).map(String::from_utf8) {
                Err(e) => problems.push(format!("{place}: the text cannot be read ({e}); check its rights")),
                Ok(Err(e)) => {
                    let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
                    problems.push(format!("{place}:{line}: is not UTF-8 text; save it as UTF-8"));
                }
                Ok(Ok(text)) => {
                    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").trim_end().to_owned();
                    sources.insert(format!("{tag}/{name}"), Source { place, text });
                }
            }
        }
    }
}

fn load(sources: BTreeMap<String, Source>, mut problems: Vec<String>) -> Wordings {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut hash = Vec::new();
    for (name, Source { place, text }) in sources {
        hash.extend(format!("{name}\n{text}\n").into_bytes());
        if let Err(e) = engine.add_template_owned(name.clone(), text) {
            let what = e.detail().map_or_else(|| e.kind().to_string(), str::to_owned);
            problems.push(format!("{place}:{}: {what}; mend the text", e.line().unwrap_or(1)));
            continue;
        }
        if let Err((line, what)) = examine(&engine, &name) {
            problems.push(format!("{place}:{line}: {what}"));
            engine.remove_template(&name);
        }
    }
    Wordings { engine, problems, sha256: sha256_hex(&hash) }
}

/// The line of a text in which `wanted` first stands, counted from 1.
fn line_of(text: &str, wanted: &str) -> usize {
    text.find(wanted).map_or(1, |at| 1 + text[..at].matches('\n').count())
}

/// What is wrong with one text, with every placeholder at its limit, and in which line.
fn examine(engine: &Environment<'_>, name: &str) -> Result<usize, (usize, String)> {
    let template = engine.get_template(name).map_err(|e| (e.line().unwrap_or(1), e.to_string()))?;
    let (variables, source) = (template.undeclared_variables(true), template.source());
    let mut unknown: Vec<&String> = variables.iter().filter(|v| !PLACEHOLDERS.iter().any(|(known, _)| known == v)).collect();
    unknown.sort();
    if let Some(variable) = unknown.first() {
        let known: Vec<&str> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
        return Err((line_of(source, variable), format!("«{variable}» is not a placeholder; use {}", known.join(", "))));
    }
    if !source.ends_with("{{ salir }}") {
        return Err((source.lines().count().max(1), "the way out is missing; end the text with {{ salir }}".into()));
    }
    let longest: BTreeMap<&str, String> = PLACEHOLDERS.iter().map(|(name, limit)| (*name, "m".repeat(*limit))).collect();
    let filled = template.render(&longest).map_err(|e| (e.line().unwrap_or(1), e.to_string()))?;
    let text = gsm7::transliterate(&filled);
    let septets = gsm7::septets(&text).map_err(|o| {
        let line = line_of(source, &o.character.to_string());
        (line, format!("«{}» (character {} of the filled text) is not in the SMS alphabet; write it otherwise", o.character, o.position))
    })?;
    if septets > gsm7::SINGLE {
        return Err((1, format!("{septets} septets with every placeholder at its limit, one SMS takes {}; shorten the text", gsm7::SINGLE)));
    }
    Ok(septets)
}

/// Problems of the texts; empty when all can be used.
pub fn problems() -> &'static [String] {
    &WORDINGS.problems
}

/// Refuses to go on with a text that cannot be sent.
pub fn sound() -> Result<()> {
    if problems().is_empty() { Ok(()) } else { Err(Error::refused_lines("wording", problems().to_vec())) }
}

/// SHA-256 of every text in use, names and all.
pub fn sha256() -> &'static str {
    &WORDINGS.sha256
}

/// Septets of every text in use with all placeholders at their limits.
pub fn longest() -> Vec<(String, usize)> {
    let names: Vec<String> = WORDINGS.engine.templates().map(|(name, _)| name.to_owned()).collect();
    let mut all: Vec<(String, usize)> = names.into_iter().filter_map(|name| examine(&WORDINGS.engine, &name).ok().map(|n| (name, n))).collect();
    all.sort();
    all
}

/// Whether a campaign's step may name it: a wording, or a family whose wordings are all there.
pub fn exists(name: &str) -> bool {
    let has = |name: &str| has("es", name);
    match name {
        "norm" => Text::ALL.iter().filter(|t| **t != Text::Service).all(|t| has(&norm(*t))),
        "norm_and_plan" => Text::ALL.iter().filter(|t| **t != Text::Service).all(|t| has(&norm_and_plan(*t, true)) && has(&norm_and_plan(*t, false))),
        "plan_cue" => has("plan_cue") && has("plan_cue_without_plan"),
        other => has(other),
    }
}

/// Whether a language has that very text.
pub fn has(language: &str, name: &str) -> bool {
    WORDINGS.engine.get_template(&format!("{language}/{name}")).is_ok()
}

pub fn norm(text: Text) -> String {
    format!("norm_{}", text.name())
}

pub fn norm_and_plan(text: Text, plan: bool) -> String {
    format!("norm_and_plan_{}{}", text.name(), if plan { "" } else { "_without_plan" })
}

/// Whether a text says a value, in one language.
pub fn says(language: &str, name: &str, placeholder: &str) -> bool {
    let template = WORDINGS.engine.get_template(&format!("{language}/{name}"));
    template.is_ok_and(|template| template.undeclared_variables(true).contains(placeholder))
}

/// Whether a text repeats the home's own plan.
pub fn uses_plan(name: &str) -> bool {
    says("es", name, "cuando")
}

/// How a text leaves the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One part in the 7-bit alphabet.
    Sms,
    /// With its accents, where an answer comes back: WhatsApp.
    Chat,
    /// With its accents, without an answer: paper, a script to be read out.
    Spoken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// Empty for a text that is not an SMS.
    pub septets: Option<usize>,
}

/// A value as an SMS says it; refused when it is too long or has a character no phone would show.
pub fn value(name: &str, text: &str) -> Result<String> {
    let short = gsm7::transliterate(text.trim());
    let limit = PLACEHOLDERS.iter().find(|(known, _)| *known == name).map_or(0, |(_, limit)| *limit);
    let septets = gsm7::septets(&short).map_err(|o| {
        Error::refused(
            "message-character",
            format!("{name} «{text}»: «{}» (character {}) is not in the SMS alphabet; write it otherwise", o.character, o.position),
        )
    })?;
    if septets > limit || short.is_empty() {
        return Err(Error::refused("message-value", format!("{name} «{text}»: {septets} septets, 1 to {limit} fit; shorten it")));
    }
    Ok(short)
}

/// Fills a text. For SMS the values are those of [`value`], and the whole is measured again.
pub fn render(language: &str, name: &str, values: &BTreeMap<&'static str, String>, form: Form) -> Result<Rendered> {
    let wrong = |line: String| Error::refused("message-text", format!("wording {language}/{name}: {line}"));
    let template = WORDINGS.engine.get_template(&format!("{language}/{name}")).map_err(|_| {
        let why = WORDINGS.problems.iter().find(|p| p.contains(&format!("/{name}.txt:"))).cloned();
        wrong(why.unwrap_or_else(|| format!("there is no such text; add templates/messages/{language}/{name}.txt")))
    })?;
    let mut values = values.clone();
    values.insert("salir", if form == Form::Spoken { WAY_OUT_BY_DESK } else { WAY_OUT }.to_owned());
    let full = template.render(&values).map_err(|e| wrong(format!("{e}; a placeholder has no value")))?;
    if form != Form::Sms {
        return Ok(Rendered { text: full, septets: None });
    }
    let text = gsm7::transliterate(&full);
    let septets = gsm7::septets(&text).map_err(|o| wrong(format!("«{}» (character {}) is not in the SMS alphabet", o.character, o.position)))?;
    if septets > gsm7::SINGLE {
        return Err(wrong(format!("{septets} septets, one SMS takes {}", gsm7::SINGLE)));
    }
    Ok(Rendered { text, septets: Some(septets) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let source = Source { place: "es/x.txt".into(), text: text.to_owned() };
        load(BTreeMap::from([("es/x".to_owned(), source)]), Vec::new()).problems.join("\n")
    }

    #[test]
    fn an_author_is_told_what_is_wrong_and_where() {
        assert_eq!(problem("Hola {{ dia }}. {{ salir }}"), "");
        assert!(problem("Hola {{ nombre }}. {{ salir }}").contains("«nombre» is not a placeholder"));
        assert!(problem("Hola.").contains("the way out is missing"));
        assert!(problem("Hola “vecino”. {{ salir }}").contains("«“» (character 6"));
        assert!(problem(&format!("{} {{{{ salir }}}}", "a".repeat(144))).contains("161 septets"));
        assert!(problem("Hola {{ dia . {{ salir }}").contains("mend the text"));
        assert!(problem("Hola.\n{{ nombre }}\n{{ salir }}").starts_with("es/x.txt:2: "));
    }

    #[test]
    fn texts_of_the_installation_stand_over_those_that_ship() {
        let folder = tempfile::tempdir().unwrap();
        let es = folder.path().join("es");
        std::fs::create_dir(&es).unwrap();
        std::fs::write(es.join("reminder_day.txt"), "\u{feff}{{ remite }}: mañana pasa el camión. {{ salir }}\r\n").unwrap();
        std::fs::write(es.join("own.txt"), "Gracias. {{ salir }}\n").unwrap();
        std::fs::write(es.join("latin.txt"), b"Buen d\xeda. {{ salir }}").unwrap();
        std::fs::write(es.join("README.md"), "not a text").unwrap();
        let (mut sources, mut problems) = (shipped(), Vec::new());
        let ships = load(sources.clone(), Vec::new()).sha256;
        read_over(folder.path(), &mut sources, &mut problems);
        assert_eq!(sources["es/reminder_day"].text, "{{ remite }}: mañana pasa el camión. {{ salir }}");
        let loaded = load(sources, problems);
        assert!(loaded.engine.get_template("es/own").is_ok() && loaded.engine.get_template("es/norm_static").is_ok());
        assert_ne!(loaded.sha256, ships, "other texts have another hash");
        assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
        assert!(loaded.problems[0].contains("latin.txt:1: is not UTF-8"));
    }

    #[test]
    fn a_value_over_its_limit_is_refused_and_never_cut() {
        assert_eq!(value("cuando", " 8pm, después ").unwrap(), "8pm, después");
        assert_eq!(value("lugar", "detrás del balcón").unwrap_err().code, "message-value");
        assert_eq!(value("lugar", "patio “2”").unwrap_err().code, "message-character");
        assert_eq!(value("lugar", "  ").unwrap_err().code, "message-value");
    }
}
