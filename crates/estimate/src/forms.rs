//! In which forms the value of a key is taken, in a file of specs and from flags.

use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

fn plain(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(if flag { "TRUE" } else { "FALSE" }.to_string()),
        other => Err(format!("{other} is neither text nor a number")),
    }
}

pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        one => vec![one],
    };
    values.into_iter().map(|value| plain(value).map_err(serde::de::Error::custom)).collect()
}

/// The language's own words are taken in any case: `CR1` is `cr1`.
pub fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| text.to_ascii_lowercase()))
}

pub fn word_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => plain(value).map(|text| Some(text.to_ascii_lowercase())).map_err(serde::de::Error::custom),
    }
}

pub fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(texts(deserializer)?.into_iter().map(|text| text.to_ascii_lowercase()).collect())
}

pub fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| text.to_ascii_lowercase())
}

/// A whole number, however it is written: 1000, 1000.0 or 1e3.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let float = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..9e15).contains(value)).map(|value| value as u64);
    let found = number.as_u64().or(float);
    found.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is not a whole number from 0 up")))
}

pub fn maybe_numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<f64>>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        one => vec![one],
    };
    values
        .into_iter()
        .map(|value| match value {
            Value::Null => Ok(None),
            value => value.as_f64().map(Some).ok_or_else(|| serde::de::Error::custom(format!("{value} is not a number"))),
        })
        .collect()
}

pub fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    maybe_numbers(deserializer)?.into_iter().map(|value| value.ok_or_else(|| serde::de::Error::custom("null is not a number"))).collect()
}

pub fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let given: Option<BTreeMap<String, Value>> = Option::deserialize(deserializer)?;
    given.unwrap_or_default().into_iter().map(|(name, value)| plain(value).map(|value| (name, value)).map_err(serde::de::Error::custom)).collect()
}

pub fn as_object<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// `NAME=VALUE` of a flag.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write the name, =, and what it is")?;
    Ok((name.trim().to_string(), value.trim().to_string()))
}

/// A p-value of a flag, or NA.
pub fn maybe_number(text: &str) -> Result<Option<f64>, String> {
    if text == "NA" { Ok(None) } else { text.parse().map(Some).map_err(|e| format!("{e}")) }
}
