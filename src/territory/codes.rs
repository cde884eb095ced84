//! Codes for labels that no home of the municipality has or had, and that were never made before.

use super::household;
use super::municipality::Municipality;
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::{all, bulk, run};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeSet;

/// At most this many in one file: more is a slip of the keyboard.
pub const MOST: usize = 20_000;

/// Numbers that share no factor with 10,000 visit every number once, and labels made one after the other do not look alike.
const STRIDE: u64 = 7_919;

/// Makes `count` codes and remembers them.
pub async fn give(tx: &mut Tx, place: &Municipality, count: usize, now: DateTime<Utc>) -> Result<Vec<String>> {
    if !(1..=MOST).contains(&count) {
        return Err(Error::refused("codes-count", format!("--count {count}: from 1 to {MOST} codes are made at once")));
    }
    let id = place.municipality_id;
    // Two that make codes at once wait for each other here.
    run!(tx, "UPDATE municipality SET pilot = pilot WHERE municipality_id = $1", id)?;
    let known: Vec<(String,)> =
        all!(tx, "SELECT code FROM household WHERE municipality_id = $1 UNION SELECT code FROM household_code_given WHERE municipality_id = $1", id)?;
    // A register of its own may hold the same code in another spelling.
    let known: BTreeSet<String> = known.into_iter().map(|(code,)| household::spelled(&code).unwrap_or(code)).collect();
    let codes: Vec<String> = sequence(&place.letters(), u64::from(id.0.unsigned_abs())).filter(|code| !known.contains(code)).take(count).collect();
    if codes.len() < count {
        return Err(Error::refused(
            "codes-used-up",
            format!("--count {count}: only {} codes are left in {}; ask for fewer", codes.len(), place.code),
        ));
    }
    bulk!(tx, "INSERT INTO household_code_given (municipality_id, code, given_at)", codes, |code| [id, code, now], "")?;
    let detail = json!({"count": count, "first": codes.first(), "last": codes.last()});
    let entry = audit::Entry { stream: "territory", actor: "command line", action: "codes", target: &place.code, detail };
    audit::record(tx, id, now, entry).await?;
    Ok(codes)
}

/// Every code of a municipality in the order in which they are made: under its letters, then under its first letter with each other one.
fn sequence(letters: &str, start: u64) -> impl Iterator<Item = String> + use<> {
    let (first, own) = (letters.get(..1).unwrap_or("X").to_owned(), letters.to_owned());
    let others = (b'A'..=b'Z').map(move |second| format!("{first}{}", second as char));
    let pairs: Vec<String> = std::iter::once(own.clone()).chain(others.filter(move |pair| *pair != own)).collect();
    pairs.into_iter().flat_map(move |pair| (0..10_000u64).map(move |n| household::code(&pair, ((start + n * STRIDE) % 10_000) as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_municipality_comes_once_and_is_one() {
        let made: Vec<String> = sequence("SC", 1225).take(25_000).collect();
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
        assert!(made.iter().all(|code| household::is_code(code)));
        assert!(made[..10_000].iter().all(|code| code.starts_with("SC")));
        assert_eq!(sequence("SC", 1225).count(), 260_000);
    }
}
