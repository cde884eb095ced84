//! The draw: stratified, balanced, from a recorded ChaCha20 stream. Pure: the same strata, arms and seed give the same assignment.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

/// Assigns each unit to one of `arms` arms, balanced within its stratum.
///
/// In each stratum (in ascending order) the units are shuffled and dealt in turn; the arms themselves are shuffled anew for each
/// stratum, so that the arms that get one unit more in a stratum whose size is not a multiple of `arms` are drawn too.
/// `strata[i]` is the stratum of unit `i`; the answer holds the arm of unit `i`. Units must come in a fixed order (by code).
pub fn draw(strata: &[usize], arms: usize, random: &mut ChaCha20Rng) -> Vec<usize> {
    let mut assigned = vec![0; strata.len()];
    let count = strata.iter().max().map_or(0, |last| last + 1);
    for stratum in 0..count {
        let mut units: Vec<usize> = (0..strata.len()).filter(|unit| strata[*unit] == stratum).collect();
        let mut order: Vec<usize> = (0..arms).collect();
        units.shuffle(random);
        order.shuffle(random);
        for (place, unit) in units.into_iter().enumerate() {
            assigned[unit] = order[place % arms];
        }
    }
    assigned
}
