//! Passes over many rows on several threads. The parts depend on the number of rows alone, so that sums round alike on every machine.

use std::ops::Range;

/// Below this many rows a thread costs more than it saves.
const WORTH: usize = 20_000;
const PARTS: usize = 4;

/// Runs `work` on consecutive parts of 0..len; answers in order.
///
/// ```
/// # use vecino_stats::passes::parts;
/// assert_eq!(parts(10, |rows| rows.len()), [10]); // too few for threads
/// assert_eq!(parts(40_000, |rows| rows.len()), [10_000; 4]);
/// ```
pub fn parts<A: Send>(len: usize, work: impl Fn(Range<usize>) -> A + Sync) -> Vec<A> {
    parts_when(len, len >= WORTH, work)
}

/// The same where the caller knows whether the work is worth threads.
///
/// ```
/// # use vecino_stats::passes::parts_when;
/// assert_eq!(parts_when(10, true, |rows| rows.len()), [2, 3, 2, 3]);
/// ```
pub fn parts_when<A: Send>(len: usize, worth: bool, work: impl Fn(Range<usize>) -> A + Sync) -> Vec<A> {
    let count = if worth { PARTS } else { 1 };
    let bounds: Vec<Range<usize>> = (0..count).map(|i| len * i / count..len * (i + 1) / count).collect();
    if count == 1 {
        return bounds.into_iter().map(work).collect();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = bounds.iter().map(|range| scope.spawn(|| work(range.start..range.end))).collect();
        threads.into_iter().zip(&bounds).map(|(thread, range)| thread.join().unwrap_or_else(|_| work(range.start..range.end))).collect()
    })
}

/// Sums of equal length, one from each part, added in order.
///
/// ```
/// # use vecino_stats::passes::sum;
/// let sums = sum(4, 2, |rows, into| rows.for_each(|row| (into[0], into[1]) = (into[0] + 1.0, into[1] + row as f64)));
/// assert_eq!(sums, [4.0, 6.0]);
/// ```
pub fn sum(len: usize, width: usize, work: impl Fn(Range<usize>, &mut [f64]) + Sync) -> Vec<f64> {
    let all = parts(len, |range| {
        let mut own = vec![0.0; width];
        work(range, &mut own);
        own
    });
    let mut all = all.into_iter();
    let mut total = all.next().unwrap_or_else(|| vec![0.0; width]);
    for own in all {
        for (sum, value) in total.iter_mut().zip(own) {
            *sum += value;
        }
    }
    total
}
