//! What a spec is answered with, as JSON and as a table to read.

use serde_json::{Map, Number, Value, json};

/// A field of a row. A number that does not exist is `Null`, whatever the reason; the warning beside it says why.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Number(f64),
    Count(u64),
    Flag(bool),
    Null,
}

impl From<f64> for Field {
    fn from(value: f64) -> Field {
        if value.is_finite() { Field::Number(value) } else { Field::Null }
    }
}

impl From<Option<f64>> for Field {
    fn from(value: Option<f64>) -> Field {
        value.map_or(Field::Null, Field::from)
    }
}

impl From<u64> for Field {
    fn from(value: u64) -> Field {
        Field::Count(value)
    }
}

impl From<bool> for Field {
    fn from(value: bool) -> Field {
        Field::Flag(value)
    }
}

/// One line of the results.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub term: String,
    pub fields: Vec<(String, Field)>,
}

impl Row {
    pub fn new(term: impl Into<String>) -> Row {
        Row { term: term.into(), fields: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: impl Into<Field>) -> Row {
        self.fields.push((name.to_string(), value.into()));
        self
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.fields.iter().find(|(own, _)| own == name).and_then(|(_, field)| match field {
            Field::Number(value) => Some(*value),
            Field::Count(value) => Some(*value as f64),
            _ => None,
        })
    }
}

/// `n` rows used, `dropped` rows left out because a column the spec uses is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    pub method: String,
    pub n: Option<u64>,
    pub clusters: Option<u64>,
    pub dropped: Option<u64>,
    pub rows: Vec<Row>,
    pub warnings: Vec<String>,
}

impl Answer {
    pub fn json(&self) -> Value {
        let field = |field: &Field| match field {
            Field::Number(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Field::Count(value) => json!(value),
            Field::Flag(value) => json!(value),
            Field::Null => Value::Null,
        };
        let results: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = Map::from_iter([("term".to_string(), json!(row.term))]);
                object.extend(row.fields.iter().map(|(name, value)| (name.clone(), field(value))));
                Value::Object(object)
            })
            .collect();
        json!({
            "method": self.method, "n": self.n, "n_clusters": self.clusters, "dropped": self.dropped,
            "results": results, "warnings": self.warnings,
        })
    }

    /// No number is missing without a word: what no method foresaw is a number beyond what floating point holds.
    pub fn explain(&mut self) {
        // Null is an answer in these: the normal distribution, no clusters asked for, a test without an error of its own.
        let plain = ["df", "n_clusters", "df_denom", "log_estimate"];
        let lacks = |row: &&Row| row.fields.iter().any(|(name, field)| *field == Field::Null && !plain.contains(&name.as_str()));
        if self.warnings.is_empty() {
            let found = self.rows.iter().filter(lacks);
            self.warnings = found
                .map(|row| format!("{}: a number is too large or too small to be computed; look at the column's values and its unit", row.term))
                .collect();
        }
    }

    /// Columns lined up, numbers to six digits, warnings below.
    pub fn table(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.fields) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let head = std::iter::once("term".to_string()).chain(names.iter().map(|n| n.to_string())).collect();
        let mut lines: Vec<Vec<String>> = vec![head];
        for row in &self.rows {
            let cell = |name: &&str| match row.fields.iter().find(|(own, _)| own == name).map(|(_, field)| field) {
                None => String::new(),
                Some(Field::Number(value)) => short(*value),
                Some(Field::Count(value)) => value.to_string(),
                Some(Field::Flag(value)) => if *value { "yes" } else { "no" }.to_string(),
                Some(Field::Null) => "–".to_string(),
            };
            lines.push(std::iter::once(row.term.clone()).chain(names.iter().map(cell)).collect());
        }
        let wide: Vec<usize> = (0..=names.len()).map(|i| lines.iter().map(|l| l[i].chars().count()).max().unwrap_or(0)).collect();
        let mut out = self.method.clone();
        for (what, count) in [("rows", self.n), ("clusters", self.clusters), ("dropped", self.dropped)] {
            if let Some(count) = count.filter(|count| what != "dropped" || *count > 0) {
                out.push_str(&format!(" · {count} {what}"));
            }
        }
        out.push('\n');
        for line in lines {
            for (i, text) in line.iter().enumerate() {
                let pad = " ".repeat(wide[i] - text.chars().count());
                let text = if i == 0 { format!("{text}{pad}") } else { format!("  {pad}{text}") };
                out.push_str(&text);
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        for warning in &self.warnings {
            out.push_str(&format!("! {warning}\n"));
        }
        out
    }
}

/// Six significant digits; very small and very large ones with an exponent.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-5..9).contains(&exponent) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.*}", (5 - exponent).clamp(0, 12) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}
