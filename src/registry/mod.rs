//! Persons, where they live, how a home is reached and what it agreed to; waste, finance, school and gender enrolment; indicators.
//!
//! Names, phones and CUI are sealed; only this module opens them. A person's key municipality is where they were first registered;
//! where they live is a dated fact. Other modules ask [`may_contact`]; only a gateway calls [`open_address`].

pub mod answers;
pub mod birth;
mod candidate;
pub mod command;
pub mod consent;
pub mod contact;
pub mod cui;
pub mod desk;
pub mod doubt;
pub mod enrolment;
pub mod entry;
pub mod export;
pub mod file;
pub mod finance;
pub mod form;
pub mod gender;
pub mod identify;
pub mod import;
pub mod indicators;
mod judged;
pub mod likeness;
mod list;
pub mod logframe;
pub mod membership;
pub mod names;
mod people;
pub mod person;
mod plan;
pub mod practice;
pub mod roll;
pub mod school;
pub mod suppress;
pub mod table;
pub mod target;
pub mod verify;
pub mod view;
pub mod waste;
pub mod write;

pub use consent::Purpose;
pub use contact::{Channel, Contact, may_contact, may_contact_all, open_address};

use crate::account::Actor;
use crate::account::access::Routes;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;

/// Changes to the registry.
pub(crate) const STREAM: &str = "registry";
/// Who looked at whom: searches, opened files, exports.
pub(crate) const READS: &str = "registry_reads";

pub(crate) use crate::id::choice;

/// A municipality within the actor's reach where a pilot runs: code as a number and name.
pub(crate) type Place = (MunicipalityId, String);

/// Pilots the actor reaches, by code.
pub(crate) async fn places(tx: &mut Tx, actor: &Actor) -> Result<Vec<Place>> {
    let all: Vec<Place> = crate::all!(tx, "SELECT municipality_id, name FROM municipality WHERE pilot ORDER BY code")?;
    Ok(all.into_iter().filter(|place| actor.reaches(place.0)).collect())
}

/// The municipality an address names, when the actor reaches it; otherwise the page does not exist.
pub(crate) async fn place(tx: &mut Tx, actor: &Actor, code: &str) -> Result<Place> {
    let unknown = || Error::not_found("municipality-unknown", "there is no such municipality here; use the four digits of INE");
    let id = MunicipalityId::parse(code).map_err(|_| unknown())?;
    if !actor.reaches(id) {
        return Err(unknown());
    }
    let name: Option<(String,)> = crate::opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", id)?;
    name.map(|(name,)| (id, name)).ok_or_else(unknown)
}

pub fn routes(routes: Routes) -> Routes {
    let routes = desk::routes(routes);
    let routes = form::routes(routes);
    let routes = file::routes(routes);
    let routes = roll::routes(routes);
    logframe::routes(routes)
}
