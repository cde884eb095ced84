//! What people write in cells: yes and no, days, weekdays, numbers with a decimal comma; and letters that another program spoilt.

use super::columns::{Known, folded};
use chrono::NaiveDate;

/// Yes or no as offices write it; an empty cell is no. Nothing where it is neither.
pub fn yes(text: &str) -> Option<bool> {
    match folded(text).as_str() {
        "si" | "s" | "x" | "1" | "verdadero" | "v" | "yes" | "y" | "true" | "t" => Some(true),
        "no" | "n" | "0" | "falso" | "false" | "f" => Some(false),
        "" if text.trim().is_empty() => Some(false),
        "" if matches!(text.trim(), "✓" | "✔" | "☑" | "☒") => Some(true),
        _ => None,
    }
}

/// A day as dd/mm/yyyy or yyyy-mm-dd, with one digit or two, with `/`, `-` or `.`; midnight behind it is dropped.
pub fn day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let text =
        text.split_once(['T', ' ']).filter(|(_, time)| time.bytes().all(|b| matches!(b, b'0' | b':' | b'.' | b'Z' | b'+'))).map_or(text, |t| t.0);
    let parts: Vec<&str> = text.split(['/', '-', '.']).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    if parts.iter().any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) || b.len() > 2 {
        return None;
    }
    let (year, month, day) = match (a.len(), c.len()) {
        (4, 1..=2) => (a, b, c),
        (1..=2, 4) => (c, b, a),
        _ => return None,
    };
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

/// The word of ours that is meant: in any case, with or without accents, in Spanish.
pub fn word(ours: &[Known], text: &str) -> Option<&'static str> {
    let fold = folded(text);
    ours.iter().find(|known| known.name == fold || known.also.contains(&fold.as_str())).map(|known| known.name)
}

/// What is seen by nobody in a text: controls, signs of no width, marks of direction.
pub fn unseen(text: &str) -> Option<char> {
    let hidden =
        |c: &char| matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars().find(|c| c.is_control() || hidden(c))
}

/// A number with a decimal point or comma.
pub fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}');
    let number = text.parse::<f64>().or_else(|_| text.replacen(',', ".", 1).replace('\u{2212}', "-").parse::<f64>()).ok()?;
    number.is_finite().then_some(number)
}

/// A weekday's number, 1 Monday to 7 Sunday, from an English or Spanish name, its first letters, iCalendar's two letters, or a number.
pub fn weekday(word: &str) -> Option<i16> {
    let fold = folded(word);
    if let Ok(number) = fold.parse::<i16>() {
        return (1..=7).contains(&number).then_some(number);
    }
    const SHORT: [[&str; 4]; 7] = [
        ["mo", "lu", "lunes", "monday"],
        ["tu", "ma", "martes", "tuesday"],
        ["we", "mi", "miercoles", "wednesday"],
        ["th", "ju", "jueves", "thursday"],
        ["fr", "vi", "viernes", "friday"],
        ["sa", "sa", "sabado", "saturday"],
        ["su", "do", "domingo", "sunday"],
    ];
    let fits = |[en, es, spanish, english]: &[&str; 4]| {
        fold == *en || fold == *es || (fold.len() >= 3 && [spanish, english].iter().any(|name| name.starts_with(&fold) || same_plural(&fold, name)))
    };
    SHORT.iter().position(fits).map(|at| at as i16 + 1)
}

fn same_plural(fold: &str, name: &str) -> bool {
    fold.strip_suffix('s').is_some_and(|one| one == name)
}

