//! The peers that are installed, and runs of whole processes.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Which peers answer, and how to call them.
pub struct Peers {
    python: String,
    pub timed: bool,
    found: BTreeSet<&'static str>,
}

impl Peers {
    pub fn look() -> Peers {
        let python = std::env::var("PEER_PYTHON").unwrap_or_else(|_| "python3".to_string());
        let timed = Path::new("/usr/bin/time").exists();
        if !timed {
            println!("/usr/bin/time is missing: no CPU seconds and no memory");
        }
        let mut peers = Peers { python, timed, found: BTreeSet::new() };
        for name in ["pyfixest", "wildboottest", "scipy"] {
            let says = format!("import {name}; from importlib.metadata import version; print(version('{name}'))");
            peers.ask(name, peers.python.clone(), ["-c".to_string(), says]);
        }
        for name in ["fixest", "estimatr", "clubSandwich"] {
            let says = format!(
                "stopifnot(requireNamespace('data.table')); cat(format(packageVersion('{name}')), '\\n'); invisible(loadNamespace('{name}'))"
            );
            peers.ask(name, "Rscript".to_string(), ["-e".to_string(), says]);
        }
        peers
    }

    fn ask(&mut self, name: &'static str, program: String, arguments: [String; 2]) {
        match Command::new(&program).args(arguments).output() {
            Ok(said) if said.status.success() => {
                println!("{name} {}", String::from_utf8_lossy(&said.stdout).trim());
                self.found.insert(name);
            }
            _ => println!("{name}: not installed for {program}, left out"),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.found.contains(name)
    }

    /// A script of ours for a peer.
    pub fn call(&self, script: &str, arguments: &[&str]) -> Vec<String> {
        let program = if script.ends_with(".R") { "Rscript" } else { &self.python };
        let script = format!("{}/benches/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        [program, &script].iter().chain(arguments).map(|text| text.to_string()).collect()
    }
}

/// One run of a whole process.
pub struct Run {
    pub wall: f64,
    /// CPU seconds and peak memory in MiB, NaN without /usr/bin/time.
    pub cpu: f64,
    pub peak: f64,
    pub said: Value,
}

/// The last line a process prints is its answer, as JSON.
pub fn process(command: &[String], timed: bool) -> Result<Run, String> {
    let note = tempfile::NamedTempFile::new().unwrap();
    let note = note.path().to_str().unwrap();
    let prefix: &[&str] = if timed { &["/usr/bin/time", "-f", "%U %S %M", "-o", note] } else { &[] };
    let words: Vec<&str> = prefix.iter().copied().chain(command.iter().map(String::as_str)).collect();
    let start = Instant::now();
    let output = Command::new(words[0]).args(&words[1..]).output().map_err(|error| error.to_string())?;
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.trim().lines().last().and_then(|line| serde_json::from_str(line).ok());
    let fault = || String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("no answer").to_string();
    let said = said.filter(|_| output.status.success()).ok_or_else(fault)?;
    let used = std::fs::read_to_string(note).unwrap_or_default();
    let used: Vec<f64> = used.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, system, peak] = used.try_into().unwrap_or([f64::NAN; 3]);
    Ok(Run { wall, cpu: user + system, peak: peak / 1024.0, said })
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => (values[(n - 1) / 2] + values[n / 2]) / 2.0,
    }
}

/// Median seconds of several runs, and the last result; `ready` is not timed.
pub fn timed<I, A>(times: usize, ready: impl Fn() -> I, work: impl Fn(I) -> A) -> (f64, A) {
    let mut seconds = Vec::new();
    loop {
        let input = ready();
        let start = Instant::now();
        let found = work(input);
        seconds.push(start.elapsed().as_secs_f64());
        if seconds.len() >= times {
            return (median(seconds), found);
        }
    }
}
