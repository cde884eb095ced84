//! One feature or row, and how its columns are read.

use super::Lines;
use crate::id::MunicipalityId;
use chrono::NaiveDate;
use geo::Geometry;
use serde_json::{Map, Value};

/// As read, before any rule of its kind. Columns are taken out as they are understood; what is left is kept as it came.
pub(crate) struct Item {
    /// `feature 3` or `row 7`.
    pub place: String,
    pub properties: Map<String, Value>,
    /// The geometry as GeoJSON, rings rewound, and parsed.
    pub shape: Option<(Value, Geometry)>,
}

/// Three letters a day, Monday first.
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const SPANISH: [&str; 7] = ["lun", "mar", "mie", "jue", "vie", "sab", "dom"];

impl Item {
    /// A text column; numbers are read as text, blanks as nothing.
    pub fn text(&mut self, column: &str) -> Option<String> {
        match self.properties.remove(column)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            _ => None,
        }
    }

    /// A text column that must be there.
    pub fn needed(&mut self, column: &str, lines: &mut Lines) -> Option<String> {
        let text = self.text(column);
        if text.is_none() {
            lines.refuse(&self.place, format!("«{column}» is missing; fill it in"));
        }
        text
    }

    /// `code`, or else the feature's id.
    pub fn code(&mut self, lines: &mut Lines) -> Option<String> {
        let id = self.properties.get("@id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        match (self.text("code"), id) {
            (Some(code), Some(id)) => {
                if code == id {
                    self.properties.remove("@id");
                }
                Some(code)
            }
            (Some(code), None) => Some(code),
            (None, Some(id)) if !id.trim().is_empty() => {
                self.properties.remove("@id");
                Some(id)
            }
            _ => {
                lines.refuse(&self.place, "«code» is missing; fill it in");
                None
            }
        }
    }

    pub fn number(&mut self, column: &str, lines: &mut Lines) -> Option<i32> {
        let text = self.text(column)?;
        let number = text.parse::<i32>().ok().or_else(|| text.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && n.abs() < 2e9).map(|n| n as i32));
        if number.is_none() {
            lines.refuse(&self.place, format!("«{column}» is «{text}»; write a whole number"));
        }
        number
    }

    pub fn flag(&mut self, column: &str) -> Option<bool> {
        match self.text(column)?.to_lowercase().as_str() {
            "true" | "1" | "yes" | "si" | "sí" | "verdadero" => Some(true),
            "false" | "0" | "no" | "falso" => Some(false),
            _ => None,
        }
    }

    /// `approximate`, or what `geometria` says of it.
    pub fn approximate(&mut self) -> bool {
        let said = self.properties.get("geometria").and_then(Value::as_str) == Some("aproximada");
        self.flag("approximate").unwrap_or(said)
    }

    pub fn date(&mut self, column: &str, lines: &mut Lines) -> Option<NaiveDate> {
        let text = self.text(column)?;
        let date = ["%Y-%m-%d", "%d/%m/%Y"].iter().find_map(|format| NaiveDate::parse_from_str(&text, format).ok());
        if date.is_none() {
            lines.refuse(&self.place, format!("«{column}» is «{text}»; write a date like 2026-07-13"));
        }
        date
    }

    /// A time of day as HH:MM.
    pub fn time(&mut self, column: &str, lines: &mut Lines) -> Option<String> {
        let text = self.text(column)?;
        let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|format| chrono::NaiveTime::parse_from_str(&text, format).ok());
        if time.is_none() {
            lines.refuse(&self.place, format!("«{column}» is «{text}»; write a time like 06:00"));
        }
        time.map(|t| t.format("%H:%M").to_string())
    }

    /// The municipality this belongs to: its own column, or the one the command names; both must agree.
    pub fn municipality(&mut self, named: Option<MunicipalityId>) -> Result<MunicipalityId, String> {
        let own = match self.text("municipality") {
            Some(code) => Some(MunicipalityId::parse(&code).map_err(|e| e.to_string())?),
            None => None,
        };
        let hinted = || match self.properties.get("codigo_muni") {
            Some(Value::String(code)) => MunicipalityId::parse(code).ok(),
            _ => None,
        };
        match (own, named) {
            (Some(own), Some(named)) if own != named => Err(format!("belongs to municipality {own}, the command names {named}; mend one of them")),
            (Some(one), _) | (None, Some(one)) => Ok(one),
            (None, None) => hinted().ok_or_else(|| "no municipality is named; add --municipality CODE, such as 1202".into()),
        }
    }

    /// Weekdays as 1 Monday to 7 Sunday: names or numbers, a text or a list, ranges too. `None` when one is not understood.
    pub fn weekdays(&mut self, lines: &mut Lines) -> Option<Vec<i16>> {
        let text = match self.properties.remove("weekdays") {
            Some(Value::Array(days)) => days.iter().map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned)).collect::<Vec<_>>().join(","),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let mut days = Vec::new();
        for word in text.split([',', ';', '|', '/', '+', ' ', '\t']).filter(|w| !w.is_empty() && *w != "y" && *w != "and") {
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            match (weekday(from), weekday(to)) {
                (Some(from), Some(to)) if from <= to => days.extend(from..=to),
                _ => {
                    lines.refuse(&self.place, format!("«weekdays» has «{word}»; write days like mon,thu"));
                    return None;
                }
            }
        }
        days.sort_unstable();
        days.dedup();
        if days.is_empty() {
            lines.refuse(&self.place, "the route has no weekday; fill in «weekdays», such as mon,thu");
            return None;
        }
        Some(days)
    }
}

/// A weekday's number from an English or Spanish name, or a number.
pub(crate) fn weekday(word: &str) -> Option<i16> {
    let folded: String = word
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'é' => 'e',
            'á' => 'a',
            c => c,
        })
        .collect();
    if let Ok(number) = folded.parse::<i16>() {
        return (1..=7).contains(&number).then_some(number);
    }
    let short: String = folded.chars().take(3).collect();
    let at = WEEKDAYS.iter().position(|d| *d == short).or_else(|| SPANISH.iter().position(|d| *d == short))?;
    Some(at as i16 + 1)
}