/// Weekdays as people write them: names in Spanish or English, letters (L M X J V S D), numbers, lists and ranges. Sorted, each once;
/// nothing for an empty text; the word that is not understood otherwise.
pub fn weekdays(text: &str) -> Result<Vec<i16>, String> {
    let folded_text = folded(text);
    if ["todos_dias", "diario", "diariamente", "cada_dia", "daily", "every_day", "everyday"].contains(&folded_text.as_str()) {
        return Ok((1..=7).collect());
    }
    // A dash of any kind, «a», «al», «to» and «hasta» between two days are ranges.
    let spaced: String = text
        .chars()
        .map(|c| match c {
            '–' | '—' | '-' => " - ".to_owned(),
            ',' | ';' | '|' | '/' | '+' | '&' | '.' | '(' | ')' | '[' | ']' => " ".to_owned(),
            c => c.to_string(),
        })
        .collect();
    let words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let letters: Vec<char> = words.iter().filter_map(|word| single(word)).collect();
    let (mut days, mut range, mut ranged, mut m_seen) = (Vec::new(), false, false, 0);
    for word in &words {
        let fold = folded(word);
        match fold.as_str() {
            "" if word == "-" => range = true,
            "a" | "al" | "to" | "hasta" | "through" if !days.is_empty() => range = true,
            "y" | "e" | "and" | "de" | "los" | "dias" | "cada" => {}
            _ => {
                let found = match single(word) {
                    Some(letter) => of_letter(letter, &letters, &mut m_seen).map(|day| vec![day]),
                    None => weekday(&fold).map(|day| vec![day]).or_else(|| together(&fold)),
                };
                let found = found.ok_or_else(|| word.clone())?;
                if range {
                    let (Some(from), [to]) = (days.last().copied(), found.as_slice()) else { return Err(word.clone()) };
                    // L-X-V may be three days or five.
                    if from > *to || ranged {
                        return Err(text.trim().to_owned());
                    }
                    days.extend(from..=*to);
                } else {
                    days.extend(found);
                }
                (ranged, range) = (range, false);
            }
        }
    }
    if range {
        return Err(text.trim().to_owned());
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

/// A word of one letter, in capitals.
fn single(word: &str) -> Option<char> {
    let mut letters = word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_uppercase);
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter != 'Y' && letter != 'A' && letter != 'E' => Some(letter),
        _ => None,
    }
}

/// A day's letter. M is martes beside an X, and the first of two; it is Monday beside W or F; alone it may be martes or miércoles.
fn of_letter(letter: char, all: &[char], m_seen: &mut usize) -> Option<i16> {
    let has = |letter: char| all.contains(&letter);
    Some(match letter {
        'L' => 1,
        'M' if has('W') || has('F') => 1,
        'M' if has('X') => 2,
        'M' if all.iter().filter(|l| **l == 'M').count() == 2 => {
            *m_seen += 1;
            1 + *m_seen as i16
        }
        'X' | 'W' => 3,
        'J' => 4,
        'V' | 'F' => 5,
        'S' => 6,
        'D' => 7,
        _ => return None,
    })
}

/// Letters without anything between them: LMXJV.
fn together(fold: &str) -> Option<Vec<i16>> {
    let letters: Vec<char> = fold.chars().flat_map(char::to_uppercase).collect();
    if letters.len() < 3 {
        return None;
    }
    let mut m_seen = 0;
    let days: Vec<i16> = letters.iter().map(|letter| of_letter(*letter, &letters, &mut m_seen)).collect::<Option<_>>()?;
    days.windows(2).all(|pair| pair[0] < pair[1]).then_some(days)
}

