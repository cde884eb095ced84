//! The 7-bit alphabet of SMS (3GPP TS 23.038): how long a text is, how many parts it takes, and which character does not fit.

/// Septets of a message in one part, and of each part of a longer one (seven septets go to the header that joins them).
pub const SINGLE: usize = 160;
pub const JOINED: usize = 153;

/// The 127 characters that take one septet (the table's place 0x1B is the escape, not a character).
const BASIC: &str =
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The ten that take two: the escape and one more.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// A character no phone would receive as written, and where it stands, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    pub character: char,
    pub position: usize,
}

fn weight(character: char) -> Option<usize> {
    match character {
        // The letters and digits of nearly every message; the rest is looked up.
        ' '..='Z' | 'a'..='z' => Some(1),
        c if BASIC.contains(c) => Some(1),
        c if EXTENSION.contains(c) => Some(2),
        _ => None,
    }
}

/// Septets of a text, or its first character outside the alphabet.
pub fn septets(text: &str) -> Result<usize, Offence> {
    text.chars().enumerate().try_fold(0, |sum, (at, character)| match weight(character) {
        Some(septets) => Ok(sum + septets),
        None => Err(Offence { character, position: at + 1 }),
    })
}

/// Parts a text is sent in. An escaped character is never torn between two parts.
pub fn segments(text: &str) -> Result<usize, Offence> {
    if septets(text)? <= SINGLE {
        return Ok(1);
    }
    let (mut parts, mut filled) = (1, 0);
    for septets in text.chars().filter_map(weight) {
        if filled + septets > JOINED {
            parts += 1;
            filled = 0;
        }
        filled += septets;
    }
    Ok(parts)
}

/// The only replacements Spanish needs: á í ó ú and their capitals. é ñ ü ¿ ¡ are in the alphabet and stay; `año` is not `ano`.
pub fn transliterate(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            'á' => 'a',
            'í' => 'i',
            'ó' => 'o',
            'ú' => 'u',
            'Á' => 'A',
            'Í' => 'I',
            'Ó' => 'O',
            'Ú' => 'U',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_127_characters_and_ten_more_behind_the_escape() {
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENSION.chars().count(), 10);
        let all: std::collections::BTreeSet<char> = BASIC.chars().chain(EXTENSION.chars()).collect();
        assert_eq!(all.len(), 137);
        for c in BASIC.chars() {
            assert_eq!(weight(c), Some(1), "{c:?}");
        }
        for c in EXTENSION.chars() {
            assert_eq!(weight(c), Some(2), "{c:?}");
        }
        for c in 0..=0x10_ffff {
            if let Some(c) = char::from_u32(c) {
                assert_eq!(weight(c).is_some(), all.contains(&c), "{c:?}");
            }
        }
    }

    #[test]
    fn what_spanish_keeps_and_what_it_loses() {
        assert_eq!(septets("é ü ñ É Ü Ñ ¿ ¡ à è ì ò ù Ç"), Ok(27));
        for c in "áíóúÁÍÓÚç".chars() {
            assert_eq!(septets(&c.to_string()), Err(Offence { character: c, position: 1 }));
        }
        for c in "“”‘’–—…ʼ\u{2068}`".chars() {
            assert!(septets(&c.to_string()).is_err(), "{c}");
        }
        assert_eq!(transliterate("Súmese mañana al camión: ¿qué día? ÁÍÓÚ ç"), "Sumese mañana al camion: ¿qué dia? AIOU ç");
    }

    #[test]
    fn the_offending_character_is_named_with_its_place() {
        assert_eq!(septets("El camión"), Err(Offence { character: 'ó', position: 8 }));
        assert_eq!(septets("ñandú"), Err(Offence { character: 'ú', position: 5 }));
    }

    #[test]
    fn braces_and_the_euro_count_twice_and_parts_have_153() {
        assert_eq!(septets("^{}\\[~]|€"), Ok(18));
        assert_eq!(segments(&"a".repeat(160)), Ok(1));
        assert_eq!(segments(&"a".repeat(161)), Ok(2));
        assert_eq!(segments(&"€".repeat(80)), Ok(1));
        assert_eq!(segments(&"€".repeat(81)), Ok(2));
        assert_eq!(segments(&"a".repeat(306)), Ok(2));
        assert_eq!(segments(&"a".repeat(307)), Ok(3));
        // 76 escaped characters fill 152 septets of a part; the next one does not fit its last septet.
        assert_eq!(segments(&"€".repeat(152)), Ok(2));
        assert_eq!(segments(&"€".repeat(153)), Ok(3));
        assert_eq!(segments(""), Ok(1));
    }
}
