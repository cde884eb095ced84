//! `vecino estimate`: keys as flags, or specs in a file.

use super::trials::recorded;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vecino_estimate::run::run;
use vecino_estimate::spec::{Fault, Spec, refused};

/// Estimate from any CSV or Parquet file: regressions with CR2, randomisation inference, survival, power, and the rest
///
/// Give a method and its keys as flags, or a JSON file with one spec or a list of them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LANGUAGE)]
pub struct Arguments {
    /// A .csv, .tsv, .csv.gz or .parquet file; NA and empty cells are missing, and among numbers . (Stata) and NaN. Semicolons, tabs, a «sep=» line, UTF-16 and, between
    /// semicolons or tabs, decimal commas are read
    #[arg(value_name = "DATA", conflicts_with = "data")]
    file: Option<PathBuf>,
    /// A JSON file with one spec or a list of specs; data is then relative to it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "data", "method", "formula"])]
    spec: Option<PathBuf>,
    /// Answer as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keys: Spec,
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

/// What the command printed, and whether every spec was answered.
pub struct Printed {
    pub text: String,
    pub refused: Vec<String>,
}

/// Runs the command. A spec that is refused is told in its place and in `refused`.
pub fn estimate(arguments: &Arguments) -> Result<Printed, Fault> {
    let (specs, folder, list) = match &arguments.spec {
        None => {
            if arguments.keys.method.is_empty() {
                return Err(Fault::Usage("give --method, or --spec FILE; see  vecino estimate --help".to_string()));
            }
            let mut spec = arguments.keys.given();
            if let (Some(keys), Some(file)) = (spec.as_object_mut(), &arguments.file) {
                keys.insert("data".to_string(), json!(file.to_string_lossy()));
            }
            (vec![spec], PathBuf::new(), false)
        }
        Some(file) => {
            let place = file.display();
            if let Some(key) = arguments.keys.given().as_object().and_then(|keys| keys.keys().next().cloned()) {
                return Err(Fault::Usage(format!("--{} beside --spec: write the key into {place}", key.replace('_', "-"))));
            }
            let text = std::fs::read_to_string(file)
                .map_err(|e| refused(format!("{place}: cannot be read ({e}); give a JSON file with a spec or a list of specs")))?;
            let value: Value = serde_json::from_str(&text)
                .map_err(|e| Fault::Usage(format!("{place}: line {}, column {}: not JSON ({e})", e.line(), e.column())))?;
            let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
            match value {
                Value::Array(specs) => (specs, folder, true),
                spec => (vec![spec], folder, false),
            }
        }
    };
    let answers = run(&specs, &folder, &recorded)?;
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
