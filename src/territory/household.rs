//! Homes: a code with a check character, and what is true of it from day to day: place, service, and the one segment it stands on, through
//! which it belongs to one route, operator and neighbourhood.

use super::code::{Codes, Thing};
use super::dated::{Fields, Span, Version, field, in_force, properties};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, Mint, MunicipalityId, OperatorId, SegmentId};
use crate::{all, among, bulk};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// A home as it was on a day.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Household {
    pub municipality_id: MunicipalityId,
    pub household_id: HouseholdId,
    pub code: String,
    /// `served`, `not_subscribed` or `no_route`.
    pub service_status: String,
    pub segment_id: Option<SegmentId>,
    /// Where along its segment's line, as drawn, the home is met, in metres.
    pub along_m: f64,
    /// With whom a home that stands on no segment has its contract; on a segment the operator is its route's.
    pub operator_id: Option<OperatorId>,
    pub lon: f64,
    pub lat: f64,
    /// What a crew looks for at the kerb; never a name.
    pub hint: Option<String>,
    pub approximate: bool,
    pub properties: Value,
}

impl Fields for Household {
    fn after(&self, was: &Household, told: &Household) -> Household {
        let (lon, lat) = field(&(self.lon, self.lat), &(was.lon, was.lat), &(told.lon, told.lat));
        Household {
            service_status: field(&self.service_status, &was.service_status, &told.service_status),
            segment_id: field(&self.segment_id, &was.segment_id, &told.segment_id),
            along_m: field(&self.along_m, &was.along_m, &told.along_m),
            operator_id: field(&self.operator_id, &was.operator_id, &told.operator_id),
            lon,
            lat,
            hint: field(&self.hint, &was.hint, &told.hint),
            approximate: field(&self.approximate, &was.approximate, &told.approximate),
            properties: properties(&self.properties, &was.properties, &told.properties),
            ..self.clone()
        }
    }
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

/// The code a text stands for, as labels have it: capitals and both hyphens, however the seven characters were written («sp 4821 k»,
/// «sp4821k»). `None` when they are not two letters, four digits and a letter; whether the check letter agrees is another question.
pub fn spelled(text: &str) -> Option<String> {
    let between = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '_' | '.' | '/');
    let bare: String = text.chars().filter(|c| !between(*c)).flat_map(char::to_uppercase).collect();
    if bare.len() != 7 || !bare.is_ascii() {
        return None;
    }
    Some(format!("{}-{}-{}", &bare[..2], &bare[2..6], &bare[6..])).filter(|code| has_shape(code))
}

/// A code that was written with signs between, as labels have it; anything else as it is written.
pub fn as_labelled(text: &str) -> String {
    let own = text.trim();
    spelled(own).filter(|_| !own.chars().all(char::is_alphanumeric)).unwrap_or_else(|| own.to_owned())
}

/// The codes a text may stand for in a register, likeliest first: as it is written, as labels have it, in capitals.
pub fn spellings(text: &str) -> [String; 3] {
    let own = text.trim().to_owned();
    let capitals = own.to_uppercase();
    [own, spelled(text).unwrap_or_else(|| capitals.clone()), capitals]
}

/// The code a row of a file gives its home. `known`: whether a home has that code already. A code that stands is the home's, however it is
/// written; a new one that was written with signs between, or with the municipality's own letters, is spelled as labels have it.
pub fn told(text: &str, letters: &str, known: impl Fn(&str) -> bool) -> String {
    if let Some(code) = spellings(text).into_iter().find(|code| known(code)) {
        return code;
    }
    spelled(text).filter(|code| code.starts_with(letters)).unwrap_or_else(|| as_labelled(text))
}

/// A code without the signs between and without case: what is left of «PAC-1» in «pac 1».
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// Homes by their codes without the signs between; nothing where two homes share one.
fn without_signs(codes: &Codes) -> HashMap<String, Option<(Uuid, &str)>> {
    let mut without: HashMap<String, Option<(Uuid, &str)>> = HashMap::new();
    for (code, id) in codes.every() {
        let one = without.entry(bare(code)).or_insert(Some((id, code)));
        *one = one.filter(|(known, _)| *known == id);
    }
    without
}

