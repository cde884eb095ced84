//! The same protocol on another calendar: how a practice town lays it back.

use super::super::protocol::Protocol;
use crate::clock::Week;
use crate::error::Result;

/// The first week moves, and when the trial gets another length so do its last phase and its last look; every other byte stays.
pub fn laid(text: &str, first_week: Week, weeks: i64) -> Result<String> {
    let own = Protocol::parse(text, "the protocol")?;
    let (was, after) = (own.calendar.weeks, own.calendar.after);
    let line = |line: &str| match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        Some(("first_week", _)) => format!("first_week = \"{first_week}\""),
        Some(("weeks", _)) if weeks != was => format!("weeks = {weeks}"),
        Some(("after", _)) if weeks != was => format!("after = [{}, {weeks}]", after[0]),
        Some(("data_through", value)) if weeks != was && value == was.to_string() => format!("data_through = {weeks}"),
        _ => line.to_owned(),
    };
    Ok(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}
