//! The towns whose registry somebody may see, and the chains that say who changed it and who looked.

use crate::account::Actor;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, PersonId};
use crate::territory::code::{self, Thing};
use chrono::NaiveDate;

/// Changes to the registry.
pub const STREAM: &str = "registry";
/// Who looked at whom: searches, opened files, exports.
pub const READS: &str = "registry_reads";

/// A municipality within the actor's reach where a pilot runs: code as a number and name.
pub type Place = (MunicipalityId, String);

/// Pilots the actor reaches, by code.
pub async fn places(tx: &mut Tx, actor: &Actor) -> Result<Vec<Place>> {
    let all: Vec<Place> = crate::all!(tx, "SELECT municipality_id, name FROM municipality WHERE pilot ORDER BY code")?;
    Ok(all.into_iter().filter(|place| actor.reaches(place.0)).collect())
}

/// The municipality an address names, when the actor reaches it; otherwise the page does not exist.
pub async fn place(tx: &mut Tx, actor: &Actor, code: &str) -> Result<Place> {
    let unknown = || Error::not_found("municipality-unknown", "there is no such municipality here; use the four digits of INE");
    let id = MunicipalityId::parse(code).map_err(|_| unknown())?;
    if !actor.reaches(id) {
        return Err(unknown());
    }
    let name: Option<(String,)> = crate::opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", id)?;
    name.map(|(name,)| (id, name)).ok_or_else(unknown)
}

/// What a home is called today.
pub async fn code_of(tx: &mut Tx, municipality: MunicipalityId, home: HouseholdId, today: NaiveDate) -> Result<Option<String>> {
    code::on(tx, municipality, Thing::Household, home.0, today).await
}

/// The last digits of a person's identity, as a file is called where no name may stand.
pub fn file_number(id: PersonId) -> String {
    let text = id.0.simple().to_string().to_uppercase();
    format!("P-{}", &text[text.len() - 6..])
}
