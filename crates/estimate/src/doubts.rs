//! What is doubtful of a column as it was written: letters that were lost, signs for thousands, a decimal sign that may be one. A number
//! that would be read a thousand times too small, or as the name of a group, is refused where it counts, not guessed.

use memchr::memchr2;

use super::dictionary::{Cell, written};
use super::table::{Column, Doubt, Levels, Matters};
use vecino_sheet::words;

/// With which decimal signs the numbers of a column were written.
#[derive(Debug, Default, Clone)]
pub struct Signs {
    pub commas: bool,
    pub points: bool,
    /// Whether some number shows that its sign is decimal: 0,5 and 1.25 do, 1.000 may be a thousand.
    telling: bool,
    /// The first number with a sign.
    first: Option<Box<str>>,
}

impl Signs {
    #[inline]
    pub fn note(&mut self, number: &[u8]) {
        if let Some(at) = memchr2(b',', b'.', number) {
            self.noted(number, at);
        }
    }

    fn noted(&mut self, number: &[u8], at: usize) {
        self.commas |= number[at] == b',';
        self.points |= number[at] == b'.';
        self.telling = self.telling || !grouped(number.trim_ascii());
        if self.first.is_none() {
            self.first = Some(String::from_utf8_lossy(number.trim_ascii()).into());
        }
    }

    pub fn and(&mut self, other: &Signs) {
        self.commas |= other.commas;
        self.points |= other.points;
        self.telling |= other.telling;
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
    }

    /// What is doubtful where a sign may be decimal or for thousands; `beside` are the columns of the same file.
    pub fn doubt<'a>(&self, column: &str, mut beside: impl Iterator<Item = &'a Signs> + Clone) -> Option<Doubt> {
        let first = self.first.as_deref().filter(|_| !self.telling && self.commas != self.points)?;
        let (sign, other) = if self.commas { ("comma", "point") } else { ("point", "comma") };
        let opposed = beside.clone().any(|signs| if self.commas { signs.points } else { signs.commas });
        let line = if opposed {
            format!(
                "holds «{first}» in a file whose numbers have a decimal {other}: a {sign} there may be for thousands; write all numbers one way, without a sign for thousands"
            )
        } else if beside.any(|signs| signs.telling) {
            return None;
        } else {
            let value = match written(first.as_bytes(), true) {
                Cell::Number(value) => value,
                _ => return None,
            };
            format!("was read with a decimal {sign}: «{first}» as {value}; if the {sign} is for thousands, write the numbers without it")
        };
        Some(Doubt { column: column.to_owned(), line, refused: opposed, matters: Matters::InFormula })
    }
}

/// A number in groups of three: 1.020, 1,020.5, 1 020 300. The first group does not begin with 0.
fn grouped(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default().trim_start_matches(['-', '+', '\u{2212}']);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(text);
    if !(1..=3).contains(&first) || text.starts_with('0') {
        return false;
    }
    let Some(sign) = text[first..].chars().next().filter(|sign| matches!(sign, '.' | ',' | ' ' | '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}'))
    else {
        return false;
    };
    let mut rest = &text[first..];
    while let Some(group) = rest.strip_prefix(sign) {
        if digits(group) != 3 {
            return false;
        }
        rest = &group[3..];
    }
    let decimal = if sign == ',' {
        rest.strip_prefix('.')
    } else if sign == '.' {
        rest.strip_prefix(',')
    } else {
        rest.strip_prefix([',', '.'])
    };
    rest.is_empty() || decimal.is_some_and(|places| !places.is_empty() && digits(places) == places.len())
}

/// The same number without its signs for thousands, with the decimal sign of the file.
fn without_groups(text: &str, commas: bool) -> String {
    let signs = |c: &char| matches!(c, '.' | ',');
    let decimal = text.rfind(['.', ',']).filter(|at| {
        let whole = &text[..*at];
        let same = text[*at..].chars().next();
        !whole.chars().any(|c| Some(c) == same) && whole.chars().any(|c| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '\u{2212}'))
    });
    let mut out: String =
        text[..decimal.unwrap_or(text.len())].chars().filter(|c| !signs(c) && (c.is_ascii_digit() || matches!(c, '-' | '+'))).collect();
    if let Some(at) = decimal {
        out.push(if commas { ',' } else { '.' });
        out.push_str(&text[at + 1..]);
    }
    out
}

