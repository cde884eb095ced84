//! Where things are: municipality ⊃ neighbourhood ⊃ segment; routes and their days, points, streets, homes; files in and out.

pub mod act;
pub mod assign;
pub mod calendar;
pub mod change;
pub mod check;
pub mod code;
pub mod codes;
pub mod collection;
pub mod command;
pub mod cut;
pub mod dated;
pub mod export;
pub mod geometry;
pub mod household;
pub mod import;
pub mod locate;
pub mod municipality;
pub mod neighbourhood;
pub mod pilot;
pub mod point;
pub mod practice;
pub mod proposal;
pub mod route;
pub mod segment;
pub mod street;

use crate::account::access::Routes;

/// The calendars that households subscribe to.
pub fn routes(routes: Routes) -> Routes {
    routes.get("/calendar/{municipality}/{route}", calendar::feed::answer)
}

/// The shipped geodata (see `geodata/README.md`): outlines are real, what was drawn says `approximate`.
#[derive(rust_embed::RustEmbed)]
#[folder = "geodata/"]
pub struct Shipped;
