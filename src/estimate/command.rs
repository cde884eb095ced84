//! `vecino estimate`: keys as flags, or specs in a file.

use super::run::run;
use super::spec::Fault;
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Estimate from any CSV or Parquet file: regressions with CR2, randomisation inference, survival, power, and the rest
///
/// Give a method and its keys as flags, or a JSON file with one spec or a list of them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LANGUAGE)]
pub struct Arguments {
    /// A .csv, .tsv, .csv.gz or .parquet file; NA and empty cells are missing, and among numbers . (Stata) and NaN. Semicolons, tabs, a «sep=» line, UTF-16 and, between
    /// semicolons or tabs, decimal commas are read
    data: Option<PathBuf>,
    /// The data file by the name of its key
    #[arg(long = "data", value_name = "DATA", conflicts_with = "data", hide = true)]
    named: Option<PathBuf>,
    /// A JSON file with one spec or a list of specs; data is then relative to it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "named", "method", "formula"])]
    spec: Option<PathBuf>,
    /// Answer as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keys: Keys,
}

const LANGUAGE: &str = "\
Formulas are R's: y ~ arm * x + factor(week) | stratum. After | stand absorbed effects; center(x), scale(x), I(expression),
i(f, x, ref = L), cbind(successes, failures), surv(time, event), (1 | group). Text columns are factors.
Clusters, blocks, effects and factor(x) go by the characters of a cell (01 is not 1), all else by its number.
Expressions (--let, --filter): + - * / ^, == != < <= > >=, %in% c(..), ! & |, log exp sqrt abs floor is.na if_else, and
mean sum min max count with by = column, where = condition.

Examples:
  vecino estimate visits.csv --method ols --formula 'separated ~ arm | stratum' --cluster segment
  vecino estimate visits.csv --method ols --formula 'separated ~ arm + center(b0)' --cluster segment \\
      --let 'b0 = mean(separated, by = segment, where = week < 0)' --filter 'week >= 0' --joint arm --adjust holm
  vecino estimate visits.csv --method ri --formula 'separated ~ arm' --cluster segment --block stratum
  vecino estimate --method power --p0 0.4 --p1 0.47 --clusters 30 --size 25 --icc 0.05 --cv 0.3
  vecino estimate --spec specs.json --json

A number that cannot be had (one cluster, no variation, an arm without outcomes, a collinear column) is null with a warning
that says why: exit 0.
An unknown column, method or file: exit 1. docs/statistics.md says which convention every number follows.";