/// The one home whose code is this text but for the signs between and case.
pub(super) fn meant(codes: &Codes, text: &str) -> Option<Uuid> {
    without_signs(codes).get(&bare(text)).copied().flatten().map(|(id, _)| id)
}

/// The homes that texts name, by any code a home was ever given and in any spelling, with that code as the register has it. Signs between
/// may be left out of a municipality's own codes too, as long as one home alone can be meant.
pub async fn named(tx: &mut Tx, municipality: MunicipalityId, texts: &BTreeSet<&str>) -> Result<HashMap<String, (HouseholdId, String)>> {
    let asked: BTreeSet<String> = texts.iter().flat_map(|text| spellings(text)).collect();
    let asked: Vec<String> = asked.into_iter().collect();
    let found: Vec<(String, HouseholdId)> = among!(
        tx,
        "WITH asked (municipality_id, code) AS (",
        asked,
        |code| [municipality, code.clone()],
        ") SELECT h.code, h.household_id FROM asked CROSS JOIN household h WHERE h.municipality_id = asked.municipality_id AND h.code = asked.code
           UNION ALL SELECT c.code, c.thing_id FROM asked CROSS JOIN later_code c
           WHERE c.municipality_id = asked.municipality_id AND c.kind = 'household' AND c.code = asked.code"
    )?;
    let known: HashMap<String, HouseholdId> = found.into_iter().collect();
    let mut homes = HashMap::with_capacity(texts.len());
    let mut missed: Vec<&str> = Vec::new();
    for text in texts {
        match spellings(text).into_iter().find_map(|code| known.get(&code).map(|home| (*home, code))) {
            Some(home) => drop(homes.insert((*text).to_owned(), home)),
            None => missed.push(text),
        }
    }
    if !missed.is_empty() {
        let codes = Codes::read(tx, municipality, Thing::Household).await?;
        let without = without_signs(&codes);
        let meant = |text: &str| without.get(&bare(text)).copied().flatten().map(|(id, code)| (HouseholdId(id), code.to_owned()));
        homes.extend(missed.into_iter().filter_map(|text| Some((text.to_owned(), meant(text)?))));
    }
    Ok(homes)
}

/// The home somebody names, and the code they mean; see [`named`].
pub async fn find(tx: &mut Tx, municipality: MunicipalityId, text: &str) -> Result<Option<(HouseholdId, String)>> {
    Ok(named(tx, municipality, &BTreeSet::from([text])).await?.remove(text))
}

/// The columns of a home `h` and its version `v`, in the order of the struct.
macro_rules! columns {
    () => {
        "h.municipality_id, h.household_id, h.code, v.service_status, v.segment_id, v.along_m, v.operator_id, v.lon, v.lat, v.hint, v.approximate, v.properties
         FROM household h JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id
         WHERE h.municipality_id = $1 AND "
    };
}

/// The homes of a municipality on a day, ordered by code.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<Vec<Household>> {
    all!(tx, concat!("SELECT ", columns!(), in_force!("v", "$2"), " ORDER BY h.code"), municipality, day)
}

