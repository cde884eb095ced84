//! Interface strings: one Fluent file per language under `templates/interface/`. Message wordings live elsewhere and are never mixed in.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    Es,
    En,
}

impl Language {
    /// The language a request asks for: an explicit choice wins over `Accept-Language`; Spanish is the house's own.
    pub fn choose(chosen: Option<&str>, accept: Option<&str>) -> Language {
        let of = |tag: &str| match tag.trim().get(..2) {
            Some("es") => Some(Language::Es),
            Some("en") => Some(Language::En),
            _ => None,
        };
        chosen.and_then(of).or_else(|| accept.and_then(|list| list.split(',').find_map(of))).unwrap_or_default()
    }

    pub fn tag(self) -> &'static str {
        match self {
            Language::Es => "es-GT",
            Language::En => "en",
        }
    }
}

type Bundle = FluentBundle<FluentResource>;

static SPANISH: LazyLock<Bundle> = LazyLock::new(|| bundle("es", include_str!("../templates/interface/es.ftl")));
static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle("en", include_str!("../templates/interface/en.ftl")));

fn bundle(tag: &str, text: &str) -> Bundle {
    let language = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Isolation marks would show up in copied text and count as characters.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, errors)| {
        tracing::error!(tag, ?errors, "interface strings");
        resource
    });
    bundle.add_resource_overriding(resource);
    bundle
}

/// Says interface strings in one language. A missing key shows as itself and is logged; a test keeps that from happening.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words {
    pub language: Language,
}

impl Words {
    pub fn new(language: Language) -> Words {
        Words { language }
    }

    pub fn say(&self, key: &str) -> String {
        self.tell(key, &[])
    }

    /// With values: `words.tell("route-late", &[("minutes", 40.into())])`.
    pub fn tell(&self, key: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        self.find(key, values).unwrap_or_else(|| {
            tracing::warn!(key, "no interface string");
            key.to_owned()
        })
    }

    /// `None` when the language has no such string.
    pub fn find(&self, key: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let bundle: &Bundle = match self.language {
            Language::Es => &SPANISH,
            Language::En => &ENGLISH,
        };
        let pattern = bundle.get_message(key)?.value()?;
        let arguments: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::warn!(key, ?errors, "interface string");
        }
        Some(text)
    }
}
