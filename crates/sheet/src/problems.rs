//! Problems as they are found in a file, told one line a problem and column: with its count and the first places.

use std::collections::HashMap;

/// Places that are named before the rest is only counted.
const NAMED: usize = 5;
/// Values that are named where lines differ in what stands between «».
const VALUES: usize = 3;
/// So many letters of a value are told.
const LETTERS: usize = 120;

struct Group {
    count: usize,
    /// The first places in the file, each with its line.
    first: Vec<(String, String)>,
    /// Whether every line is the same up to what stands between «».
    alike: bool,
}

/// Lines in the order of the file, those of one kind together; what concerns the file as a whole stands first.
#[derive(Default)]
pub struct Problems {
    groups: Vec<Group>,
    known: HashMap<String, usize>,
    count: usize,
}

impl Problems {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many were found.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A problem at a place such as `row 7`.
    pub fn add(&mut self, place: &str, line: impl Into<String>) {
        let line = shortened(line.into());
        let kind = kind(&line, true);
        self.count += 1;
        match self.known.get(&kind) {
            Some(at) => {
                let group = &mut self.groups[*at];
                group.count += 1;
                group.alike &= self::kind(&group.first[0].1, false) == self::kind(&line, false);
                // A file is read more than once: what is found later may stand earlier.
                let at = group.first.partition_point(|(other, _)| number(other) <= number(place));
                if at < NAMED {
                    group.first.insert(at, (place.to_owned(), line));
                    group.first.truncate(NAMED);
                }
            }
            None => {
                self.known.insert(kind, self.groups.len());
                self.groups.push(Group { count: 1, first: vec![(place.to_owned(), line)], alike: true });
            }
        }
    }

    /// A line that names its place itself, or has none.
    pub fn push(&mut self, line: impl Into<String>) {
        self.count += 1;
        self.groups.push(Group { count: 1, first: vec![(String::new(), shortened(line.into()))], alike: true });
    }

    /// The lines, `before` in front of each place and `behind` between a place and what is wrong there.
    pub fn lines(&self, before: &str, behind: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by_key(|group| number(&group.first[0].0));
        for group in groups {
            let places: Vec<&str> = group.first.iter().map(|(place, _)| place.as_str()).collect();
            let (first, line) = &group.first[0];
            if first.is_empty() && group.count == 1 {
                lines.push(line.clone());
            } else if group.alike {
                lines.push(format!("{before}{}{behind}{}", together(&places, group.count), joined(group)));
            } else if group.count <= VALUES {
                lines.extend(group.first.iter().map(|(place, line)| format!("{before}{place}{behind}{line}")));
            } else {
                lines.push(format!("{before}{}{behind}{line} (in the words of the first)", together(&places, group.count)));
            }
        }
        lines
    }
}

/// The row or feature of a place: 7 of `row 7`, 3 of `features[3].geometry`; none for the file as a whole.
fn number(place: &str) -> Option<u64> {
    let digits = place.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    digits.parse().ok()
}

/// A line in which no value between «» is longer than a person reads.
fn shortened(line: String) -> String {
    if line.len() <= LETTERS {
        return line;
    }
    let mut out = String::new();
    for (at, part) in line.split('«').enumerate() {
        let (value, rest) = match part.split_once('»') {
            Some((value, rest)) if at > 0 => (value, Some(rest)),
            _ => (part, None),
        };
        if at > 0 {
            out.push('«');
        }
        match value.char_indices().nth(LETTERS).filter(|_| at > 0) {
            Some((end, _)) => out.push_str(&format!("{} … ({} letters)", &value[..end], value.chars().count())),
            None => out.push_str(value),
        }
        if let Some(rest) = rest {
            out.push('»');
            out.push_str(rest);
        }
    }
    out
}

/// A line without what differs from place to place: values between «», and numbers unless `numbers` is false. The name of a column says
/// which problem it is, and stays.
fn kind(line: &str, numbers: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut parts = line.split('«');
    let masked = |text: &str, out: &mut String| {
        let mut in_number = false;
        for c in text.chars() {
            let number = numbers && (c.is_ascii_digit() || (in_number && matches!(c, '.' | ',')));
            if !number {
                out.push(c);
            } else if !in_number {
                out.push('0');
            }
            in_number = number;
        }
    };
    masked(parts.next().unwrap_or_default(), &mut out);
    for part in parts {
        match part.split_once('»') {
            Some((value, rest)) => {
                let column = rest.starts_with(" is missing") || rest == " is " || rest.starts_with(" has ") || rest.starts_with(" holds ");
                out.push('«');
                out.push_str(if column { value } else { "" });
                out.push('»');
                masked(rest, &mut out);
            }
            None => out.push_str(part),
        }
    }
    out
}

