//! What mayors and partners see: published areas, their intervals, what stays hidden, and the drawing. Pages read publication tables only.

mod alike;
pub mod api;
mod basis;
mod combination;
pub mod command;
pub mod draw;
pub mod hiding;
pub mod label;
pub mod page;
pub mod period;
pub mod place;
pub mod publication;
pub mod read;
pub mod revision;
pub mod shape;
pub mod subtraction;
mod table;
pub mod view;

use crate::account::access::Routes;

pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/map/{municipality}", page::map)
        .get("/map/{municipality}/{neighbourhood}", place::neighbourhood)
        .get("/api/v1/compliance", api::compliance)
}

/// What is counted of each hundred observed collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Measure {
    #[default]
    Complied,
    SetOut,
}

impl Measure {
    pub const ALL: [Measure; 2] = [Measure::Complied, Measure::SetOut];

    pub fn name(self) -> &'static str {
        match self {
            Measure::Complied => "complied",
            Measure::SetOut => "set_out",
        }
    }

    pub fn parse(name: &str) -> crate::error::Result<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name).ok_or_else(|| {
            crate::error::Error::refused("measure", format!("«{name}» is not a measure; choose complied or set_out")).with("measure", name)
        })
    }
}
