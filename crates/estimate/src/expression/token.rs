//! The words of expressions and formulas: numbers, texts in quotes, names, marks.

use std::fmt;

use super::refused;
use crate::error::Result;

const MARKS: [&str; 21] = ["%in%", "==", "!=", "<=", ">=", "<", ">", "=", "~", "|", ":", "*", "+", "-", "/", "^", ",", "(", ")", "!", "&"];

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Number(f64),
    Text(String),
    Name(String),
    /// A name in backticks: a column, whatever it spells.
    Backticked(String),
    Mark(&'static str),
}

/// A word of an expression or a formula; `start..end` are its bytes in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    pub fn is(&self, mark: &str) -> bool {
        matches!(self.kind, Kind::Mark(own) if own == mark)
    }

    /// The name, in backticks or not.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) | Kind::Backticked(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Number(value) => write!(f, "{value}"),
            Kind::Text(text) => write!(f, "'{text}'"),
            Kind::Name(name) | Kind::Backticked(name) => write!(f, "{name}"),
            Kind::Mark(mark) => write!(f, "{mark}"),
        }
    }
}

/// The words of a text. Refuses a character that begins none, and a quote that is not closed.
pub fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let start = at;
        let rest = &text[start..];
        let run = |belongs: fn(char) -> bool, rest: &str| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let kind = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let mut length = run(|c| c.is_ascii_digit() || c == '.', rest);
            let exponent = rest[length..].strip_prefix(['e', 'E']).map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
            if let Some(power) = exponent.filter(|power| power.starts_with(|c: char| c.is_ascii_digit())) {
                length = rest.len() - power.len() + run(|c| c.is_ascii_digit(), power);
            }
            at += length;
            let value = rest[..length].parse::<f64>().ok().filter(|value| value.is_finite());
            Kind::Number(value.ok_or_else(|| refused(format!("`{text}`: `{}` is not a number that can be held", &rest[..length])))?)
        } else if matches!(first, '\'' | '"' | '`') {
            let (inside, length) = quoted(rest, first).map_err(|what| refused(format!("`{text}`: {what} (character {})", position(text, start))))?;
            at += length;
            if first == '`' { Kind::Backticked(inside) } else { Kind::Text(inside) }
        } else if first.is_alphabetic() || matches!(first, '.' | '_') {
            at += run(|c| c.is_alphanumeric() || matches!(c, '.' | '_'), rest);
            Kind::Name(text[start..at].to_string())
        } else if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            at += mark.len();
            Kind::Mark(mark)
        } else {
            return Err(refused(format!("`{text}`: `{first}` (character {}) means nothing here", position(text, start))));
        };
        tokens.push(Token { kind, start, end: at });
    }
    Ok(tokens)
}

/// The character at a byte, counted from 1.
pub fn position(text: &str, at: usize) -> usize {
    text[..at].chars().count() + 1
}

/// The text between two equal quotes, and the bytes it takes with them. A backslash keeps the character after it.
fn quoted(rest: &str, quote: char) -> std::result::Result<(String, usize), String> {
    let mut inside = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next().map(|(_, next)| next) {
                Some('n') => inside.push('\n'),
                Some('t') => inside.push('\t'),
                Some(next @ ('\\' | '\'' | '"' | '`')) => inside.push(next),
                _ => return Err("a backslash stands before neither a quote nor a backslash, n or t; write \\\\ for a backslash".to_string()),
            },
            end if end == quote => return Ok((inside, at + 1)),
            other => inside.push(other),
        }
    }
    Err(format!("the quote {quote} is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_its_kind_and_its_place() {
        let tokens = tokenize("año.1 %in%`a b`<=-1.5e+3'it\\'s'").unwrap();
        let kinds: Vec<String> = tokens.iter().map(|token| format!("{:?}", token.kind)).collect();
        assert_eq!(
            kinds,
            ["Name(\"año.1\")", "Mark(\"%in%\")", "Backticked(\"a b\")", "Mark(\"<=\")", "Mark(\"-\")", "Number(1500.0)", "Text(\"it's\")"]
        );
        assert_eq!((tokens[0].start, tokens[0].end, tokens[1].start, tokens[2].name()), (0, 6, 7, Some("a b")));
    }

    #[test]
    fn what_begins_no_word_is_refused_with_its_place() {
        for (text, why) in [
            ("é ? b", "`?` (character 3)"),
            ("a 'b", "not closed (character 3)"),
            ("'\\d'", "backslash"),
            ("1e999", "not a number"),
            ("1.2.3", "not a number"),
        ] {
            let error = tokenize(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