/// The first line, with the values of the others beside its own.
fn joined(group: &Group) -> String {
    let lines: Vec<&str> = group.first.iter().map(|(_, line)| line.as_str()).collect();
    let Some((first, others)) = lines.split_first() else { return String::new() };
    if others.iter().all(|line| line == first) {
        return (*first).to_owned();
    }
    let values = |line: &str| -> Vec<String> { line.split('«').skip(1).filter_map(|part| Some(part.split_once('»')?.0.to_owned())).collect() };
    let all: Vec<Vec<String>> = lines.iter().map(|line| values(line)).collect();
    let mut out = String::new();
    let mut parts = first.split('«');
    out.push_str(parts.next().unwrap_or_default());
    for (slot, part) in parts.enumerate() {
        let mut distinct: Vec<&str> = Vec::new();
        for value in all.iter().filter_map(|values| values.get(slot)) {
            if !distinct.contains(&value.as_str()) {
                distinct.push(value);
            }
        }
        let more = if distinct.len() > VALUES || (distinct.len() > 1 && group.count > lines.len()) { " …" } else { "" };
        let named: Vec<String> = distinct.iter().take(VALUES).map(|value| format!("«{value}»")).collect();
        out.push_str(&named.join(", "));
        out.push_str(more);
        out.push_str(part.split_once('»').map_or("", |(_, rest)| rest));
    }
    out
}

/// `row 3, 4, 7 and 12 more`.
fn together(places: &[&str], count: usize) -> String {
    let mut out = String::new();
    let mut before = "";
    for place in places {
        let (word, number) = match place.rsplit_once(' ') {
            Some((word, number)) if number.bytes().all(|b| b.is_ascii_digit()) => (word, number),
            _ => ("", *place),
        };
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(if word == before && !out.is_empty() && !word.is_empty() { number } else { place });
        before = word;
    }
    if count > places.len() {
        out.push_str(&format!(" and {} more", count - places.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_problem_and_column_with_its_count_and_first_places() {
        let mut found = Problems::default();
        for row in [3, 4, 7, 9, 10, 12, 40] {
            found.add(&format!("row {row}"), "«code» is missing; fill it in");
            found.add(&format!("row {row}"), format!("segment «R{row}» does not exist in 1202"));
        }
        found.add("row 5", "«name» is missing; fill it in");
        found.push("f: no outline");
        assert_eq!(
            found.lines("f: ", ": "),
            [
                "f: no outline",
                "f: row 3, 4, 7, 9, 10 and 2 more: «code» is missing; fill it in",
                "f: row 3, 4, 7, 9, 10 and 2 more: segment «R3», «R4», «R7» … does not exist in 1202",
                "f: row 5: «name» is missing; fill it in",
            ]
        );
        assert_eq!(found.count(), 16);
    }

    #[test]
    fn columns_of_one_problem_stay_apart_and_all_stand_in_the_order_of_the_file() {
        let mut found = Problems::default();
        for (place, column, value) in
            [("feature 5", "order", "dos"), ("feature 2", "order", "1.5"), ("feature 4", "capacity_l", "100,5"), ("feature 4", "order", "1e11")]
        {
            found.add(place, format!("«{column}» is «{value}»; write a whole number"));
        }
        found.add("feature 0", "«order» is «-3»; write a number from 0 on");
        found.add("features[1].geometry", "a ring is open");
        found.add("feature 6", format!("«code» is «{}», which is no code", "x".repeat(500)));
        let lines = found.lines("f: ", ": ");
        assert_eq!(
            lines[..4],
            [
                "f: feature 0: «order» is «-3»; write a number from 0 on",
                "f: features[1].geometry: a ring is open",
                "f: feature 2, 4, 5: «order» is «1.5», «1e11», «dos»; write a whole number",
                "f: feature 4: «capacity_l» is «100,5»; write a whole number",
            ]
        );
        assert!(lines[4].contains("x … (500 letters)»") && lines[4].len() < 200, "{}", lines[4]);
    }

    #[test]
    fn few_lines_that_differ_in_numbers_stay_apart_and_many_do_not() {
        let mut found = Problems::default();
        for n in 1..=2 {
            found.add(&format!("row {n}"), format!("{n}.5 km outside"));
        }
        assert_eq!(found.lines("f: ", ": "), ["f: row 1: 1.5 km outside", "f: row 2: 2.5 km outside"]);
        for n in 3..=9 {
            found.add(&format!("row {n}"), format!("{n}.5 km outside"));
        }
        assert_eq!(found.lines("f: ", ": "), ["f: row 1, 2, 3, 4, 5 and 4 more: 1.5 km outside (in the words of the first)"]);
    }
}
