//! The CUI, Guatemala's number of a person: 8 digits serial, 1 check digit, 2 department, 2 municipality of registration.
//!
//! Check digit = (2·d1 + 3·d2 + … + 9·d8) mod 11; a serial with remainder 10 is never issued. RENAP publishes no formula
//! (two independent sources agree), so a number that fails is kept with a warning and never refused, nor used as a key.

use crate::error::{Error, Result};

/// Municipalities per department 01 to 22, 340 in all.
const MUNICIPALITIES: [u32; 22] = [17, 8, 16, 16, 14, 14, 19, 8, 24, 21, 9, 30, 33, 21, 8, 17, 14, 5, 11, 11, 7, 17];

/// No department has this number: practice towns take it, so that no invented person can carry a real person's number.
pub const PRACTICE_DEPARTMENT: &str = "99";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    CheckDigit,
    /// The department or municipality part names no place.
    Place,
    /// A number of a practice town: nobody's.
    Practice,
}

impl Warning {
    pub fn name(self) -> &'static str {
        match self {
            Warning::CheckDigit => "check_digit",
            Warning::Place => "place",
            Warning::Practice => "practice",
        }
    }
}

/// Thirteen digits as given, and what should be looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Cui {
    digits: String,
    pub warning: Option<Warning>,
}

impl std::fmt::Debug for Cui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cui(…)")
    }
}

impl Cui {
    /// Takes spaces and hyphens out; refuses anything but thirteen digits, without repeating what was typed.
    pub fn read(text: &str) -> Result<Cui> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '–' | '.')).collect();
        if digits.len() != 13 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::refused("cui-length", "the CUI must have 13 digits; compare it with the card, or leave it empty"));
        }
        let warning = check(&digits);
        Ok(Cui { digits, warning })
    }

    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// `1234 56789 1301`, as the card prints it: for the registrar's eyes only.
    pub fn printed(&self) -> String {
        format!("{} {} {}", &self.digits[..4], &self.digits[4..9], &self.digits[9..])
    }

    /// The most anybody outside the registry may see.
    pub fn last_four(&self) -> String {
        format!("•• {}", &self.digits[9..])
    }
}

fn check(digits: &str) -> Option<Warning> {
    let value = |range: std::ops::Range<usize>| digits[range].parse::<u32>().unwrap_or(0);
    if check_digit(&digits[..8]) != Some(value(8..9)) {
        return Some(Warning::CheckDigit);
    }
    if &digits[9..11] == PRACTICE_DEPARTMENT {
        return Some(Warning::Practice);
    }
    let (department, municipality) = (value(9..11) as usize, value(11..13));
    let known = department.checked_sub(1).and_then(|index| MUNICIPALITIES.get(index));
    (!known.is_some_and(|count| (1..=*count).contains(&municipality))).then_some(Warning::Place)
}

/// The ninth digit of a serial of eight; `None` when the serial is never issued.
pub fn check_digit(serial: &str) -> Option<u32> {
    let sum: u32 = serial.bytes().zip(2u32..).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    Some(sum % 11).filter(|remainder| *remainder < 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_vectors_are_judged_as_their_sources_judge_them() {
        for good in ["1234567891301", "9876543221301", "2401928341201", "1900000071201", "0000000511301", "2401 92834 1201", "2401-92834-1201"] {
            assert_eq!(Cui::read(good).unwrap().warning, None, "{good}");
        }
        for bad in ["1234567800101", "1234567810101"] {
            assert_eq!(Cui::read(bad).unwrap().warning, Some(Warning::CheckDigit), "{bad}");
        }
        for serial in ["20000008", "20000011", "20000025"] {
            assert_eq!(check_digit(serial), None, "{serial}");
        }
        assert_eq!(Cui::read("2401928342301").unwrap().warning, Some(Warning::Place));
        assert_eq!(Cui::read("2401928341231").unwrap().warning, Some(Warning::Place));
        assert_eq!(Cui::read("2401928349902").unwrap().warning, Some(Warning::Practice));
        assert_eq!(MUNICIPALITIES.iter().sum::<u32>(), 340);
        assert_eq!(Cui::read("1234567891301").unwrap().printed(), "1234 56789 1301");
        assert_eq!(Cui::read("1234567891301").unwrap().last_four(), "•• 1301");
    }

    #[test]
    fn what_is_not_thirteen_digits_is_refused_without_repeating_it() {
        for wrong in ["", "123456789130", "12345678913011", "12345678913O1", "١٢٣٤٥٦٧٨٩١٣٠١", "CANARY-NAME"] {
            let error = Cui::read(wrong).unwrap_err();
            assert_eq!(error.code, "cui-length");
            assert!(wrong.is_empty() || !format!("{error:?}").contains(wrong));
        }
    }

    #[test]
    fn one_wrong_digit_of_the_serial_is_always_noticed() {
        for serial in (0u32..100_000_000).step_by(199_999) {
            let right = format!("{serial:08}").into_bytes();
            let digit = |serial: &[u8]| check_digit(std::str::from_utf8(serial).unwrap());
            let Some(own) = digit(&right) else { continue };
            for (place, other) in (0..8).flat_map(|place| (1..10).map(move |other| (place, other))) {
                let mut wrong = right.clone();
                wrong[place] = b'0' + (right[place] - b'0' + other) % 10;
                // Weight 2 to 9 times a difference of 1 to 9 is never a multiple of the prime 11.
                assert_ne!(digit(&wrong), Some(own), "{serial} {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_thirteen_digits_are_kept_as_given(digits in "[0-9]{13}") {
            let cui = Cui::read(&digits).unwrap();
            prop_assert_eq!(cui.digits(), digits.as_str());
            let printed = cui.printed();
            prop_assert_eq!(Cui::read(&printed).unwrap(), cui);
        }
    }
}
