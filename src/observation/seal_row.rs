//! The keyed seal of a row: over what the phone sent and when it came. What the server derives (outcome, whether the row counts, where
//! the home belonged) is not under it; `verify` derives those anew.

use super::Observation;
use crate::seal::{Fields, RecordKeys};

pub fn seal(keys: &RecordKeys, row: &Observation) -> Vec<u8> {
    let outcome = &row.outcome;
    let fields = Fields::of("observation")
        .number(Some(i64::from(row.municipality_id.0)))
        .id(Some(row.op_id.0))
        .text(Some(row.kind.name()))
        .id(Some(row.round_id.0))
        .id(Some(row.household_id.0))
        .day(Some(row.service_day))
        .id(Some(row.device_id.0))
        .at(Some(row.observed_at))
        .at(Some(row.corrected_at))
        .at(Some(row.received_at))
        .id(row.corrects.map(|op| op.0))
        .text(row.because.as_deref())
        .text(outcome.set_out.map(|it| it.name()))
        .text(outcome.separated.map(|it| it.name()))
        .text(outcome.stream.map(|it| it.name()))
        .text(outcome.contamination.as_deref())
        .text(outcome.severity.map(|it| it.name()))
        .text(outcome.reason.map(|it| it.name()))
        .text(row.suspect.as_deref())
        .real(row.lon)
        .real(row.lat)
        .real(row.accuracy_m)
        .text(Some(&row.content_hash))
        .json(row.extra.as_ref());
    keys.row(&fields)
}
