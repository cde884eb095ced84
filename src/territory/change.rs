//! What a change of places tells those who count by them: they stand below this module, and what they do is handed in.

use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, SegmentId};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::BTreeSet;
use std::pin::Pin;

/// A frozen trial that drew some of the segments that change.
#[derive(Debug, Clone, Serialize)]
pub struct Drawn {
    pub trial: String,
    /// Their codes.
    pub segments: Vec<String>,
    /// Whether its last week is not over.
    pub running: bool,
}

/// The frozen trials that drew any of the segments.
pub type Draws =
    for<'a> fn(&'a mut Tx, MunicipalityId, &'a BTreeSet<SegmentId>, NaiveDate) -> Pin<Box<dyn Future<Output = Result<Vec<Drawn>>> + Send + 'a>>;

/// What else a change of places concerns.
#[derive(Clone, Copy)]
pub struct After {
    pub follow: Follow,
    pub drawn: Draws,
}

/// A change of facts, for those who counted by them.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    pub municipality: MunicipalityId,
    /// The first day on which something is other than before.
    pub since: NaiveDate,
    /// Why the past is corrected; without it no day that was counted may change.
    pub reason: Option<&'a str>,
    pub now: DateTime<Utc>,
    pub today: NaiveDate,
    /// The file or command, to name it in a refusal.
    pub what: &'a str,
}

/// What follows from changed facts, in the same transaction: rounds to come, and after a correction all that was counted.
pub type Follow = for<'a> fn(&'a mut Tx, Changed<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
