//! How a number is written, where its characters tell one group from another: `01` is not `1`, and a number of eighteen digits is all of them.

use std::collections::HashMap;

/// Whether a number is written the one way that no other text of the same number is: `7`, `-0.5`; not `07`, `7.0`, `+7`, ` 7`, `TRUE`, nor digits
/// that a number does not hold.
pub fn plainly(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let point = memchr::memchr(b'.', digits);
    let (whole, places) = point.map_or((digits, None), |at| (&digits[..at], Some(&digits[at + 1..])));
    let all = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    all(whole)
        && (whole[0] != b'0' || whole.len() == 1)
        && places.is_none_or(|places| all(places) && !places.ends_with(b"0"))
        && digits.len() <= 15
        && text != b"-0"
}

/// A number's digits without what does not change it: spaces, a plus, zeros in front and behind. Two texts with the same are the same number,
/// however long.
pub fn digits(text: &str, commas: bool) -> String {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    for (word, digit) in [("TRUE", "1"), ("FALSE", "0")] {
        if text.eq_ignore_ascii_case(word) {
            return digit.to_string();
        }
    }
    let text = if commas { text.replace(',', ".") } else { text.to_string() };
    let (sign, size) = text.strip_prefix('-').map_or(("", text.strip_prefix('+').unwrap_or(&text)), |size| ("-", size));
    if !size.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return text;
    }
    let (whole, places) = size.split_once('.').unwrap_or((size, ""));
    let (whole, places) = (whole.trim_start_matches('0'), places.trim_end_matches('0'));
    match (whole, places) {
        ("", "") => "0".to_string(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, places) => format!("{sign}{}.{places}", if whole.is_empty() { "0" } else { whole }),
    }
}

/// Whole numbers above it are not all held: 2⁵³ + 1 is 2⁵³.
pub const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Whether a text is a whole number with more digits than its value holds.
pub fn overlong(text: &[u8], value: f64) -> bool {
    value.abs() > WHOLE && text.trim_ascii().iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'))
}

/// The first two texts that are one number.
pub fn twins(levels: &[(String, f64)], commas: bool) -> Option<[String; 2]> {
    let mut met: HashMap<String, &str> = HashMap::new();
    levels.iter().find_map(|(text, _)| met.insert(digits(text, commas), text).map(|first| [first.to_string(), text.clone()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_told_from_another_by_its_digits_however_it_is_written() {
        for text in ["0", "7", "-7", "0.5", "-10.25", "123456789012345"] {
            assert!(plainly(text.as_bytes()) && digits(text, false) == text, "{text}");
        }
        for (text, same) in
            [("07", "7"), ("7.0", "7"), ("+7", "7"), (" 7 ", "7"), ("7.", "7"), (".5", "0.5"), ("-0", "0"), ("00", "0"), ("True", "1")]
        {
            assert!(!plainly(text.as_bytes()) && digits(text, false) == same, "{text}");
        }
        for text in ["", "-", ".", "1e3", "1234567890123456", "12345678901234.56", "7,5", "x"] {
            assert!(!plainly(text.as_bytes()), "{text}");
        }
        assert_eq!((digits("7,50", true), digits("1e3", false)), ("7.5".to_string(), "1e3".to_string()));
        assert_ne!(digits("123456789012345678", false), digits("123456789012345679", false));
        assert!(overlong(b"123456789012345678", 123456789012345678.0) && !overlong(b"1e300", 1e300) && !overlong(b"7", 7.0));
    }
}
