//! One spec: a method on a file, with the method's keys.

use super::forms;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vecino_sheet::{Encoding, Written};

/// Every key of the language, each declared here alone: as a flag of the command line (a list is the flag repeated), as a key of a spec in a
/// file, and as what `--help` says of it. What a method does not need stays empty.
#[derive(Debug, Clone, Default, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spec {
    /// The data file by the name of its key; relative to the file of specs
    #[arg(long, value_name = "DATA", hide = true)]
    pub data: Option<String>,
    /// Letters of a table: utf-8, utf-16le, utf-16be, windows-1252 [default: UTF-8, or UTF-16 where it shows]
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub encoding: Option<String>,
    /// Read a column under another name: --column y=Resultado takes the file's column «Resultado» as y. May be repeated; names of the file in
    /// another case or with accents are found without it
    #[arg(long, value_name = "OURS=THEIRS", value_parser = forms::pair)]
    #[serde(deserialize_with = "forms::pairs", serialize_with = "forms::as_object")]
    pub column: Vec<(String, String)>,
    /// means ols lin dim glm hazard gee glmm cox km logrank mh icc wild ri lee adjust power sequential confseq
    #[arg(long, default_value = "", hide_default_value = true)]
    #[serde(deserialize_with = "forms::method")]
    pub method: String,
    /// outcome ~ terms | absorbed effects
    #[arg(long, allow_hyphen_values = true)]
    pub formula: Option<String>,
    /// Column of clusters; twice for two-way errors
    #[arg(long)]
    #[serde(deserialize_with = "forms::texts")]
    pub cluster: Vec<String>,
    /// Column of randomisation blocks or strata
    #[arg(long)]
    pub block: Option<String>,
    /// Column of positive weights
    #[arg(long)]
    pub weights: Option<String>,
    /// Column of times (gee with ar1)
    #[arg(long)]
    pub time: Option<String>,
    /// A new column: name = expression
    #[arg(long = "let", value_name = "NAME = EXPR")]
    #[serde(rename = "let", deserialize_with = "forms::texts")]
    pub define: Vec<String>,
    /// Rows to keep
    #[arg(long, allow_hyphen_values = true)]
    pub filter: Option<String>,
    /// Columns whose combinations become one row each
    #[arg(long)]
    #[serde(deserialize_with = "forms::texts")]
    pub collapse: Vec<String>,
    /// Reference level of a factor
    #[arg(long, value_name = "COLUMN=LEVEL", value_parser = forms::pair)]
    #[serde(deserialize_with = "forms::pairs", serialize_with = "forms::as_object")]
    pub reference: Vec<(String, String)>,
    /// classical hc0 hc1 hc2 hc3 cr0 cr1 cr1p cr1s cr2 cr3; dim: within between between-weighted; gee: jackknife too
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub vcov: Option<String>,
    /// satterthwaite cluster residual normal, or a number
    #[arg(long)]
    #[serde(deserialize_with = "forms::word_or_number")]
    pub df: Option<String>,
    /// Level of the intervals
    #[arg(long, allow_negative_numbers = true)]
    pub level: Option<f64>,
    /// Report only terms of these columns
    #[arg(long)]
    #[serde(deserialize_with = "forms::texts")]
    pub terms: Vec<String>,
    /// Test all terms of these columns at once
    #[arg(long)]
    #[serde(deserialize_with = "forms::texts")]
    pub joint: Vec<String>,
    /// holm bh by bonferroni hochberg; ri: maxt
    #[arg(long)]
    #[serde(deserialize_with = "forms::words")]
    pub adjust: Vec<String>,
    /// Simultaneous bands over the reported terms
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub bands: Option<bool>,
    /// nested full none: what absorbed effects count in K
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub fixef_k: Option<String>,
    /// keep drop: rows alone in an absorbed level
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub singletons: Option<String>,
    /// size equal
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub block_weights: Option<String>,
    /// binomial poisson gaussian
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub family: Option<String>,
    /// logit cloglog log identity
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub link: Option<String>,
    /// independence exchangeable ar1
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub corstr: Option<String>,
    /// Points of the adaptive quadrature; 1 is Laplace
    #[arg(long)]
    #[serde(deserialize_with = "forms::whole")]
    pub quadrature: Option<u64>,
    /// efron breslow
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub ties: Option<String>,
    /// Times at which survival is reported
    #[arg(long, allow_negative_numbers = true)]
    #[serde(deserialize_with = "forms::numbers")]
    pub times: Vec<f64>,
    /// Quantiles of survival time
    #[arg(long, allow_negative_numbers = true)]
    #[serde(deserialize_with = "forms::numbers")]
    pub quantiles: Vec<f64>,
    /// logrank: weights S^rho; confseq: the mixture's rho
    #[arg(long, allow_negative_numbers = true)]
    pub rho: Option<f64>,
    /// anova reml
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub estimator: Option<String>,
    /// The value tested by the bootstrap
    #[arg(long, allow_negative_numbers = true)]
    pub null: Option<f64>,
    /// Whether the bootstrap imposes the null
    #[arg(long)]
    pub impose_null: Option<bool>,
    /// 11 31
    #[arg(long)]
    #[serde(deserialize_with = "forms::word_or_number")]
    pub bootstrap: Option<String>,
    /// rademacher webb
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub weights_type: Option<String>,
    /// Draws; all assignments are made when there are no more
    #[arg(long)]
    #[serde(deserialize_with = "forms::whole")]
    pub draws: Option<u64>,
    /// Seed of the draws
    #[arg(long)]
    #[serde(deserialize_with = "forms::whole")]
    pub seed: Option<u64>,
    /// ri: difference, or t
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub statistic: Option<String>,
    /// A recorded trial (its TOML) whose rule is replayed
    #[arg(long)]
    pub trial: Option<String>,
    /// ri: columns whose balance decided whether an assignment was accepted
    #[arg(long)]
    #[serde(deserialize_with = "forms::texts")]
    pub balance: Vec<String>,
    /// ri: the largest Mahalanobis distance D² between arms that was accepted
    #[arg(long, allow_negative_numbers = true)]
    pub balance_limit: Option<f64>,
    /// p-values to adjust
    #[arg(long, allow_negative_numbers = true, value_parser = forms::maybe_number)]
    #[serde(deserialize_with = "forms::maybe_numbers")]
    pub p: Vec<Option<f64>>,
    /// Outcome share in the reference arm
    #[arg(long, allow_negative_numbers = true)]
    pub p0: Option<f64>,
    /// Outcome share in the treated arm
    #[arg(long, allow_negative_numbers = true)]
    pub p1: Option<f64>,
    /// Clusters in an arm
    #[arg(long, allow_negative_numbers = true)]
    pub clusters: Option<f64>,
    /// Mean cluster size
    #[arg(long, allow_negative_numbers = true)]
    pub size: Option<f64>,
    /// Intra-cluster correlation
    #[arg(long, allow_negative_numbers = true)]
    pub icc: Option<f64>,
    /// Coefficient of variation of cluster sizes
    #[arg(long, allow_negative_numbers = true)]
    pub cv: Option<f64>,
    /// Two-sided error of the test (0.05)
    #[arg(long, allow_negative_numbers = true)]
    pub alpha: Option<f64>,
    /// The power the smallest detectable difference is for (0.8)
    #[arg(long, allow_negative_numbers = true)]
    pub power: Option<f64>,
    /// Rounds whose mean is the outcome; they save as much as their correlation is below 1
    #[arg(long, allow_negative_numbers = true)]
    pub periods: Option<f64>,
    /// Correlation of a cluster's means in two rounds (1)
    #[arg(long, allow_negative_numbers = true)]
    pub autocorrelation: Option<f64>,
    /// Share of the cluster means' variance that the baseline explains
    #[arg(long, allow_negative_numbers = true)]
    pub baseline_r2: Option<f64>,
    /// Baseline rounds, instead of baseline_r2: what their mean explains follows from the autocorrelation
    #[arg(long, allow_negative_numbers = true)]
    pub baseline_periods: Option<f64>,
    /// Correlation of a cluster's level over time, instead of autocorrelation
    #[arg(long, allow_negative_numbers = true)]
    pub cluster_autocorrelation: Option<f64>,
    /// Correlation of a person's level over time, beside it (0: others are seen in each round)
    #[arg(long, allow_negative_numbers = true)]
    pub person_autocorrelation: Option<f64>,
    /// Information shares of the looks, ascending to 1
    #[arg(long, allow_negative_numbers = true)]
    #[serde(deserialize_with = "forms::numbers")]
    pub looks: Vec<f64>,
    /// obrien-fleming pocock
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub spending: Option<String>,
    /// normal-mixture asymptotic
    #[arg(long)]
    #[serde(deserialize_with = "forms::word")]
    pub kind: Option<String>,
    /// Variances at which the normal mixture is given
    #[arg(long, allow_negative_numbers = true)]
    #[serde(deserialize_with = "forms::numbers")]
    pub v: Vec<f64>,
    /// Times at which the asymptotic sequence is given
    #[arg(long, allow_negative_numbers = true)]
    #[serde(deserialize_with = "forms::numbers")]
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

    /// The keys that were given, as flags give them, as a spec of a file has them.
    pub fn given(&self) -> Value {
        let empty = |key: &str, value: &Value| match value {
            Value::Null => true,
            Value::Array(values) => values.is_empty(),
            Value::Object(pairs) => pairs.is_empty(),
            value => key == "method" && value == "",
        };
        match serde_json::to_value(self) {
            Ok(Value::Object(keys)) => Value::Object(keys.into_iter().filter(|(key, value)| !empty(key, value)).collect()),
            _ => Value::Null,
        }
    }

    /// The level of a column that the others are compared with, where one is chosen.
    pub fn reference_of(&self, column: &str) -> Option<&String> {
        self.reference.iter().rev().find(|(own, _)| own == column).map(|(_, level)| level)
    }

    /// How the data file is written, as far as that is said. Refuses what is no encoding.
    pub fn written(&self) -> Result<Written> {
        use clap::ValueEnum;
        let columns = self.column.clone();
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};
    use std::collections::BTreeSet;

    #[test]
    fn every_key_is_a_flag_and_is_read_by_some_method_and_methods_read_no_other() {
        let Ok(Value::Object(keys)) = serde_json::to_value(Spec::default()) else { panic!("no object") };
        let keys: BTreeSet<String> = keys.into_iter().map(|(key, _)| key).collect();
        let flags = Spec::augment_args(Command::new("estimate"));
        let flags: BTreeSet<String> = flags.get_arguments().filter_map(|flag| flag.get_long()).map(|flag| flag.replace('-', "_")).collect();
        let read = METHODS.iter().flat_map(|(_, keys)| keys.split(' ')).chain(EVERYWHERE.split(' ')).filter(|key| !key.is_empty());
        assert_eq!(keys, flags);
        assert_eq!(keys, read.map(str::to_string).collect());
    }

    #[test]
    fn flags_say_what_a_file_of_specs_says() {
        let flags =
            ["estimate", "--method", "OLS", "--formula", "y ~ arm", "--cluster", "a", "--cluster", "b", "--reference", "arm = control", "--bands"];
        let flags =
            flags.iter().chain(&["--let", "x = 1", "--df", "5", "--null", "-0.5", "--p", "0.1", "--p", "NA", "--fixef-k", "Full", "--seed", "7"]);
        let matches = Spec::augment_args(Command::new("estimate")).try_get_matches_from(flags).unwrap();
        let given = <Spec as clap::FromArgMatches>::from_arg_matches(&matches).unwrap().given();
        let file = serde_json::json!({"method": "OLS", "formula": "y ~ arm", "cluster": ["a", "b"], "reference": {"arm": "control"}, "bands": true,
            "let": ["x = 1"], "df": "5", "null": -0.5, "p": [0.1, null], "fixef_k": "Full", "seed": 7});
        assert_eq!(given, file);
        let spec = Spec::read(&given).unwrap_or_else(|_| panic!("wrong usage"));
        assert_eq!((spec.method.as_str(), spec.fixef_k.as_deref(), spec.bands, spec.p.len()), ("ols", Some("full"), Some(true), 2));
        assert_eq!((spec.reference_of("arm").map(String::as_str), spec.reference_of("x")), (Some("control"), None));
    }
}
