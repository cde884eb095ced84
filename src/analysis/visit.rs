//! Homes to simulate and what crews see of them, one collection at a time.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// A home to simulate. `key` names its random streams and must be its own; `municipality` is the place in the protocol's list
/// of municipalities; `segment` indexes the arms and is unique over all municipalities.
#[derive(Debug, Clone, Copy)]
pub struct Home {
    pub key: u64,
    pub municipality: usize,
    pub segment: usize,
    pub contact: Contact,
    /// The trial week it comes in; 1 when it was there from the start.
    pub from: i64,
}

/// How a home can be written to: as a registry says, or drawn with everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    Drawn,
    Phone,
    Paper,
    /// No consent, or no way: no message reaches it, so no message changes it.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separated {
    Yes,
    Partly,
    No,
}

/// What one observer wrote. `separated` and `gross` mean nothing when nothing was set out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub set_out: bool,
    pub separated: Separated,
    pub gross: bool,
}

impl Seen {
    pub fn complied(&self) -> bool {
        self.set_out && self.separated == Separated::Yes && !self.gross
    }
}

/// One home on the collection day of one trial week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub home: usize,
    /// Trial week, counted from 1.
    pub week: i64,
    pub set_out: bool,
    pub separated: Separated,
    pub gross: bool,
    /// Why the stop was not made, an index into the names of reasons; then nothing above counts.
    pub missing: Option<u8>,
    /// What a second observer wrote of the same collection.
    pub double: Option<Seen>,
    /// What the home really did.
    pub true_complied: bool,
}

impl Visit {
    /// What the crew wrote, or nothing when the stop was not made.
    pub fn seen(&self) -> Option<Seen> {
        self.missing.is_none().then_some(Seen { set_out: self.set_out, separated: self.separated, gross: self.gross })
    }

    /// The recorded outcome: 1, 0, or empty when not observed.
    pub fn complied(&self) -> Option<bool> {
        self.seen().map(|seen| seen.complied())
    }
}

/// Uniform on [0, 1).
pub(super) fn uniform(random: &mut ChaCha20Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
