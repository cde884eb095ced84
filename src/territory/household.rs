//! Homes: a code with a check character, a place, a service status, and a dated membership of one segment.
//!
//! `household_place.valid_to` is the last day of the membership (inclusive), as `route.valid_to` is.

use crate::all;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, OperatorId, SegmentId};
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Household {
    pub municipality_id: MunicipalityId,
    pub household_id: HouseholdId,
    pub code: String,
    pub lon: f64,
    pub lat: f64,
    /// What a crew looks for at the kerb; never a name.
    pub hint: Option<String>,
    /// `served`, `not_subscribed` or `no_route`.
    pub service_status: String,
    pub operator_id: Option<OperatorId>,
    pub approximate: bool,
    pub properties: Value,
}

/// A dated membership.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Membership {
    pub household_id: HouseholdId,
    pub segment_id: SegmentId,
    pub stop_order: i32,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
}

pub const STATUSES: [&str; 3] = ["served", "not_subscribed", "no_route"];

/// Check characters: letters that are not mistaken for a digit or each other.
const CHECK: &[u8; 23] = b"ABCDEFGHJKLMNPRSTUVWXYZ";

/// The code of the numbered home: two letters, four digits, check character. `SP-4821-K`.
///
/// The check is a weighted sum modulo 23, a prime: weights are distinct and smaller than it, so every wrong digit and
/// every swap of two digits side by side changes it.
pub fn code(letters: &str, number: u32) -> String {
    let body = format!("{:X<2.2}{:04}", letters.to_ascii_uppercase(), number % 10_000);
    format!("{}-{}-{}", &body[..2], &body[2..], check(body.as_bytes()) as char)
}

fn check(body: &[u8]) -> u8 {
    let value = |c: u8| u32::from(if c.is_ascii_digit() { c - b'0' } else { c.wrapping_sub(b'A') });
    let sum: u32 = body.iter().zip([7, 6, 5, 4, 3, 2]).map(|(c, weight)| value(*c) * weight).sum();
    CHECK[((sum + 9) % 23) as usize]
}

/// Whether a text is a household code whose check character agrees.
pub fn is_code(text: &str) -> bool {
    let b = text.as_bytes();
    has_shape(text) && check(&[b[0], b[1], b[3], b[4], b[5], b[6]]) == b[8]
}

/// Whether a text is written like a household code; with another check character it is a slip of the pen.
pub fn has_shape(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() == 9
        && b[2] == b'-'
        && b[7] == b'-'
        && b[..2].iter().all(u8::is_ascii_uppercase)
        && b[3..7].iter().all(u8::is_ascii_digit)
        && b[8].is_ascii_uppercase()
}

/// Whether a text can stand as the code a municipality's own register gave a home. Such a code carries no check character.
pub fn is_own(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
}

const COLUMNS: &str =
    "SELECT h.municipality_id, h.household_id, h.code, h.lon, h.lat, h.hint, h.service_status, h.operator_id, h.approximate, h.properties
     FROM household h";

/// All homes of a municipality, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Household>> {
    all!(tx, sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE h.municipality_id = $1 ORDER BY h.code")), municipality)
}

/// The memberships valid on a day, ordered by household.
pub async fn places(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Membership>> {
    all!(
        tx,
        "SELECT household_id, segment_id, stop_order, valid_from, valid_to FROM household_place
         WHERE municipality_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2) ORDER BY household_id",
        municipality,
        day
    )
}

/// Every membership a municipality's homes ever had, ordered by household and date.
pub async fn history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Membership>> {
    all!(
        tx,
        "SELECT household_id, segment_id, stop_order, valid_from, valid_to FROM household_place WHERE municipality_id = $1 ORDER BY household_id, valid_from",
        municipality
    )
}

/// Homes that belong to no segment, and so to no route, on a day: what the coordinator has to settle. Ordered by code.
pub async fn unplaced(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Household>> {
    all!(
        tx,
        sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE h.municipality_id = $1 AND NOT EXISTS (SELECT 1 FROM household_place p
               WHERE p.municipality_id = h.municipality_id AND p.household_id = h.household_id
                 AND p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to >= $2))
             ORDER BY h.code"
        )),
        municipality,
        day
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_interfaces_is_a_code() {
        assert_eq!(code("SP", 4821), "SP-4821-K");
        assert!(is_code("SP-4821-K"));
        for wrong in ["SP-4821-L", "SP-482-K", "sp-4821-K", "SP4821K", "SP-48215-K", "", "ñ-4821-K", "SP-4821-O"] {
            assert!(!is_code(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_made_code_is_one(letters in "[A-Z]{2}", number in 0u32..10_000) {
            prop_assert!(is_code(&code(&letters, number)));
        }

        #[test]
        fn a_wrong_digit_or_a_swap_is_caught(letters in "[A-Z]{2}", number in 0u32..10_000, at in 3usize..7, digit in b'0'..=b'9') {
            let right = code(&letters, number).into_bytes();
            let mut wrong = right.clone();
            wrong[at] = digit;
            prop_assert_eq!(is_code(std::str::from_utf8(&wrong).unwrap()), wrong == right);
            if at < 6 {
                let mut swapped = right.clone();
                swapped.swap(at, at + 1);
                prop_assert_eq!(is_code(std::str::from_utf8(&swapped).unwrap()), swapped == right);
            }
        }
    }
}
