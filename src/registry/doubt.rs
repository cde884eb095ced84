//! A likeness that only somebody who knows the people can settle, as it is asked.

use super::birth::Birth;
use super::likeness::Ground;
use super::place::file_number;
use crate::id::{MunicipalityId, PersonId};
use chrono::NaiveDate;

/// A question that nobody answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    pub row: u64,
    pub ground: Ground,
    pub municipality: MunicipalityId,
    pub person: PersonId,
    /// The row of the same file, when it is one.
    pub other_row: Option<u64>,
    pub birth: Birth,
}

impl Doubt {
    /// What is asked, naming rows and registry numbers, never a name.
    pub fn line(&self, here: MunicipalityId, today: NaiveDate) -> String {
        let number = file_number(self.person);
        let other = match self.other_row {
            Some(row) => format!("row {row}"),
            None if self.municipality != here => format!("{number} of {}", self.municipality),
            None => match self.birth.age_on(today) {
                Some(age) => format!("{number} (about {age} years old)"),
                None => format!("{number} (age not known)"),
            },
        };
        let row = self.row;
        match self.ground {
            Ground::Cui if self.municipality != here => format!(
                "{other} holds the same CUI; kept as two files and counted once. Answer it with `vecino registry answer`, or say --distinct {row} if they are two people"
            ),
            Ground::Cui => format!(
                "{other} holds the same CUI under other names; kept as two files and counted once. One person: {}; two people: --distinct {row}",
                self.same()
            ),
            Ground::Birth => format!(
                "{other} has the same names and birth date; kept as two files and counted once. Answer it with `vecino registry answer`, or say --distinct {row} if they are two people"
            ),
            Ground::Names | Ground::Same => format!(
                "the same names as {other}, and no CUI or birth date tells them apart; kept as two people. One person: {}; two people: --distinct {row}",
                self.same()
            ),
        }
    }

    /// What is asked of many rows at once.
    pub fn kind(&self, here: MunicipalityId) -> &'static str {
        match self.ground {
            Ground::Cui if self.municipality != here => {
                "somebody of another municipality holds the same CUI; kept as two files each and counted once. `vecino registry questions` lists them"
            }
            Ground::Cui => {
                "somebody on record or of an earlier row holds the same CUI under other names; kept as two files each and counted once. One person: --same ROW=PERSON; two people: --distinct ROW; --json names each"
            }
            Ground::Birth => {
                "somebody of another municipality has the same names and birth date; kept as two files each and counted once. `vecino registry questions` lists them"
            }
            Ground::Names | Ground::Same => {
                "the same names as somebody on record or of an earlier row, and no CUI or birth date tells them apart; kept as two people each. One person: --same ROW=PERSON; two people: --distinct ROW; --json names each"
            }
        }
    }

    fn same(&self) -> String {
        match self.other_row {
            Some(other) => format!("--same {}={other}", self.row),
            None => format!("--same {}={}", self.row, file_number(self.person)),
        }
    }
}
