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
    // Canonical forms first: U+1FFD is an acute accent in disguise, and only then seen to be an apostrophe.
    let plain: String = text
        .chars()
        .filter(|c| !is_hidden(*c) || c.is_whitespace())
        .nfd()
        .filter(|c| !is_apostrophe(*c))
        .nfkd()
        .flat_map(char::to_lowercase)
        .collect();
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

    fn holds(text: &str) {
        let once = fold(text);
        assert_eq!(fold(&once), once, "{text:?}");
        assert_eq!(fold(&text.nfd().collect::<String>()), once, "{text:?} decomposed");
        assert_eq!(fold(&text.nfc().collect::<String>()), once, "{text:?} composed");
        assert_eq!(fold(&kept(text)), once, "{text:?} as it is stored");
    }

    #[test]
    fn folding_twice_changes_nothing_for_any_character() {
        assert_eq!(fold("Ak\u{1ffd}abal"), "akabal", "an accent that stands alone is an apostrophe");
        for c in (0u32..0x1_1000).chain(0x1_d400..0x1_d800).chain(0x1_f100..0x1_f200).filter_map(char::from_u32) {
            holds(&format!("a{c}b"));
        }
    }

    #[test]
    fn folding_twice_changes_nothing_whatever_stands_together() {
        use rand::seq::IndexedRandom;
        let random = &mut crate::id::seeded_random(20260630, "names");
        let odd: Vec<char> =
            "aÁñ' ’ꞌ´`\u{1ffd}\u{1fef}\u{301}\u{308}\u{345}\u{2bc}ŉßİςΣǅﬁ½\u{200d}\u{ad}\u{feff}\u{202e}-y de\u{a0}\t".chars().collect();
        for _ in 0..20_000 {
            holds(&(0..12).filter_map(|_| odd.choose(random)).collect::<String>());
        }
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
