//! One spec: a method on a file, with the method's keys.

use crate::error::{Error, Result};
use crate::sheet::{Encoding, Written};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every key of the language. What a method does not need stays empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spec {
    pub data: Option<String>,
    /// How the letters of a table are stored, where the file does not say.
    pub encoding: Option<String>,
    /// The file's name of a column that the spec calls otherwise.
    #[serde(deserialize_with = "levels")]
    pub column: BTreeMap<String, String>,
    pub method: String,
    pub formula: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub cluster: Vec<String>,
    pub block: Option<String>,
    pub weights: Option<String>,
    pub time: Option<String>,
    #[serde(rename = "let", deserialize_with = "texts")]
    pub define: Vec<String>,
    pub filter: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub collapse: Vec<String>,
    #[serde(deserialize_with = "levels")]
    pub reference: BTreeMap<String, String>,
    pub vcov: Option<String>,
    #[serde(deserialize_with = "text_or_number")]
    pub df: Option<String>,
    pub level: Option<f64>,
    #[serde(deserialize_with = "texts")]
    pub terms: Vec<String>,
    #[serde(deserialize_with = "texts")]
    pub joint: Vec<String>,
    #[serde(deserialize_with = "texts")]
    pub adjust: Vec<String>,
    pub bands: Option<bool>,
    pub fixef_k: Option<String>,
    pub singletons: Option<String>,
    pub block_weights: Option<String>,
    pub family: Option<String>,
    pub link: Option<String>,
    pub corstr: Option<String>,
    #[serde(deserialize_with = "whole")]
    pub quadrature: Option<u64>,
    pub ties: Option<String>,
    #[serde(deserialize_with = "numbers")]
    pub times: Vec<f64>,
    #[serde(deserialize_with = "numbers")]
    pub quantiles: Vec<f64>,
    pub rho: Option<f64>,
    pub estimator: Option<String>,
    pub null: Option<f64>,
    pub impose_null: Option<bool>,
    #[serde(deserialize_with = "text_or_number")]
    pub bootstrap: Option<String>,
    pub weights_type: Option<String>,
    #[serde(deserialize_with = "whole")]
    pub draws: Option<u64>,
    #[serde(deserialize_with = "whole")]
    pub seed: Option<u64>,
    pub statistic: Option<String>,
    pub trial: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub balance: Vec<String>,
    pub balance_limit: Option<f64>,
    #[serde(deserialize_with = "maybe_numbers")]
    pub p: Vec<Option<f64>>,
    pub p0: Option<f64>,
    pub p1: Option<f64>,
    pub clusters: Option<f64>,
    pub size: Option<f64>,
    pub icc: Option<f64>,
    pub cv: Option<f64>,
    pub alpha: Option<f64>,
    pub power: Option<f64>,
    pub periods: Option<f64>,
    pub autocorrelation: Option<f64>,
    pub baseline_r2: Option<f64>,
    pub baseline_periods: Option<f64>,
    pub cluster_autocorrelation: Option<f64>,
    pub person_autocorrelation: Option<f64>,
    #[serde(deserialize_with = "numbers")]
    pub looks: Vec<f64>,
    pub spending: Option<String>,
    pub kind: Option<String>,
    #[serde(deserialize_with = "numbers")]
    pub v: Vec<f64>,
    #[serde(deserialize_with = "numbers")]
    pub t: Vec<f64>,
}

/// The methods and the keys each one reads, besides `data method formula let filter collapse reference level`.
pub const METHODS: [(&str, &str); 20] = [
    ("means", "cluster"),
    ("ols", "cluster vcov df weights terms joint adjust bands draws seed fixef_k singletons"),
    ("lin", "cluster vcov df weights terms joint adjust bands draws seed fixef_k singletons"),
    ("dim", "cluster block block_weights vcov adjust"),
    ("glm", "family link cluster vcov df terms joint adjust"),
    ("hazard", "link cluster vcov df terms joint adjust"),
    ("gee", "cluster family corstr vcov link time terms joint adjust"),
    ("glmm", "family quadrature terms"),
    ("cox", "block cluster ties terms"),
    ("km", "times quantiles"),
    ("logrank", "block rho cluster draws seed"),
    ("mh", "block"),
    ("icc", "cluster estimator"),
    ("wild", "cluster weights null impose_null bootstrap weights_type draws seed"),
    ("ri", "cluster block draws seed statistic vcov adjust trial balance balance_limit"),
    ("lee", ""),
    ("adjust", "p adjust"),
    (
        "power",
        "p0 p1 clusters size icc cv alpha power periods autocorrelation baseline_r2 baseline_periods cluster_autocorrelation person_autocorrelation",
    ),
    ("sequential", "looks spending alpha"),
    ("confseq", "kind v t rho alpha"),
];

const EVERYWHERE: &str = "data encoding column method formula let filter collapse reference level";

/// What came in was not a spec at all (wrong usage), or a spec that is refused.
#[derive(Debug)]
pub enum Fault {
    Usage(String),
    Refused(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Refused(error)
    }
}

