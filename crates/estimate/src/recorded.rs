//! The draw of a recorded trial, for `ri` with the key `trial`. What a trial is, only its own house knows; it hands the rule in.

use rand_chacha::ChaCha20Rng;
use std::path::Path;

/// The arm of each unit, numbered from 0, from the unit's stratum; `None` when the rule accepts no draw.
pub type Rule = Box<dyn Fn(&[usize], &mut ChaCha20Rng) -> Option<Vec<usize>>>;

/// A trial as far as its draw can be made again.
pub struct Recorded {
    pub arms: usize,
    /// Of the stream when the spec names none.
    pub seed: u64,
    pub rule: Rule,
}

/// Reads a trial from the file that the key `trial` names, or says in one line why its draw cannot be made again.
pub type Trials<'a> = &'a dyn Fn(&Path) -> Result<Recorded, String>;

/// For who keeps no trials: the key is refused.
pub fn none(file: &Path) -> Result<Recorded, String> {
    Err(format!(
        "trial {}: no trials are known here; leave the key out, and say how units were drawn by block, balance and balance_limit",
        file.display()
    ))
}