/// The keys of the language; a list is the flag repeated.
#[derive(Debug, clap::Args)]
struct Keys {
    /// Letters of a table: utf-8, utf-16le, utf-16be, windows-1252 [default: UTF-8, or UTF-16 where it shows]
    #[arg(long)]
    encoding: Option<String>,
    /// Read a column under another name: --column y=Resultado takes the file's column «Resultado» as y. May be repeated; names of the file in
    /// another case or with accents are found without it
    #[arg(long, value_name = "OURS=THEIRS")]
    column: Vec<String>,
    /// means ols lin dim glm hazard gee glmm cox km logrank mh icc wild ri lee adjust power sequential confseq
    #[arg(long)]
    method: Option<String>,
    /// outcome ~ terms | absorbed effects
    #[arg(long, allow_hyphen_values = true)]
    formula: Option<String>,
    /// Column of clusters; twice for two-way errors
    #[arg(long)]
    cluster: Vec<String>,
    /// Column of randomisation blocks or strata
    #[arg(long)]
    block: Option<String>,
    /// Column of positive weights
    #[arg(long)]
    weights: Option<String>,
    /// Column of times (gee with ar1)
    #[arg(long)]
    time: Option<String>,
    /// A new column: name = expression
    #[arg(long = "let", value_name = "NAME = EXPR")]
    define: Vec<String>,
    /// Rows to keep
    #[arg(long, allow_hyphen_values = true)]
    filter: Option<String>,
    /// Columns whose combinations become one row each
    #[arg(long)]
    collapse: Vec<String>,
    /// Reference level of a factor
    #[arg(long, value_name = "COLUMN=LEVEL")]
    reference: Vec<String>,
    /// classical hc0 hc1 hc2 hc3 cr0 cr1 cr1p cr1s cr2 cr3; dim: within between between-weighted; gee: jackknife too
    #[arg(long)]
    vcov: Option<String>,
    /// satterthwaite cluster residual normal, or a number
    #[arg(long)]
    df: Option<String>,
    /// Level of the intervals
    #[arg(long, allow_negative_numbers = true)]
    level: Option<f64>,
    /// Report only terms of these columns
    #[arg(long)]
    terms: Vec<String>,
    /// Test all terms of these columns at once
    #[arg(long)]
    joint: Vec<String>,
    /// holm bh by bonferroni hochberg; ri: maxt
    #[arg(long)]
    adjust: Vec<String>,
    /// Simultaneous bands over the reported terms
    #[arg(long)]
    bands: bool,
    /// nested full none: what absorbed effects count in K
    #[arg(long)]
    fixef_k: Option<String>,
    /// keep drop: rows alone in an absorbed level
    #[arg(long)]
    singletons: Option<String>,
    /// size equal
    #[arg(long)]
    block_weights: Option<String>,
    /// binomial poisson gaussian
    #[arg(long)]
    family: Option<String>,
    /// logit cloglog log identity
    #[arg(long)]
    link: Option<String>,
    /// independence exchangeable ar1
    #[arg(long)]
    corstr: Option<String>,
    /// Points of the adaptive quadrature; 1 is Laplace
    #[arg(long)]
    quadrature: Option<u64>,
    /// efron breslow
    #[arg(long)]
    ties: Option<String>,
    /// Times at which survival is reported
    #[arg(long, allow_negative_numbers = true)]
    times: Vec<f64>,
    /// Quantiles of survival time
    #[arg(long, allow_negative_numbers = true)]
    quantiles: Vec<f64>,
    /// logrank: weights S^rho; confseq: the mixture's rho
    #[arg(long, allow_negative_numbers = true)]
    rho: Option<f64>,
    /// anova reml
    #[arg(long)]
    estimator: Option<String>,
    /// The value tested by the bootstrap
    #[arg(long, allow_negative_numbers = true)]
    null: Option<f64>,
    /// Whether the bootstrap imposes the null
    #[arg(long)]
    impose_null: Option<bool>,
    /// 11 31
    #[arg(long)]
    bootstrap: Option<String>,
    /// rademacher webb
    #[arg(long)]
    weights_type: Option<String>,
    /// Draws; all assignments are made when there are no more
    #[arg(long)]
    draws: Option<u64>,
    /// Seed of the draws
    #[arg(long)]
    seed: Option<u64>,
    /// ri: difference, or t
    #[arg(long)]
    statistic: Option<String>,
    /// A recorded trial (its TOML) whose rule is replayed
    #[arg(long)]
    trial: Option<String>,
    /// ri: columns whose balance decided whether an assignment was accepted
    #[arg(long)]
    balance: Vec<String>,
    /// ri: the largest Mahalanobis distance D² between arms that was accepted
    #[arg(long, allow_negative_numbers = true)]
    balance_limit: Option<f64>,
    /// p-values to adjust
    #[arg(long, allow_negative_numbers = true)]
    p: Vec<f64>,
    /// Outcome share in the reference arm
    #[arg(long, allow_negative_numbers = true)]
    p0: Option<f64>,
    /// Outcome share in the treated arm
    #[arg(long, allow_negative_numbers = true)]
    p1: Option<f64>,
    /// Clusters in an arm
    #[arg(long, allow_negative_numbers = true)]
    clusters: Option<f64>,
    /// Mean cluster size
    #[arg(long, allow_negative_numbers = true)]
    size: Option<f64>,
    /// Intra-cluster correlation
    #[arg(long, allow_negative_numbers = true)]
    icc: Option<f64>,
    /// Coefficient of variation of cluster sizes
    #[arg(long, allow_negative_numbers = true)]
    cv: Option<f64>,
    /// Two-sided error of the test (0.05)
    #[arg(long, allow_negative_numbers = true)]
    alpha: Option<f64>,
    /// The power the smallest detectable difference is for (0.8)
    #[arg(long, allow_negative_numbers = true)]
    power: Option<f64>,
    /// Rounds whose mean is the outcome; they save as much as their correlation is below 1
    #[arg(long, allow_negative_numbers = true)]
    periods: Option<f64>,
    /// Correlation of a cluster's means in two rounds (1)
    #[arg(long, allow_negative_numbers = true)]
    autocorrelation: Option<f64>,
    /// Share of the cluster means' variance that the baseline explains
    #[arg(long, allow_negative_numbers = true)]
    baseline_r2: Option<f64>,
    /// Baseline rounds, instead of baseline_r2: what their mean explains follows from the autocorrelation
    #[arg(long, allow_negative_numbers = true)]
    baseline_periods: Option<f64>,
    /// Correlation of a cluster's level over time, instead of autocorrelation
    #[arg(long, allow_negative_numbers = true)]
    cluster_autocorrelation: Option<f64>,
    /// Correlation of a person's level over time, beside it (0: others are seen in each round)
    #[arg(long, allow_negative_numbers = true)]
    person_autocorrelation: Option<f64>,
    /// Information shares of the looks, ascending to 1
    #[arg(long, allow_negative_numbers = true)]
    looks: Vec<f64>,
    /// obrien-fleming pocock
    #[arg(long)]
    spending: Option<String>,
    /// normal-mixture asymptotic
    #[arg(long)]
    kind: Option<String>,
    /// Variances at which the normal mixture is given
    #[arg(long, allow_negative_numbers = true)]
    v: Vec<f64>,
    /// Times at which the asymptotic sequence is given
    #[arg(long, allow_negative_numbers = true)]
    t: Vec<f64>,
}

