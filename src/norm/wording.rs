//! The wordings that are sent: one text per file in `templates/messages/LANGUAGE/`, checked whole before any is used.
//!
//! A text is canonical Spanish with its accents. For SMS it is transliterated and must be one part in the 7-bit alphabet with every
//! placeholder at its limit; after substitution it is measured again. Nothing is ever cut: what does not fit is refused.

use super::gsm7;
use super::rule::Text;
use crate::error::{Error, Result};
use minijinja::{Environment, UndefinedBehavior};
use rust_embed::RustEmbed;
use std::collections::BTreeMap;
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
    ("antes", 1),
    ("ahora", 1),
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
}

static WORDINGS: LazyLock<Wordings> = LazyLock::new(|| {
    let texts = Files::iter().filter_map(|path| {
        let file = Files::get(&path)?;
        let name = path.strip_suffix(".txt")?.to_owned();
        Some((name, String::from_utf8_lossy(&file.data).trim().to_owned()))
    });
    load(texts)
});

fn load(texts: impl Iterator<Item = (String, String)>) -> Wordings {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    let (mut problems, mut names) = (Vec::new(), Vec::new());
    for (name, text) in texts {
        match engine.add_template_owned(name.clone(), text) {
            Ok(()) => names.push(name),
            Err(e) => problems.push(format!("templates/messages/{name}.txt: {e}; mend the text")),
        }
    }
    for name in names {
        if let Err(line) = examine(&engine, &name) {
            problems.push(format!("templates/messages/{name}.txt: {line}"));
            engine.remove_template(&name);
        }
    }
    Wordings { engine, problems }
}

/// What is wrong with one text, with every placeholder at its limit.
fn examine(engine: &Environment<'_>, name: &str) -> Result<usize, String> {
    let template = engine.get_template(name).map_err(|e| e.to_string())?;
    let variables = template.undeclared_variables(true);
    let mut unknown: Vec<&String> = variables.iter().filter(|v| !PLACEHOLDERS.iter().any(|(known, _)| known == v)).collect();
    unknown.sort();
    if let Some(variable) = unknown.first() {
        let known: Vec<&str> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
        return Err(format!("«{variable}» is not a placeholder; use {}", known.join(", ")));
    }
    if !template.source().ends_with("{{ salir }}") {
        return Err("the way out is missing; end the text with {{ salir }}".into());
    }
    let longest: BTreeMap<&str, String> = PLACEHOLDERS.iter().map(|(name, limit)| (*name, "m".repeat(*limit))).collect();
    let text = gsm7::transliterate(&template.render(&longest).map_err(|e| e.to_string())?);
    let septets = gsm7::septets(&text)
        .map_err(|o| format!("«{}» (character {} of the filled text) is not in the SMS alphabet; write it otherwise", o.character, o.position))?;
    if septets > gsm7::SINGLE {
        return Err(format!("{septets} septets with every placeholder at its limit, one SMS takes {}; shorten the text", gsm7::SINGLE));
    }
    Ok(septets)
}

/// Problems of the embedded texts; empty when all can be used.
pub fn problems() -> &'static [String] {
    &WORDINGS.problems
}

/// Septets of every embedded Spanish text with all placeholders at their limits.
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

/// Whether a text repeats the home's own plan.
pub fn uses_plan(name: &str) -> bool {
    let template = WORDINGS.engine.get_template(&format!("es/{name}"));
    template.is_ok_and(|template| template.source().contains("{{ cuando }}"))
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
        let why = WORDINGS.problems.iter().find(|p| p.contains(&format!("/{name}.txt"))).cloned();
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
        load([("es/x".to_owned(), text.to_owned())].into_iter()).problems.join("\n")
    }

    #[test]
    fn an_author_is_told_what_is_wrong_and_where() {
        assert_eq!(problem("Hola {{ dia }}. {{ salir }}"), "");
        assert!(problem("Hola {{ nombre }}. {{ salir }}").contains("«nombre» is not a placeholder"));
        assert!(problem("Hola.").contains("the way out is missing"));
        assert!(problem("Hola “vecino”. {{ salir }}").contains("«“» (character 6"));
        assert!(problem(&format!("{} {{{{ salir }}}}", "a".repeat(144))).contains("161 septets"));
        assert!(problem("Hola {{ dia . {{ salir }}").contains("mend the text"));
    }

    #[test]
    fn a_value_over_its_limit_is_refused_and_never_cut() {
        assert_eq!(value("cuando", " 8pm, después ").unwrap(), "8pm, después");
        assert_eq!(value("lugar", "detrás del balcón").unwrap_err().code, "message-value");
        assert_eq!(value("lugar", "patio “2”").unwrap_err().code, "message-character");
        assert_eq!(value("lugar", "  ").unwrap_err().code, "message-value");
    }
}