impl Spec {
    /// Reads a spec from its JSON object. An unknown key is wrong usage; a value of the wrong kind too.
    pub fn read(value: &Value) -> Result<Spec, Fault> {
        if !value.is_object() {
            return Err(Fault::Usage("a spec is a JSON object such as {\"method\": \"ols\", \"formula\": \"y ~ arm\"}".to_string()));
        }
        let mut spec = Spec::deserialize(value).map_err(|e| Fault::Usage(format!("spec {value}: {e}")))?;
        spec.small();
        // Rows that miss a value of a column count as dropped only where the method uses the column.
        if let Some((_, keys)) = METHODS.iter().find(|(name, _)| *name == spec.method) {
            let reads = |key: &str| keys.split(' ').any(|own| own == key);
            spec.cluster.retain(|_| reads("cluster"));
            spec.balance.retain(|_| reads("balance"));
            spec.block = spec.block.filter(|_| reads("block"));
            spec.weights = spec.weights.filter(|_| reads("weights"));
            spec.time = spec.time.filter(|_| reads("time"));
        }
        Ok(spec)
    }

    /// The language's own words are taken in any case: `CR1` is `cr1`.
    fn small(&mut self) {
        self.method.make_ascii_lowercase();
        self.adjust.iter_mut().for_each(|word| word.make_ascii_lowercase());
        let words = [
            &mut self.vcov,
            &mut self.df,
            &mut self.fixef_k,
            &mut self.singletons,
            &mut self.block_weights,
            &mut self.family,
            &mut self.link,
            &mut self.corstr,
            &mut self.ties,
            &mut self.estimator,
            &mut self.bootstrap,
            &mut self.weights_type,
            &mut self.statistic,
            &mut self.spending,
            &mut self.kind,
            &mut self.encoding,
        ];
        words.into_iter().flatten().for_each(|word| word.make_ascii_lowercase());
    }

    /// How the data file is written, as far as that is said. Refuses what is no encoding.
    pub fn written(&self) -> Result<Written> {
        use clap::ValueEnum;
        let columns = self.column.clone().into_iter().collect();
        let Some(word) = self.encoding.as_deref() else { return Ok(Written { encoding: None, columns }) };
        let all: Vec<&str> = Encoding::value_variants().iter().map(|encoding| encoding.word()).collect();
        let encoding = Encoding::from_str(word, true).map_err(|_| refused(format!("encoding \"{word}\": use one of {}", all.join(" "))))?;
        Ok(Written { encoding: Some(encoding), columns })
    }

    /// Keys that were given and that the method does not read. Refuses an unknown method.
    pub fn idle_keys(&self, given: &Value) -> Result<Vec<String>> {
        let Some((_, keys)) = METHODS.iter().find(|(name, _)| *name == self.method) else {
            let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
            return Err(refused(format!("method \"{}\": not known; use one of {}", self.method, known.join(" "))));
        };
        let read: Vec<&str> = EVERYWHERE.split(' ').chain(keys.split(' ')).collect();
        let given = given.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        Ok(given.into_iter().filter(|key| !read.contains(&key.as_str())).collect())
    }

    pub fn formula(&self) -> Result<&str> {
        self.formula.as_deref().ok_or_else(|| refused(format!("method {}: give a formula, such as  y ~ arm", self.method)))
    }

    pub fn needs_cluster(&self) -> Result<&str> {
        match self.cluster.as_slice() {
            [one] => Ok(one),
            [] => Err(refused(format!("method {}: give the cluster column", self.method))),
            _ => Err(refused(format!("method {}: takes one cluster column", self.method))),
        }
    }

    /// The interval's level. Refuses what is not between 0 and 1.
    pub fn level(&self) -> Result<f64> {
        let level = self.level.unwrap_or(0.95);
        if level > 0.0 && level < 1.0 { Ok(level) } else { Err(refused(format!("level {level}: give a number between 0 and 1, such as 0.95"))) }
    }

    /// A key that takes one of a few words.
    pub fn word<'a>(&'a self, key: &str, given: &'a Option<String>, default: &'a str, known: &[&str]) -> Result<&'a str> {
        let word = given.as_deref().unwrap_or(default);
        if known.contains(&word) { Ok(word) } else { Err(refused(format!("{key} \"{word}\": use one of {}", known.join(" ")))) }
    }
}

pub fn refused(line: impl Into<String>) -> Error {
    Error::refused("estimate", line)
}

fn plain(value: Value) -> std::result::Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(if flag { "TRUE" } else { "FALSE" }.to_string()),
        other => Err(format!("{other} is neither text nor a number")),
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        one => vec![one],
    };
    values.into_iter().map(|value| plain(value).map_err(serde::de::Error::custom)).collect()
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => plain(value).map(Some).map_err(serde::de::Error::custom),
    }
}

/// A whole number, however it is written: 1000, 1000.0 or 1e3.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let float = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..9e15).contains(value)).map(|value| value as u64);
    let found = number.as_u64().or(float);
    found.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is not a whole number from 0 up")))
}

fn maybe_numbers<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Option<f64>>, D::Error> {
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

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<f64>, D::Error> {
    maybe_numbers(deserializer)?.into_iter().map(|value| value.ok_or_else(|| serde::de::Error::custom("null is not a number"))).collect()
}

fn levels<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<BTreeMap<String, String>, D::Error> {
    let given: Option<BTreeMap<String, Value>> = Option::deserialize(deserializer)?;
    given.unwrap_or_default().into_iter().map(|(column, level)| plain(level).map(|level| (column, level)).map_err(serde::de::Error::custom)).collect()
}