impl Keys {
    fn spec(&self, data: Option<&Path>) -> Result<Value, Fault> {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| {
            let empty = matches!(&value, Value::Null) || value.as_array().is_some_and(Vec::is_empty);
            if !empty {
                object.insert(key.to_string(), value);
            }
        };
        put("data", json!(data.map(|path| path.to_string_lossy())));
        put("encoding", json!(self.encoding));
        put("method", json!(self.method));
        put("formula", json!(self.formula));
        put("cluster", json!(self.cluster));
        put("block", json!(self.block));
        put("weights", json!(self.weights));
        put("time", json!(self.time));
        put("let", json!(self.define));
        put("filter", json!(self.filter));
        put("collapse", json!(self.collapse));
        for (key, pairs, form) in [("column", &self.column, "OURS=THEIRS"), ("reference", &self.reference, "COLUMN=LEVEL")] {
            let mut told = Map::new();
            for pair in pairs {
                let (column, other) = pair.split_once('=').ok_or_else(|| Fault::Usage(format!("--{key} {pair}: write {form}")))?;
                told.insert(column.trim().to_string(), json!(other.trim()));
            }
            put(key, if told.is_empty() { Value::Null } else { Value::Object(told) });
        }
        put("vcov", json!(self.vcov));
        put("df", json!(self.df));
        put("level", json!(self.level));
        put("terms", json!(self.terms));
        put("joint", json!(self.joint));
        put("adjust", json!(self.adjust));
        put("bands", if self.bands { json!(true) } else { Value::Null });
        put("fixef_k", json!(self.fixef_k));
        put("singletons", json!(self.singletons));
        put("block_weights", json!(self.block_weights));
        put("family", json!(self.family));
        put("link", json!(self.link));
        put("corstr", json!(self.corstr));
        put("quadrature", json!(self.quadrature));
        put("ties", json!(self.ties));
        put("times", json!(self.times));
        put("quantiles", json!(self.quantiles));
        put("rho", json!(self.rho));
        put("estimator", json!(self.estimator));
        put("null", json!(self.null));
        put("impose_null", json!(self.impose_null));
        put("bootstrap", json!(self.bootstrap));
        put("weights_type", json!(self.weights_type));
        put("draws", json!(self.draws));
        put("seed", json!(self.seed));
        put("statistic", json!(self.statistic));
        put("trial", json!(self.trial));
        put("balance", json!(self.balance));
        put("balance_limit", json!(self.balance_limit));
        put("p", json!(self.p));
        put("p0", json!(self.p0));
        put("p1", json!(self.p1));
        put("clusters", json!(self.clusters));
        put("size", json!(self.size));
        put("icc", json!(self.icc));
        put("cv", json!(self.cv));
        put("alpha", json!(self.alpha));
        put("power", json!(self.power));
        put("periods", json!(self.periods));
        put("autocorrelation", json!(self.autocorrelation));
        put("baseline_r2", json!(self.baseline_r2));
        put("baseline_periods", json!(self.baseline_periods));
        put("cluster_autocorrelation", json!(self.cluster_autocorrelation));
        put("person_autocorrelation", json!(self.person_autocorrelation));
        put("looks", json!(self.looks));
        put("spending", json!(self.spending));
        put("kind", json!(self.kind));
        put("v", json!(self.v));
        put("t", json!(self.t));
        Ok(Value::Object(object))
    }
}