/// Everything the present knows of every home, closed ones too, by code and first day.
pub async fn history(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Version<Household>>> {
    all!(
        tx,
        concat!("SELECT v.version_id, v.valid_from, v.valid_to, ", columns!(), "v.superseded_at IS NULL ORDER BY h.code, v.valid_from"),
        municipality
    )
}

/// Inserts identities that are not there yet.
pub async fn name(tx: &mut Tx, rows: &[&Household]) -> Result<()> {
    bulk!(tx, "INSERT INTO household (municipality_id, household_id, code)", rows, |h| [h.municipality_id, h.household_id, &h.code], "")?;
    Ok(())
}

pub async fn add(tx: &mut Tx, mint: &mut Mint, now: DateTime<Utc>, rows: &[(Span, Household)]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO household_version (municipality_id, household_id, version_id, valid_from, valid_to, recorded_at, service_status, segment_id, along_m,
            operator_id, lon, lat, hint, approximate, properties)",
        rows,
        |row| [
            row.1.municipality_id,
            row.1.household_id,
            mint.id::<Uuid>(now),
            row.0.from,
            row.0.to,
            now,
            &row.1.service_status,
            row.1.segment_id,
            row.1.along_m,
            row.1.operator_id,
            row.1.lon,
            row.1.lat,
            &row.1.hint,
            row.1.approximate,
            &row.1.properties
        ],
        ""
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_interfaces_is_a_code() {
        assert_eq!(code("SP", 4821), "SP-4821-K");
        assert!(is_code("SP-4821-K"));
        for wrong in ["SP-4821-L", "SP-482-K", "sp-4821-K", "SP4821K", "SP-48215-K", "", "ñ-4821-K", "SP-4821-O"] {
            assert!(!is_code(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_taken_as_people_write_it() {
        for text in ["SP-4821-K", "sp-4821-k", "sp 4821 k", "sp4821k", " SP4821-K ", "Sp–4821–k", "SP.4821.K", "sp\u{a0}4821\u{a0}k"] {
            assert_eq!(spelled(text).as_deref(), Some("SP-4821-K"), "{text}");
        }
        for text in ["", "SP-4821", "SP-48215-K", "4821-SP-K", "SP-4821-Ñ", "casa 12"] {
            assert_eq!(spelled(text), None, "{text}");
        }
    }

    #[test]
    fn a_register_of_its_own_keeps_its_codes() {
        let none = |_: &str| false;
        assert_eq!(told("sp4821k", "SP", none), "SP-4821-K");
        assert_eq!(told("sp 4821 k", "XX", none), "SP-4821-K");
        assert_eq!(told("zn0001a", "SP", none), "zn0001a", "another register's code may look like a label's");
        assert_eq!(told("sp4821k", "SP", |code| code == "sp4821k"), "sp4821k", "a code that stands is the home's");
        assert_eq!(told("casa-12", "SP", |code| code == "CASA-12"), "CASA-12");
        assert!(!is_code(&told("sp4821l", "SP", none)), "a slip of the pen stays one");
    }

    /// Every seventh number there is, under one of three pairs of letters: what is wrong shows at few of them.
    fn made() -> impl Iterator<Item = String> {
        (0..10_000).step_by(7).map(|number| code(["SP", "QZ", "AA"][number as usize % 3], number))
    }

    #[test]
    fn every_spelling_of_a_made_code_is_that_code() {
        for made in made() {
            assert!(is_code(&made) && spellings(&made).contains(&made), "{made}");
            for (a, b) in [("", ""), (" ", ""), ("", "-"), ("-", " "), ("-", "-")] {
                let written = format!("{}{a}{}{b}{}", &made[..2], &made[3..7], &made[8..]);
                for written in [written.to_lowercase(), written] {
                    assert_eq!(spelled(&written).as_ref(), Some(&made), "{written}");
                    assert!(spellings(&written).contains(&made), "{written}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_digit_or_a_swap_is_caught() {
        let still = |code: &[u8]| is_code(std::str::from_utf8(code).unwrap());
        for made in made() {
            let right = made.as_bytes();
            for at in 3..7 {
                for digit in (b'0'..=b'9').filter(|digit| *digit != right[at]) {
                    let mut wrong = right.to_vec();
                    wrong[at] = digit;
                    assert!(!still(&wrong), "{made} {at} {digit}");
                }
                let mut swapped = right.to_vec();
                swapped.swap(at, (at + 1).min(6));
                assert_eq!(still(&swapped), swapped == right, "{made} {at}");
            }
        }
    }
}
