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
mod opened;
pub mod person;
mod place;
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

pub(crate) use crate::id::choice;
pub(crate) use place::{Place, READS, STREAM, place, places};

use crate::account::access::Routes;

pub fn routes(routes: Routes) -> Routes {
    let routes = desk::routes(routes);
    let routes = form::routes(routes);
    let routes = file::routes(routes);
    let routes = roll::routes(routes);
    logframe::routes(routes)
}
