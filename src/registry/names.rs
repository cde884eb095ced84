//! Names as people write them, and as they are compared: without case, accents, apostrophes and particles.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Kept for display, dropped for comparing.
const PARTICLES: [&str; 6] = ["de", "del", "la", "las", "los", "y"];

/// One class: typed, typographic and the saltillo of Mayan alphabets.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | '`' | '´' | 'ʼ' | 'ʻ' | 'ʹ' | 'ˈ' | 'ꞌ' | 'Ꞌ' | '′' | '＇')
}

/// Marks that turn the direction of text or hide in it: never part of a name.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A name as it is stored: NFC, single spaces, no invisible marks; everything else as typed.
pub fn kept(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_hidden(*c)).collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").nfc().collect()
}

/// The words of a name as they are compared, in order: `Ak'abal` is `akabal`, `María del Carmen` is `maria carmen`.
pub fn fold(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !is_apostrophe(*c)).nfkd().flat_map(char::to_lowercase).collect();
    let plain: String = plain.nfkd().filter(|c| !is_combining_mark(*c) && !is_apostrophe(*c)).collect();
    let words: Vec<&str> = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let telling: Vec<&str> = words.iter().copied().filter(|word| !PARTICLES.contains(word)).collect();
    if telling.is_empty() { words.join(" ") } else { telling.join(" ") }
}

/// The distinct folded words, sorted: what is hashed for search.
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = fold(text).split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mayan_and_spanish_names_fold_to_what_a_registrar_types() {
        for spelled in ["Ak'abal", "Ak’abal", "Akʼabal", "Akꞌabal", "AK´ABAL", "akabal", "Ak\u{2018}abal"] {
            assert_eq!(fold(spelled), "akabal", "{spelled}");
        }
        assert_eq!(fold("María del Carmen"), "maria carmen");
        assert_eq!(fold("Núñez y de León"), "nunez leon");
        assert_eq!(fold("De La"), "de la");
        assert_eq!(words("de los Ángeles Ángeles"), ["angeles"]);
        assert_eq!(kept("  Mari\u{301}a \u{202e}del\tCarmen "), "María del Carmen");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
            prop_assert_eq!(fold(&text.nfd().collect::<String>()), once.clone());
            prop_assert_eq!(fold(&kept(&text)), once);
        }

        #[test]
        fn case_accents_and_apostrophes_never_matter(text in "[A-Za-zÁÉÍÓÚÜÑáéíóúüñ' -]{0,30}") {
            let bare: String = text.nfd().filter(|c| !is_combining_mark(*c) && *c != '\'').collect();
            prop_assert_eq!(fold(&text), fold(&bare));
            prop_assert_eq!(fold(&text), fold(&text.to_uppercase()));
            prop_assert_eq!(fold(&text), fold(&text.replace('\'', "ꞌ")));
        }
    }
}