/// What stands in a text that was UTF-8 and was read as Windows-1252 on its way: `JosÃ©` is `José`.
pub fn mojibake(text: &str) -> Option<String> {
    if !text.contains(['Ã', 'Â', 'â']) {
        return None;
    }
    let mut found = false;
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(word);
            match std::str::from_utf8(&bytes) {
                Ok(read) if !unmappable && read.chars().count() < word.chars().count() => {
                    found = true;
                    read.to_owned()
                }
                _ => word.to_owned(),
            }
        })
        .collect();
    found.then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_as_offices_write_them() {
        for text in ["Sí", "SI", "si", "x", "X", "1", "verdadero", "VERDADERO", "yes", "TRUE", " sí ", "Si\u{301}", "✓"] {
            assert_eq!(yes(text), Some(true), "{text}");
        }
        for text in ["no", "NO", "0", "falso", "FALSE", "", "  "] {
            assert_eq!(yes(text), Some(false), "{text}");
        }
        for text in ["quizás", "2", "?", "sí no"] {
            assert_eq!(yes(text), None, "{text}");
        }
    }

    #[test]
    fn days_in_three_forms_and_no_guessing_of_a_fourth() {
        let the_third = NaiveDate::from_ymd_opt(1990, 5, 3);
        for text in
            ["03/05/1990", "3/5/1990", "1990-05-03", "1990-5-3", "03-05-1990", "3.5.1990", "1990/05/03", "1990-05-03T00:00:00", "3/5/1990 00:00"]
        {
            assert_eq!(day(text), the_third, "{text}");
        }
        for text in ["05/13/1990", "29/02/2001", "3/5/90", "33000", "", "mayo 1990", "1990-05-03 12:30", "3/5/1990/1", "003/05/1990"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn weekdays_as_people_write_them() {
        for (text, want) in [
            ("mon,thu", vec![1, 4]),
            ("Lunes y jueves", vec![1, 4]),
            ("lun-vie", vec![1, 2, 3, 4, 5]),
            ("lunes a viernes", vec![1, 2, 3, 4, 5]),
            ("de lunes a sábado", vec![1, 2, 3, 4, 5, 6]),
            ("L,M,X", vec![1, 2, 3]),
            ("L, M, M, J", vec![1, 2, 3, 4]),
            ("LMXJV", vec![1, 2, 3, 4, 5]),
            ("L-V", vec![1, 2, 3, 4, 5]),
            ("MO TH", vec![1, 4]),
            ("1;4", vec![1, 4]),
            ("1-3", vec![1, 2, 3]),
            ("Mié. y sáb.", vec![3, 6]),
            ("martes", vec![2]),
            ("todos los días", vec![1, 2, 3, 4, 5, 6, 7]),
            ("M, W, F", vec![1, 3, 5]),
            ("lunes – miércoles", vec![1, 2, 3]),
            ("sábados", vec![6]),
            ("", vec![]),
        ] {
            assert_eq!(weekdays(text), Ok(want), "{text}");
        }
        for (text, word) in
            [("someday", "someday"), ("vie-lun", "vie-lun"), ("L,M,V", "M"), ("L-X-V", "L-X-V"), ("8", "8"), ("lun-", "lun-"), ("lun xyz", "xyz")]
        {
            assert_eq!(weekdays(text), Err(word.to_owned()), "{text}");
        }
    }

    #[test]
    fn spoilt_letters_are_read_back_and_sound_ones_left_alone() {
        for (sound, spoilt) in
            [("José", "JosÃ©"), ("Peña y Muñoz", "PeÃ±a y MuÃ±oz"), ("María", "MarÃ\u{ad}a"), ("¿Ñ?", "Â¿Ã‘?"), ("“sí”", "â€œsÃ\u{ad}â€\u{9d}")]
        {
            assert_eq!(mojibake(spoilt).as_deref(), Some(sound), "{spoilt}");
            assert_eq!(mojibake(sound), None, "{sound}");
        }
        assert_eq!(mojibake("SÃO PAULO"), None);
    }

    #[test]
    fn numbers_with_a_point_or_a_comma() {
        assert_eq!(decimal(" 14,966 "), Some(14.966));
        assert_eq!(decimal("-91.7765"), Some(-91.7765));
        assert_eq!(decimal("\u{2212}91,5\u{a0}"), Some(-91.5));
        assert_eq!((decimal("abc"), decimal(""), decimal("1,2,3"), decimal("NaN")), (None, None, None, None));
    }
}