/// What the command printed, and whether every spec was answered.
pub struct Printed {
    pub text: String,
    pub refused: Vec<String>,
}

/// Runs the command. A spec that is refused is told in its place and in `refused`.
pub fn estimate(arguments: &Arguments) -> Result<Printed, Fault> {
    let (specs, folder, list) = match &arguments.spec {
        None => {
            if arguments.keys.method.is_none() {
                return Err(Fault::Usage("give --method, or --spec FILE; see  vecino estimate --help".to_string()));
            }
            (vec![arguments.keys.spec(arguments.data.as_deref().or(arguments.named.as_deref()))?], PathBuf::new(), false)
        }
        Some(file) => {
            let place = file.display();
            if let Some(key) = arguments.keys.spec(None)?.as_object().and_then(|keys| keys.keys().next().cloned()) {
                return Err(Fault::Usage(format!("--{} beside --spec: write the key into {place}", key.replace('_', "-"))));
            }
            let text = std::fs::read_to_string(file)
                .map_err(|e| Error::refused("estimate", format!("{place}: cannot be read ({e}); give a JSON file with a spec or a list of specs")))?;
            let value: Value = serde_json::from_str(&text)
                .map_err(|e| Fault::Usage(format!("{place}: line {}, column {}: not JSON ({e})", e.line(), e.column())))?;
            let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
            match value {
                Value::Array(specs) => (specs, folder, true),
                spec => (vec![spec], folder, false),
            }
        }
    };
    let answers = run(&specs, &folder)?;
    let refused: Vec<String> = answers.iter().filter_map(|answer| answer.as_ref().err().cloned()).collect();
    let text = if arguments.json {
        let values: Vec<Value> =
            answers.iter().map(|answer| answer.as_ref().map_or_else(|reason| json!({ "error": reason }), |answer| answer.json())).collect();
        let whole = if list { Value::Array(values) } else { values.into_iter().next().unwrap_or(Value::Null) };
        format!("{whole}\n")
    } else {
        let tables: Vec<String> =
            answers.iter().map(|answer| answer.as_ref().map_or_else(|reason| format!("refused: {reason}\n"), |answer| answer.table())).collect();
        tables.join("\n")
    };
    Ok(Printed { text, refused })
}