/// What to say of a column that is text although its cells are numbers, or nearly all of them, or would be but for their signs.
pub fn of_numbers(column: &str, held: &Column, commas: bool) -> Option<Doubt> {
    let Column::Coded { levels: Levels::Texts(levels), codes } = held else { return None };
    // Its decimal comma is no number's where commas separate.
    let comma = |text: &str| {
        !commas
            && !matches!(written(text.trim().as_bytes(), false), Cell::Number(_))
            && matches!(written(text.trim().as_bytes(), true), Cell::Number(_))
    };
    let is_text: Vec<bool> = levels.iter().map(|text| written(text.as_bytes(), commas) == Cell::Text).collect();
    let signed: Vec<bool> = levels.iter().zip(&is_text).map(|(text, is)| *is && (grouped(text.trim().as_bytes()) || comma(text))).collect();
    let texts = is_text.iter().filter(|text| **text).count();
    let all_signed = signed.iter().filter(|signed| **signed).count();
    let told = |line: String| Some(Doubt { column: column.to_owned(), line, refused: false, matters: Matters::InFormula });
    if let Some(first) = signed.iter().position(|signed| *signed) {
        let shown = levels[first].trim();
        let what = if grouped(shown.as_bytes()) {
            format!("«{shown}» has a sign for thousands: write it without, like {}", without_groups(shown, commas))
        } else {
            format!("«{shown}» has a decimal comma where commas separate cells: write {}, or save the file with semicolons", shown.replace(',', "."))
        };
        if all_signed == texts {
            return Some(Doubt {
                column: column.to_owned(),
                line: format!("is no column of numbers, {what}"),
                refused: true,
                matters: Matters::InFormula,
            });
        }
        if (texts - all_signed) * 2 <= levels.len() {
            return told(format!("is text: {what}; and cells such as «{}» are no numbers", levels[other(&is_text, &signed)?]));
        }
    }
    // As many texts that are no numbers as numbers: names that happen to hold digits.
    if texts == 0 || texts * 2 > levels.len() {
        return None;
    }
    let mut counts = vec![0usize; levels.len() + 1];
    (0..codes.len()).for_each(|row| counts[codes.at(row) as usize] += 1);
    let cells: usize = counts[1..].iter().sum();
    let odd: usize = counts[1..].iter().zip(&is_text).filter(|(_, text)| **text).map(|(count, _)| count).sum();
    let first = &levels[is_text.iter().position(|text| *text)?];
    (odd * 20 <= cells)
        .then(|| format!("is text because {odd} of {cells} cells are no numbers, the first «{first}»; empty them or write NA, should it be numbers"))
        .and_then(told)
}

fn other(is_text: &[bool], signed: &[bool]) -> Option<usize> {
    is_text.iter().zip(signed).position(|(text, signed)| *text && !signed)
}

/// What to say of whole numbers with more digits than a number holds.
pub fn of_overlong(column: &str, first: &str) -> Doubt {
    let line = format!(
        "holds «{first}», longer than a number is held, so that others may be the same: as a cluster, block, effect or factor( ) it keeps its digits"
    );
    Doubt { column: column.to_owned(), line, refused: false, matters: Matters::AsNumber }
}

/// What to say of two texts that are one number, where they name two groups.
pub fn of_twins(column: &str, [first, second]: &[String; 2]) -> Doubt {
    let line =
        format!("holds «{first}» and «{second}»: one number, but two groups, because they are written in two ways; write them alike if they are one");
    Doubt { column: column.to_owned(), line, refused: false, matters: Matters::AsGroup }
}

/// Letters that were lost or spoilt before the file came here.
pub fn of_letters(column: &str, held: &Column) -> Option<Doubt> {
    let Column::Coded { levels: Levels::Texts(levels), .. } = held else { return None };
    let doubt = |line: String, refused: bool| Some(Doubt { column: column.to_owned(), line, refused, matters: Matters::Anywhere });
    if let Some(lost) = levels.iter().find(|text| text.contains('\u{FFFD}')) {
        return doubt(format!("holds «{lost}»: letters were lost on the way (U+FFFD); export the file again as UTF-8"), true);
    }
    let (spoilt, meant) = levels.iter().find_map(|text| Some((text, words::mojibake(text)?)))?;
    doubt(format!("holds «{spoilt}»: «{meant}» was probably meant (UTF-8 read as Windows-1252); mend it where the file comes from"), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_groups_of_three_are_told_from_names_days_and_decimals() {
        for (text, commas, plain) in [
            ("1.020,5", true, "1020,5"),
            ("1,020.5", false, "1020.5"),
            ("1 020,5", true, "1020,5"),
            ("1\u{a0}020", true, "1020"),
            ("12,345,678", false, "12345678"),
            ("-1'020.50", false, "-1020.50"),
            ("1.000", true, "1000"),
        ] {
            assert!(grouped(text.as_bytes()), "{text}");
            assert_eq!(without_groups(text, commas), plain, "{text}");
        }
        for text in
            ["01.02.2024", "0.125", "1.25", "1.2345", "1,020,5", "1.02.030", "12", "a", "", "1.000.00", "2024-01", "1 020 30", "1.020,", "Q 1.000"]
        {
            assert!(!grouped(text.as_bytes()), "{text}");
        }
    }
}
